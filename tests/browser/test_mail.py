"""Mails to users who are away, from the address on a form to the link in a mail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Desk, NewContext, Troubles, violations
from tests.browser.test_desk import open_inbox
from tests.conftest import SECRET
from tests.support.mailserver import MailServer
from tests.support.server import Server


@pytest.fixture(scope="module")
def post() -> Iterator[MailServer]:
    with MailServer() as post:
        yield post


@pytest.fixture(scope="module")
def desk(post: MailServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk that sends mails about answers after a second or so."""
    environ = {
        "JWT_SECRET": SECRET,
        "REGISTRO_SMTP_URL": f"smtp://127.0.0.1:{post.port}?tls=no",
        "REGISTRO_MAIL_FROM": "Talleres Rueda <desk@example.org>",
        "REGISTRO_PUBLIC_URL": "https://desk.example",
        "REGISTRO_MAIL_AFTER_MINUTES": "0.01",
    }
    with Server(tmp_path_factory.mktemp("desk"), environ, fixtures=True) as server:
        yield Desk(server)


def followed(desk: Desk, mail: EmailMessage, path: str) -> str:
    """Where a link in a mail leads, on this server."""
    found = re.search(rf"https://desk\.example({path}\S+)", mail.get_content())
    assert found is not None
    return desk.url + found[1]


def seen(page: Page, name: str) -> None:
    """What every page has to be, in both themes and on a phone."""
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        assert violations(page) == [], (name, theme)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name


def test_from_an_address_to_a_mail_and_back_to_the_chat(
    new_context: NewContext, desk: Desk, post: MailServer
) -> None:
    page = new_context(viewport=PHONE, reduced_motion="reduce").new_page()
    # Not by way of the chat: who leaves it before its websocket is there counts as online for
    # a while, and gets no mail.
    desk.sign_in(page, "jtucker", "/preferencias")
    page.fill("#correo", "juno@example.org")
    page.get_by_role("button", name="Enviarme el enlace").click()
    expect(page.locator("#mail-done")).to_be_visible()
    seen(page, "asked")
    page.goto(followed(desk, post.newest(1), "/correo/confirmar"))
    seen(page, "confirm")
    page.get_by_role("button", name="Sí, escríbanme").click()
    expect(page.locator("main")).to_contain_text("escribiremos a juno@example.org")
    seen(page, "confirmed")
    page.goto(f"{desk.url}/preferencias")
    expect(page.locator("#mail-address")).to_contain_text("juno@example.org")
    seen(page, "has an address")

    admin = open_inbox(new_context, desk, "ana", "?con=jtucker")
    admin.fill("#text", "Ya está listo su coche.")
    admin.keyboard.press("Enter")
    expect(admin.locator(".line .text").last).to_have_text("Ya está listo su coche.")
    mail = post.newest(2)
    assert mail["Subject"] == "Ana Belmonte Ruiz le ha respondido"
    assert "Ya está listo su coche." in mail.get_content()
    page.goto(f"{desk.url}/soporte")
    expect(page.locator(".line .text").last).to_have_text("Ya está listo su coche.")

    page.goto(followed(desk, mail, "/correo/baja"))
    seen(page, "stop")
    page.get_by_role("button", name="No recibir más correos").click()
    expect(page.locator("main")).to_contain_text("No recibirá más correos")
    seen(page, "stopped")
    page.goto(f"{desk.url}/preferencias")
    expect(page.locator("#mail-address")).to_have_count(0)
    admin.goto(f"{desk.url}/admin/registro?tipo=conversation:mail:sent")
    expect(admin.locator("main")).to_contain_text("Correo enviado")


def test_a_link_that_is_not_ours_says_so(
    new_context: NewContext, desk: Desk, troubles: Troubles
) -> None:
    troubles.expected.append("404 (Not Found)")
    page = new_context(locale="en-GB", reduced_motion="reduce").new_page()
    page.goto(f"{desk.url}/correo/confirmar?enlace=x")
    seen(page, "no confirmation")
    expect(page.locator("main")).to_contain_text("ya no vale")
    page.goto(f"{desk.url}/correo/baja?enlace=x")
    seen(page, "no mail")


def test_who_registers_may_give_an_address(
    new_context: NewContext, desk: Desk, post: MailServer
) -> None:
    page = new_context(viewport=PHONE, reduced_motion="reduce").new_page()
    page.goto(f"{desk.url}/registro")
    seen(page, "register")
    before = len(post.mails)
    for name, value in (("user", "berta"), ("name", "Berta"), ("pass", "caballo correcto 7")):
        page.fill(f"[name={name}]", value)
    page.fill("#correo", "berta@example.org")
    page.get_by_role("button", name="Crear una cuenta").click()
    page.wait_for_url("**/login*")
    assert post.newest(before + 1)["To"] == "berta@example.org"
