"""The services over each kind of database: two processes, one log."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from registro.config import Settings
from registro.errors import Refused, Unavailable
from registro.events import reader
from registro.events.decide import Person
from registro.events.record import Recorded
from registro.events.store import draft
from registro.events.types import ConnectionClosed, ConnectionOpened
from registro.events.writer import Committed
from registro.services import Services
from tests.conftest import SECRET
from tests.support import clients
from tests.support.server import Server
from tests.support.waiting import until


@pytest.fixture
async def other(settings: Settings, services: Services) -> AsyncIterator[Services]:
    """A second process's services over the same database."""
    other = Services(settings)
    await other.start()
    yield other
    await other.stop()


async def person(services: Services, user: str = "eva", role: str = "user") -> Person:
    return await services.accounts.register(user, user.title(), role, "form")  # type: ignore[arg-type]


async def say(services: Services, who: Person, text: str, **more: object) -> int:
    sending = await services.chat.send(
        who, str(more.get("para", "admin")), text, more.get("id"), more.get("seen"), None
    )  # type: ignore[arg-type]
    return (await sending.stored()).version


async def test_each_process_hears_of_all_events_once_and_in_order(
    services: Services, other: Services
) -> None:
    heard: dict[str, list[int]] = {"one": [], "other": []}

    def listen(name: str, to: Services) -> None:
        async def subscriber(batch: Sequence[Committed]) -> None:
            heard[name] += [committed.row.position for committed in batch]

        to.feed.subscribers.append(subscriber)

    listen("one", services)
    listen("other", other)
    eva = await person(services)
    for number in range(10):
        await asyncio.gather(say(services, eva, f"a{number}"), say(other, eva, f"b{number}"))
    await until(lambda: all(len(positions) == 21 for positions in heard.values()))
    assert heard == {"one": list(range(1, 22)), "other": list(range(1, 22))}


async def test_a_subscriber_that_fails_does_not_stop_the_feed(services: Services) -> None:
    heard: list[int] = []

    async def failing(batch: Sequence[Committed]) -> None:
        raise RuntimeError("no")

    async def listening(batch: Sequence[Committed]) -> None:
        heard.extend(committed.row.position for committed in batch)

    services.feed.subscribers += [failing, listening]
    eva = await person(services)
    await say(services, eva, "hola")
    await until(lambda: heard == [1, 2])


async def test_a_role_that_another_process_changes_is_seen_here(
    services: Services, other: Services
) -> None:
    eva = await person(services)
    assert not (await other.directory.by_user("eva")).is_admin  # type: ignore[union-attr]
    await services.accounts.change_role(eva, "admin", "test")

    async def is_admin() -> bool:
        return (await other.directory.by_user("eva")).is_admin  # type: ignore[union-attr]

    await until(is_admin)


async def test_two_processes_register_one_name_once(services: Services, other: Services) -> None:
    outcomes = await asyncio.gather(person(services), person(other), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Person", "Refused"]


async def test_the_same_id_over_two_processes_is_one_message(
    services: Services, other: Services
) -> None:
    eva, id_ = await person(services), str(uuid4())
    seqs = await asyncio.gather(*(say(s, eva, "hola", id=id_) for s in (services, other, services)))
    assert seqs == [1, 1, 1]


async def test_an_answer_that_something_unseen_has_overtaken_is_refused_with_it(
    services: Services,
) -> None:
    eva, ana = await person(services), await person(services, "ana", "admin")
    await say(services, eva, "uno")
    await say(services, eva, "dos")
    with pytest.raises(Refused, match="hay_novedades") as caught:
        await say(services, ana, "respuesta", para="eva", seen=1)
    assert [m["mensaje"] for m in caught.value.details["mensajes"]] == ["dos"]  # type: ignore[union-attr,attr-defined]
    with pytest.raises(Refused, match="datos_invalidos"):
        await say(services, ana, "respuesta", para="eva", seen=9)
    assert await say(services, ana, "respuesta", para="eva", seen=2) == 3


def opening(who: Person, node: str) -> ConnectionOpened:
    return ConnectionOpened(
        user=who.id, role=who.role, session="k", transport="websocket", node=node
    )


async def test_connections_of_a_dead_process_are_closed_and_no_others(
    services: Services, other: Services
) -> None:
    eva = await person(services)
    dead, alive = str(uuid4()), str(uuid4())
    await services.nodes.open_connection(alive, opening(eva, other.nodes.id))
    await services.writer.append(
        draft(f"connection/{dead}", opening(eva, str(uuid4())), expected=0)
    )

    async def closed() -> bool:
        async with services.readers.connection() as connection:
            rows = await connection.fetch_all(
                "SELECT id, reason FROM connections WHERE closed_at IS NOT NULL"
            )
        return [tuple(row) for row in rows] == [(dead, "crash")]

    await services.nodes._close_dead()
    await other.nodes._close_dead()
    await until(closed)
    async with services.readers.connection() as connection:
        assert (await reader.head(connection)).position == 4  # closed once, by whoever was first


async def test_a_closing_waits_while_the_store_is_away(services: Services) -> None:
    eva, id_ = await person(services), str(uuid4())
    await services.nodes.open_connection(id_, opening(eva, services.nodes.id))
    services.writer.away = "test"
    with pytest.raises(Unavailable):
        await say(services, eva, "hola")
    services.nodes.close_connection(
        id_, ConnectionClosed(user=eva.id, reason="transport close", milliseconds=5)
    )
    services.writer.away = None
    services.nodes._submit_closings()

    async def offline() -> bool:
        return (await services.presence([eva.id]))[eva.id][0] is False

    await until(offline)


async def test_catching_up_goes_page_by_page(services: Services) -> None:
    eva = await person(services)
    for number in range(205):
        sending = await services.chat.send(eva, "admin", str(number), None, None, None)
    await sending.stored()
    page = await services.chat.catch_up(eva, {}, 0)
    assert ([m.text for m in page.messages], page.more) == ([str(n) for n in range(200)], True)
    rest = await services.chat.catch_up(eva, {}, page.messages[-1].position)
    assert ([m.text for m in rest.messages], rest.more) == (
        [str(n) for n in range(200, 205)],
        False,
    )


async def test_what_was_read_before_a_change_is_not_remembered_after_it(
    services: Services,
) -> None:
    eva = await person(services)
    directory = services.directory
    directory.committed(await _rows(services))
    read_one = directory._one

    async def overtaken(*arguments: Any) -> Person | None:
        changes, found = directory._changes, await read_one(*arguments)
        await services.accounts.set_disabled(eva, True, "test")
        await until(lambda: directory._changes > changes)
        return None if found is None else directory._remember(found, changes)

    directory._one = overtaken  # type: ignore[method-assign]
    await directory.by_user("eva")
    directory._one = read_one  # type: ignore[method-assign]
    assert (await directory.by_user("eva")).disabled  # type: ignore[union-attr]


async def _rows(services: Services) -> list[Recorded]:
    async with services.readers.connection() as connection:
        return await reader.read(connection, 0)


def test_whoever_starts_it_on_an_empty_database_is_told_how_to_log_in(
    tmp_path: Path, database_url: str
) -> None:
    environ = {"JWT_SECRET": SECRET, "DATABASE_URL": database_url}
    with Server(tmp_path, environ, fixtures=True) as server:
        clients.until(lambda: "  user   " in server.output(), "the demo logins")
        password = re.search(r"all with the password (\S+)", server.output())
        assert password is not None
        answer = httpx.post(f"{server.url}/auth", data={"user": "ana", "pass": password[1]})
        assert (answer.status_code, answer.headers["location"]) == (303, "/soporte")
