"""docs/tutorial.md, followed word for word, on other ports."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import ROOT, NewContext, Troubles
from tests.support.clients import until
from tests.support.databases import free_port

PASSWORD = "a long sentence to remember"


class Reader:
    """Somebody who does what the page says, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.desk, self.site = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        text = (ROOT / "docs/tutorial.md").read_text("utf-8")
        text = text.replace("127.0.0.1:3000", self.desk).replace("127.0.0.1:8000", self.site)
        text = text.replace('("127.0.0.1", 8000)', f'("127.0.0.1", {self.site.split(":")[1]})')
        self.steps = re.findall(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        self.running: list[subprocess.Popen[bytes]] = []
        (folder / "bin").mkdir()
        self._program("registro", "-m registro")
        self._program("python3", "")

    def _program(self, name: str, arguments: str) -> None:
        program = self.folder / "bin" / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {arguments} "$@"\n')
        program.chmod(0o755)

    def _start(self, command: str) -> subprocess.Popen[bytes]:
        environ = {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
            "PORT": self.desk.split(":")[1],
        }  # fmt: skip
        return subprocess.Popen(
            ["bash", "-euc", command], cwd=self.folder, env=environ, stdout=subprocess.PIPE
        )

    def follow(self) -> Iterator[str]:
        """Does each step; yields what its commands printed, nothing for a server."""
        for language, name, text in self.steps:
            if language != "sh":
                (self.folder / name).write_text(text)
            elif text.strip() in ("registro serve", "python3 site.py"):
                self.running.append(self._start(f"exec {text}"))
                address = self.desk if "serve" in text else self.site
                until(lambda address=address: answers(address), f"{text.strip()} to answer", 30)
                yield ""
            else:
                process = self._start(text)
                yield process.communicate(timeout=60)[0].decode()
                assert process.returncode == 0, text

    def end(self) -> None:
        for process in self.running:
            process.terminate()
            process.communicate(timeout=30)


def answers(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/").is_success
    except httpx.TransportError:
        return False


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    reader.end()


def test_the_tutorial_ends_with_a_chat_on_ones_own_page(
    reader: Reader, new_context: NewContext, troubles: Troubles
) -> None:
    troubles.expected.append("favicon.ico")
    troubles.expected.append("404")  # the site of the tutorial has no icon
    steps = reader.follow()
    while len(reader.running) < 2:
        next(steps)
    page, inbox = new_context().new_page(), new_context().new_page()
    page.goto(f"http://{reader.site}/")
    page.fill("#text", "¿Tienen tallas grandes?")
    page.press("#text", "Enter")
    expect(page.locator("#log")).to_contain_text("¿Tienen tallas grandes?")
    inbox.goto(f"http://{reader.desk}/login")
    inbox.fill("input[name=user]", "ana")
    inbox.fill("input[name=pass]", PASSWORD)
    inbox.press("input[name=pass]", "Enter")
    inbox.get_by_text("¿Tienen tallas grandes?").first.click()
    inbox.fill("#text", "Sí, hasta la XXL.")
    inbox.press("#text", "Enter")
    expect(page.locator("#log")).to_contain_text("Sí, hasta la XXL.")
    (record,) = steps
    assert "Sí, hasta la XXL." in record
    assert record.splitlines()[-1].startswith("verified")
