"""`/salud/viva` and `/salud/lista`: for supervisors and load balancers."""

from __future__ import annotations

import asyncio

from sanic import HTTPResponse, Request
from sanic.response import json

from registro.errors import StoreError, Unavailable
from registro.events import reader
from registro.services import Services
from registro.web.access import Access, declare
from registro.web.typing import App

PATIENCE = 2
"""Seconds that the database has for an answer: who probes does not wait for longer."""


@declare(Access("probe"))
async def live(_: Request) -> HTTPResponse:
    """The process answers."""
    return json({"ok": True})


@declare(Access("probe"))
async def ready(request: Request) -> HTTPResponse:
    """The database answers, its projections are those of this program, the log can be written,
    its queue has room and the server is not stopping; else 503."""
    services: Services = request.app.ctx.services
    sockets = request.app.ctx.sockets
    if sockets is not None and sockets.draining:
        return json({"ok": False, "falta": "servidor"}, 503)
    if services.waiting is not None:
        return json({"ok": False, "falta": "proyecciones"}, 503)
    try:
        async with asyncio.timeout(PATIENCE), services.readers.connection() as connection:
            await reader.head(connection)
    except (StoreError, TimeoutError):
        return json({"ok": False, "falta": "base de datos"}, 503)
    if services.writer.away is not None:
        return json({"ok": False, "falta": "registro"}, 503)
    if services.writer.full:
        return json({"ok": False, "falta": "sitio en la cola"}, 503)
    return json({"ok": True})


async def refuse_until_started(request: Request) -> None:
    """Until the projections are built there is nothing to show, and nothing may be recorded."""
    services: Services = request.app.ctx.services
    if services.waiting is not None and not request.path.startswith("/salud/"):
        raise Unavailable(services.waiting)


def add_to(app: App) -> None:
    app.on_request(refuse_until_started)
    app.add_route(live, "/salud/viva", name="live")
    app.add_route(ready, "/salud/lista", name="ready")
