"""What a file is by its first bytes, and what it may be called."""

from __future__ import annotations

import pytest

from registro.services import media
from registro.services.media import Image

PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + (640).to_bytes(4, "big") + (480).to_bytes(4, "big")
GIF = b"GIF89a" + (7).to_bytes(2, "little") + (5).to_bytes(2, "little")


def jpeg(*segments: bytes) -> bytes:
    frame = b"\xff\xc2\0\x11\x08" + (480).to_bytes(2, "big") + (640).to_bytes(2, "big") + b"\x03"
    return b"\xff\xd8" + b"".join(segments) + frame


def exif(orientation: int, order: str) -> bytes:
    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, "little" if order == "II" else "big")

    entry = number(0x0112, 2) + number(3, 2) + number(1, 4) + number(orientation, 2) + b"\0\0"
    body = b"Exif\0\0" + order.encode() + number(42, 2) + number(8, 4) + number(1, 2) + entry
    return b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body


def webp(kind: bytes, body: bytes) -> bytes:
    return b"RIFF\0\0\0\0WEBP" + kind + b"\0\0\0\0" + body + bytes(20)


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (PNG, Image("image/png", 640, 480)),
        (GIF, Image("image/gif", 7, 5)),
        (jpeg(), Image("image/jpeg", 640, 480)),
        (jpeg(b"\xff\xff\xe0\0\x04ab"), Image("image/jpeg", 640, 480)),
        (jpeg(exif(1, "II")), Image("image/jpeg", 640, 480)),
        (jpeg(exif(6, "II")), Image("image/jpeg", 480, 640)),
        (jpeg(exif(8, "MM")), Image("image/jpeg", 480, 640)),
        (webp(b"VP8X", b"\0\0\0\0\x7f\x02\0\xdf\x01\0"), Image("image/webp", 640, 480)),
        (webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a\x80\x02\xe0\x01"), Image("image/webp", 640, 480)),
        (
            webp(b"VP8L", b"\x2f" + (639 | 479 << 14).to_bytes(4, "little")),
            Image("image/webp", 640, 480),
        ),
    ],
)
def test_an_image_is_known_with_its_size_as_it_is_shown(head: bytes, found: Image) -> None:
    assert media.image(head) == found


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<!doctype html><script>alert(1)</script>",
        b"%PDF-1.7",
        b"BM" + bytes(60),
        PNG[:23],
        GIF[:9],
        jpeg()[:8],
        jpeg(b"\xff\xda\0\x04ab"),
        PNG[:16] + bytes(8),
        PNG[:16] + b"\0\0\xff\xff" * 2,
    ],
)
def test_what_is_cut_off_active_or_too_large_is_no_image(head: bytes) -> None:
    assert media.image(head) is None


@pytest.mark.parametrize("length", range(60))
def test_no_beginning_of_a_file_is_an_error(length: int) -> None:
    for head in (PNG, GIF, jpeg(exif(6, "II")), webp(b"VP8L", b"\x2f"), webp(b"VP8X", b"")):
        media.image(head[:length])


def test_an_image_is_never_believed_to_be_one() -> None:
    assert media.type_of("image/png", None) == media.OTHER
    assert media.type_of("text/html", Image("image/gif", 1, 1)) == "image/gif"
    assert media.type_of("Application/PDF; charset=x", None) == "application/pdf"
    assert media.type_of("a\r\nb: c", None) == media.OTHER


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("factura.pdf", "factura.pdf"),
        ("../../etc/passwd", "passwd"),
        (r"C:\Users\eva\foto.png", "foto.png"),
        ("..", "archivo"),
        ("a/", "archivo"),
        ("", "archivo"),
        ("a\0b\r\n.txt", "ab.txt"),
        ("exe\u202efdp.exe", "exefdp.exe"),
        ("  año   nuevo .txt", "año nuevo .txt"),
    ],
)
def test_a_name_has_no_folders_and_nothing_hidden(given: str, name: str) -> None:
    assert media.file_name(given) == name


def test_a_long_name_keeps_its_ending() -> None:
    name = media.file_name("ñ" * 500 + ".jpeg")
    assert name.endswith("ñ.jpeg")
    assert len(name.encode()) <= media.MAX_NAME_BYTES
