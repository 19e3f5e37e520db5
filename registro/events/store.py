"""The log in the database: appending in one transaction, and reading.

Positions are 1, 2, 3 … in commit order without gaps, because a writer holds the lock on the head
row from before it looks until after it committed. Streams have versions 1, 2, 3 … of their own.
`docs/architecture.md`, "One append", explains the steps that are numbered below.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

from registro.db.connection import Connection
from registro.db.migrations import LOG_EVENT
from registro.errors import Conflict, CorruptLog, Rejected, StoreError, Unavailable
from registro.events import codec, merkle
from registro.events.merkle import Frontier
from registro.events.record import Recorded, rfc3339
from registro.events.types import Event

Fold = Callable[[Connection, Sequence[Recorded]], Awaitable[None]]
"""Applies committed-to-be rows to the inline projections, inside the appending transaction."""

Outcome = Sequence[Recorded] | StoreError
"""What became of one append: its rows, or why it was not stored."""

COLUMNS = ", ".join(LOG_EVENT.column_names)
PAGE = 1000
_STREAM = re.compile(r"[a-z]+/[0-9a-f-]{36}")


class Draft(NamedTuple):
    """An event on its way into the log. It is made once, with its id and salt, so that trying
    again after an error cannot store it twice."""

    id: str
    stream: str
    type: str
    schema: int
    payload: bytes
    salt: bytes
    commitment: bytes
    expected: int | None


def draft(
    stream: str, event: Event, *, id: str | None = None, expected: int | None = None
) -> Draft:
    """Prepares an event for `stream` (`kind/uuid`).

    `id` makes the append idempotent: the same id again stores nothing and is answered with the
    stored row. `expected` is the version that the stream must have before. Raises ValueError for
    a payload that has no canonical form.
    """
    if not _STREAM.fullmatch(stream):
        raise ValueError(f"stream {stream!r}: expected a kind, a slash and a UUID")
    payload = codec.encode(event)
    salt = secrets.token_bytes(32)
    return Draft(
        id or str(uuid4()),
        stream,
        event.type,
        event.schema,
        payload,
        salt,
        merkle.commitment(salt, payload),
        expected,
    )


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


async def append(
    connection: Connection, batch: Sequence[Sequence[Draft]], *, now: int, fold: Fold
) -> list[Outcome]:
    """Stores each append (a sequence of drafts, all or none) and says what became of it, in order.

    `now` is in microseconds since 1970. A duplicate, a conflict or an append that cannot be folded
    harms no neighbour. Raises Unavailable when the database cannot do it now; then nothing was
    stored, unless the error came from COMMIT: trying again with the same drafts is always safe.
    """
    try:
        async with connection.transaction():
            return await _append(connection, batch, now, fold)
    except Unavailable:
        raise
    except Exception as error:  # noqa: BLE001 - whatever folding stumbles over
        if len(batch) == 1:
            return [_rejected(batch[0], error)]
    # Folding failed: halve the batch until the guilty append stands alone.
    middle = len(batch) // 2
    return [
        *await append(connection, batch[:middle], now=now, fold=fold),
        *await append(connection, batch[middle:], now=now, fold=fold),
    ]


def _rejected(drafts: Sequence[Draft], error: Exception) -> Rejected:
    rejected = Rejected(f"{', '.join(d.type for d in drafts)}: {type(error).__name__}: {error}")
    rejected.__cause__ = error
    return rejected


async def _append(
    connection: Connection, batch: Sequence[Sequence[Draft]], now: int, fold: Fold
) -> list[Outcome]:
    at = await head(connection, lock=True)  # 1: before anything else is read
    drafts = [draft for drafts in batch for draft in drafts]
    stored = await by_id(connection, [draft.id for draft in drafts])  # 2
    versions = await stream_versions(connection, {draft.stream for draft in drafts})
    recorded_at = max(now, at.recorded_at)  # time never runs backwards
    rows: list[Recorded] = []
    outcomes = [
        _place(drafts, stored, versions, rows, at, recorded_at)
        for drafts in batch  # 3
    ]
    if rows:
        await connection.insert_many(LOG_EVENT.name, LOG_EVENT.column_names, rows)  # 4
        await fold(connection, rows)  # 5
        await connection.execute(  # 6
            "UPDATE log_head SET position = :position, recorded_at = :recorded_at,"
            " frontier = :frontier WHERE id = 1",
            position=at.frontier.size,
            recorded_at=recorded_at,
            frontier=bytes(at.frontier),
        )
    return outcomes


def _place(
    drafts: Sequence[Draft],
    stored: dict[str, Recorded],
    versions: dict[str, int],
    rows: list[Recorded],
    at: Head,
    recorded_at: int,
) -> Outcome:
    """Gives one append its positions and versions, unless it is a duplicate or a conflict."""
    known = [stored[draft.id] for draft in drafts if draft.id in stored]
    if known:
        if len(known) == len(drafts):
            return known
        return Rejected(f"event id {known[0].id} is stored already, others of its append are not")
    for draft in drafts:
        version = versions.get(draft.stream, 0)
        if draft.expected is not None and draft.expected != version:
            return Conflict(draft.stream, draft.expected, version)
    placed = []
    for draft in drafts:
        version = versions[draft.stream] = versions.get(draft.stream, 0) + 1
        row = _row(draft, at.frontier.size + 1, version, recorded_at)
        at.frontier.append(row.leaf)
        stored[draft.id] = row  # the same id again in this batch is a duplicate, too
        placed.append(row)
    rows += placed
    return placed


def _row(draft: Draft, position: int, version: int, recorded_at: int) -> Recorded:
    leaf = merkle.leaf(
        position=position,
        id=draft.id,
        stream=draft.stream,
        version=version,
        type=draft.type,
        schema=draft.schema,
        recorded_at=rfc3339(recorded_at),
        commitment=draft.commitment,
    )
    return Recorded(
        position, draft.id, draft.stream, version, draft.type, draft.schema, recorded_at,
        draft.payload, draft.salt, draft.commitment, leaf,
    )  # fmt: skip


async def load(connection: Connection, rows: Iterable[Recorded], *, fold: Fold) -> Head:
    """Brings an exported log into an empty one, with its positions, ids, times and hashes.

    All or nothing. Raises CorruptLog when the rows are no whole log, StoreError when the log here
    is not empty.
    """
    async with connection.transaction():
        at = await head(connection, lock=True)
        if at.position:
            raise StoreError(f"the log is not empty: it ends at position {at.position}")
        recorded_at = 0
        for page in _paged(rows, PAGE):
            for row in page:
                _check_next(row, at.frontier.size, recorded_at)
                at.frontier.append(row.leaf)
                recorded_at = row.recorded_at
            await connection.insert_many(LOG_EVENT.name, LOG_EVENT.column_names, page)
            await fold(connection, page)
        await connection.execute(
            "UPDATE log_head SET position = :position, recorded_at = :recorded_at,"
            " frontier = :frontier WHERE id = 1",
            position=at.frontier.size,
            recorded_at=recorded_at,
            frontier=bytes(at.frontier),
        )
    return Head(at.frontier.size, recorded_at, at.frontier)


def _check_next(row: Recorded, size: int, recorded_at: int) -> None:
    if row.position != size + 1:
        raise CorruptLog(f"position {row.position} follows position {size}")
    if row.recorded_at < recorded_at:
        raise CorruptLog(f"position {row.position}: recorded before position {size}")
    if row.computed_leaf() != row.leaf:
        raise CorruptLog(f"position {row.position}: the leaf does not match the envelope")
    if row.payload is not None and row.salt is not None:
        if merkle.commitment(row.salt, row.payload) != row.commitment:
            raise CorruptLog(f"position {row.position}: the payload does not match its commitment")
    elif row.payload is not None or row.salt is not None:
        raise CorruptLog(
            f"position {row.position}: payload and salt are erased together or not at all"
        )


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
    for chunk in _paged(ids, 500):
        names, values = in_list(chunk)
        rows = await connection.fetch_all(
            f"SELECT {COLUMNS} FROM log_event WHERE id IN ({names})", **values
        )
        found |= {row[1]: Recorded(*row) for row in rows}
    return found


async def stream_versions(connection: Connection, streams: Iterable[str]) -> dict[str, int]:
    """The version of each stream that has events."""
    versions: dict[str, int] = {}
    for chunk in _paged(streams, 400):  # SQLite takes at most 500 terms in a UNION
        wanted = " UNION ALL ".join(f"SELECT :v{n} AS name" for n in range(len(chunk)))
        # One look at the end of each stream; MAX … GROUP BY would read all its versions on SQLite.
        rows = await connection.fetch_all(
            "SELECT name, (SELECT e.version FROM log_event e WHERE e.stream = wanted.name"
            f" ORDER BY e.version DESC LIMIT 1) FROM ({wanted}) wanted",
            **{f"v{n}": stream for n, stream in enumerate(chunk)},
        )
        versions |= {name: version for name, version in rows if version is not None}
    return versions


def in_list(values: Sequence[Any], prefix: str = "v") -> tuple[str, dict[str, Any]]:
    """Named parameters for `IN (…)`: their list, and their values."""
    names = {f"{prefix}{number}": value for number, value in enumerate(values)}
    return ", ".join(f":{name}" for name in names), names


def _paged(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    page: list[Any] = []
    for item in items:
        page.append(item)
        if len(page) == size:
            yield page
            page = []
    if page:
        yield page
