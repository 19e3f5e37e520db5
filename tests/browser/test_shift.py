"""A shift at the desk: Ana and Marcos answer Florencia, Diego and Jordan, all five at once, each in
a browser of their own, on good networks and bad ones."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import PHONE, Desk, NewContext, Troubles, violations
from tests.browser.test_attachments import LETTER, PICTURE, shown
from tests.browser.test_people import FAKE
from tests.support.network import MESSAGE_ACKNOWLEDGED, Link, Network
from tests.support.world import stored

ADMINS = ("ana", "marcos")
USERS = ("flor.ba", "diego_mx", "jtucker")
NAMES = {
    "flor.ba": "Florencia Acosta",
    "diego_mx": "Diego Hernández Luna",
    "jtucker": "Jordan Tucker",
}
BACK = 20_000
"""Milliseconds in which a browser is back, whatever its pauses are."""
DONE_OR_NOT = re.compile("ya estaban así|No ha funcionado")
"""What is said of an act whose answer was lost: the browser asks again by itself, or gives up."""
LOST = ("Failed to load resource", "WebSocket connection")
ARABIC = "مرحبًا، أين طلبي رقم ٤٢؟"

Join = Callable[..., Page]


@pytest.fixture
def join(new_context: NewContext, desk: Desk) -> Join:
    """Somebody opens their page, on a `link` to the server or without any, in a language."""

    def joined(user: str, query: str = "", link: Link | None = None, **how: Any) -> Page:
        url = f"http://127.0.0.1:{link.port}" if link else desk.url
        context = new_context(**{name: how[name] for name in how if name not in ("lang", "first")})
        token = desk.server.token(user, "admin" if user in ADMINS else "user", jti=str(uuid4()))
        cookies = {"token": token, "lang": how.get("lang", "es")}
        context.add_cookies([{"name": n, "value": v, "url": url} for n, v in cookies.items()])
        context.add_init_script(how.get("first", ""))
        page = context.new_page()
        page.goto(f"{url}/soporte{query}")
        expect(page.locator("#connection")).to_have_text("")
        page.wait_for_load_state()
        return page

    return joined


@pytest.fixture
def link(desk: Desk) -> Iterator[Link]:
    """Somebody's own way to the server; asked for before `join`, it outlives their page."""
    with Network(int(desk.url.rpartition(":")[2])) as network:
        yield network.links[0]


def row(page: Page, user: str) -> Locator:
    return page.locator(f'.row[data-user="{user}"]')


def order(page: Page) -> list[str]:
    users: list[str] = page.locator(".row").evaluate_all(
        "all => all.map((one) => one.dataset.user)"
    )
    return users


def open_row(page: Page, user: str) -> None:
    row(page, user).locator("a").click()
    expect(page.locator("#thread-title")).to_have_text(NAMES[user])


def write(page: Page, text: str) -> str:
    """Sends a text, made unlike any other."""
    text = f"{text} {uuid4().hex[:6]}"
    page.fill("#text", text)
    page.press("#text", "Enter")
    return text


def arrived(page: Page, text: str, timeout: float = 8000) -> None:
    """A text is in the thread, once, and known to the server."""
    line = page.locator("#lines .line[data-seq]", has_text=text)
    expect(line).to_have_count(1, timeout=timeout)


def times_stored(desk: Desk, text: str) -> int:
    return sum(event["text"] == text for event in stored(desk.server, "conversation:message:sent"))


def test_the_list_tells_both_admins_of_three_users_and_keeps_still_in_use(join: Join) -> None:
    ana, marcos = join("ana"), join("marcos", "?de=libres")
    users = {user: join(user) for user in USERS}
    for user in USERS:
        expect(row(ana, user).locator(".dot")).to_have_class(re.compile("on"))
    row(ana, "xoan").hover()
    before = order(ana)
    texts = {user: write(page, "¿Hay alguien?") for user, page in users.items()}
    expect(ana.locator("#moved")).to_have_text("3 conversaciones con novedades")
    for user in USERS:
        expect(row(ana, user).locator(".preview")).to_have_text(texts[user])
        expect(row(marcos, user).locator(".pill")).to_be_visible()
    assert order(ana) == before
    ana.click("#moved")
    assert set(order(ana)[:3]) == set(USERS)
    unassigned = int(marcos.locator("[data-count='de:libres']").inner_text())
    open_row(ana, "flor.ba")
    ana.select_option("#assignee", "ana")
    expect(row(marcos, "flor.ba")).to_have_count(0)
    expect(marcos.locator("[data-count='de:libres']")).to_have_text(str(unassigned - 1))
    ana.click(".filters a[href*=mias]")
    expect(row(ana, "flor.ba")).to_be_visible()
    expect(row(ana, "diego_mx")).to_have_count(0)
    ana.go_back()
    expect(row(ana, "diego_mx")).to_be_visible()
    assert ana.url.endswith("con=flor.ba")
    ana.select_option("#assignee", "")
    expect(row(marcos, "flor.ba")).to_be_visible()


