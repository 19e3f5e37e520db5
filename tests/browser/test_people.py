"""People and preferences in a browser: sessions that end, links, themes, being called."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import PHONE, WIDE, Desk, NewContext, Troubles, violations, wait_until

PASSWORD = "caballo correcto 7"
PAGES = {
    "/admin/personas": "ana",
    "/admin/personas?q=nobody-has-this": "ana",
    "/admin/personas/nueva": "ana",
    "/admin/persona?user=flor.ba": "ana",
    "/admin/persona?user=ana": "ana",
    "/preferencias": "flor.ba",
    "/contrasena?enlace=none": None,
}

FAKE = """
window.told = [];
window.Notification = class {
  static permission = "granted";
  static async requestPermission() { return "granted"; }
  constructor(title, options) { window.told.push([title, options.body]); }
  close() {}
};
window.rang = 0;
window.AudioContext = class {
  constructor() { window.rang += 1; }
  currentTime = 0;
  createGain() {
    const gain = {setValueAtTime() {}, exponentialRampToValueAtTime() {}};
    return {gain, connect() {}};
  }
  createOscillator() { return {frequency: {}, connect() {}, start() {}, stop() {}}; }
  close() {}
};
window.looked = false;
document.hasFocus = () => window.looked;
"""
"""A browser's notifications and sound, and whether somebody looks at the page."""


def new_person(desk: Desk, role: str = "user") -> str:
    user = f"p{uuid4().hex[:8]}"
    desk.server.registro("user", "add", user, "--role", role, "--password", PASSWORD)
    return user


def log_in(page: Page, desk: Desk, user: str, password: str = PASSWORD) -> None:
    page.goto(f"{desk.url}/login")
    page.fill("input[name=user]", user)
    page.fill("input[name=pass]", password)
    page.press("input[name=pass]", "Enter")
    page.wait_for_url("**/soporte*")


def with_token(context: BrowserContext, desk: Desk, user: str, role: str = "user") -> Page:
    token = desk.server.token(user, role)
    context.add_cookies([{"name": "token", "value": token, "url": desk.url}])
    return context.new_page()


def test_ending_a_session_closes_the_other_browsers_page_at_once(
    new_context: NewContext, desk: Desk
) -> None:
    user = new_person(desk)
    one, other = new_context().new_page(), new_context().new_page()
    for page in (one, other):
        log_in(page, desk, user)
        expect(page.locator("#connection")).to_have_text("")
    expect(one.locator("#text")).to_be_visible()
    admin = with_token(new_context(), desk, "ana", "admin")
    admin.goto(f"{desk.url}/admin/persona?user={user}")
    expect(admin.locator("#sessions li")).to_have_count(2)
    expect(admin.locator("#sessions .program").first).to_contain_text("Chrome")
    admin.locator("#sessions li").nth(1).get_by_role("button").click()
    expect(admin.locator("#done")).to_have_text("Se ha cerrado la sesión.")
    expect(one.locator("#banner")).to_contain_text("sesión ha terminado")
    expect(other.locator("#banner")).to_be_hidden()
    admin.click("#end-all")
    expect(other.locator("#banner")).to_contain_text("sesión ha terminado")


@pytest.mark.parametrize("scripts", [True, False])
def test_an_admin_invites_promotes_resets_and_disables(
    new_context: NewContext, desk: Desk, scripts: bool
) -> None:
    user = f"i{uuid4().hex[:8]}"
    admin = with_token(new_context(java_script_enabled=scripts), desk, "ana", "admin")
    admin.goto(f"{desk.url}/admin")
    admin.get_by_role("link", name="Invitar a alguien").click()
    admin.fill("#user", user)
    admin.fill("#name", "Inés Nueva")
    admin.get_by_role("button", name="Crear la cuenta").click()
    theirs = new_context(java_script_enabled=scripts).new_page()
    _choose(theirs, admin.input_value("#link"), PASSWORD)
    log_in(theirs, desk, user)
    admin.get_by_role("link", name="A la cuenta").click()
    admin.get_by_role("button", name="Hacer administrador").click()
    expect(admin.locator("#done")).to_have_text("Se ha cambiado el rol.")
    theirs.goto(f"{desk.url}/admin")
    expect(theirs.locator("#count-people")).to_be_visible()
    admin.click("#reset")
    theirs.goto(f"{desk.url}/admin")
    expect(theirs).to_have_url(f"{desk.url}/login?returnTo=%2Fadmin")
    _choose(theirs, admin.input_value("#link"), "otra palabra 99")
    log_in(theirs, desk, user, "otra palabra 99")
    admin.get_by_role("link", name="A la cuenta").click()
    admin.click("#change-state")
    expect(admin.locator("h1 .tag")).to_have_text("deshabilitado")
    theirs.goto(f"{desk.url}/soporte")
    expect(theirs).to_have_url(f"{desk.url}/login?returnTo=%2Fsoporte")


