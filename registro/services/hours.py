"""Office hours: when the desk answers, and what users read while it does not.

Spans are in the wall-clock time of the desk's zone. One belongs to the day on which it begins: a
closed day takes away what begins on it, and not the rest of a night that began the day before. A
span that begins in the hour that a change to summer time leaves out begins as much later; one that
ends in the hour that comes twice ends with the second.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from registro.db.connection import Pool
from registro.errors import Refused
from registro.events import codec, ids
from registro.events.decide import Person, is_text
from registro.events.store import draft
from registro.events.types import DeskHoursChanged
from registro.events.writer import Committed, LogWriter

MAX_AWAY = 500
"""Code points of a text that users read while the desk is closed."""

MAX_CLOSED = 200
"""Entries in the list of closed days."""

MAX_SPANS = 4
"""Spans of one day."""

HORIZON = 400
"""Days that are looked ahead for the next change."""

_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class State(NamedTuple):
    """Whether the desk is open at a moment, and when that changes (microseconds since 1970); None
    where it does not within the horizon."""

    open: bool
    until: int | None


class Closure(NamedTuple):
    """Days on which nothing begins, the first and the last of them."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Schedule:
    """What an event says of the hours. Pure, apart from the time zone's rules."""

    event: DeskHoursChanged
    closures: tuple[Closure, ...]

    @property
    def week(self) -> tuple[tuple[str, ...], ...]:
        return self.event.week

    @property
    def zone(self) -> str:
        return self.event.zone

    def state(self, now: int) -> State:
        """As of `now` (microseconds since 1970)."""
        today = (_EPOCH + timedelta(microseconds=now)).astimezone(ZoneInfo(self.zone)).date()
        end: int | None = None
        for span_start, span_end in self._spans(today - timedelta(days=2), today):
            if span_end <= now:
                continue
            if end is None and span_start > now:
                return State(open=False, until=span_start)
            if end is not None and span_start > end:
                return State(open=True, until=end)
            end = span_end if end is None else max(end, span_end)
        if end is None:
            return State(open=False, until=None)
        horizon = now + (HORIZON - 1) * 86_400_000_000
        return State(open=True, until=end if end < horizon else None)

    def _spans(self, first: date, today: date) -> Iterator[tuple[int, int]]:
        """Beginnings and ends in order, from a day on."""
        for number in range((today - first).days + HORIZON):
            day = first + timedelta(days=number)
            if not any(one.first <= day <= one.last for one in self.closures):
                for text in sorted(self.week[day.weekday()]):
                    yield _moments(day, text, self.zone)


@lru_cache(maxsize=4096)
def _moments(day: date, span: str, zone: str) -> tuple[int, int]:
    start, end = span.split("-")
    last = day if end > start else day + timedelta(days=1)
    return _moment(day, start, zone, 0), _moment(last, end, zone, 1)


def _moment(day: date, clock: str, zone: str, fold: int) -> int:
    hour, minute = clock.split(":")
    local = datetime(
        day.year, day.month, day.day, int(hour), int(minute), fold=fold, tzinfo=ZoneInfo(zone)
    )
    return (local - _EPOCH) // timedelta(microseconds=1)


def schedule(event: DeskHoursChanged) -> Schedule | None:
    """The schedule that an event sets; None where it says that there are no hours."""
    return Schedule(event, tuple(map(_closure, event.closed))) if event.zone else None


def _closure(text: str) -> Closure:
    """Raises ValueError."""
    first, _, last = text.partition("/")
    found = Closure(date.fromisoformat(first), date.fromisoformat(last or first))
    if found.last < found.first:
        raise ValueError(f"{text!r} ends before it begins")
    return found


@lru_cache(maxsize=1)
def zones() -> tuple[str, ...]:
    """The time zones to choose from, by name."""
    return tuple(sorted(one for one in available_timezones() if "/" in one or one == "UTC"))


def decide(admin: Person, wanted: DeskHoursChanged) -> None:
    """Raises Refused: `no_autorizado`, or `datos_invalidos` with the `field` that is wrong (`zone`,
    `week`, `closed`, `away_es` or `away_en`)."""
    if not admin.is_admin:
        raise Refused("no_autorizado")
    for field, is_right in _CHECKS.items():
        if not is_right(wanted):
            raise Refused("datos_invalidos", field=field)


def _right_week(week: Sequence[Sequence[str]]) -> bool:
    return len(week) == 7 and all(
        len(day) <= MAX_SPANS and all(_SPAN.fullmatch(span) for span in day) for day in week
    )


def _right_closed(closed: Sequence[str]) -> bool:
    try:
        return len(closed) <= MAX_CLOSED and all(_closure(text) for text in closed)
    except ValueError:
        return False


def _right_text(text: str) -> bool:
    return is_text(text) and len(text) <= MAX_AWAY


_CHECKS: dict[str, Callable[[DeskHoursChanged], bool]] = {
    "zone": lambda one: not one.zone or one.zone in zones(),
    "week": lambda one: _right_week(one.week) if one.zone else one.week == (),
    "closed": lambda one: _right_closed(one.closed),
    "away_es": lambda one: _right_text(one.away_es),
    "away_en": lambda one: _right_text(one.away_en),
}


class Hours:
    """Sets the hours and knows them, from memory where possible: who subscribes `committed` to the
    feed sees what others change."""

    def __init__(
        self,
        writer: LogWriter,
        readers: Pool,
        now: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._now = now
        self._known: tuple[Schedule | None] | None = None
        self._state: State | None = None
        self._changes = 0

    async def set(self, admin: Person, wanted: DeskHoursChanged) -> bool:
        """Whether that is news. Raises Refused (see `decide`) and Unavailable."""
        decide(admin, wanted)
        current = await self.schedule()
        if current == schedule(wanted) or (current and _same(current.event, wanted)):
            return False
        await self._writer.append(draft(f"hours/{ids.HOURS}", wanted))
        self._forget()
        return True

    async def schedule(self) -> Schedule | None:
        """What there is now; None without hours. Raises Unavailable."""
        known = self._known
        if known is None:
            changes = self._changes
            known = (await self._read(),)
            if changes == self._changes:
                self._known = known
        return known[0]

    async def state(self) -> State | None:
        """Whether the desk is open now; None without hours. Raises Unavailable."""
        current = await self.schedule()
        if current is None:
            return None
        now, state = self._now(), self._state
        if state is None or (state.until is not None and state.until <= now):
            self._state = state = current.state(now)
        return state

    async def committed(self, batch: Sequence[Committed]) -> None:
        if any(one.row.type == DeskHoursChanged.type for one in batch):
            self._forget()

    def _forget(self) -> None:
        self._changes += 1
        self._known = self._state = None

    async def _read(self) -> Schedule | None:
        async with self._readers.connection() as connection:
            value = await connection.fetch_value("SELECT value FROM hours WHERE id = 1")
        if value is None:
            return None
        event = codec.decode(DeskHoursChanged.type, DeskHoursChanged.schema, value.encode())
        return schedule(event) if isinstance(event, DeskHoursChanged) else None


def _same(one: DeskHoursChanged, other: DeskHoursChanged) -> bool:
    return all(
        getattr(one, field) == getattr(other, field)
        for field in ("zone", "week", "closed", "away_es", "away_en")
    )
