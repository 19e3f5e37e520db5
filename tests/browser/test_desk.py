"""Two admins who work on the same inbox, each in a browser of their own, and a user who must not
notice."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Desk, NewContext, Troubles, violations

NOW = 1500
"""Milliseconds in which every open inbox shows what somebody did."""


def open_inbox(
    new_context: NewContext, desk: Desk, admin: str, query: str = "", **options: object
) -> Page:
    page = new_context(**options).new_page()
    desk.sign_in(page, admin)
    page.goto(f"{desk.url}/soporte{query}")
    expect(page.locator("#connection")).to_have_text("")
    return page


def row(page: Page, user: str):  # type: ignore[no-untyped-def]
    return page.locator(f'.row[data-user="{user}"]')


def test_what_one_admin_does_every_other_sees_at_once(new_context: NewContext, desk: Desk) -> None:
    ana = open_inbox(new_context, desk, "ana", "?con=flor.ba")
    marcos = open_inbox(new_context, desk, "marcos", "?con=flor.ba")
    ana.select_option("#assignee", "marcos")
    expect(marcos.locator("#assignee")).to_have_value("marcos", timeout=NOW)
    expect(row(marcos, "flor.ba").locator(".badge.who")).to_have_text("Marcos Etxeberria")
    expect(marcos.locator(".done").last).to_contain_text(
        "Ana Belmonte Ruiz la ha asignado a Marcos"
    )
    expect(ana.locator(".done").last).to_contain_text("la ha asignado a Marcos")
    ana.locator("#toast button").click()
    expect(marcos.locator("#assignee")).to_have_value("", timeout=NOW)
    marcos.reload()
    expect(marcos.locator(".done").last).to_contain_text("la ha dejado sin asignar")


def test_a_resolved_conversation_leaves_the_list_and_a_message_brings_it_back(
    new_context: NewContext, desk: Desk
) -> None:
    ana = open_inbox(new_context, desk, "ana")
    marcos = open_inbox(new_context, desk, "marcos", "?con=diego_mx")
    expect(row(ana, "diego_mx")).to_be_visible()
    marcos.click("#desk button[value=resuelta]")
    expect(row(ana, "diego_mx")).to_have_count(0, timeout=NOW)
    ana.click(".filters a[href*=resuelta]")
    expect(row(ana, "diego_mx").locator(".badge.status")).to_have_text("Resuelta")
    ana.go_back()
    expect(row(ana, "diego_mx")).to_have_count(0)
    user = new_context().new_page()
    desk.sign_in(user, "diego_mx")
    user.fill("#text", "Sigue sin funcionar")
    user.press("#text", "Enter")
    expect(row(ana, "diego_mx")).to_be_visible(timeout=NOW)
    expect(marcos.locator("#status")).to_have_text("Abierta", timeout=NOW)


def test_a_row_that_leaves_keeps_its_place_while_the_list_is_in_use(
    new_context: NewContext, desk: Desk
) -> None:
    ana = open_inbox(new_context, desk, "ana")
    marcos = open_inbox(new_context, desk, "marcos", "?con=jtucker")
    row(ana, "jtucker").hover()
    before = ana.locator(".row").evaluate_all("rows => rows.map(row => row.dataset.user)")
    marcos.click("#desk button[value=pendiente]")
    expect(row(ana, "jtucker")).to_have_class(re.compile("leaving"), timeout=NOW)
    after = ana.locator(".row").evaluate_all("rows => rows.map(row => row.dataset.user)")
    assert after == before
    ana.mouse.move(900, 400)
    expect(row(ana, "jtucker")).to_have_count(0)


def test_a_snooze_ends_by_itself_on_every_page(new_context: NewContext, desk: Desk) -> None:
    ana = open_inbox(new_context, desk, "ana", "?con=iker")
    ana.click("#desk summary:has-text('Posponer')")
    # Some seconds from now; the field takes whole minutes, so the answer is asked for directly.
    ana.evaluate(
        """async () => {
          const { row } = JSON.parse(document.getElementById("data").textContent);
          await fetch(`/api/conversaciones/${row.conversacion}/estado`, {
            method: "POST", headers: { "Content-Type": "application/json" },
            body: JSON.stringify({
              estado: "pospuesta", hasta: new Date(Date.now() + 3000).toISOString() }),
          });
        }"""
    )
    expect(ana.locator("#status")).to_have_text("Pospuesta", timeout=NOW)
    expect(ana.locator("#status")).to_have_text("Abierta", timeout=6000)
    expect(ana.locator(".done").last).to_contain_text("Ha terminado el aplazamiento")


def test_labels_are_put_on_and_taken_off(new_context: NewContext, desk: Desk) -> None:
    ana = open_inbox(new_context, desk, "ana", "?con=carmen.vidal")
    marcos = open_inbox(new_context, desk, "marcos", "?con=carmen.vidal")
    ana.click("#label-menu summary")
    ana.fill("#new-label", "envíos")
    ana.press("#new-label", "Enter")
    expect(marcos.locator("#labels .badge bdi")).to_have_text("envíos", timeout=NOW)
    expect(row(marcos, "carmen.vidal").locator(".badge bdi")).to_have_text("envíos")
    marcos.click("#labels .remove")
    expect(ana.locator("#labels .badge")).to_have_count(0, timeout=NOW)
    expect(marcos.locator("#label-menu summary")).to_be_focused()


def test_menus_close_on_escape_and_when_one_turns_to_something_else(
    new_context: NewContext, desk: Desk
) -> None:
    ana = open_inbox(new_context, desk, "ana", "?con=carmen.vidal")
    summary, menu = ana.locator("#label-menu summary"), ana.locator("#label-menu .choices")
    summary.click()
    expect(menu).to_be_visible()
    ana.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(summary).to_be_focused()
    summary.click()
    ana.click("#text")
    expect(menu).to_be_hidden()


def test_a_private_note_is_for_admins_alone(new_context: NewContext, desk: Desk) -> None:
    user = new_context().new_page()
    desk.sign_in(user, "lars.n")
    heard: list[str] = []
    user.on(
        "websocket",
        lambda socket: socket.on("framereceived", lambda frame: heard.append(str(frame))),
    )
    user.reload()
    expect(user.locator("#connection")).to_have_text("")
    ana = open_inbox(new_context, desk, "ana", "?con=lars.n")
    marcos = open_inbox(new_context, desk, "marcos", "?con=lars.n")
    secret, answer = f"cuidado {uuid4()}", f"hola {uuid4()}"
    ana.click("#note-writer summary")
    ana.fill("#note", secret)
    ana.click("#note-writer button")
    expect(marcos.locator(".note .text").last).to_have_text(secret, timeout=NOW)
    ana.fill("#text", answer)
    ana.press("#text", "Enter")
    expect(user.locator("#lines .line .text").last).to_have_text(answer)
    assert any(answer in frame for frame in heard)
    assert not any(secret in frame or "accion" in frame for frame in heard)
    assert secret not in user.content()
    user.reload()
    assert secret not in user.content()


def test_an_erased_note_goes_from_open_pages_at_once(new_context: NewContext, desk: Desk) -> None:
    ana = open_inbox(new_context, desk, "ana", "?con=xoan")
    ana.click("#note-writer summary")
    ana.fill("#note", "un secreto")
    ana.click("#note-writer button")
    note = ana.locator(".note").last
    expect(note.locator(".text")).to_have_text("un secreto")
    position = note.get_attribute("data-position")
    assert position
    desk.server.registro("erase", "--event", position, "--reason", "asked for", "--yes")
    expect(note.locator(".text")).to_have_text("Esta nota se ha borrado.")
    ana.reload()
    expect(note.locator(".text")).to_have_text("Esta nota se ha borrado.")


def test_marked_unread_leads_back_to_the_list_and_is_unread_there(
    new_context: NewContext, desk: Desk
) -> None:
    ana = open_inbox(new_context, desk, "ana", "?con=flor.ba&orden=recientes")
    ana.click("#desk form[data-deed=sin-leer] button")
    ana.wait_for_url(f"{desk.url}/soporte")
    expect(row(ana, "flor.ba").locator(".pill")).to_be_visible()


def test_what_is_marked_unread_stays_so_until_somebody_opens_it_again(
    new_context: NewContext, desk: Desk, troubles: Troubles
) -> None:
    troubles.expected.append("ERR_INTERNET_DISCONNECTED")
    ana = open_inbox(new_context, desk, "ana", "?no_leidas=1")
    marcos = open_inbox(new_context, desk, "marcos", "?con=carmen.vidal")
    pill = row(marcos, "begoña").locator(".pill")
    user = new_context().new_page()
    desk.sign_in(user, "begoña")
    user.fill("#text", "¿Sigue ahí?")
    user.press("#text", "Enter")
    expect(pill).to_be_visible()
    row(ana, "begoña").locator("> a").click()
    expect(pill).to_be_hidden()
    ana.click("#desk form[data-deed=sin-leer] button")
    expect(pill).to_be_visible()
    ana.context.set_offline(True)
    expect(ana.locator("#connection")).not_to_have_text("")
    ana.context.set_offline(False)
    expect(ana.locator("#connection")).to_have_text("", timeout=20_000)
    user.fill("#text", "¿Hola?")  # whatever the page said as it came back was before this
    user.press("#text", "Enter")
    expect(row(ana, "begoña").locator(".preview")).to_have_text("¿Hola?")
    expect(pill).to_contain_text("2")
    row(ana, "begoña").locator("> a").click()
    expect(pill).to_be_hidden()


def test_what_was_marked_as_read_is_unread_again_from_where_it_was(
    new_context: NewContext, desk: Desk
) -> None:
    ana = open_inbox(new_context, desk, "ana")
    marcos = open_inbox(new_context, desk, "marcos")
    unread = {"valentina.rojas": "1", "paco58": "4", "nuria_sanz": "2"}
    for user, number in unread.items():
        expect(row(marcos, user).locator(".pill")).to_contain_text(number)
        row(ana, user).locator(".pick input").check()
    ana.click("#bulk [value=leer]")
    for user in unread:
        expect(row(marcos, user).locator(".pill")).to_be_hidden()
    ana.click("#toast button")
    for user, number in unread.items():
        expect(row(marcos, user).locator(".pill")).to_contain_text(number)
    row(ana, "paco58").locator(".pill").click()
    expect(row(marcos, "paco58").locator(".pill")).to_be_hidden()
    expect(ana.locator("#thread-title")).to_have_text("Ninguna conversación abierta")
    ana.click("#toast button")
    expect(row(marcos, "paco58").locator(".pill")).to_contain_text("4")
    row(ana, "paco58").locator("> a").focus()
    ana.keyboard.press("v")
    expect(row(marcos, "paco58").locator(".pill")).to_be_hidden()
    expect(row(ana, "paco58").locator("> a")).to_be_focused()
    ana.keyboard.press("z")
    expect(row(marcos, "paco58").locator(".pill")).to_contain_text("4")


def box(page: Page, selector: str) -> dict[str, float]:
    return page.locator(selector).bounding_box() or {}


def below(page: Page, upper: str, lower: str) -> bool:
    """Whether one thing ends above the other, or where it begins."""
    above = box(page, upper)
    return above["y"] + above["height"] <= box(page, lower)["y"]


SIZES = {
    "wide": {"width": 1280, "height": 800},
    "at 200 %": {"width": 640, "height": 400},
    "phone": PHONE,
    "at 400 %": {"width": 320, "height": 256},
}


@pytest.mark.parametrize("size", SIZES)
def test_what_is_told_covers_and_moves_nothing(
    new_context: NewContext, desk: Desk, size: str
) -> None:
    page = open_inbox(new_context, desk, "ana", "?con=rosa.quispe", viewport=SIZES[size])
    toast, before = page.locator("#toast"), box(page, "#composer")
    for deed, told in (("p", "Hecho. Deshacer"), ("z", "Hecho.")):
        page.keyboard.press(deed)
        expect(toast).to_have_text(told)
        expect(toast).to_be_in_viewport(ratio=1)
        assert below(page, "#log", "#toast")
        assert below(page, "#toast", "#composer")
        assert box(page, "#composer") == before
    assert page.evaluate("document.getElementById('main').scrollWidth <= innerWidth")
    page.keyboard.press("p")
    expect(toast).to_have_text("Hecho. Deshacer")
    page.keyboard.press("Escape")  # back to the list: what is told stays, and can be undone
    expect(page.locator("#thread-title")).to_have_text("Ninguna conversación abierta")
    expect(toast).to_be_in_viewport(ratio=1)
    one, other = box(page, ".list"), box(page, "#toast")
    aside = one["x"] + one["width"] <= other["x"]
    assert aside or below(page, ".list", "#toast")
    assert not aside or one["y"] + one["height"] == box(page, "body")["height"]
    assert not aside or below(page, "#thread .nothing p", "#toast")
    page.keyboard.press("z")
    expect(toast).to_have_text("Hecho.")


def test_without_scripts_everything_is_done_by_forms_and_links(
    new_context: NewContext, desk: Desk
) -> None:
    page = new_context(java_script_enabled=False).new_page()
    desk.sign_in(page, "ana")
    page.goto(f"{desk.url}/soporte?con=flor.ba")
    page.select_option("#assignee", "ana")
    page.click("form.assign button")
    page.click("#desk button[value=pendiente]")
    page.click(".filters a[href*=pendiente]")
    page.click(".filters a[href*=mias]")
    row(page, "flor.ba").locator("a").click()
    expect(page.locator("#status")).to_have_text("Pendiente")
    expect(page.locator("#assignee")).to_have_value("ana")
    page.click("#note-writer summary")
    page.fill("#note", "sin guiones")
    page.click("#note-writer button")
    expect(page.locator(".note .text").last).to_have_text("sin guiones")
    assert "estado=pendiente" in page.url
    page.click("#desk button[value=abierta]")
    page.select_option("#assignee", "")
    page.click("form.assign button")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [{"width": 1280, "height": 800}, PHONE])
def test_the_list_and_a_thread_are_accessible(
    new_context: NewContext, desk: Desk, scheme: str, viewport: dict[str, int]
) -> None:
    page = open_inbox(
        new_context, desk, "ana", "?con=carmen.vidal", color_scheme=scheme, viewport=viewport
    )
    page.click("#label-menu summary")
    page.fill("#new-label", f"vip {scheme} {viewport['width']}")
    page.press("#new-label", "Enter")
    page.click("#note-writer summary")
    page.fill("#note", "Llamó ayer por teléfono.")
    page.click("#note-writer button")
    expect(page.locator(".note")).not_to_have_count(0)
    assert violations(page) == []
    page.click("#desk summary:has-text('Posponer')")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.goto(f"{desk.url}/soporte?estado=todas")
    assert violations(page) == []
