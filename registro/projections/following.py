"""Projections that follow the log: folded after the append, page by page, with a checkpoint.

A page is folded in a transaction that first locks the projection's row, so any number of processes
may do it: none folds an event that another has folded. The checkpoint is in that row.
"""

from __future__ import annotations

from collections.abc import Sequence

from registro.db.connection import Connection, DatabaseConnection
from registro.events import reader
from registro.events.reader import NO_REDACTIONS
from registro.events.record import Recorded
from registro.events.types import LogErased
from registro.projections import folding, registry, storage
from registro.projections.projection import Projection
from registro.projections.rows import Rows

PAGE = 100
"""Events that are folded in one transaction: on SQLite appends wait for it, on MySQL the event loop
while they are folded."""


async def lagging(connection: Connection) -> Sequence[Projection]:
    """Those that are behind the log's end. Others' versions are left alone."""
    end = (await reader.head(connection)).position
    rows = await connection.fetch_all("SELECT name, version, position FROM projection")
    return [
        registry.BY_NAME[name]
        for name, version, position in rows
        if name in registry.BY_NAME
        and registry.BY_NAME[name] in registry.FOLLOWING
        and registry.BY_NAME[name].version == version
        and position < end
    ]


async def catch_up(connection: DatabaseConnection) -> None:
    """Brings all of them to where the log ends now.

    Raises FoldingFailed, with the position, for an event that cannot be folded.
    """
    for projection in await lagging(connection):
        while await follow(connection, projection) == PAGE:
            pass


async def follow(connection: DatabaseConnection, projection: Projection) -> int:
    """Folds one page; returns how many events that was, 0 at the end of the log."""

    async def work(inner: Connection) -> int:
        async with inner.transaction():
            return await _follow(inner, projection)

    return await connection.together(work)


async def _follow(connection: Connection, projection: Projection) -> int:
    found = await connection.fetch_one(
        "SELECT version, position FROM projection WHERE name = :name"
        f"{connection.dialect.for_update}",
        name=projection.name,
    )
    if found is None or found[0] != projection.version:
        return 0  # another program's now
    end = (await reader.head(connection)).position
    page = await reader.read_to_fold(connection, found[1], end, PAGE)
    if page:
        await _fold(connection, projection, page)
        await connection.execute(
            "UPDATE projection SET position = :position WHERE name = :name",
            position=page[-1].position,
            name=projection.name,
        )
    return len(page)


async def _fold(connection: Connection, projection: Projection, page: Sequence[Recorded]) -> None:
    redactions = NO_REDACTIONS
    if any(row.erased for row in page):
        redactions = await reader.redactions(connection)
    # What was erased since it was folded is taken back; what was erased before stays as it is.
    erasures = [reader.erasure(row) for row in page if row.type == LogErased.type]
    positions = sorted({position for event in erasures for position in event.positions})
    victims = await reader.at_positions(connection, positions)
    handlers = folding.handlers((projection,))
    events = folding.readable(page, redactions, handlers)
    rows = Rows()
    erased = [victims[position] for position in sorted(victims)]
    folding.want(rows, events, (projection,), erased)
    await storage.load(connection, rows)
    folding.apply(rows, events, (projection,), erased)
    await storage.write(connection, rows)
