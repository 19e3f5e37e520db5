"""The pictures of docs/images (scripts/screenshots): pages of the sample desk as people see them.

Each shot says who looks, at what, how, and what they do first. The sample log has no acts of the
desk, so an admin first does what a morning brings: labels, notes, an assignment, one resolved.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import ARGUMENTS, CHROMIUM, Desk
from tests.conftest import SECRET
from tests.support.server import Server

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
WIDE, PHONE = (1280, 800), (390, 844)

Do = Callable[[Page], None]


def _nothing(page: Page) -> None:
    pass


@dataclass(frozen=True)
class Shot:
    name: str
    path: str
    user: str = "ana"
    theme: Literal["light", "dark"] = "light"
    language: Literal["es", "en"] = "en"
    size: tuple[int, int] = WIDE
    do: Do = _nothing


def _palette(page: Page) -> None:
    page.keyboard.press("Control+k")
    page.keyboard.type("res")
    page.locator("dialog[open] [role=option]").first.wait_for()


def _sheet(page: Page) -> None:
    page.locator("#thread-title").click()
    page.keyboard.press("?")
    page.locator("dialog[open]").wait_for()


def _answers(page: Page) -> None:
    page.locator("#text").fill("/")
    page.locator(".answers [role=option]").first.wait_for()


THREAD = "/soporte?con=toni.rius"
SHOTS = (
    Shot("inbox", THREAD),
    Shot("inbox-dark-es", THREAD, theme="dark", language="es"),
    Shot("inbox-empty", "/soporte?estado=resuelta&etiqueta=urgente"),
    Shot("inbox-phone-es", "/soporte", size=PHONE, language="es"),
    Shot("thread-phone", THREAD, size=PHONE, theme="dark"),
    Shot("chat-es", "/soporte", user="flor.ba", language="es"),
    Shot("chat-phone", "/soporte", user="flor.ba", size=PHONE, theme="dark"),
    Shot("palette", THREAD, do=_palette),
    Shot("keys-dark", THREAD, theme="dark", do=_sheet),
    Shot("answers-es", THREAD, language="es", do=_answers),
    Shot("reports", "/admin/informes?desde=2026-10-16&hasta=2026-11-20"),
    Shot(
        "reports-dark-phone",
        "/admin/informes?desde=2026-10-16&hasta=2026-11-20",
        theme="dark",
        size=PHONE,
    ),
    Shot("people-es", "/admin/usuarios", language="es"),
    Shot("log", "/admin/registro"),
    Shot("search-es", "/admin/buscar?q=factura", language="es"),
)


def prepare(page: Page, url: str) -> None:
    """What Ana does in the morning."""
    rows = {row["user"]: row for row in page.request.get(f"{url}/api/bandeja").json()["filas"]}

    def act(user: str, what: str, **fields: str) -> None:
        conversation = rows[user]["conversacion"]
        answer = page.request.post(f"{url}/api/conversaciones/{conversation}/{what}", form=fields)
        assert answer.ok, f"{what} {user}: {answer.status} {answer.text()}"

    first, second, third, fourth, fifth, *_ = rows
    act("toni.rius", "asignar", a="ana")
    act("toni.rius", "etiquetas", poner="reclamación")
    act("toni.rius", "notas", texto="Le llamé a las 10:15. Espera el abono antes del viernes.")
    act(first, "asignar", a="marcos")
    act(second, "etiquetas", poner="urgente")
    act(third, "etiquetas", poner="envíos")
    act(fourth, "estado", estado="pendiente")
    act(fifth, "estado", estado="resuelta")


def take(browser: Browser, desk: Desk, shot: Shot) -> None:
    width, height = shot.size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=shot.theme,
        locale="es-ES" if shot.language == "es" else "en-GB",
        timezone_id="Europe/Madrid",
        reduced_motion="reduce",
    )
    page = context.new_page()
    desk.sign_in(page, shot.user)
    page.goto(f"{desk.url}/set-lang/{shot.language}?returnTo=%2Fsoporte")
    page.goto(desk.url + shot.path)
    page.wait_for_load_state("networkidle")
    shot.do(page)
    page.screenshot(path=IMAGES / f"{shot.name}.png")
    context.close()


def main(wanted: list[str]) -> None:
    shots = [one for one in SHOTS if not wanted or one.name.startswith(tuple(wanted))]
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        Server(Path(folder), {"JWT_SECRET": SECRET}, fixtures=True) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        desk = Desk(server)
        page = browser.new_page()
        desk.sign_in(page, "ana")
        prepare(page, desk.url)
        for shot in shots:
            take(browser, desk, shot)
            print(f"docs/images/{shot.name}.png")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
