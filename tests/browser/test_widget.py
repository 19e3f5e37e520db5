"""The widget on other sites' pages: the example shop.

One of them is at `localhost`, which is another site than Registro's `127.0.0.1`: its frame gets no
cookie, and these browsers let it keep nothing. The other is at `127.0.0.1` on another port: another
origin, but the same site, so its frame has a storage, and the cookies of Registro go with it.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
import pytest
from playwright.sync_api import FrameLocator, Locator, Page, Route, WebSocket, expect

from tests.browser.conftest import PHONE, NewContext, Troubles, violations, wait_until
from tests.browser.test_attachments import LETTER, PICTURE
from tests.conftest import SECRET
from tests.support.clients import Clients
from tests.support.server import ROOT, Server

EXAMPLE = ROOT / "examples/widget/server.py"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def shop(desk: str, user: str, port: int = 0, host: str = "localhost") -> Iterator[str]:
    """The example's server, as its documentation starts it."""
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLE), "--desk", desk, "--port", str(port), "--user", user],
        env=os.environ | {"JWT_SECRET": SECRET},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        found = re.search(r":\d+(?=/$)", process.stdout.readline().strip())
        assert found is not None
        yield f"http://{host}{found[0]}"
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


class Sites:
    """Registro, and two other origins that it allows."""

    def __init__(self, server: Server, far: int, near: int) -> None:
        self.server = server
        self.port = far
        self._near = near

    def near(self, user: str) -> AbstractContextManager[str]:
        """The shop of the same site, with somebody signed in."""
        return shop(self.server.url, user, self._near, "127.0.0.1")


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    far, near = free_port(), free_port()
    origins = f"http://localhost:{far},http://127.0.0.1:{near}"
    environ = {"JWT_SECRET": SECRET, "REGISTRO_ALLOWED_ORIGINS": origins}
    with Server(tmp_path_factory.mktemp("widget"), environ, fixtures=True) as server:
        yield Sites(server, far, near)


@pytest.fixture
def ana(sites: Sites) -> Iterator[Desk]:
    with Clients() as clients:
        cookie = {"Cookie": f"token={sites.server.token('ana', 'admin')}"}
        yield Desk(clients, sites.server.url, cookie)


class Desk:
    """An admin who answers."""

    def __init__(self, clients: Clients, url: str, headers: dict[str, str]) -> None:
        self._client = clients.open(url, "websocket", extraHeaders=headers).connected()

    def say(self, user: str, text: str) -> None:
        assert self._client.say(user, text)["ok"]


def chat(page: Page) -> FrameLocator:
    return page.frame_locator("iframe[title]")


def inside(page: Page) -> Any:
    """The frame's own page, which axe does not look into from outside."""
    return next(frame for frame in page.frames if "/widget?" in frame.url)


def bubble(page: Page) -> Locator:
    return page.get_by_role("button", name=re.compile("el chat|the chat"))


def line(page: Page, text: str) -> Locator:
    return chat(page).locator(".line", has_text=text)


def put(page: Page, text: str) -> None:
    """Keys and texts go where the browser has its focus, which comes into another site's frame a
    little later than the frame's document says."""
    field = chat(page).locator("#text")
    field.focus()
    wait_until(inside(page), "document.hasFocus()")
    field.fill(text)
    field.press("Enter")


def write(page: Page, text: str) -> None:
    put(page, text)
    expect(line(page, text).locator(".state")).to_have_text("Enviado")


def open_chat(page: Page, url: str) -> None:
    page.goto(url)
    bubble(page).click()
    expect(chat(page).locator("#text")).to_be_focused()


