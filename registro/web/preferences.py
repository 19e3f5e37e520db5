"""Everybody's preferences: their page, and the cookie in which pages find them.

The database has them, so that they are there in another browser; a cookie brings them along with
each request, so that no page asks the database for them and the first byte has the right theme.
"""

from __future__ import annotations

import asyncio
import logging
import math

from sanic import HTTPResponse, Request
from sanic.response import redirect

from registro.errors import Refused, Unavailable
from registro.services import Services
from registro.services.preferences import CHOICES, NOTIFICATIONS, chosen
from registro.web import cookies, forms, mail, throttle, views
from registro.web.auth import Visitor, form_for, page_for
from registro.web.people_views import OwnPasswordView, PreferencesView
from registro.web.problems import RETRY_AFTER
from registro.web.throttle import LoginThrottle
from registro.web.typing import App

log = logging.getLogger(__name__)

PAGE = "/preferencias"
PASSWORD = f"{PAGE}/clave"


@page_for("user", "admin")
async def preferences(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /preferencias`."""
    found, _ = await views.preferences_of(request, who.person)
    view = PreferencesView(
        found,
        saved="guardado" in request.args,
        changed="clave" in request.args,
        mail=await mail.section(request, who),
    )
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


# One's own password


@page_for("user", "admin")
async def password(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /preferencias/clave`."""
    return await views.respond(request, OwnPasswordView(), me=who.person)


@form_for("user", "admin", back=PASSWORD)
async def change_password(request: Request, who: Visitor) -> HTTPResponse:
    """`POST /preferencias/clave/cambiar` (`actual`, `pass`): ends all other sessions.

    Who guesses at the old password is slowed down, and counted, as at the login.
    """
    services: Services = request.app.ctx.services
    logins: LoginThrottle = request.app.ctx.logins
    user, address = who.person.user, throttle.address_of(request)
    fields = await forms.read(request, "actual", "pass")
    wait = math.ceil(logins.wait(user, address))
    if wait:
        services.denials.count("throttled", address)
        return await _not_changed(request, who, 429, "throttled", wait)
    await asyncio.sleep(logins.attempt(user, address))
    try:
        changed = who.known and await services.accounts.change_password(
            who.person,
            fields["actual"] or "",
            fields["pass"] or "",
            loopback=throttle.is_loopback(request),
        )
        if changed:
            logins.succeeded(user, address)
            await services.sessions.end_others(who.person, who.session)
            return redirect(f"{PAGE}?clave=1", status=303)
    except Refused as refused:
        logins.succeeded(user, address)  # the old one was right
        return await _not_changed(request, who, 400, str(refused.details.get("reason")))
    except Unavailable as error:
        log.warning("a password could not be changed: %s", error)
        logins.take_back(user, address)
        return await _not_changed(request, who, 503, "away", RETRY_AFTER)
    services.denials.count("failed", address)
    return await _not_changed(request, who, 403, "wrong")


async def _not_changed(
    request: Request, who: Visitor, status: int, problem: str, wait: int | str = 0
) -> HTTPResponse:
    headers = {"Retry-After": str(wait)} if wait else {}
    view = OwnPasswordView(problem, int(wait))
    return await views.respond(request, view, status, me=who.person, headers=headers)


def add_to(app: App) -> None:
    app.add_route(preferences, PAGE, name="preferences")
    app.add_route(password, PASSWORD, name="own_password")
    app.add_route(
        change_password,
        f"{PASSWORD}/cambiar",
        methods=["POST"],
        name="change_own_password",
        stream=True,
    )
    app.add_route(save, f"{PAGE}/guardar", methods=["POST"], name="save_preferences", stream=True)
