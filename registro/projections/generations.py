"""Rebuilding projections beside running servers, and what state they are in.

The tables that are read always have their logical names. A rebuild makes tables named
`<name>__<generation>`, folds the log into them in transactions of its own while servers append, and
when it is near the end it takes the lock of the head row, folds the rest, and renames: from the
next transaction on, everybody reads and folds the new tables. An interrupted rebuild changes
nothing and leaves tables that the next one drops. `docs/decisions/0005-generations.md` has the
reasons.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import NamedTuple

from registro.db import lock
from registro.db.connection import Connection, DatabaseConnection
from registro.db.schema import Table
from registro.errors import Busy
from registro.events import reader
from registro.projections import registry, runner, storage
from registro.projections.builder import Builder, Progress, Target
from registro.projections.projection import Projection

LOCK = "projections"
"""Who rebuilds or verifies holds it."""

NEAR = 500
"""Events before the end of the log at which the head is locked."""

ATTEMPTS = 20
"""How often a switch is tried while readers hold the tables."""


@dataclass(frozen=True)
class Status:
    """A projection in the database. `version` and `generation` are 0 when it was never built;
    `position` is up to where it has come and `lag` how many events that is behind the log's end;
    `rows` are those of all its tables; times are microseconds since 1970."""

    name: str
    kind: str
    state: str
    version: int
    code_version: int
    generation: int
    position: int
    lag: int
    rows: int
    built_at: int


class Rebuilt(NamedTuple):
    """What a rebuild did: up to which position, in how many seconds until the new tables were in
    place, and for how long (seconds) appends had to wait for that."""

    names: tuple[str, ...]
    position: int
    seconds: float
    locked: float


class _Known(NamedTuple):
    version: int
    generation: int
    position: int
    built_at: int


async def _known(connection: Connection) -> dict[str, _Known]:
    rows = await connection.fetch_all(
        "SELECT name, version, generation, position, built_at FROM projection"
    )
    return {row[0]: _Known(*row[1:]) for row in rows}


async def outdated(connection: Connection) -> list[Projection]:
    """Projections that were never built over this log, or by other code than this program's."""
    known = await _known(connection)
    head = await reader.head(connection)
    return [
        projection
        for projection in registry.ALL
        if projection.name not in known
        or known[projection.name].version != projection.version
        or (head.folded == reader.SWITCHING and projection in registry.INLINE)
    ]


async def status(connection: Connection) -> list[Status]:
    """The state of every projection that this program knows: `live`, `outdated` (other code built
    it) or `missing`."""
    known = await _known(connection)
    head = await reader.head(connection)
    old = set(await outdated(connection))
    return [
        await _status(connection, projection, known.get(projection.name), head.position, old)
        for projection in registry.ALL
    ]


async def _status(
    connection: Connection,
    projection: Projection,
    known: _Known | None,
    end: int,
    old: set[Projection],
) -> Status:
    inline = projection in registry.INLINE
    version, generation, position, built_at = known or _Known(0, 0, 0, 0)
    if inline and known is not None:
        position = end
    rows = 0
    for table in projection.tables if known is not None else ():
        rows += await connection.fetch_value(f"SELECT COUNT(*) FROM {table.name}")
    return Status(
        name=projection.name,
        kind="inline" if inline else "following",
        state="missing" if known is None else "outdated" if projection in old else "live",
        version=version,
        code_version=projection.version,
        generation=generation,
        position=position,
        lag=end - position,
        rows=rows,
        built_at=built_at,
    )


async def rebuild(
    url: str, projections: Sequence[Projection], progress: Progress = lambda done, total: None
) -> Rebuilt:
    """Builds projections anew from the log, beside servers that append, and puts them in place.

    Raises InProgress when another process is at it, FoldingFailed (with the position) for an event
    that cannot be folded; then everything is as it was.
    """
    async with lock.alone(url, LOCK), AsyncExitStack() as stack:
        opened = [await _opened(stack, url) for _ in range(3)]
        if (await reader.head(opened[0])).folded == reader.SWITCHING:
            # A switch was interrupted: nobody knows which tables are of which version.
            projections = list(dict.fromkeys((*registry.INLINE, *projections)))
        return await _Rebuild(opened, projections, progress).run()


async def _opened(stack: AsyncExitStack, url: str) -> DatabaseConnection:
    connection = await DatabaseConnection(url).open()
    stack.push_async_callback(connection.close)
    return connection