def test_a_customer_writes_and_is_answered(
    sites: Sites, ana: Desk, new_context: NewContext
) -> None:
    page = new_context().new_page()
    with shop(sites.server.url, "clara", sites.port) as url:
        open_chat(page, url)
        expect(bubble(page)).to_have_attribute("aria-expanded", "true")
        expect(chat(page).locator("#empty")).to_have_text(
            "Pregunte lo que quiera: le respondemos aquí."
        )
        write(page, "¿Tienen la talla 38?")
        ana.say("clara", "Sí, en azul.")
        expect(chat(page).locator(".theirs", has_text="Sí, en azul.")).to_be_visible()
        expect(page.locator(".badge")).to_have_text("1")
        expect(page.locator(".badge")).to_have_text("0")  # read, once it was looked at
        assert violations(page) + violations(inside(page)) == []

        # Closed: the button counts what comes.
        chat(page).locator("#text").press("Escape")
        expect(bubble(page)).to_be_focused()
        expect(bubble(page)).to_have_attribute("aria-expanded", "false")
        expect(page.locator(".panel")).to_be_hidden()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.tagName") != "IFRAME"
        ana.say("clara", "¿Se la guardo?")
        expect(bubble(page)).to_have_accessible_name("Abrir el chat, 1 mensaje sin leer")
        page.reload()  # and on the next page still
        expect(bubble(page)).to_have_accessible_name("Abrir el chat, 1 mensaje sin leer")
        bubble(page).focus()
        page.keyboard.press("Enter")
        expect(chat(page).locator(".theirs", has_text="¿Se la guardo?")).to_be_visible()
        expect(chat(page).locator(".ours .text")).to_have_text("¿Tienen la talla 38?")
        expect(page.locator(".badge")).to_have_text("0")
        chat(page).locator("#close").click()
        expect(bubble(page)).to_have_accessible_name("Abrir el chat")
        expect(bubble(page)).to_be_focused()


def test_an_answer_that_comes_before_the_first_question_is_shown(
    sites: Sites, ana: Desk, new_context: NewContext
) -> None:
    page = new_context().new_page()
    with shop(sites.server.url, "berta", sites.port) as url:
        open_chat(page, url)
        ana.say("berta", "¿La puedo ayudar?")
        expect(chat(page).locator(".theirs")).to_contain_text("¿La puedo ayudar?")


def test_the_frame_shows_the_office_hours_and_follows_them(
    sites: Sites, new_context: NewContext
) -> None:
    def set_hours(**fields: str) -> None:
        answer = httpx.post(
            f"{sites.server.url}/admin/horario/guardar",
            data=fields,
            cookies={"token": sites.server.token("ana", "admin")},
        )
        assert answer.status_code == 303

    page = new_context(viewport=PHONE, timezone_id="Asia/Tokyo").new_page()
    with shop(sites.server.url, "horacio", sites.port) as url:
        open_chat(page, url)
        notice = chat(page).locator("#hours")
        expect(notice).to_be_hidden()
        always = {f"{end}_{day}_0": "00:00" for day in range(7) for end in ("desde", "hasta")}
        set_hours(activo="on", zona="Europe/Madrid", **always)
        expect(notice).to_contain_text("Ahora estamos disponibles.")
        set_hours(activo="on", zona="Europe/Madrid", desde_0_0="09:00", hasta_0_0="09:01")
        expect(notice).to_contain_text("(su hora)")
        assert violations(inside(page)) == []
        set_hours()
        expect(notice).to_be_hidden()


