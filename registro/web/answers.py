"""Canned answers: the pages where admins see to them, and what the inbox offers of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from sanic import HTTPResponse, Request
from sanic.exceptions import NotFound
from sanic.response import json, redirect

from registro.errors import Refused
from registro.events.decide import is_text
from registro.services import Services
from registro.services.answers import Kept
from registro.web import forms, views
from registro.web.audit import known
from registro.web.auth import Visitor, api_for, form_for, page_for
from registro.web.typing import App
from registro.web.views import View

PAGE = "/admin/respuestas"


@dataclass(frozen=True, slots=True)
class AnswersView(View):
    """All of them; `done` is what was just done (the template has the words)."""

    template: ClassVar[str] = "answers.html"
    answers: Sequence[Kept]
    done: str = ""


@dataclass(frozen=True, slots=True)
class AnswerView(View):
    """The form of one; `id` is empty for a new one. `problems` are by field: `title`, `text`."""

    template: ClassVar[str] = "answer.html"
    id: str = ""
    title: str = ""
    text: str = ""
    problems: Mapping[str, str] | None = None


@page_for("admin")
@known
async def answers(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /admin/respuestas`: all of them by title."""
    services: Services = request.app.ctx.services
    view = AnswersView(await services.answers.all(), request.args.get("hecho", ""))
    return await views.respond(request, view, me=who.person)


@page_for("admin")
@known
async def answer(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /admin/respuesta`: the form of one (`id`), or of a new one."""
    services: Services = request.app.ctx.services
    id_ = request.args.get("id", "")
    try:
        one = await services.answers.one(_checked(id_)) if id_ else None
    except Refused:
        raise NotFound("there is no such answer") from None
    view = AnswerView() if one is None else AnswerView(one.id, one.title, one.text)
    return await views.respond(request, view, me=who.person)


def _checked(id_: str) -> str:
    """An id that can be looked for."""
    return id_ if is_text(id_) and len(id_) <= 36 else ""


@form_for("admin", back=PAGE)
async def save(request: Request, who: Visitor) -> HTTPResponse:
    """`POST /admin/respuestas/guardar` (`titulo`, `texto`; `id` of one that is there)."""
    services: Services = request.app.ctx.services
    fields = await forms.read(request, "id", "titulo", "texto")
    id_, title = fields["id"] or "", (fields["titulo"] or "").strip()
    text = (fields["texto"] or "").replace("\r\n", "\n")  # forms send these
    try:
        await services.answers.save(who.person, id_ and _checked(id_), title, text)
    except Refused as refused:
        if refused.code == "no_autorizado":
            raise NotFound("there is no such answer") from None
        return await _again(request, who, AnswerView(id_, title, text), refused)
    return redirect(f"{PAGE}?hecho=guardada", status=303)


async def _again(
    request: Request, who: Visitor, view: AnswerView, refused: Refused
) -> HTTPResponse:
    """The form again, with what is wrong in it."""
    reason = str(refused.details.get("reason", refused.code))
    problems = {str(refused.details["field"]): reason}
    title, text = (one.replace("\0", "") for one in (view.title, view.text))
    shown = AnswerView(view.id, title, text, problems)
    return await views.respond(request, shown, 409 if reason == "taken" else 400, me=who.person)


@form_for("admin", back=PAGE)
async def remove(request: Request, who: Visitor) -> HTTPResponse:
    """`POST /admin/respuestas/quitar` (`id`)."""
    services: Services = request.app.ctx.services
    id_ = (await forms.read(request, "id"))["id"] or ""
    try:
        await services.answers.remove(who.person, _checked(id_))
    except Refused:
        raise NotFound("there is no such answer") from None
    return redirect(f"{PAGE}?hecho=quitada", status=303)


@api_for("admin")
async def list_answers(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /api/respuestas`: all of them, for the inbox."""
    services: Services = request.app.ctx.services
    found = [one.answer for one in await services.answers.all()] if who.known else []
    answers = [{"id": one.id, "titulo": one.title, "texto": one.text} for one in found]
    return json({"respuestas": answers})


def add_to(app: App) -> None:
    """All of it; of a replay the page that shows them."""
    app.add_route(answers, PAGE, name="answers")
    if app.ctx.replay is not None:  # nobody changes what was
        return
    app.add_route(answer, "/admin/respuesta", name="answer")
    app.add_route(list_answers, "/api/respuestas", name="list_answers")
    for handler, name in ((save, "guardar"), (remove, "quitar")):
        app.add_route(
            handler, f"{PAGE}/{name}", methods=["POST"], name=f"answer_{name}", stream=True
        )
