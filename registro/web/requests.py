"""Every request has an id and a line in the log, and is told to whoever watches."""

from __future__ import annotations

import logging
import re
import secrets
import time

from sanic import Request
from sanic.response import BaseHTTPResponse

from registro.web import access, logs, throttle
from registro.web.typing import App
from registro.web.watch import Watch

log = logging.getLogger("registro.request")

HEADER = "X-Request-Id"
NO_ROUTE = "(none)"
_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_QUIET = ("probe", "socket")
"""Kinds of routes that are asked all the time; sockets have a line a connection."""


def id_of(request: Request) -> str:
    """The request's id: the one that a trusted proxy gave it, else one of ours."""
    known: str | None = getattr(request.ctx, "id", None)
    if known is None:
        given = request.headers.get(HEADER, "")
        trusted = request.app.ctx.settings.trusted_proxies and _ID.fullmatch(given)
        known = request.ctx.id = given if trusted else secrets.token_hex(8)
    return known


def route_of(request: Request) -> str:
    """The route's template, which names nobody; the path does."""
    return NO_ROUTE if request.route is None else f"/{request.route.path}"


async def _begin(request: Request) -> None:
    request.ctx.began = time.perf_counter()
    logs.request_id.set(id_of(request))
    request.app.ctx.watch.request_began(request)


async def _end(request: Request, response: BaseHTTPResponse) -> None:
    seconds = time.perf_counter() - getattr(request.ctx, "began", time.perf_counter())
    response.headers.setdefault(HEADER, id_of(request))
    watch: Watch = request.app.ctx.watch
    watch.request_ended(request, response, seconds)
    slow = request.app.ctx.settings.slow_request_seconds
    level = _level(request, response.status, is_slow=bool(slow) and seconds >= slow)
    if log.isEnabledFor(level):
        log.log(
            level,
            "request",
            extra=logs.fields(
                request=id_of(request),
                method=request.method,
                route=route_of(request),
                status=response.status,
                ms=round(seconds * 1000, 1),
                bytes=len(getattr(response, "body", None) or b""),
                client=logs.pseudonym(throttle.address_of(request)),
            ),
        )


def _level(request: Request, status: int, *, is_slow: bool) -> int:
    declared = None if request.route is None else access.of(request.route)
    kind = None if declared is None else declared.kind
    if kind in _QUIET:  # a long poll takes as long as nothing happens
        return logging.DEBUG
    return logging.WARNING if is_slow or status >= 500 else logging.INFO


def add_to(app: App) -> None:
    """Before all other parts: begins first, ends last."""
    app.register_middleware(_begin, "request")
    app.register_middleware(_end, "response")
