"""The log in the database: appending in one transaction, and loading an exported one.

Positions are 1, 2, 3 … in commit order without gaps, because a writer holds the lock on the head
row from before it looks until after it committed. Streams have versions 1, 2, 3 … of their own.
`docs/architecture.md`, "One append", explains the steps that are numbered below.
"""

from __future__ import annotations

import os
import re
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from typing import NamedTuple, Protocol
from uuid import uuid4

from registro.db.connection import Connection
from registro.db.migrations import LOG_EVENT, LOG_NODE
from registro.db.sql import in_list, paged
from registro.errors import (
    Busy,
    Conflict,
    CorruptLog,
    Outdated,
    Rejected,
    StoreError,
    Unavailable,
)
from registro.events import codec, merkle, reader
from registro.events.merkle import Frontier, Node
from registro.events.reader import Head, Redactions
from registro.events.record import Recorded, rfc3339
from registro.events.types import Event, LogErased

Fold = Callable[[Connection, Sequence[Recorded], Sequence[Recorded]], Awaitable[None]]
"""Applies committed-to-be rows to the inline projections, inside the appending transaction. The
second sequence has the rows, as they were, whose payloads the first one's erasures erase."""

Outcome = Sequence[Recorded] | StoreError
"""What became of one append: its rows, or why it was not stored."""

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
    given: tuple[tuple[str, int], ...] = ()


def draft(
    stream: str,
    event: Event,
    *,
    id: str | None = None,
    expected: int | None = None,
    given: Mapping[str, int] | None = None,
) -> Draft:
    """Prepares an event for `stream` (`kind/uuid`).

    `id` makes the append idempotent: the same id again stores nothing and is answered with the
    stored row. `expected` is the version that the stream must have before, and `given` those that
    other streams must have, because the event was decided on what is in them. Raises ValueError
    for a payload that has no canonical form.
    """
    if not _STREAM.fullmatch(stream):
        raise ValueError(f"stream {stream!r}: expected a kind, a slash and a UUID")
    payload = codec.encode(event)
    salt = os.urandom(32)
    return Draft(
        id or str(uuid4()),
        stream,
        event.type,
        event.schema,
        payload,
        salt,
        merkle.commitment(salt, payload),
        expected,
        tuple((given or {}).items()),
    )


class Memory:
    """What a writer knows from its last transaction: the streams' versions, and what folding knows,
    which `forget` lets go. It is true until others append or switch projections, and the head,
    which is read under the lock, shows when they did.
    """

    LIMIT = 20_000
    """Streams that are remembered."""

    def __init__(self, forget: Callable[[], None] = lambda: None) -> None:
        self._forget = forget
        self._at: tuple[int, str | None] | None = None
        self._versions: dict[str, int] = {}

    def known(self, streams: Iterable[str]) -> dict[str, int]:
        """The versions of those streams that are remembered."""
        return {name: self._versions[name] for name in streams if name in self._versions}

    def holds(self, head: Head) -> bool:
        """Whether it is still true; if not, all is forgotten."""
        if self._at == (head.position, head.folded):
            return True
        self.forget()
        return False

    def keep(self, position: int, folded: str | None, versions: Mapping[str, int]) -> None:
        """After a commit that led to `position`."""
        self._at = (position, folded)
        if len(self._versions) > self.LIMIT:
            self._versions.clear()
        self._versions |= versions

    def forget(self) -> None:
        self._at = None
        self._versions.clear()
        self._forget()


async def append(
    connection: Connection,
    batch: Sequence[Sequence[Draft]],
    *,
    now: int,
    fold: Fold,
    folds: str | None = None,
    memory: Memory | None = None,
) -> list[Outcome]:
    """Stores each append (a sequence of drafts, all or none) and says what became of it, in order.

    `now` is in microseconds since 1970; `folds` the versions of the projections that `fold` keeps,
    which must be those of the database (else Outdated), or None for any; `memory` what the same
    caller's last append left. A duplicate, a conflict or an append that cannot be folded harms no
    neighbour.

    Raises Unavailable when the database cannot do it now; then nothing was stored, unless the error
    came from COMMIT: trying again with the same drafts is always safe.
    """
    memory = memory or Memory()
    try:
        return await _transaction(connection, batch, now, fold, folds, memory)
    except Unavailable:
        raise
    except Exception as error:  # noqa: BLE001 - whatever folding stumbles over
        if len(batch) == 1:
            return [_rejected(batch[0], error)]
    # Folding failed: halve the batch until the guilty append stands alone.
    middle = len(batch) // 2
    outcomes: list[Outcome] = []
    for half in (batch[:middle], batch[middle:]):
        outcomes += await append(connection, half, now=now, fold=fold, folds=folds, memory=memory)
    return outcomes


