"""Canned answers: their page, and how the inbox offers them."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PHONE, Desk, NewContext, violations
from tests.browser.test_desk import open_inbox

GREETING = (
    "Hola, Antoni Rius i Ferrer. Soy Ana Belmonte Ruiz, de Talleres Rueda. ¿En qué puedo ayudarle?"
)
THANKS = "Gracias por avisarnos, {}. Lo miramos en el taller y le contamos en cuanto sepamos algo."


def thread(new_context: NewContext, desk: Desk, user: str, **options: object) -> Page:
    return open_inbox(new_context, desk, "ana", f"?con={user}", **options)


def options(page: Page) -> Locator:
    return page.locator(".answers [role=option]")


def chosen(page: Page) -> Locator:
    return page.locator(".answers [aria-selected=true] b")


def test_a_slash_offers_answers_and_the_keyboard_chooses(
    new_context: NewContext, desk: Desk
) -> None:
    page = thread(new_context, desk, "toni.rius")
    text = page.locator("#text")
    text.press_sequentially("/")
    expect(options(page)).to_have_count(4)
    expect(chosen(page)).to_have_text("Devolución")
    page.keyboard.press("ArrowUp")
    expect(chosen(page)).to_have_text("Saludo")
    page.keyboard.press("ArrowDown")
    expect(text).to_have_attribute("aria-activedescendant", "answer-0")
    page.keyboard.type("sál")
    expect(options(page)).to_have_count(2)  # a title that begins so, and a text that has it
    page.keyboard.press("Enter")
    expect(text).to_have_value(GREETING)
    expect(text).to_be_focused()
    expect(page.locator(".answers")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.locator(".line .text").last).to_have_text(GREETING)
    page.keyboard.type("/gracias")
    expect(options(page)).to_have_count(1)
    page.keyboard.press("Tab")
    expect(text).to_have_value(THANKS.format("Antoni Rius i Ferrer"))
    page.reload()
    expect(page.locator("#text")).to_have_value(
        THANKS.format("Antoni Rius i Ferrer")
    )  # a draft like others


def test_escape_leaves_what_was_typed_and_nothing_is_sent_by_mistake(
    new_context: NewContext, desk: Desk
) -> None:
    page = thread(new_context, desk, "iker")
    text, box, lines = page.locator("#text"), page.locator(".answers"), page.locator(".line")
    before = lines.count()
    text.press_sequentially("/nada de eso")
    expect(box).to_contain_text("Ninguna respuesta es así")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
    expect(text).to_have_value("/nada de eso")
    page.keyboard.type("!")
    expect(box).to_be_hidden()
    expect(lines).to_have_count(before)
    text.fill("")
    text.press_sequentially("//")
    expect(text).to_have_value("/")
    page.keyboard.type("home")
    expect(box).to_be_hidden()
    page.keyboard.press("Enter")
    expect(lines).to_have_count(before + 1)
    expect(page.locator(".line .text").last).to_have_text("/home")


def test_a_click_puts_an_answer_where_the_cursor_is_and_another_thread_has_its_own(
    new_context: NewContext, desk: Desk
) -> None:
    page = thread(new_context, desk, "flor.ba")
    text, button = page.locator("#text"), page.get_by_role("button", name="Respuestas rápidas")
    text.fill("Hola.  Saludos")
    text.evaluate("text => text.setSelectionRange(6, 6)")
    button.click()
    options(page).filter(has_text="Gracias por avisar").click()
    expect(text).to_have_value("Hola. " + THANKS.format("Florencia Acosta") + " Saludos")
    button.click()
    button.click()
    expect(page.locator(".answers")).to_be_hidden()
    button.click()
    page.locator("#log").click()
    expect(page.locator(".answers")).to_be_hidden()
    page.locator('.row[data-user="diego_mx"] a').click()
    expect(page.locator("#text")).to_have_value("")
    button.click()
    options(page).filter(has_text="Saludo").click()
    expect(page.locator("#text")).to_have_value(re.compile("^Hola, Diego"))


def test_what_is_chosen_is_not_sent_before_the_answers_are_there(
    new_context: NewContext, desk: Desk
) -> None:
    page = thread(new_context, desk, "jtucker")
    before = page.locator(".line").count()
    page.route("**/api/respuestas", lambda route: None)  # never answered
    page.locator("#text").press_sequentially("/gra")
    expect(page.locator(".answers")).to_contain_text("Cargando…")
    page.keyboard.press("Enter")
    expect(page.locator("#text")).to_have_value("/gra")
    expect(page.locator(".line")).to_have_count(before)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_list_of_answers_is_accessible_and_fits_a_phone(
    new_context: NewContext, desk: Desk, theme: str
) -> None:
    page = thread(new_context, desk, "carmen.vidal", viewport=PHONE, color_scheme=theme)
    page.locator("#text").press_sequentially("/")
    expect(options(page)).to_have_count(4)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    for path in ("/admin/respuestas", "/admin/respuesta", "/preferencias/clave"):
        page.goto(desk.url + path)
        assert violations(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path


@pytest.mark.parametrize("scripts", [True, False])
def test_answers_are_seen_to_on_a_page_with_or_without_scripts(
    new_context: NewContext, desk: Desk, scripts: bool
) -> None:
    page = new_context(java_script_enabled=scripts).new_page()
    desk.sign_in(page, "marcos")
    page.goto(f"{desk.url}/admin")
    page.get_by_role("link", name="Respuestas rápidas").click()
    page.get_by_role("link", name="Nueva respuesta").click()
    page.fill("#title", f"Cita {scripts}")
    page.fill("#body", "¿Le va bien mañana?")
    page.get_by_role("button", name="Guardar").click()
    one = page.locator("#answers li", has_text=f"Cita {scripts}")
    expect(one).to_contain_text("Marcos Etxeberria, hoy")
    one.get_by_role("link").click()
    page.fill("#body", "¿Le va bien el lunes?")
    page.get_by_role("button", name="Guardar").click()
    expect(one).to_contain_text("el lunes")
    one.get_by_role("link").click()
    page.click("#remove")
    expect(page.locator("#done")).to_have_text("Se ha borrado la respuesta.")
    expect(one).to_have_count(0)
