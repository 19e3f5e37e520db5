"""Runs projections: inside the appending transaction, and over the whole log.

A batch is applied set-wise: the rows that its events touch are loaded together, folded in memory,
and written together, so the number of statements does not grow with the batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from registro.db.connection import Connection
from registro.db.schema import Table
from registro.db.sql import in_list
from registro.errors import MigrationError
from registro.events import reader
from registro.events.reader import NO_REDACTIONS, Redactions
from registro.events.record import Recorded
from registro.events.types import Event
from registro.projections import (
    connections,
    conversations,
    messages,
    presence,
    sessions,
    subjects,
    users,
)
from registro.projections.projection import Projection
from registro.projections.rows import Key, RowDict, Rows

PROJECTIONS: tuple[Projection, ...] = (
    users.PROJECTION,
    sessions.PROJECTION,
    connections.PROJECTION,
    presence.PROJECTION,
    conversations.PROJECTION,
    messages.PROJECTION,
    subjects.PROJECTION,
)
"""All projections that are folded in the transaction that appends."""

_CHUNK = 500


async def fold(
    connection: Connection,
    recorded: Sequence[Recorded],
    erased: Sequence[Recorded] = (),
    *,
    redactions: Redactions = NO_REDACTIONS,
    projections: Sequence[Projection] = PROJECTIONS,
) -> None:
    """Applies rows of the log, in order, to the tables of `projections`.

    `erased` are rows, as they were, whose payloads the same transaction erases. Rows that were
    erased before are folded from what `redactions` says was kept of them.
    """
    events = list(readable(recorded, redactions))
    victims = [(row, row.event()) for row in erased]
    rows = wanted(events, projections, victims)
    for table, keys in rows.wanted():
        for found in await _load(connection, table, keys):
            rows.loaded(table, found)
    apply(rows, events, projections, victims)
    for table, deleted in rows.deleted():
        await _delete(connection, table, deleted)
    for table, inserted in rows.inserted():
        await connection.insert_many(table.name, table.column_names, _tuples(table, inserted))
    for table, changed in rows.changed():
        await connection.upsert_many(table, table.name, _tuples(table, changed))


def readable(
    recorded: Iterable[Recorded], redactions: Redactions
) -> Iterator[tuple[Recorded, Event]]:
    """Rows with their events; erased ones with what was kept, or left out where nothing was."""
    for row in recorded:
        event = redactions.get(row.position) if row.erased else row.event()
        if event is not None:
            yield row, event


def wanted(
    events: Sequence[tuple[Recorded, Event]],
    projections: Sequence[Projection],
    victims: Sequence[tuple[Recorded, Event]] = (),
) -> Rows:
    """A unit of work that asks for every row that folding the events will need."""
    rows = Rows()
    for projection in projections:
        for row, event in events:
            handler = projection.handlers.get(row.type)
            if handler is not None and handler.touch is not None:
                handler.touch(rows, row, event)
        for row, event in victims:
            handler = projection.handlers.get(row.type)
            if handler is not None and handler.touch_erase is not None:
                handler.touch_erase(rows, row, event)
    return rows


def apply(
    rows: Rows,
    events: Sequence[tuple[Recorded, Event]],
    projections: Sequence[Projection],
    victims: Sequence[tuple[Recorded, Event]] = (),
) -> None:
    """Folds the events into the rows, then erases the victims from them."""
    for projection in projections:
        for row, event in events:
            handler = projection.handlers.get(row.type)
            if handler is not None:
                handler.apply(rows, row, event)
        for row, event in victims:
            handler = projection.handlers.get(row.type)
            if handler is not None and handler.erase is not None:
                handler.erase(rows, row, event)


async def _delete(connection: Connection, table: Table, keys: Sequence[Key]) -> None:
    for start in range(0, len(keys), _CHUNK):
        condition, values = _key_in(table, keys[start : start + _CHUNK])
        await connection.execute(f"DELETE FROM {table.name} WHERE {condition}", **values)


async def _load(connection: Connection, table: Table, keys: Sequence[Key]) -> list[RowDict]:
    columns = ", ".join(table.column_names)
    found: list[RowDict] = []
    for start in range(0, len(keys), _CHUNK):
        condition, values = _key_in(table, keys[start : start + _CHUNK])
        rows = await connection.fetch_all(
            f"SELECT {columns} FROM {table.name} WHERE {condition}", **values
        )
        found += [dict(zip(table.column_names, row, strict=True)) for row in rows]
    return found


def _key_in(table: Table, keys: Sequence[Key]) -> tuple[str, dict[str, Any]]:
    if len(table.key) == 1:
        names, values = in_list([key[0] for key in keys])
        return f"{table.key[0]} IN ({names})", values
    values = {f"v{i}_{j}": value for i, key in enumerate(keys) for j, value in enumerate(key)}
    marks = ", ".join(
        f"({', '.join(f':v{i}_{j}' for j in range(len(table.key)))})" for i in range(len(keys))
    )
    return f"({', '.join(table.key)}) IN ({marks})", values


def _tuples(table: Table, rows: Sequence[RowDict]) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in table.column_names) for row in rows]


async def ensure(connection: Connection) -> None:
    """Creates the tables of projections that the database has not got, from the log.

    Runs under the lock of the migrations. Raises MigrationError when a table was built by other
    folding code than this program's.
    """
    existing: dict[str, int] = dict(
        await connection.fetch_all("SELECT name, version FROM projection")
    )
    for projection in PROJECTIONS:
        version = existing.get(projection.name)
        if version is None:
            await _build(connection, projection)
        elif version != projection.version:
            raise MigrationError(
                f"projection {projection.name} was built by version {version} of its code, "
                f"this program has version {projection.version}"
            )


async def _build(connection: Connection, projection: Projection) -> None:
    for table in projection.tables:
        # A crash half-way through building leaves a table behind where DDL commits by itself.
        if await connection.fetch_value(connection.dialect.table_exists(), name=table.name):
            await connection.execute(f"DROP TABLE {table.name}")
        for statement in connection.dialect.create_table(table, table.name):
            await connection.execute(statement)
    after = 0
    redactions = await reader.redactions(connection)
    while page := await reader.read(connection, after):
        await fold(connection, page, redactions=redactions, projections=(projection,))
        after = page[-1].position
    await connection.execute(
        "INSERT INTO projection (name, version, generation) VALUES (:name, :version, 1)",
        name=projection.name,
        version=projection.version,
    )
