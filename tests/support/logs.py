"""Logs in databases: histories appended, tables dumped, rows altered behind Registro's back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from registro.db import migrations
from registro.db.connection import DatabaseConnection
from registro.events import reader, store
from registro.events.record import Recorded
from registro.events.store import Draft, Outcome, draft
from registro.projections import following, registry, runner
from tests.support.histories import History

NOW = 1_772_546_400_000_000


async def open_database(url: str) -> DatabaseConnection:
    """A connection to a migrated database."""
    connection = await DatabaseConnection(url).open()
    await migrations.migrate(connection, runner.ensure)
    return connection


async def append(
    connection: DatabaseConnection,
    *appends: Sequence[Draft],
    now: int = NOW,
    fold: store.Fold = runner.fold,
) -> list[Outcome]:
    return await connection.together(lambda c: store.append(c, appends, now=now, fold=fold))


async def record(connection: DatabaseConnection, history: History, batch: int = 7) -> None:
    """Appends a history in batches, a second apart."""
    for start in range(0, len(history), batch):
        drafts = [[draft(stream, event)] for stream, event in history[start : start + batch]]
        await append(connection, *drafts, now=NOW + start * 1_000_000)


async def everything(connection: DatabaseConnection) -> list[Recorded]:
    return [row async for row in reader.stream_log(connection)]


async def dump(connection: DatabaseConnection) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all projections, by table, in the order of their keys, once those that follow the
    log have come to its end."""
    await following.catch_up(connection)
    return {
        table.name: [
            tuple(row)
            for row in await connection.fetch_all(
                f"SELECT {', '.join(table.column_names)} FROM {table.name}"
                f" ORDER BY {', '.join(table.key)}"
            )
        ]
        for projection in registry.ALL
        for table in projection.tables
    }


async def rebuilt(connection: DatabaseConnection, url: str) -> dict[str, list[tuple[Any, ...]]]:
    """What the projections of this log are when they are folded afresh into another database."""
    rows = await everything(connection)
    other = await open_database(url)
    try:
        await store.load(other, lambda: rows, fold=runner.fold)
        return await dump(other)
    finally:
        await other.close()


async def without_triggers(connection: DatabaseConnection) -> None:
    """Takes the log's protection away, as an intruder with all rights would."""
    for trigger in ("log_event_no_delete", "log_event_no_update"):
        await connection.execute(f"DROP TRIGGER {trigger}")