def test_newer_and_older_messages_come_as_one_scrolls(
    sites: Sites, ana: Desk, new_context: NewContext
) -> None:
    page = new_context().new_page()
    with shop(sites.server.url, "olga", sites.port) as url:
        open_chat(page, url)
        write(page, "Escríbanme")
        page.goto("about:blank")
        for number in range(2, 152):
            ana.say("olga", f"oferta {number}")
        page.goto(url)
        expect(bubble(page)).to_have_accessible_name("Abrir el chat, 150 mensajes sin leer")
        bubble(page).click()
        frame = chat(page)
        lines = frame.locator(".line[data-seq]")
        seqs = "lines => lines.map(line => Number(line.dataset.seq))"
        expect(frame.locator(".unread-mark")).to_be_in_viewport()
        assert lines.last.get_attribute("data-seq") != "151"
        frame.locator("#log").evaluate("log => log.scrollTo(0, log.scrollHeight)")
        expect(lines.nth(80)).to_be_attached()
        frame.locator("#jump").click()
        expect(frame.locator("#m-151")).to_be_in_viewport()
        frame.locator("#log").evaluate("log => log.scrollTo(0, 0)")
        expect(lines.nth(80)).to_be_attached()
        shown = lines.evaluate_all(seqs)
        assert shown == list(range(shown[0], 152))
        assert frame.locator("a.at").count() == 0  # a message has no address here


def test_it_opens_where_its_reader_reads_on(
    sites: Sites, ana: Desk, new_context: NewContext
) -> None:
    page = new_context().new_page()
    with shop(sites.server.url, "gala", sites.port) as url:
        open_chat(page, url)
        write(page, "Escríbanme")
        page.goto("about:blank")
        for number in range(1, 31):
            ana.say("gala", f"oferta {number}\n\nde la semana")
        page.goto(url)
        expect(bubble(page)).to_have_accessible_name("Abrir el chat, 30 mensajes sin leer")
        bubble(page).click()
        expect(chat(page).locator(".unread-mark")).to_be_in_viewport()
        expect(line(page, "oferta 30")).not_to_be_in_viewport()
        chat(page).locator("#jump").click()
        expect(line(page, "oferta 30")).to_be_in_viewport()
        expect(page.locator(".badge")).to_have_text("0")


def test_what_was_not_sent_is_forgotten_when_the_page_says_so(
    sites: Sites, new_context: NewContext
) -> None:
    page = new_context().new_page()
    with sites.near("irma") as url:
        open_chat(page, url)
        chat(page).locator("#text").fill("A medio escribir")
        open_chat(page, url)
        expect(chat(page).locator("#text")).to_have_value("A medio escribir")
        page.evaluate("Registro.stop({ forget: true })")
        expect(page.locator("iframe")).to_have_count(0)
        open_chat(page, url)
        expect(chat(page).locator("#text")).to_have_value("")


def test_a_token_that_ends_is_followed_by_another(
    sites: Sites, ana: Desk, new_context: NewContext
) -> None:
    page = new_context().new_page()
    with shop(sites.server.url, "emma", sites.port) as url:
        end = int(time.time()) + 6

        def give(route: Route) -> None:
            now = time.time()
            expires = end if now < end else int(now) + 600
            route.fulfill(body=sites.server.token("emma", exp=expires))

        def late(_: WebSocket) -> bool:
            return time.time() > end

        page.route("**/chat-token", give)
        with page.expect_websocket(late, timeout=20_000):
            open_chat(page, url)
            write(page, "uno")
        ana.say("emma", "dos")
        expect(chat(page).locator(".theirs")).to_contain_text("dos")
        write(page, "tres")


def test_pictures_and_files_go_both_ways_without_a_cookie(
    sites: Sites, new_context: NewContext
) -> None:
    context = new_context()
    page = context.new_page()
    with shop(sites.server.url, "carla", sites.port) as url:
        open_chat(page, url)
        chat(page).locator("#files").set_input_files([PICTURE, LETTER])
        expect(chat(page).locator("#attached .done")).to_have_count(2)
        write(page, "La cocina y la factura")
        for _ in range(2):  # as it was sent, and as the page brings it later
            picture = line(page, "La cocina").locator(".picture")
            expect(picture.locator("img")).to_have_js_property("naturalWidth", 320)
            for link, file in ((picture, PICTURE), (line(page, "La").locator(".file"), LETTER)):
                with page.expect_download() as download:
                    link.click()
                assert download.value.suggested_filename == file["name"]
                assert download.value.path().read_bytes() == file["buffer"]
            page.reload()
            bubble(page).click()
        assert context.cookies() == []
        assert violations(inside(page)) == []