def _choose(page: Page, link: str, password: str) -> None:
    page.goto(link)
    page.fill("#pass", password)
    page.press("#pass", "Enter")
    page.wait_for_url("**/login*")


def background(page: Page) -> Any:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_the_theme_is_there_without_scripts_and_in_another_browser(
    new_context: NewContext, desk: Desk
) -> None:
    user = new_person(desk)
    page = new_context(color_scheme="light").new_page()
    log_in(page, desk, user)
    assert background(page) == "rgb(246, 247, 249)"
    page.click(".mine")
    page.get_by_label("Oscuro").check()
    page.get_by_label("English").check()
    page.get_by_label("Compacta").check()
    page.get_by_role("button", name="Guardar").click()
    expect(page.locator("#done")).to_contain_text("Saved")
    assert background(page) == "rgb(15, 17, 22)"
    other = new_context(color_scheme="light", java_script_enabled=False).new_page()
    log_in(other, desk, user)
    assert background(other) == "rgb(15, 17, 22)"
    assert other.locator("html").get_attribute("lang") == "en"
    assert other.evaluate("getComputedStyle(document.body).fontSize") == "14px"
    light = new_context(color_scheme="dark").new_page()
    log_in(light, desk, user)
    light.goto(f"{desk.url}/preferencias")
    light.get_by_label("Light").check()
    light.get_by_role("button", name="Save").click()
    expect(light.locator("#done")).to_be_visible()
    assert background(light) == "rgb(246, 247, 249)"


def test_the_desktop_switch_says_what_the_browser_makes_of_it(
    new_context: NewContext, desk: Desk
) -> None:
    context = new_context()
    context.add_init_script("window.Notification = class { static permission = 'denied'; };")
    page = with_token(context, desk, "flor.ba")
    page.goto(f"{desk.url}/preferencias")
    expect(page.locator("#desktop-state")).to_have_text("")
    page.get_by_label("Mostrar una notificación en el escritorio").check()
    expect(page.locator("#desktop-state")).to_contain_text("no lo permite")


class Called:
    """An admin's pages with everything on, and a user who writes to the desk."""

    def __init__(self, new_context: NewContext, desk: Desk) -> None:
        self.desk = desk
        self.user, self.admin = new_person(desk), new_person(desk, "admin")
        self.context = new_context()
        self.context.add_init_script(FAKE)
        page = self.context.new_page()
        log_in(page, desk, self.admin)
        page.goto(f"{desk.url}/preferencias")
        page.get_by_label("Reproducir un sonido").check()
        page.get_by_label("Mostrar una notificación en el escritorio").check()
        page.get_by_role("button", name="Guardar").click()
        page.wait_for_url("**guardado=1")
        page.close()
        self.writer = new_context().new_page()
        log_in(self.writer, desk, self.user)

    def inbox(self) -> Page:
        page = self.context.new_page()
        page.goto(f"{self.desk.url}/soporte")
        expect(page.locator("#connection")).to_have_text("")
        wait_until(page, "window.told !== undefined")
        return page

    def write(self, text: str) -> None:
        self.writer.fill("#text", text)
        self.writer.press("#text", "Enter")
        state = self.writer.locator("#lines .line.ours .state").last
        expect(state).not_to_have_attribute("data-state", "sending")


def test_a_message_that_nobody_sees_is_counted_shown_and_heard(
    new_context: NewContext, desk: Desk
) -> None:
    called = Called(new_context, desk)
    page = called.inbox()
    called.write("¿Hay alguien?")
    expect(page).to_have_title("(1) Bandeja · Registro")
    assert page.get_attribute("#icon", "href").endswith("favicon-news.svg")  # type: ignore[union-attr]
    wait_until(page, "told.length === 1")
    assert page.evaluate("told") == [[called.user, "¿Hay alguien?"]]
    assert page.evaluate("rang") == 1
    called.write("x" * 200)
    expect(page).to_have_title("(2) Bandeja · Registro")
    wait_until(page, "told.length === 2")
    assert page.evaluate("told[1][1].length") == 121
    page.evaluate("looked = true; window.dispatchEvent(new Event('focus'))")
    expect(page).to_have_title("Bandeja · Registro")
    assert page.get_attribute("#icon", "href").endswith("favicon.svg")  # type: ignore[union-attr]
    called.write("Ahora sí")
    expect(page.locator(f'.row[data-user="{called.user}"] .preview')).to_have_text("Ahora sí")
    page.wait_for_timeout(600)
    assert page.evaluate("[told.length, document.title]") == [2, "Bandeja · Registro"]


