"""Token buckets: a rate that may be kept up, and a burst."""

from hypothesis import given
from hypothesis import strategies as st

from registro.web import limits
from registro.web.limits import RateLimit


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
