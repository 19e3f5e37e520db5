"""What is written arrives once and in order, whatever happens to the network, the page, the tabs,
the server and the session."""

from __future__ import annotations

import re
import time
from uuid import uuid4

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.conftest import PHONE, ROOT, WIDE, Desk, NewContext, Troubles, violations
from tests.support.clients import until
from tests.support.lossy import LossyProxy
from tests.support.world import stored

LOST_CONNECTION = (
    "ERR_INTERNET_DISCONNECTED",
    "ERR_CONNECTION_REFUSED",
    "ERR_CONNECTION_RESET",
    "ERR_EMPTY_RESPONSE",
    "ERR_FAILED",
    "ERR_SOCKET_NOT_CONNECTED",
    "WebSocket connection",
    "400 (Bad Request)",
    "401 (Unauthorized)",
    "503 (Service Unavailable)",
)
DOCUMENTATION = ROOT / "docs/client.md"
SOCKETS = "**/socket.io/?*"
REFUSED = "no llega: \0"
"""A text that the server refuses (`datos_invalidos`)."""
BACK = 20_000
"""Milliseconds in which a client is back, whatever its pauses are."""


@pytest.fixture(autouse=True)
def _lost_connections_are_said(troubles: Troubles) -> None:
    troubles.expected.extend(LOST_CONNECTION)


def write(page: Page, *texts: str) -> None:
    for text in texts:
        page.fill("#text", text)
        page.press("#text", "Enter")
        expect(page.locator("#text")).to_have_value("")


def sayings(count: int = 3) -> list[str]:
    stem = uuid4().hex[:8]
    return [f"{stem} {number}" for number in range(1, count + 1)]


def shown(page: Page, texts: list[str]) -> list[str]:
    """Which of these texts a page shows, in its order."""
    return [text for text in page.locator("#lines .text").all_inner_texts() if text in texts]


def state(page: Page, text: str, state: str, timeout: float = BACK) -> None:
    """Waits until the one line with a text is in a state, or past it."""
    line = page.locator("#lines .line", has_text=text)
    expect(line).to_have_count(1, timeout=timeout)
    states = re.compile("sent|read" if state == "sent" else state)
    expect(line.locator(".state")).to_have_attribute("data-state", states, timeout=timeout)


def all_sent(page: Page, texts: list[str]) -> None:
    for text in texts:
        state(page, text, "sent")
    assert shown(page, texts) == texts


def recorded(desk: Desk, texts: list[str]) -> list[tuple[str, str]]:
    """Who sent these texts according to the log, in its order."""
    users = {
        event["stream"].partition("/")[2]: event["user"]
        for event in stored(desk.server, "user:registered")
    }
    sent = stored(desk.server, "conversation:message:sent")
    return [(users[event["sender"]], event["text"]) for event in sent if event["text"] in texts]


@pytest.fixture
def user() -> str:
    """Somebody who is in no other test."""
    return f"u{uuid4().hex[:10]}"


@pytest.fixture
def account(desk: Desk, user: str) -> str:
    """The same, with a password."""
    desk.server.registro("user", "add", user, "--password", desk.password)
    return user


def become(context: BrowserContext, desk: Desk, user: str, **claims: object) -> None:
    """Gives a browser the cookie of a user."""
    token = desk.server.token(user, jti=str(uuid4()), **claims)
    context.add_cookies([{"name": "token", "value": token, "url": desk.url}])


def open_page(context: BrowserContext, desk: Desk, path: str = "/soporte") -> Page:
    page = context.new_page()
    page.goto(desk.url + path)
    expect(page.locator("#text")).to_be_visible()
    return page


def chat(context: BrowserContext, desk: Desk, user: str, **claims: object) -> Page:
    become(context, desk, user, **claims)
    return open_page(context, desk)


def inbox(context: BrowserContext, desk: Desk, user: str) -> Page:
    """An admin's page with the thread of a user, whose first connection makes them known."""
    become(context, desk, "ana", rol="admin")
    until(lambda: context.request.get(f"{desk.url}/api/personas?nombre={user}").json(), user)
    return open_page(context, desk, f"/soporte?con={user}")


# The network and the page


