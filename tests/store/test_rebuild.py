"""Rebuilding projections: equal to live ones, beside appends and erasures, interrupted, refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from registro.db import lock
from registro.db.connection import DatabaseConnection
from registro.db.schema import Table
from registro.errors import FoldingFailed, InProgress, MigrationError, Outdated, Unavailable
from registro.events import codec, ids, reader, store
from registro.events.store import draft
from registro.events.types import DESK, LogErased, MessageSent
from registro.projections import builder, generations, registry, runner
from registro.projections.builder import Builder, Target
from registro.services import projections, running
from tests.conftest import settings_for
from tests.support import logs
from tests.support.histories import ADMINS, USERS, History, histories, registrations
from tests.support.waiting import until

OURS = f"messages {registry.BY_NAME['messages'].version}"
"""A projection and its version, as the log's head names it."""


def messages(count: int) -> History:
    """Some people who write to the desk, and are answered now and then."""
    history: History = registrations()
    for number in range(count):
        user = USERS[number % len(USERS)]
        pair = (ADMINS[0], user) if number % 4 == 3 else (user, DESK)
        event = MessageSent(sender=pair[0], recipient=pair[1], text=f"text {number}")
        history.append((f"conversation/{ids.desk_conversation(user)}", event))
    return history


async def erase(connection: DatabaseConnection, positions: list[int]) -> None:
    """Erases payloads as `services.erasure` does."""
    rows = await reader.at_positions(connection, positions)
    there = [row for row in rows.values() if not row.erased and row.type != LogErased.type]
    event = LogErased(
        positions=tuple(row.position for row in there),
        kept=tuple(codec.kept(row.event()) for row in there),
        reason="test",
        by=ADMINS[0],
    )
    await logs.append(connection, [draft(f"erasure/{USERS[0]}", event)])


async def tables(connection: DatabaseConnection) -> set[str]:
    """The names of all tables that belong to projections, leftovers too."""
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'table'"
        if connection.dialect.name == "sqlite"
        else "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
    )
    known = [table.name for projection in registry.ALL for table in projection.tables]
    return {
        row[0] for row in await connection.fetch_all(query) if row[0].partition("__")[0] in known
    }


LOGICAL = {table.name for projection in registry.ALL for table in projection.tables}


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "PAGE", 7)
    monkeypatch.setattr(builder, "WRITTEN", 5)
    monkeypatch.setattr(generations, "NEAR", 3)


async def test_a_rebuild_gives_what_live_folding_gave(
    connection: DatabaseConnection, database_url: str, small_pages: None
) -> None:
    await logs.record(connection, messages(50))
    await erase(connection, [1, 9, 20])
    before = await logs.dump(connection)
    done = await generations.rebuild(database_url, registry.ALL)
    assert done.position == 56
    assert await logs.dump(connection) == before
    assert await tables(connection) == LOGICAL


async def test_a_rebuild_heals_what_somebody_altered_and_what_they_removed(
    connection: DatabaseConnection, database_url: str
) -> None:
    await logs.record(connection, messages(30))
    before = await logs.dump(connection)
    await connection.execute("UPDATE messages SET text = 'forged' WHERE seq = 2")
    await connection.execute("DELETE FROM conversations")
    await generations.rebuild(database_url, registry.ALL)
    assert await logs.dump(connection) == before


async def test_one_projection_can_be_rebuilt_alone(
    connection: DatabaseConnection, database_url: str
) -> None:
    await logs.record(connection, messages(10))
    await connection.execute("DELETE FROM messages")
    await connection.execute("DELETE FROM presence")
    await connection.execute("DELETE FROM conversations")
    await generations.rebuild(database_url, [registry.BY_NAME["messages"]])
    status = {one.name: one for one in await generations.status(connection)}
    assert (status["messages"].rows, status["messages"].generation) == (10, 2)
    assert (status["conversations"].rows, status["conversations"].generation) == (0, 1)


