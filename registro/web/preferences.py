"""Everybody's preferences: their page, and the cookie in which pages find them.

The database has them, so that they are there in another browser; a cookie brings them along with
each request, so that no page asks the database for them and the first byte has the right theme.
"""

from __future__ import annotations

from sanic import HTTPResponse, Request
from sanic.response import redirect

from registro.services import Services
from registro.services.preferences import CHOICES, NOTIFICATIONS, chosen
from registro.web import cookies, forms, views
from registro.web.auth import Visitor, form_for, page_for
from registro.web.people_views import PreferencesView
from registro.web.typing import App

PAGE = "/preferencias"


@page_for("user", "admin")
async def preferences(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /preferencias`."""
    found, _ = await views.preferences_of(request, who.person)
    view = PreferencesView(found, "guardado" in request.args)
    return await views.respond(request, view, me=who.person)


@form_for("user", "admin", back=PAGE)
async def save(request: Request, who: Visitor) -> HTTPResponse:
    """`POST /preferencias/guardar`: every field of `Preferences`; a switch that is not there is
    off, as browsers leave out boxes that are not ticked."""
    services: Services = request.app.ctx.services
    fields = await forms.read(request, *CHOICES)
    switches = {name: "off" for name in (*NOTIFICATIONS, "shortcuts") if fields[name] != "on"}
    wanted = chosen(fields | switches)
    if who.known:
        await services.preferences.keep(who.person.id, wanted)
    response = redirect(f"{PAGE}?guardado=1", status=303)
    cookies.set_preferences(request, response, who.person.id, wanted)
    return response


def add_to(app: App) -> None:
    app.add_route(preferences, PAGE, name="preferences")
    app.add_route(save, f"{PAGE}/guardar", methods=["POST"], name="save_preferences", stream=True)
