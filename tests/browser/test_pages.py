"""The other pages: accounts, languages, errors, and how accessible all of them are."""

from __future__ import annotations

from uuid import uuid4

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, WIDE, Desk, NewContext, Troubles, violations

PAGES = {
    "/": None,
    "/login": None,
    "/registro": None,
    "/api-docs": None,
    "/no-such-page": None,
    "/soporte": "flor.ba",
    "/soporte?con=flor.ba": "ana",
    "/soporte?antes=5&con=flor.ba": "ana",
    "/admin": "ana",
}


def test_a_new_user_registers_logs_in_and_writes(new_context: NewContext, desk: Desk) -> None:
    page, user = new_context().new_page(), f"n{uuid4().hex[:8]}"
    page.goto(desk.url)
    page.get_by_role("link", name="Crear una cuenta").first.click()
    page.fill("input[name=user]", user)
    page.fill("input[name=name]", "Nuria Nueva")
    page.fill("input[name=pass]", "caballo correcto 7")
    page.press("input[name=pass]", "Enter")
    page.wait_for_url("**/login*")
    page.fill("input[name=user]", user)
    page.fill("input[name=pass]", "caballo correcto 7")
    page.press("input[name=pass]", "Enter")
    page.wait_for_url("**/soporte*")
    page.fill("#text", "Hola, soy nueva")
    page.press("#text", "Enter")
    expect(page.locator("#lines .line.ours .state").last).to_have_attribute("data-state", "sent")
    page.click("#logout")
    page.goto(f"{desk.url}/soporte")
    expect(page).to_have_url(f"{desk.url}/login?returnTo=%2Fsoporte")


def test_the_keyboard_alone_is_enough(new_context: NewContext, desk: Desk) -> None:
    page = new_context().new_page()
    page.goto(desk.url)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.goto(f"{desk.url}/login")
    page.focus("input[name=user]")
    page.keyboard.type("marcos")
    page.keyboard.press("Tab")
    page.keyboard.type(desk.password)
    page.keyboard.press("Enter")
    page.wait_for_url("**/soporte*")
    page.locator('.row[data-user="jtucker"] a').focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**con=jtucker*")
    page.focus("#text")
    page.keyboard.type("Con el teclado")
    page.keyboard.press("Enter")
    expect(page.locator("#lines .line.ours .text").last).to_have_text("Con el teclado")


def test_the_language_changes_and_stays(new_context: NewContext, desk: Desk) -> None:
    page = new_context().new_page()
    page.goto(f"{desk.url}/login")
    expect(page.locator("html")).to_have_attribute("lang", "es")
    page.locator(".languages a[lang=en]").click()
    expect(page).to_have_url(f"{desk.url}/login")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    desk.sign_in(page, "flor.ba")
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_a_wrong_password_is_said_and_the_name_stays(
    new_context: NewContext, desk: Desk, troubles: Troubles
) -> None:
    troubles.expected.append("401")
    page = new_context().new_page()
    page.goto(f"{desk.url}/login")
    page.fill("input[name=user]", "flor.ba")
    page.fill("input[name=pass]", "not the password")
    page.press("input[name=pass]", "Enter")
    expect(page.get_by_role("alert").first).to_be_visible()
    assert page.input_value("input[name=user]") == "flor.ba"
    assert page.input_value("input[name=pass]") == ""


def test_a_disabled_user_is_told_and_sent_away(new_context: NewContext, desk: Desk) -> None:
    page, user = new_context().new_page(), f"n{uuid4().hex[:8]}"
    desk.server.registro("user", "add", user, "--password", "caballo correcto 7")
    page.goto(f"{desk.url}/login")
    page.fill("input[name=user]", user)
    page.fill("input[name=pass]", "caballo correcto 7")
    page.press("input[name=pass]", "Enter")
    page.wait_for_url("**/soporte*")
    expect(page.locator("#text")).to_be_visible()
    desk.server.registro("user", "disable", user)
    expect(page.locator("#banner")).to_be_visible()
    page.reload()
    expect(page).to_have_url(f"{desk.url}/login?returnTo=%2Fsoporte")


@pytest.mark.parametrize(("theme", "language"), [("light", "es"), ("dark", "en")])
def test_axe_finds_nothing_on_any_page(
    new_context: NewContext, desk: Desk, troubles: Troubles, theme: str, language: str
) -> None:
    troubles.expected.append("404")
    people = {user: new_context(color_scheme=theme) for user in set(PAGES.values())}
    found: dict[str, list[str]] = {}
    for user, context in people.items():
        page = context.new_page()
        page.goto(f"{desk.url}/set-lang/{language}")
        if user is not None:
            desk.sign_in(page, user)
        for path in (path for path, who in PAGES.items() if who == user):
            for size in (WIDE, PHONE):
                page.set_viewport_size(size)  # type: ignore[arg-type]
                page.goto(desk.url + path)
                page.wait_for_load_state("networkidle")
                if wrong := violations(page):
                    found[f"{path} {size['width']}"] = wrong
    assert found == {}


@pytest.mark.parametrize("path", PAGES)
def test_no_page_scrolls_sideways_on_a_phone(
    new_context: NewContext, desk: Desk, troubles: Troubles, path: str
) -> None:
    troubles.expected.append("404")
    page = new_context(viewport=PHONE).new_page()
    if PAGES[path] is not None:
        desk.sign_in(page, str(PAGES[path]))
    page.goto(desk.url + path)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
