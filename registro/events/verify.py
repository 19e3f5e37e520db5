"""Checks that a log holds together: nothing altered, missing, doubled or out of order.

It says what is wrong and at which position, and never stops at the first finding. What it cannot
see is a log whose end was cut off or rewritten with fresh hashes: that takes a checkpoint that was
kept elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from registro.db.connection import Connection
from registro.events import codec, merkle, store
from registro.events.merkle import Frontier
from registro.events.record import Recorded

Kind = Literal["altered", "missing", "out-of-order", "head", "unknown"]


class Finding(NamedTuple):
    """One thing that is wrong, and where. `position` is 0 for the head row."""

    position: int
    kind: Kind
    detail: str


@dataclass(frozen=True)
class Report:
    """What a verification found. `root` is the tree's, in hex."""

    events: int
    erased: int
    root: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return not self.findings


@dataclass
class Verifier:
    """Takes the rows of a log one by one, in order."""

    frontier: Frontier = field(default_factory=Frontier)
    findings: list[Finding] = field(default_factory=list)
    erased: int = 0
    _recorded_at: int = 0
    _versions: dict[str, int] = field(default_factory=dict)

    def take(self, row: Recorded) -> None:
        self._check_order(row)
        self._check_hashes(row)
        self.frontier.append(row.leaf)

    def _find(self, row: Recorded, kind: Kind, detail: str) -> None:
        self.findings.append(Finding(row.position, kind, detail))

    def _check_order(self, row: Recorded) -> None:
        expected = self.frontier.size + 1
        if row.position != expected:
            missing = (
                f"positions {expected} to {row.position - 1}"
                if row.position - 1 > expected
                else f"position {expected}"
            )
            self._find(row, "missing", f"{missing} before it")
            # Go on from where the log goes on: the root is wrong anyhow, the rest may be right.
            self.frontier = Frontier(
                row.position - 1, [b"\0" * 32] * (row.position - 1).bit_count()
            )
        if row.recorded_at < self._recorded_at:
            self._find(row, "out-of-order", "recorded before the position before it")
        version = self._versions.get(row.stream, 0) + 1
        if row.version != version:
            self._find(
                row, "out-of-order", f"{row.stream}: version {row.version}, expected {version}"
            )
        self._recorded_at = max(row.recorded_at, self._recorded_at)
        self._versions[row.stream] = row.version

    def _check_hashes(self, row: Recorded) -> None:
        if row.computed_leaf() != row.leaf:
            self._find(row, "altered", "the envelope does not match its leaf")
        if row.payload is None and row.salt is None:
            self.erased += 1
        elif row.payload is None or row.salt is None:
            self._find(row, "altered", "payload and salt are erased together or not at all")
        elif merkle.commitment(row.salt, row.payload) != row.commitment:
            self._find(row, "altered", "the payload does not match its commitment")
        elif row.type not in codec.EVENT_TYPES:
            self._find(row, "unknown", f"event type {row.type!r}")

    def finish(self, head: store.Head) -> Report:
        last = self.frontier.size
        if head.position != last:
            self.findings.append(
                Finding(0, "head", f"the head is at {head.position}, the log ends at {last}")
            )
        elif head.frontier != self.frontier:
            self.findings.append(Finding(0, "head", "the head's hashes are not those of the log"))
        return Report(last, self.erased, self.frontier.root().hex(), tuple(self.findings))


async def verify(
    connection: Connection, progress: Callable[[int, int], None] = lambda done, total: None
) -> Report:
    """Verifies the log in a database up to the head that it had at the start.

    `progress` is called with (positions done, positions in all) after every page.
    """
    head = await store.head(connection)
    verifier = Verifier()
    after = 0
    while page := await store.read(connection, after):
        for row in page:
            if row.position <= head.position:
                verifier.take(row)
        after = page[-1].position
        progress(min(after, head.position), head.position)
        if after >= head.position:
            break
    return verifier.finish(head)
