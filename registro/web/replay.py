"""A replay on pages: who may look at it, and that nobody changes anything.

There are no accounts in a replay: passwords are not in the log. The server is on loopback alone and
prints a link whose key is good once and for ten minutes; opening it sets a cookie that is good
until the server stops.
"""

from __future__ import annotations

import secrets
import time

from sanic import HTTPResponse, Request
from sanic.exceptions import Forbidden
from sanic.response import redirect

from registro.services.replay import Replay
from registro.web.access import Access, declare
from registro.web.auth import REPLAY_COOKIE
from registro.web.security import SAFE_METHODS
from registro.web.typing import App

PATH = "/reproduccion"
KEY_SECONDS = 600

NOT_HERE = ("/login", "/registro", "/auth", "/register", "/logout", "/socket.io/")
"""Addresses of a server that records; here they are refused."""


class Viewer:
    """What is shown, and the secrets of the one who may look."""

    def __init__(self, shown: Replay) -> None:
        self.shown = shown
        self._key = secrets.token_urlsafe(32)
        self._good_until = time.monotonic() + KEY_SECONDS
        self._cookie = secrets.token_urlsafe(32)

    @property
    def link(self) -> str:
        """Path and query of the link that opens the replay."""
        return f"{PATH}?clave={self._key}"

    def open(self, key: str) -> str | None:
        """The cookie for whoever comes first with the right key; None for others."""
        fits = secrets.compare_digest(key.encode(), self._key.encode())
        if not fits or time.monotonic() > self._good_until:
            return None
        self._good_until = 0
        return self._cookie

    def knows(self, cookie: str | None) -> bool:
        return cookie is not None and secrets.compare_digest(cookie.encode(), self._cookie.encode())


@declare(Access("page"))
async def open_replay(request: Request) -> HTTPResponse:
    """`GET /reproduccion?clave=…`: the link that the server printed."""
    viewer: Viewer = request.app.ctx.replay
    cookie = viewer.open(request.args.get("clave", ""))
    if cookie is None:
        raise Forbidden("the link was used already, or is too old")
    response = redirect("/soporte", status=303)
    response.add_cookie(
        REPLAY_COOKIE, cookie, path="/", httponly=True, samesite="Lax", secure=False
    )
    return response


async def _refuse_changes(request: Request) -> None:
    if request.method not in SAFE_METHODS or request.path in NOT_HERE:
        raise Forbidden("a replay cannot be changed")


def add_to(app: App) -> None:
    app.register_middleware(_refuse_changes, "request")
    app.add_route(open_replay, PATH, name="open_replay")
