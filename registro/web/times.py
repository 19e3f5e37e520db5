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

from registro.web import i18n
from registro.web.i18n import Language

COOKIE = "zona"


def zone_of(request: Request) -> ZoneInfo:
    return _zone(request.cookies.get(COOKIE, "UTC"))


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
        self._now = now
        self._today = self._local(now).date()

    def time(self, at: int) -> str:
        """14:05"""
        return f"{self._local(at):%H:%M}"

    def day(self, at: int) -> str:
        """Today, yesterday, or a date in words."""
        day = self._local(at).date()
        _ = self._language.say
        if day == self._today:
            return _("Today")
        if day == self._today - timedelta(days=1):
            return _("Yesterday")
        return _long(day, self._today.year, self._language.code)

    def day_key(self, at: int) -> str:
        return self._local(at).date().isoformat()

    def full(self, at: int) -> str:
        """A day and a time."""
        return f"{self.day(at)}, {self.time(at)}"

    def ago(self, at: int) -> str:
        """In a list: now, 5 min, 14:05, yesterday, Mon, 16 Nov, 16/11/25."""
        _ = self._language.say
        seconds = (self._now - at) // 1_000_000
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