class _Rebuild:
    """One rebuild, with three connections: one reads the log, one writes the new tables, one holds
    the lock of the head."""

    def __init__(
        self,
        connections: Sequence[DatabaseConnection],
        projections: Sequence[Projection],
        progress: Progress,
    ) -> None:
        self._source, self._target, self._head = connections
        self._projections = projections
        self._progress = progress
        self._folded_before: str | None = None
        self._generations: dict[str, int] = {}
        self._names: dict[Table, str] = {}
        self._builder = Builder(projections, self._names.__getitem__)

    async def run(self) -> Rebuilt:
        started = time.monotonic()
        for statement in self._target.dialect.bulk:
            await self._target.execute(statement)
        self._folded_before = (await reader.head(self._source)).folded
        known = await _known(self._source)
        for projection in self._projections:
            before = known.get(projection.name)
            generation = 1 if before is None else before.generation + 1
            self._generations[projection.name] = generation
            self._names |= {table: f"{table.name}__{generation}" for table in projection.tables}
        await self._builder.create(self._source, self._target)
        target = Target(self._target)
        await self._catch_up(target)
        await self._builder.finish(target)
        await self._builder.index(self._target)
        locked = await self._put_in_place(target)
        seconds = time.monotonic() - started
        for table in self._builder.tables:
            await target.drop(_old(table))
        return Rebuilt(
            tuple(projection.name for projection in self._projections),
            self._builder.position,
            seconds,
            locked,
        )

    async def _catch_up(self, target: Target) -> None:
        while True:
            end = (await reader.head(self._source)).position
            if end - self._builder.position <= NEAR:
                return
            await self._builder.advance(self._source, target, end, self._progress)

    async def _put_in_place(self, target: Target) -> float:
        """Switches; returns for how many seconds the head was locked."""
        for table in self._builder.tables:
            await target.drop(_old(table))
        switch = (
            self._in_a_transaction
            if target.connection.dialect.transactional_ddl
            else (self._by_renaming)
        )
        for attempt in range(ATTEMPTS):
            await self._catch_up(target)
            await self._builder.finish(target)
            try:
                return await switch(target)
            except Busy:
                if attempt == ATTEMPTS - 1:
                    raise
                await asyncio.sleep(0.2 * attempt)
        raise AssertionError

    async def _in_a_transaction(self, target: Target) -> float:
        """Where tables are renamed within a transaction, nobody ever sees it half done."""
        await self._target.execute("PRAGMA synchronous=FULL")
        inside = Target(self._target, inside=True)
        async with self._target.transaction():
            locked = time.monotonic()
            await self._fold_rest(self._target, self._target, inside)
            for statement in await self._renaming():
                await self._target.execute(statement)
            await self._note(self._target)
        return time.monotonic() - locked

    async def _by_renaming(self, target: Target) -> float:
        """Where renaming commits by itself: one connection keeps everybody from appending, another
        folds the rest and renames all tables in one statement.

        When the versions change, no program may append in between, should this one die there: the
        head says so first.
        """
        before, after = self._folded_before, self._folded_after()
        if after != before:
            await self._announce(reader.SWITCHING)
        try:
            async with self._head.transaction():
                await reader.head(self._head, lock=True)
                locked = time.monotonic()
                await self._fold_rest(self._head, self._source, target)
                for statement in await self._renaming():
                    await self._target.execute(statement)
                await self._note(self._head)
            return time.monotonic() - locked
        except Busy:
            if after != before:
                await self._announce(before)
            raise

    async def _announce(self, folded: str | None) -> None:
        async with self._head.transaction():
            await reader.head(self._head, lock=True)
            await runner.note_folded(self._head, folded)

    async def _fold_rest(self, head: Connection, source: Connection, target: Target) -> None:
        end = await reader.head(head, lock=True)
        await self._lock_rows(head)
        await self._builder.advance(source, target, end.position)
        await self._builder.finish(target)

    async def _lock_rows(self, head: Connection) -> None:
        """Keeps those who follow the log from going on with the old tables."""
        await head.fetch_all(f"SELECT name FROM projection{head.dialect.for_update}")

    async def _renaming(self) -> list[str]:
        names = []
        for table in self._builder.tables:
            if await storage.exists(self._target, table.name):
                names.append((table.name, _old(table)))
            names.append((self._names[table], table.name))
        return self._target.dialect.rename_tables(names)

    async def _note(self, connection: Connection) -> None:
        folded = self._folded_after()
        for projection in self._projections:
            generation = self._generations[projection.name]
            await runner.note(connection, projection, generation, self._builder.position)
        if folded == registry.FOLDED:
            await self._forget_strangers(connection)
        await runner.note_folded(connection, folded)

    def _folded_after(self) -> str:
        """What appending programs have to fold once this is in place: what this program folds,
        where it built all of that; else what there was, too."""
        if set(registry.INLINE) <= set(self._projections):
            return registry.FOLDED
        return registry.folded_with(self._folded_before, self._projections)

    async def _forget_strangers(self, connection: Connection) -> None:
        """Projections of a newer version of Registro are not kept any more after a way back."""
        for name in (await _known(connection)).keys() - registry.BY_NAME.keys():
            await connection.execute("DELETE FROM projection WHERE name = :name", name=name)


def _old(table: Table) -> str:
    return f"{table.name}__old"