async def _transaction(
    connection: Connection,
    batch: Sequence[Sequence[Draft]],
    now: int,
    fold: Fold,
    folds: str | None,
    memory: Memory,
) -> list[Outcome]:
    """One attempt; remembers what it left when it was committed, and nothing otherwise."""
    left: _Left | None = None
    try:
        async with connection.transaction():
            outcomes, left = await _append(connection, batch, now, fold, folds, memory)
    except BaseException:
        left = None
        raise
    finally:
        if left is None:
            memory.forget()
        else:
            memory.keep(*left)
    return outcomes


class _Left(NamedTuple):
    """The log after an append: its end, which projections it has, its streams' versions."""

    position: int
    folded: str | None
    versions: Mapping[str, int]


def check_folded(head: Head, folds: str | None) -> None:
    """Raises Outdated when the projections in the database are not those that `folds` names, Busy
    while they are being switched."""
    if folds is None or head.folded == folds:
        return
    if head.folded == reader.SWITCHING:
        raise Busy(
            "tables of projections are being put in place (or that was interrupted: run "
            "`registro migrate` again)"
        )
    if head.folded == reader.READ_ONLY:
        raise Outdated("this database is a replay: nothing can be added to its log")
    stored = head.folded or ""
    raise Outdated(
        f"the database has {_difference(stored, folds)}, this program folds "
        f"{_difference(folds, stored)}: run `registro migrate` with the newer version of Registro, "
        "and restart what runs the older one"
    )


def _difference(some: str, others: str) -> str:
    """The projections of the first list that are not in the second."""
    known = others.split(", ")
    return ", ".join(one for one in some.split(", ") if one and one not in known) or "none of them"


def _rejected(drafts: Sequence[Draft], error: Exception) -> Rejected:
    rejected = Rejected(f"{', '.join(d.type for d in drafts)}: {type(error).__name__}: {error}")
    rejected.__cause__ = error
    return rejected


async def _append(
    connection: Connection,
    batch: Sequence[Sequence[Draft]],
    now: int,
    fold: Fold,
    folds: str | None,
    memory: Memory,
) -> tuple[list[Outcome], _Left]:
    drafts = [draft for drafts in batch for draft in drafts]
    streams = {draft.stream for draft in drafts}
    streams |= {stream for draft in drafts for stream, _ in draft.given}
    known = memory.known(streams)
    at, stored, versions = await reader.before(  # 1 and 2
        connection, (draft.id for draft in drafts), streams - known.keys()
    )
    check_folded(at, folds)
    versions |= known if memory.holds(at) else await reader.versions(connection, known)
    recorded_at = max(now, at.recorded_at)  # time never runs backwards
    rows: list[Recorded] = []
    tree = _Tree(at.frontier, [])
    outcomes = [
        _place(drafts, stored, versions, rows, tree, recorded_at)
        for drafts in batch  # 3
    ]
    if rows:
        await _insert(connection, rows, tree.completed)  # 4
        erased = await _erase(connection, rows)
        await fold(connection, rows, erased)  # 5
        await _move_head(connection, tree.frontier, recorded_at)  # 6
    return outcomes, _Left(tree.frontier.size, at.folded, versions)


class _Tree(NamedTuple):
    """The tree as it grows in one transaction, with the subtrees that `log_node` keeps."""

    frontier: Frontier
    completed: list[Node]

    def append(self, leaf: bytes) -> None:
        self.completed.extend(
            node for node in self.frontier.append(leaf) if node.height and not node.height % 8
        )


