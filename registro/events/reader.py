"""Reading the log: its head, its rows by whatever is known of them, what was erased."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from registro.db.connection import Connection
from registro.db.migrations import LOG_EVENT
from registro.db.sql import in_list, paged
from registro.errors import CorruptLog
from registro.events import codec
from registro.events.merkle import Frontier, Node
from registro.events.record import Recorded
from registro.events.types import Event, LogErased

COLUMNS = ", ".join(LOG_EVENT.column_names)
PAGE = 1000
"""Rows that are read at once; what reads a whole log needs no more memory than that."""

Redactions = Mapping[int, Event | None]
"""Position of an erased row → what was kept of its event."""

NO_REDACTIONS: Redactions = MappingProxyType({})


class Head(NamedTuple):
    """Where the log ends; `recorded_at` is the last event's time, 0 for an empty log."""

    position: int
    recorded_at: int
    frontier: Frontier


async def head(connection: Connection, *, lock: bool = False) -> Head:
    """The head row; with `lock` it stays ours until the transaction ends."""
    suffix = connection.dialect.for_update if lock else ""
    row = await connection.fetch_one(
        f"SELECT position, recorded_at, frontier FROM log_head WHERE id = 1{suffix}"
    )
    if row is None:
        raise CorruptLog("the log has no head row")
    position, recorded_at, frontier = row
    # The frontier starts as an empty string, which SQLite hands back as text.
    return Head(position, recorded_at, Frontier.from_bytes(position, bytes(frontier or b"")))


async def read(connection: Connection, after: int, limit: int = PAGE) -> list[Recorded]:
    """The next rows after a position, in order, at most `limit`."""
    rows = await connection.fetch_all(
        f"SELECT {COLUMNS} FROM log_event WHERE position > :after ORDER BY position LIMIT :limit",
        after=after,
        limit=limit,
    )
    return [Recorded(*row) for row in rows]


async def stream_log(
    connection: Connection, *, after: int = 0, until: int | None = None
) -> AsyncIterator[Recorded]:
    """All rows after `after` up to `until` (both positions), read page by page."""
    while True:
        page = await read(connection, after)
        for row in page:
            if until is not None and row.position > until:
                return
            yield row
        if len(page) < PAGE:
            return
        after = page[-1].position


async def by_id(connection: Connection, ids: Sequence[str]) -> dict[str, Recorded]:
    found: dict[str, Recorded] = {}
    for chunk in paged(ids, 500):
        names, values = in_list(chunk)
        rows = await connection.fetch_all(
            f"SELECT {COLUMNS} FROM log_event WHERE id IN ({names})", **values
        )
        found |= {row[1]: Recorded(*row) for row in rows}
    return found


async def stream_versions(connection: Connection, streams: Iterable[str]) -> dict[str, int]:
    """The version of each stream that has events."""
    versions: dict[str, int] = {}
    for chunk in paged(streams, 400):  # SQLite takes at most 500 terms in a UNION
        wanted = " UNION ALL ".join(f"SELECT :v{n} AS name" for n in range(len(chunk)))
        # One look at the end of each stream; MAX … GROUP BY would read all its versions on SQLite.
        rows = await connection.fetch_all(
            "SELECT name, (SELECT e.version FROM log_event e WHERE e.stream = wanted.name"
            f" ORDER BY e.version DESC LIMIT 1) FROM ({wanted}) wanted",
            **{f"v{n}": stream for n, stream in enumerate(chunk)},
        )
        versions |= {name: version for name, version in rows if version is not None}
    return versions


async def at_positions(connection: Connection, positions: Sequence[int]) -> dict[int, Recorded]:
    """The rows at some positions."""
    found: dict[int, Recorded] = {}
    for chunk in paged(positions, 500):
        names, values = in_list(chunk)
        rows = await connection.fetch_all(
            f"SELECT {COLUMNS} FROM log_event WHERE position IN ({names})", **values
        )
        found |= {row[0]: Recorded(*row) for row in rows}
    return found


