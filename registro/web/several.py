"""What an admin does to several conversations at once: for scripts (JSON), and for a form."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from sanic import HTTPResponse, Request
from sanic.response import json, redirect

from registro.errors import Refused
from registro.services import Services
from registro.services.desk import Order
from registro.web import forms, paths
from registro.web.api import number
from registro.web.auth import Visitor, api_for
from registro.web.desk import STATUSES, Fields, refuse, until
from registro.web.typing import App

MOST = 200
"""Conversations in one request."""

_FIELDS = ("que", "a", "etiqueta", "hasta", "minutos", "desde", "seq", "vuelta")

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@api_for("admin")
async def several(request: Request, who: Visitor) -> HTTPResponse:
    """`POST /api/conversaciones/varias`: does `que` to each `conversacion`.

    It answers with the rows that changed as they were (`antes`) and are (`fila`), with what was no
    news (`sin_cambio`) and with what was refused (`fallidas`); a form is sent to `vuelta`.
    """
    services: Services = request.app.ctx.services
    ids, read = await forms.read_listed(request, "conversacion", MOST, *_FIELDS)
    fields = {name: value for name, value in read.items() if value is not None}
    try:
        if len(fields) < len(read) or not who.known or not all(map(_ID.fullmatch, ids)):
            raise Refused("datos_invalidos")
        order = _order(request, fields)
        before = {row.conversation: row for row in await services.inbox.rows(ids)}
        done = await services.desk.several(who.person, ids, order)
    except Refused as refused:
        return await refuse(request, who, refused, fields.get("vuelta", ""))
    if fields["vuelta"]:
        return redirect(_told(fields["vuelta"], len(done.changed), len(done.refused)), status=303)
    after = {row.conversation: row for row in await services.inbox.rows(done.changed)}
    return json(
        {
            "hechas": [
                {"antes": before[id_].for_desk(), "fila": after[id_].for_desk()}
                for id_ in done.changed
                if id_ in before and id_ in after
            ],
            "sin_cambio": done.unchanged,
            "fallidas": [
                {"conversacion": id_, "codigo": code} for id_, code in done.refused.items()
            ],
        }
    )


def _order(request: Request, fields: Fields) -> Order:
    """What is asked for. Raises Refused."""
    what = fields["que"]
    if what in STATUSES:
        status = STATUSES[what]
        return Order("status", status, until(request, fields) if status == "snoozed" else None)
    label = fields["etiqueta"].strip()
    orders = {
        "asignar": Order("assign", fields["a"]),
        "etiquetar": Order("label", label),
        "desetiquetar": Order("unlabel", label),
        "leer": Order("read", seq=_seq(fields["seq"])),
        "sin-leer": Order("unread", seq=_seq(fields["desde"])),
    }
    if what not in orders:
        raise Refused("datos_invalidos")
    return orders[what]


def _seq(field: str) -> int | None:
    """The number of a message. Raises Refused."""
    try:
        return number(field or None)
    except ValueError:
        raise Refused("datos_invalidos") from None


def _told(back: str, changed: int, refused: int) -> str:
    """Where a form leads back to, with what became of it."""
    address = paths.local(back, "/soporte")
    numbers = {"hechas": changed} | ({"fallidas": refused} if refused else {})
    return f"{address}{'&' if '?' in address else '?'}{urlencode(numbers)}"


def add_to(app: App) -> None:
    app.add_route(
        several, "/api/conversaciones/varias", methods=["POST"], name="several", stream=True
    )
