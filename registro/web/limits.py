"""How much one user may do: token buckets, in this process's memory."""

from __future__ import annotations

import time
from collections import OrderedDict

BURST = 20
"""Seconds' worth of the rate that may come at once."""

_CAPACITY = 100_000


class RateLimit:
    """`rate` a second for each key, and `burst` times as many (at least one) at once; a rate of 0
    means no limit."""

    def __init__(self, rate: float, burst: float = BURST) -> None:
        self._rate = rate
        self._size = max(1.0, rate * burst)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, now: float | None = None) -> bool:
        """Whether one more is allowed; `now` is in seconds on a clock that only goes forward."""
        if not self._rate:
            return True
        now = time.monotonic() if now is None else now
        level, at = self._buckets.pop(key, (self._size, now))
        level = min(self._size, level + (now - at) * self._rate)
        allowed = level >= 1
        self._buckets[key] = (level - 1 if allowed else level, now)
        if len(self._buckets) > _CAPACITY:
            self._buckets.popitem(last=False)  # the one that was used least recently
        return allowed
