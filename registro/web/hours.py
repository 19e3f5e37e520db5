"""Office hours: the page on which admins set them, and what everybody is told of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from babel.dates import format_date, get_day_names
from sanic import HTTPResponse, Request
from sanic.response import json, redirect

from registro.errors import Refused, Unavailable
from registro.events.record import rfc3339
from registro.events.types import DeskHoursChanged
from registro.events.writer import Committed
from registro.services import Services
from registro.services.hours import Schedule, zones
from registro.web import forms, i18n, times, views
from registro.web.access import Access, declare
from registro.web.auth import Visitor, form_for, page_for
from registro.web.i18n import Language
from registro.web.times import Clock
from registro.web.typing import App
from registro.web.views import View

PAGE = "/admin/horario"
SPANS = 2
"""Spans of a day that the form has fields for."""

FIELDS = (
    "activo", "zona", "cerrado", "aviso_es", "aviso_en",
    *(f"{end}_{day}_{n}" for day in range(7) for n in range(SPANS) for end in ("desde", "hasta")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Notice:
    """What a reader is told of the hours: `week` in general, `now` of the moment, `away` what the
    desk says besides while it is closed. `until` is when it changes (microseconds since 1970)."""

    open: bool
    until: int | None
    week: str
    now: str
    away: str

    def wire(self) -> dict[str, object]:
        return {
            "configurado": True,
            "abierto": self.open,
            "cambia": None if self.until is None else rfc3339(self.until, 3),
            "horario": self.week,
            "ahora": self.now,
            "aviso": self.away,
        }


async def notice(request: Request) -> Notice | None:
    """In the reader's language and zone; None where there are no hours, or the store is away: a
    page does not fail for it."""
    services: Services = request.app.ctx.services
    try:
        schedule, state = await services.hours.schedule(), await services.hours.state()
    except Unavailable:
        return None
    if schedule is None or state is None:
        return None
    language, zone = i18n.of(request), times.zone_of(request)
    say_when = _When(language, times.clock(request), zone, ZoneInfo(schedule.zone))
    away = {"es": schedule.event.away_es, "en": schedule.event.away_en}
    return Notice(
        state.open,
        state.until,
        week_in_words(schedule, language, zone.key),
        _open_now(language, say_when, state.until)
        if state.open
        else _closed_now(language, say_when, state.until),
        "" if state.open else away[language.code] or next(filter(None, away.values()), ""),
    )


def week_in_words(schedule: Schedule, language: Language, zone: str) -> str:
    """We answer Monday to Friday, 9:00–14:00 and 16:00–19:00; Saturday, 10:00–14:00."""
    groups = [_group(language, *one) for one in _alike(schedule.week)]
    if not groups:
        return language.say("There are no office hours at present.")
    when = "; ".join(groups)
    if schedule.zone == zone:
        return language.say("We answer {when}.", when=when)
    place = schedule.zone.rpartition("/")[2].replace("_", " ")
    return language.say("We answer {when} (time of {place}).", when=when, place=place)


def _alike(week: Sequence[Sequence[str]]) -> Iterator[tuple[int, int, Sequence[str]]]:
    """Days one after the other with the same spans: the first, the last, their spans."""
    first = 0
    for day in range(1, 8):
        if day == 7 or sorted(week[day]) != sorted(week[first]):
            if week[first]:
                yield first, day - 1, sorted(week[first])
            first = day


def _group(language: Language, first: int, last: int, spans: Sequence[str]) -> str:
    names = get_day_names("wide", locale=language.code)
    hours = language.say(" and ").join(_span(language, one) for one in spans)
    if first == last:
        return language.say("{day}, {hours}", day=names[first], hours=hours)
    values = {"first": names[first], "last": names[last], "hours": hours}
    if last - first == 1:
        return language.say("{first} and {last}, {hours}", **values)
    return language.say("{first} to {last}, {hours}", **values)


def _span(language: Language, text: str) -> str:
    start, end = text.split("-")
    if start == end:
        return language.say("all day")
    return f"{start.removeprefix('0')}–{'24:00' if end == '00:00' else end.removeprefix('0')}"


def _open_now(language: Language, when: _When, until: int | None) -> str:
    if until is None:
        return language.say("Open now.")
    return language.say("Open now, until {when}.", when=when(until))


def _closed_now(language: Language, when: _When, until: int | None) -> str:
    if until is None:
        return language.say("Closed now.")
    return language.say("Closed now; we are back {when}.", when=when(until))


@dataclass(frozen=True, slots=True)
class _When:
    """Puts moments into words for a reader in `zone`; the desk is in `desk`."""

    language: Language
    clock: Clock
    zone: ZoneInfo
    desk: ZoneInfo

    def __call__(self, at: int) -> str:
        """At 16:00, tomorrow at 9:00, Monday at 9:00, 7 January at 9:00."""
        clock, _ = self.clock, self.language.say
        day, today = (date.fromisoformat(clock.day_key(one)) for one in (at, clock.now))
        ahead, time = (day - today).days, clock.time(at)
        if not self._same_clock(at):
            time = _("{time} (your time)", time=time)
        if ahead == 0:
            return _("at {time}", time=time)
        if ahead == 1:
            return _("tomorrow at {time}", time=time)
        names = get_day_names("wide", locale=self.language.code)
        if ahead < 7:
            return _("on {day} at {time}", day=names[day.weekday()], time=time)
        long = {"es": "d 'de' MMMM", "en": "d MMMM"}[self.language.code]
        words = format_date(day, long, locale=self.language.code)
        return _("on {day} at {time}", day=words, time=time)

    def _same_clock(self, at: int) -> bool:
        moment = datetime.fromtimestamp(at / 1e6, UTC)
        zones = self.zone, self.desk
        return len({moment.astimezone(zone).utcoffset() for zone in zones}) == 1


@declare(Access("api"))
async def hours(request: Request) -> HTTPResponse:
    """`GET /api/horario`: what everybody is told of the hours; `lang` and `zona` are for readers
    without our cookies."""
    request.ctx.language, request.ctx.zone = request.args.get("lang"), request.args.get("zona")
    found = await notice(request)
    return json({"configurado": False} if found is None else found.wire())


# The page of admins


@dataclass(frozen=True, slots=True)
class HoursView(View):
    """`fields` are those of the form, `problem` names the one that is wrong."""

    template: ClassVar[str] = "hours.html"
    fields: Mapping[str, str]
    days: Sequence[str]
    zones: Sequence[str]
    shown: Notice | None
    saved: bool = False
    problem: str = ""


async def _view(request: Request, fields: Mapping[str, str]) -> HoursView:
    names = get_day_names("wide", locale=i18n.of(request).code)
    days = [names[day].capitalize() for day in range(7)]
    return HoursView(fields, days, zones(), await notice(request))


@page_for("admin")
async def page(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /admin/horario`."""
    services: Services = request.app.ctx.services
    current = await services.hours.schedule()
    zone = times.zone_of(request).key
    view = await _view(request, _fields(current.event if current else None, zone))
    view = replace(view, saved="guardado" in request.args)
    return await views.respond(request, view, me=who.person)


