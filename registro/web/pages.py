"""The pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from sanic import HTTPResponse, Request
from sanic.exceptions import BadRequest, NotFound
from sanic.response import redirect

from registro.events.decide import DESK_NAME
from registro.services import Services
from registro.services.inbox import STATUS_NAMES, THREAD_PAGE, Row, Thread
from registro.web import cookies, hours, i18n, openapi, paths, queues, thread, times, views
from registro.web.access import Access, declare
from registro.web.api import number
from registro.web.auth import Visitor, page_for, public
from registro.web.i18n import Language
from registro.web.times import Clock
from registro.web.typing import App
from registro.web.views import Chat, Inbox


@public
async def home(request: Request, who: Visitor | None) -> HTTPResponse:
    """`GET /`."""
    return await views.respond(request, views.Home(), me=who and who.person)


@page_for("user", "admin")
async def support(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /soporte`: the desk's inbox for admins, for users their thread with it."""
    view = await (_inbox(request, who) if who.person.is_admin else _chat(request, who))
    return await views.respond(request, view, me=who.person)


async def _chat(request: Request, who: Visitor) -> Chat:
    chat = await own_thread(
        request,
        who,
        address=lambda **where: f"/soporte?{urlencode(where)}",
        place=lambda seq: f"/soporte?mensaje={seq}",
    )
    return replace(chat, hours=await hours.notice(request))


async def own_thread(
    request: Request,
    who: Visitor,
    *,
    address: Callable[..., str],
    place: Callable[[int], str] | None,
) -> Chat:
    """The part of a user's thread with the desk that a request asks for. `address` gives that of
    another part (`thread.ways`), `place` that of a message, where messages have one."""
    services: Services = request.app.ctx.services
    admins = await services.people.admins()
    if not who.known:
        return Chat([], thread.NOWHERE, _data(who, None, {}, admins))
    row = await services.inbox.row_of(who.person)
    part = await _part(request, row, row.user_read)
    lines = thread.lines(
        part,
        times.clock(request),
        ours=lambda message: message.sender == who.person.user,
        our_read=row.user_read,
        their_read=row.desk_read,
        place=place,
    )
    seen = await services.inbox.conversations_of(who.person)
    names = {**admins, **part.names}
    return Chat(lines, thread.ways(part, address), _data(who, row, seen, names))


async def _inbox(request: Request, who: Visitor) -> Inbox:
    services: Services = request.app.ctx.services
    con = request.args.get("con")
    try:
        queue = queues.read(request, STATUS_NAMES["open"])
        page = await services.inbox.list(queue.filter(who.person), request.args.get("cursor"))
    except ValueError:
        raise BadRequest("no cursor or filter of this list") from None
    clock = times.clock(request)
    admins = await services.people.admins()
    listed = {"queue": queue.wire(), "query": queue.query(), "admins": admins}
    inbox = Inbox(
        queue=queue,
        counts=await queues.counts(services.inbox, queue, who.person),
        labels=await services.inbox.labels(),
        admins=admins,
        snoozes=_snoozes(clock, i18n.of(request)),
        rows=list(page.rows),
        more=page.cursor,
        row=None,
        lines=[],
        ways=thread.NOWHERE,
        data=_data(who, None, {}) | listed,
        unknown=con,
        told=_told(request),
        views=await queues.saved(
            services.inbox, await services.views.of(who.person), queue, who.person
        ),
    )
    if not who.known:
        return replace(inbox, rows=[], more=None, unknown=None)
    person = None if con is None else await services.directory.by_user(con)
    if person is None or person.is_admin:
        return inbox
    row = await services.inbox.row_of(person)
    part = await _part(request, row, row.desk_mark)
    done = await services.inbox.actions(row.conversation, *part.span)
    lines = thread.lines(
        part,
        clock,
        ours=lambda message: message.sender != person.user,
        our_read=row.desk_mark,
        their_read=row.user_read,
        place=lambda seq: queue.address(con=person.user, mensaje=str(seq)),
    )
    return replace(
        inbox,
        row=row,
        lines=thread.woven(lines, part, done, clock, i18n.of(request)),
        ways=thread.ways(part, lambda **where: queue.address(con=person.user, **where)),
        data=_data(who, row, {}, {**admins, **part.names}) | listed,
        unknown=None,
        dossier=await services.dossiers.of(person.id, row),
        side=request.cookies.get(SIDE_COOKIE) != "cerrado",
    )


