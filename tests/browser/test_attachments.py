"""Files in the browser: chosen, dropped, pasted, kept, cut off, and shown on both sides."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Desk, NewContext, Troubles, violations, wait_until
from tests.browser.test_chat import open_chat, open_inbox


def png(width: int = 320, height: int = 200) -> bytes:
    """A picture of two colours."""
    rows = b"".join(
        b"\0" + bytes((70, 110, y % 256)) * (width // 2) + bytes((240, 200, 90)) * (width // 2)
        for y in range(height)
    )

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def file(name: str, content: bytes, type_: str = "application/octet-stream") -> Any:
    return {"name": name, "mimeType": type_, "buffer": content}


PICTURE = file("cocina.png", png(), "image/png")
LETTER = file("factura de marzo.pdf", b"%PDF-1.7" + b"x" * 40_000, "application/pdf")


def give(page: Page, how: str, name: str, content: bytes) -> None:
    """Drops or pastes a picture."""
    page.evaluate(
        """([how, name, content]) => {
          const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
          const data = new DataTransfer();
          data.items.add(new File([bytes], name, { type: "image/png" }));
          const more = how === "drop" ? { dataTransfer: data } : { clipboardData: data };
          const Kind = how === "drop" ? DragEvent : ClipboardEvent;
          document.getElementById("text").dispatchEvent(
            new Kind(how, { bubbles: true, cancelable: true, ...more }));
        }""",
        [how, name, base64.b64encode(content).decode()],
    )


def shown(page: Page) -> None:
    """The last line's picture is there, in its size."""
    picture = page.locator("#lines .line").last.locator(".picture img")
    expect(picture).to_have_attribute("alt", "cocina.png")
    picture.scroll_into_view_if_needed()
    wait_until(page, "[...document.querySelectorAll('.picture img')].at(-1).naturalWidth === 320")


def test_pictures_and_files_go_both_ways_and_are_there_after_a_reload(
    new_context: NewContext, desk: Desk
) -> None:
    user = open_chat(new_context, desk, "diego_mx")
    admin = open_inbox(new_context, desk, "diego_mx")
    user.set_input_files("#files", [PICTURE, LETTER])
    expect(user.locator("#attached li.done")).to_have_count(2)
    assert violations(user) == []
    user.fill("#text", "Aquí están")
    user.press("#text", "Enter")
    expect(user.locator("#attached")).to_be_hidden()
    for page in (user, admin):
        shown(page)
        line = page.locator("#lines .line").last
        expect(line.locator(".text")).to_have_text("Aquí están")
        expect(line.locator(".file")).to_have_text("PDFfactura de marzo.pdf 39 KB")
    assert violations(admin) == []
    with admin.expect_download() as download:
        admin.locator("#lines .file").last.click()
    assert download.value.suggested_filename == "factura de marzo.pdf"
    before = admin.locator("#lines .line").last.locator(".files").inner_html()
    for page in (user, admin):
        page.reload()
        shown(page)
    after = admin.locator("#lines .line").last.locator(".files").inner_html()
    assert "".join(re.sub(r">\s+<", "><", after).split()) == "".join(before.split())

    give(admin, "drop", "cocina.png", png())
    give(admin, "paste", "cocina.png", png())
    expect(admin.locator("#attached li.done")).to_have_count(2)
    admin.click("#send")
    expect(user.locator("#lines .line").last.locator(".picture")).to_have_count(2)
    expect(admin.locator('.row[data-user="diego_mx"] .preview')).to_contain_text("📎 cocina.png")


def test_what_is_attached_survives_a_reload_and_can_be_taken_off_by_keyboard(
    new_context: NewContext, desk: Desk
) -> None:
    user = open_chat(new_context, desk, "flor.ba", viewport=PHONE)
    user.set_input_files("#files", [PICTURE, LETTER])
    expect(user.locator("#attached li.done")).to_have_count(2)
    user.reload()
    expect(user.locator("#attached li.done")).to_have_count(2)
    assert user.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert violations(user) == []
    user.focus("#attached li:first-child .away")
    user.keyboard.press("Enter")
    expect(user.locator("#attached li")).to_have_count(1)
    expect(user.locator("#attached .away")).to_be_focused()
    user.keyboard.press("Enter")
    expect(user.locator("#attached")).to_be_hidden()
    expect(user.locator("#text")).to_be_focused()
    user.reload()
    expect(user.locator("#attached li")).to_have_count(0)


def test_an_upload_that_the_network_cuts_is_tried_again_and_the_message_waits_for_it(
    new_context: NewContext, desk: Desk, troubles: Troubles
) -> None:
    troubles.expected.append("Failed to load resource")
    user = open_chat(new_context, desk, "jtucker")
    cuts = []
    user.route(
        "**/api/archivos*",
        lambda route: route.continue_() if len(cuts) == 2 else (cuts.append(1), route.abort()),
    )
    user.set_input_files("#files", [PICTURE])
    expect(user.locator("#attached progress")).to_be_visible()
    user.click("#send")
    expect(user.locator("#composer-problem")).to_contain_text("en cuanto")
    expect(user.locator("#lines .line").last.locator(".picture")).to_be_visible(timeout=15_000)
    assert len(cuts) == 2
    expect(user.locator("#composer-problem")).to_be_empty()


def test_what_cannot_be_sent_is_said(
    new_context: NewContext, desk: Desk, troubles: Troubles
) -> None:
    troubles.expected.append("Failed to load resource")
    user = open_chat(new_context, desk, "diego_mx")
    problem = user.locator("#composer-problem")
    user.evaluate("document.getElementById('attach').dataset.bytes = 50_000")
    user.set_input_files("#files", [file("video.mov", b"x" * 50_001)])
    expect(problem).to_have_text("video.mov es demasiado grande: se pueden enviar hasta 49 KB.")
    user.set_input_files("#files", [file("nada.txt", b"")])
    expect(problem).to_have_text("nada.txt está vacío.")
    user.set_input_files("#files", [file(f"{n}.txt", b"x") for n in range(6)])
    expect(problem).to_have_text("En un mensaje caben hasta 5 archivos.")
    expect(user.locator("#attached li.done")).to_have_count(5)
    for _ in range(5):
        user.locator("#attached .away").first.click()
    refusal = '{"error": {"codigo": "sin_espacio", "mensaje": ""}}'
    user.route(
        "**/api/archivos*",
        lambda route: route.fulfill(status=413, body=refusal, content_type="application/json"),
    )
    user.set_input_files("#files", [PICTURE])
    expect(user.locator("#attached .wrong")).to_contain_text("todo el espacio")
    user.fill("#text", "hola")
    user.press("#text", "Enter")
    expect(problem).to_contain_text("no se pudo adjuntar")


def test_an_erased_message_loses_its_files_on_every_screen(
    new_context: NewContext, desk: Desk, troubles: Troubles
) -> None:
    user = open_chat(new_context, desk, "flor.ba")
    admin = open_inbox(new_context, desk, "flor.ba")
    user.set_input_files("#files", [PICTURE])
    expect(user.locator("#attached li.done")).to_have_count(1)
    user.press("#text", "Enter")
    shown(admin)
    tail = desk.server.registro("log", "tail", "-n", "1", "--type", "conversation:message")
    desk.server.registro("erase", "--event", tail.split()[0], "--yes")
    for page in (user, admin):
        expect(page.locator("#lines .line.erased").last).to_contain_text("borrado")
        expect(page.locator("#lines .picture")).to_have_count(0)
