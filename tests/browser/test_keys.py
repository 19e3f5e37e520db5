"""The inbox without a mouse: keys, their sheet, and the palette."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Desk, NewContext, violations
from tests.browser.test_desk import open_inbox, row

PALETTE = "dialog.palette"


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def focused(page: Page) -> str:
    """The user of the row that has the focus, or else the id of what has it."""
    found: str = page.evaluate(
        """() => {
          const place = document.activeElement;
          return place.closest(".row")?.dataset.user ?? place.id;
        }"""
    )
    return found


def opened(page: Page, user: str) -> None:
    expect(page.locator(f'#presence[data-user="{user}"]')).to_be_attached()
    expect(page.locator("#thread-title")).to_be_focused()


def users(page: Page, rows: str = ".row") -> list[str]:
    found: list[str] = page.locator(rows).evaluate_all("rows => rows.map(one => one.dataset.user)")
    return found


def do(page: Page, *keys: str) -> None:
    """Presses keys, and waits until what they do is done: pages hear of it before that."""
    page.evaluate("document.getElementById('toast').hidden = true")
    press(page, *keys)
    expect(page.locator("#toast")).to_be_visible()


def choose(page: Page, typed: str) -> None:
    """Takes the palette's first entry for some letters."""
    press(page, "Control+k")
    page.keyboard.type(typed)
    expect(page.locator(f"{PALETTE} [aria-selected=true]")).to_be_visible()
    press(page, "Enter")


def test_a_shift_without_a_mouse(new_context: NewContext, desk: Desk) -> None:
    page = open_inbox(new_context, desk, "ana")
    first, second, *_ = users(page)
    press(page, "j", "j")
    assert focused(page) == second
    press(page, "k")
    assert focused(page) == first
    press(page, "ArrowDown", "Enter")
    opened(page, second)
    text, note, label = f"hola {uuid4()}", f"nota {uuid4()}", "tienda"
    press(page, "r")
    page.keyboard.type(text)
    press(page, "Control+Enter")
    expect(page.locator(".line.ours .text").last).to_have_text(text)
    expect(page.locator(".line.ours .state").last).to_have_text("Enviado")
    page.keyboard.type("/grac")
    expect(page.locator(".answers [aria-selected=true] b")).to_have_text("Gracias por avisar")
    press(page, "Enter")
    thanks = page.input_value("#text")
    assert thanks.startswith("Gracias por avisarnos, ")
    press(page, "Enter")
    expect(page.locator(".line.ours .text").last).to_have_text(thanks)
    expect(page.locator(".line.ours .state").last).to_have_text("Enviado")
    press(page, "Escape")
    assert focused(page) == "log"
    press(page, "i")
    page.keyboard.type(note)
    do(page, "Tab", "Enter")
    expect(page.locator(".note .text").last).to_have_text(note)
    press(page, "l")
    page.keyboard.type(label)
    do(page, "Enter")
    expect(page.locator("#labels bdi")).to_have_text(label)
    press(page, "z")
    expect(page.locator("#labels bdi")).to_have_count(0)
    do(page, "m")
    expect(page.locator("#assignee")).to_have_value("ana")
    do(page, "p")
    expect(page.locator("#status")).to_have_text("Pendiente")
    do(page, "e")
    expect(page.locator("#status")).to_have_text("Resuelta")
    press(page, "z")
    expect(page.locator("#status")).to_have_text("Pendiente")
    do(page, "o")
    expect(page.locator("#status")).to_have_text("Abierta")
    do(page, "s", "Enter")  # for an hour
    expect(page.locator("#status")).to_have_text("Pospuesta")
    press(page, "z")
    expect(page.locator("#status")).to_have_text("Abierta")


def test_what_is_unread_and_other_pages_without_a_mouse(
    new_context: NewContext, desk: Desk
) -> None:
    page = open_inbox(new_context, desk, "ana")
    press(page, "j")
    after = users(page, f'.row[data-user="{focused(page)}"] ~ .row.unread')
    press(page, "n")
    opened(page, after[0])
    press(page, "u")
    expect(page.locator("#thread .nothing")).to_be_visible()
    press(page, "g", "s")
    page.wait_for_url(re.compile("/preferencias"))  # with its scripts, as below
    press(page, "g", "r")
    page.wait_for_url(re.compile("/admin/informes"))
    press(page, "g", "c")
    page.wait_for_url(re.compile("/admin/respuestas"))
    press(page, "g", "i")
    page.wait_for_url(re.compile("/soporte$"))


