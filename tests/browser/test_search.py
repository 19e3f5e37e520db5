"""Searching messages in a browser: to the message in its place, without scripts, for everybody."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, WIDE, Desk, NewContext, violations


def admin(new_context: NewContext, desk: Desk, **options: object) -> Page:
    context = new_context(**options)
    context.add_cookies(
        [{"name": "token", "value": desk.server.token("ana", "admin"), "url": desk.url}]
    )
    page = context.new_page()
    page.goto(f"{desk.url}/soporte")
    return page


def search(page: Page, query: str) -> None:
    page.fill("#find", query)
    page.press("#find", "Enter")
    page.wait_for_url("**/admin/buscar?q=*")


def oldest(page: Page) -> None:
    """Goes on to the last part of what was found."""
    while page.locator("[rel=next]").count():
        page.click("[rel=next]")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_message_that_was_found_is_shown_in_its_place(
    new_context: NewContext, desk: Desk, scripts: bool
) -> None:
    page = admin(new_context, desk, java_script_enabled=scripts, viewport=WIDE | {"height": 420})
    for _ in range(50):  # the index follows the log
        search(page, "con:flor.ba")
        if page.locator(".hit").count():
            break
        page.wait_for_timeout(200)
    oldest(page)
    hit = page.locator(".hit").last
    text = hit.locator(".text").inner_text()
    hit.locator("a").click()
    page.wait_for_url(re.compile(r"/soporte\?con=flor\.ba&mensaje=\d+#m-\d+$"))
    line = page.locator(".line:target")
    expect(line.locator(".text")).to_have_text(text, use_inner_text=True)
    page.wait_for_timeout(300)  # nothing scrolls it away afterwards
    expect(line).to_be_in_viewport()
    assert line.locator(".text").evaluate("one => getComputedStyle(one).outlineStyle") == "solid"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE])
def test_the_page_is_for_everybody(
    new_context: NewContext, desk: Desk, scheme: str, viewport: dict[str, int]
) -> None:
    page = admin(new_context, desk, viewport=viewport, color_scheme=scheme)
    for query in ("hola con:flor.ba de:nadie", "gracias antes:ayer", "xyzxyz", "que", ""):
        page.goto(f"{desk.url}/admin/buscar?q={query}")
        assert violations(page) == [], query
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, query
    page.goto(f"{desk.url}/soporte")
    assert violations(page) == []
