"""A user and the desk, each in a browser of their own."""

from __future__ import annotations

import re
from uuid import uuid4

from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Desk, NewContext, Troubles
from tests.support.clients import Clients


def write(page: Page, text: str) -> None:
    page.fill("#text", text)
    page.press("#text", "Enter")


def texts(page: Page) -> list[str]:
    return page.locator("#lines .line .text").all_inner_texts()


def open_chat(new_context: NewContext, desk: Desk, user: str, **options: object) -> Page:
    page = new_context(**options).new_page()
    desk.sign_in(page, user)
    expect(page.locator("#text")).to_be_visible()
    return page


def open_inbox(new_context: NewContext, desk: Desk, user: str, **options: object) -> Page:
    page = new_context(**options).new_page()
    desk.sign_in(page, "ana")
    page.goto(f"{desk.url}/soporte?con={user}")
    expect(page.locator("#text")).to_be_visible()
    return page


def test_a_user_writes_the_desk_answers_and_both_reload_to_the_same_history(
    new_context: NewContext, desk: Desk
) -> None:
    user, admin = (
        open_chat(new_context, desk, "diego_mx"),
        open_inbox(new_context, desk, "diego_mx"),
    )
    question, answer = f"¿Está listo? {uuid4()}", f"Sí, mañana. {uuid4()}"
    write(user, question)
    expect(admin.locator("#lines .line.theirs .text").last).to_have_text(question, timeout=1000)
    write(admin, answer)
    expect(user.locator("#lines .line.theirs .text").last).to_have_text(answer, timeout=1000)
    before = texts(user)
    for page in (user, admin):
        page.reload()
        expect(page.locator("#lines .line .text").last).to_have_text(answer)
    assert texts(user)[-2:] == texts(admin)[-2:] == before[-2:] == [question, answer]


def test_who_comes_for_the_first_time_sees_a_desk_that_writes_first(
    new_context: NewContext, desk: Desk
) -> None:
    """Signed in by another program, so Registro knows them from their first connection on."""
    context = new_context()
    token = desk.server.token("recien.llegada")
    context.add_cookies([{"name": "token", "value": token, "url": desk.url}])
    page = context.new_page()
    page.goto(f"{desk.url}/soporte")
    expect(page.locator("#connection")).to_have_text("")
    cookie = {"Cookie": f"token={desk.server.token('ana', 'admin')}"}
    with Clients() as clients:
        admin = clients.open(desk.url, "websocket", extraHeaders=cookie).connected()
        assert admin.say("recien.llegada", "¿La ayudo?")["ok"]
        expect(page.locator(".line.theirs .text")).to_have_text("¿La ayudo?")
        write(page, "Sí, por favor.")
        expect(page.locator(".line .text")).to_have_text(["¿La ayudo?", "Sí, por favor."])


def test_markup_in_a_message_is_text(new_context: NewContext, desk: Desk) -> None:
    user, admin = open_chat(new_context, desk, "jtucker"), open_inbox(new_context, desk, "jtucker")
    hostile = '<img src=x onerror="document.title=1"><script>document.title=2</script><b>x</b>'
    write(user, hostile)
    for page in (user, admin):
        expect(page.locator("#lines .line .text").last).to_have_text(hostile)
        assert page.locator("#lines img, #lines script, #lines b:not(.who)").count() == 0
    admin.reload()
    expect(admin.locator("#lines .line .text").last).to_have_text(hostile)


def test_a_message_is_shown_as_sent_and_then_as_read(new_context: NewContext, desk: Desk) -> None:
    user = open_chat(new_context, desk, "flor.ba")
    write(user, "¿Lo leen?")
    state = user.locator("#lines .line.ours .state").last
    expect(state).to_have_attribute("data-state", "sent")
    open_inbox(new_context, desk, "flor.ba")
    expect(state).to_have_attribute("data-state", "read")


