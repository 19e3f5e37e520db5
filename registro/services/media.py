"""What a file is, by its first bytes, and what it may be called. Pure; no pixel is decoded.

The four formats are those that every browser shows and in which nothing can be active. The numbers
are those of the PNG specification (ISO/IEC 15948, part 11.2.2), the GIF89a specification, RFC 9649
for WebP, ITU T.81 for JPEG, and Exif 2.32 for the way up of a photograph.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""What pages show; everything else is only ever downloaded."""

OTHER = "application/octet-stream"

HEAD = 512 * 1024
"""Bytes at the beginning of a file that are looked at: a photograph's profile and preview may stand
before its size."""

MAX_PIXELS = 100_000_000
"""An image of more is not shown: opening it could cost the reader's browser its memory."""

MAX_NAME_BYTES = 200

_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,80}")
_UNNAMED = "archivo"


class Image(NamedTuple):
    """`width` and `height` are in pixels, as the image is shown."""

    type: str
    width: int
    height: int


def image(head: bytes) -> Image | None:
    """The image that a file with these first bytes is; None for what is none of `IMAGES`, is cut
    off, or has no size or one that is too large."""
    found = _png(head) or _gif(head) or _webp(head) or _jpeg(head)
    if found is None or not 0 < found.width * found.height <= MAX_PIXELS:
        return None
    return found


def type_of(declared: str, found: Image | None) -> str:
    """The media type to record. That of an image is found in it, never believed."""
    if found is not None:
        return found.type
    plain = declared.partition(";")[0].strip().lower()
    return plain if _TYPE.fullmatch(plain) and plain not in IMAGES else OTHER


def file_name(given: str) -> str:
    """A name to show and to save a file under: without folders, controls and characters that turn
    the direction of text, at most 200 bytes; the ending is kept."""
    name = re.split(r"[/\\]", given.encode("utf-8", "replace").decode())[-1]
    shown = "".join(c for c in name if unicodedata.category(c) not in _HIDDEN)
    shown = re.sub(r"\s+", " ", shown).strip()
    if not shown.strip(". "):
        return _UNNAMED
    stem, dot, ending = shown.rpartition(".")
    if not (stem and dot and len(ending.encode()) <= 20):
        stem, ending = shown, ""
    room = MAX_NAME_BYTES - len((dot + ending).encode() if ending else b"")
    stem = stem.encode()[:room].decode("utf-8", "ignore")
    return f"{stem}.{ending}" if ending else stem


_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def _png(head: bytes) -> Image | None:
    if not head.startswith(b"\x89PNG\r\n\x1a\n") or head[12:16] != b"IHDR" or len(head) < 24:
        return None
    return Image("image/png", _big(head[16:20]), _big(head[20:24]))


def _gif(head: bytes) -> Image | None:
    if head[:6] not in (b"GIF87a", b"GIF89a") or len(head) < 10:
        return None
    return Image("image/gif", _little(head[6:8]), _little(head[8:10]))


def _webp(head: bytes) -> Image | None:
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP" or len(head) < 30:
        return None
    kind, body = head[12:16], head[20:]
    if kind == b"VP8X":
        return Image("image/webp", _little(body[4:7]) + 1, _little(body[7:10]) + 1)
    if kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        return Image("image/webp", _little(body[6:8]) & 0x3FFF, _little(body[8:10]) & 0x3FFF)
    if kind == b"VP8L" and body[0] == 0x2F:
        bits = _little(body[1:5])
        return Image("image/webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    return None


_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG before a frame, which says the size."""


def _jpeg(head: bytes) -> Image | None:
    if not head.startswith(b"\xff\xd8\xff"):
        return None
    at, turned = 2, False
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker, length = head[at + 1], _big(head[at + 2 : at + 4])
        if marker == 0xFF:  # a filling byte
            at += 1
            continue
        if marker in _FRAMES:
            height, width = _big(head[at + 5 : at + 7]), _big(head[at + 7 : at + 9])
            return Image("image/jpeg", *((height, width) if turned else (width, height)))
        if marker == 0xE1:
            turned = turned or _is_turned(head[at + 4 : at + 2 + length])
        if marker == 0xDA or length < 2:
            return None
        at += 2 + length
    return None


def _is_turned(exif: bytes) -> bool:
    """Whether a photograph is shown on its side: Exif's orientation is 5 to 8."""
    if not exif.startswith(b"Exif\0\0"):
        return False
    tiff = exif[6:]
    order = {b"II*\0": _little, b"MM\0*": _big}.get(tiff[:4])
    if order is None:
        return False
    start = order(tiff[4:8])
    for place in range(order(tiff[start : start + 2])):
        entry = tiff[start + 2 + 12 * place :][:12]
        if len(entry) < 12:
            return False
        if order(entry[:2]) == 0x0112:
            return 5 <= order(entry[8:10]) <= 8
    return False


def _big(part: bytes) -> int:
    return int.from_bytes(part, "big")


def _little(part: bytes) -> int:
    return int.from_bytes(part, "little")
