"""Pages as values: one class a page, whose fields are all that its template knows of the matter.

In a template, `page` is the view, `me` the person signed in (or None), `_` and `ngettext` translate
into `lang`, `clock` tells times, `asset` gives the address of a file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar
from zlib import crc32

import orjson
from jinja2 import StrictUndefined
from jinja2.ext import Extension
from markupsafe import Markup
from sanic import HTTPResponse, Request

from registro import __version__
from registro.errors import Unavailable
from registro.events.decide import Person
from registro.events.record import rfc3339
from registro.services import Services
from registro.services.dossier import Dossier
from registro.services.inbox import COUNTED, STATUS_NAMES, Row
from registro.services.people import Counts
from registro.services.preferences import Preferences
from registro.web import assets, compression, cookies, i18n, paths, times
from registro.web.i18n import N_
from registro.web.narration import STATUSES, program
from registro.web.openapi import Documented
from registro.web.queues import ANY, STATUS_ORDER, STATUS_TITLES, Queue, Shown
from registro.web.thread import Done, Line, Ways
from registro.web.typing import App

TEMPLATES = Path(__file__).parent / "templates"
TONES = 8
"""How many colours pictures of people have; `tone-0` and so on in the style sheet."""


@dataclass(frozen=True, slots=True)
class View:
    template: ClassVar[str]


@dataclass(frozen=True, slots=True)
class Home(View):
    template: ClassVar[str] = "home.html"


@dataclass(frozen=True, slots=True)
class Login(View):
    """`problem` says what was wrong with the last attempt (see the template); `wait` seconds until
    the next is allowed."""

    template: ClassVar[str] = "login.html"
    user: str = ""
    problem: str = ""
    wait: int = 0
    return_to: str = "/soporte"
    registered: bool = False


@dataclass(frozen=True, slots=True)
class Register(View):
    """`problems` are by field: `user`, `name`, `pass`, `correo`, or empty for the whole form.
    `mail` says whether there is a field for an e-mail address, `address` what is in it."""

    template: ClassVar[str] = "register.html"
    user: str
    name: str
    problems: Mapping[str, str]
    wait: int = 0
    mail: bool = False
    address: str = ""


@dataclass(frozen=True, slots=True)
class RegistrationClosed(View):
    template: ClassVar[str] = "registration_closed.html"


@dataclass(frozen=True, slots=True)
class Logout(View):
    """Asks whoever came from elsewhere whether they mean it."""

    template: ClassVar[str] = "logout.html"


@dataclass(frozen=True, slots=True)
class Chat(View):
    """A user's own thread. `data` is what the scripts need, `ways` where the rest of it is,
    `hours` what is told of the office hours (`hours.Notice`), if anything."""

    template: ClassVar[str] = "chat.html"
    lines: list[Line]
    ways: Ways
    data: Mapping[str, Any]
    hours: Any = None


@dataclass(frozen=True, slots=True)
class Inbox(View):
    """The desk's list, and one thread of it (`row`), if one is open. `queue` is which part of the
    inbox is listed, `counts` what other filters would list, `labels` those to choose from; `admins`
    are names by user name; `snoozes` ends of snoozes to choose from: the words, the field's value;
    `told` what became of what was just done to several conversations;
    `views` are the saved ones; `dossier` is what is known of the user besides, and `side` whether
    that is unfolded."""

    template: ClassVar[str] = "inbox.html"
    queue: Queue
    counts: Mapping[str, Mapping[str, int]]
    labels: Sequence[str]
    admins: Mapping[str, str]
    snoozes: Sequence[tuple[str, str]]
    rows: list[Row]
    more: str | None
    row: Row | None
    lines: list[Line | Done]
    ways: Ways
    data: Mapping[str, Any]
    unknown: str | None
    told: str = ""
    views: Sequence[Shown] = ()
    dossier: Dossier | None = None
    side: bool = True


@dataclass(frozen=True, slots=True)
class Admin(View):
    template: ClassVar[str] = "admin.html"
    counts: Counts


@dataclass(frozen=True, slots=True)
class ApiDocs(View):
    template: ClassVar[str] = "api_docs.html"
    operations: list[Documented]


@dataclass(frozen=True, slots=True)
class Problem(View):
    """An error page. `kind` chooses the words; `reference` is in the server's log too."""

    template: ClassVar[str] = "problem.html"
    status: int
    kind: str
    reference: str
    retry: str | None


@dataclass(frozen=True, slots=True)
class Refusal(View):
    """Why a form did nothing: `code` is the contract's, `back` the page that it stands on."""

    template: ClassVar[str] = "refusal.html"
    code: str
    back: str