def test_search_and_what_is_not_there(new_context: NewContext, desk: Desk) -> None:
    page = open_inbox(new_context, desk, "ana", "?etiqueta=ninguna")
    press(page, "n")
    expect(page.locator("#toast")).to_have_text(
        "Ninguna de las conversaciones a la vista está sin leer."
    )
    press(page, "/")
    page.keyboard.type("bicicleta")
    press(page, "Enter")
    expect(page).to_have_url(re.compile(r"/admin/buscar\?q=bicicleta"))


def test_keys_do_nothing_where_somebody_writes_or_with_other_keys(
    new_context: NewContext, desk: Desk
) -> None:
    page = open_inbox(new_context, desk, "ana", "?con=xoan")
    status = page.locator("#status")
    press(page, "r")
    page.keyboard.type("eop?/gs jk")
    expect(page.locator("#text")).to_have_value("eop?/gs jk")
    page.focus("#assignee")
    press(page, "e")
    page.focus("#log")
    press(page, "Control+e", "Alt+e", "Meta+e", "Shift+e", "g", "e", "ArrowDown")
    page.evaluate(
        """window.dispatchEvent(new KeyboardEvent("keydown", {
            key: "e", isComposing: true, cancelable: true }))"""
    )
    press(page, "?", "e", "Escape")
    expect(page.locator("dialog")).to_have_count(0)
    assert focused(page) == "log"
    expect(status).to_have_text("Abierta")
    do(page, "p")
    expect(status).to_have_text("Pendiente")
    do(page, "o")
    expect(status).to_have_text("Abierta")
    page.fill("#text", "")


def test_escape_leaves_the_innermost_thing_first(new_context: NewContext, desk: Desk) -> None:
    page = open_inbox(new_context, desk, "ana", "?con=toni.rius")
    press(page, "s", "Escape")
    expect(page.locator("#snooze-menu .choices")).to_be_hidden()
    assert page.evaluate("document.activeElement.parentElement.id") == "snooze-menu"
    press(page, "i", "Escape")
    assert page.evaluate("document.activeElement.parentElement.id") == "note-writer"
    press(page, "r", "Escape")
    assert focused(page) == "log"
    press(page, "Escape")
    expect(page).to_have_url(re.compile("/soporte$"))
    expect(row(page, "toni.rius").locator("> a")).to_be_focused()


def test_keys_concern_the_row_in_focus_and_not_another_that_is_open(
    new_context: NewContext, desk: Desk
) -> None:
    page = open_inbox(new_context, desk, "ana", "?con=flor.ba")
    page.on("filechooser", lambda _: None)  # from now on, or the key is faster than Playwright
    first, second, third, *_ = [user for user in users(page) if user != "flor.ba"]
    row(page, first).locator("> a").focus()
    do(page, "p")
    expect(row(page, first)).to_have_class(re.compile("leaving"))
    press(page, "z")
    expect(row(page, first)).not_to_have_class(re.compile("leaving"))
    expect(page.locator("#status")).to_have_text("Abierta")
    row(page, second).locator("> a").focus()
    press(page, "l")
    page.keyboard.type("urgente")
    do(page, "Enter")
    expect(row(page, second).locator(".badge bdi")).to_have_text("urgente")
    expect(page.locator("#labels bdi")).to_have_count(0)
    row(page, third).locator("> a").focus()
    press(page, "r")
    expect(page.locator("#text")).to_be_focused()
    expect(page.locator(f'#presence[data-user="{third}"]')).to_be_attached()
    press(page, "Escape")
    with page.expect_file_chooser():
        press(page, "f")


def test_what_is_selected_is_done_together(new_context: NewContext, desk: Desk) -> None:
    page = open_inbox(new_context, desk, "ana")
    *_, one, other = users(page)
    row(page, one).locator("> a").focus()
    press(page, "x", "j", "x")
    expect(page.locator("#chosen")).to_have_text("2 seleccionadas")
    do(page, "m")
    expect(row(page, one).locator(".who")).to_contain_text("Ana")
    expect(row(page, other).locator(".who")).to_contain_text("Ana")
    row(page, one).locator("> a").focus()
    press(page, "x", "Escape")
    expect(page.locator("#chosen")).to_have_text("")


