"""Where the marks of a chart go: plain numbers, which templates turn into SVG.

Colours are classes of the style sheet, so that charts follow the reader's theme.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720, 190
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 10, 24
"""Room around the plot, for the labels of its axes."""

LINE = 14
"""Room between two labels of an axis."""

LABELS = 8
"""Labels on an axis of time, at most and about."""

LEVELS = 6
"""Shades of a heat map; the lightest is for nothing."""

_ROUND = (1, 2, 5)
_SECONDS = (0, 10, 60, 600, 3600, 21_600, 86_400, 604_800, 2_592_000, 31_536_000, 315_360_000)
"""Seconds to which lines are drawn: 10 s, 1 and 10 min, 1 and 6 h, 1, 7, 30 d, 1 and 10 years."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A line across at a height, and the value that it stands for."""

    y: float
    value: int


@dataclass(frozen=True, slots=True)
class Slot:
    """The room of one day: its left edge, width and middle, and heights of marks in it; `labelled`
    says whether there is room for its name."""

    x: float
    width: float
    middle: float
    labelled: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """Two parts, one on the other."""

    slot: Slot
    lower: tuple[float, float]
    upper: tuple[float, float]
    """Top edge and height."""


@dataclass(frozen=True, slots=True)
class Bars:
    bars: Sequence[Bar]
    ticks: Sequence[Tick]


@dataclass(frozen=True, slots=True)
class Lines:
    """`paths` are broken where there is no value; `points` are by line and day, None there."""

    slots: Sequence[Slot]
    paths: Sequence[str]
    points: Sequence[Sequence[float | None]]
    ticks: Sequence[Tick]


def bars(lower: Sequence[int], upper: Sequence[int]) -> Bars:
    """Stacked bars, one a day."""
    sums = [one + other for one, other in zip(lower, upper, strict=True)]
    step = _round_step(max(sums, default=0))
    top = _top(max(sums, default=0), step)

    def bar(slot: Slot, low: int, high: int) -> Bar:
        middle, end = _y(low, top), _y(low + high, top)
        return Bar(slot, (middle, _round(_y(0, top) - middle)), (end, _round(middle - end)))

    return Bars(list(map(bar, _slots(len(sums)), lower, upper)), _ticks(top, step))


def lines(*series: Sequence[int | None]) -> Lines:
    """Durations in seconds, by day; None where there was nothing. The scale is logarithmic, since
    some wait for a minute and others over the weekend."""
    most = max((value for one in series for value in one if value is not None), default=0)
    top = next((value for value in _SECONDS[2:] if value >= most), most)
    slots = _slots(len(series[0]))
    points = [[None if value is None else _log_y(value, top) for value in one] for one in series]
    ticks: list[Tick] = []
    for value in _SECONDS:
        tick = Tick(_log_y(value, top), value)
        if value <= top and (not ticks or ticks[-1].y - tick.y >= LINE):
            ticks.append(tick)
    return Lines(slots, [_path(slots, one) for one in points], points, ticks)


def level(value: int, most: int) -> int:
    """The shade of a value: 0 for nothing, else 1 to 5."""
    return 0 if value == 0 else 1 + (LEVELS - 2) * value // max(most, 1)


def _path(slots: Sequence[Slot], heights: Sequence[float | None]) -> str:
    parts, pen = [], "M"
    for slot, y in zip(slots, heights, strict=True):
        if y is None:
            pen = "M"
        else:
            parts.append(f"{pen}{slot.middle} {y}")
            pen = "L"
    return "".join(parts)


def _slots(number: int) -> Sequence[Slot]:
    each = (WIDTH - LEFT - RIGHT) / max(number, 1)
    every = -(-number // LABELS)
    gap = min(3.0, each / 5)
    return [
        Slot(
            _round(LEFT + n * each + gap / 2),
            _round(each - gap),
            _round(LEFT + (n + 0.5) * each),
            n % every == 0,
        )
        for n in range(number)
    ]


def _y(value: float, top: float) -> float:
    return _round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top))


def _log_y(seconds: int, top: int) -> float:
    return _y(math.log1p(seconds / 10), math.log1p(top / 10))


def _round(value: float) -> float:
    return round(value, 1)


def _round_step(most: int) -> int:
    """The least round number of which four reach the most."""
    power = 1
    while True:
        for digit in _ROUND:
            if 4 * digit * power >= most:
                return digit * power
        power *= 10


def _top(most: int, step: int) -> int:
    return max(step, -(-most // step) * step)


def _ticks(top: int, step: int) -> Sequence[Tick]:
    return [Tick(_y(value, top), value) for value in range(0, top + 1, step)]