def test_threads_with_three_users_stay_apart_with_files_receipts_and_colleagues(
    join: Join, desk: Desk
) -> None:
    ana, marcos = join("ana", "?con=flor.ba"), join("marcos", "?con=diego_mx")
    flor, diego, jordan = (join(user) for user in USERS)
    expect(row(ana, "diego_mx").locator(".lookers")).to_contain_text("Marcos Etxeberria")
    for page in (flor, diego):
        page.set_input_files("#files", [PICTURE, LETTER])
        expect(page.locator("#attached li.done")).to_have_count(2)
    theirs = [write(page, "Mire esto") for page in (flor, diego)]
    for admin, question in zip((ana, marcos), theirs, strict=True):
        arrived(admin, question)  # an answer that was written before would be held back
    ours = [write(page, "Ya lo veo") for page in (ana, marcos)]
    for admin, user, question, answer in zip(
        (ana, marcos), (flor, diego), theirs, ours, strict=True
    ):
        for page in (admin, user):
            arrived(page, question)
            arrived(page, answer)
        expect(admin.locator(".line", has_text=question).locator(".picture, .file")).to_have_count(
            2
        )
        state = admin.locator(".line", has_text=answer).locator(".state")
        user.bring_to_front()
        user.click("#text")
        expect(state).to_have_text("Leído")
    for page, others in ((flor, [theirs[1], ours[1]]), (diego, [theirs[0], ours[0]])):
        assert not any(text in page.content() for text in others)
    assert not any(text in jordan.content() for text in theirs + ours)
    open_row(marcos, "flor.ba")
    expect(ana.locator("#lookers")).to_have_text("Marcos Etxeberria está mirando")
    secret = f"ojo {uuid4()}"
    marcos.click("#note-writer summary")
    marcos.fill("#note", secret)
    marcos.click("#note-writer button")
    expect(ana.locator(".note .text").last).to_have_text(secret)
    flor.reload()
    arrived(flor, ours[0])
    assert secret not in flor.content()


def test_what_both_do_to_the_same_conversations_ends_the_same_on_both_pages(join: Join) -> None:
    ana, marcos = join("ana", "?estado=todas&con=jtucker"), join("marcos", "?estado=todas")
    users = {user: join(user) for user in USERS}
    for page in (ana, marcos):
        for user in USERS:
            row(page, user).locator(".pick input").check()
        expect(page.locator("#chosen")).to_have_text("3 seleccionadas")
    ana.click("#bulk button[value=resuelta]", no_wait_after=True)
    marcos.select_option("#bulk-a", "marcos")
    marcos.click("#bulk button[value=asignar]", no_wait_after=True)
    for page in (ana, marcos):
        expect(page.locator("#toast")).to_contain_text("3 conversaciones cambiadas.")
        for user in USERS:
            expect(row(page, user).locator(".status")).to_have_text("Resuelta")
            expect(row(page, user).locator(".who")).to_have_text("Marcos Etxeberria")
    expect(ana.locator("#status")).to_have_text("Resuelta")
    expect(ana.locator("#assignee")).to_have_value("marcos")
    expect(ana.locator(".done").last).to_contain_text(re.compile("resuelto|asignado"))
    for page in users.values():
        write(page, "Sigo aquí")
    for page in (ana, marcos):
        for user in USERS:
            expect(row(page, user).locator(".status")).to_have_count(0)
    marcos.click("#toast button")
    for user in USERS:
        expect(row(ana, user).locator(".who")).to_have_count(0)
    before = ana.locator(".row .tags").all_inner_texts()
    ana.reload()
    assert ana.locator(".row .tags").all_inner_texts() == before


def test_both_are_called_for_what_users_write_and_neither_for_answers(join: Join) -> None:
    ana, marcos = join("ana", first=FAKE), join("marcos", "?con=flor.ba", first=FAKE)
    users = [join(user) for user in USERS]
    texts = [write(page, "Hola") for page in users]
    expect(ana).to_have_title("(3) Bandeja · Registro")
    expect(marcos).to_have_title("(3) Florencia Acosta · Registro")
    for page in (ana, marcos):
        assert (page.get_attribute("#icon", "href") or "").endswith("favicon-news.svg")
    answer = write(marcos, "Buenos días")
    arrived(users[0], answer)
    expect(row(ana, "flor.ba").locator(".preview")).to_contain_text(answer)
    expect(ana).to_have_title("(3) Bandeja · Registro")
    ana.evaluate("looked = true; window.dispatchEvent(new Event('focus'))")
    expect(ana).to_have_title("Bandeja · Registro")
    last = write(users[2], "¿Y ahora?")
    expect(marcos).to_have_title("(4) Florencia Acosta · Registro")
    expect(row(ana, "jtucker").locator(".preview")).to_have_text(last)
    expect(ana).to_have_title("Bandeja · Registro")
    assert len({*texts, last}) == 4


