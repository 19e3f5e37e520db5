"""Builds projections from the beginning of the log, in tables that nobody reads yet.

Rows stay in memory over many pages, so that a conversation of a thousand messages is written once
and not a thousand times, and what was never let go of has not to be looked for. How much is held is
bounded, and less where rows are never asked for again (messages).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from registro.db.connection import Connection, DatabaseConnection
from registro.db.dialect import Emptying
from registro.db.schema import Table
from registro.errors import Busy, ConstraintViolated, FoldingFailed
from registro.events import reader
from registro.events.reader import NO_REDACTIONS, Redactions
from registro.events.record import Recorded
from registro.events.types import LogErased
from registro.projections import folding, storage
from registro.projections.projection import Projection
from registro.projections.rows import Rows
from registro.projections.storage import Naming

PAGE = 10_000
"""Events that are read and folded at once."""

HELD = 200_000
"""Rows of one table that are held in memory at most, and one page's more."""

GATHERED = 50_000
"""Rows of a table that are gathered before they are written, in the order of the key: of an index
in random order, each row alone would change a page."""

WRITTEN = 5_000
"""Rows that one transaction writes: on SQLite, appends wait for it, some 10 ms."""

WRITTEN_FULLTEXT = 500
"""The same for tables with a full-text index, which take SQLite five times as long."""

PATIENCE = 60
"""Seconds that a write is tried again while appends have the database."""

Work = Callable[[Connection], Coroutine[Any, Any, None]]
Progress = Callable[[int, int], None]
"""Is told the position that was folded last, and where the log ends."""


class Target:
    """Where the tables are: each piece of work is a transaction of its own, or, with `inside`, part
    of the one that is open."""

    def __init__(self, connection: DatabaseConnection, *, inside: bool = False) -> None:
        self.connection = connection
        self.inside = inside

    async def run(self, work: Work) -> None:
        if self.inside:
            return await self.connection.together(work)

        async def transaction(connection: Connection) -> None:
            async with connection.transaction():
                await work(connection)

        deadline = asyncio.get_running_loop().time() + PATIENCE
        while True:
            try:
                return await self.connection.together(transaction)
            except Busy:
                if asyncio.get_running_loop().time() > deadline:
                    raise

    async def drop(self, name: str) -> None:
        """Removes a table, if it is there, without keeping others from writing for long."""
        if not await storage.exists(self.connection, name):
            return
        emptying = self.connection.dialect.emptying
        if emptying is not None:
            for (table,) in await self.connection.fetch_all(emptying.tables, name=name):
                await self._empty(emptying, table)
        await self.run(partial(_execute, f"DROP TABLE {name}"))

    async def _empty(self, emptying: Emptying, name: str) -> None:
        for (index,) in await self.connection.fetch_all(emptying.indexes, name=name):
            await self.run(partial(_execute, f"DROP INDEX {index}"))
        columns = await self.connection.fetch_all(emptying.key, name=name)
        key = ", ".join(column for (column,) in columns)
        some = emptying.delete.format(name=name, key=key, count=WRITTEN)
        while await self.connection.fetch_value(f"SELECT 1 FROM {name} LIMIT 1"):
            await self.run(partial(_execute, some))


async def _execute(statement: str, connection: Connection) -> None:
    await connection.execute(statement)


