"""What people write is text on every page, rendered by the server or live: no script of theirs
runs, and the content security policy has nothing to report (a report would be a console error,
which fails the test: see conftest)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Desk, NewContext, Troubles, wait_until
from tests.support.databases import DatabaseServers
from tests.support.original import Original, hashed
from tests.support.payloads import PAYLOADS
from tests.support.raw import RawWebSocket
from tests.support.server import Server

SAMPLE = PAYLOADS[::10]
"""Some of them, for places where a page shows one at a time."""


def check(page: Page) -> None:
    """Fails when a script of somebody's ran, or their text became an element."""
    assert page.evaluate("window.pwned") is None, page.url
    made = page.evaluate(
        "document.querySelectorAll('iframe,object,embed,base,video,math,"
        "[onerror],[onload],[onfocus],[ontoggle],[href^=javascript],[action^=javascript]').length"
    )
    assert made == 0, page.url
    assert "49" not in page.title()


def test_the_payloads_would_run_where_they_are_markup(new_context: NewContext) -> None:
    """So that the other tests can fail."""
    page = new_context().new_page()
    for text in (PAYLOADS[0], PAYLOADS[9], PAYLOADS[18]):
        page.goto("about:blank")
        page.set_content(text)
        wait_until(page, "window.pwned === 1")
        with pytest.raises(AssertionError):
            check(page)


def open_all(page: Page, desk: Desk, paths: Sequence[str]) -> None:
    for path in paths:
        page.goto(desk.url + path)
        page.wait_for_load_state("load")
        page.keyboard.press("Tab")
        check(page)


def attackers(server: Server, texts: Sequence[str]) -> list[tuple[str, str]]:
    """People whose user name (as far as one may be so long), shown name and messages are the
    texts; their user names and payloads."""
    found = []
    for text in texts:
        user = text if len(text) <= 64 and text == text.strip() and text.isprintable() else ""
        user = user or f"x{uuid4().hex[:8]}"
        cookie = {"Cookie": f"token={server.token(user, name=text)}"}
        with RawWebSocket(server.url, cookie) as raw:
            raw.join()
            assert raw.call("mensaje_privado", {"para": "admin", "mensaje": text})["ok"]
        found.append((user, text))
    return found


def conversation_of(admin: httpx.Client, user: str) -> str:
    row = admin.get("/api/hilo", params={"con": user}).json()["fila"]
    return str(row["conversacion"])


def test_what_users_write_is_text_on_every_page_of_the_desk(
    new_context: NewContext, desk: Desk
) -> None:
    page = new_context().new_page()
    desk.sign_in(page, "ana")
    page.goto(f"{desk.url}/soporte")
    live = attackers(desk.server, PAYLOADS)  # shown by the scripts, as they come
    page.wait_for_timeout(500)
    check(page)
    admin = httpx.Client(base_url=desk.url, cookies={"token": desk.server.token("ana", "admin")})
    with admin:
        for user, text in live[::10]:
            id_ = conversation_of(admin, user)
            for what, field in (("notas", "texto"), ("etiquetas", "poner")):
                admin.post(f"/api/conversaciones/{id_}/{what}", data={field: text[:4000]})
    page.wait_for_timeout(300)
    check(page)
    paths = ["/soporte", "/soporte?estado=todas", "/admin", "/admin/personas", "/admin/registro"]
    paths += ["/admin/sesiones", "/admin/conexiones", "/admin/conectados", "/admin/personas?q=%3C"]
    paths += ["/admin/buscar?q=pwned", "/admin/buscar?q=script"]
    for user, _ in live[::10]:
        name = quote(user, safe="")
        paths += [f"/soporte?con={name}", f"/admin/persona?user={name}"]
        paths += [f"/admin/usuario?user={name}"]
    open_all(page, desk, paths)


def test_what_admins_write_is_text_to_users_while_it_comes_and_later(
    new_context: NewContext, desk: Desk
) -> None:
    page = new_context().new_page()
    desk.sign_in(page, "flor.ba")
    cookie = {"Cookie": f"token={desk.server.token('marcos', 'admin')}"}
    with RawWebSocket(desk.url, cookie) as raw:
        raw.join()
        for number, text in enumerate(PAYLOADS):
            answer = raw.call(
                "mensaje_privado", {"para": "flor.ba", "mensaje": text}, number=number
            )
            assert answer["ok"]
    page.locator("#lines .text", has_text=PAYLOADS[-1]).last.wait_for()
    check(page)
    open_all(page, desk, ["/soporte"])
    shown = page.locator("#lines .text").all_inner_texts()
    assert PAYLOADS[0] in shown


def test_what_an_address_says_is_text(
    new_context: NewContext, desk: Desk, troubles: Troubles
) -> None:
    troubles.expected += ["400", "403", "404"]
    stranger, admin = new_context().new_page(), new_context().new_page()
    desk.sign_in(admin, "ana")
    for text in SAMPLE:
        code = quote(text, safe="")
        open_all(stranger, desk, [
            f"/login?returnTo={code}", f"/contrasena?enlace={code}", f"/{code}",
            f"/login?returnTo=%2Fsoporte%3Fcon%3D{code}",
        ])  # fmt: skip
        open_all(admin, desk, [
            f"/soporte?con={code}", f"/soporte?etiqueta={code}", f"/soporte?cursor={code}",
            f"/admin/personas?q={code}", f"/admin/buscar?q={code}", f"/admin/usuario?user={code}",
            f"/admin/registro?tipo={code}", f"/admin/registro?usuario={code}",
            f"/admin/persona?hecho={code}&user=flor.ba", f"/set-lang/es?returnTo={code}",
        ])  # fmt: skip


def test_what_a_form_brings_back_is_text(
    new_context: NewContext, desk: Desk, troubles: Troubles
) -> None:
    troubles.expected += ["400", "401", "429"]
    page = new_context().new_page()
    for text in SAMPLE:
        page.goto(f"{desk.url}/login")
        page.fill("input[name=user]", text)
        page.fill("input[name=pass]", "not the password")
        page.press("input[name=pass]", "Enter")
        page.wait_for_load_state("load")
        check(page)
        page.goto(f"{desk.url}/registro")
        page.fill("input[name=user]", text[:64])
        page.fill("input[name=name]", text)
        page.fill("input[name=pass]", "12345678")
        page.press("input[name=pass]", "Enter")
        page.wait_for_load_state("load")
        check(page)


def test_what_is_imported_from_the_original_is_text(
    new_context: NewContext, desk: Desk, database_servers: DatabaseServers
) -> None:
    url = database_servers.new_database("mariadb")
    with ThreadPoolExecutor(1) as elsewhere:  # in this thread Playwright's loop runs
        elsewhere.submit(asyncio.run, fill(Original(url))).result()
    desk.server.registro("import-original", "--from", url, "--partial", check=False)
    page = new_context().new_page()
    desk.sign_in(page, "ana")
    page.goto(f"{desk.url}/admin/buscar?q=importado")
    assert page.locator("mark").count() >= 5
    open_all(page, desk, ["/soporte?estado=todas", "/admin/personas?q=old", "/soporte?con=old-0"])


async def fill(original: Original) -> None:
    await original.create()
    texts = list(enumerate(SAMPLE))
    users = [(f"old-{n}", text, "user", hashed("x"), text) for n, text in texts]
    messages = [
        (f"old-{n}", "admin", f"importado {text}", f"2024-05-01 10:00:{n:02}") for n, text in texts
    ]
    await original.add_users(*users)
    await original.add_messages(*messages)