def test_several_messages_wait_in_order_for_the_network(
    new_context: NewContext, desk: Desk, user: str
) -> None:
    page, texts = chat(new_context(), desk, user), sayings()
    page.context.set_offline(True)
    write(page, *texts)
    for text in texts:
        state(page, text, "sending")
    expect(page.locator("#banner")).to_be_visible()
    page.context.set_offline(False)
    all_sent(page, texts)
    expect(page.locator("#banner")).to_be_hidden()
    assert recorded(desk, texts) == [(user, text) for text in texts]


def test_what_waits_survives_a_reload(new_context: NewContext, desk: Desk, user: str) -> None:
    page, texts = chat(new_context(), desk, user), sayings()
    page.context.route(SOCKETS, lambda route: route.abort())
    page.context.set_offline(True)
    write(page, *texts[:2])
    page.fill("#text", texts[2])
    page.context.set_offline(False)
    page.reload()
    assert shown(page, texts) == texts[:2]
    expect(page.locator("#text")).to_have_value(texts[2])
    page.press("#text", "Enter")
    state(page, texts[2], "sending")
    page.context.unroute(SOCKETS)
    all_sent(page, texts)
    page.reload()
    all_sent(page, texts)
    assert recorded(desk, texts) == [(user, text) for text in texts]


def test_what_waits_survives_closing(new_context: NewContext, desk: Desk, user: str) -> None:
    page, texts = chat(new_context(), desk, user), sayings()
    page.context.set_offline(True)
    write(page, *texts)
    page.close()
    page.context.set_offline(False)
    all_sent(open_page(page.context, desk), texts)
    assert recorded(desk, texts) == [(user, text) for text in texts]


def test_a_read_mark_that_was_said_offline_arrives_later(
    new_context: NewContext, desk: Desk, user: str
) -> None:
    page, (text, *_) = chat(new_context(), desk, user), sayings()
    write(page, text)
    admin = inbox(new_context(), desk, user)
    answer = f"sí: {text}"
    page.evaluate("document.hasFocus = () => false")
    write(admin, answer)
    expect(page.locator("#lines .theirs", has_text=answer)).to_be_visible()
    page.context.set_offline(True)
    page.evaluate("delete document.hasFocus; dispatchEvent(new Event('focus'))")
    page.wait_for_timeout(3000)  # it has been looked at for a second
    state(admin, answer, "sent")
    page.evaluate("document.hasFocus = () => false")
    page.context.set_offline(False)
    state(admin, answer, "read")


# The server


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_a_server_that_ends_before_it_acknowledges_gets_the_message_once(
    new_context: NewContext, desk: Desk, user: str, end: str
) -> None:
    with LossyProxy(int(desk.url.rpartition(":")[2])) as proxy:
        page, texts = chat(new_context(), desk, user), sayings(2)
        page.goto(f"http://127.0.0.1:{proxy.port}/soporte")
        write(page, "hola")
        state(page, "hola", "sent")
        if end == "kill":
            proxy.lost = desk.server.kill
        proxy.lose = b'"ok":true,"id"'
        write(page, *texts)
        page.wait_for_timeout(500)
        assert proxy.lose is None
        if end == "kill":
            desk.server.start()
        all_sent(page, texts)
    assert recorded(desk, texts) == [(user, text) for text in texts]


def test_a_message_that_is_stored_and_not_acknowledged_is_shown_once_after_a_reload(
    new_context: NewContext, desk: Desk, user: str
) -> None:
    with LossyProxy(int(desk.url.rpartition(":")[2])) as proxy:
        page, (first, text) = chat(new_context(), desk, user), sayings(2)
        page.goto(f"http://127.0.0.1:{proxy.port}/soporte")
        write(page, first)
        state(page, first, "sent")
        page.context.route(SOCKETS, lambda route: route.abort())
        proxy.lose = b'"ok":true,"id"'
        write(page, text)
        page.wait_for_timeout(500)
        assert proxy.lose is None
        page.reload()
        assert shown(page, [text]) == [text]
        kept = "Object.keys(localStorage).some((key) => key.includes('outbox'))"
        assert page.evaluate(kept)
        page.context.unroute(SOCKETS)
        until(lambda: not page.evaluate(kept), "the acknowledgement", BACK / 1000)
        assert shown(page, [text]) == [text]
    assert recorded(desk, [text]) == [(user, text)]


def test_a_restart_of_the_server_is_waited_for_calmly(
    new_context: NewContext, desk: Desk, user: str
) -> None:
    page, texts = chat(new_context(), desk, user), sayings()
    write(page, texts[0])
    state(page, texts[0], "sent")
    desk.server.stop()
    write(page, *texts[1:])
    expect(page.locator("#banner")).to_contain_text("No hay conexión")
    desk.server.start()
    all_sent(page, texts)
    expect(page.locator("#banner")).to_be_hidden()
    assert recorded(desk, texts) == [(user, text) for text in texts]


