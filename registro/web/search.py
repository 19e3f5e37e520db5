"""Searching messages: the page, and the same as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote, urlencode

from sanic import HTTPResponse, Request
from sanic.exceptions import BadRequest
from sanic.response import json

from registro.events.decide import DESK_NAME, Person
from registro.events.record import rfc3339
from registro.services import Services
from registro.services.query import MAX_LENGTH, Piece, Query, Terms, parse
from registro.services.search import Found, Hit
from registro.web import times, views
from registro.web.api import number
from registro.web.audit import known
from registro.web.auth import Visitor, api_for, error, page_for
from registro.web.typing import App
from registro.web.views import View

PATH = "/admin/buscar"

BEHIND = 1_000_000
"""Microseconds for which a message may wait to be found before the page says so."""


@dataclass(frozen=True, slots=True)
class Line:
    """A message that was found. Somebody who was erased has no name and no user name."""

    href: str
    position: int
    sender: str
    user: str
    recipient: str
    to_desk: bool
    pieces: Sequence[Piece]
    iso: str
    when: str
    ago: str


@dataclass(frozen=True, slots=True)
class SearchView(View):
    """What was found for `text`; `asked` is False when it asks for nothing. `more` leads to what
    was sent before; `searched_to` and `behind_since` are times for people."""

    template: ClassVar[str] = "search.html"
    text: str
    max_length: int
    asked: bool
    lines: Sequence[Line]
    more: str | None
    searched_to: str | None
    behind_since: str | None
    unknown: Sequence[str]
    odd: Sequence[str]


@page_for("admin")
@known
async def page(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /admin/buscar?q=…`."""
    try:
        text, query, found = await _found(request)
    except ValueError as problem:
        raise BadRequest(str(problem)) from None
    clock = times.clock(request)
    terms = Terms(query.terms)
    late = found.behind_since is not None and clock.now - found.behind_since > BEHIND
    view = SearchView(
        text=text,
        max_length=MAX_LENGTH,
        asked=query.asks,
        lines=[_line(hit, terms, clock) for hit in found.hits],
        more=None if found.cursor is None else _address(text, found.cursor),
        searched_to=None if found.searched_to is None else clock.full(found.searched_to),
        behind_since=clock.exact(found.behind_since or 0) if late else None,
        unknown=found.unknown,
        odd=query.odd,
    )
    return await views.respond(request, view, me=who.person)


@api_for("admin")
@known
async def search(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /api/buscar?q=…`: the messages of the page."""
    try:
        _, _, found = await _found(request)
    except ValueError:
        return error(400, "datos_invalidos", "`q` es demasiado largo o `antes` no es un número.")
    return json(
        {
            "mensajes": [_wire(hit) for hit in found.hits],
            "cursor": found.cursor,
            "buscado_hasta": _time(found.searched_to),
            "pendiente_desde": _time(found.behind_since),
        }
    )


async def _found(request: Request) -> tuple[str, Query, Found]:
    """What is asked for, as text and as read, and what is found. Raises ValueError for what cannot
    be asked."""
    services: Services = request.app.ctx.services
    text = request.args.get("q", "").strip()
    if len(text) > MAX_LENGTH or "\0" in text:
        raise ValueError(f"`q` is at most {MAX_LENGTH} characters of text")
    query = parse(text, times.clock(request).read)
    return text, query, await services.search.find(query, number(request.args.get("antes")))


def _line(hit: Hit, terms: Terms, clock: times.Clock) -> Line:
    return Line(
        href=_href(hit),
        position=hit.position,
        sender=_name(hit.sender),
        user="" if hit.sender is None else hit.sender.user,
        recipient=_name(hit.recipient),
        to_desk=hit.to_desk,
        pieces=terms.excerpt(hit.text),
        iso=rfc3339(hit.sent_at, 3),
        when=clock.full(hit.sent_at),
        ago=clock.ago(hit.sent_at),
    )


def _wire(hit: Hit) -> dict[str, object]:
    return {
        "de": "" if hit.sender is None else hit.sender.user,
        "para": DESK_NAME if hit.to_desk else "" if hit.recipient is None else hit.recipient.user,
        "mensaje": hit.text,
        "fecha": rfc3339(hit.sent_at, 3),
        "conversacion": hit.conversation,
        "seq": hit.seq,
        "posicion": hit.position,
        "enlace": _href(hit),
    }


def _href(hit: Hit) -> str:
    """The message in its place: in the thread where the desk has one, else in the log."""
    if hit.desk_user is None:
        return f"/admin/registro/{hit.position}"
    user = quote(hit.desk_user.user, safe="")
    return f"/soporte?con={user}&mensaje={hit.seq}#m-{hit.seq}"


def _address(text: str, cursor: int) -> str:
    return f"{PATH}?{urlencode({'q': text, 'antes': cursor}, quote_via=quote)}"


def _name(person: Person | None) -> str:
    return "" if person is None else person.name


def _time(microseconds: int | None) -> str | None:
    return None if microseconds is None else rfc3339(microseconds, 3)


def add_to(app: App) -> None:
    app.add_route(page, PATH, name="search_page")
    app.add_route(search, "/api/buscar", name="search")
