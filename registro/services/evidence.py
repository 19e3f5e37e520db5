"""What speaks for the log: proofs of events, the newest checkpoint, the last verification."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple
from uuid import uuid4

from registro.db.connection import Connection, Pool
from registro.errors import NoteError, StoreError
from registro.events import merkle, note, proof, reader
from registro.events.note import Checkpoint
from registro.events.reader import Head
from registro.events.record import Recorded
from registro.events.store import draft
from registro.events.types import LogVerified
from registro.events.verify import Report
from registro.events.writer import LogWriter
from registro.projections import registry
from registro.services import checkpoints


@dataclass(frozen=True, slots=True)
class Kept:
    """The newest checkpoint that was written. `genuine` says whether our key signed it (None: there
    is no key here to tell by), `written_at` the file's time in microseconds since 1970."""

    signed: str
    checkpoint: Checkpoint
    written_at: int
    genuine: bool | None


@dataclass(frozen=True, slots=True)
class Proof:
    """What was checked of one event. `payload_fits` is None where the payload was erased. `path`
    leads from the leaf to the root of `checkpoint`, which is `kept` or, without one that covers the
    event, what the log is now; `holds` says whether it arrives there."""

    row: Recorded
    leaf_fits: bool
    payload_fits: bool | None
    path: Sequence[bytes]
    checkpoint: Checkpoint
    kept: Kept | None
    holds: bool

    @property
    def ok(self) -> bool:
        return self.leaf_fits and self.payload_fits is not False and self.holds


Standing = Literal["holds", "differs", "shorter", "forged", "unreadable", "none"]
"""How the log stands to the newest checkpoint: it still begins with it; it has another root, or
fewer events; our key did not sign it; the file is no checkpoint; there is none."""


class Folded(NamedTuple):
    """A projection: which version of its code built the tables in use, and how many events they
    are behind the log."""

    name: str
    version: int
    generation: int
    lag: int


@dataclass(frozen=True, slots=True)
class Health:
    """`verified` is the row of the last `log:verified`, if the log was ever checked with
    `registro log verify --record`."""

    head: Head
    root: bytes
    kept: Kept | None
    standing: Standing
    verified: Recorded | None
    projections: Sequence[Folded]


class Evidence:
    """Proofs and the log's health; `key` and `target` are those of the checkpoints, if any."""

    def __init__(
        self, readers: Pool, writer: LogWriter, key: Path | None, target: Path | None
    ) -> None:
        self._readers = readers
        self._writer = writer
        self._key = key
        self._target = target

    async def kept(self) -> Kept | None:
        """The newest checkpoint in the place where they are written. Raises NoteError when it
        cannot be read."""
        if self._target is None:
            return None
        return await asyncio.to_thread(newest, self._target, self._key)

    async def of(self, position: int) -> Proof | None:
        """Checks an event, now; None when there is no such position."""
        kept = await self._usable(position)
        async with self._readers.connection() as connection:
            found = await reader.at_positions(connection, [position])
            if position not in found:
                return None
            now = await checkpoints.current(connection, "")
            if kept is not None and kept.checkpoint.size > now.size:
                kept = None  # a log that was cut off; the page of its health says so
            against = now if kept is None else kept.checkpoint
            return await _prove(connection, found[position], against, kept)

    async def proof_file(self, position: int) -> dict[str, Any] | None:
        """What `registro prove` prints: against the newest checkpoint that covers the event, else
        one of now. None without either; raises StoreError for a position that is not there."""
        kept = await self._usable(position)
        async with self._readers.connection() as connection:
            if kept is not None:
                signed = kept.signed
            elif self._key is not None:
                signer = await asyncio.to_thread(checkpoints.read_key, self._key)
                current = await checkpoints.current(connection, signer.name)
                signed = note.sign(current.text(), signer)
            else:
                return None
            return await checkpoints.inclusion_file(connection, position, signed)

    async def _usable(self, position: int) -> Kept | None:
        """The newest checkpoint, when it covers a position and can be trusted."""
        try:
            kept = await self.kept()
        except NoteError:
            return None
        if kept is None or kept.genuine is False or kept.checkpoint.size < position:
            return None
        return kept

    async def health(self) -> Health:
        problem: Standing = "none"
        try:
            kept = await self.kept()
        except NoteError:
            kept, problem = None, "unreadable"
        async with self._readers.connection() as connection:
            head = await reader.head(connection)
            stands = problem if kept is None else await standing(connection, kept)
            verified = await _last_of_type(connection, LogVerified.type)
            rows = await connection.fetch_all(
                "SELECT name, version, generation, position FROM projection ORDER BY name"
            )
        folded = [
            Folded(name, version, generation, _lag(name, position, head))
            for name, version, generation, position in rows
        ]
        return Health(head, head.frontier.root(), kept, stands, verified, folded)

    async def record(self, report: Report, by: str) -> None:
        """Writes into the log what a verification found."""
        event = LogVerified(
            events=report.events,
            root=report.root,
            findings=len(report.findings),
            checkpoints=tuple(report.held),
            by=by,
        )
        await self._writer.append(draft(f"verification/{uuid4()}", event))


def newest(target: Path, key: Path | None) -> Kept | None:
    """The newest checkpoint of a folder (their names sort by size), or the one in a file."""
    path = target
    if target.is_dir():
        # A hidden name is of one that is being written.
        names = [file.name for file in target.glob("[!.]*.checkpoint")]
        if not names:
            return None
        path = target / max(names)
    try:
        signed = path.read_text("utf-8")
        written_at = path.stat().st_mtime_ns // 1000
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise NoteError(f"{path}: {error}") from None
    checkpoint = note.parse_checkpoint(signed)
    return Kept(signed, checkpoint, written_at, None if key is None else _is_ours(signed, key))


def _is_ours(signed: str, key: Path) -> bool:
    try:
        note.open_note(signed, checkpoints.read_key(key).verifier)
    except NoteError:
        return False
    return True


async def _prove(
    connection: Connection, row: Recorded, against: Checkpoint, kept: Kept | None
) -> Proof:
    try:
        path = await checkpoints.inclusion(connection, row.position, against.size)
    except StoreError:  # parts of the tree are missing
        path = []
    leaf = row.computed_leaf()
    holds = proof.verify_inclusion(leaf, row.position - 1, against.size, path, against.root)
    return Proof(row, leaf == row.leaf, _payload_fits(row), path, against, kept, holds)


def _payload_fits(row: Recorded) -> bool | None:
    if row.payload is None and row.salt is None:
        return None
    if row.payload is None or row.salt is None:
        return False  # they are erased together or not at all
    return merkle.commitment(row.salt, row.payload) == row.commitment


async def standing(connection: Connection, kept: Kept) -> Standing:
    """How the log stands to a checkpoint."""
    if kept.genuine is False:
        return "forged"
    if kept.checkpoint.size > (await reader.head(connection)).position:
        return "shorter"
    try:
        root = await checkpoints.root_at(connection, kept.checkpoint.size)
    except StoreError:
        return "differs"
    return "holds" if root == kept.checkpoint.root else "differs"


def _lag(name: str, position: int | None, head: Head) -> int:
    """Those that are folded in the transaction that appends are never behind."""
    following = any(projection.name == name for projection in registry.FOLLOWING)
    return max(0, head.position - (position or 0)) if following else 0


async def _last_of_type(connection: Connection, type_: str) -> Recorded | None:
    position = await connection.fetch_value(
        "SELECT MAX(position) FROM log_event WHERE type = :type", type=type_
    )
    if position is None:
        return None
    return (await reader.at_positions(connection, [position]))[position]
