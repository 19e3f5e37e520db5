"""What a writer remembers from one transaction to the next is never out of date."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from registro.db.connection import Connection, DatabaseConnection
from registro.errors import Conflict, Rejected
from registro.events import codec, ids, reader, store
from registro.events.record import Recorded
from registro.events.store import Memory, Outcome, draft
from registro.events.types import DESK, Event, LogErased, MessageSent
from registro.projections import registry, runner
from tests.support import logs
from tests.support.histories import USERS, History, histories, registrations


class Writer:
    """One process: a connection and what it remembers."""

    def __init__(self, connection: DatabaseConnection) -> None:
        self.connection = connection
        self.folding = runner.Folding()
        self.memory = Memory(self.folding.forget)
        self.fails = False

    async def append(self, events: History, expected: int | None = None) -> list[Outcome]:
        drafts = [[draft(stream, event, expected=expected)] for stream, event in events]
        return await self.connection.together(
            lambda c: store.append(
                c, drafts, now=logs.NOW, fold=self._fold, folds=registry.FOLDED, memory=self.memory
            )
        )

    async def _fold(
        self, connection: Connection, recorded: Sequence[Recorded], erased: Sequence[Recorded]
    ) -> None:
        await self.folding(connection, recorded, erased)
        if self.fails:
            raise ValueError("something went wrong after folding")


@pytest.fixture
async def writers(connection: DatabaseConnection, database_url: str):
    other = await DatabaseConnection(database_url).open()
    yield Writer(connection), Writer(other)
    await other.close()


@pytest.fixture
def message() -> tuple[str, Event]:
    stream = f"conversation/{ids.desk_conversation(USERS[0])}"
    return stream, MessageSent(sender=USERS[0], recipient=DESK, text="hola")


async def erase(writer: Writer, position: int) -> None:
    row = (await reader.at_positions(writer.connection, [position]))[position]
    if row.erased or row.type == LogErased.type:
        return
    kept = (codec.kept(row.event()),)
    erased = LogErased(positions=(position,), kept=kept, reason="por ley", by=USERS[0])
    await writer.append([(f"erasure/{USERS[0]}", erased)])


async def versions(writer: Writer, *events: tuple[str, Event], **options: int) -> list[int]:
    outcomes = await writer.append(list(events), **options)
    return [row.version for rows in outcomes for row in rows]  # type: ignore[union-attr]


async def test_versions_go_on_whoever_appends(writers, message):
    one, other = writers
    await one.append(registrations())
    assert await versions(one, message) == [1]
    assert await versions(one, message, message) == [2, 3]
    assert await versions(other, message) == [4]
    assert await versions(one, message) == [5]
    assert await versions(other, message) == [6]


async def test_what_is_expected_is_held_against_what_others_appended(writers, message):
    one, other = writers
    await one.append(registrations())
    await one.append([message])
    await other.append([message])
    (outcome,) = await one.append([message], expected=1)
    assert isinstance(outcome, Conflict)
    assert outcome.actual == 2


async def test_what_failed_is_forgotten(writers, connection, message, tmp_path):
    one, _ = writers
    await one.append(registrations())
    await one.append([message])
    one.fails = True
    (outcome,) = await one.append([message])
    assert isinstance(outcome, Rejected)
    one.fails = False
    assert await versions(one, message) == [2]
    assert await logs.dump(connection) == await logs.rebuilt(
        connection, f"sqlite:///{tmp_path}/rebuilt.db"
    )


async def test_a_switch_of_projections_is_noticed(writers, connection, message):
    one, _ = writers
    await one.append(registrations())
    await one.append([message])
    await connection.execute("UPDATE conversations SET last_text = 'of another generation'")
    await connection.execute("UPDATE log_head SET folded = 'switched and back'")
    memory = one.memory
    assert memory.known([message[0]]) == {message[0]: 1}
    head = await reader.head(connection)
    assert not memory.holds(head)
    assert memory.known([message[0]]) == {}


async def test_an_append_of_what_is_remembered_reads_less(writers, message, monkeypatch):
    one, _ = writers
    await one.append(registrations())
    await one.append([message])
    asked: list[str] = []
    dialect = type(one.connection.dialect)
    inside = one.connection.dialect.inside(one.connection._raw)
    dialect = dialect if inside is None else type(inside[0])
    run = dialect.run

    async def counted(self, raw, statements):
        asked.extend(sql for sql, _, _ in statements if sql.startswith("SELECT"))
        return await run(self, raw, statements)

    monkeypatch.setattr(dialect, "run", counted)
    await one.append([message])
    assert len(asked) == 2  # the head and the id


@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(histories(25), st.data())
def test_several_writers_leave_what_one_that_remembers_nothing_leaves(
    tmp_path_factory: pytest.TempPathFactory, history: History, data: st.DataObject
) -> None:
    """In turn, in batches, with failures and erasures in between."""
    folder = tmp_path_factory.mktemp("memory")
    url = f"sqlite:///{folder}/registro.db"

    async def run() -> None:
        connections = [await logs.open_database(url)]
        connections += [await DatabaseConnection(url).open() for _ in range(2)]
        writers = [Writer(connection) for connection in connections]
        try:
            done = 0
            while done < len(history):
                size = data.draw(st.integers(1, 8))
                writer = writers[data.draw(st.integers(0, 2))]
                writer.fails = data.draw(st.sampled_from([False, False, False, True]))
                outcomes = await writer.append(history[done : done + size])
                assert all(isinstance(one, Rejected) is writer.fails for one in outcomes), outcomes
                if not writer.fails:
                    done += size
                if done and data.draw(st.integers(0, 9)) == 0:
                    position = data.draw(st.integers(1, min(done, len(history))))
                    writer.fails = False
                    await erase(writer, position)
            assert await logs.dump(connections[0]) == await logs.rebuilt(
                connections[0], f"sqlite:///{folder}/rebuilt.db"
            )
        finally:
            for connection in connections:
                await connection.close()

    asyncio.run(run())
