"""Keeps the projections inside the appending transaction.

A batch is applied set-wise: the rows that its events touch are loaded together, folded in memory,
and written together, so the number of statements does not grow with the batch.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from registro.db.connection import Connection
from registro.events import reader
from registro.events.reader import NO_REDACTIONS, Redactions
from registro.events.record import Recorded
from registro.projections import folding, registry, storage
from registro.projections.projection import Projection
from registro.projections.rows import Rows

PROJECTIONS = registry.INLINE


async def fold(
    connection: Connection,
    recorded: Sequence[Recorded],
    erased: Sequence[Recorded] = (),
    *,
    redactions: Redactions = NO_REDACTIONS,
    projections: Sequence[Projection] = PROJECTIONS,
) -> None:
    """Applies rows of the log, in order, to the tables of `projections`.

    `erased` are rows whose payloads the same transaction erases. Rows that were erased before are
    folded from what `redactions` says was kept of them.
    """
    await _fold(connection, Rows(), folding.readable(recorded, redactions), projections, erased)


class Folding:
    """`fold` by one writer, who knows the rows that its last transactions looked for. That is right
    while nobody else appends; see `store.Memory`, which calls `forget`."""

    LIMIT = 5_000
    """Rows that are remembered."""

    def __init__(self) -> None:
        self._rows = Rows()

    async def __call__(
        self,
        connection: Connection,
        recorded: Sequence[Recorded],
        erased: Sequence[Recorded] = (),
    ) -> None:
        events = folding.readable(recorded, NO_REDACTIONS)
        await _fold(connection, self._rows, events, PROJECTIONS, erased)
        if self._rows.settle() > self.LIMIT:
            self.forget()

    def forget(self) -> None:
        self._rows = Rows()


async def _fold(
    connection: Connection,
    rows: Rows,
    events: folding.Folded,
    projections: Sequence[Projection],
    erased: Sequence[Recorded],
) -> None:
    folding.want(rows, events, projections, erased)
    await storage.load(connection, rows)
    folding.apply(rows, events, projections, erased)
    await storage.write(connection, rows)


async def ensure(connection: Connection) -> None:
    """Makes the tables of projections that the database has not got.

    Runs under the lock of the migrations. Those that follow the log begin at its beginning. Inline
    ones are made here while the log is empty; later they are built by `generations`, and until then
    nothing can be appended.
    """
    known: dict[str, int] = dict(await connection.fetch_all("SELECT name, version FROM projection"))
    for projection in registry.FOLLOWING:
        if projection.name not in known:
            await _create(connection, projection)
            await note(connection, projection, generation=1, position=0)
    missing = [projection for projection in registry.INLINE if projection.name not in known]
    head = await reader.head(connection)
    if head.folded is None:
        await note_folded(connection, registry.kept_inline(known))
    if not missing or head.position:
        return
    for projection in missing:
        await _create(connection, projection)
    known |= {projection.name: projection.version for projection in missing}
    # First, and in one statement: who does not fold them cannot append from here on.
    await note_folded(connection, registry.kept_inline(known), " AND position = 0")
    if (await reader.head(connection)).position == 0:
        for projection in missing:
            await note(connection, projection, generation=1, position=0)


async def _create(connection: Connection, projection: Projection) -> None:
    for table in projection.tables:
        await storage.create(connection, table, table.name)


async def note(
    connection: Connection, projection: Projection, generation: int, position: int
) -> None:
    """Says that the projection's tables are those of this program's code."""
    await connection.execute("DELETE FROM projection WHERE name = :name", name=projection.name)
    await connection.execute(
        "INSERT INTO projection (name, version, generation, position, built_at)"
        " VALUES (:name, :version, :generation, :position, :built_at)",
        name=projection.name,
        version=projection.version,
        generation=generation,
        position=position,
        built_at=time.time_ns() // 1000,
    )


async def note_folded(connection: Connection, folded: str | None, condition: str = "") -> None:
    """Tells the appending transactions of all programs which projections they have to fold."""
    await connection.execute(
        f"UPDATE log_head SET folded = :folded WHERE id = 1{condition}", folded=folded
    )