async def respond(
    request: Request,
    view: View,
    status: int = 200,
    *,
    me: Person | None = None,
    headers: Mapping[str, str] | None = None,
) -> HTTPResponse:
    """A page in the reader's language and time zone."""
    language = i18n.of(request)
    zone = times.zone_of(request)
    preferences, fresh = await preferences_of(request, me)
    context = {
        "page": view,
        "me": me,
        "lang": language.code,
        "_": language.say,
        "ngettext": language.count,
        "pgettext": language.pgettext,
        "texts": _texts(language.code),
        "clock": times.clock(request),
        "zone": zone.key,
        "here": _here(request),
        "preferences": preferences,
        "replay": request.app.ctx.replay and request.app.ctx.replay.shown,
        "file_size": request.app.ctx.settings.file_size,
        "registration": request.app.ctx.settings.registration,
    }
    # Not sanic-ext's `render`: of a request that cannot be parsed it does not know.
    template = request.app.ext.environment.get_template(view.template)
    response = compression.page(request, template.render(context), status, dict(headers or {}))
    if fresh and me is not None:
        cookies.set_preferences(request, response, me.id, preferences)
    return response


async def preferences_of(request: Request, me: Person | None) -> tuple[Preferences, bool]:
    """How a page has to look, and whether that comes from the database: the browser does not have
    it yet. Who is not signed in sees what was last seen in this browser."""
    owner, kept = cookies.preferences(request)
    if request.app.ctx.replay is not None or me is None or owner == me.id:
        return kept, False
    services: Services = request.app.ctx.services
    try:
        found = await services.preferences.of(me.id) if me.id else None
    except Unavailable:
        return Preferences(), False
    return found or Preferences(), True


def _here(request: Request) -> str:
    """Where choosing a language leads back to."""
    url = request.raw_url.decode("ascii", "replace")
    return paths.local(url if request.method in ("GET", "HEAD") else _PAGES.get(request.path))


_PAGES = {
    "/auth": "/login",
    "/register": "/registro",
    "/admin/personas/invitar": "/admin/personas/nueva",
    "/admin/persona/clave": "/admin/personas",
    "/admin/respuestas/guardar": "/admin/respuestas",
    "/preferencias/clave/cambiar": "/preferencias/clave",
    "/preferencias/correo": "/preferencias",
    "/admin/horario/guardar": "/admin/horario",
}
"""The pages whose forms are posted to other addresses."""


def json_block(value: object) -> Markup:
    """JSON for a data block in a page: nothing in it can end the block."""
    text = orjson.dumps(value).decode()
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028"))  # noqa: S704


@cache
def _texts(code: str) -> Markup:
    return json_block(i18n.language(code).scripts)


_STATUS_TITLES = {name: STATUSES[status] for status, name in STATUS_NAMES.items()} | {
    ANY: N_("All")
}
"""What each `estado` is called."""


def initials(name: str) -> str:
    """Up to two letters that stand for a name in its picture."""
    words = [word for word in name.split() if word[0].isalnum()] or [name]
    picked = words[:1] if len(words) == 1 else [words[0], words[1]]
    return "".join(word[0] for word in picked).upper()


def tone(user: str) -> str:
    """The colour of somebody's picture: always the same one."""
    return f"tone-{crc32(user.encode()) % TONES}"


WIDEST, HIGHEST = 320, 240
"""Pixels of a picture in a line."""


def fitted(width: int, height: int) -> tuple[int, int]:
    """How large a picture is shown, so that its place is kept while it loads."""
    scale = min(1, WIDEST / width, HIGHEST / height)
    return max(1, int(width * scale + 0.5)), max(1, int(height * scale + 0.5))


def size(count: int) -> str:
    """Bytes for people; `static/attachments.js` writes the same."""
    if count < 1024:
        return f"{count} B"
    number, unit = (count / 1024, "KB") if count < 1024 * 1024 else (count / 1024 / 1024, "MB")
    return f"{number:.0f} {unit}" if number >= 10 else f"{number:.1f} {unit}"


def ending(name: str) -> str:
    """What kind of file a name says it is, in up to four capital letters."""
    stem, _, last = name.rpartition(".")
    return last.upper() if stem and last.isalnum() and len(last) <= 4 else "…"


class Flush(Extension):
    """Takes the indentation off templates before they are compiled: it was one byte in sixteen of
    the inbox, which is served as it is (decision 0009). What is put into them stays untouched."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        return _INDENT.sub("", source)


_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)


def add_to(app: App) -> None:
    """Sets up the environment that sanic-ext made."""
    environment = app.ext.environment
    environment.undefined = StrictUndefined
    environment.autoescape = True
    environment.trim_blocks = True
    environment.add_extension(Flush)
    environment.globals.update(
        asset=assets.url,
        version=__version__,
        languages=i18n.LANGUAGES,
        initials=initials,
        tone=tone,
        size=size,
        fitted=fitted,
        ending=ending,
        json_block=json_block,
        iso=lambda at: rfc3339(at, 3),
        duration=times.duration,
        counted=lambda number: str(number) if number < COUNTED else f"{COUNTED - 1}+",
        status_titles=_STATUS_TITLES,
        status_names=STATUS_NAMES,
        status_order=STATUS_ORDER,
        program=program,
        list_titles=STATUS_TITLES,
    )
