"""Projections that follow the log: once each, whoever folds, with a checkpoint of their own."""

from __future__ import annotations

import asyncio

from registro.db.connection import DatabaseConnection
from registro.events.store import draft
from registro.projections import comparing, following, generations, registry
from registro.projections.activity import PROJECTION as ACTIVITY
from registro.services import running
from tests.conftest import settings_for
from tests.store.test_rebuild import dump_of, erase, messages
from tests.support import logs
from tests.support.waiting import until


async def lag(connection: DatabaseConnection) -> int:
    status = {one.name: one for one in await generations.status(connection)}
    return status["activity"].lag


async def test_what_was_appended_is_folded_later_and_the_status_says_how_much_is_left(
    connection: DatabaseConnection,
) -> None:
    await logs.record(connection, messages(40))
    assert await lag(connection) == 45
    assert await following.follow(connection, ACTIVITY) == 45
    assert await lag(connection) == 0
    assert await following.follow(connection, ACTIVITY) == 0


async def test_many_who_fold_at_once_fold_every_event_once(
    connection: DatabaseConnection, database_url: str
) -> None:
    await logs.record(connection, messages(1200), batch=400)
    others = [await DatabaseConnection(database_url).open() for _ in range(3)]
    await asyncio.gather(*(following.catch_up(one) for one in others))
    for one in others:
        await one.close()
    report = await comparing.verify(database_url, [ACTIVITY])
    assert report.ok, report.differences[:5]
    total = await connection.fetch_value("SELECT SUM(messages) FROM activity")
    assert total == 1200


async def test_what_was_erased_before_it_is_folded_counts_all_the_same(
    connection: DatabaseConnection, database_url: str
) -> None:
    await logs.record(connection, messages(40))
    await erase(connection, [8, 9, 12])
    await following.catch_up(connection)
    assert await connection.fetch_value("SELECT SUM(messages) FROM activity") == 40
    before = await logs.dump(connection)
    await generations.rebuild(database_url, registry.ALL)
    assert await logs.dump(connection) == before


async def test_it_is_verified_as_far_as_it_has_come(
    connection: DatabaseConnection, database_url: str
) -> None:
    await logs.record(connection, messages(20))
    await following.catch_up(connection)
    await logs.append(connection, [draft(*messages(1)[-1])])
    assert (await comparing.verify(database_url, registry.ALL)).ok
    await connection.execute("UPDATE activity SET messages = messages + 1")
    report = await comparing.verify(database_url, registry.ALL)
    assert {one.table for one in report.differences} == {"activity"}


async def test_a_rebuild_goes_on_from_where_the_log_ended(
    connection: DatabaseConnection, database_url: str
) -> None:
    await logs.record(connection, messages(30))
    await generations.rebuild(database_url, registry.FOLLOWING)
    assert await lag(connection) == 0
    rebuilt = await dump_of(connection, lambda table: table.name)
    assert await logs.dump(connection) == rebuilt


async def test_a_server_folds_what_it_and_others_append(database_url: str) -> None:
    async with running(settings_for(database_url), serve=True) as services:
        connection = await logs.open_database(database_url)
        await logs.record(connection, messages(10))
        await services.writer.append(draft(*messages(11)[-1]))

        async def folded() -> bool:
            return await lag(connection) == 0

        await until(folded)
        assert await connection.fetch_value("SELECT SUM(messages) FROM activity") == 11
        await connection.close()


async def test_code_of_another_version_folds_nothing(connection: DatabaseConnection) -> None:
    await logs.record(connection, messages(10))
    await connection.execute("UPDATE projection SET version = 99 WHERE name = 'activity'")
    await following.catch_up(connection)
    assert await following.follow(connection, ACTIVITY) == 0
    assert await lag(connection) == 15