# Tabs


def test_tabs_show_the_same_messages_each_once(
    new_context: NewContext, desk: Desk, user: str
) -> None:
    one = chat(new_context(), desk, user)
    other, texts = open_page(one.context, desk), sayings()
    one.context.set_offline(True)
    write(one, texts[0])
    write(other, texts[1])
    write(one, texts[2])
    for tab in (one, other):
        state(tab, texts[2], "sending")
        assert shown(tab, texts) == texts
    one.context.set_offline(False)
    for tab in (one, other):
        all_sent(tab, texts)
    assert recorded(desk, texts) == [(user, text) for text in texts]


def test_a_tab_opened_while_messages_wait_sends_them_when_the_other_is_closed(
    new_context: NewContext, desk: Desk, user: str
) -> None:
    one, texts = chat(new_context(), desk, user), sayings()
    one.context.set_offline(True)
    write(one, *texts)
    one.context.route(SOCKETS, lambda route: route.abort())
    one.context.set_offline(False)
    other = open_page(one.context, desk)
    assert shown(other, texts) == texts
    one.close()
    other.context.unroute(SOCKETS)
    all_sent(other, texts)
    assert recorded(desk, texts) == [(user, text) for text in texts]


def test_tabs_without_locks_agree_too(new_context: NewContext, desk: Desk, user: str) -> None:
    """Browsers have locks with HTTPS, and on this machine, alone."""
    context = new_context()
    context.add_init_script("Object.defineProperty(navigator, 'locks', {value: undefined})")
    one = chat(context, desk, user)
    other, texts = open_page(context, desk), sayings(6)
    context.set_offline(True)
    for tab, text in zip((one, other) * 3, texts, strict=True):
        write(tab, text)
    context.set_offline(False)
    for tab in (one, other):
        all_sent(tab, texts)
    assert recorded(desk, texts) == [(user, text) for text in texts]


def test_what_fails_is_deleted_in_every_tab(new_context: NewContext, desk: Desk, user: str) -> None:
    one = chat(new_context(), desk, user)
    other = open_page(one.context, desk)
    write(one, REFUSED)
    for tab in (one, other):
        state(tab, "no llega", "failed")
    other.get_by_role("button", name="Eliminar").click()
    for tab in (one, other):
        expect(tab.locator("#lines .line")).to_have_count(0)
        expect(tab.locator("#empty")).to_be_visible()
    assert recorded(desk, [REFUSED]) == []


# Failures


def test_what_fails_holds_nothing_up_and_is_kept(
    new_context: NewContext, desk: Desk, user: str
) -> None:
    page, texts = chat(new_context(), desk, user), sayings(2)
    page.context.set_offline(True)
    write(page, texts[0], REFUSED, texts[1])
    page.context.set_offline(False)
    state(page, "no llega", "failed")
    all_sent(page, texts)
    page.reload()
    state(page, "no llega", "failed")
    expect(page.locator("#lines .line").last).to_contain_text("no llega")


def test_failed_messages_are_dealt_with_by_keyboard(
    new_context: NewContext, desk: Desk, user: str
) -> None:
    page = chat(new_context(), desk, user)
    write(page, f"{REFUSED}uno", f"{REFUSED}dos")
    state(page, "dos", "failed")
    buttons = page.get_by_role("button", name="Eliminar")
    page.get_by_role("button", name="Reenviar").first.focus()
    page.keyboard.press("Tab")
    expect(buttons.first).to_be_focused()
    expect(buttons.first).to_have_accessible_description(re.compile("no llega"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Reenviar")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#text")).to_be_focused()


def test_an_overtaken_answer_that_found_no_room_is_sent_again_when_asked(
    new_context: NewContext, desk: Desk, user: str
) -> None:
    chatting = chat(new_context(), desk, user)
    admin = inbox(new_context(), desk, user)
    question, answer, draft = sayings()
    admin.context.set_offline(True)
    write(chatting, question)
    state(chatting, question, "sent")
    write(admin, answer)
    admin.fill("#text", draft)
    admin.context.set_offline(False)
    state(admin, answer, "failed")
    expect(admin.locator("#text")).to_have_value(draft)
    admin.get_by_role("button", name="Reenviar").click()
    state(admin, answer, "sent")
    expect(admin.locator("#text")).to_be_focused()
    assert recorded(desk, [question, answer]) == [(user, question), ("ana", answer)]


