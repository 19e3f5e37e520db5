"""Checks that a log holds together: nothing altered, missing, doubled or out of order.

It says what is wrong and at which position, and goes on after a finding. What a log alone cannot
show is that its end was cut off, or that it was rewritten with fresh hashes from some position on:
that takes checkpoints that were kept elsewhere, and then lies between the last of them that holds
and the first that does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from registro.db.connection import Connection
from registro.errors import CorruptLog
from registro.events import codec, merkle, reader
from registro.events.merkle import HASH_SIZE, Frontier, Node
from registro.events.note import Checkpoint
from registro.events.reader import Head
from registro.events.record import Recorded
from registro.events.types import LogErased

Kind = Literal[
    "altered", "missing", "not-erased", "out-of-order", "surplus", "head", "unknown", "checkpoint"
]


class Finding(NamedTuple):
    """One thing that is wrong, and where. `position` is 0 where no single one can be named."""

    position: int
    kind: Kind
    detail: str


@dataclass(frozen=True)
class Report:
    """What a verification found. `root` is the tree's, in hex; `held` the sizes of the checkpoints
    that the log agrees with."""

    events: int
    erased: int
    root: str
    held: tuple[int, ...]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return not self.findings


@dataclass
class Verifier:
    """Takes the rows of a log one by one, in order."""

    checkpoints: Sequence[Checkpoint] = ()
    frontier: Frontier = field(default_factory=Frontier)
    findings: list[Finding] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    _recorded_at: int = 0
    _versions: dict[str, int] = field(default_factory=dict)
    _erased: set[int] = field(default_factory=set)
    _said_to_be_erased: set[int] = field(default_factory=set)
    _held: list[int] = field(default_factory=list)
    _failed: int | None = None
    _by_size: dict[int, list[Checkpoint]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for checkpoint in self.checkpoints:
            self._by_size.setdefault(checkpoint.size, []).append(checkpoint)

    def take(self, row: Recorded) -> None:
        if not _is_well_formed(row):
            self._find(row.position, "altered", "a column holds a value of another kind")
            row = row._replace(leaf=bytes(HASH_SIZE))
        else:
            self._check_order(row)
            self._check_hashes(row)
        self.nodes += [
            node for node in self.frontier.append(row.leaf) if node.height and not node.height % 8
        ]
        for checkpoint in self._by_size.get(self.frontier.size, ()):
            self._check_checkpoint(checkpoint)

    def erased_later(self, positions: Iterable[int]) -> None:
        """Positions that a replay says were erased after its end; their event is not in it."""
        self._said_to_be_erased.update(positions)

    def _find(self, position: int, kind: Kind, detail: str) -> None:
        self.findings.append(Finding(position, kind, detail))

    def _check_order(self, row: Recorded) -> None:
        expected = self.frontier.size + 1
        if row.position != expected:
            for position in range(expected, min(row.position, expected + 100)):
                self._find(position, "missing", "there is no such row")
            if row.position > expected + 100:
                self._find(expected + 100, "missing", f"nor any up to {row.position - 1}")
            # Go on from where the log goes on: the root is wrong anyhow, the rest may be right.
            peaks = [bytes(HASH_SIZE)] * (row.position - 1).bit_count()
            self.frontier = Frontier(row.position - 1, peaks)
        if row.recorded_at < self._recorded_at:
            self._find(row.position, "out-of-order", "recorded before the position before it")
        version = self._versions.get(row.stream, 0) + 1
        if row.version != version:
            detail = f"{row.stream}: version {row.version}, expected {version}"
            self._find(row.position, "out-of-order", detail)
        self._recorded_at = max(row.recorded_at, self._recorded_at)
        self._versions[row.stream] = row.version

    def _check_hashes(self, row: Recorded) -> None:
        if row.computed_leaf() != row.leaf:
            self._find(row.position, "altered", "the envelope does not match its leaf")
        if row.payload is None and row.salt is None:
            self._erased.add(row.position)
        elif row.payload is None or row.salt is None:
            detail = "payload and salt are erased together or not at all"
            self._find(row.position, "altered", detail)
        elif merkle.commitment(row.salt, row.payload) != row.commitment:
            self._find(row.position, "altered", "the payload does not match its commitment")
        elif row.type not in codec.EVENT_TYPES:
            self._find(row.position, "unknown", f"event type {row.type!r}")
        elif row.type == LogErased.type:
            self._said_to_be_erased.update(reader.erasure(row).positions)

    def _check_checkpoint(self, checkpoint: Checkpoint) -> None:
        if self.frontier.root() == checkpoint.root:
            self._held.append(checkpoint.size)
        elif self._failed is None:
            self._failed = checkpoint.size
            since = max(self._held, default=0)
            detail = (
                f"the log is not the one of the checkpoint of size {checkpoint.size}: "
                f"it was changed between positions {since + 1} and {checkpoint.size}"
            )
            self._find(since + 1, "checkpoint", detail)

    def finish(self, head: Head, surplus: Iterable[int], stored: Sequence[Node]) -> Report:
        """The report, given the head row, positions after it, and the stored parts of the tree."""
        last = self.frontier.size
        for position in surplus:
            self._find(position, "surplus", f"the head is at {head.position}")
        if head.position != last:
            detail = f"the head is at {head.position}, the log ends at {last}"
            self._find(last + 1, "missing", detail)
        elif head.frontier != self.frontier:
            self._find(0, "head", "the head's hashes are not those of the log")
        self._check_nodes(stored)
        self._check_erasures()
        for checkpoint in self.checkpoints:
            if checkpoint.size > last:
                detail = f"cut off: a checkpoint says that there were {checkpoint.size} events"
                self._find(last + 1, "checkpoint", detail)
                break
        return Report(
            last,
            len(self._erased),
            self.frontier.root().hex(),
            tuple(self._held),
            tuple(sorted(self.findings)),
        )

    def _check_nodes(self, stored: Sequence[Node]) -> None:
        """A leaf that was changed with everything that hashes to it shows in its subtree."""
        expected = {(node.height, node.number): node.hash for node in self.nodes}
        found = {(node.height, node.number): node.hash for node in stored}
        for key in sorted(expected.keys() | found.keys()):
            if expected.get(key) != found.get(key):
                height, number = key
                first, last = (number << height) + 1, (number + 1) << height
                detail = f"positions {first} to {last} do not make the subtree that was stored"
                self._find(first, "head", detail)
                break

    def _check_erasures(self) -> None:
        for position in sorted(self._erased - self._said_to_be_erased):
            self._find(
                position, "missing", "the payload is gone and no event says that it was erased"
            )
        for position in sorted(self._said_to_be_erased - self._erased):
            self._find(position, "not-erased", "an event says that it was erased, but it is there")


def _is_well_formed(row: Sequence[Any]) -> bool:
    """SQLite's columns take values of any type, and others' hashes might be of any length."""
    _, id_, stream, version, type_, schema, at, payload, salt, *hashes = row
    return (
        all(isinstance(number, int) for number in (version, schema, at))
        and all(isinstance(text, str) for text in (id_, stream, type_))
        and all(isinstance(data, bytes | None) for data in (payload, salt))
        and all(isinstance(one, bytes) and len(one) == HASH_SIZE for one in hashes)
    )


async def verify(
    connection: Connection,
    checkpoints: Sequence[Checkpoint] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Verifies the log in a database, as it is now, against itself and against checkpoints.

    `progress` is called with (positions done, positions in all) after every page. Raises
    CorruptLog when there is no head row.
    """
    at, surplus = await _end(connection)
    verifier = Verifier(checkpoints)
    after = 0
    while page := await reader.read(connection, after):
        for row in page:
            if row.position <= at.position:
                verifier.take(row)
        after = page[-1].position
        progress(min(after, at.position), at.position)
        if after >= at.position:
            break
    if at.folded == reader.READ_ONLY:
        erased = await connection.fetch_all("SELECT position FROM replay_erased")
        verifier.erased_later(position for (position,) in erased)
    stored = await connection.fetch_all("SELECT height, number, hash FROM log_node")
    complete = (Node(*row) for row in stored)
    known = [node for node in complete if (node.number + 1) << node.height <= at.position]
    return verifier.finish(at, surplus, known)


async def _end(connection: Connection) -> tuple[Head, list[int]]:
    """The head, and (up to 100) positions after it: read in one statement, so that a writer who
    appends meanwhile is not mistaken for a forger."""
    rows = await connection.fetch_all(
        "SELECT h.position, h.recorded_at, h.frontier, h.folded, e.position FROM log_head h"
        " LEFT JOIN log_event e ON e.position > h.position WHERE h.id = 1"
        " ORDER BY e.position LIMIT 100"
    )
    if not rows:
        raise CorruptLog("the log has no head row")
    position, recorded_at, frontier, folded, _ = rows[0]
    try:
        peaks = Frontier.from_bytes(position, bytes(frontier or b""))
    except ValueError:
        peaks = Frontier(position, [bytes(HASH_SIZE)] * position.bit_count())
    surplus = [row[4] for row in rows if row[4] is not None]
    return Head(position, recorded_at, peaks, folded), surplus
