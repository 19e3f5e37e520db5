"""The admins' audit pages: the log, one event, a timeline, sessions, connections, health."""

from __future__ import annotations

import json as jsons
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import wraps
from urllib.parse import quote, urlencode
from uuid import UUID

from sanic import HTTPResponse, Request
from sanic.exceptions import BadRequest, Forbidden, NotFound
from sanic.response import json, text

from registro.errors import NoteError, StoreError
from registro.events.codec import MAX_INTEGER
from registro.events.decide import Person, is_text, is_user_name
from registro.events.record import Recorded, parse_rfc3339, rfc3339
from registro.events.types import LogVerified
from registro.services import Services
from registro.services.audit import CONNECTED, Filter, Login, Page, Socket, event_of
from registro.services.evidence import Proof
from registro.web import i18n, narration, times, views
from registro.web.api import number
from registro.web.audit_views import (
    ConnectionsView,
    EventView,
    Fields,
    FindView,
    HealthView,
    LoginLine,
    LogView,
    Paging,
    SessionsView,
    SocketLine,
    UserView,
)
from registro.web.auth import Visitor, api_for, error, page_for
from registro.web.narration import Narrator, Told
from registro.web.times import duration
from registro.web.typing import App, Handler

FOLLOWED = 50
"""Events in one answer to a page that follows the log."""

COUNTED = 1000
"""Up to how many new events are counted."""


def known(handler: Handler) -> Handler:
    """Refuses an admin whom this Registro has never seen: over HTTP they would read empty pages,
    and an empty log would be a lie."""

    @wraps(handler)
    async def guarded(
        request: Request, who: Visitor, *args: object, **kwargs: object
    ) -> HTTPResponse:
        if not who.known:
            raise Forbidden("nobody knows this admin yet")
        return await handler(request, who, *args, **kwargs)

    return guarded


# The log