async def test_appends_go_on_while_a_rebuild_is_under_way_and_are_in_it(
    connection: DatabaseConnection, database_url: str, small_pages: None
) -> None:
    history = messages(400)
    await logs.record(connection, history[:100])
    rebuilding = asyncio.create_task(generations.rebuild(database_url, registry.ALL))
    for step in history[100:200]:
        await logs.append(connection, [draft(*step)])
    await rebuilding
    await logs.record(connection, history[200:])
    live = await logs.dump(connection)
    assert len(live["messages"]) == 400
    await generations.rebuild(database_url, registry.ALL)
    assert await logs.dump(connection) == live


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(histories(), st.data())
def test_live_equals_built_whatever_is_erased_while_it_is_built(
    tmp_path_factory: pytest.TempPathFactory, history: History, data: st.DataObject
) -> None:
    """The build comes to `cut`, then payloads before and after it are erased, then it goes on."""
    cut = data.draw(st.integers(1, len(history)))
    held = data.draw(st.sampled_from([0, 1000]))
    early = data.draw(st.lists(st.integers(1, len(history)), max_size=5, unique=True))
    late = data.draw(st.lists(st.integers(1, len(history)), max_size=9, unique=True))
    url = f"sqlite:///{tmp_path_factory.mktemp('built')}/registro.db"

    async def run() -> None:
        connection = await logs.open_database(url)
        source = await DatabaseConnection(url).open()
        try:
            await logs.record(connection, history)
            await erase(connection, early)
            building = Builder(registry.ALL, in_the_making)
            await building.create(source, connection)
            await building.advance(source, Target(connection), cut)
            await erase(connection, late)
            await building.advance(source, Target(connection), len(history) + 2)
            await building.finish(Target(connection))
            assert await dump_of(connection, in_the_making) == await logs.dump(connection)
        finally:
            await source.close()
            await connection.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builder, "PAGE", 5)
        patch.setattr(builder, "HELD", held)
        asyncio.run(run())


def in_the_making(table: Table) -> str:
    return f"{table.name}__9"


async def dump_of(
    connection: DatabaseConnection, naming: Callable[[Table], str]
) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table.name: [
            tuple(row)
            for row in await connection.fetch_all(
                f"SELECT {', '.join(table.column_names)} FROM {naming(table)}"
                f" ORDER BY {', '.join(table.key)}"
            )
        ]
        for projection in registry.ALL
        for table in projection.tables
    }


async def test_an_interrupted_rebuild_changes_nothing_and_the_next_one_clears_up(
    connection: DatabaseConnection, database_url: str, small_pages: None
) -> None:
    await logs.record(connection, messages(60))
    before = await logs.dump(connection)
    rebuilding = asyncio.create_task(
        generations.rebuild(database_url, registry.ALL, lambda done, total: rebuilding.cancel())
    )
    with pytest.raises(asyncio.CancelledError):
        await rebuilding
    assert await tables(connection) > LOGICAL
    assert await logs.dump(connection) == before
    await generations.rebuild(database_url, registry.ALL)
    assert await logs.dump(connection) == before
    assert await tables(connection) == LOGICAL


async def test_of_two_rebuilds_at_once_the_second_is_refused(
    connection: DatabaseConnection, database_url: str
) -> None:
    async with lock.alone(database_url, generations.LOCK):
        with pytest.raises(InProgress, match="another process is at work on the projections"):
            await generations.rebuild(database_url, registry.ALL)
    await generations.rebuild(database_url, registry.ALL)


async def test_an_event_that_cannot_be_folded_stops_it_with_its_position(
    connection: DatabaseConnection, database_url: str
) -> None:
    await logs.record(connection, messages(10))
    await connection.execute("DELETE FROM messages")
    await logs.without_triggers(connection)
    await connection.execute("UPDATE log_event SET payload = '[' WHERE position = 9")
    expected = r"position 9 \(conversation:message:sent\): UnknownEvent"
    with pytest.raises(FoldingFailed, match=expected):
        await generations.rebuild(database_url, registry.ALL)
    assert await connection.fetch_value("SELECT COUNT(*) FROM messages") == 0


async def test_rows_that_the_table_refuses_stop_it(
    connection: DatabaseConnection, database_url: str
) -> None:
    """Two people of one name, as only somebody could have written who went around Registro."""
    twice = [registrations()[0], (f"user/{USERS[2]}", registrations()[0][1])]
    await logs.append(connection, [draft(*twice[0])], [draft(*twice[1])], fold=nothing)
    with pytest.raises(FoldingFailed, match=r"^users(, from position \d+ on)?: "):
        await generations.rebuild(database_url, registry.ALL)


async def nothing(*_: object) -> None:
    """Folds nothing."""