async def _insert(
    connection: Connection, rows: Sequence[Recorded], completed: Sequence[Node]
) -> None:
    await connection.insert_many(LOG_EVENT.name, LOG_EVENT.column_names, rows)
    await connection.insert_many(LOG_NODE.name, LOG_NODE.column_names, completed)


async def _move_head(connection: Connection, frontier: Frontier, recorded_at: int) -> None:
    await connection.execute(
        "UPDATE log_head SET position = :position, recorded_at = :recorded_at,"
        " frontier = :frontier WHERE id = 1",
        position=frontier.size,
        recorded_at=recorded_at,
        frontier=bytes(frontier),
    )


async def _erase(connection: Connection, rows: Sequence[Recorded]) -> list[Recorded]:
    """Does what the erasures among the rows say; returns the erased rows as they were."""
    positions = [
        p for row in rows if row.type == LogErased.type for p in reader.erasure(row).positions
    ]
    victims: list[Recorded] = []
    for chunk in paged(sorted(set(positions)), 500):
        names, values = in_list(chunk)
        found = await connection.fetch_all(
            f"SELECT {reader.COLUMNS} FROM log_event WHERE position IN ({names})"
            " AND payload IS NOT NULL ORDER BY position",
            **values,
        )
        victims += [Recorded(*row) for row in found]
        await connection.execute(
            "UPDATE log_event SET payload = NULL, salt = NULL"
            f" WHERE position IN ({names}) AND payload IS NOT NULL",
            **values,
        )
    return victims


def _place(
    drafts: Sequence[Draft],
    stored: dict[str, Recorded],
    versions: dict[str, int],
    rows: list[Recorded],
    tree: _Tree,
    recorded_at: int,
) -> Outcome:
    """Gives one append its positions and versions, unless it is a duplicate or a conflict."""
    known = [stored[draft.id] for draft in drafts if draft.id in stored]
    if known:
        if len(known) == len(drafts):
            return known
        return Rejected(f"event id {known[0].id} is stored already, others of its append are not")
    for draft in drafts:
        expected = dict(draft.given)
        if draft.expected is not None:
            expected[draft.stream] = draft.expected
        for stream, version in expected.items():
            if versions.get(stream, 0) != version:
                return Conflict(stream, version, versions.get(stream, 0))
    placed = []
    for draft in drafts:
        version = versions[draft.stream] = versions.get(draft.stream, 0) + 1
        row = _row(draft, tree.frontier.size + 1, version, recorded_at)
        tree.append(row.leaf)
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


async def load(
    connection: Connection, rows: Callable[[], Iterable[Recorded]], *, fold: LoadFold
) -> Head:
    """Brings an exported log into an empty one, with its positions, ids, times and hashes.

    `rows` is called twice, for the log from its beginning. All or nothing. Raises CorruptLog when
    the rows are no whole log, StoreError when the log here is not empty.
    """
    kept = reader.redactions_of(rows())

    async def pages() -> AsyncIterator[Sequence[Recorded]]:
        for page in paged(rows(), reader.PAGE):
            yield page

    async def fold_page(connection: Connection, page: Sequence[Recorded]) -> None:
        await fold(connection, page, redactions=kept)

    return await load_pages(connection, pages(), fold_page)


async def load_pages(
    connection: Connection,
    pages: AsyncIterable[Sequence[Recorded]],
    fold: Callable[[Connection, Sequence[Recorded]], Awaitable[None]],
) -> Head:
    """The same for rows that come page by page."""
    async with connection.transaction():
        at = await reader.head(connection, lock=True)
        if at.position:
            raise StoreError(f"the log is not empty: it ends at position {at.position}")
        recorded_at = 0
        async for page in pages:
            tree = _Tree(at.frontier, [])
            for row in page:
                _check_next(row, tree.frontier.size, recorded_at)
                tree.append(row.leaf)
                recorded_at = row.recorded_at
            await _insert(connection, page, tree.completed)
            await fold(connection, page)
        await _move_head(connection, at.frontier, recorded_at)
    return Head(at.frontier.size, recorded_at, at.frontier)


class LoadFold(Protocol):
    """Folds rows of a log that is loaded, where some may have been erased before."""

    async def __call__(
        self, connection: Connection, recorded: Sequence[Recorded], *, redactions: Redactions
    ) -> None: ...


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
