"""How much one user may do: token buckets, in this process's memory."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import NamedTuple

BURST = 20
"""Seconds' worth of the rate that may come at once."""

SLOW = 0.1
"""The last part of a bucket, in which who asks is slowed down."""

MAX_PAUSE = 0.25
"""Seconds that one turn is slowed down at most: pongs wait that long."""

LINE = 5
"""Seconds that newcomers wait in line at most."""

_CAPACITY = 100_000


class Turn(NamedTuple):
    """Whether one more is allowed, and how many seconds to keep waiting who asked."""

    allowed: bool
    pause: float


class RateLimit:
    """`rate` a second for each key, and `burst` times as many (at least one) at once; a rate of 0
    means no limit. Before somebody is refused, they are slowed down; and while they are refused,
    too, so that asking on and on costs little."""

    def __init__(self, rate: float, burst: float = BURST) -> None:
        self._rate = rate
        self._size = max(1.0, rate * burst)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, now: float | None = None) -> bool:
        """Whether one more is allowed; `now` is in seconds on a clock that only goes forward."""
        return self.turn(key, now).allowed

    def turn(self, key: str, now: float | None = None) -> Turn:
        """`take`, with how long to keep waiting who asked."""
        if not self._rate:
            return Turn(True, 0)
        now = time.monotonic() if now is None else now
        level, at = self._buckets.pop(key, (self._size, now))
        level = min(self._size, level + (now - at) * self._rate)
        allowed = level >= 1
        self._buckets[key] = (level - 1 if allowed else level, now)
        if len(self._buckets) > _CAPACITY:
            self._buckets.popitem(last=False)  # the one that was used least recently
        if level > self._size * SLOW:
            return Turn(allowed, 0)
        return Turn(allowed, min(MAX_PAUSE, (0.5 if allowed else 1) / self._rate))


class Admission:
    """Lets `rate` newcomers a second in, and a second's worth at once. Others wait in line, those
    who would wait longer than LINE are turned away. A rate of 0 lets everybody in."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._next = 0.0

    async def enter(self) -> bool:
        """Whether a newcomer was let in."""
        wait = self.place(time.monotonic())
        if wait is None:
            return False
        if wait > 0:
            await asyncio.sleep(wait)
        return True

    def place(self, now: float) -> float | None:
        """Seconds to wait for the next place in the line; None when the line is too long."""
        if not self._rate:
            return 0
        place = max(self._next, now - 1)
        if place - now > LINE:
            return None
        self._next = place + 1 / self._rate
        return max(0.0, place - now)