# Versions


async def of_another_version(connection: DatabaseConnection, version: int) -> None:
    """The database as a program with another version of `messages` left it."""
    folded = registry.FOLDED.replace(OURS, f"messages {version}")
    await connection.execute("UPDATE log_head SET folded = :folded", folded=folded)
    await connection.execute(
        "UPDATE projection SET version = :version WHERE name = 'messages'", version=version
    )


async def test_a_program_does_not_append_to_tables_that_other_code_folded(
    connection: DatabaseConnection,
) -> None:
    await of_another_version(connection, 99)
    before = (await reader.head(connection)).position
    expected = f"the database has messages 99, this program folds {OURS}: run `registro migrate`"
    with pytest.raises(Outdated, match=expected):
        await store.append(
            connection, [[draft(*registrations()[0])]], now=0, fold=runner.fold,
            folds=registry.FOLDED,
        )  # fmt: skip
    assert (await reader.head(connection)).position == before


async def test_migrating_builds_what_other_code_built(
    connection: DatabaseConnection, database_url: str
) -> None:
    await logs.record(connection, messages(20))
    await of_another_version(connection, 99)
    await connection.execute("DELETE FROM messages")
    settings = settings_for(database_url)
    with pytest.raises(MigrationError, match=r"has to build projections first \(messages\)"):
        async with running(settings):
            pass
    _, rebuilt = await projections.migrate(settings, lambda done, total: None)
    assert rebuilt is not None
    assert rebuilt.names == ("messages",)
    assert (await reader.head(connection)).folded == registry.FOLDED
    assert len((await logs.dump(connection))["messages"]) == 20
    assert await projections.migrate(settings, lambda done, total: None) == (0, None)


async def test_a_server_waits_until_projections_are_built(
    connection: DatabaseConnection, database_url: str
) -> None:
    await logs.record(connection, messages(5))
    await of_another_version(connection, 99)
    async with running(settings_for(database_url), serve=True) as services:
        assert services.waiting is not None
        await projections.migrate(services.settings, lambda done, total: None)
        await until(lambda: services.waiting is None)
        await services.writer.append(draft(*messages(1)[-1]))


async def test_a_running_program_stops_appending_when_a_newer_one_switches(
    connection: DatabaseConnection, database_url: str
) -> None:
    """And goes on by itself when the tables are its own again."""
    async with running(settings_for(database_url)) as services:
        await services.writer.append(draft(*registrations()[0]))
        await of_another_version(connection, 99)
        with pytest.raises(Unavailable, match="the database has messages 99"):
            await services.writer.append(draft(*registrations()[1]))
        with pytest.raises(Unavailable, match="the database has messages 99"):
            await services.writer.append(draft(*registrations()[1]))
        await of_another_version(connection, registry.BY_NAME["messages"].version)
        await until(lambda: services.writer.away is None)
        await services.writer.append(draft(*registrations()[1]))


async def test_a_crash_in_the_middle_of_a_switch_is_healed_by_rebuilding(
    connection: DatabaseConnection, database_url: str
) -> None:
    await logs.record(connection, messages(20))
    before = await logs.dump(connection)
    await connection.execute("UPDATE log_head SET folded = :folded", folded=reader.SWITCHING)
    with pytest.raises(Unavailable, match="being put in place"):
        await store.append(
            connection, [[draft(*messages(1)[-1])]], now=0, fold=runner.fold, folds=registry.FOLDED
        )
    # Whatever is asked for: nobody knows which tables are whose.
    await generations.rebuild(database_url, [registry.BY_NAME["users"]])
    assert (await reader.head(connection)).folded == registry.FOLDED
    assert {one.generation for one in await generations.status(connection)} == {1, 2}
    assert await logs.dump(connection) == before


async def test_rebuilding_one_projection_does_not_say_that_others_are_of_this_version(
    connection: DatabaseConnection, database_url: str
) -> None:
    await logs.record(connection, messages(5))
    await of_another_version(connection, 99)
    await generations.rebuild(database_url, [registry.BY_NAME["users"]])
    folded = (await reader.head(connection)).folded
    assert folded == registry.FOLDED.replace(OURS, "messages 99")
    await generations.rebuild(database_url, [registry.BY_NAME["messages"]])
    assert (await reader.head(connection)).folded == registry.FOLDED
