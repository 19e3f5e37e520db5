"""Checkpoints and proofs over real logs, and the reading that they stand on."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from uuid import uuid4

import pytest

from registro.db.connection import DatabaseConnection, Pool
from registro.errors import NoteError, StoreError
from registro.events import merkle, note, reader
from registro.events.note import Signer
from registro.events.types import DESK, MessageSent
from registro.services import checkpoints
from tests.support import logs
from tests.support.histories import USERS, registrations
from tests.support.waiting import until

SIGNER = Signer("example.org/registro", b"k" * 32)
STREAM = f"conversation/{uuid4()}"


async def a_log(connection: DatabaseConnection, size: int) -> list[bytes]:
    """A log of messages; returns its leaves."""
    events = [
        (STREAM, MessageSent(sender=USERS[0], recipient=DESK, text=f"mensaje {n}"))
        for n in range(size)
    ]
    await logs.record(connection, events, batch=250)  # type: ignore[arg-type]
    return [row.leaf for row in await logs.everything(connection)]


async def signed(connection: DatabaseConnection) -> str:
    current = await checkpoints.current(connection, SIGNER.name)
    return note.sign(current.text(), SIGNER)


async def test_roots_of_any_size_come_from_the_stored_subtrees(
    connection: DatabaseConnection,
) -> None:
    leaves = await a_log(connection, 1030)
    for size in (1, 2, 255, 256, 257, 511, 512, 700, 1024, 1029, 1030):
        assert await checkpoints.root_at(connection, size) == merkle.tree_hash(leaves[:size])
    with pytest.raises(StoreError, match="the log has 1030 events, not 1031"):
        await checkpoints.root_at(connection, 1031)


async def test_every_kind_of_position_is_proven_without_the_database(
    connection: DatabaseConnection,
) -> None:
    await a_log(connection, 700)
    checkpoint = await signed(connection)
    for position in (1, 256, 257, 512, 513, 699, 700):
        proof = await checkpoints.inclusion_file(connection, position, checkpoint)
        sent = json.loads(json.dumps(proof))
        assert f"position {position} " in checkpoints.check(sent, SIGNER.verifier)


async def test_a_proof_for_something_else_proves_nothing(connection: DatabaseConnection) -> None:
    await a_log(connection, 10)
    proof = await checkpoints.inclusion_file(connection, 4, await signed(connection))
    forged = json.loads(json.dumps(proof).replace("mensaje 3", "mentira 3"))
    with pytest.raises(NoteError, match="position 4: the payload is not the one"):
        checkpoints.check(forged, SIGNER.verifier)
    with pytest.raises(NoteError, match="position 4 is not in the tree"):
        checkpoints.check(proof | {"path": proof["path"][:-1]}, SIGNER.verifier)
    with pytest.raises(NoteError, match="no valid signature of somebody"):
        checkpoints.check(proof, Signer("somebody", b"x" * 32).verifier)


async def test_a_log_is_proven_to_continue_its_older_checkpoints(
    connection: DatabaseConnection,
) -> None:
    await a_log(connection, 300)
    old = await signed(connection)
    await a_log(connection, 420)
    new = await signed(connection)
    proof = await checkpoints.consistency_file(connection, old, new)
    proven = checkpoints.check(proof, SIGNER.verifier)
    assert proven == "the log example.org/registro of 720 events continues the one of 300"
    with pytest.raises(NoteError, match="does not continue"):
        checkpoints.check(proof | {"path": proof["path"][:-1]}, SIGNER.verifier)


async def test_an_erased_event_is_still_proven(connection: DatabaseConnection) -> None:
    await a_log(connection, 10)
    await connection.execute("UPDATE log_event SET payload = NULL, salt = NULL WHERE position = 4")
    proof = await checkpoints.inclusion_file(connection, 4, await signed(connection))
    assert proof["event"]["payload"] is None
    assert checkpoints.check(proof, SIGNER.verifier)


@pytest.mark.parametrize(
    "proof", [{}, {"kind": "inclusion"}, {"kind": "x", "path": ["?"]}, {"path": 1}]
)
def test_other_files_are_no_proof(proof: dict[str, object]) -> None:
    with pytest.raises(NoteError, match="this is no proof"):
        checkpoints.check(proof, None)


def test_a_key_file_is_its_owners_alone_and_never_overwritten(tmp_path: Path) -> None:
    verifier = checkpoints.new_key(tmp_path / "key", "example.org/log")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert checkpoints.read_key(tmp_path / "key").verifier == verifier
    with pytest.raises(NoteError, match="a key is never overwritten"):
        checkpoints.new_key(tmp_path / "key", "example.org/log")


def test_checkpoints_go_into_a_folder_one_by_one_and_into_a_file_the_newest(tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    for size in (3, 20):
        checkpoints.write(tmp_path / "all", f"of {size}", size)
        checkpoints.write(tmp_path / "newest", f"of {size}", size)
    texts = [path.read_text() for path in sorted((tmp_path / "all").iterdir())]
    assert texts == ["of 3", "of 20"]
    assert (tmp_path / "newest").read_text() == "of 20"


async def test_a_moment_is_found_by_halving(connection: DatabaseConnection) -> None:
    await logs.record(connection, registrations(), batch=1)
    for n in range(5):
        moment = logs.NOW + n * 1_000_000
        assert await reader.last_position_before(connection, moment) == n
    assert await reader.last_position_before(connection, logs.NOW * 2) == 5


async def test_checkpoints_are_written_at_intervals_when_the_log_has_grown(
    database_url: str, connection: DatabaseConnection, tmp_path: Path
) -> None:
    key, folder = tmp_path / "key", tmp_path / "checkpoints"
    folder.mkdir()
    verifier = checkpoints.new_key(key, "example.org/log")
    pool = Pool(database_url)
    writing = checkpoints.Checkpoints(pool, key, folder, seconds=0.02)
    await writing.start()
    try:
        for size in (3, 8):
            await a_log(connection, size - (await reader.head(connection)).position)
            path = folder / f"{size:016d}.checkpoint"
            await until(path.exists)
            checkpoint = note.parse_checkpoint(note.open_note(path.read_text(), verifier))
            assert (checkpoint.origin, checkpoint.size) == ("example.org/log", size)
            assert checkpoint.root == await checkpoints.root_at(connection, size)
        await asyncio.sleep(0.1)
        assert {path.name for path in folder.iterdir()} <= {f"{n:016d}.checkpoint" for n in (3, 8)}
    finally:
        await writing.stop()
        await pool.close()
