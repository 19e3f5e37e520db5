"""Checkpoints: signed statements of what the log was, and proofs against them."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import secrets
import time
from pathlib import Path
from typing import Any

from registro.db.connection import Connection, Pool
from registro.errors import NoteError, RegistroError, StoreError
from registro.events import merkle, note, proof, reader
from registro.events.note import Checkpoint, Signer, Verifier
from registro.events.record import Recorded, from_line, to_line

log = logging.getLogger(__name__)


def new_key(path: Path, origin: str) -> Verifier:
    """Makes a signing key in a new file that only its owner may read. Raises NoteError."""
    signer = Signer(note.check_name(origin), secrets.token_bytes(32))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise NoteError(f"{path} exists already; a key is never overwritten") from None
    except OSError as error:
        raise NoteError(f"{path}: {error.strerror}") from None
    with os.fdopen(descriptor, "w") as file:
        file.write(signer.text() + "\n")
    return signer.verifier


def read_key(path: Path) -> Signer:
    """The signing key in a file. Raises NoteError."""
    try:
        return note.parse_signer(path.read_text())
    except OSError as error:
        raise NoteError(f"{path}: {error.strerror}") from None


async def current(connection: Connection, origin: str) -> Checkpoint:
    """What the log is now."""
    head = await reader.head(connection)
    return Checkpoint(origin, head.position, head.frontier.root())


def write(target: Path, signed: str, size: int) -> Path:
    """Stores a signed checkpoint: in a folder as a new file, `<size>.checkpoint`; in a file, which
    is replaced as a whole. Raises NoteError."""
    path = target / f"{size:016d}.checkpoint" if target.is_dir() else target
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(signed)
        part.replace(path)
    except OSError as error:
        raise NoteError(f"{path}: {error.strerror}") from None
    return path


class Checkpoints:
    """Writes a checkpoint at intervals, when the log has grown since the last one."""

    def __init__(
        self, readers: Pool, key: Path | None, target: Path | None, seconds: float
    ) -> None:
        self._readers = readers
        self._key = key
        self._target = target
        self._seconds = seconds
        self._last = 0
        self._task: asyncio.Task[None] | None = None
        self.failures = 0
        self.succeeded_at: float = 0
        """When the newest checkpoint was written, or found to be still that of the log, in seconds
        since 1970; 0 before the first."""

    @property
    def configured(self) -> bool:
        return self._key is not None and self._target is not None

    async def start(self) -> None:
        """Raises NoteError when a key is set and cannot be used."""
        if self._key is not None and self._target is not None:
            signer = read_key(self._key)
            self._task = asyncio.create_task(self._run(signer, self._target), name="checkpoints")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, signer: Signer, target: Path) -> None:
        while True:
            try:
                await self._write(signer, target)
                self.succeeded_at = time.time()
            except RegistroError as error:
                self.failures += 1
                log.error("no checkpoint could be written: %s", error)
            await asyncio.sleep(self._seconds)

    async def _write(self, signer: Signer, target: Path) -> None:
        async with self._readers.connection() as connection:
            checkpoint = await current(connection, signer.name)
        if checkpoint.size > self._last:
            signed = note.sign(checkpoint.text(), signer)
            await asyncio.to_thread(write, target, signed, checkpoint.size)
            self._last = checkpoint.size


async def _hash(connection: Connection, range_: proof.Range) -> bytes:
    start, end = range_
    return proof.range_hash(start, end, await reader.nodes(connection, start, end))


async def root_at(connection: Connection, size: int) -> bytes:
    """The root that the tree had at a size. Raises StoreError when the log is shorter."""
    at = await reader.head(connection)
    if size > at.position:
        raise StoreError(f"the log has {at.position} events, not {size}")
    return await _hash(connection, (0, size))


async def inclusion(connection: Connection, position: int, size: int) -> list[bytes]:
    """The proof that a position is in the tree of a size."""
    ranges = proof.inclusion_ranges(position - 1, size)
    return [await _hash(connection, range_) for range_ in ranges]


async def consistency(connection: Connection, old: int, size: int) -> list[bytes]:
    """The proof that the tree of a size begins with the one of an older size."""
    return [await _hash(connection, range_) for range_ in proof.consistency_ranges(old, size)]


async def inclusion_file(connection: Connection, position: int, signed: str) -> dict[str, Any]:
    """A proof that anybody can check without the database: the event, its path, the checkpoint.

    Raises StoreError when there is no such position in the checkpoint's tree.
    """
    checkpoint = note.parse_checkpoint(signed)
    rows = await reader.read(connection, position - 1, limit=1)
    if not rows or rows[0].position != position or not 1 <= position <= checkpoint.size:
        raise StoreError(f"the checkpoint covers positions 1 to {checkpoint.size}, not {position}")
    path = await inclusion(connection, position, checkpoint.size)
    return {
        "kind": "inclusion",
        "event": json.loads(to_line(rows[0])),
        "path": [base64.b64encode(hash_).decode() for hash_ in path],
        "checkpoint": signed,
    }


async def consistency_file(connection: Connection, old: str, new: str) -> dict[str, Any]:
    """A proof that the log of one checkpoint continues the log of an older one."""
    sizes = sorted((note.parse_checkpoint(old).size, note.parse_checkpoint(new).size))
    path = await consistency(connection, sizes[0], sizes[1])
    return {
        "kind": "consistency",
        "path": [base64.b64encode(hash_).decode() for hash_ in path],
        "old": old,
        "new": new,
    }


def check(proof_: dict[str, Any], verifier: Verifier | None) -> str:
    """Checks a proof file; returns what it proves. Raises NoteError for one that proves nothing.

    With a verifier the checkpoints' signatures are checked, too.
    """
    try:
        path = [base64.b64decode(hash_, validate=True) for hash_ in proof_["path"]]
        if proof_["kind"] == "inclusion":
            return _check_inclusion(proof_, path, verifier)
        return _check_consistency(proof_, path, verifier)
    except (KeyError, TypeError, ValueError) as error:
        raise NoteError(f"this is no proof: {error}") from None


def _check_inclusion(proof_: dict[str, Any], path: list[bytes], verifier: Verifier | None) -> str:
    checkpoint = _opened(proof_["checkpoint"], verifier)
    row = from_line(json.dumps(proof_["event"]).encode())
    _check_row(row)
    size, root = checkpoint.size, checkpoint.root
    if not proof.verify_inclusion(row.leaf, row.position - 1, size, path, root):
        raise NoteError(f"position {row.position} is not in the tree of this checkpoint")
    return (
        f"position {row.position} ({row.type}) is in the log {checkpoint.origin} of {size} events"
    )


def _check_row(row: Recorded) -> None:
    if row.computed_leaf() != row.leaf:
        raise NoteError(f"position {row.position}: the envelope does not match its leaf")
    if row.payload is not None and row.salt is not None:
        if merkle.commitment(row.salt, row.payload) != row.commitment:
            raise NoteError(
                f"position {row.position}: the payload is not the one that was recorded"
            )
    elif row.payload is not None or row.salt is not None:
        raise NoteError(f"position {row.position}: payload and salt belong together")


def _check_consistency(proof_: dict[str, Any], path: list[bytes], verifier: Verifier | None) -> str:
    old, new = _opened(proof_["old"], verifier), _opened(proof_["new"], verifier)
    if old.size > new.size:
        old, new = new, old
    if old.origin != new.origin:
        raise NoteError(f"the checkpoints are of two logs: {old.origin} and {new.origin}")
    if not proof.verify_consistency(old.size, new.size, path, old.root, new.root):
        raise NoteError(f"the log of {new.size} events does not continue the one of {old.size}")
    return f"the log {new.origin} of {new.size} events continues the one of {old.size}"


def _opened(signed: str, verifier: Verifier | None) -> Checkpoint:
    text = signed if verifier is None else note.open_note(signed, verifier)
    return note.parse_checkpoint(text)