def figure(page: Page, name: str) -> Locator:
    return page.locator("#figures div", has_text=name).locator("dd a").first


def number(shown: Locator) -> int:
    return int(re.sub(r"\D", "", shown.inner_text()))


def counted(page: Page, name: str, expected: int) -> None:
    """A figure of the reports comes to so much: what is counted follows the log, seconds late."""
    until = time.monotonic() + BACK / 1000
    while (now := number(figure(page, name))) < expected:
        assert time.monotonic() < until, f"{name}: {now}, below {expected}"
        page.wait_for_timeout(300)
        page.reload()


def test_reports_people_and_preferences_follow_what_the_others_do(
    join: Join, desk: Desk, troubles: Troubles
) -> None:
    troubles.expected.append("401")
    ana, marcos = join("ana"), join("marcos", "?con=jtucker")
    flor, diego, jordan = (join(user) for user in USERS)
    ana.goto(f"{desk.url}/admin/informes")
    before = number(figure(ana, "Mensajes de usuarios"))
    texts = [write(page, "Una pregunta") for page in (flor, diego, jordan)]
    counted(ana, "Mensajes de usuarios", before + len(texts))
    figure(ana, "Mensajes de usuarios").click()
    for text in texts:
        expect(ana.get_by_text(text)).to_be_visible()
    ana.goto(f"{desk.url}/admin/persona?user=jtucker")
    ana.click("#change-state")
    expect(ana.locator("h1 .tag")).to_have_text("deshabilitado")
    expect(jordan.locator("#banner")).to_contain_text("sesión ha terminado")
    for page in (flor, diego):
        arrived(page, write(page, "Yo sigo"))
    ana.click("#change-state")
    expect(ana.locator("h1 .tag")).to_have_count(0)
    ana.goto(f"{desk.url}/preferencias")
    ana.get_by_label("English").check()
    ana.get_by_label("Oscuro").check()
    ana.get_by_role("button", name="Guardar").click()
    expect(ana.locator("html")).to_have_attribute("data-theme", "dark")
    ana.goto(f"{desk.url}/soporte?con=flor.ba")
    expect(ana.locator("#list-title")).to_have_text("Inbox")
    marcos.reload()
    expect(marcos.locator("#list-title")).to_have_text("Bandeja")
    expect(marcos.locator("html")).to_have_attribute("data-theme", "system")


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def test_everybody_works_in_their_language_theme_and_size_at_once(join: Join, desk: Desk) -> None:
    long_name = f"Wilhelmina-Alexandrina {'von ' * 8}Hohenzollern"
    user = f"largo{uuid4().hex[:6]}"
    desk.server.registro(
        "user", "add", user, "--name", long_name, "--password", "caballo correcto 7"
    )
    ana = join("ana", lang="en", color_scheme="dark")
    marcos = join("marcos", viewport=PHONE)
    flor = join("flor.ba", viewport=PHONE, color_scheme="dark", lang="en")
    diego, wide = join("diego_mx", viewport=PHONE), join(user)
    texts = [write(page, ARABIC) for page in (flor, diego, wide)]
    for page, name in ((ana, user), (marcos, user)):
        row(page, name).locator("a").click()
        arrived(page, texts[2])
        assert fits(page)
    line = marcos.locator(".line", has_text=texts[2]).locator(".text")
    assert line.evaluate("(one) => getComputedStyle(one).direction") == "rtl"
    expect(ana.locator("#presence")).to_have_text("connected")
    expect(marcos.locator("#presence")).to_have_text("en línea")
    answers = [write(ana, "Hello")]
    arrived(marcos, answers[0])  # or his own is held back
    answers.append(write(marcos, "a" * 300))
    for page in (ana, marcos, wide):
        for text in answers:
            arrived(page, text)
        assert fits(page)
    expect(flor.locator("#lines .state").last).to_have_text(re.compile("Sent|Read"))
    expect(diego.locator("#lines .state").last).to_have_text(re.compile("Enviado|Leído"))
    for page in (ana, marcos, flor, diego, wide):
        assert violations(page) == []
    assert (marcos.locator("#desk").bounding_box() or {})["height"] < 60  # one line
    marcos.click("#label-menu summary")
    marcos.fill("#new-label", "a" * 30)  # its menu is not cut off by the line that it is in
    expect(marcos.locator("#label-menu button")).to_be_in_viewport()
    marcos.keyboard.press("Escape")
    marcos.click("#side summary")
    assert violations(marcos) == []
    marcos.keyboard.press("Escape")
    expect(marcos.locator(".about")).to_be_hidden()
    marcos.click(".back")
    assert fits(marcos)


