"""The audit pages in a browser: following the log, without scripts, on a phone, for everybody."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, WIDE, Desk, NewContext, Troubles, violations

PAGES = [
    "/admin/registro",
    "/admin/registro?tipo=conversation&usuario=flor.ba&antes=2000",
    "/admin/registro?usuario=nadie",
    "/admin/registro?sesion=none",
    "/admin/registro/1500",
    "/admin/usuario?user=flor.ba",
    "/admin/usuario?id=00000000-0000-4000-8000-000000000000",
    "/admin/usuario",
    "/admin/sesiones",
    "/admin/conexiones?user=flor.ba",
    "/admin/conectados",
    "/admin/salud-registro",
]


def admin(new_context: NewContext, desk: Desk, **options: object) -> Page:
    """A page of an admin, with a token that was minted elsewhere: no event of a login."""
    context = new_context(**options)
    context.add_cookies(
        [{"name": "token", "value": desk.server.token("ana", "admin"), "url": desk.url}]
    )
    return context.new_page()


def add_user(desk: Desk, user: str) -> None:
    desk.server.registro("user", "add", user, "--password", "caballo correcto 7")


def asked(page: Page) -> list[str]:
    """The addresses that a page asks for from now on."""
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    return addresses


def test_new_events_are_counted_and_shown_when_asked_for(
    new_context: NewContext, desk: Desk
) -> None:
    page = admin(new_context, desk)
    page.goto(f"{desk.url}/admin/registro?tipo=user")
    before = page.locator(".event").count()
    expect(page.locator("#new-events")).to_be_hidden()
    add_user(desk, "nuevo-1")
    expect(page.locator("#new-events")).to_have_text("1 evento nuevo")
    assert page.locator(".event").count() == before
    add_user(desk, "nuevo-2")
    expect(page.locator("#new-events")).to_have_text("2 eventos nuevos")
    page.click("#new-events")
    expect(page.locator(".event.fresh .detail").first).to_contain_text("nuevo-2")
    expect(page.locator(".event.fresh")).to_have_count(2)
    expect(page.locator("#new-events")).to_be_hidden()
    expect(page.locator(".event.fresh .position").first).to_be_focused()
    assert page.locator(".date h2").first.inner_text() == "Hoy"
    shown = page.locator("#events").inner_html()
    page.reload()
    assert _without_marks(page.locator("#events").inner_html()) == _without_marks(shown)
    add_user(desk, "nuevo-3")
    expect(page.locator("#new-events")).to_have_text("1 evento nuevo")


def _without_marks(markup: str) -> list[str]:
    """The events of a list as the page writes them and as its script does: the same elements."""
    markup = markup.replace(" fresh", "").replace("event erased", "event")
    return [part.split("</li>")[0] for part in "".join(markup.split()).split('data-position="')][:9]


def test_a_tab_that_nobody_looks_at_asks_for_nothing(new_context: NewContext, desk: Desk) -> None:
    page = admin(new_context, desk)
    page.clock.install()
    page.goto(f"{desk.url}/admin/registro")
    with page.expect_response("**/api/registro?*"):
        page.clock.run_for(3_100)
    addresses = asked(page)
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {configurable: true, get: () => true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    page.clock.run_for(60_000)
    assert addresses == []
    with page.expect_request("**/api/registro?*"):
        page.evaluate(
            "delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))"
        )


def test_a_page_whose_login_is_over_leads_to_another(
    new_context: NewContext, desk: Desk, troubles: Troubles
) -> None:
    troubles.expected.append("401")
    page = new_context().new_page()
    desk.sign_in(page, "marcos")
    page.goto(f"{desk.url}/admin/registro")
    page.context.clear_cookies()
    expect(page).to_have_url(f"{desk.url}/login?returnTo=%2Fadmin%2Fregistro")


def test_older_parts_and_closed_spans_of_time_are_not_followed(
    new_context: NewContext, desk: Desk
) -> None:
    page = admin(new_context, desk)
    for query in ("antes=100", "hasta=2026-11-01T00:00:00Z"):
        page.goto(f"{desk.url}/admin/registro?{query}")
        expect(page.locator(".event").first).to_be_visible()
        assert page.locator("#new-events").count() == 0


def test_everything_is_there_without_scripts(new_context: NewContext, desk: Desk) -> None:
    page = admin(new_context, desk, java_script_enabled=False)
    page.goto(f"{desk.url}/admin/registro")
    page.select_option("#tipo", "conversation:message")
    page.fill("#usuario", "flor.ba")
    page.get_by_role("button", name="Filtrar").click()
    expect(page.locator(".event").first).to_contain_text("Florencia")
    page.locator(".event .position").first.click()
    expect(page.locator("#verdict")).to_contain_text("Verificado contra el registro de ahora")
    page.get_by_role("link", name="En su conversación").click()
    expect(page.locator(".line").last).to_be_visible()
    page.get_by_role("link", name="Historial").first.click()
    expect(page.locator("h1 bdi")).to_have_text("Florencia Acosta")


def test_the_keyboard_alone_leads_from_the_admin_area_to_a_proof(
    new_context: NewContext, desk: Desk
) -> None:
    page = admin(new_context, desk)
    page.goto(f"{desk.url}/admin")
    page.locator("#count-events a").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/registro")
    page.locator(".event .position").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/registro/*")
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("details .hashes")).to_be_visible()


@pytest.mark.parametrize(("theme", "language"), [("light", "es"), ("dark", "en")])
def test_axe_finds_nothing_on_any_audit_page(
    new_context: NewContext, desk: Desk, theme: str, language: str
) -> None:
    page = admin(new_context, desk, color_scheme=theme)
    page.goto(f"{desk.url}/set-lang/{language}")
    found: dict[str, list[str]] = {}
    for path in PAGES:
        for size in (WIDE, PHONE):
            page.set_viewport_size(size)  # type: ignore[arg-type]
            page.goto(desk.url + path)
            if wrong := violations(page):
                found[f"{path} {size['width']}"] = wrong
    assert found == {}


def test_no_audit_page_scrolls_sideways_on_a_phone(new_context: NewContext, desk: Desk) -> None:
    page = admin(new_context, desk, viewport=PHONE)
    wide = []
    for path in PAGES:
        page.goto(desk.url + path)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(path)
    assert wide == []


def test_an_unknown_name_asks_again(
    new_context: NewContext, desk: Desk, troubles: Troubles
) -> None:
    troubles.expected.append("404")
    page = admin(new_context, desk)
    page.goto(f"{desk.url}/admin/usuario?user=nadie")
    expect(page.get_by_role("alert")).to_contain_text("nadie")
    page.fill("#user", "flor.ba")
    page.press("#user", "Enter")
    expect(page.locator("h1 bdi")).to_have_text("Florencia Acosta")
