"""Verifying projections: the log is folded afresh, and every row compared.

Log and tables are read in one snapshot, while servers append. The fresh tables are in a temporary
SQLite file, whatever the database is.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal, NamedTuple

from registro.db import lock
from registro.db.connection import Connection, DatabaseConnection
from registro.db.dialect import Row
from registro.db.schema import Table
from registro.errors import Outdated
from registro.events import reader
from registro.projections import generations, registry, storage
from registro.projections.builder import Builder, Progress, Target
from registro.projections.projection import Projection
from registro.projections.rows import Key

SHOWN = 20
"""Differences of one table that are described; the others are counted."""

PAGE = 5_000
"""Rows of a table that are compared at once."""

Kind = Literal["missing", "surplus", "different"]


class Column(NamedTuple):
    """What a column holds, and what the log says that it has to hold."""

    name: str
    stored: object
    expected: object


class Difference(NamedTuple):
    """A row that is not what the log says: `missing` from the table, `surplus` in it, or
    `different` in some columns."""

    table: str
    key: Key
    kind: Kind
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Report:
    """What a verification found: up to which position, how many rows of each table the log gives,
    how many of each table differ, and the first of these."""

    position: int
    seconds: float
    rows: dict[str, int]
    counts: dict[str, int]
    differences: tuple[Difference, ...]

    @property
    def ok(self) -> bool:
        return not any(self.counts.values())


async def verify(
    url: str, projections: Sequence[Projection], progress: Progress = lambda done, total: None
) -> Report:
    """Compares the tables of some projections with what folding the log gives.

    Raises InProgress while they are being rebuilt, Outdated when other code than this program's
    built one of them.
    """
    async with lock.alone(url, generations.LOCK), _snapshot(url) as snapshot:
        old = set(await generations.outdated(snapshot)) & set(projections)
        if old:
            names = ", ".join(sorted(projection.name for projection in old))
            raise Outdated(
                f"not built by this version of Registro: {names}: run `registro migrate`"
            )
        with tempfile.TemporaryDirectory(prefix="registro-") as folder:
            fresh = await DatabaseConnection(f"sqlite:///{folder}/fresh.db").open()
            try:
                return await _verify(snapshot, fresh, projections, progress)
            finally:
                await fresh.close()


@asynccontextmanager
async def _snapshot(url: str) -> AsyncIterator[DatabaseConnection]:
    """A connection that sees the database as it is now, until the end."""
    connection = await DatabaseConnection(url).open()
    try:
        await connection.execute(connection.dialect.snapshot)
        yield connection
    finally:
        await connection.close()


async def _verify(
    snapshot: DatabaseConnection,
    fresh: DatabaseConnection,
    projections: Sequence[Projection],
    progress: Progress,
) -> Report:
    started = time.monotonic()
    end = (await reader.head(snapshot)).position
    for statement in (*fresh.dialect.bulk, "PRAGMA synchronous=OFF"):
        await fresh.execute(statement)
    found: dict[str, _Compared] = {}
    for position, some in (await _by_position(snapshot, projections, end)).items():
        builder = Builder(some, storage.logical)
        await builder.create(snapshot, fresh)
        await builder.advance(snapshot, Target(fresh), position, progress)
        await builder.finish(Target(fresh))
        found |= {table.name: await _compare(snapshot, fresh, table) for table in builder.tables}
    return Report(
        end,
        time.monotonic() - started,
        {name: one.rows for name, one in found.items()},
        {name: one.differing for name, one in found.items()},
        tuple(difference for one in found.values() for difference in one.first),
    )


async def _by_position(
    snapshot: Connection, projections: Sequence[Projection], end: int
) -> dict[int, list[Projection]]:
    """Projections by the position to which their tables have come."""
    rows = await snapshot.fetch_all("SELECT name, position FROM projection")
    reached: dict[str, int] = dict(rows)
    grouped: dict[int, list[Projection]] = {}
    for projection in projections:
        position = end if projection in registry.INLINE else reached[projection.name]
        grouped.setdefault(position, []).append(projection)
    return grouped


class _Compared(NamedTuple):
    rows: int
    differing: int
    first: list[Difference]


async def _compare(stored: Connection, fresh: Connection, table: Table) -> _Compared:
    """Goes through both tables in the order of the key, in steps that end at the same key."""
    rows = differing = 0
    first: list[Difference] = []
    after: Key | None = None
    while True:
        pages = [await _page(one, table, after) for one in (stored, fresh)]
        after = min((max(page) for page in pages if len(page) == PAGE), default=None)
        is_, should = (
            page if after is None else {key: row for key, row in page.items() if key <= after}
            for page in pages
        )
        rows += len(should)
        if is_ != should:
            some = list(_differences(table, is_, should))
            differing += len(some)
            first += some[: SHOWN - len(first)]
        if after is None:
            return _Compared(rows, differing, first)


async def _page(connection: Connection, table: Table, after: Key | None) -> dict[Key, Row]:
    """The next rows in the order of the key."""
    condition, values = _beyond(table.key, after or ())
    found = await connection.fetch_all(
        f"SELECT {', '.join(table.column_names)} FROM {table.name}{condition}"
        f" ORDER BY {', '.join(table.key)} LIMIT :limit",
        **values,
        limit=PAGE,
    )
    places = [table.column_names.index(name) for name in table.key]
    return {tuple(row[place] for place in places): tuple(row) for row in found}


def _beyond(names: Sequence[str], after: Key) -> tuple[str, dict[str, object]]:
    """A condition for rows after a key, in a form in which all databases use the key's index."""
    if not after:
        return "", {}
    values = {f"k{number}": value for number, value in enumerate(after)}
    condition = f"{names[-1]} > :k{len(names) - 1}"
    for number in range(len(names) - 2, -1, -1):
        name, value = names[number], f":k{number}"
        condition = f"{name} >= {value} AND ({name} > {value} OR {condition})"
    return f" WHERE {condition}", values


def _differences(
    table: Table, stored: dict[Key, Row], expected: dict[Key, Row]
) -> Iterator[Difference]:
    for key in sorted(stored.keys() | expected.keys()):
        is_, should = stored.get(key), expected.get(key)
        if should is None:
            yield Difference(table.name, key, "surplus", ())
        elif is_ is None:
            yield Difference(table.name, key, "missing", ())
        elif is_ != should:
            values = zip(table.column_names, is_, should, strict=True)
            columns = tuple(Column(*one) for one in values if one[1] != one[2])
            yield Difference(table.name, key, "different", columns)
