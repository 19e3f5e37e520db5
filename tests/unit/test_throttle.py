"""Logins are slowed down where they fail, and nobody is locked out of their account."""

import itertools

import pytest

from registro.web.throttle import PRESSURE, LoginThrottle, RegistrationThrottle


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def throttle(clock):
    return LoginThrottle(clock)


def fail(throttle, times, user="eva", address="192.0.2.1"):
    for _ in range(times):
        throttle.attempt(user, address)


def test_a_few_attempts_are_free(throttle):
    fail(throttle, 4)
    assert throttle.wait("eva", "192.0.2.1") == 0


def test_pauses_double_up_to_a_limit(throttle, clock):
    fail(throttle, 5)
    pauses = []
    for _ in range(12):
        pauses.append(throttle.wait("eva", "192.0.2.1"))
        clock.now += pauses[-1]
        fail(throttle, 1)
    assert pauses[:4] == [2, 4, 8, 16]
    assert pauses[-1] == 900


def test_the_owner_is_not_locked_out_by_what_others_do(throttle):
    for n in range(200):
        fail(throttle, 1, address=f"198.51.100.{n}")
    assert throttle.wait("eva", "192.0.2.1") == 0


def test_unknown_addresses_are_slowed_at_an_account_under_attack_and_known_ones_are_not(throttle):
    throttle.attempt("eva", "192.0.2.1")
    throttle.succeeded("eva", "192.0.2.1")
    for n in range(PRESSURE):
        assert throttle.attempt("eva", f"198.51.100.{n}") == 0
    assert throttle.attempt("eva", "203.0.113.9") > 0
    assert throttle.attempt("eva", "192.0.2.1") == 0


def test_one_address_cannot_try_all_accounts(throttle):
    tried = itertools.takewhile(
        lambda n: throttle.wait(f"user {n}", "192.0.2.1") == 0, itertools.count()
    )
    for n in tried:
        fail(throttle, 1, user=f"user {n}")
        assert n < 1000
    assert throttle.wait("somebody else", "192.0.2.2") == 0


def test_success_forgets_the_failures_of_that_address_at_that_account(throttle):
    fail(throttle, 5)
    throttle.succeeded("eva", "192.0.2.1")
    assert throttle.wait("eva", "192.0.2.1") == 0


def test_an_attempt_that_the_store_could_not_decide_does_not_count(throttle):
    for _ in range(20):
        throttle.attempt("eva", "192.0.2.1")
        throttle.take_back("eva", "192.0.2.1")
    assert throttle.wait("eva", "192.0.2.1") == 0


def test_failures_are_forgotten_in_time(throttle, clock):
    fail(throttle, 30)
    clock.now += 3601
    assert throttle.wait("eva", "192.0.2.1") == 0


def test_an_address_makes_some_accounts_and_then_waits(clock):
    throttle = RegistrationThrottle(clock)
    made = 0
    while not throttle.wait("192.0.2.1"):
        throttle.made("192.0.2.1")
        made += 1
    assert made == 20
    assert throttle.wait("192.0.2.2") == 0
    clock.now += 31
    assert throttle.wait("192.0.2.1") == 0


def test_endless_names_are_not_kept(throttle):
    fail(throttle, 5, user="x" * 60_000)
    assert throttle.wait("x" * 60_001, "192.0.2.1") > 0