def test_without_storage_messages_are_sent_and_a_warning_is_shown(
    new_context: NewContext, desk: Desk, user: str
) -> None:
    context = new_context()
    context.add_init_script("Storage.prototype.setItem = () => { throw new Error('full') }")
    context.route(SOCKETS, lambda route: route.abort())
    page, texts = chat(context, desk, user), sayings()
    write(page, texts[0])
    expect(page.locator("#banner")).to_contain_text("no guarda nada")
    write(page, *texts[1:])
    context.unroute(SOCKETS)
    all_sent(page, texts)
    expect(page.locator("#banner")).to_be_hidden()
    assert recorded(desk, texts) == [(user, text) for text in texts]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_any_state(
    new_context: NewContext, desk: Desk, user: str, theme: str
) -> None:
    write(chat(new_context(), desk, user), "¿hay alguien?")
    admin = inbox(new_context(color_scheme=theme, viewport=PHONE), desk, user)
    row = admin.locator(f'.row[data-user="{user}"]')
    expect(row).to_have_count(1)  # it comes by itself, but not to whoever is offline
    write(admin, "largo\n" * 40 + ".", REFUSED)
    state(admin, "no llega", "failed")
    admin.context.set_offline(True)
    write(admin, *sayings())
    expect(admin.locator("#banner")).to_be_visible()
    expect(admin.locator("#lines .line").last).to_be_in_viewport(ratio=1)
    assert violations(admin) == []
    assert admin.evaluate("document.documentElement.scrollWidth <= innerWidth")
    admin.set_viewport_size(WIDE)  # type: ignore[arg-type]
    expect(row.locator(".unsent")).to_be_visible()
    assert violations(admin) == []


# The inbox


def test_answers_to_others_are_marked_in_the_inbox_and_go_on_being_sent(
    new_context: NewContext, desk: Desk, user: str
) -> None:
    write(chat(new_context(), desk, user), "¿hay alguien?")
    context, texts = new_context(), sayings()
    admin, other = inbox(context, desk, user), inbox(context, desk, "flor.ba")
    context.set_offline(True)
    write(admin, *texts)
    expect(other.locator(f'.row[data-user="{user}"] .unsent')).to_have_text("En espera")
    assert shown(other, texts) == []
    other.close()
    context.route(SOCKETS, lambda route: route.abort())
    context.set_offline(False)
    admin.goto(f"{desk.url}/soporte?con=flor.ba")
    mark = admin.locator(f'.row[data-user="{user}"] .unsent')
    expect(mark).to_have_text("En espera")
    assert shown(admin, texts) == []
    context.unroute(SOCKETS)
    expect(mark).to_be_hidden(timeout=BACK)
    assert recorded(desk, texts) == [("ana", text) for text in texts]


# Sessions


def test_after_the_end_of_a_session_the_same_user_finds_everything_again(
    new_context: NewContext, desk: Desk, account: str
) -> None:
    context, texts = new_context(), sayings(2)
    page = chat(context, desk, account, exp=int(time.time()) + 4)
    link = page.get_by_role("link", name="Volver a entrar")
    expect(link).to_be_visible()
    write(page, texts[0])
    page.fill("#text", texts[1])
    link.click()
    page.fill("input[name=user]", account)
    page.fill("input[name=pass]", desk.password)
    page.press("input[name=pass]", "Enter")
    page.wait_for_url("**/soporte*")
    state(page, texts[0], "sent")
    expect(page.locator("#text")).to_have_value(texts[1])
    assert recorded(desk, texts) == [(account, texts[0])]


def test_a_tab_whose_session_ended_goes_on_after_a_login_in_another(
    new_context: NewContext, desk: Desk, user: str
) -> None:
    context, texts = new_context(), sayings(1)
    page = chat(context, desk, user, exp=int(time.time()) + 4)
    expect(page.locator("#banner a")).to_be_visible()
    write(page, *texts)
    state(page, texts[0], "sending")
    page.wait_for_event("response", lambda response: response.status == 401)  # not renewed
    chat(context, desk, user).close()
    expect(page.locator("#banner")).to_be_visible()
    page.evaluate("dispatchEvent(new Event('focus'))")
    expect(page.locator("#banner")).to_be_hidden()
    all_sent(page, texts)