@page_for("admin")
@known
async def log(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /admin/registro`: the log, newest first, by filters that are all in the address."""
    services: Services = request.app.ctx.services
    filter_, fields, query = await _asked(request)
    before, after = _number(request, "antes"), _number(request, "despues")
    lines: Sequence[Told] = []
    page = NOTHING
    if filter_ is not None:
        page = await services.audit.page(filter_, before=before, after=after)
        lines = (await _narrate(request, page.rows))[0]
    paging = _paging(request, query, page.older, page.newer)
    follows = paging.newest is None and filter_ is not None and filter_.until is None
    say = i18n.of(request).gettext
    view = LogView(
        lines,
        fields,
        {value: say(title) for value, title in narration.KINDS.items()},
        {value: say(title) for value, title in narration.TITLES.items()},
        paging,
        filter_ is None,
        {"query": query, "expires": who.expires} if follows else None,
    )
    return await views.respond(request, view, me=who.person)


NOTHING = Page([], None, None)


@api_for("admin")
@known
async def log_api(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /api/registro`: events as the page of the log shows them, for following it."""
    services: Services = request.app.ctx.services
    filter_, _, _ = await _asked(request)
    before, after = _number(request, "antes"), _number(request, "despues")
    if filter_ is None:
        return json({"eventos": [], "nuevos": 0})
    page = await services.audit.page(filter_, before=before, after=after, limit=FOLLOWED)
    found = len(page.rows)
    if after is not None and page.newer is not None:
        found = await services.audit.count_after(filter_, after, COUNTED)
    lines, _ = await _narrate(request, page.rows)
    return json({"eventos": [line.wire() for line in lines], "nuevos": found})


async def _asked(request: Request) -> tuple[Filter | None, Fields, dict[str, str]]:
    """The filter in an address (None for a user whom nobody knows), what its form shows, and the
    address's query without paging. Raises BadRequest."""
    args = {name: request.args.get(name, "").strip() for name in _PARAMETERS}
    if not all(is_text(value) and len(value) <= 191 for value in args.values()):
        raise BadRequest("a filter is too long, or no text")
    clock = times.clock(request)
    since, until = _moment(clock, args["desde"]), _moment(clock, args["hasta"])
    query = {name: value for name, value in args.items() if value}
    # Links say a moment that is the same in every zone; the form shows the reader's.
    query |= {name: rfc3339(at, 3) for name, at in (("desde", since), ("hasta", until)) if at}
    fields = Fields(
        args["tipo"],
        args["usuario"],
        args["conversacion"],
        args["sesion"],
        "" if since is None else clock.field(since),
        "" if until is None else clock.field(until),
    )
    user_id = None
    if args["usuario"]:
        user_id = await _user_id(request.app.ctx.services, args["usuario"])
        if user_id is None:
            return None, fields, query
    conversation = _uuid(args["conversacion"]) if args["conversacion"] else None
    types = (args["tipo"],) if args["tipo"] else ()
    session = args["sesion"] or None
    return Filter(types, user_id, conversation, session, None, since, until), fields, query


_PARAMETERS = ("tipo", "usuario", "conversacion", "sesion", "desde", "hasta")


def _moment(clock: times.Clock, asked: str) -> int | None:
    try:
        return clock.read(asked) if asked else None
    except ValueError:
        raise BadRequest("`desde` and `hasta` are times") from None


def _uuid(asked: str) -> str:
    try:
        return str(UUID(asked))
    except ValueError:
        raise BadRequest("this is no id") from None


async def _user_id(services: Services, asked: str) -> str | None:
    """The id of somebody by name, or of somebody who has no name any more by their id."""
    person = await services.directory.by_user(asked) if is_user_name(asked) else None
    if person is not None:
        return person.id
    try:
        return str(UUID(asked))
    except ValueError:
        return None


def _paging(
    request: Request, query: Mapping[str, str], older: int | str | None, newer: int | None = None
) -> Paging:
    """Addresses of this path with a query and where to go on; `older` may be a cursor's text."""
    moved = any(name in request.args for name in ("antes", "despues", "cursor"))
    name = "cursor" if isinstance(older, str) else "antes"
    return Paging(
        None if older is None else _address(request.path, query, {name: str(older)}),
        None if newer is None else _address(request.path, query, {"despues": str(newer)}),
        _address(request.path, query, {}) if moved else None,
    )


def _address(path: str, query: Mapping[str, str], more: Mapping[str, str]) -> str:
    pairs = {**query, **more}
    return f"{path}?{urlencode(pairs, quote_via=quote)}" if pairs else path


def _number(request: Request, name: str) -> int | None:
    try:
        return number(request.args.get(name))
    except ValueError:
        raise BadRequest(f"`{name}` is a number") from None


async def _narrator(request: Request, people: Iterable[str]) -> Narrator:
    services: Services = request.app.ctx.services
    known = await services.directory.by_ids(people)
    return Narrator(i18n.of(request), times.clock(request), known)


async def _narrate(request: Request, rows: Sequence[Recorded]) -> tuple[Sequence[Told], Narrator]:
    narrator = await _narrator(request, narration.people_of(rows))
    return [narrator.tell(row) for row in rows], narrator


# One event


@page_for("admin")
@known
async def event(request: Request, who: Visitor, position: int) -> HTTPResponse:
    """`GET /admin/registro/<position>`: one event in full, and what proves it."""
    services: Services = request.app.ctx.services
    proof = await services.evidence.of(position) if position <= MAX_INTEGER else None
    if proof is None:
        raise NotFound("there is no such position")
    (told,), narrator = await _narrate(request, [proof.row])
    view = EventView(
        told,
        proof,
        None if proof.row.payload is None else pretty(proof.row.payload),
        _envelope(proof.row),
        _links(proof.row, narrator),
        await services.audit.end(),
        f"/api/registro/{position}/prueba" if _signs(services, proof) else None,
    )
    return await views.respond(request, view, me=who.person)


def _signs(services: Services, proof: Proof) -> bool:
    return proof.kept is not None or services.settings.checkpoint_key is not None


def pretty(payload: bytes) -> str:
    """JSON for reading: indented, with what cannot be seen or turns the direction of text spelt
    out."""
    shown = jsons.dumps(jsons.loads(payload), ensure_ascii=False, indent=2)
    return "".join(
        f"\\u{ord(c):04x}" if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")
        and ord(c) < 0x10000 else c
        for c in shown
    )  # fmt: skip


def _envelope(row: Recorded) -> Sequence[tuple[str, str]]:
    """The envelope's fields under the names of an export."""
    return [
        ("position", str(row.position)),
        ("id", row.id),
        ("stream", row.stream),
        ("version", str(row.version)),
        ("type", row.type),
        ("schema", str(row.schema)),
        ("recorded_at", rfc3339(row.recorded_at)),
        ("salt", "null" if row.salt is None else row.salt.hex()),
        ("commitment", row.commitment.hex()),
        ("leaf", row.leaf.hex()),
    ]


def _links(row: Recorded, narrator: Narrator) -> Sequence[tuple[str, str]]:
    """Where an event leads on to: the rest of its session and its conversation."""
    say = narrator.language.say
    kind, _, id_ = row.stream.partition("/")
    found = event_of(row)
    links = []
    if kind in ("conversation", "desk"):
        links.append((say("The conversation's events"), f"/admin/registro?conversacion={id_}"))
    key = getattr(found, "key", None) or getattr(found, "session", None)
    if key:
        links.append((say("The session's events"), f"/admin/registro?sesion={quote(key, safe='')}"))
    return links


@api_for("admin")
@known
async def proof(request: Request, who: Visitor, position: int) -> HTTPResponse:
    """`GET /api/registro/<position>/prueba`: the proof that `registro prove` would print."""
    services: Services = request.app.ctx.services
    try:
        file = await services.evidence.proof_file(min(position, MAX_INTEGER))
    except (NoteError, StoreError):
        return error(404, "no_encontrado", "No existe esa posición.")
    if file is None:
        return error(404, "no_encontrado", "Aquí nadie firma puntos de control.")
    return text(
        jsons.dumps(file, ensure_ascii=False, indent=1) + "\n",
        content_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="registro-{position}.json"'},
    )


# Somebody's timeline


@page_for("admin")
@known
async def user(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /admin/usuario`: everything that concerns one person (`user`: a name, or `id`)."""
    services: Services = request.app.ctx.services
    person, user_id = await _person(request)
    if user_id is None:
        asked = request.args.get("user", "")
        status = 404 if asked else 200
        return await views.respond(request, FindView(asked), status, me=who.person)
    kind = request.args.get("tipo", "")
    before, after = _number(request, "antes"), _number(request, "despues")
    wanted = Filter((kind,) if kind else (), user_id)
    page = await services.audit.page(wanted, before=before, after=after)
    lines, narrator = await _narrate(request, page.rows)
    say = i18n.of(request).gettext
    query = {"id": user_id} | ({"tipo": kind} if kind else {})
    presence = await services.presence([user_id])
    connected, seen = presence.get(user_id, (False, None))
    view = UserView(
        user_id,
        person,
        narrator.party(user_id).name if person is None else person.name,
        connected,
        seen,
        lines,
        kind,
        {value: say(narration.KINDS[value]) for value in _OF_PEOPLE},
        _paging(request, query, page.older, page.newer),
    )
    return await views.respond(request, view, me=who.person)


_OF_PEOPLE = ("conversation:message", "session", "connection", "user")


async def _person(request: Request) -> tuple[Person | None, str | None]:
    """Whom an address names by `id` or `user`, and their id."""
    services: Services = request.app.ctx.services
    if asked := request.args.get("id"):
        user_id = _uuid(asked)
        return await services.directory.by_id(user_id), user_id
    name = request.args.get("user", "")
    person = await services.directory.by_user(name) if is_user_name(name) else None
    return person, None if person is None else person.id


async def _only(request: Request) -> str | None:
    """The id of the one person that a list is asked for, if any. Raises NotFound."""
    _, user_id = await _person(request)
    if user_id is None and request.args.get("user"):
        raise NotFound("there is no such user")
    return user_id


def _set(user_id: str | None) -> set[str]:
    return set() if user_id is None else {user_id}


# Sessions and connections


@page_for("admin")
@known
async def sessions(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /admin/sesiones`: logins, how long they lasted and how they ended."""
    services: Services = request.app.ctx.services
    user_id = await _only(request)
    before = _number(request, "antes")
    logins, older = await services.audit.logins(user_id, before=before)
    narrator = await _narrator(request, {login.user for login in logins} | _set(user_id))
    query = {"id": user_id} if user_id else {}
    view = SessionsView(
        [_login_line(login, narrator) for login in logins],
        None if user_id is None else narrator.party(user_id),
        _paging(request, query, older),
    )
    return await views.respond(request, view, me=who.person)


def _login_line(login: Login, narrator: Narrator) -> LoginLine:
    started, until = login.row.recorded_at, parse_rfc3339(login.until)
    now = narrator.clock.now
    ended = login.ended_at or min(until, now)
    return LoginLine(
        position=login.row.position,
        started_at=started,
        party=narrator.party(login.user),
        lasted=duration(max(0, ended - started) // 1000),
        until=until,
        state=login.reason or ("open" if until > now else "expired"),
        renewals=login.renewals,
        events=f"/admin/registro?sesion={quote(login.key, safe='')}",
    )


@page_for("admin")
@known
async def connections(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /admin/conexiones`: every socket: when, for how long, and why it ended."""
    services: Services = request.app.ctx.services
    user_id = await _only(request)
    before = _number(request, "antes")
    sockets, older = await services.audit.sockets(user_id, before=before)
    query = {"id": user_id} if user_id else {}
    narrator = await _narrator(request, {socket.user_id for socket in sockets} | _set(user_id))
    view = ConnectionsView(
        [_socket_line(socket, narrator) for socket in sockets],
        False,
        None if user_id is None else narrator.party(user_id),
        0,
        0,
        _paging(request, query, older),
    )
    return await views.respond(request, view, me=who.person)


@page_for("admin")
@known
async def connected(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /admin/conectados`: who is connected now, the longest first."""
    services: Services = request.app.ctx.services
    after = _cursor(request.args.get("cursor"))
    sockets = await services.audit.connected(after)
    people, total = await services.audit.count_connected()
    more = None
    if len(sockets) == CONNECTED:
        more = f"{sockets[-1].opened_at}-{sockets[-1].id}"
    narrator = await _narrator(request, {socket.user_id for socket in sockets})
    view = ConnectionsView(
        [_socket_line(socket, narrator) for socket in sockets],
        True,
        None,
        people,
        total,
        _paging(request, {}, more),
    )
    return await views.respond(request, view, me=who.person)


def _cursor(asked: str | None) -> tuple[int, str]:
    at, _, id_ = (asked or "0-").partition("-")
    try:
        return number(at) or 0, _uuid(id_) if id_ else ""
    except ValueError:
        raise BadRequest("no cursor of this list") from None


def _socket_line(socket: Socket, narrator: Narrator) -> SocketLine:
    lasted = socket.milliseconds
    return SocketLine(
        opened_at=socket.opened_at,
        party=narrator.party(socket.user_id),
        lasted=duration(narrator.clock.since(socket.opened_at) if lasted is None else lasted),
        open=socket.closed_at is None,
        reason=socket.reason or "",
        transport=socket.transport,
        program=narration.program(socket.client),
        client=socket.client,
        node=socket.node[:8],
        events=f"/admin/registro?sesion={quote(socket.session, safe='')}" if socket.session else "",
    )


@page_for("admin")
@known
async def health(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /admin/salud-registro`: whether the log still is what it was."""
    services: Services = request.app.ctx.services
    found = await services.evidence.health()
    last = None if found.verified is None else event_of(found.verified)
    view = HealthView(found, last if isinstance(last, LogVerified) else None)
    return await views.respond(request, view, me=who.person)


def add_to(app: App) -> None:
    app.add_route(log, "/admin/registro", name="audit_log")
    app.add_route(event, "/admin/registro/<position:int>", name="audit_event")
    app.add_route(user, "/admin/usuario", name="audit_user")
    app.add_route(sessions, "/admin/sesiones", name="audit_sessions")
    app.add_route(connections, "/admin/conexiones", name="audit_connections")
    app.add_route(connected, "/admin/conectados", name="audit_connected")
    app.add_route(health, "/admin/salud-registro", name="audit_health")
    app.add_route(log_api, "/api/registro", name="log")
    app.add_route(proof, "/api/registro/<position:int>/prueba", name="proof")
