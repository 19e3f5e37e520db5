"""Who is asking, and what they may see: the guards of pages and of the JSON API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NamedTuple
from urllib.parse import quote

from sanic import HTTPResponse, Request
from sanic.exceptions import Forbidden
from sanic.response import json, redirect

from registro.events.decide import DESK_NAME, Person
from registro.services import Services
from registro.web import paths, tokens
from registro.web.access import Access
from registro.web.tokens import TokenError
from registro.web.typing import Handler

REPLAY_COOKIE = "reproduccion"
VIEWER = Person("", DESK_NAME, DESK_NAME, "admin")
"""Who looks at a replay: nobody in the log."""


class Visitor(NamedTuple):
    """Somebody with a valid token, which expires at `expires` (seconds since 1970). `known` is
    False for one whom this Registro has never seen: they read empty and write nothing."""

    person: Person
    session: str
    expires: float
    known: bool


async def visitor(request: Request) -> Visitor | None:
    """Who is asking, or None. Raises Unavailable when the store is away."""
    if request.app.ctx.replay is not None:
        return _viewer(request)
    services: Services = request.app.ctx.services
    try:
        token = tokens.from_header(request.headers)
        if token is None:
            token = tokens.from_cookies(tokens.cookie_header(request.headers))
        claims = tokens.verify(token, services.secrets)
    except TokenError:
        return None
    if await services.accounts.session_ended(claims.key):
        return None
    person = await services.directory.by_user(claims.user)
    if person is None:
        person = Person("", claims.user, claims.name, claims.role)
    elif person.disabled:
        return None
    return Visitor(person, claims.key, claims.expires, person.id != "")


def _viewer(request: Request) -> Visitor | None:
    """Whoever has the cookie of a replay may look as an admin; nobody logs in to it."""
    if not request.app.ctx.replay.knows(request.cookies.get(REPLAY_COOKIE)):
        return None
    return Visitor(VIEWER, "", 0, known=True)


def public(handler: Handler) -> Handler:
    """A page for everybody; it is told who asks, if anybody does."""

    @wraps(handler)
    async def guarded(request: Request, *args: Any, **kwargs: Any) -> HTTPResponse:
        return await handler(request, await visitor(request), *args, **kwargs)

    guarded.access = Access("page")  # type: ignore[attr-defined]
    return guarded


def page_for(*roles: str) -> Callable[[Handler], Handler]:
    """A page for some roles: others are sent to the login and from there back, or refused."""

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        async def guarded(request: Request, *args: Any, **kwargs: Any) -> HTTPResponse:
            who = await visitor(request)
            if who is None:
                back = paths.local(request.raw_url.decode("ascii", "replace"))
                return redirect(f"/login?returnTo={quote(back, safe='')}")
            if who.person.role not in roles:
                request.app.ctx.services.denials.count("forbidden")
                raise Forbidden("this page is for admins")
            return await handler(request, who, *args, **kwargs)

        guarded.access = Access("page", roles)  # type: ignore[attr-defined]
        return guarded

    return decorate


def form_for(*roles: str, back: str = "/") -> Callable[[Handler], Handler]:
    """What a page's form is posted to, for some roles, or (without any) for everybody; nobody whom
    this Registro has never seen administers it. Whoever has to log in first is led to `back`."""

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        async def guarded(request: Request, *args: Any, **kwargs: Any) -> HTTPResponse:
            who = await visitor(request)
            if roles and who is None:
                request.app.ctx.services.denials.count("unauthenticated")
                return redirect(f"/login?returnTo={quote(back, safe='')}", status=303)
            if who is not None and roles and not _may(who, roles):
                request.app.ctx.services.denials.count("forbidden")
                raise Forbidden("this form is for admins")
            return await handler(request, who, *args, **kwargs)

        guarded.access = Access("form", roles)  # type: ignore[attr-defined]
        return guarded

    return decorate


def _may(who: Visitor, roles: Sequence[str]) -> bool:
    return who.person.role in roles and (who.known or "user" in roles)


def api_for(*roles: str) -> Callable[[Handler], Handler]:
    """A JSON resource for some roles: 401 without a token, 403 for others."""

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        async def guarded(request: Request, *args: Any, **kwargs: Any) -> HTTPResponse:
            denials = request.app.ctx.services.denials
            who = await visitor(request)
            if who is None:
                denials.count("unauthenticated")
                return error(401, "no_autenticado", "Hay que iniciar sesión.")
            if who.person.role not in roles:
                denials.count("forbidden")
                return error(403, "no_autorizado", "No tiene permiso para ver esto.")
            return await handler(request, who, *args, **kwargs)

        guarded.access = Access("api", roles)  # type: ignore[attr-defined]
        return guarded

    return decorate


def error(status: int, code: str, message: str) -> HTTPResponse:
    """The one shape of errors in the JSON API."""
    return json({"error": {"codigo": code, "mensaje": message}}, status)
