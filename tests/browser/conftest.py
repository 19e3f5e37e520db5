"""Chromium over a real server with the sample data. A page fails its test when its console shows an
error, a script throws, or the content security policy is violated."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Frame, Page, expect, sync_playwright

from tests.conftest import SECRET
from tests.support.server import Server

ROOT = Path(__file__).resolve().parents[2]
AXE = (ROOT / "node_modules/axe-core/axe.min.js").read_text("utf-8")
CHROMIUM = "/usr/bin/chromium-headless-shell"  # needs two thirds of what the whole browser does
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
]  # fmt: skip
WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}

NewContext = Callable[..., BrowserContext]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser. It lives no longer than a module: while it does, Playwright runs an event loop in
    this thread, and asynchronous tests cannot run theirs."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class Desk:
    """A running server with the sample data and its demo password."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.url = server.url
        self.password = (server.folder / "registro.db.demo").read_text().strip()

    def sign_in(self, page: Page, user: str, to: str = "/soporte") -> None:
        """As the login form does it, on the way to an address; test_pages has the form itself."""
        form = {"user": user, "pass": self.password}
        answer = page.request.post(f"{self.url}/auth", form=form, max_redirects=0)
        assert answer.status == 303, answer.text()
        page.goto(f"{self.url}{to}")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One server for the tests of a module; each uses people of its own."""
    with Server(tmp_path_factory.mktemp("desk"), {"JWT_SECRET": SECRET}, fixtures=True) as server:
        yield Desk(server)


class Troubles(list[str]):
    """What went wrong on the pages of a test. `expected` texts are left out."""

    def __init__(self) -> None:
        self.expected: list[str] = []

    def note(self, text: str) -> None:
        if not any(expected in text for expected in self.expected):
            self.append(text)


@pytest.fixture
def troubles() -> Iterator[Troubles]:
    found = Troubles()
    yield found
    assert found == []


@pytest.fixture
def new_context(browser: Browser, troubles: Troubles) -> Iterator[NewContext]:
    """Makes browser contexts: separate people with cookies of their own."""
    contexts: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        context = browser.new_context(**({"viewport": WIDE, "locale": "es-ES"} | options))
        context.set_default_timeout(8000)
        context.on("page", lambda page: _watch(page, troubles))
        contexts.append(context)
        return context

    expect.set_options(timeout=8000)
    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_context: NewContext) -> Page:
    """A page of one person."""
    return new_context().new_page()


def _watch(page: Page, troubles: Troubles) -> None:
    page.on("pageerror", lambda error: troubles.note(f"script: {error}"))
    page.on(
        "console",
        lambda message: (
            troubles.note(f"console: {message.text}") if message.type == "error" else None
        ),
    )


def wait_until(page: Page | Frame, expression: str, seconds: float = 8) -> None:
    """Waits until a JavaScript expression is true. (Playwright's `wait_for_function` evaluates its
    text in the page while it waits, which the content security policy forbids.)"""
    deadline = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"still not so after {seconds} s: {expression}"
        page.wait_for_timeout(20)


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong with a page's accessibility."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{violation['id']} ({violation['impact']}): {node['html'][:200]}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
