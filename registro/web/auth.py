"""Who is asking: the token cookie over HTTP, login and logout."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

from sanic import HTTPResponse, Request
from sanic.response import json, redirect
from sanic_ext import render

from registro.events.decide import Person
from registro.events.record import rfc3339
from registro.services import Services
from registro.web import security, tokens
from registro.web.tokens import TokenError
from registro.web.typing import App, Handler


class Visitor(NamedTuple):
    """Somebody with a valid token. `known` is False for one whom this Registro has never seen:
    they read empty and write nothing."""

    person: Person
    session: str
    known: bool


async def visitor(request: Request) -> Visitor | None:
    """Who is asking, or None. Raises Unavailable when the store is away."""
    services: Services = request.app.ctx.services
    try:
        token = tokens.from_cookies(request.headers.get("cookie"))
        claims = tokens.verify(token, services.secrets)
    except TokenError:
        return None
    if await services.accounts.session_ended(claims.key):
        return None
    person = await services.directory.by_user(claims.user)
    if person is None:
        return Visitor(Person("", claims.user, claims.name, claims.role), claims.key, False)
    return None if person.disabled else Visitor(person, claims.key, True)


def page_for(*roles: str) -> Callable[[Handler], Handler]:
    """A page for some roles: others are sent to the login, or refused."""

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        async def guarded(request: Request, *args: Any, **kwargs: Any) -> HTTPResponse:
            who = await visitor(request)
            if who is None:
                return redirect("/login")
            if who.person.role not in roles:
                return redirect("/soporte")
            return await handler(request, who, *args, **kwargs)

        return guarded

    return decorate


def api_for(*roles: str) -> Callable[[Handler], Handler]:
    """A JSON resource for some roles: 401 without a token, 403 for others."""

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        async def guarded(request: Request, *args: Any, **kwargs: Any) -> HTTPResponse:
            who = await visitor(request)
            if who is None:
                return error(401, "no_autenticado", "Hay que iniciar sesión.")
            if who.person.role not in roles:
                return error(403, "no_autorizado", "No tiene permiso para ver esto.")
            return await handler(request, who, *args, **kwargs)

        return guarded

    return decorate


def error(status: int, code: str, message: str) -> HTTPResponse:
    """The one shape of errors in the JSON API."""
    return json({"error": {"codigo": code, "mensaje": message}}, status)


async def log_in(request: Request) -> HTTPResponse:
    """`POST /auth`."""
    services: Services = request.app.ctx.services
    user, password = _field(request, "user"), _field(request, "pass")
    person = await services.accounts.verify_password(
        user, password, loopback=_from_loopback(request)
    )
    if person is None:
        return await render(
            "login.html", 401, context={"user": user, "failed": True}, app=request.app
        )
    token = tokens.mint(person, services.settings.jwt_secret)
    await services.accounts.start_session(person, token.key, rfc3339(token.expires * 1_000_000))
    response = redirect("/soporte", status=303)
    set_cookie(request, response, token)
    return response


def _field(request: Request, name: str) -> str:
    """A form's field; empty without one."""
    return (request.form.get(name) if request.form else None) or ""


async def log_out(request: Request) -> HTTPResponse:
    """`GET /logout`: only when one of our own pages asks for it."""
    response = redirect("/", status=303)
    if not security.is_own_page(request):
        return response
    who = await visitor(request)
    if who is not None and who.known:
        services: Services = request.app.ctx.services
        await services.accounts.end_session(who.person, who.session, "logout", who.person.id)
    response.delete_cookie(tokens.COOKIE, path="/")
    return response


def set_cookie(request: Request, response: HTTPResponse, token: tokens.Token) -> None:
    response.add_cookie(
        tokens.COOKIE,
        token.text,
        path="/",
        max_age=tokens.LIFETIME,
        httponly=True,
        samesite="Lax",
        secure=request.app.ctx.settings.production or request.scheme == "https",
    )


def _from_loopback(request: Request) -> bool:
    """Whether the request comes from this machine, and not through a proxy on it."""
    if "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        return False
    try:
        return ipaddress.ip_address(request.ip).is_loopback
    except ValueError:
        return False


def add_to(app: App) -> None:
    app.add_route(log_in, "/auth", methods=["POST"], name="auth")
    app.add_route(log_out, "/logout", name="logout")