def test_the_row_in_the_inbox_comes_up_with_its_unread_count(
    new_context: NewContext, desk: Desk
) -> None:
    admin = new_context().new_page()
    desk.sign_in(admin, "marcos")
    user = open_chat(new_context, desk, "diego_mx")
    text = f"aviso {uuid4()}"
    write(user, text)
    row = admin.locator('.row[data-user="diego_mx"]')
    expect(row.locator(".preview")).to_contain_text(text)
    expect(row.locator(".pill")).to_be_visible()
    row.locator("a").click()
    expect(admin).to_have_url(re.compile(r"con=diego_mx"))
    expect(row.locator(".pill")).to_be_hidden()


def test_typing_shows_on_the_other_side(new_context: NewContext, desk: Desk) -> None:
    user, admin = open_chat(new_context, desk, "flor.ba"), open_inbox(new_context, desk, "flor.ba")
    admin.locator("#text").press_sequentially("estoy escribiendo", delay=100)
    expect(user.locator("#typing")).not_to_be_empty()


def test_presence_shows_who_comes_and_goes(new_context: NewContext, desk: Desk) -> None:
    admin = new_context().new_page()
    desk.sign_in(admin, "ana")
    dot = admin.locator('.row[data-user="jtucker"] .dot')
    expect(dot).not_to_have_class(re.compile(r"\bon\b"))
    context = new_context()
    page = context.new_page()
    with page.expect_websocket() as transport:
        desk.sign_in(page, "jtucker")
    transport.value.wait_for_event("framereceived")  # polling would be missed 45 seconds later
    expect(dot).to_have_class(re.compile(r"\bon\b"))
    context.close()
    expect(dot).not_to_have_class(re.compile(r"\bon\b"))


def test_an_answer_that_was_overtaken_is_held_back_with_its_text(
    new_context: NewContext, desk: Desk, troubles: Troubles
) -> None:
    troubles.expected.append("ERR_INTERNET_DISCONNECTED")
    one, other = open_inbox(new_context, desk, "flor.ba"), open_inbox(new_context, desk, "flor.ba")
    one.context.set_offline(True)
    write(other, f"yo primero {uuid4()}")
    expect(other.locator("#lines .line.ours .state").last).to_have_attribute("data-state", "sent")
    count = len(texts(other))
    write(one, "mi respuesta")
    expect(one.locator("#text")).to_have_value("")
    one.context.set_offline(False)
    expect(one.locator("#news")).to_be_visible()
    expect(one.locator("#lines .line .text").last).to_contain_text("yo primero")
    expect(one.locator("#text")).to_have_value("mi respuesta")
    one.click("#send-anyway")
    expect(one.locator("#lines .line .text").last).to_have_text("mi respuesta")
    expect(other.locator("#lines .line .text")).to_have_count(count + 1)


def test_what_was_written_offline_is_sent_once_when_the_network_is_back(
    new_context: NewContext, desk: Desk, troubles: Troubles
) -> None:
    troubles.expected.append("ERR_INTERNET_DISCONNECTED")
    user, admin = (
        open_chat(new_context, desk, "diego_mx"),
        open_inbox(new_context, desk, "diego_mx"),
    )
    user.context.set_offline(True)
    text = f"desde el tren {uuid4()}"
    write(user, text)
    expect(user.locator("#lines .line.ours .text").last).to_have_text(text)
    user.wait_for_timeout(500)
    user.context.set_offline(False)
    expect(admin.locator("#lines .line .text").last).to_have_text(text, timeout=30_000)
    expect(user.locator("#lines .line.ours .state").last).not_to_have_attribute(
        "data-state", "sending", timeout=30_000
    )
    assert texts(user).count(text) == texts(admin).count(text) == 1


def test_on_a_phone_the_list_or_the_thread_is_shown(new_context: NewContext, desk: Desk) -> None:
    admin = new_context(viewport=PHONE).new_page()
    desk.sign_in(admin, "lucia")
    expect(admin.locator("#rows")).to_be_visible()
    expect(admin.locator("#text")).to_be_hidden()
    admin.locator('.row[data-user="flor.ba"] a').click()
    expect(admin.locator("#text")).to_be_visible()
    expect(admin.locator("#rows")).to_be_hidden()
    admin.locator(".back").click()
    expect(admin.locator("#rows")).to_be_visible()
    assert admin.evaluate("document.documentElement.scrollWidth <= innerWidth")
