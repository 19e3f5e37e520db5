"""Logins: renewed for a while, and ended with all their tokens."""

from __future__ import annotations

import asyncio
import time

import pytest

from registro.errors import Refused
from registro.events.decide import Person
from registro.services import Services
from registro.services.sessions import LONGEST_LOGIN

IN_AN_HOUR = int(time.time()) + 3600


@pytest.fixture
async def person(services: Services) -> Person:
    return await services.accounts.register("eva", "Eva", "user", "fixtures")


async def test_a_renewed_token_and_the_one_before_are_both_good(services, person):
    await services.sessions.start(person, "first", IN_AN_HOUR)
    await services.sessions.renew(person, "first", "second", IN_AN_HOUR)

    assert not await services.accounts.session_ended("first")
    assert not await services.accounts.session_ended("second")


async def test_logging_out_ends_all_tokens_of_the_login_and_no_others(services, person):
    await services.sessions.start(person, "laptop", IN_AN_HOUR)
    await services.sessions.start(person, "phone", IN_AN_HOUR)
    await services.sessions.renew(person, "laptop", "laptop 2", IN_AN_HOUR)
    await services.sessions.renew(person, "laptop 2", "laptop 3", IN_AN_HOUR)

    await services.sessions.end(person, "laptop 2", "logout", person.id)

    keys = ("laptop", "laptop 2", "laptop 3", "phone")
    ended = [await services.accounts.session_ended(key) for key in keys]
    assert ended == [True, True, True, False]


async def test_after_the_logout_no_token_of_the_login_is_renewed(services, person):
    await services.sessions.start(person, "first", IN_AN_HOUR)
    await services.sessions.renew(person, "first", "second", IN_AN_HOUR)
    await services.sessions.end(person, "second", "logout", person.id)

    with pytest.raises(Refused, match="no_autorizado"):
        await services.sessions.renew(person, "first", "third", IN_AN_HOUR)


async def test_a_token_is_not_renewed_past_a_logout_at_the_same_time(services, person):
    for n in range(10):
        await services.sessions.start(person, f"{n} old", IN_AN_HOUR)
        renewed, _ = await asyncio.gather(
            services.sessions.renew(person, f"{n} old", f"{n} new", IN_AN_HOUR),
            services.sessions.end(person, f"{n} old", "logout", person.id),
            return_exceptions=True,
        )
        ended = await services.accounts.session_ended(f"{n} new")
        assert isinstance(renewed, Refused) or ended


async def test_a_login_is_not_renewed_for_ever(services, person, monkeypatch):
    await services.sessions.start(person, "first", IN_AN_HOUR)
    later = time.time_ns() // 1000 + (LONGEST_LOGIN + 1) * 1_000_000
    monkeypatch.setattr("registro.services.sessions._now", lambda: later)

    with pytest.raises(Refused, match="no_autorizado"):
        await services.sessions.renew(person, "first", "second", IN_AN_HOUR)


async def test_a_token_from_elsewhere_is_ended_and_not_renewed(services, person):
    with pytest.raises(Refused, match="no_autorizado"):
        await services.sessions.renew(person, "foreign", "second", IN_AN_HOUR)
    await services.sessions.end(person, "foreign", "logout", person.id)

    assert await services.accounts.session_ended("foreign")
