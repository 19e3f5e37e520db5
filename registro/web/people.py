"""People, as admins see to them: the list, one account and its sessions, invitations, resets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast
from urllib.parse import quote, urlencode

from sanic import HTTPResponse, Request
from sanic.exceptions import BadRequest, Forbidden, NotFound
from sanic.response import redirect

from registro.errors import Refused
from registro.events.codec import roles
from registro.events.decide import MAX_NAME, Person, is_text, is_user_name
from registro.events.record import parse_rfc3339
from registro.events.types import Role
from registro.services import Services, links
from registro.services.audit import Login, Socket
from registro.services.people import Someone
from registro.web import forms, narration, times, views
from registro.web.audit import known
from registro.web.auth import Visitor, form_for, page_for, public
from registro.web.people_views import (
    InviteView,
    LinkView,
    PasswordView,
    PeopleView,
    PersonView,
    SessionLine,
)
from registro.web.typing import App

PEOPLE = "/admin/personas"
"""The list; where the forms lead whoever has to log in first."""


@page_for("admin")
@known
async def people(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /admin/personas`: everybody by user name; `q` is a part of a name, `rol` a role."""
    services: Services = request.app.ctx.services
    search, role = request.args.get("q", "").strip(), request.args.get("rol", "")
    after = request.args.get("despues", "")
    if not all(is_text(one) and len(one) <= MAX_NAME for one in (search, after)):
        raise BadRequest("nobody has such a name")
    if role and role not in roles():
        raise BadRequest("there is no such role")
    page = await services.people.list(search, after, role=role)
    more = None
    if page.cursor is not None:
        asked = {"q": search, "rol": role, "despues": page.cursor}
        query = urlencode({name: one for name, one in asked.items() if one}, quote_via=quote)
        more = f"{PEOPLE}?{query}"
    return await views.respond(request, PeopleView(page.people, search, role, more), me=who.person)


# One account


