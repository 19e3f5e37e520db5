"""Whether the desk is open, and when that changes."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registro.errors import Refused
from registro.events.decide import Person
from registro.events.types import DeskHoursChanged
from registro.services import hours
from registro.services.hours import Schedule, State

WEEKDAYS = ("09:00-14:00", "16:00-19:00")
ANA = Person("1", "ana", "Ana", "admin")


def event(
    week: tuple[tuple[str, ...], ...], zone: str = "Europe/Madrid", closed: tuple[str, ...] = ()
) -> DeskHoursChanged:
    return DeskHoursChanged(zone=zone, week=week, closed=closed, away_es="", away_en="", by="1")


def usual(closed: tuple[str, ...] = ()) -> Schedule:
    made = hours.schedule(event((*[WEEKDAYS] * 5, (), ()), closed=closed))
    assert made is not None
    return made


def nights(*spans: str, zone: str = "Europe/Madrid") -> Schedule:
    made = hours.schedule(event(((spans),) * 7, zone))
    assert made is not None
    return made


def at(text: str, fold: int = 0, zone: str = "Europe/Madrid") -> int:
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return int(local.timestamp() * 1_000_000)


def test_it_is_open_from_the_beginning_of_a_span_up_to_its_end() -> None:
    assert usual().state(at("2026-11-24 08:59")) == State(False, at("2026-11-24 09:00"))
    assert usual().state(at("2026-11-24 09:00")) == State(True, at("2026-11-24 14:00"))
    assert usual().state(at("2026-11-24 14:00")) == State(False, at("2026-11-24 16:00"))


def test_after_the_last_span_of_the_week_it_is_back_on_monday() -> None:
    assert usual().state(at("2026-11-27 19:00")) == State(False, at("2026-11-30 09:00"))


def test_on_closed_days_nothing_begins() -> None:
    schedule = usual(("2026-11-30", "2026-12-01/2026-12-03"))
    assert schedule.state(at("2026-11-27 19:00")) == State(False, at("2026-12-04 09:00"))
    assert schedule.state(at("2026-12-02 10:00")) == State(False, at("2026-12-04 09:00"))


def test_a_span_may_go_on_past_midnight_even_into_a_closed_day() -> None:
    made = hours.schedule(event((("22:00-06:00",),) * 7, closed=("2026-11-25",)))
    assert made is not None
    assert made.state(at("2026-11-25 03:00")) == State(True, at("2026-11-25 06:00"))
    assert made.state(at("2026-11-25 23:00")) == State(False, at("2026-11-26 22:00"))


def test_days_that_touch_are_one_span() -> None:
    week = (("00:00-00:00",), ("00:00-08:00",), (), (), (), (), ())
    made = hours.schedule(event(week))
    assert made is not None
    assert made.state(at("2026-11-23 12:00")) == State(True, at("2026-11-24 08:00"))


def test_who_is_always_there_or_never_has_no_next_change() -> None:
    assert nights("00:00-00:00").state(at("2026-11-24 12:00")) == State(True, None)
    closed = hours.schedule(event(((),) * 7))
    assert closed is not None
    assert closed.state(at("2026-11-24 12:00")) == State(False, None)


def test_a_change_to_summer_time_shortens_the_night() -> None:
    night = nights("22:00-06:00")  # clocks go from 2:00 to 3:00
    assert night.state(at("2026-03-29 05:59")) == State(True, at("2026-03-29 06:00"))
    late = nights("02:30-03:30")
    assert late.state(at("2026-03-29 03:29")).open is False
    assert late.state(at("2026-03-30 02:45")).open is True


def test_the_hour_that_comes_twice_is_open_twice() -> None:
    late = nights("01:00-02:30")  # clocks go back from 3:00 to 2:00
    assert late.state(at("2026-10-25 02:29", fold=0)).open is True
    assert late.state(at("2026-10-25 02:29", fold=1)) == State(True, at("2026-10-25 02:30", fold=1))


@given(st.integers(0, 365 * 24 * 60), st.sampled_from(["Europe/Madrid", "America/Santiago"]))
def test_a_state_holds_until_it_changes_and_no_longer(minute: int, zone: str) -> None:
    made = hours.schedule(event((("09:00-14:00", "22:00-03:00"),) * 3 + ((),) * 4, zone))
    assert made is not None
    now = at("2026-01-01 00:00") + minute * 60_000_000
    state = made.state(now)
    assert state.until is not None
    assert state.until > now
    assert made.state(state.until - 1) == state
    assert made.state(state.until).open is not state.open


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (event(((),) * 7, zone="Europe/Atlantis"), "zone"),
        (event(((),) * 6), "week"),
        (event((("9-14",), *((),) * 6)), "week"),
        (event((("09:00-",), *((),) * 6)), "week"),
        (event((("25:00-26:00",), *((),) * 6)), "week"),
        (event(((),) * 7, closed=("mañana",)), "closed"),
        (event(((),) * 7, closed=("2026-08-15/2026-08-01",)), "closed"),
        (DeskHoursChanged("", (), (), "x" * 501, "", "1"), "away_es"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_field(wrong: DeskHoursChanged, field: str) -> None:
    with pytest.raises(Refused) as refused:
        hours.decide(ANA, wrong)
    assert refused.value.details == {"field": field}


def test_users_set_no_hours() -> None:
    with pytest.raises(Refused, match="no_autorizado"):
        hours.decide(ANA._replace(role="user"), event(((),) * 7))
