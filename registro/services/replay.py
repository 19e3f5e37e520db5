"""Replays: the log up to a position or a moment, and the projections as they stood then, in an
SQLite file.

What was erased since is erased in a replay, too: its payload is nowhere any more. The file is a
database of Registro's to which nothing can be added (its head says so), so that the log in it can
be verified and pages read from it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import quote

from registro.db import migrations
from registro.db.connection import Connection, DatabaseConnection
from registro.db.migrations import REPLAY, REPLAY_ERASED
from registro.db.sql import paged
from registro.errors import RegistroError, StoreError
from registro.events import reader, store
from registro.events.reader import Head, Redactions
from registro.events.record import Recorded
from registro.events.types import Event
from registro.projections import generations, registry, runner, storage
from registro.projections.builder import Builder, Progress, Target
from registro.services.fixtures import read_log


class ReplayError(RegistroError):
    """A replay cannot be made, or a file is none."""


class Replay(NamedTuple):
    """What a replay shows: the log up to `position`, recorded at `recorded_at` (microseconds since
    1970; 0 for an empty log). It was made at `made_at` from a log of `source_position` events."""

    position: int
    recorded_at: int
    made_at: int
    source_position: int


class Made(NamedTuple):
    """A replay that was made: what it shows, the root of its tree (hex), and how long it took, in
    seconds: copying and checking the log, and folding it."""

    replay: Replay
    root: str
    copying: float
    folding: float


class Source(Protocol):
    """A log from which a replay is made."""

    end: int
    """Its last position."""

    async def position_at(self, moment: int) -> int:
        """The last position that was recorded at a moment or before."""

    async def redactions(self) -> Redactions:
        """What all of its erasures kept."""

    def pages(self, until: int) -> AsyncIterator[Sequence[Recorded]]:
        """Its rows up to a position."""


class DatabaseSource:
    """The log in a database, as it is when this is made. Servers may append meanwhile."""

    def __init__(self, connection: Connection, end: int) -> None:
        self._connection = connection
        self.end = end

    async def position_at(self, moment: int) -> int:
        return await reader.last_position_before(self._connection, moment + 1)

    async def redactions(self) -> Redactions:
        return await reader.redactions(self._connection)

    async def pages(self, until: int) -> AsyncIterator[Sequence[Recorded]]:
        after = 0
        while page := await reader.read(self._connection, after):
            rows = [row for row in page if row.position <= until]
            if rows:
                yield rows
            after = page[-1].position
            if after >= until:
                return


class ExportSource:
    """An exported log. Reads the file from the beginning each time. Raises ValueError, with the
    line, for a file that is none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.end = sum(1 for _ in self._rows())

    def _rows(self) -> Iterator[Recorded]:
        return read_log(self._path)

    async def position_at(self, moment: int) -> int:
        return sum(1 for row in self._rows() if row.recorded_at <= moment)

    async def redactions(self) -> Redactions:
        return reader.redactions_of(self._rows())

    async def pages(self, until: int) -> AsyncIterator[Sequence[Recorded]]:
        prefix = (row for row in self._rows() if row.position <= until)
        for page in paged(prefix, reader.PAGE):
            yield page


@asynccontextmanager
async def database(url: str) -> AsyncIterator[DatabaseSource]:
    """The log of a database, in one snapshot."""
    connection = await DatabaseConnection(url).open()
    try:
        await connection.execute(connection.dialect.snapshot)
        yield DatabaseSource(connection, (await reader.head(connection)).position)
    finally:
        await connection.close()


