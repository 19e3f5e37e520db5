"""The JSON API: the original's, and what our own pages ask for."""

from __future__ import annotations

import time
from urllib.parse import quote

from sanic import HTTPResponse, Request
from sanic.response import json

from registro.errors import Refused
from registro.events import ids
from registro.events.codec import MAX_INTEGER
from registro.events.decide import MAX_NAME, is_text
from registro.events.record import rfc3339
from registro.services import Services
from registro.services.chat import Page
from registro.services.inbox import Row
from registro.web import cookies, openapi, queues, tokens
from registro.web.access import Access, declare
from registro.web.auth import Visitor, api_for, error
from registro.web.typing import App

NAMED = 8
"""People that the palette is told of."""


def number(text: str | None) -> int | None:
    """A number from a query; None for none. Raises ValueError for anything else."""
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 16 or int(text) > MAX_INTEGER:
        raise ValueError(f"{text[:20]!r} is not a number")
    return int(text)


@api_for("admin")
async def messages_with(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /api/mensajes?con=<user>`: a user's desk conversation."""
    services: Services = request.app.ctx.services
    con = request.args.get("con")
    if con is None:
        return error(400, "datos_invalidos", "Falta `con`.")
    person = await services.directory.by_user(con) if who.known else None
    conversations = [] if person is None else [ids.desk_conversation(person.id)]
    return await _messages(request, conversations, f"con={quote(con, safe='')}")


@api_for("user", "admin")
async def my_messages(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /api/mensajes/mios`: all conversations of the one who asks."""
    services: Services = request.app.ctx.services
    conversations = await services.chat.conversations_of(who.person) if who.known else []
    return await _messages(request, conversations, "")


async def _messages(request: Request, conversations: list[str], query: str) -> HTTPResponse:
    services: Services = request.app.ctx.services
    try:
        before = number(request.args.get("antes"))
    except ValueError:
        return error(400, "datos_invalidos", "`antes` es un número.")
    page = await services.chat.history(conversations, before)
    return json(_rows(page), headers=_link(request, page, query))


def _rows(page: Page) -> list[dict[str, object]]:
    return [
        {
            "de_usuario": message.sender,
            "para_usuario": message.recipient,
            "mensaje": message.text,
            "fecha": rfc3339(message.sent_at, 3),
        }
        | ({"adjuntos": message.wire()["adjuntos"]} if message.attachments else {})
        for message in page.messages
    ]


def _link(request: Request, page: Page, query: str) -> dict[str, str]:
    """RFC 8288: where the messages before these are."""
    if not page.more:
        return {}
    query = "&".join(filter(None, (query, f"antes={page.messages[0].position}")))
    return {"Link": f'<{request.path}?{query}>; rel="prev"'}


@api_for("admin")
async def users_with_conversations(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /api/usuarios-conversaciones`: names, the most recent conversation first."""
    services: Services = request.app.ctx.services
    return json(await services.inbox.users() if who.known else [])


@api_for("admin")
async def inbox(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /api/bandeja`: rows of the inbox, as in `conversacion`."""
    services: Services = request.app.ctx.services
    if not who.known:
        return json({"filas": [], "cursor": None})
    try:
        chosen = queues.read(request, queues.ANY)
        page = await services.inbox.list(chosen.filter(who.person), request.args.get("cursor"))
    except ValueError:
        return error(400, "datos_invalidos", "`cursor` o un filtro no es de esta lista.")
    return json({"filas": [row.for_desk() for row in page.rows], "cursor": page.cursor})


@api_for("admin")
async def counts(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /api/bandeja/cuentas`: how many conversations there are beside each filter."""
    services: Services = request.app.ctx.services
    try:
        chosen = queues.read(request, queues.ANY)
    except ValueError:
        return error(400, "datos_invalidos", "Un filtro no es de esta lista.")
    return json(await queues.counts(services.inbox, chosen, who.person))


@api_for("admin")
async def people(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /api/personas?nombre=<part>`: the first users with such a name, for the palette."""
    services: Services = request.app.ctx.services
    name = request.args.get("nombre", "").strip()
    if not name or not is_text(name) or len(name) > MAX_NAME:
        return error(400, "datos_invalidos", "`nombre` es una parte de un nombre.")
    found = await services.people.list(name, limit=NAMED, role="user") if who.known else None
    someone = found.people if found else []
    return json([{"user": one.user, "name": one.name} for one in someone])


@api_for("user", "admin")
async def thread(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /api/hilo`: a part of a thread, for our pages."""
    services: Services = request.app.ctx.services
    try:
        before = number(request.args.get("antes"))
    except ValueError:
        return error(400, "datos_invalidos", "`antes` es un número.")
    row = await _row(services, who, request.args.get("con"))
    if row is None:
        return error(404, "no_encontrado", "No existe esa conversación.")
    part = await services.inbox.thread(row.conversation, before)
    answer: dict[str, object] = {
        "fila": row.wire(),
        "mensajes": [message.wire() for message in part.messages],
        "nombres": part.names,
        "mas": part.more,
    }
    if who.person.is_admin:
        done = await services.inbox.actions(row.conversation, *part.span)
        answer |= {"fila": row.for_desk(), "acciones": [action.wire() for action in done]}
    return json(answer)


async def _row(services: Services, who: Visitor, con: str | None) -> Row | None:
    """The inbox row of the thread that somebody may see under that name."""
    person = who.person if not who.person.is_admin else None
    if person is None and con is not None:
        person = await services.directory.by_user(con)
    if person is None or person.is_admin or not who.known:
        return None
    return await services.inbox.row_of(person)


@api_for("user", "admin")
async def renew(request: Request, who: Visitor) -> HTTPResponse:
    """`POST /api/sesion`: another token for our pages' next hour, up to 12 hours after login."""
    services: Services = request.app.ctx.services
    if who.expires - time.time() > tokens.LIFETIME / 2:
        return json({"expira": int(who.expires)})  # asking often makes no events
    token = tokens.mint(who.person, services.settings.jwt_secret)
    try:
        if not who.known:
            raise Refused("no_autorizado")
        await services.sessions.renew(who.person, who.session, token.key, token.expires)
    except Refused:
        return error(403, "no_autorizado", "Esta sesión ya no se puede prolongar.")
    response = json({"expira": token.expires})
    cookies.set_token(request, response, token)
    return response


@declare(Access("asset"))
async def openapi_document(request: Request) -> HTTPResponse:
    """`GET /api-docs/openapi.json`."""
    return json(openapi.document())


def add_to(app: App) -> None:
    app.add_route(messages_with, "/api/mensajes", name="messages_with")
    app.add_route(my_messages, "/api/mensajes/mios", name="my_messages")
    app.add_route(
        users_with_conversations, "/api/usuarios-conversaciones", name="users_with_conversations"
    )
    app.add_route(inbox, "/api/bandeja", name="inbox")
    app.add_route(counts, "/api/bandeja/cuentas", name="inbox_counts")
    app.add_route(people, "/api/personas", name="api_people")
    app.add_route(thread, "/api/hilo", name="thread")
    app.add_route(renew, "/api/sesion", methods=["POST"], name="renew")
    app.add_route(openapi_document, "/api-docs/openapi.json", name="openapi")