def _fields(event: DeskHoursChanged | None, zone: str) -> dict[str, str]:
    """The form as it stands for an event; where there are no hours, a proposal."""
    fields = dict.fromkeys(FIELDS, "") | {"zona": zone}
    week: Sequence[Sequence[str]] = [["09:00-18:00"]] * 5 + [[], []]
    if event is not None:
        week = event.week
        fields |= {"activo": "on", "zona": event.zone, "cerrado": "\n".join(event.closed)}
        fields |= {"aviso_es": event.away_es, "aviso_en": event.away_en}
    for day, spans in enumerate(week):
        for n, span in enumerate(spans[:SPANS]):
            fields[f"desde_{day}_{n}"], fields[f"hasta_{day}_{n}"] = span.split("-")
    return fields


@form_for("admin", back=PAGE)
async def save(request: Request, who: Visitor) -> HTTPResponse:
    """`POST /admin/horario/guardar`."""
    services: Services = request.app.ctx.services
    read = await forms.read(request, *FIELDS)
    fields = {name: value or "" for name, value in read.items()}
    try:
        if None in read.values():
            raise Refused("datos_invalidos", field="week")
        await services.hours.set(who.person, _event(fields, who.person.id))
    except Refused as refused:
        problem = str(refused.details.get("field", "week"))
        view = replace(await _view(request, fields), problem=problem)
        return await views.respond(request, view, 400, me=who.person)
    return redirect(f"{PAGE}?guardado=1", status=303)


def _event(fields: Mapping[str, str], by: str) -> DeskHoursChanged:
    """What a form asks for; whether that makes sense is for the service to say."""
    away = {"away_es": fields["aviso_es"].strip(), "away_en": fields["aviso_en"].strip()}
    closed = tuple(sorted({line.strip() for line in fields["cerrado"].splitlines()} - {""}))
    if fields["activo"] != "on":
        return DeskHoursChanged(zone="", week=(), closed=closed, by=by, **away)
    if not fields["zona"]:
        raise Refused("datos_invalidos", field="zone")
    spans = [
        [f"{fields[f'desde_{day}_{n}']}-{fields[f'hasta_{day}_{n}']}" for n in range(SPANS)]
        for day in range(7)
    ]
    week = tuple(tuple(one for one in day if one != "-") for day in spans)
    return DeskHoursChanged(zone=fields["zona"], week=week, closed=closed, by=by, **away)


def add_to(app: App) -> None:
    app.add_route(hours, "/api/horario", name="hours")
    app.add_route(page, PAGE, name="hours_page")
    app.add_route(save, f"{PAGE}/guardar", methods=["POST"], name="save_hours", stream=True)
    services: Services = app.ctx.services

    async def tell(batch: Sequence[Committed]) -> None:
        """Everybody who is connected asks again then."""
        if any(one.row.type == DeskHoursChanged.type for one in batch):
            everybody: Any = None  # Socket.IO's room of all sockets
            app.ctx.sockets.server.deliver("horario", {}, (everybody,))

    services.feed.subscribers.append(tell)