def test_on_a_slow_network_everything_happens_later_and_nothing_differently(
    link: Link, join: Join, desk: Desk
) -> None:
    ana, marcos = join("ana", link=link), join("marcos", "?con=diego_mx")
    flor, diego, jordan = join("flor.ba"), join("diego_mx"), join("jtucker")
    link.delay(0.25)
    link.slow(60_000)
    row(ana, "diego_mx").locator("a").click()
    row(ana, "flor.ba").locator("a").click()  # who changes their mind gets what they chose last
    expect(ana.locator("#thread-title")).to_have_text("Florencia Acosta", timeout=BACK)
    question = write(flor, "¿Ya llegó?")
    arrived(ana, question, BACK)
    ana.set_input_files("#files", [PICTURE])
    expect(ana.locator("#attached li.done")).to_have_count(1, timeout=BACK)
    answer = write(ana, "Aquí lo ve")
    ana.fill("#text", "y mientras tanto")
    arrived(flor, answer, BACK)
    shown(flor)
    expect(ana.locator("#text")).to_have_value("y mientras tanto")
    for user in ("diego_mx", "jtucker"):
        row(ana, user).locator(".pick input").check()
    ana.click("#bulk button[value=pendiente]")
    expect(marcos.locator("#status")).to_have_text("Pendiente", timeout=BACK)
    expect(ana.locator("#toast")).to_contain_text("2 conversaciones cambiadas.", timeout=BACK)
    ana.click("#toast button")
    expect(marcos.locator("#status")).to_have_text("Abierta", timeout=BACK)
    for page in (diego, jordan):
        text = write(page, "Gracias")
        expect(ana.locator(".preview", has_text=text)).to_be_visible(timeout=BACK)


def test_what_the_network_cuts_in_the_middle_is_there_once_and_told(
    link: Link, join: Join, desk: Desk, troubles: Troubles
) -> None:
    troubles.expected.extend(LOST)
    ana, marcos = join("ana", link=link), join("marcos", "?con=jtucker")
    flor, jordan = join("flor.ba"), join("jtucker")

    link.lose(b'id="thread-title"')  # while a conversation is opened
    row(ana, "flor.ba").locator("a").click()
    expect(ana.locator("#thread-title")).to_have_text("Florencia Acosta", timeout=BACK)
    expect(ana.locator("#connection")).to_have_text("", timeout=BACK)
    link.lose(MESSAGE_ACKNOWLEDGED)  # while a message is sent
    text = write(ana, "Una sola vez")
    arrived(flor, text, BACK)
    arrived(ana, text, BACK)

    cut: list[Route] = []

    def first_fails(route: Route) -> None:  # while a file is attached
        cut.append(route)
        if len(cut) > 1:
            return route.continue_()
        link.cut()
        return route.abort()

    ana.route("**/api/archivos*", first_fails)
    ana.set_input_files("#files", [PICTURE])
    with_file = write(ana, "Con archivo")
    arrived(flor, with_file, BACK)
    shown(flor)
    for one in (text, with_file):
        assert times_stored(desk, one) == 1

    for user in ("flor.ba", "jtucker"):  # while several are acted on: done, and the answer lost
        row(ana, user).locator(".pick input").check()
    link.lose(b'"hechas"')
    ana.click("#bulk button[value=pendiente]")
    expect(ana.locator("#toast")).to_have_text(DONE_OR_NOT, timeout=BACK)
    expect(marcos.locator("#status")).to_have_text("Pendiente", timeout=BACK)
    expect(ana.locator("#status")).to_have_text("Pendiente", timeout=BACK)
    link.refuse()
    link.cut()
    expect(ana.locator("#banner")).to_contain_text("No hay conexión", timeout=BACK)
    held = write(ana, "Cuando se pueda")
    news = write(jordan, "Otra cosa")
    row(marcos, "iker").locator("a").click()  # and what a colleague does meanwhile
    marcos.click("#desk button[value=resuelta]")
    expect(row(marcos, "iker")).to_have_count(0)
    expect(row(ana, "iker")).to_be_visible()
    ana.mouse.move(900, 400)
    link.heal()
    arrived(flor, held, BACK)
    expect(ana.locator("#banner")).to_be_hidden(timeout=BACK)
    expect(row(ana, "iker")).to_have_count(0, timeout=BACK)
    ana.click(".filters a[href*=pendiente]")
    expect(row(ana, "jtucker").locator(".preview")).to_have_text(news)
    assert times_stored(desk, held) == 1