def test_nobody_is_called_for_answers_of_their_own_or_of_colleagues(
    new_context: NewContext, desk: Desk
) -> None:
    called = Called(new_context, desk)
    page = called.inbox()
    own = called.context.new_page()
    own.goto(f"{desk.url}/soporte?con={called.user}")
    colleague = with_token(new_context(), desk, "ana", "admin")
    colleague.goto(f"{desk.url}/soporte?con={called.user}")
    for writer, text in ((own, "Mía"), (colleague, "De Ana")):
        writer.fill("#text", text)
        writer.press("#text", "Enter")
        expect(page.locator(f'.row[data-user="{called.user}"] .preview')).to_contain_text(text)
    called.write("Gracias")
    expect(page).to_have_title("(1) Bandeja · Registro")
    expect(own).to_have_title(re.compile(r"^\(1\) "))
    assert [told[1] for told in page.evaluate("told") + own.evaluate("told")] == ["Gracias"]


def test_one_tab_calls_and_none_while_another_is_looked_at(
    new_context: NewContext, desk: Desk
) -> None:
    called = Called(new_context, desk)
    pages = [called.inbox() for _ in range(3)]
    called.write("Uno")
    for page in pages:
        expect(page).to_have_title("(1) Bandeja · Registro")
    assert sum(page.evaluate("told.length") for page in pages) == 1
    assert sum(page.evaluate("rang") for page in pages) == 1
    pages[1].evaluate("looked = true")
    called.write("Dos")
    for page in pages:
        row = page.locator(f'.row[data-user="{called.user}"] .preview')
        expect(row).to_have_text("Dos")
        page.wait_for_timeout(600)
    assert sum(page.evaluate("told.length") for page in pages) == 1
    assert pages[0].title() == "(1) Bandeja · Registro"


def test_what_is_switched_off_does_nothing(new_context: NewContext, desk: Desk) -> None:
    called = Called(new_context, desk)
    page = called.context.new_page()
    page.goto(f"{desk.url}/preferencias")
    for box in page.get_by_role("checkbox").all():
        box.uncheck()
    page.get_by_role("button", name="Guardar").click()
    page.wait_for_url("**guardado=1")
    inbox = called.inbox()
    called.write("En silencio")
    row = inbox.locator(f'.row[data-user="{called.user}"] .preview')
    expect(row).to_have_text("En silencio")
    inbox.wait_for_timeout(600)
    assert inbox.evaluate("[told.length, rang, document.title]") == [0, 0, "Bandeja · Registro"]
    assert inbox.get_attribute("#icon", "href").endswith("favicon.svg")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("theme", "density", "language"),
    [
        ("light", "comfortable", "es"),
        ("dark", "compact", "en"),
    ],
)
def test_axe_finds_nothing_on_pages_about_people(
    new_context: NewContext, desk: Desk, troubles: Troubles, theme: str, density: str, language: str
) -> None:
    troubles.expected.append("404")
    found: dict[str, list[str]] = {}
    for user in set(PAGES.values()):
        context = new_context()
        page = context.new_page() if user is None else with_token(
            context, desk, user, "admin" if user == "ana" else "user"
        )  # fmt: skip
        page.goto(f"{desk.url}/set-lang/{language}")
        chosen = {"name": "preferencias", "value": f"x~theme-{theme}.density-{density}"}
        if user is not None:
            page.goto(f"{desk.url}/preferencias")
            page.locator(f"input[value={theme}]").check()
            page.locator(f"input[value={density}]").check()
            page.locator("form button").click()
            page.wait_for_url("**guardado=1")
        else:
            context.add_cookies([chosen | {"url": desk.url}])  # type: ignore[list-item]
        for path in (path for path, who in PAGES.items() if who == user):
            for size in (WIDE, PHONE):
                page.set_viewport_size(size)  # type: ignore[arg-type]
                page.goto(desk.url + path)
                assert page.locator("html").get_attribute("data-theme") == theme
                if wrong := violations(page):
                    found[f"{path} {size['width']}"] = wrong
                if not page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
                    found[f"{path} {size['width']} scrolls"] = []
    assert found == {}
