"""Times for people: in the reader's zone and language. `static/times.js` says the same in scripts.

The zone is in a cookie that a script sets; without it times are UTC.
"""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from babel.dates import format_date
from sanic import Request

from registro.events.codec import MAX_INTEGER
from registro.web import i18n
from registro.web.i18n import Language

COOKIE = "zona"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def zone_of(request: Request) -> ZoneInfo:
    """The reader's zone: the one that the request was given (`request.ctx.zone`), the cookie's, or
    UTC."""
    given = getattr(request.ctx, "zone", None)
    return _zone(given or request.cookies.get(COOKIE, "UTC"))


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name if name in _zones() else "UTC")


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def clock(request: Request) -> Clock:
    """Times for whoever asks, as of now; in a replay, as of its end."""
    replay = request.app.ctx.replay
    now = time.time_ns() // 1000 if replay is None else replay.shown.recorded_at
    return Clock(i18n.of(request), zone_of(request), now)


class Clock:
    """Times as one reader sees them, all against the same `now` (microseconds since 1970)."""

    def __init__(self, language: Language, zone: ZoneInfo, now: int) -> None:
        self._language = language
        self._zone = zone
        self.now = now
        self._today = self._local(now).date()

    def time(self, at: int) -> str:
        """14:05"""
        return f"{self._local(at):%H:%M}"

    def second(self, at: int) -> str:
        """14:05:09"""
        return f"{self._local(at):%H:%M:%S}"

    def day(self, at: int) -> str:
        """Today, yesterday, or a date in words: a heading."""
        _ = self._language.say
        return self._day(at, _("Today"), _("Yesterday"))

    def _day(self, at: int, today: str, yesterday: str) -> str:
        day = self._local(at).date()
        if day == self._today:
            return today
        if day == self._today - timedelta(days=1):
            return yesterday
        return _long(day, self._today.year, self._language.code)

    def day_key(self, at: int) -> str:
        return self._local(at).date().isoformat()

    def full(self, at: int) -> str:
        """A day and a time, within a sentence."""
        _ = self._language.say
        return f"{self._day(at, _('today'), _('yesterday'))}, {self.time(at)}"

    def exact(self, at: int) -> str:
        """A day and a time with its seconds, within a sentence."""
        _ = self._language.say
        return f"{self._day(at, _('today'), _('yesterday'))}, {self.second(at)}"

    def stamp(self, at: int) -> str:
        """In tables: 14:05:09 of today, 16 Nov 14:05:09, 16/11/25 14:05:09."""
        day = self._local(at).date()
        if day == self._today:
            return self.second(at)
        # Like days that are long ago: by date, never by the day of the week.
        return f"{_short(day, 7, self._today.year, self._language.code)} {self.second(at)}"

    def since(self, at: int) -> int:
        """Milliseconds from a moment until now."""
        return max(0, self.now - at) // 1000

    def field(self, at: int) -> str:
        """2026-11-24T14:05, as `datetime-local` fields of forms have it."""
        return f"{self._local(at):%Y-%m-%dT%H:%M}"

    def weekday(self, at: int) -> int:
        """0 on a Monday to 6 on a Sunday."""
        return self._local(at).weekday()

    def hour(self, at: int) -> int:
        """0 to 23"""
        return self._local(at).hour

    def read(self, text: str) -> int:
        """Microseconds since 1970 of RFC 3339, or of a day or a day and time in the reader's zone.
        Raises ValueError for what is neither, or not from 1970 to 2255."""
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self._zone)
        at = (moment - _EPOCH) // timedelta(microseconds=1)
        if not 0 <= at <= MAX_INTEGER:
            raise ValueError(f"{text!r} is out of range")
        return at

    def ago(self, at: int) -> str:
        """In a list: now, 5 min, 14:05, yesterday, Mon, 16 Nov, 16/11/25."""
        _ = self._language.say
        seconds = (self.now - at) // 1_000_000
        day = self._local(at).date()
        if seconds < 60:
            return _("now")
        if seconds < 3600:
            return _("{minutes} min", minutes=seconds // 60)
        if day == self._today:
            return self.time(at)
        if day == self._today - timedelta(days=1):
            return _("yesterday")
        return _short(day, (self._today - day).days, self._today.year, self._language.code)

    def _local(self, at: int) -> datetime:
        return datetime.fromtimestamp(at / 1_000_000, UTC).astimezone(self._zone)


_ROUNDED = ((86_400, 3600), (3600, 60))
"""Seconds from which a duration is told in whole hours, or minutes."""


def duration(milliseconds: int) -> str:
    """The two largest units of a time, rounded: 45 s, 12 min 5 s, 3 h 12 min, 2 d 4 h."""
    unit = next((unit for least, unit in _ROUNDED if milliseconds >= least * 1000), 1)
    seconds = round(milliseconds / 1000 / unit) * unit
    parts = [(seconds // 86_400, "d"), (seconds // 3600 % 24, "h"),
             (seconds // 60 % 60, "min"), (seconds % 60, "s")]  # fmt: skip
    first = next((n for n, (count, _) in enumerate(parts) if count), len(parts) - 1)
    shown = [f"{count} {unit}" for count, unit in parts[first : first + 2] if count]
    return " ".join(shown) or "0 s"


_LONG = {"es": "EEEE, d 'de' MMMM", "en": "EEEE, d MMMM"}
_LONG_YEAR = {"es": "d 'de' MMMM 'de' y", "en": "d MMMM y"}


@lru_cache(maxsize=4096)
def _long(day: date, this_year: int, language: str) -> str:
    patterns = _LONG if day.year == this_year else _LONG_YEAR
    return format_date(day, patterns[language], locale=language)


@lru_cache(maxsize=4096)
def _short(day: date, days_ago: int, this_year: int, language: str) -> str:
    if days_ago < 7:
        return format_date(day, "EEE", locale=language)
    pattern = "d MMM" if day.year == this_year else "d/M/yy"
    return format_date(day, pattern, locale=language)