async def make(
    source: Source,
    target: Path,
    *,
    position: int | None = None,
    moment: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Made:
    """Writes the replay up to `position`, or up to `moment` (microseconds since 1970), to a file.

    The file appears under its name when it is whole. Every hash is checked while it is copied.
    Raises ReplayError when there is such a file or no such position, CorruptLog when the log does
    not hold together.
    """
    _check_new(target)
    if position is None:
        position = source.end if moment is None else await source.position_at(moment)
    if position > source.end:
        raise ReplayError(f"there is no position {position}: the log ends at {source.end}")
    draft = target.with_name(f"{target.name}.part")
    _remove(draft)
    try:
        made = await _write(source, draft, position, progress)
    except BaseException:
        _remove(draft)
        raise
    draft.rename(target)
    return made


def _check_new(target: Path) -> None:
    if target.exists():
        raise ReplayError(f"{target} exists: a replay is written to a new file")
    if not target.parent.is_dir():
        raise ReplayError(f"{target}: there is no folder {target.parent}")


def url_of(path: Path) -> str:
    return f"sqlite:///{quote(str(path.absolute()))}"


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


async def _write(source: Source, path: Path, position: int, progress: Progress) -> Made:
    connection = await DatabaseConnection(url_of(path)).open()
    try:
        for statement in connection.dialect.bulk:
            await connection.execute(statement)
        await migrations.migrate(connection, runner.ensure)
        started = time.monotonic()
        head = await _copy(source, connection, position)
        copied = time.monotonic()
        await _fold(source, connection, head, progress)
        replay = Replay(position, head.recorded_at, time.time_ns() // 1000, source.end)
        await _mark(connection, replay)
        return Made(replay, head.frontier.root().hex(), copied - started, time.monotonic() - copied)
    finally:
        await connection.close()


async def _copy(source: Source, connection: DatabaseConnection, position: int) -> Head:
    async def fold_later(connection: Connection, rows: Sequence[Recorded]) -> None:
        """All at once, when the log is there, is much faster."""

    head = await store.load_pages(connection, source.pages(position), fold_later)
    if head.position != position:
        raise ReplayError(f"the log ends at position {head.position}, not at {position}")
    return head


async def _fold(
    source: Source, connection: DatabaseConnection, head: Head, progress: Progress
) -> None:
    redactions = await source.redactions()
    own = await reader.redactions(connection)
    later: dict[int, Event | None] = {
        position: event
        for position, event in redactions.items()
        if position <= head.position and position not in own
    }
    builder = Builder(registry.ALL, storage.logical, later)
    await builder.create(connection, connection)
    await builder.advance(connection, Target(connection), head.position, progress)
    await builder.finish(Target(connection))
    for projection in registry.ALL:
        await runner.note(connection, projection, generation=1, position=head.position)
    await storage.create(connection, REPLAY_ERASED, REPLAY_ERASED.name)
    erased = [(position,) for position in sorted(later)]
    await connection.insert_many(REPLAY_ERASED.name, REPLAY_ERASED.column_names, erased)


async def _mark(connection: Connection, replay: Replay) -> None:
    await storage.create(connection, REPLAY, REPLAY.name)
    await connection.insert_many(REPLAY.name, REPLAY.column_names, [replay])
    await runner.note_folded(connection, reader.READ_ONLY)


async def read(path: Path) -> Replay:
    """What a replay shows. Raises ReplayError for a file that is none, or that another version of
    Registro made."""
    _check_there(path)
    connection = await DatabaseConnection(url_of(path)).open()
    try:
        return await _read(connection, path)
    except StoreError as error:
        raise ReplayError(f"{path}: {error}") from None
    finally:
        await connection.close()


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise ReplayError(f"{path}: there is no such file")


async def _read(connection: Connection, path: Path) -> Replay:
    if not await connection.fetch_value(connection.dialect.table_exists(), name=REPLAY.name):
        raise ReplayError(f"{path} is not a replay: expected a file that `registro replay` made")
    if await generations.outdated(connection):
        raise ReplayError(f"{path} was made by another version of Registro: make it again")
    row = await connection.fetch_one(f"SELECT {', '.join(REPLAY.column_names)} FROM {REPLAY.name}")
    if row is None:
        raise ReplayError(f"{path} is not whole")
    return Replay(*row)