def test_nobody_sends_or_sees_what_another_user_of_the_browser_wrote(
    new_context: NewContext, desk: Desk, user: str
) -> None:
    context, texts, other = new_context(), sayings(2), f"{user}-other"
    page = chat(context, desk, user)
    context.set_offline(True)
    write(page, texts[0])
    page.fill("#text", texts[1])
    become(context, desk, other)
    context.set_offline(False)
    stranger = chat(context, desk, other)
    write(stranger, "yo soy otro")
    state(stranger, "yo soy otro", "sent")
    assert shown(stranger, texts) == []
    assert stranger.input_value("#text") == ""
    # The first one's page is still open, in a browser with the cookie of the other.
    page.evaluate("dispatchEvent(new Event('focus'))")
    expect(page.locator("#banner a")).to_be_visible(timeout=BACK)
    state(page, texts[0], "sending")
    assert recorded(desk, texts) == []
    again = chat(context, desk, user)
    state(again, texts[0], "sent")
    expect(again.locator("#text")).to_have_value(texts[1])
    assert recorded(desk, texts) == [(user, texts[0])]


def test_what_is_written_before_the_scripts_are_there_is_not_lost(
    new_context: NewContext, desk: Desk, user: str
) -> None:
    context = new_context()
    chat(context, desk, user).close()
    page = context.new_page()
    held: list[Route] = []
    page.route("**/thread.js", lambda route: held.append(route))  # noqa: PLW0108 (a built-in has no room for Playwright's marks)
    page.goto(f"{desk.url}/soporte", wait_until="commit")
    page.fill("#text", "con prisa")
    page.click("#send")
    page.press("#text", "Enter")
    assert page.url == f"{desk.url}/soporte"
    page.fill("#text", "con más prisa")
    until(lambda: held or page.wait_for_timeout(20), "the script to be asked for")
    held[0].continue_()
    page.wait_for_load_state()
    expect(page.locator("#text")).to_have_value("con más prisa")
    page.click("#send")
    state(page, "con más prisa", "sent")


def test_logging_out_asks_before_it_deletes_what_was_not_sent(
    new_context: NewContext, desk: Desk, user: str
) -> None:
    page = chat(new_context(), desk, user)
    page.fill("#text", "un borrador")
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.click("#logout")
    expect(page.locator("#text")).to_have_value("un borrador")
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("#logout")
    page.wait_for_url(f"{desk.url}/")
    assert page.evaluate("localStorage.length") == 0
    again = chat(page.context, desk, user)
    expect(again.locator("#text")).to_have_value("")
    again.fill("#text", "otro borrador")
    # A link on another site leads to a page that asks.
    again.route("**/elsewhere", lambda route: route.fulfill(body=""))
    again.goto("http://localhost/elsewhere")
    again.evaluate(f"location = '{desk.url}/logout'")
    again.wait_for_url(f"{desk.url}/logout")
    again.once("dialog", lambda dialog: dialog.accept())
    again.get_by_role("main").get_by_role("link", name="Salir").click()
    again.wait_for_url(f"{desk.url}/")
    assert again.evaluate("localStorage.length") == 0


def test_of_an_erased_user_nothing_stays_in_the_browser(
    new_context: NewContext, desk: Desk, user: str
) -> None:
    page = chat(new_context(), desk, user)
    write(page, REFUSED)
    state(page, "no llega", "failed")
    page.fill("#text", "un borrador")
    desk.server.registro("erase", "--user", user, "--reason", "lo pide", "--yes")
    expect(page.locator("#banner")).to_be_visible()
    assert page.evaluate("localStorage.length") == 0


# Other pages


def test_the_page_in_the_documentation_works(
    new_context: NewContext, desk: Desk, user: str
) -> None:
    [html] = re.findall(r"```html\n(.*?)```", DOCUMENTATION.read_text("utf-8"), re.DOTALL)
    context = new_context()
    context.route("**/example", lambda route: route.fulfill(body=html, content_type="text/html"))
    become(context, desk, "eva")
    page, (text, *_) = context.new_page(), sayings()
    page.goto(f"{desk.url}/example")
    page.fill("#text", text)
    page.press("#text", "Enter")
    expect(page.locator("#log li")).to_have_text(f"eva: {text}")
    assert recorded(desk, [text]) == [("eva", text)]
