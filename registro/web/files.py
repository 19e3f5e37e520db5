"""Files of messages: taken in, and handed out so that nothing in them can be active.

An image of one of four formats is shown; anything else is a download without a type of its own,
whatever it says it is. Both stand in a sandbox without a right to anything.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote, unquote
from uuid import UUID

from sanic import HTTPResponse, Request
from sanic.exceptions import NotFound
from sanic.response import empty, json

from registro.errors import Refused
from registro.events.decide import Person
from registro.events.types import Attachment
from registro.services import Services, media
from registro.services.files import PIECE, Stored, wire
from registro.web.auth import Visitor, api_for, error, page_for
from registro.web.failures import MESSAGES
from registro.web.limits import RateLimit
from registro.web.typing import App

RATE = 1
"""Uploads a second that one user may keep up; 20 may begin at once."""

TOGETHER = 10
"""Uploads of one user that may be under way in a process: two messages' worth."""

SLOWEST = 16 * 1024
"""Bytes a second that have to arrive on the average, after a minute."""

STATUS = {"archivo_grande": 413, "sin_espacio": 413, "limite_superado": 429, "no_autorizado": 403}

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cache-Control": "private, no-cache",
    "Accept-Ranges": "bytes",
}
"""`no-cache`: a browser keeps it and asks each time whether its reader may still see it."""


class Uploads:
    """How much of it there is, in this process."""

    def __init__(self) -> None:
        self.rate = RateLimit(RATE)
        self.under_way: Counter[str] = Counter()


@api_for("user", "admin")
async def upload(request: Request, who: Visitor) -> HTTPResponse:
    """`POST /api/archivos?nombre=…`: a file, which is the body. Answers with its id."""
    try:
        if not who.known:
            raise Refused("no_autorizado")
        size = _announced(request)
        return json(wire(await _taken(request, who.person, size)))
    except Refused as refused:
        await _drain(request)
        return error(STATUS.get(refused.code, 400), refused.code, MESSAGES[refused.code])
    except TimeoutError:
        return error(408, "tiempo_agotado", "La petición ha tardado demasiado.")


def _announced(request: Request) -> int:
    """How long the body is going to be. Raises Refused when it does not say so."""
    text = request.headers.get("content-length", "")
    if not text.isascii() or not text.isdecimal() or len(text) > 12:
        raise Refused("datos_invalidos")
    return int(text)


async def _taken(request: Request, person: Person, size: int) -> Attachment:
    services: Services = request.app.ctx.services
    uploads: Uploads = request.app.ctx.uploads
    if uploads.under_way[person.id] >= TOGETHER or not uploads.rate.take(person.id):
        raise Refused("limite_superado")
    uploads.under_way[person.id] += 1
    try:
        name, declared = request.args.get("nombre", ""), request.headers.get("content-type", "")
        async with services.files.receive(person, name, declared, size) as incoming:
            stream: Any = request.stream
            stream.request_max_size = size  # for this request alone
            async with asyncio.timeout(60 + size / SLOWEST):
                while part := await stream.read():
                    await incoming.write(part)
        return incoming.attachment
    finally:
        uploads.under_way -= Counter([person.id])


async def _drain(request: Request) -> None:
    """Reads what is not wanted, within the limit: a browser that is still sending would not read
    the answer."""
    stream: Any = request.stream
    limit = request.app.ctx.services.files.limits.file
    if stream is None or _too_long(request, limit):
        return
    stream.request_max_size = limit
    async with asyncio.timeout(60):
        while await stream.read():
            pass


def _too_long(request: Request, limit: int) -> bool:
    try:
        return _announced(request) > limit
    except Refused:
        return True


@page_for("user", "admin")
async def download(request: Request, who: Visitor, id: UUID, name: str) -> HTTPResponse:
    """`GET /archivos/<id>/<name>`: a file of a conversation that the reader may see."""
    services: Services = request.app.ctx.services
    stored = await services.files.visible(who.person, str(id)) if who.known else None
    if stored is None or unquote(name) != stored.attachment.name:
        raise NotFound("there is no such file")
    headers = HEADERS | {"ETag": f'"{stored.attachment.sha256}"'}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return empty(304, headers)
    return await _send(request, stored, headers)


async def _send(request: Request, stored: Stored, headers: Mapping[str, str]) -> HTTPResponse:
    """Streams the file, or the part of it that was asked for (RFC 9110, one range)."""
    file = stored.attachment
    shown = file.type in media.IMAGES
    try:
        content = await asyncio.to_thread(stored.path.open, "rb")
    except OSError:
        raise NotFound("the file is not there") from None
    with content:
        span = _span(request.headers.get("range", ""), file.size)
        if span is None:
            return empty(416, {"Content-Range": f"bytes */{file.size}"})
        start, end = span
        partial = (start, end) != (0, file.size)
        headers = {
            **headers,
            "Content-Disposition": _disposition("inline" if shown else "attachment", file.name),
            "Content-Length": str(end - start),
            **({"Content-Range": f"bytes {start}-{end - 1}/{file.size}"} if partial else {}),
        }
        status, type_ = 206 if partial else 200, file.type if shown else media.OTHER
        if request.method == "HEAD":
            return HTTPResponse(None, status, headers, type_)
        response = await request.respond(status=status, headers=headers, content_type=type_)
        await asyncio.to_thread(content.seek, start)
        while start < end and (part := await asyncio.to_thread(content.read, PIECE)):
            await response.send(part[: end - start])
            start += len(part)
        await response.eof()
    return cast(HTTPResponse, None)  # Sanic takes no other answer for one that was sent already


_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")


def _span(asked: str, size: int) -> tuple[int, int] | None:
    """From where up to before where; everything for what is no single range. None when there is
    nothing in it."""
    match = _RANGE.fullmatch(asked.replace(" ", ""))
    if match is None or match.groups() == ("", ""):
        return 0, size
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
    return (start, end) if start < end else None


def _disposition(kind: str, name: str) -> str:
    """RFC 6266: the name, and for old programs one without what they may not understand."""
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def add_to(app: App) -> None:
    app.ctx.uploads = Uploads()
    app.add_route(upload, "/api/archivos", methods=["POST"], name="upload", stream=True)
    app.add_route(download, "/archivos/<id:uuid>/<name:str>", name="file")
