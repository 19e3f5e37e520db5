"""Changing one's own password, on each kind of database."""

from __future__ import annotations

import pytest

from registro.errors import Refused
from registro.events.decide import Person
from registro.services import Services
from tests.store.test_answers import types
from tests.store.test_desk import person

PASSWORD, OTHER = "caballo correcto 7", "grapa de batería 8"


async def with_password(services: Services) -> Person:
    return await services.accounts.register("eva", "Eva", "user", "form", PASSWORD)


async def may_enter(services: Services, password: str) -> bool:
    found = await services.accounts.verify_password("eva", password, loopback=True)
    return found is not None


async def test_ones_own_password_is_changed_with_the_old_one_alone(services: Services) -> None:
    eva = await with_password(services)
    change = services.accounts.change_password
    assert not await change(eva, "no es esta", OTHER, loopback=True)
    with pytest.raises(Refused) as refused:
        await change(eva, PASSWORD, "password1", loopback=True)
    assert refused.value.details["reason"] == "common"
    assert await types(services, "user:password") == []
    assert await change(eva, PASSWORD, OTHER, loopback=True)
    assert await may_enter(services, OTHER)
    assert not await may_enter(services, PASSWORD)
    assert await types(services, "user:password") == ["user:password:changed"]


async def test_a_reset_at_the_same_time_wins(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, eva = await person(services, "ana", "admin"), await with_password(services)
    append = services.writer.append

    async def then_a_reset(*drafts: object, **options: object) -> object:
        monkeypatch.setattr(services.writer, "append", append)
        done = await append(*drafts, **options)  # type: ignore[arg-type]
        await services.administration.reset_password(ana, eva.id)
        return done

    monkeypatch.setattr(services.writer, "append", then_a_reset)
    await services.accounts.change_password(eva, PASSWORD, OTHER, loopback=True)
    assert not await may_enter(services, OTHER)
    assert not await may_enter(services, PASSWORD)