@page_for("admin")
@known
async def person(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /admin/persona`: one account (`id`, or `user`: a name) and its sessions."""
    services: Services = request.app.ctx.services
    user_id, name = request.args.get("id", ""), request.args.get("user", "")
    if not user_id and is_user_name(name):
        found = await services.directory.by_user(name)
        user_id = "" if found is None else found.id
    return await _page(request, who, user_id, done=request.args.get("hecho", ""))


async def _page(
    request: Request,
    who: Visitor,
    user_id: str,
    status: int = 200,
    *,
    done: str = "",
    problem: str = "",
) -> HTTPResponse:
    one = await _someone(request, user_id)
    own = one.id == who.person.id
    view = PersonView(one, own, await _sessions(request, who, one), done, problem)
    return await views.respond(request, view, status, me=who.person)


async def _someone(request: Request, user_id: str) -> Someone:
    services: Services = request.app.ctx.services
    one = await services.people.one(user_id) if is_text(user_id) and len(user_id) <= 36 else None
    if one is None:
        raise NotFound("there is no such person")
    return one


def _as_person(one: Someone) -> Person:
    return Person(one.id, one.user, one.name, cast(Role, one.role), one.disabled)


async def _sessions(request: Request, who: Visitor, one: Someone) -> Sequence[SessionLine]:
    """What ends with somebody's sessions: logins that are still good, and other tokens in use."""
    services: Services = request.app.ctx.services
    logins, _ = await services.audit.logins(one.id)
    sockets = await services.audit.sockets_of(one.id)
    now = times.clock(request).now
    alive = [login for login in logins if not login.reason and parse_rfc3339(login.until) > now]
    lines = [_login(login, sockets, who.session) for login in alive]
    ours = {key for login in logins for key in login.tokens}
    foreign = dict.fromkeys(one.session for one in sockets if one.session not in ours)
    lines += [_foreign(key, sockets, who.session) for key in foreign if key]
    return lines


def _login(login: Login, sockets: Sequence[Socket], own: str) -> SessionLine:
    used = [one for one in sockets if one.session in login.tokens]
    until = parse_rfc3339(login.until)
    started = login.row.recorded_at
    return SessionLine(login.key, own in login.tokens, started, until, len(used), _programs(used))


def _foreign(key: str, sockets: Sequence[Socket], own: str) -> SessionLine:
    used = [one for one in sockets if one.session == key]
    return SessionLine(key, own == key, None, None, len(used), _programs(used))


def _programs(sockets: Sequence[Socket]) -> str:
    programs = dict.fromkeys(narration.program(one.client) for one in sockets)
    return " · ".join(one for one in programs if one)


def _done(user_id: str, what: str) -> HTTPResponse:
    return redirect(f"/admin/persona?id={quote(user_id, safe='')}&hecho={what}", status=303)


async def _refused(request: Request, who: Visitor, user_id: str, refused: Refused) -> HTTPResponse:
    """The account's page again, with why nothing was done."""
    if refused.code == "destinatario_desconocido":
        raise NotFound("there is no such person")
    if refused.code == "no_autorizado" and refused.details.get("reason") != "self":
        request.app.ctx.services.denials.count("forbidden")
        raise Forbidden("this is for admins")
    if refused.code == "no_autorizado":
        return await _page(request, who, user_id, 409, problem="self")
    return await _page(request, who, user_id, 400, problem="role")


@form_for("admin", back=PEOPLE)
async def change_role(request: Request, who: Visitor) -> HTTPResponse:
    """`POST /admin/persona/rol` (`id`, `rol`)."""
    services: Services = request.app.ctx.services
    fields = await forms.read(request, "id", "rol")
    user_id, role = fields["id"] or "", fields["rol"]
    if role not in roles():
        raise BadRequest("there is no such role")
    try:
        await services.administration.change_role(who.person, user_id, cast(Role, role))
    except Refused as refused:
        return await _refused(request, who, user_id, refused)
    return _done(user_id, "rol")


@form_for("admin", back=PEOPLE)
async def set_disabled(request: Request, who: Visitor) -> HTTPResponse:
    """`POST /admin/persona/estado` (`id`, `estado`: `deshabilitada` or `activa`)."""
    services: Services = request.app.ctx.services
    fields = await forms.read(request, "id", "estado")
    user_id, state = fields["id"] or "", fields["estado"]
    if state not in ("deshabilitada", "activa"):
        raise BadRequest("there is no such state")
    try:
        await services.administration.set_disabled(who.person, user_id, state == "deshabilitada")
    except Refused as refused:
        return await _refused(request, who, user_id, refused)
    return _done(user_id, state)


@form_for("admin", back=PEOPLE)
async def end_session(request: Request, who: Visitor) -> HTTPResponse:
    """`POST /admin/persona/sesion` (`id`, `sesion`: a key; all of them without one)."""
    services: Services = request.app.ctx.services
    fields = await forms.read(request, "id", "sesion")
    one, key = await _someone(request, fields["id"] or ""), fields["sesion"]
    if not key:
        await services.sessions.end_all(_as_person(one), who.person.id)
        return _done(one.id, "sesiones")
    # What is over already, or is somebody else's, is not ended (again).
    if any(line.key == key for line in await _sessions(request, who, one)):
        await services.sessions.end(_as_person(one), key, "revoked", who.person.id)
    return _done(one.id, "sesion")


@form_for("admin", back=PEOPLE)
async def reset_password(request: Request, who: Visitor) -> HTTPResponse:
    """`POST /admin/persona/clave` (`id`): shows a link with which the person sets a password."""
    services: Services = request.app.ctx.services
    user_id = (await forms.read(request, "id"))["id"] or ""
    try:
        link = await services.administration.reset_password(who.person, user_id)
    except Refused as refused:
        return await _refused(request, who, user_id, refused)
    someone = _as_person(await _someone(request, user_id))
    return await _show_link(request, who, someone, link, links.RESET, invited=False)


async def _show_link(
    request: Request, who: Visitor, someone: Person, link: str, seconds: int, *, invited: bool
) -> HTTPResponse:
    """The link goes into this answer and nowhere else."""
    address = f"{request.scheme}://{request.host}/contrasena?enlace={link}"
    view = LinkView(someone.id, someone.user, someone.name, address, seconds // 3600, invited)
    return await views.respond(request, view, me=who.person)


# Invitations


@page_for("admin")
@known
async def invite_page(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /admin/personas/nueva`: the form of an invitation."""
    return await views.respond(request, InviteView(), me=who.person)


@form_for("admin", back=PEOPLE)
async def invite(request: Request, who: Visitor) -> HTTPResponse:
    """`POST /admin/personas/invitar` (`user`, `name`, `rol`): an account, and a link for it."""
    services: Services = request.app.ctx.services
    fields = await forms.read(request, "user", "name", "rol")
    user, name = (fields["user"] or "").strip(), (fields["name"] or "").strip()
    role = fields["rol"]
    if role not in roles():
        raise BadRequest("there is no such role")
    try:
        someone, link = await services.administration.invite(
            who.person, user, name, cast(Role, role)
        )
    except Refused as refused:
        taken = refused.code in ("usuario_existe", "usuario_borrado")
        field = "user" if taken else str(refused.details.get("field", "user"))
        view = InviteView(user, name, role, {field: "taken" if taken else "invalid"})
        return await views.respond(request, view, 409 if taken else 400, me=who.person)
    return await _show_link(request, who, someone, link, links.INVITATION, invited=True)


# Where the links lead


@public
async def password_page(request: Request, who: Visitor | None) -> HTTPResponse:
    """`GET /contrasena?enlace=…`: asks for a password. It changes nothing, so whatever looks at
    links in messages may look at this one."""
    services: Services = request.app.ctx.services
    link = request.args.get("enlace", "")
    owner = await services.links.owner(link) if is_text(link) else None
    view = PasswordView(None if owner is None else owner.user, link)
    return await views.respond(request, view, 404 if owner is None else 200)


@form_for()
async def set_password(request: Request, who: Visitor | None) -> HTTPResponse:
    """`POST /contrasena/nueva` (`enlace`, `pass`)."""
    services: Services = request.app.ctx.services
    fields = await forms.read(request, "enlace", "pass")
    link = fields["enlace"] or ""
    try:
        await services.links.use(link if is_text(link) else "", fields["pass"] or "")
    except Refused as refused:
        if refused.code == "no_autorizado":
            return await views.respond(request, PasswordView(None), 404)
        owner = await services.links.owner(link)
        problem = str(refused.details.get("reason", "invalid"))
        view = PasswordView(None if owner is None else owner.user, link, problem)
        return await views.respond(request, view, 400)
    return redirect("/login?registrado=1", status=303)


def add_to(app: App) -> None:
    """All of it; of a replay the pages that show."""
    app.add_route(people, PEOPLE, name="people")
    app.add_route(person, "/admin/persona", name="person")
    if app.ctx.replay is not None:  # nobody changes what was
        return
    app.add_route(invite_page, f"{PEOPLE}/nueva", name="invite_page")
    app.add_route(password_page, "/contrasena", name="password_page")
    for handler, path in (
        (invite, f"{PEOPLE}/invitar"),
        (change_role, "/admin/persona/rol"),
        (set_disabled, "/admin/persona/estado"),
        (end_session, "/admin/persona/sesion"),
        (reset_password, "/admin/persona/clave"),
        (set_password, "/contrasena/nueva"),
    ):
        app.add_route(handler, path, methods=["POST"], name=handler.__name__, stream=True)
