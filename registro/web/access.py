"""Who may ask for what: every route declares it, and an application with a route that does not
declare it does not start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple, TypeVar

from sanic_routing.route import Route

from registro.web.typing import App

_F = TypeVar("_F", bound=Callable[..., Any])

Kind = Literal["page", "form", "api", "probe", "asset", "socket"]


class Access(NamedTuple):
    """What a route is, the roles that may use it (none: everybody, signed in or not), and whether
    it answers to requests from our own pages alone.

    Unsafe methods are refused to other sites' pages on every route, whatever is declared here.
    """

    kind: Kind
    roles: tuple[str, ...] = ()
    own_pages: bool = False


SOCKETS = Access("socket")
"""The Socket.IO endpoint, which has rules of its own."""


def declare(access: Access) -> Callable[[_F], _F]:
    """Attaches a declaration to a handler."""

    def decorate(handler: _F) -> _F:
        handler.access = access  # type: ignore[attr-defined]
        return handler

    return decorate


def of(route: Route) -> Access | None:
    """What a route declares."""
    if route.name.endswith(".handle_request") and route.path == "socket.io":
        return SOCKETS
    access: Access | None = getattr(route.handler, "access", None)
    return access


def declared(app: App) -> Iterator[tuple[Route, Access]]:
    """All routes with what they declare.

    Raises TypeError for a route that declares nothing.
    """
    for route in app.router.routes:
        access = of(route)
        if access is None:
            raise TypeError(f"route /{route.path} ({route.name}) does not declare who may use it")
        yield route, access


def check(app: App) -> None:
    """Raises TypeError unless every route declares who may use it."""
    for _ in declared(app):
        pass
