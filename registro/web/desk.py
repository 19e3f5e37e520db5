"""What admins do to conversations: for scripts (JSON) and for forms, which come back to a page."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import wraps
from uuid import UUID

from sanic import HTTPResponse, Request
from sanic.response import json, redirect

from registro.errors import Refused
from registro.services import Services
from registro.services.inbox import STATUS_NAMES
from registro.web import forms, paths, times, views
from registro.web.api import number
from registro.web.auth import Visitor, api_for, error
from registro.web.failures import MESSAGES
from registro.web.typing import App, Handler

STATUSES = {name: status for status, name in STATUS_NAMES.items()}
"""Statuses by their names in addresses and JSON."""

_STATUS_OF = {"no_autorizado": 404}
"""HTTP statuses of refusals; 400 for the others. To an admin only what is not there is refused."""

Fields = dict[str, str]
Deed = Callable[[Request, Visitor, str, Fields], Awaitable[bool]]


def _deed(*names: str) -> Callable[[Deed], Handler]:
    """A handler around something that is done to a conversation, with the fields `names` (empty
    where they are missing).

    It answers with the conversation's row (`fila`) and whether that changed it (`cambio`); a form
    that has a field `vuelta` is sent there.
    """

    def decorate(deed: Deed) -> Handler:
        @api_for("admin")
        @wraps(deed)
        async def handler(request: Request, who: Visitor, id: UUID) -> HTTPResponse:
            services: Services = request.app.ctx.services
            read = await forms.read(request, *names, "vuelta")
            fields = {name: value for name, value in read.items() if value is not None}
            try:
                if len(fields) < len(read) or not who.known:
                    raise Refused("datos_invalidos")
                changed = await deed(request, who, str(id), fields)
            except Refused as refused:
                return await refuse(request, who, refused, fields.get("vuelta", ""))
            if fields["vuelta"]:
                return redirect(paths.local(fields["vuelta"], "/soporte"), status=303)
            [row] = await services.inbox.rows([str(id)])
            return json({"cambio": changed, "fila": row.for_desk()})

        return handler

    return decorate


async def refuse(request: Request, who: Visitor, refused: Refused, back: str) -> HTTPResponse:
    """Why nothing was done: as JSON, or, for a form that leads back to a page, as a page."""
    status = _STATUS_OF.get(refused.code, 400)
    if not back:
        return error(status, refused.code, MESSAGES[refused.code])
    view = views.Refusal(refused.code, paths.local(back, "/soporte"))
    return await views.respond(request, view, status, me=who.person)


@_deed("a")
async def assign(request: Request, who: Visitor, conversation: str, fields: Fields) -> bool:
    """`POST /api/conversaciones/<id>/asignar`: to the admin `a`; to nobody when that is empty."""
    services: Services = request.app.ctx.services
    return await services.desk.assign(who.person, conversation, fields["a"])


@_deed("estado", "hasta", "minutos")
async def set_status(request: Request, who: Visitor, conversation: str, fields: Fields) -> bool:
    """`POST /api/conversaciones/<id>/estado`."""
    services: Services = request.app.ctx.services
    status = STATUSES.get(fields["estado"], "")
    end = until(request, fields) if status == "snoozed" else None
    return await services.desk.set_status(who.person, conversation, status, end)


def until(request: Request, fields: Fields) -> int | None:
    """When a snooze ends: `hasta`, a time of RFC 3339 or of the reader's zone, or in `minutos`."""
    try:
        if fields["hasta"]:
            return times.clock(request).read(fields["hasta"])
        minutes = number(fields["minutos"] or None)
    except ValueError:
        raise Refused("datos_invalidos") from None
    return None if minutes is None else time.time_ns() // 1000 + minutes * 60_000_000


@_deed("poner", "quitar")
async def label(request: Request, who: Visitor, conversation: str, fields: Fields) -> bool:
    """`POST /api/conversaciones/<id>/etiquetas`: puts the label `poner` there, takes `quitar`
    off."""
    services: Services = request.app.ctx.services
    changed = False
    if fields["quitar"] or not fields["poner"]:
        changed = await services.desk.remove_label(who.person, conversation, fields["quitar"])
    if fields["poner"]:
        added = await services.desk.add_label(who.person, conversation, fields["poner"].strip())
        changed = changed or added
    return changed


@_deed("texto")
async def note(request: Request, who: Visitor, conversation: str, fields: Fields) -> bool:
    """`POST /api/conversaciones/<id>/notas`."""
    services: Services = request.app.ctx.services
    text = fields["texto"].replace("\r\n", "\n")  # forms send these
    return await services.desk.write_note(who.person, conversation, text)


@_deed("desde")
async def mark_unread(request: Request, who: Visitor, conversation: str, fields: Fields) -> bool:
    """`POST /api/conversaciones/<id>/sin-leer`: from message `desde` on, or the last one."""
    services: Services = request.app.ctx.services
    try:
        seq = number(fields["desde"] or None)
    except ValueError:
        raise Refused("datos_invalidos") from None
    return await services.desk.mark_unread(who.person, conversation, seq)


def add_to(app: App) -> None:
    for handler, name in (
        (assign, "asignar"),
        (set_status, "estado"),
        (label, "etiquetas"),
        (note, "notas"),
        (mark_unread, "sin-leer"),
    ):
        app.add_route(
            handler,
            f"/api/conversaciones/<id:uuid>/{name}",
            methods=["POST"],
            name=f"desk_{name.replace('-', '_')}",
            stream=True,
        )
