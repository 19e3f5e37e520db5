"""What admins do to accounts, over each kind of database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from registro.config import Settings
from registro.errors import Conflict, Refused
from registro.events import reader
from registro.events.decide import Person
from registro.events.record import Recorded
from registro.events.store import draft
from registro.events.types import UserEnabled
from registro.services import Services
from registro.services.preferences import CHOICES, Preferences, chosen, from_text
from tests.support.queries import watched

PASSWORD = "caballo correcto 7"


@pytest.fixture
async def other(settings: Settings, services: Services) -> AsyncIterator[Services]:
    """A second process's services over the same database."""
    other = Services(settings)
    await other.start()
    yield other
    await other.stop()


async def person(services: Services, user: str, role: str = "user") -> Person:
    return await services.accounts.register(user, user.title(), role, "form", PASSWORD)  # type: ignore[arg-type]


async def log(services: Services, type_: str) -> list[Recorded]:
    async with services.readers.connection() as connection:
        return [row for row in await reader.read(connection, 0) if row.type == type_]


async def role_of(services: Services, who: Person) -> str:
    found = await services.people.one(who.id)
    assert found is not None
    return found.role


async def test_of_two_admins_who_demote_each_other_at_once_one_stays(
    services: Services, other: Services
) -> None:
    for number in range(8):
        one = await person(services, f"one-{number}", "admin")
        two = await person(services, f"two-{number}", "admin")
        outcomes = await asyncio.gather(
            services.administration.change_role(one, two.id, "user"),
            other.administration.change_role(two, one.id, "user"),
            return_exceptions=True,
        )
        roles = {await role_of(services, one), await role_of(services, two)}
        assert roles == {"admin", "user"}
        [refused] = [outcome for outcome in outcomes if outcome is not None]
        assert isinstance(refused, Refused)
        assert refused.code == "no_autorizado"


async def test_nobody_demotes_disables_or_resets_themselves(services: Services) -> None:
    ana = await person(services, "ana", "admin")
    acts = services.administration
    for act in (
        acts.change_role(ana, ana.id, "user"),
        acts.set_disabled(ana, ana.id, True),
        acts.reset_password(ana, ana.id),
    ):
        with pytest.raises(Refused) as refused:
            await act
        assert (refused.value.code, refused.value.details) == ("no_autorizado", {"reason": "self"})
    assert await services.accounts.verify_password("ana", PASSWORD, loopback=True) is not None


async def test_an_admin_who_is_none_any_more_does_nothing(services: Services) -> None:
    ana, marcos = await person(services, "ana", "admin"), await person(services, "marcos", "admin")
    eva = await person(services, "eva")
    await services.administration.set_disabled(ana, marcos.id, True)
    with pytest.raises(Refused, match="no_autorizado"):
        await services.administration.change_role(marcos, eva.id, "admin")
    assert await role_of(services, eva) == "user"


async def test_doing_the_same_again_records_nothing_new(services: Services) -> None:
    ana, eva = await person(services, "ana", "admin"), await person(services, "eva")
    for _ in range(2):
        await services.administration.change_role(ana, eva.id, "admin")
    [row] = await log(services, "user:role:changed")
    assert row.event().by == ana.id  # type: ignore[attr-defined]


async def test_an_append_is_refused_when_another_stream_has_moved_on(services: Services) -> None:
    ana, eva = await person(services, "ana", "admin"), await person(services, "eva")
    stale = draft(f"user/{eva.id}", UserEnabled(by=ana.id), given={f"user/{ana.id}": 0})
    with pytest.raises(Conflict) as conflict:
        await services.writer.append(stale)
    assert (conflict.value.expected, conflict.value.actual) == (0, 1)
    [row] = await services.writer.append(
        draft(f"user/{eva.id}", UserEnabled(by=ana.id), given={f"user/{ana.id}": 1})
    )
    assert row.version == 2


async def test_an_invitation_sets_a_password_once(services: Services) -> None:
    ana = await person(services, "ana", "admin")
    eva, link = await services.administration.invite(ana, "eva", "Eva", "admin")
    assert (await services.links.owner(link), eva.role) == (eva, "admin")
    with pytest.raises(Refused, match="datos_invalidos"):
        await services.links.use(link, "password1")
    assert await services.links.use(link, PASSWORD) == eva
    with pytest.raises(Refused, match="no_autorizado"):
        await services.links.use(link, "otra palabra 99")
    assert await services.accounts.verify_password("eva", PASSWORD, loopback=False) == eva
    [registered] = [row for row in await log(services, "user:registered") if eva.id in row.stream]
    assert registered.event().by == ana.id  # type: ignore[attr-defined]
    [changed] = await log(services, "user:password:changed")
    assert changed.event().by == eva.id  # type: ignore[attr-defined]