async def of_streams(connection: Connection, streams: Iterable[str]) -> list[Recorded]:
    """All rows of some streams, by position."""
    found: list[Recorded] = []
    for chunk in paged(streams, 500):
        names, values = in_list(chunk)
        rows = await connection.fetch_all(
            f"SELECT {COLUMNS} FROM log_event WHERE stream IN ({names})", **values
        )
        found += [Recorded(*row) for row in rows]
    return sorted(found)


async def last_position_before(connection: Connection, moment: int) -> int:
    """The last position that was recorded before a moment; 0 when there is none.

    Times never run backwards along positions, so it is found by halving.
    """
    low, high = 0, (await head(connection)).position
    while low < high:
        middle = (low + high + 1) // 2
        recorded_at = await connection.fetch_value(
            "SELECT recorded_at FROM log_event WHERE position = :position", position=middle
        )
        low, high = (middle, high) if recorded_at < moment else (low, middle - 1)
    return low


async def version_at(connection: Connection, stream: str, position: int) -> int:
    """The version that a stream had at a position; 0 before it began. Found by halving, too."""
    low, high = 0, (await stream_versions(connection, [stream])).get(stream, 0)
    while low < high:
        middle = (low + high + 1) // 2
        found = await connection.fetch_value(
            "SELECT position FROM log_event WHERE stream = :stream AND version = :version",
            stream=stream,
            version=middle,
        )
        low, high = (middle, high) if found <= position else (low, middle - 1)
    return low


async def nodes(connection: Connection, start: int, end: int) -> list[Node]:
    """The complete subtrees that make up the leaves from `start` to `end` (from 0, end excluded),
    from left to right: the largest ones that `log_node` has, and single leaves."""
    parts: list[Node] = []
    for height, first, last in _pieces(start, end):
        if height:
            rows = await connection.fetch_all(
                "SELECT height, number, hash FROM log_node"
                " WHERE height = :height AND number >= :first AND number < :last ORDER BY number",
                height=height,
                first=first,
                last=last,
            )
        else:
            rows = await connection.fetch_all(
                "SELECT 0, position - 1, leaf FROM log_event"
                " WHERE position > :first AND position <= :last ORDER BY position",
                first=first,
                last=last,
            )
        if len(rows) != last - first:
            raise CorruptLog(f"positions {start + 1} to {end}: parts of the tree are missing")
        parts += [Node(*row) for row in rows]
    return parts


def _pieces(start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(height, first number, last number excluded): aligned runs of subtrees that cover a range."""
    while start < end:
        height = 0
        while not start % (256 << height) and start + (256 << height) <= end:
            height += 8
        step = 1 << height
        # As many of them as come before the next larger one could begin.
        stop = min(end, (start // (step << 8) + 1) * (step << 8))
        count = (stop - start) // step
        yield height, start // step, start // step + count
        start += count * step


def erasure(row: Recorded) -> LogErased:
    """The event of a row that is an erasure."""
    event = row.event()
    if not isinstance(event, LogErased):
        raise TypeError(f"position {row.position} is {row.type}, not an erasure")
    return event


def redactions_of(rows: Iterable[Recorded]) -> dict[int, Event | None]:
    """What the erasures among the rows kept of the rows that they erased."""
    kept: dict[int, tuple[Event | None]] = {}
    for row in rows:
        if row.type == LogErased.type:
            event = erasure(row)
            for position, fields in zip(event.positions, event.kept, strict=True):
                kept.setdefault(position, (codec.from_kept(fields),))
    return {position: one for position, (one,) in kept.items()}


async def redactions(connection: Connection) -> dict[int, Event | None]:
    """What all erasures in the log kept. They are found by their streams' index."""
    rows = await connection.fetch_all(
        f"SELECT {COLUMNS} FROM log_event WHERE stream >= 'erasure/' AND stream < 'erasure0'"
        " ORDER BY stream"
    )
    return redactions_of(Recorded(*row) for row in rows)