class Builder:
    """Folds the log, from the beginning on, into new tables named by `naming`.

    `later` is what was kept of rows that were erased after the end of this log.
    """

    def __init__(
        self,
        projections: Sequence[Projection],
        naming: Naming,
        later: Redactions = NO_REDACTIONS,
    ) -> None:
        self.projections = tuple(projections)
        self.position = 0
        """The last position that was folded."""
        self._naming = naming
        self._handlers = folding.handlers(self.projections)
        self._rows = Rows()
        self._asked_for: set[Table] = set()
        self._let_go: set[Table] = set()
        self._later = dict(later)
        self._redactions: Redactions = self._later
        self._began_at = 0
        self._indexed = False

    @property
    def tables(self) -> list[Table]:
        return [table for projection in self.projections for table in projection.tables]

    async def create(self, source: Connection, target: DatabaseConnection) -> None:
        """Makes the tables, empty; those that an interrupted build left are dropped first."""
        self._began_at = (await reader.head(source)).position
        self._redactions = self._later | await reader.redactions(source)
        # Filling a table and indexing it then is faster, but on SQLite nobody could append while
        # it is indexed.
        self._indexed = target.dialect.transactional_ddl
        make = storage.create if self._indexed else storage.create_bare
        for table in self.tables:
            await Target(target).drop(self._naming(table))
            await make(target, table, self._naming(table))

    async def advance(
        self,
        source: Connection,
        target: Target,
        until: int,
        progress: Progress = lambda done, total: None,
    ) -> None:
        """Folds up to the position `until`. While a page is folded the next one is read, where
        source and target are not the same connection."""
        page = await self._read(source, self.position, until)
        while page:
            last = page[-1].position
            ahead = None
            if source is not target.connection and last < until:
                ahead = asyncio.create_task(self._read(source, last, until))
            try:
                await self._take(page, source, target, ahead)
                progress(self.position, until)
                page = await (ahead or self._read(source, self.position, until))
            finally:
                if ahead is not None:
                    ahead.cancel()
                    await asyncio.gather(ahead, return_exceptions=True)

    async def _read(self, source: Connection, after: int, until: int) -> list[Recorded]:
        return await reader.read_to_fold(source, after, until, PAGE)

    async def _take(
        self,
        page: Sequence[Recorded],
        source: Connection,
        target: Target,
        ahead: asyncio.Task[list[Recorded]] | None,
    ) -> None:
        unknown = any(row.payload is None and self._is_unknown(row) for row in page)
        late = [row for row in page if row.type == LogErased.type and row.position > self._began_at]
        if ahead is not None and (unknown or late):
            await ahead  # a connection does one thing at a time
        if unknown:  # erased since this began: the event that says what was kept comes later
            self._redactions = self._later | await reader.redactions(source)
        victims = await self._victims(source, late)
        events = folding.readable(page, self._redactions, self._handlers)
        folding.want(self._rows, events, self.projections, victims)
        self._asked_for.update(table for table, _ in self._rows.wanted())
        await storage.load(target.connection, self._rows, self._naming, self._let_go)
        folding.apply(self._rows, events, self.projections, victims)
        await self._settle(target, page[0].position)
        self.position = page[-1].position

    def _is_unknown(self, row: Recorded) -> bool:
        return row.type in self._handlers and row.position not in self._redactions

    async def _victims(self, source: Connection, late: Sequence[Recorded]) -> list[Recorded]:
        """What was erased since this began may have been folded whole before."""
        positions = {position for row in late for position in reader.erasure(row).positions}
        found = await reader.at_positions(source, sorted(positions))
        return [found[position] for position in sorted(found)]

    async def _settle(self, target: Target, since: int) -> None:
        """Writes and lets go of what need not, or cannot, stay in memory."""
        for table, count in self._rows.sizes():
            if count > (HELD if table in self._asked_for else GATHERED):
                await self._write(target, table, since)
                self._rows.forget(table)
                self._let_go.add(table)

    async def finish(self, target: Target) -> None:
        """Writes what is still in memory alone; it stays there, for going on."""
        for table, _ in self._rows.sizes():
            await self._write(target, table, 1)

    async def index(self, target: DatabaseConnection) -> None:
        """Makes the indexes that the tables have not got yet, and has the database look at them."""
        for table in self.tables:
            name = self._naming(table)
            if not self._indexed:
                try:
                    await storage.create_indexes(target, table, name)
                except ConstraintViolated as error:
                    raise FoldingFailed(f"{table.name}: {error}") from error
            await storage.analyze(target, name)
        self._indexed = True

    async def _write(self, target: Target, table: Table, since: int) -> None:
        name = self._naming(table)
        changes = self._rows.changes(table)
        size = WRITTEN if table.fulltext is None else WRITTEN_FULLTEXT

        async def delete(connection: Connection) -> None:
            await storage.delete(connection, table, name, changes.deleted)

        async def insert(connection: Connection) -> None:
            await storage.insert(connection, table, name, some)

        async def replace(connection: Connection) -> None:
            await storage.replace(connection, table, name, some)

        try:
            if changes.deleted:
                await target.run(delete)
            for first in range(0, len(changes.inserted), size):
                some = changes.inserted[first : first + size]
                await target.run(insert)
            for first in range(0, len(changes.changed), size):
                some = changes.changed[first : first + size]
                await target.run(replace)
        except ConstraintViolated as error:
            last = max(self.position, since)
            raise FoldingFailed(f"{table.name}, from position {last} on: {error}") from error
        self._rows.written(table)
