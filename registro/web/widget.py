"""The chat on other sites' pages: a script for them, and the page that it puts into a frame.

The frame's page is ours, so nothing of theirs reaches it but messages, and nothing of it them. It
takes no cookie: the site's own token comes by message from the page around it, whose origin has to
be among `REGISTRO_ALLOWED_ORIGINS`. `docs/embed.md` is for those who build such pages.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar
from urllib.parse import urlencode

from sanic import HTTPResponse, Request
from sanic.exceptions import Forbidden

from registro.services.preferences import CHOICES, Preferences
from registro.web import assets, auth, hours, pages, security, thread, tokens, views
from registro.web.access import Access, declare
from registro.web.typing import App
from registro.web.views import Chat, View

ANYWHERE = {"Cross-Origin-Resource-Policy": "cross-origin", "Access-Control-Allow-Origin": "*"}
"""Headers with which other sites' pages may use a file of ours."""

NOBODY = Chat([], thread.NOWHERE, {})

WISHES = ("de", "lang", "tema", "zona")
"""What the page around the frame asks for; it stands in the addresses of the thread's parts."""


@dataclass(frozen=True, slots=True)
class WidgetView(View):
    """`chat` is the thread, empty for nobody; `theme` as in the preferences."""

    template: ClassVar[str] = "widget.html"
    chat: Chat
    theme: str


@declare(Access("asset"))
async def script(request: Request) -> HTTPResponse:
    """`GET /widget.js`."""
    response = assets.serve(request, assets.assets()["widget.js"], "no-cache")
    response.headers.update(ANYWHERE)
    return response


@declare(Access("page"))
async def frame(request: Request) -> HTTPResponse:
    """`GET /widget`: `de` is the origin of the page around it, `lang`, `tema` and `zona` what that
    wants. Browsers load it without a token, and it is the same for everybody; its script reads it
    once more with one, and then the thread is in it."""
    origin = request.args.get("de", "")
    if origin not in request.app.ctx.settings.allowed_origins:
        raise Forbidden("this origin is not among REGISTRO_ALLOWED_ORIGINS")
    request.ctx.language, request.ctx.zone = request.args.get("lang"), request.args.get("zona")
    chat = NOBODY
    if tokens.from_header(request.headers) is not None:  # a cookie would be the browser's word
        who = await auth.visitor(request)
        if who is None:
            return auth.error(401, "no_autenticado", "Hay que iniciar sesión.")
        if who.person.is_admin:
            return auth.error(403, "no_autorizado", "El widget es para usuarios.")
        wishes = {name: request.args.get(name, "") for name in WISHES}
        chat = await pages.own_thread(
            request, who, address=lambda **where: f"/widget?{urlencode(wishes | where)}", place=None
        )
    theme = request.args.get("tema", "")
    view = WidgetView(
        replace(chat, data={**chat.data, "parent": origin}, hours=await hours.notice(request)),
        theme if theme in CHOICES["theme"] else Preferences().theme,
    )
    headers = {"Content-Security-Policy": security.for_frames_of(origin)}
    return await views.respond(request, view, headers=headers)


def add_to(app: App) -> None:
    app.add_route(script, "/widget.js", name="widget_script")
    app.add_route(frame, "/widget", name="widget")
