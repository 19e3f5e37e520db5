"""Where the marks of charts go, and what spreadsheets get."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registro.services.reports import percentile
from registro.web import charts, spreadsheets


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=366))
def test_bars_stand_on_each_other_and_inside(days: list[tuple[int, int]]) -> None:
    chart = charts.bars([one for one, _ in days], [other for _, other in days])
    assert len(chart.bars) == len(days)
    for bar in chart.bars:
        (middle, _), (top, height) = bar.lower, bar.upper
        assert charts.TOP - 0.2 <= top <= middle <= charts.HEIGHT - charts.BOTTOM
        assert top + height == pytest.approx(middle)
        assert charts.LEFT <= bar.slot.x <= charts.WIDTH - charts.RIGHT
    assert 2 <= len(chart.ticks) <= 5


@given(st.lists(st.none() | st.integers(0, 10**9), min_size=1, max_size=90))
def test_longer_waits_are_higher_and_days_without_any_break_the_line(
    seconds: list[int | None],
) -> None:
    chart = charts.lines(seconds)
    points = chart.points[0]
    pairs = [(s, y) for s, y in zip(seconds, points, strict=True) if s is not None]
    assert [y is None for y in points] == [s is None for s in seconds]
    heights = [y for _, y in sorted(pairs)]
    assert heights == sorted(heights, reverse=True)
    runs = "".join(" " if s is None else "x" for s in seconds).split()
    assert chart.paths[0].count("M") == len(runs)


def test_shades_go_from_nothing_to_the_most() -> None:
    assert [charts.level(n, 10) for n in (0, 1, 5, 9, 10)] == [0, 1, 3, 4, 5]
    assert charts.level(0, 0) == 0


@given(st.lists(st.integers(0, 100), min_size=1), st.sampled_from([50, 90]))
def test_a_percentile_is_the_least_of_the_waits_that_so_many_do_not_exceed(
    waits: list[int], percent: int
) -> None:
    found = percentile(sorted(waits), percent)
    enough = [w for w in waits if 100 * sum(other <= w for other in waits) >= percent * len(waits)]
    assert found == min(enough)
    assert percentile([], percent) is None


def test_nothing_in_a_spreadsheet_is_a_formula() -> None:
    for text in ("=1+1", "+1", "-1", "@x", "\tx", "\rx", "＝1", " =1"):
        assert spreadsheets.text([[text]]) == f'"\'{text}"\r\n'
    row = ['Ana "la jefa", S. L.', 12, None]
    assert spreadsheets.text([row]) == '"Ana ""la jefa"", S. L.",12,""\r\n'
