"""Saved views: lists of the inbox with a name. Plain forms, which lead back to the list."""

from __future__ import annotations

from urllib.parse import parse_qsl

from sanic import HTTPResponse, Request
from sanic.response import redirect

from registro.errors import Refused
from registro.services import Services
from registro.web import forms, queues
from registro.web.auth import Visitor, form_for
from registro.web.desk import refuse
from registro.web.queues import Queue
from registro.web.typing import App


@form_for("admin", back="/soporte")
async def save(request: Request, who: Visitor) -> HTTPResponse:
    """`POST /soporte/vistas/guardar` (`nombre`, `consulta`, `compartida`; `id` of one that is
    there)."""
    services: Services = request.app.ctx.services
    fields = await forms.read(request, "id", "nombre", "consulta", "compartida")
    query = fields["consulta"] or ""
    try:
        queue = queues.parse(dict(parse_qsl(query)))
    except ValueError:
        queue, fields = Queue(), fields | {"nombre": None}
    try:
        name = (fields["nombre"] or "").strip()
        shared = fields["compartida"] == "1"
        id_ = fields["id"] or ""
        await services.views.save(who.person, id_, name, queue.query(), shared)
    except Refused as refused:
        return await refuse(request, who, refused, queue.address())
    return redirect(queue.address(), status=303)


@form_for("admin", back="/soporte")
async def remove(request: Request, who: Visitor) -> HTTPResponse:
    """`POST /soporte/vistas/quitar` (`id`)."""
    services: Services = request.app.ctx.services
    fields = await forms.read(request, "id")
    try:
        await services.views.remove(who.person, fields["id"] or "")
    except Refused as refused:
        return await refuse(request, who, refused, "/soporte")
    return redirect("/soporte", status=303)


def add_to(app: App) -> None:
    for handler, name in ((save, "guardar"), (remove, "quitar")):
        app.add_route(
            handler, f"/soporte/vistas/{name}", methods=["POST"], name=f"view_{name}", stream=True
        )
