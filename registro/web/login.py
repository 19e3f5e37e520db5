"""Logging in and out, registering: what the forms are posted to."""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import replace

from sanic import HTTPResponse, Request
from sanic.response import redirect

from registro.errors import Refused, Unavailable
from registro.events.decide import Person
from registro.services import Services
from registro.services.addresses import is_address
from registro.services.preferences import Preferences
from registro.web import cookies, forms, mail, paths, security, throttle, tokens, views
from registro.web.access import Access, declare
from registro.web.auth import Visitor, public, visitor
from registro.web.problems import RETRY_AFTER
from registro.web.throttle import LoginThrottle, RegistrationThrottle
from registro.web.typing import App
from registro.web.views import Login, Register

log = logging.getLogger(__name__)


@declare(Access("form"))
async def log_in(request: Request) -> HTTPResponse:
    """`POST /auth`."""
    fields = await forms.read(request, "user", "pass", "returnTo")
    user, password = _shown(fields["user"]), fields["pass"]
    back = paths.local(fields["returnTo"], "/soporte")
    logins: LoginThrottle = request.app.ctx.logins
    services: Services = request.app.ctx.services
    address = throttle.address_of(request)
    wait = logins.wait(user, address)
    if wait > 0:
        services.denials.count("throttled", address)
        request.app.ctx.watch.limited("login")
        view = Login(user, "throttled", math.ceil(wait), back)
        return await views.respond(
            request, view, 429, headers={"Retry-After": str(math.ceil(wait))}
        )
    try:
        person = await _check(request, user, password, address)
        if person is not None:
            return await _logged_in(request, person, back)
    except Unavailable as error:
        log.warning("a login found the store away: %s", error)
        logins.take_back(user, address)
        headers = {"Retry-After": RETRY_AFTER}
        return await views.respond(request, Login(user, "away", 0, back), 503, headers=headers)
    services.denials.count("failed", address)
    return await views.respond(request, Login(user, "wrong", 0, back), 401)


def _shown(value: str | None) -> str:
    """A field as the form shows it again, without blanks around it."""
    return (value or "").replace("\0", "").strip()


async def _check(request: Request, user: str, password: str | None, address: str) -> Person | None:
    """Whose name and password these are. Raises Unavailable."""
    logins: LoginThrottle = request.app.ctx.logins
    services: Services = request.app.ctx.services
    await asyncio.sleep(logins.attempt(user, address))
    if not user or not password:
        return None
    person = await services.accounts.verify_password(
        user, password, loopback=throttle.is_loopback(request)
    )
    if person is not None:
        logins.succeeded(user, address)
    return person


async def _logged_in(request: Request, person: Person, back: str) -> HTTPResponse:
    services: Services = request.app.ctx.services
    token = tokens.mint(person, services.settings.jwt_secret)
    await services.sessions.start(person, token.key, token.expires)
    response = redirect(back, status=303)
    cookies.set_token(request, response, token)
    preferences = await services.preferences.of(person.id) or Preferences()
    cookies.set_preferences(request, response, person.id, preferences)
    return response


@declare(Access("form"))
async def register(request: Request) -> HTTPResponse:
    """`POST /register`: a new account, with role `user` whatever the form says."""
    services: Services = request.app.ctx.services
    if not services.settings.registration:
        return await views.respond(request, views.RegistrationClosed(), 403)
    fields = await forms.read(request, "user", "name", "pass", "correo")
    user, name = _shown(fields["user"]), _shown(fields["name"])
    address_ = _shown(fields["correo"]) if services.mail.on else ""
    form = Register(user, name, {}, mail=services.mail.on, address=address_)
    limit: RegistrationThrottle = request.app.ctx.registrations
    address = throttle.address_of(request)
    wait = math.ceil(limit.wait(address))
    if wait:
        services.denials.count("limited")
        request.app.ctx.watch.limited("registration")
        view = replace(form, problems={"": "throttled"}, wait=wait)
        return await views.respond(request, view, 429, headers={"Retry-After": str(wait)})
    problems = {
        field: "invalid" for field, value in fields.items() if value is None or "\0" in value
    }
    if address_ and not is_address(address_):
        problems["correo"] = "invalid"
    try:
        if not problems:
            person = await services.accounts.register(user, name, "user", "form", fields["pass"])
            limit.made(address)
            if address_:
                await mail.ask_for(request, person, address_)
            return redirect("/login?registrado=1", status=303)
    except Refused as refused:
        problems = _problem(refused)
    except Unavailable as error:
        log.warning("a registration found the store away: %s", error)
        headers = {"Retry-After": RETRY_AFTER}
        view = replace(form, problems={"": "away"})
        return await views.respond(request, view, 503, headers=headers)
    status = 409 if problems.get("user") == "taken" else 400
    return await views.respond(request, replace(form, problems=problems), status)


def _problem(refused: Refused) -> dict[str, str]:
    """By field, what is wrong with it; the template has the words."""
    if refused.code in ("usuario_existe", "usuario_borrado"):
        return {"user": "taken"}
    field = str(refused.details.get("field", ""))
    return {field: str(refused.details.get("reason", "invalid"))}


@declare(Access("page", own_pages=True))
async def log_out(request: Request) -> HTTPResponse:
    """`GET /logout`: revokes the login, when one of our own pages asks for it; whoever comes from
    elsewhere is asked."""
    who = await visitor(request)
    if not security.is_own_page(request):
        return await views.respond(request, views.Logout(), me=who and who.person)
    response = redirect("/", status=303)
    if who is not None and who.known:
        services: Services = request.app.ctx.services
        await services.sessions.end(who.person, who.session, "logout", who.person.id)
    cookies.clear_token(request, response)
    return response


@public
async def login_page(request: Request, who: Visitor | None) -> HTTPResponse:
    """`GET /login`."""
    back = paths.local(request.args.get("returnTo"), "/soporte")
    if who is not None:
        return redirect(back, status=303)
    view = Login(return_to=back, registered="registrado" in request.args)
    return await views.respond(request, view)


@public
async def register_page(request: Request, who: Visitor | None) -> HTTPResponse:
    """`GET /registro`."""
    if who is not None:
        return redirect("/soporte", status=303)
    if not request.app.ctx.settings.registration:
        return await views.respond(request, views.RegistrationClosed())
    mail_on = request.app.ctx.services.mail.on
    return await views.respond(request, Register("", "", {}, mail=mail_on))


def add_to(app: App) -> None:
    app.ctx.logins = LoginThrottle()
    app.ctx.registrations = RegistrationThrottle()
    app.add_route(login_page, "/login", name="login")
    app.add_route(register_page, "/registro", name="register_page")
    app.add_route(log_in, "/auth", methods=["POST"], name="log_in", stream=True)
    app.add_route(register, "/register", methods=["POST"], name="register", stream=True)
    app.add_route(log_out, "/logout", name="log_out")
