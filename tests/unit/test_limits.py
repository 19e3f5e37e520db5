"""Token buckets: a rate that may be kept up, and a burst."""

from hypothesis import given
from hypothesis import strategies as st

from registro.web import limits
from registro.web.limits import Admission, RateLimit


def taken(limit, count, now, key="ada"):
    return sum(limit.take(key, now) for _ in range(count))


def test_twenty_times_the_rate_may_come_at_once_and_then_the_rate():
    limit = RateLimit(5)
    assert taken(limit, 1000, 0.0) == 100
    assert taken(limit, 1000, 1.0) == 5
    assert taken(limit, 1000, 1.1) == 0
    assert taken(limit, 1000, 1000.0) == 100


def test_a_rate_below_one_message_in_twenty_seconds_lets_one_through_at_a_time():
    limit = RateLimit(0.01)
    assert taken(limit, 10, 0.0) == 1
    assert taken(limit, 10, 99.0) == 0
    assert taken(limit, 10, 101.0) == 1


def test_everybody_has_a_bucket_of_their_own():
    limit = RateLimit(1)
    assert taken(limit, 30, 0.0, "ada") == taken(limit, 30, 0.0, "bea") == 20


def test_a_rate_of_0_is_no_limit():
    assert taken(RateLimit(0), 10_000, 0.0) == 10_000


@given(st.floats(0.1, 100), st.lists(st.floats(0, 10), min_size=1, max_size=200))
def test_no_more_than_burst_and_rate_ever_come_through(rate, pauses):
    limit, now, allowed = RateLimit(rate), 0.0, 0
    for pause in pauses:
        now += pause
        allowed += limit.take("ada", now)
    assert allowed <= rate * (limits.BURST + now - pauses[0]) + 1e-6


def test_who_was_not_seen_for_longest_is_forgotten_first(monkeypatch):
    monkeypatch.setattr(limits, "_CAPACITY", 2)
    limit = RateLimit(1, burst=1)
    for key in ("ada", "bea", "ada", "eva"):
        limit.take(key, 0.0)
    assert not limit.take("ada", 0.0)
    assert limit.take("bea", 0.0)


def test_before_somebody_is_refused_they_are_slowed_down_and_then_more():
    limit = RateLimit(50)
    turns = [limit.turn("ada", 0.0) for _ in range(1010)]
    assert [turn.allowed for turn in turns] == [True] * 1000 + [False] * 10
    assert [turn.pause for turn in turns] == [0] * 900 + [0.01] * 100 + [0.02] * 10


def test_nobody_is_kept_waiting_longer_than_pongs_may():
    limit = RateLimit(0.1)
    turns = [limit.turn("ada", 0.0) for _ in range(3)]
    assert [turn.pause for turn in turns] == [0, 0, limits.MAX_PAUSE]


def test_newcomers_are_let_in_at_the_rate_after_a_seconds_worth():
    admission = Admission(10)
    places = [admission.place(100.0) for _ in range(62)]
    assert places[:11] == [0] * 11
    waiting = [round(place, 3) for place in places[11:61] if place is not None]
    assert waiting == [round(n / 10, 3) for n in range(1, 51)]
    assert places[61] is None
    assert admission.place(101.0) is not None


def test_an_admission_rate_of_0_lets_everybody_in():
    unlimited = Admission(0)
    assert all(unlimited.place(0.0) == 0 for _ in range(10_000))