def test_each_site_speaks_for_its_own_user(sites: Sites, new_context: NewContext) -> None:
    context = new_context()
    cookie = {"name": "token", "value": sites.server.token("flor.ba"), "url": sites.server.url}
    context.add_cookies([cookie])  # signed in at Registro, too
    with shop(sites.server.url, "mia", sites.port) as first, sites.near("noa") as second:
        one = context.new_page()
        open_chat(one, first)
        write(one, "Soy Mía")
        other = context.new_page()
        open_chat(other, second)
        write(other, "Soy Noa")
        for page, own in ((one, "Soy Mía"), (other, "Soy Noa")):
            expect(chat(page).locator(".line .text")).to_have_text([own])


def test_what_is_written_without_a_connection_is_kept_and_sent_once(
    sites: Sites, new_context: NewContext, troubles: Troubles
) -> None:
    troubles.expected += ["Failed to load resource", "ERR_", "WebSocket connection"]
    page = new_context().new_page()
    with sites.near("dora") as url:
        open_chat(page, url)
        write(page, "uno")
        sites.server.kill()
        put(page, "dos")
        expect(line(page, "dos").locator(".state")).to_have_text("Enviando…")
        expect(chat(page).locator("#banner")).to_contain_text("No hay conexión")
        sites.server.start()
        expect(line(page, "dos").locator(".state")).to_have_text("Enviado", timeout=20_000)
        page.reload()
        bubble(page).click()
        expect(chat(page).locator(".line .text")).to_have_text(["uno", "dos"])


def test_on_a_phone_it_fills_the_screen_and_keeps_the_focus(
    sites: Sites, new_context: NewContext
) -> None:
    page = new_context(
        viewport=PHONE, locale="en-GB", color_scheme="dark", reduced_motion="reduce"
    ).new_page()
    with shop(sites.server.url, "elsa", sites.port) as url:
        open_chat(page, url)
        page.evaluate("Registro.start({ tokenUrl: '/chat-token', lang: 'en' })")
        bubble(page).click()
        expect(chat(page).locator("#text")).to_be_focused()
        box = page.locator("iframe").bounding_box()
        assert box is not None
        assert (box["x"], box["y"], box["width"], box["height"]) == (0, 0, 390, 844)
        expect(chat(page).locator("#empty")).to_have_text("Ask us anything: we answer here.")
        assert page.locator(".panel").evaluate("one => getComputedStyle(one).transition") in (
            "none",
            "all 0s ease 0s",
        )
        for _ in range(8):
            page.keyboard.press("Tab")
            wait_until(page, "Boolean(document.activeElement.shadowRoot?.activeElement)")
        assert violations(page) + violations(inside(page)) == []
        page.evaluate("Registro.close()")
        expect(bubble(page)).to_have_accessible_name("Open the chat")
        page.evaluate("Registro.stop({ forget: true })")
        expect(bubble(page)).to_have_count(0)


def test_a_site_that_is_not_allowed_gets_no_chat(
    sites: Sites, new_context: NewContext, troubles: Troubles
) -> None:
    troubles.expected += ["frame-ancestors", "Failed to load resource", "403"]
    page = new_context().new_page()
    with shop(sites.server.url, "flora") as url:
        page.goto(url)
        bubble(page).click()
        expect(chat(page).locator("#text")).to_have_count(0)
        # Nor when it says that it is the other one.
        page.evaluate(
            """([desk, origin]) => {
                const frame = document.createElement("iframe");
                frame.id = "lie";
                frame.src = `${desk}/widget?de=${origin}`;
                document.body.append(frame);
                return new Promise((resolve) => (frame.onload = resolve));
            }""",
            [sites.server.url, f"http://localhost:{sites.port}"],
        )
        expect(page.frame_locator("#lie").locator("#text")).to_have_count(0)
