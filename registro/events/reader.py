"""Reading the log: its head, its rows by whatever is known of them, what was erased."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from registro.db.connection import Connection
from registro.db.dialect import Statement
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


SWITCHING = "(switching)"
"""What the head's `folded` says while tables of another version are being put in place."""

READ_ONLY = "(read-only)"
"""What it says in a replay."""


class Head(NamedTuple):
    """Where the log ends; `recorded_at` is the last event's time, 0 for an empty log. `folded` has
    the versions of the projections that every append has to fold; None in a new database."""

    position: int
    recorded_at: int
    frontier: Frontier
    folded: str | None = None


async def head(connection: Connection, *, lock: bool = False) -> Head:
    """The head row; with `lock` it stays ours until the transaction ends."""
    (rows,) = await connection.fetch_each([_head_query(connection, lock=lock)])
    return _head(rows)


def _head_query(connection: Connection, *, lock: bool) -> Statement:
    suffix = connection.dialect.for_update if lock else ""
    return Statement(
        f"SELECT position, recorded_at, frontier, folded FROM log_head WHERE id = 1{suffix}"
    )


def _head(rows: Sequence[Sequence[Any]]) -> Head:
    if not rows:
        raise CorruptLog("the log has no head row")
    position, recorded_at, frontier, folded = rows[0]
    # The frontier starts as an empty string, which SQLite hands back as text.
    peaks = Frontier.from_bytes(position, bytes(frontier or b""))
    return Head(position, recorded_at, peaks, folded)


class Before(NamedTuple):
    """What appending has to know: the head, which ids are stored, the streams' versions."""

    head: Head
    stored: dict[str, Recorded]
    versions: dict[str, int]


async def before(connection: Connection, ids: Iterable[str], streams: Iterable[str]) -> Before:
    """Locks the head, and then reads what came before an append, all at one time."""
    by_ids = [_by_id_query(chunk) for chunk in paged(ids, 500)]
    by_streams = [_versions_query(chunk) for chunk in paged(streams, 400)]
    queries = [_head_query(connection, lock=True), *by_ids, *by_streams]
    head_rows, *found = await connection.fetch_each(queries)
    stored = (Recorded(*row) for rows in found[: len(by_ids)] for row in rows)
    versions = (row for rows in found[len(by_ids) :] for row in rows)
    return Before(
        _head(head_rows),
        {row.id: row for row in stored},
        {stream: version for stream, version in versions if version is not None},
    )


async def versions(connection: Connection, streams: Iterable[str]) -> dict[str, int]:
    """The version of each stream that has events."""
    queries = [_versions_query(chunk) for chunk in paged(streams, 400)]
    if not queries:
        return {}
    found = await connection.fetch_each(queries)
    return {stream: version for rows in found for stream, version in rows if version is not None}


def _by_id_query(ids: Sequence[str]) -> Statement:
    names, values = in_list(ids)
    return Statement(f"SELECT {COLUMNS} FROM log_event WHERE id IN ({names})", values)


def _versions_query(streams: Sequence[str]) -> Statement:
    """At most 400 streams: SQLite takes at most 500 terms in a UNION."""
    wanted = " UNION ALL ".join(f"SELECT :v{n} AS name" for n in range(len(streams)))
    # One look at the end of each stream; MAX … GROUP BY would read all its versions on SQLite.
    return Statement(
        "SELECT name, (SELECT e.version FROM log_event e WHERE e.stream = wanted.name"
        f" ORDER BY e.version DESC LIMIT 1) FROM ({wanted}) wanted",
        {f"v{n}": stream for n, stream in enumerate(streams)},
    )


async def read(connection: Connection, after: int, limit: int = PAGE) -> list[Recorded]:
    """The next rows after a position, in order, at most `limit`."""
    rows = await connection.fetch_all(
        f"SELECT {COLUMNS} FROM log_event WHERE position > :after ORDER BY position LIMIT :limit",
        after=after,
        limit=limit,
    )
    return [Recorded(*row) for row in rows]


async def read_to_fold(
    connection: Connection, after: int, until: int, limit: int
) -> list[Recorded]:
    """The rows after `after` up to `until`, in order, at most `limit`, without what folding does
    not look at: salts and hashes are None and empty."""
    rows = await connection.fetch_all(
        "SELECT position, id, stream, version, type, schema_version, recorded_at, payload"
        " FROM log_event WHERE position > :after AND position <= :until"
        " ORDER BY position LIMIT :limit",
        after=after,
        until=until,
        limit=limit,
    )
    return [Recorded._make((*row, None, b"", b"")) for row in rows]


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
    low, high = 0, (await versions(connection, [stream])).get(stream, 0)
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
