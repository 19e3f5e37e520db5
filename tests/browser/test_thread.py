"""Threads of the inbox that open without loading the page, and read on in both directions; who else
looks at them; several at once; saved views."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import PHONE, Desk, NewContext, Troubles, violations, wait_until

LONG = "owen.g"
"""Somebody with many messages, the newest 150 of them unread."""

SAY = """async ([texts, para]) => {
  const socket = io({ forceNew: true });
  const sent = texts.map((mensaje) => socket.emitWithAck("mensaje_privado", { para, mensaje }));
  const answers = await Promise.all(sent);
  socket.disconnect();
  return answers.every((answer) => answer.ok);
}"""


def inbox(
    new_context: NewContext, desk: Desk, admin: str, query: str = "", **options: object
) -> Page:
    page = new_context(**options).new_page()
    desk.sign_in(page, admin)
    page.goto(f"{desk.url}/soporte{query}")
    expect(page.locator("#connection")).to_have_text("")
    page.evaluate("window.untouched = true")
    return page


def was_loaded_anew(page: Page) -> bool:
    return page.evaluate("window.untouched") is None


def row(page: Page, user: str):  # type: ignore[no-untyped-def]
    return page.locator(f'.row[data-user="{user}"]')


def open_row(page: Page, user: str, name: str) -> None:
    row(page, user).locator("a").click()
    expect(page.locator("#thread-title")).to_have_text(name)


def say(page: Page, texts: list[str], para: str = "admin") -> None:
    assert page.evaluate(SAY, [texts, para])


def texts(page: Page) -> list[str]:
    return page.locator("#lines .line .text").all_inner_texts()


@pytest.fixture(scope="module")
def long_thread(desk: Desk, browser) -> int:  # type: ignore[no-untyped-def]
    """Its last seq: what the user says is numbered, and the first 450 are read."""
    user, admin = browser.new_context().new_page(), browser.new_context().new_page()
    desk.sign_in(user, LONG)
    say(user, [f"línea {number}" for number in range(450)])
    desk.sign_in(admin, "lucia")
    admin.goto(f"{desk.url}/soporte?con={LONG}&ultimos=1")
    last = int(admin.locator(".line[data-seq]").last.get_attribute("data-seq") or 0)
    admin.evaluate(
        """async (seq) => {
          const { row } = JSON.parse(document.getElementById("data").textContent);
          const socket = io({ forceNew: true });
          await socket.emitWithAck("leido", { conversacion: row.conversacion, seq });
          socket.disconnect();
        }""",
        last - 150,
    )
    admin.context.close()
    user.context.close()
    return last


def test_conversations_open_in_place_and_back_leads_where_one_was(
    new_context: NewContext, desk: Desk
) -> None:
    ana = inbox(new_context, desk, "ana")
    sockets: list[str] = []
    ana.on("websocket", lambda socket: sockets.append(socket.url))
    open_row(ana, "flor.ba", "Florencia Acosta")
    expect(ana).to_have_title("Florencia Acosta · Registro")
    expect(ana.locator("#thread-title")).to_be_focused()
    open_row(ana, "diego_mx", "Diego Hernández Luna")
    expect(row(ana, "diego_mx").locator("a")).to_have_attribute("aria-current", "true")
    expect(ana.locator(".row a[aria-current]")).to_have_count(1)
    ana.go_back()
    expect(ana.locator("#thread-title")).to_have_text("Florencia Acosta")
    assert ana.url.endswith("con=flor.ba")
    ana.go_forward()
    expect(ana.locator("#thread-title")).to_have_text("Diego Hernández Luna")
    ana.click(".filters a[href*=mias]")
    expect(ana.locator(".row")).to_have_count(0)
    expect(ana.locator("#thread-title")).to_have_text("Diego Hernández Luna")
    ana.go_back()
    expect(row(ana, "flor.ba")).to_be_visible()
    assert not was_loaded_anew(ana)
    assert sockets == []


def test_the_last_click_wins_however_slow_the_network_is(
    new_context: NewContext, desk: Desk
) -> None:
    ana = inbox(new_context, desk, "ana")

    def slowly(route: Route) -> None:
        ana.wait_for_timeout(400)
        route.continue_()

    ana.route(re.compile(r"con=flor\.ba"), slowly)
    row(ana, "flor.ba").locator("a").dispatch_event("click")
    row(ana, "jtucker").locator("a").dispatch_event("click")
    expect(ana.locator("#thread-title")).to_have_text("Jordan Tucker")
    ana.wait_for_timeout(700)
    expect(ana.locator("#thread-title")).to_have_text("Jordan Tucker")
    assert ana.url.endswith("con=jtucker")


def test_where_nothing_can_be_fetched_the_browser_loads_the_page(
    new_context: NewContext, desk: Desk, troubles: Troubles
) -> None:
    troubles.expected = ["Failed to load resource"]
    ana = inbox(new_context, desk, "ana")
    ana.route(
        re.compile(r"con=flor\.ba"),
        lambda route: route.abort() if route.request.resource_type == "xhr" else route.continue_(),
    )
    row(ana, "flor.ba").locator("a").click()
    expect(ana.locator("#thread-title")).to_have_text("Florencia Acosta")
    assert was_loaded_anew(ana)


def test_drafts_answers_on_their_way_and_news_stay_with_their_threads(
    new_context: NewContext, desk: Desk
) -> None:
    ana = inbox(new_context, desk, "ana", "?con=flor.ba")
    flor = new_context().new_page()
    desk.sign_in(flor, "flor.ba")
    answer, news = f"ya {uuid4()}", f"otra cosa {uuid4()}"
    ana.fill("#text", answer)
    ana.press("#text", "Enter")
    ana.fill("#text", "un borrador")
    open_row(ana, "diego_mx", "Diego Hernández Luna")
    expect(ana.locator("#text")).to_have_value("")
    expect(flor.locator("#lines .text").last).to_have_text(answer)
    flor.fill("#text", news)
    flor.press("#text", "Enter")
    expect(row(ana, "flor.ba").locator(".preview")).to_contain_text("otra cosa")
    assert news not in texts(ana)
    ana.fill("#text", "para Diego")
    open_row(ana, "flor.ba", "Florencia Acosta")
    assert texts(ana)[-2:] == [answer, news]
    expect(ana.locator("#text")).to_have_value("un borrador")
    open_row(ana, "diego_mx", "Diego Hernández Luna")
    expect(ana.locator("#text")).to_have_value("para Diego")
    assert not was_loaded_anew(ana)


def test_an_answer_is_held_back_after_opening_in_place_too(
    new_context: NewContext, desk: Desk, troubles: Troubles
) -> None:
    troubles.expected = ["ERR_INTERNET_DISCONNECTED"]
    ana = inbox(new_context, desk, "ana")
    open_row(ana, "jtucker", "Jordan Tucker")
    ana.context.set_offline(True)
    ana.fill("#text", "todavía no")
    ana.press("#text", "Enter")
    jordan = new_context().new_page()
    desk.sign_in(jordan, "jtucker")
    jordan.fill("#text", "never mind")
    jordan.press("#text", "Enter")
    expect(jordan.locator("#lines .state").last).to_have_text("Enviado")
    ana.context.set_offline(False)
    ana.evaluate("window.dispatchEvent(new Event('online'))")
    expect(ana.locator("#news")).to_be_visible(timeout=20_000)
    expect(ana.locator("#text")).to_have_value("todavía no")
    assert texts(ana)[-1] == "never mind"


def test_a_thread_opens_where_one_reads_on_and_reads_in_both_directions(
    new_context: NewContext, desk: Desk, long_thread: int
) -> None:
    ana = inbox(new_context, desk, "ana")
    row(ana, LONG).locator("a").click()
    expect(ana.locator(".unread-mark")).to_be_in_viewport()
    expect(ana.locator("#jump")).to_contain_text("mensajes nuevos")
    mark = ana.locator(".unread-mark + .line")
    assert int(mark.get_attribute("data-seq") or 0) == long_thread - 149
    wait_until(ana, "(log.scrollTop = 0, older.parentElement.hidden)")
    assert len(texts(ana)) <= 400
    seqs = [int(line) for line in seqs_of(ana)]
    assert seqs == [*range(1, seqs[-1] + 1)]
    expect(ana.locator("#newer")).to_have_count(1)
    days = ana.locator("#lines .day").all_inner_texts()
    assert len(days) == len(set(days))
    ana.click("#jump")
    expect(ana.locator(".line").last).to_contain_text("línea 449")
    expect(ana.locator("#jump")).to_be_hidden()
    assert not was_loaded_anew(ana)


def seqs_of(page: Page) -> list[str]:
    found: list[str] = page.evaluate(
        "[...document.querySelectorAll('.line[data-seq]')].map((line) => line.dataset.seq)"
    )
    return found


def test_what_is_read_stays_in_its_place_when_older_messages_come(
    new_context: NewContext, desk: Desk, long_thread: int
) -> None:
    ana = inbox(new_context, desk, "ana", f"?con={LONG}&ultimos=1")
    ana.evaluate("document.getElementById('log').scrollTop = 60")
    top = """(seq) => document.getElementById("m-" + seq).getBoundingClientRect().top"""
    seq = long_thread - 48
    before = ana.evaluate(top, seq)
    expect(ana.locator(f"#m-{long_thread - 60}")).to_have_count(1)
    assert abs(ana.evaluate(top, seq) - before) < 3


def test_a_message_has_an_address_that_leads_to_it(
    new_context: NewContext, desk: Desk, long_thread: int
) -> None:
    ana = inbox(new_context, desk, "ana", f"?con={LONG}&mensaje=100#m-100")
    expect(ana.locator("#m-100")).to_be_in_viewport()
    expect(ana.locator("#newer")).to_be_visible()
    ana.locator("#m-105 a.at").focus()
    ana.keyboard.press("ArrowUp")
    expect(ana.locator("#m-104 a.at")).to_be_focused()
    ana.keyboard.press("Enter")
    expect(ana.locator("#m-104")).to_have_class(re.compile("marked"))
    assert ana.url.endswith("mensaje=104#m-104")
    ana.fill("#text", f"desde el medio {uuid4()}")
    ana.press("#text", "Enter")  # what was never seen holds it back, and is shown
    expect(ana.locator("#news")).to_be_visible()
    expect(ana.locator(".line").last).to_contain_text("línea 449")
    ana.click("#send-anyway")
    expect(ana.locator(".line.ours .text").last).to_contain_text("desde el medio")
    expect(ana.locator(".line.ours .state").last).to_have_text("Enviado")


def test_admins_see_who_looks_and_who_writes(new_context: NewContext, desk: Desk) -> None:
    ana = inbox(new_context, desk, "ana", "?con=iker")
    marcos = inbox(new_context, desk, "marcos")
    expect(row(marcos, "iker").locator(".lookers")).to_contain_text("está mirando")
    open_row(marcos, "iker", "Iker Aguirre")
    expect(marcos.locator("#lookers")).to_have_text("Ana Belmonte Ruiz está mirando")
    expect(ana.locator("#lookers")).to_have_text("Marcos Etxeberria está mirando")
    ana.press("#text", "h")
    expect(marcos.locator("#lookers")).to_have_text("Ana Belmonte Ruiz está escribiendo…")
    expect(marcos.locator("#lookers")).to_have_text("Ana Belmonte Ruiz está mirando")
    open_row(ana, "xoan", "Xoán Varela")
    expect(marcos.locator("#lookers")).to_be_hidden()
    expect(row(marcos, "xoan").locator(".lookers")).to_contain_text("está mirando")
    ana.close()
    expect(row(marcos, "xoan").locator(".lookers")).to_have_text("")


def test_several_conversations_are_resolved_at_once_and_that_is_undone(
    new_context: NewContext, desk: Desk
) -> None:
    ana = inbox(new_context, desk, "ana")
    marcos = inbox(new_context, desk, "marcos")
    all_ = ana.locator(".row").count()
    picks = ana.locator(".row .pick input")
    expect(ana.locator("#bulk")).to_be_hidden()
    picks.nth(3).click()
    picks.nth(6).click(modifiers=["Shift"])
    expect(ana.locator("#chosen")).to_have_text("4 seleccionadas")
    assert violations(ana) == []
    ana.click("#bulk button[value=resuelta]")
    expect(ana.locator("#toast")).to_contain_text("4 conversaciones cambiadas.")
    expect(marcos.locator(".row")).to_have_count(all_ - 4)
    expect(ana.locator("#bulk")).to_be_hidden()
    ana.click("#toast button")
    expect(marcos.locator(".row")).to_have_count(all_)


MANY = """async (tokens) => {
  for (const token of tokens) {
    const socket = io({ forceNew: true, auth: { token } });
    await socket.emitWithAck("mensaje_privado", { para: "admin", mensaje: "hola" });
    socket.disconnect();
  }
}"""


def test_the_list_goes_on_in_place_and_keeps_what_is_selected(
    new_context: NewContext, desk: Desk
) -> None:
    user = new_context().new_page()
    desk.sign_in(user, "rosa.quispe")
    user.evaluate(MANY, [desk.server.token(f"muchos-{number}") for number in range(30)])
    ana = inbox(new_context, desk, "ana")
    expect(ana.locator(".row")).to_have_count(50)
    ana.locator(".row .pick input").first.click()
    ana.click("#more")
    expect(ana.locator("#list-end")).to_have_text("No hay más.")
    users = ana.locator(".row").evaluate_all("rows => rows.map((row) => row.dataset.user)")
    assert len(users) == len(set(users)) > 55
    expect(ana.locator("#chosen")).to_have_text("1 seleccionada")
    open_row(ana, "xoan", "Xoán Varela")
    assert ana.locator(".row").count() == len(users)
    assert not was_loaded_anew(ana)


def test_a_saved_view_is_a_link_for_whom_it_is_saved(new_context: NewContext, desk: Desk) -> None:
    ana = inbox(new_context, desk, "ana", "?no_leidas=1&orden=espera")
    name = f"urgente {uuid4().hex[:6]}"
    ana.click("#view-menu summary")
    ana.fill("#view-name", name)
    ana.check("#view-menu input[name=compartida]")
    ana.press("#view-name", "Enter")
    view = ana.locator("#views a", has_text=name)
    expect(view).to_have_attribute("aria-current", "true")
    marcos = inbox(new_context, desk, "marcos")
    marcos.locator("#views a", has_text=name).click()
    expect(marcos.locator("#views a", has_text=name)).to_have_attribute("aria-current", "true")
    assert "orden=espera" in marcos.url
    assert not was_loaded_anew(marcos)
    assert violations(marcos) == []
    marcos.click("#view-menu summary")
    marcos.click("#view-menu form[action$=quitar] button")
    expect(marcos.locator("#views a", has_text=name)).to_have_count(0)


def test_the_panel_beside_a_thread_folds_and_stays_so(new_context: NewContext, desk: Desk) -> None:
    ana = inbox(new_context, desk, "ana", "?con=carmen.vidal")
    flor = new_context().new_page()
    desk.sign_in(flor, "flor.ba")
    expect(flor.locator("#connection")).to_have_text("")
    open_row(ana, "flor.ba", "Florencia Acosta")
    expect(ana.locator(".about")).to_contain_text("conectado desde")
    expect(ana.locator(".about")).to_contain_text("Chrome")
    ana.click("#side summary")
    expect(ana.locator(".about")).to_be_hidden()
    wait_until(ana, "document.cookie.includes('lado=cerrado')")
    ana.reload()
    expect(ana.locator(".about")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_there_is_the_list_or_the_thread_and_all_is_accessible(
    new_context: NewContext, desk: Desk, scheme: str
) -> None:
    ana = inbox(new_context, desk, "ana", viewport=PHONE, color_scheme=scheme)
    open_row(ana, "carmen.vidal", "Carmen Vidal Ortega")
    expect(ana.locator(".list")).to_be_hidden()
    expect(ana.locator(".about")).to_be_hidden()
    ana.click("#side summary")
    expect(ana.locator(".about")).to_be_visible()
    assert violations(ana) == []
    assert ana.evaluate("document.documentElement.scrollWidth <= innerWidth")
    ana.click("#side summary")
    ana.click(".back")
    expect(row(ana, "carmen.vidal").locator("a")).to_be_focused()
    ana.check("#picking")
    row(ana, "carmen.vidal").locator(".pick input").check()
    expect(ana.locator("#bulk")).to_be_visible()
    assert violations(ana) == []
    assert not was_loaded_anew(ana)


def test_without_scripts_there_are_links_and_forms(
    new_context: NewContext, desk: Desk, long_thread: int, troubles: Troubles
) -> None:
    troubles.expected = ["400 (Bad Request)"]
    page = new_context(java_script_enabled=False).new_page()
    desk.sign_in(page, "lucia")
    page.goto(f"{desk.url}/soporte?con={LONG}&mensaje=200")
    page.locator("#m-200").hover()
    page.locator("#m-200 a.at").click()
    expect(page.locator("#m-200")).to_be_in_viewport()
    page.click("#older")
    expect(page.locator("#m-170")).to_be_visible()
    page.click("#newest")
    expect(page.locator(f"#m-{long_thread}")).to_be_visible()
    page.goto(f"{desk.url}/soporte")
    for user in ("flor.ba", "diego_mx"):
        row(page, user).hover()
        row(page, user).locator(".pick input").check()
    page.fill("#bulk-label", "sin guiones")
    page.press("#bulk-label", "Enter")  # this field's button, not the first one that is seen
    expect(page.locator(".list .notice")).to_have_text("2 conversaciones cambiadas.")
    expect(row(page, "flor.ba").locator(".tags")).to_contain_text("sin guiones")
    page.goto(f"{desk.url}/soporte?con=begoña")
    page.click("#label-menu summary")
    page.evaluate("document.getElementById('new-label').removeAttribute('maxlength')")
    page.fill("#new-label", "x" * 31)
    page.press("#new-label", "Enter")
    expect(page.locator("h1")).to_have_text("No se ha hecho")
    page.click("main a.button")
    expect(page.locator("#thread-title")).to_have_text("Begoña Castaño")