async def test_of_two_who_use_a_link_at_once_one_sets_the_password(
    services: Services, other: Services
) -> None:
    ana = await person(services, "ana", "admin")
    _, link = await services.administration.invite(ana, "eva", "Eva", "user")
    passwords = ["la primera palabra", "la segunda palabra"]
    outcomes = await asyncio.gather(
        services.links.use(link, passwords[0]),
        other.links.use(link, passwords[1]),
        return_exceptions=True,
    )
    [winner] = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Person)]
    verify = services.accounts.verify_password
    assert await verify("eva", passwords[winner], loopback=True) is not None
    assert await verify("eva", passwords[1 - winner], loopback=True) is None
    assert len(await log(services, "user:password:changed")) == 1


async def test_a_reset_takes_the_password_and_the_sessions_away(services: Services) -> None:
    ana, eva = await person(services, "ana", "admin"), await person(services, "eva")
    await services.sessions.start(eva, "a" * 64, 4_000_000_000)
    older = await services.administration.reset_password(ana, eva.id)
    assert await services.accounts.verify_password("eva", PASSWORD, loopback=True) is None
    assert await services.accounts.session_ended("a" * 64)
    newer = await services.administration.reset_password(ana, eva.id)
    assert await services.links.owner(older) is None
    await services.links.use(newer, "otra palabra 99")
    assert await services.accounts.verify_password("eva", "otra palabra 99", loopback=True) == eva
    assert newer not in str([row.payload for row in await log(services, "user:password:reset")])


async def test_a_link_ends_with_its_time_and_with_its_owner(services: Services) -> None:
    ana = await person(services, "ana", "admin")
    eva, link = await services.administration.invite(ana, "eva", "Eva", "user")
    await services.administration.set_disabled(ana, eva.id, True)
    assert await services.links.owner(link) is None
    await services.administration.set_disabled(ana, eva.id, False)
    assert await services.links.owner(link) is not None
    late = await services.links.make(eva, 0)
    assert await services.links.owner(late) is None
    assert await services.links.owner(link) is None


async def test_erasing_a_person_forgets_links_and_preferences(services: Services) -> None:
    ana = await person(services, "ana", "admin")
    eva, link = await services.administration.invite(ana, "eva", "Eva", "user")
    await services.preferences.keep(eva.id, Preferences(theme="dark"))
    await services.erasures.carry_out(await services.erasures.of_person(eva), "asked", "x")
    assert await services.links.owner(link) is None
    assert await services.preferences.of(eva.id) is None


async def test_people_are_found_by_parts_of_their_names_and_by_role(services: Services) -> None:
    for user, name, role in (
        ("ana", "Ana Ruiz", "admin"), ("eva", "Eva Álvarez", "user"), ("100%", "Cien", "user"),
    ):  # fmt: skip
        await services.accounts.register(user, name, role, "form")  # type: ignore[arg-type]

    async def found(search: str = "", role: str = "", after: str = "") -> list[str]:
        page = await services.people.list(search, after, 2, role)
        return [one.user for one in page.people]

    assert await found() == ["100%", "ana"]
    assert await found(after="ana") == ["eva"]
    assert await found("álvarez") == await found("ÁLVA") == ["eva"]
    assert await found("ruiz") == await found("an") == ["ana"]
    assert await found("%") == []
    assert await found("_") == []
    assert await found(role="admin") == ["ana"]
    assert await found("e", role="user") == ["100%", "eva"]


async def test_the_pages_take_a_fixed_number_of_statements(services: Services) -> None:
    ana = await person(services, "ana", "admin")
    for number in range(5):
        eva, _ = await services.administration.invite(ana, f"eva{number}", "Eva", "user")
        await services.sessions.start(eva, f"{number:064}", 4_000_000_000)
        await services.sessions.start(eva, f"{number + 10:064}", 4_000_000_000)
    with watched() as sent:
        await services.people.list()
        await services.people.list("ev", role="user")
        await services.people.one(eva.id)
        await services.audit.sockets_of(eva.id)
        await services.preferences.of(eva.id)
    assert len(sent) == 5


async def test_preferences_are_kept_and_nonsense_is_not(services: Services) -> None:
    someone = str(uuid4())
    assert await services.preferences.of(someone) is None
    wanted = Preferences("en", "dark", "compact", "off", "off", "on", "on", "off")
    await services.preferences.keep(someone, Preferences())
    await services.preferences.keep(someone, wanted)
    assert await services.preferences.of(someone) == wanted
    assert from_text("theme-purple.nothing.x-y.sound-on") == Preferences(sound="on")
    assert chosen({"theme": None, "density": "compact"}) == Preferences(density="compact")
    assert wanted.text().count(".") == len(CHOICES) - 1
