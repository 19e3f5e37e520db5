"""Reports: figures of the support desk, the rows behind each of them, and the tables as CSV."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from urllib.parse import quote, urlencode
from uuid import UUID

from babel.dates import format_date, get_day_names
from sanic import HTTPResponse, Request
from sanic.exceptions import BadRequest, NotFound

from registro.events.decide import is_label
from registro.services import Services
from registro.services.reports import (
    MAX_DAYS,
    AdminCount,
    Count,
    Period,
    Report,
    Row,
    Wanted,
    What,
    percentile,
)
from registro.web import charts, i18n, spreadsheets, times, views
from registro.web.audit import known
from registro.web.auth import Visitor, page_for
from registro.web.i18n import N_, Language
from registro.web.reports_views import (
    AdminLine,
    Day,
    Figure,
    Hour,
    Linked,
    Preset,
    ReportRowsView,
    ReportsView,
    RowLine,
    Weekday,
)
from registro.web.search import BEHIND
from registro.web.spreadsheets import Cell
from registro.web.times import Clock, duration
from registro.web.typing import App

PATH = "/admin/informes"
ROWS = f"{PATH}/filas"
CSV = f"{PATH}/csv"

PRESETS = (7, 30, 90)
DEFAULT = 30

WHAT: Mapping[str, tuple[What, str]] = {
    "mensajes": ("messages", N_("Messages")),
    "usuarios": ("users", N_("Messages of users")),
    "respuestas": ("answers", N_("Messages of admins")),
    "abiertas": ("opened", N_("Conversations opened")),
    "esperas": ("waits", N_("Answered waits")),
    "primeras": ("firsts", N_("First answers")),
    "cerradas": ("closed", N_("Resolved without an answer")),
    "resueltas": ("resolved", N_("Times resolved")),
    "esperando": ("waiting", N_("Waiting at the end")),
    "conversaciones": ("conversations", N_("Conversations answered")),
}
"""What `que` asks for, and what that is called."""

_HOURLY = ("mensajes", "usuarios", "respuestas", "abiertas")
"""Those that can be asked for by weekday and hour."""


@dataclass(frozen=True, slots=True)
class Span:
    """The days that a report is about, the first and the last."""

    first: date
    last: date
    preset: int | None = None

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def before(self) -> Span:
        """As many days, before these."""
        days = timedelta(days=self.days)
        return Span(self.first - days, self.last - days)

    def period(self, clock: Clock) -> Period:
        days = (self.first + timedelta(days=n) for n in range(self.days + 1))
        return Period([clock.read(day.isoformat()) for day in days])

    def query(self, label: str | None = None) -> dict[str, str]:
        """What an address says of it, and of the label."""
        days = {"desde": self.first.isoformat(), "hasta": self.last.isoformat()}
        return days if label is None else days | {"etiqueta": label}


def _span(request: Request, clock: Clock) -> Span:
    """The days that an address asks for. Raises BadRequest for what are none."""
    today = date.fromisoformat(clock.day_key(clock.now))
    since, until = request.args.get("desde"), request.args.get("hasta")
    if since is None and until is None:
        days = request.args.get("dias", str(DEFAULT))
        if days not in map(str, PRESETS):
            raise BadRequest("there is no such period")
        return Span(today - timedelta(days=int(days) - 1), today, int(days))
    try:
        last = date.fromisoformat(until) if until else today
        first = date.fromisoformat(since) if since else last
        span = Span(first, last)
        if not 1 <= span.days <= MAX_DAYS:
            raise ValueError(f"a period has {MAX_DAYS} days at most")
        span.before.period(clock)
    except (ValueError, OverflowError):
        raise BadRequest("there is no such period") from None
    return span


# The report


@page_for("admin")
@known
async def reports(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /admin/informes`: the last 7, 30 or 90 days (`dias`), or from one day to another
    (`desde`, `hasta`), of the conversations that have a label (`etiqueta`) or of all."""
    clock = times.clock(request)
    span = _span(request, clock)
    page = await _page(request, span, clock)
    services: Services = request.app.ctx.services
    labels = await services.inbox.labels()
    return await views.respond(request, page.view(labels), me=who.person)


async def _page(request: Request, span: Span, clock: Clock) -> _Page:
    services: Services = request.app.ctx.services
    period, label = span.period(clock), _label(request)
    report = await services.reports.report(period, span.before.period(clock), label)
    return _Page(span, label, period, report, clock, i18n.of(request))


def _label(request: Request) -> str | None:
    """The label that an address asks for. Raises BadRequest for what cannot be one."""
    label: str | None = request.args.get("etiqueta") or None
    if label is not None and not is_label(label):
        raise BadRequest("there is no such label")
    return label


