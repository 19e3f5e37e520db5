"""The JSON API of the original."""

from __future__ import annotations

from urllib.parse import quote

from sanic import HTTPResponse, Request
from sanic.response import json

from registro.events import ids
from registro.events.record import rfc3339
from registro.services import Services
from registro.services.chat import Page
from registro.web.auth import Visitor, api_for, error
from registro.web.typing import App


@api_for("admin")
async def messages_with(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /api/mensajes?con=<user>`: a user's desk conversation."""
    services: Services = request.app.ctx.services
    person = await services.directory.by_user(request.args.get("con", ""))
    if person is None:
        return json([])
    return await _messages(
        request, [ids.desk_conversation(person.id)], f"con={request.args['con'][0]}"
    )


@api_for("user", "admin")
async def my_messages(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /api/mensajes/mios`: all conversations of the one who asks."""
    services: Services = request.app.ctx.services
    conversations = await services.chat.conversations_of(who.person) if who.known else []
    return await _messages(request, conversations, "")


async def _messages(request: Request, conversations: list[str], query: str) -> HTTPResponse:
    services: Services = request.app.ctx.services
    before = request.args.get("antes")
    if before is not None and not before.isdecimal():
        return error(400, "datos_invalidos", "`antes` es un número.")
    page = await services.chat.history(conversations, None if before is None else int(before))
    return json(_rows(page), headers=_link(request, page, query))


def _rows(page: Page) -> list[dict[str, str]]:
    return [
        {
            "de_usuario": message.sender,
            "para_usuario": message.recipient,
            "mensaje": message.text,
            "fecha": rfc3339(message.sent_at, 3),
        }
        for message in page.messages
    ]


def _link(request: Request, page: Page, query: str) -> dict[str, str]:
    """RFC 8288: where the messages before these are."""
    if not page.more:
        return {}
    query = "&".join(filter(None, (quote(query, safe="="), f"antes={page.messages[0].position}")))
    return {"Link": f'<{request.path}?{query}>; rel="prev"'}


@api_for("admin")
async def users_with_conversations(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /api/usuarios-conversaciones`: names, the most recent conversation first."""
    services: Services = request.app.ctx.services
    async with services.readers.connection() as connection:
        rows = await connection.fetch_all(
            "SELECT u.user FROM conversations c JOIN users u ON u.id = c.user_id"
            " WHERE c.kind = 'desk' ORDER BY c.last_at DESC, c.id DESC"
        )
    return json([row[0] for row in rows])


def add_to(app: App) -> None:
    app.add_route(messages_with, "/api/mensajes", name="messages_with")
    app.add_route(my_messages, "/api/mensajes/mios", name="my_messages")
    app.add_route(
        users_with_conversations, "/api/usuarios-conversaciones", name="users_with_conversations"
    )