def _told(request: Request) -> str:
    """What became of what was done to several conversations, as their form's answer says it."""
    language = i18n.of(request)
    try:
        done, refused = (number(request.args.get(name)) for name in ("hechas", "fallidas"))
    except ValueError:
        return ""
    if done is None:
        return ""
    words = language.count(
        "{number} conversation changed.", "{number} conversations changed.", done
    )
    if not refused:
        return words
    return f"{words} {language.count('{number} was refused.', '{number} were refused.', refused)}"


def _snoozes(clock: Clock, language: Language) -> list[tuple[str, str]]:
    """Ends of snoozes that are offered, as `datetime-local` fields have them."""
    day = 86_400_000_000
    today = clock.weekday(clock.now)
    return [
        (language.say("Tomorrow at 9"), f"{clock.field(clock.now + day)[:10]}T09:00"),
        (language.say("Monday at 9"), f"{clock.field(clock.now + (7 - today) * day)[:10]}T09:00"),
    ]


SIDE_COOKIE = "lado"
"""Whether the panel beside a thread is folded (`cerrado`); `static/side.js` sets it."""

AFTER = 20
"""Messages of a thread that are shown after the one that was asked for."""

READ_BEFORE = 10
"""Messages that are shown before the first unread one, when not all unread ones fit."""


async def _part(request: Request, row: Row, mark: int) -> Thread:
    """The part of a thread that an address asks for: what stands before a seq (`antes`) or after
    one (`despues`), around one (`mensaje`), or at the end (`ultimos`). Without any of them, its
    end, too, unless more is unread than fits: then where the reader reads on, after `mark`."""
    services: Services = request.app.ctx.services
    try:
        before, after, seq = (
            number(request.args.get(name)) for name in ("antes", "despues", "mensaje")
        )
    except ValueError:
        raise BadRequest("`antes`, `despues` and `mensaje` are numbers") from None
    if before is None and after is None and "ultimos" not in request.args:
        if seq is None and row.last_seq - mark > THREAD_PAGE - READ_BEFORE:
            before = mark + 1 + THREAD_PAGE - READ_BEFORE
        elif seq is not None and seq + AFTER < row.last_seq:
            before = seq + AFTER + 1
    return await services.inbox.thread(row.conversation, before, after=after)


def _data(
    who: Visitor,
    row: Row | None,
    seen: dict[str, int],
    names: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What the page's scripts need to go on from what the page shows."""
    return {
        "me": who.person.user,
        "admin": who.person.is_admin,
        "expires": who.expires,
        "desk": DESK_NAME,
        "row": None if row is None else row.for_desk() if who.person.is_admin else row.wire(),
        "names": {**(names or {}), who.person.user: who.person.name} | _name_of(row),
        "seen": seen,
    }


def _name_of(row: Row | None) -> dict[str, str]:
    return {} if row is None else {row.user: row.name}


@page_for("admin")
async def admin(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /admin`: figures, and where to go."""
    services: Services = request.app.ctx.services
    view = views.Admin(await services.people.counts())
    return await views.respond(request, view, me=who.person)


@public
async def api_docs(request: Request, who: Visitor | None) -> HTTPResponse:
    """`GET /api-docs`."""
    view = views.ApiDocs(openapi.OPERATIONS)
    return await views.respond(request, view, me=who and who.person)


@declare(Access("page"))
async def set_language(request: Request, code: str) -> HTTPResponse:
    """`GET /set-lang/<es|en>?returnTo=<path>`."""
    if code not in i18n.LANGUAGES:
        raise NotFound("there is no such language")
    response = redirect(paths.local(request.args.get("returnTo")), status=303)
    cookies.set_language(request, response, code)
    return response


def add_to(app: App) -> None:
    app.add_route(home, "/", name="home")
    app.add_route(support, "/soporte", name="support")
    app.add_route(admin, "/admin", name="admin")
    app.add_route(api_docs, "/api-docs", name="api_docs")
    app.add_route(set_language, "/set-lang/<code:str>", name="set_language")