@dataclass(frozen=True, slots=True)
class _Page:
    """A report in words."""

    span: Span
    label: str | None
    period: Period
    report: Report
    clock: Clock
    language: Language

    def view(self, labels: Sequence[str]) -> ReportsView:
        """`labels` are those that can be chosen."""
        counts, waits = self.report.days, [one.waits for one in self.report.days]
        late = self.report.behind_since
        since = self.report.waiting_since
        end = min(self.period.end, self.clock.now)
        if late is not None and self.clock.now - late <= BEHIND:
            late = None
        return ReportsView(
            since=self.span.first.isoformat(),
            until=self.span.last.isoformat(),
            when=_words(self.span, self.language),
            before=_words(self.span.before, self.language),
            label=self.label,
            labels=labels,
            presets=[self._preset(days) for days in PRESETS],
            figures=self._figures(),
            days=[self._day(*one) for one in zip(self._dates(), counts, strict=True)],
            columns=self._columns(),
            bars=charts.bars([one.messages for one in counts], [one.answers for one in counts]),
            lines=charts.lines(*([_seconds(percentile(w, p)) for w in waits] for p in (50, 90))),
            heat=self._heat(),
            admins=[self._admin(one) for one in self.report.admins],
            admin_columns=self._admin_columns(),
            waiting_longest=None if since is None else duration(max(0, end - since) // 1000),
            csv=[(self.language.say(title), self._csv(name)) for name, title in _TABLES.items()],
            behind_since=None if late is None else self.clock.exact(late),
        )

    def table(self, name: str) -> Sequence[Sequence[Cell]]:
        """One of the tables, for a spreadsheet: durations in seconds."""
        say = self.language.say
        if name == "dias":
            header = [say("Day"), *self._columns(seconds=True)]
            days = zip(self._dates(), self.report.days, strict=True)
            return [header, *([day.isoformat(), *_of_day(one)] for day, one in days)]
        if name == "horas":
            header = [say("Day of the week"), *(f"{hour}:00" for hour in range(24))]
            return [header, *(_of_week(one) for one in self._heat())]
        header = [say("Who"), *self._admin_columns(seconds=True)]
        return [header, *([_name(one), *_of_admin(one)] for one in self.report.admins)]

    # Figures

    def _figures(self) -> Sequence[Figure]:
        now, then = self.report.total, self.report.before
        number = partial(self._figure, said=str)
        time = partial(self._figure, said=duration)
        say = self.language.say
        return [
            number("abiertas", now.opened, then.opened),
            number("usuarios", now.messages, then.messages),
            number("respuestas", now.answers, then.answers),
            number("resueltas", now.resolved, then.resolved),
            *(
                time(what, percentile(one, percent), percentile(other, percent), title=title)
                for what, one, other, percent, title in (
                    ("primeras", now.firsts, then.firsts, 50, say("First answer, median")),
                    ("primeras", now.firsts, then.firsts, 90, say("First answer, 90 %")),
                    ("esperas", now.waits, then.waits, 50, say("Wait, median")),
                    ("esperas", now.waits, then.waits, 90, say("Wait, 90 %")),
                )
            ),
            number("esperas", len(now.waits), len(then.waits)),
            number("cerradas", now.closed, then.closed),
            replace(number("esperando", self.report.waiting, 0), before=""),
        ]

    def _figure(
        self,
        what: str,
        now: int | None,
        then: int | None,
        *,
        said: Callable[[int], str],
        title: str = "",
    ) -> Figure:
        return Figure(
            title or self.language.say(WHAT[what][1]),
            "–" if now is None else said(now),
            self._rows(what),
            _delta(now, then),
            "–" if then is None else said(then),
        )

    # Days

    def _dates(self) -> Sequence[date]:
        return [self.span.first + timedelta(days=n) for n in range(self.span.days)]

    def _columns(self, *, seconds: bool = False) -> Sequence[str]:
        say = self.language.say
        unit = " (s)" if seconds else ""
        return [
            say("Opened"), say("Messages of users"), say("Messages of admins"),
            say("Times resolved"), say("First answers"), say("First answer, median") + unit,
            say("First answer, 90 %") + unit, say("Answered waits"), say("Wait, median") + unit,
            say("Wait, 90 %") + unit, say("Resolved without an answer"),
        ]  # fmt: skip

    def _day(self, day: date, count: Count) -> Day:
        of_day = Span(day, day).query()
        cells = [
            self._cell(value, what, time=time, **of_day)
            for value, (what, time) in zip(_of_day(count, 1000), _DAY_CELLS, strict=True)
        ]
        words = self.language.say(
            "{day}: {users} of users, {admins} of admins",
            day=self._long(day), users=count.messages, admins=count.answers,
        )  # fmt: skip
        return Day(
            self._long(day),
            format_date(day, "d MMM", locale=self.language.code),
            cells,
            words,
            self._rows("mensajes", **of_day),
            f"{self._long(day)}: {cells[8].text} · {cells[9].text}",
            self._rows("esperas", **of_day),
        )

    def _cell(self, value: int | None, what: str, *, time: bool, **query: str) -> Linked:
        if not value and (value is None or not time):
            return Linked("–" if value is None else "0", "")
        return Linked(duration(value) if time else str(value), self._rows(what, **query))

    # Hours

    def _heat(self) -> Sequence[Weekday]:
        numbers: dict[tuple[int, int], int] = {}
        for at, count in self.report.hours.items():
            key = (self.clock.weekday(at), self.clock.hour(at))
            numbers[key] = numbers.get(key, 0) + count.messages
        most = max(numbers.values(), default=0)
        names = get_day_names("wide", locale=self.language.code)

        def hour(day: int, at: int) -> Hour:
            number = numbers.get((day, at), 0)
            where = f"{names[day]} {at}:00–{at + 1}:00"
            title = self.language.count("{number} message", "{number} messages", number)
            href = self._rows("usuarios", semana=str(day), hora=str(at)) if number else ""
            return Hour(number, charts.level(number, most), f"{where}: {title}", href)

        return [Weekday(names[day], [hour(day, at) for at in range(24)]) for day in range(7)]

    # Admins

    def _admin_columns(self, *, seconds: bool = False) -> Sequence[str]:
        say = self.language.say
        unit = " (s)" if seconds else ""
        return [
            say("Messages"), say("Conversations answered"), say("Answered waits"),
            say("Wait, median") + unit, say("Wait, 90 %") + unit, say("Times resolved"),
        ]  # fmt: skip

    def _admin(self, one: AdminCount) -> AdminLine:
        cells = [
            self._cell(value, what, time=time, admin=one.id)
            for value, (what, time) in zip(_of_admin(one, 1000), _ADMIN_CELLS, strict=True)
        ]
        return AdminLine(one.id, _name(one), cells)

    # Words and addresses

    def _long(self, day: date) -> str:
        pattern = {"es": "EEE d 'de' MMMM", "en": "EEE d MMMM"}[self.language.code]
        return format_date(day, pattern, locale=self.language.code)

    def _preset(self, days: int) -> Preset:
        title = self.language.say("{days} days", days=days)
        query = {"dias": str(days)} | ({} if self.label is None else {"etiqueta": self.label})
        return Preset(days, title, f"{PATH}?{urlencode(query)}", days == self.span.preset)

    def _rows(self, what: str, **query: str) -> str:
        return f"{ROWS}?{urlencode({'que': what} | self.span.query(self.label) | query)}"

    def _csv(self, table: str) -> str:
        return f"{CSV}?{urlencode({'tabla': table} | self.span.query(self.label))}"


_DAY_CELLS = (
    ("abiertas", False), ("usuarios", False), ("respuestas", False), ("resueltas", False),
    ("primeras", False), ("primeras", True), ("primeras", True),
    ("esperas", False), ("esperas", True), ("esperas", True), ("cerradas", False),
)  # fmt: skip
_ADMIN_CELLS = (
    ("respuestas", False), ("conversaciones", False), ("esperas", False), ("esperas", True),
    ("esperas", True), ("resueltas", False),
)  # fmt: skip
"""What each column of the tables counts, and whether it is a duration."""

_TABLES = {"dias": N_("Days"), "horas": N_("Hours"), "admins": N_("Admins")}


def _of_day(count: Count, per_second: int = 1) -> Sequence[int | None]:
    """A row of the days' table; durations in parts of a second."""
    first, wait = partial(_part, count.firsts, per_second), partial(_part, count.waits, per_second)
    return [
        count.opened, count.messages, count.answers, count.resolved,
        len(count.firsts), first(50), first(90), len(count.waits), wait(50), wait(90), count.closed,
    ]  # fmt: skip


def _of_admin(one: AdminCount, per_second: int = 1) -> Sequence[int | None]:
    wait = partial(_part, one.count.waits, per_second)
    return [
        one.count.answers, one.conversations, len(one.count.waits), wait(50), wait(90),
        one.count.resolved,
    ]  # fmt: skip


def _of_week(day: Weekday) -> Sequence[Cell]:
    return [day.name, *(hour.number for hour in day.hours)]


def _part(waits: Sequence[int], per_second: int, percent: int) -> int | None:
    found = percentile(waits, percent)
    return None if found is None else found * per_second // 1000


def _seconds(milliseconds: int | None) -> int | None:
    return None if milliseconds is None else milliseconds // 1000


def _words(span: Span, language: Language) -> str:
    first, last = (
        format_date(day, "long", locale=language.code) for day in (span.first, span.last)
    )
    return first if span.days == 1 else f"{first} – {last}"


def _name(one: AdminCount) -> str:
    return "" if one.person is None else one.person.name


def _delta(now: int | None, then: int | None) -> str | None:
    """How much more or less, in percent of what it was; from ten times on, how many times."""
    if now is None or not then:
        return None
    if now >= 10 * then:
        return f"×{round(now / then)}"
    percent = round(100 * (now - then) / then)
    sign = "−" if percent < 0 else "+" if percent > 0 else "±"
    return f"{sign}{abs(percent)} %"


@page_for("admin")
@known
async def csv(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /admin/informes/csv`: a table (`tabla`: `dias`, `horas` or `admins`) of a period."""
    table = request.args.get("tabla", "dias")
    if table not in _TABLES:
        raise NotFound("there is no such table")
    clock = times.clock(request)
    span = _span(request, clock)
    page = await _page(request, span, clock)
    name = f"registro-{table}-{span.first}-{span.last}"
    if page.label is not None:
        name += "-" + re.sub(r"[^A-Za-z0-9]", "_", page.label)
    return spreadsheets.response(name, page.table(table))


# The rows behind a figure


@page_for("admin")
@known
async def rows(request: Request, who: Visitor) -> HTTPResponse:
    """`GET /admin/informes/filas`: the rows that a figure (`que`) counts, of a period, of one
    `admin` (an id), of an hour (`hora`) of the days of a week (`semana`, 0 is Monday), of the
    conversations with a label (`etiqueta`)."""
    services: Services = request.app.ctx.services
    clock, language = times.clock(request), i18n.of(request)
    span = _span(request, clock)
    asked = request.args.get("que", "mensajes")
    if asked not in WHAT:
        raise NotFound("there are no such rows")
    what, title = WHAT[asked]
    hour, ranges = _ranges(request, asked, span, clock)
    admin, label = _admin_id(request), _label(request)
    wanted = Wanted(what, ranges, admin, label)
    try:
        found = await services.reports.rows(wanted, request.args.get("cursor"))
    except ValueError:
        raise BadRequest("no cursor of these rows") from None
    where = [_words(span, language)]
    if label is not None:
        where.append(language.say("Label: {label}", label=label))
    query = {"que": asked} | span.query(label)
    if hour is not None:
        day, at = hour
        where.append(f"{get_day_names('wide', locale=language.code)[day]} {at}:00–{at + 1}:00")
        query |= {"semana": str(day), "hora": str(at)}
    if admin is not None:
        person = await services.directory.by_id(admin)
        where.append(language.say("somebody erased") if person is None else person.name)
        query["admin"] = admin
    more = None if found.cursor is None else f"{ROWS}?{urlencode(query | {'cursor': found.cursor})}"
    view = ReportRowsView(
        asked,
        language.say(title),
        where,
        found.total,
        [_line(row) for row in found.rows],
        f"{PATH}?{urlencode(span.query(label))}",
        more,
    )
    return await views.respond(request, view, me=who.person)


def _ranges(
    request: Request, asked: str, span: Span, clock: Clock
) -> tuple[tuple[int, int] | None, Sequence[tuple[int, int]]]:
    """The weekday and hour that are asked for, if any, and what stretches of time that means."""
    period = span.period(clock)
    day, hour = request.args.get("semana"), request.args.get("hora")
    if day is None and hour is None:
        return None, [(period.start, period.end)]
    if asked not in _HOURLY or day not in map(str, range(7)) or hour not in map(str, range(24)):
        raise BadRequest("there is no such hour")
    wanted = (int(day), int(hour))
    ranges = [(period.start, period.start)]
    for at in range(period.start, period.end, period.step):
        if (clock.weekday(at), clock.hour(at)) == wanted:
            start = ranges.pop()[0] if ranges[-1][1] == at else at
            ranges.append((start, at + period.step))
    return wanted, ranges


def _admin_id(request: Request) -> str | None:
    asked = request.args.get("admin")
    try:
        return None if asked is None else str(UUID(asked))
    except ValueError:
        raise NotFound("there is no such admin") from None


def _line(row: Row) -> RowLine:
    href = f"/admin/registro/{row.position}"
    if row.user is not None and row.seq is not None:
        user = quote(row.user.user, safe="")
        href = f"/soporte?con={user}&mensaje={row.seq}#m-{row.seq}"
    return RowLine(
        row.position,
        href,
        "" if row.user is None else row.user.name,
        "" if row.admin is None else row.admin.name,
        row.by_admin,
        row.at,
        row.asked_at,
        "" if row.waited is None else duration(row.waited),
        row.text,
        row.erased,
    )


def add_to(app: App) -> None:
    app.add_route(reports, PATH, name="reports")
    app.add_route(rows, ROWS, name="report_rows")
    app.add_route(csv, CSV, name="report_csv")
