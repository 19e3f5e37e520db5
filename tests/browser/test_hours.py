"""Office hours: an admin sets them, and users who have a page open see it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Desk, NewContext, Troubles, violations


def of_admin(new_context: NewContext, desk: Desk, **options: object) -> Page:
    page = new_context(**options).new_page()
    desk.sign_in(page, "ana")
    page.goto(f"{desk.url}/admin")
    page.get_by_role("link", name="Horario de atención").first.click()
    return page


def set_always(page: Page, *, open_: bool) -> None:
    """Open the whole week, or closed for good with a text."""
    page.get_by_label("Decir a los usuarios").check()
    page.select_option("#zona", "Europe/Madrid")
    for day in range(7):
        for end in ("desde", "hasta"):
            page.fill(f"[name={end}_{day}_0]", "00:00" if open_ else "")
    page.fill("#aviso_es", "Volvemos en enero.")
    page.get_by_role("button", name="Guardar").click()
    expect(page.get_by_role("status")).to_contain_text("Guardado.")


def test_an_open_page_follows_what_an_admin_changes(new_context: NewContext, desk: Desk) -> None:
    user = new_context().new_page()
    desk.sign_in(user, "jtucker")
    notice = user.locator("#hours")
    expect(notice).to_be_hidden()
    admin = of_admin(new_context, desk)
    set_always(admin, open_=True)
    expect(notice).to_contain_text("Ahora estamos disponibles.")
    set_always(admin, open_=False)
    expect(notice).to_contain_text("Volvemos en enero.")
    user.reload()
    expect(notice).to_contain_text("Volvemos en enero.")
    user.fill("#text", "Escribo igualmente")
    user.keyboard.press("Enter")
    expect(user.locator(".line .text").last).to_have_text("Escribo igualmente")
    admin.get_by_label("Decir a los usuarios").uncheck()
    admin.get_by_role("button", name="Guardar").click()
    expect(notice).to_be_hidden()


def test_hours_are_set_without_scripts_and_mistakes_are_told(
    new_context: NewContext, desk: Desk, troubles: Troubles
) -> None:
    troubles.expected.append("400 (Bad Request)")
    page = of_admin(new_context, desk, java_script_enabled=False)
    page.get_by_label("Decir a los usuarios").check()
    page.fill("#cerrado", "el lunes")
    page.get_by_role("button", name="Guardar").click()
    expect(page.locator("#closed-problem")).to_contain_text("Una fecha por línea")
    expect(page.locator("#cerrado")).to_have_value("el lunes")
    page.fill("#cerrado", "2030-12-25")
    page.get_by_role("button", name="Guardar").click()
    expect(page.get_by_role("status")).to_contain_text("Guardado.")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_form_and_the_notice_are_accessible_and_fit_a_phone(
    new_context: NewContext, desk: Desk, theme: str
) -> None:
    for viewport in (PHONE, None):
        page = of_admin(
            new_context, desk, color_scheme=theme, **({"viewport": viewport} if viewport else {})
        )
        set_always(page, open_=False)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    user = new_context(color_scheme=theme, viewport=PHONE).new_page()
    desk.sign_in(user, "diego_mx")
    expect(user.locator("#hours")).to_be_visible()
    assert violations(user) == []
    assert user.evaluate("document.documentElement.scrollWidth <= innerWidth")