def test_the_palette_goes_to_people_pages_and_actions(new_context: NewContext, desk: Desk) -> None:
    page = open_inbox(new_context, desk, "marcos", "?no_leidas=1")
    listed = users(page)
    assert "eva.sb" not in listed
    absent = next(user for user in ("marta.gil", "lars.n", "clubebro") if user not in listed)
    press(page, "Control+k")
    page.keyboard.type(absent)
    first = page.locator(f"{PALETTE} [role=option]").first
    expect(first.locator(".user, .words").first).to_contain_text(absent)  # the server knows them
    press(page, "Enter")
    opened(page, absent)
    assert "no_leidas=1" in page.url
    choose(page, "pendi")
    expect(page.locator("#status")).to_have_text("Pendiente")
    choose(page, "reab")
    expect(page.locator("#status")).to_have_text("Abierta")
    press(page, "Control+k")
    expect(page.locator(f"{PALETTE} [aria-selected=true]")).to_have_count(1)
    press(page, "ArrowUp", "ArrowDown", "ArrowDown")
    chosen = page.locator(f"{PALETTE} [aria-selected=true]").get_attribute("id")
    assert chosen == page.get_attribute(f"{PALETTE} input", "aria-activedescendant") == "palette-1"
    press(page, "Escape")
    expect(page.locator("#thread-title")).to_be_focused()
    choose(page, "person")
    expect(page).to_have_url(re.compile("/admin/personas"))
    choose(page, absent)  # from another page, too
    expect(page.locator(f'#presence[data-user="{absent}"]')).to_be_attached()
    assert page.evaluate("localStorage.length") == 1  # what was chosen last
    press(page, "Control+k")
    expect(page.locator(f"{PALETTE} .user").first).to_have_text(absent)
    press(page, "Escape")
    page.click("#logout")  # without a question, which nobody here would answer
    expect(page.locator("a[href='/login']").first).to_be_visible()
    assert page.evaluate("localStorage.length") == 0


def test_switched_off_only_the_palette_and_escape_are_left(
    new_context: NewContext, desk: Desk
) -> None:
    page = open_inbox(new_context, desk, "marcos", "?con=iker")
    page.goto(f"{desk.url}/preferencias")
    page.uncheck("input[name=shortcuts]")
    page.click("form.preferences button")
    page.goto(f"{desk.url}/soporte?con=iker")
    press(page, "p", "?", "j")
    assert page.locator("#desk [value=pendiente]").get_attribute("aria-keyshortcuts") is None
    press(page, "Control+k")
    page.keyboard.type("teclas")
    press(page, "Enter")
    expect(page.locator("dialog.sheet .notice")).to_be_visible()
    press(page, "Escape", "Escape")
    expect(page).to_have_url(re.compile("/soporte$"))
    page.goto(f"{desk.url}/preferencias")
    page.check("input[name=shortcuts]")
    page.click("form.preferences button")
    page.goto(f"{desk.url}/soporte?con=iker")
    expect(page.locator("#status")).to_have_text("Abierta")
    assert page.locator("#desk [value=pendiente]").get_attribute("aria-keyshortcuts") == "p"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_sheet_and_palette_are_accessible(new_context: NewContext, desk: Desk, scheme: str) -> None:
    page = open_inbox(new_context, desk, "ana", "?con=flor.ba", color_scheme=scheme)
    press(page, "?")
    expect(page.get_by_role("dialog", name="Teclas")).to_be_visible()
    assert violations(page) == []
    press(page, "?")
    expect(page.locator("dialog")).to_have_count(0)
    page.click("#open-palette")
    page.keyboard.type("ma")
    expect(page.get_by_role("combobox", name="Paleta")).to_be_focused()
    assert violations(page) == []
    page.keyboard.type("zzzz")
    expect(page.locator(f"{PALETTE} [role=option]")).to_have_count(1)  # to search messages for it
    page.mouse.click(5, 5)
    expect(page.locator("dialog")).to_have_count(0)
