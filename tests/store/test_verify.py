"""Verification: whatever is done to a log behind Registro's back is found, where it was done."""

from __future__ import annotations

import contextlib
import tempfile
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registro.db.connection import DatabaseConnection
from registro.db.migrations import LOG_EVENT, LOG_NODE
from registro.errors import ConstraintViolated
from registro.events import merkle, reader
from registro.events.merkle import Frontier
from registro.events.note import Checkpoint
from registro.events.store import draft
from registro.events.types import DESK, MessageSent
from registro.events.verify import verify
from tests.support import logs
from tests.support.histories import USERS

SIZE = 12
STREAM = f"conversation/{uuid4()}"


async def a_log(connection: DatabaseConnection, size: int = SIZE) -> list[Checkpoint]:
    """A log of messages, without its triggers, and its checkpoints of sizes 4 and 8."""
    checkpoints = []
    for number in range(1, size + 1):
        event = MessageSent(sender=USERS[0], recipient=DESK, text=f"mensaje {number}")
        await logs.append(connection, [draft(STREAM, event)], now=logs.NOW + number)
        if number in (4, 8):
            head = await reader.head(connection)
            checkpoints.append(Checkpoint("test", number, head.frontier.root()))
    await logs.without_triggers(connection)
    return checkpoints


async def found(connection: DatabaseConnection) -> list[tuple[int, str]]:
    return [(f.position, f.kind) for f in (await verify(connection)).findings]


async def test_an_untouched_log_is_clean_and_agrees_with_its_checkpoints(
    connection: DatabaseConnection,
) -> None:
    report = await verify(connection, await a_log(connection))
    assert report.ok
    assert (report.events, report.held) == (SIZE, (4, 8))


CHANGES = {
    "id": "'0b2e9a62-3a5d-4c42-8d0b-6b4cf2f1a001'",
    "stream": "'conversation/0b2e9a62-3a5d-4c42-8d0b-6b4cf2f1a002'",
    "version": "version + 100",
    "type": "'session:ended'",
    "schema_version": "2",
    "recorded_at": "recorded_at - 1000000",
    "payload": "'{}'",
    "salt": "commitment",
    "commitment": "leaf",
    "leaf": "commitment",
}


@pytest.mark.parametrize("column", CHANGES)
async def test_a_changed_column_is_found_at_its_position(
    connection: DatabaseConnection, column: str
) -> None:
    await a_log(connection)
    await connection.execute(
        f"UPDATE log_event SET {column} = {CHANGES[column]} WHERE position = 5"
    )
    assert 5 in [position for position, _ in await found(connection)]


BYTES = ("payload", "salt", "commitment", "leaf")


async def test_every_column_of_the_log_is_among_the_changes() -> None:
    assert {*CHANGES, "position"} == set(LOG_EVENT.column_names)


async def test_a_deleted_row_is_found(connection: DatabaseConnection) -> None:
    await a_log(connection)
    await connection.execute("DELETE FROM log_event WHERE position = 5")
    assert (5, "missing") in await found(connection)


async def test_a_moved_row_is_found(connection: DatabaseConnection) -> None:
    await a_log(connection)
    await connection.execute("UPDATE log_event SET position = 99 WHERE position = 5")
    assert {(5, "missing"), (99, "surplus")} <= set(await found(connection))


async def test_two_swapped_rows_are_found(connection: DatabaseConnection) -> None:
    await a_log(connection)
    for old, new in ((5, 99), (6, 5), (99, 6)):
        await connection.execute(f"UPDATE log_event SET position = {new} WHERE position = {old}")
    positions = {position for position, kind in await found(connection) if kind == "altered"}
    assert {5, 6} <= positions


async def test_swapped_payloads_are_found(connection: DatabaseConnection) -> None:
    await a_log(connection)
    rows = await reader.at_positions(connection, [5, 6])
    for position, other in ((5, rows[6]), (6, rows[5])):
        await connection.execute(
            f"UPDATE log_event SET payload = :payload, salt = :salt WHERE position = {position}",
            payload=other.payload,
            salt=other.salt,
        )
    assert {(5, "altered"), (6, "altered")} <= set(await found(connection))


async def test_a_row_beyond_the_head_is_found(connection: DatabaseConnection) -> None:
    await a_log(connection)
    row = (await reader.at_positions(connection, [SIZE]))[SIZE]
    forged = row._replace(position=SIZE + 1, id=str(uuid4()), version=SIZE + 1)
    forged = forged._replace(leaf=forged.computed_leaf())
    await connection.insert_many(LOG_EVENT.name, LOG_EVENT.column_names, [forged])
    assert await found(connection) == [(SIZE + 1, "surplus")]


async def test_a_payload_that_is_gone_without_an_erasure_is_missing(
    connection: DatabaseConnection,
) -> None:
    await a_log(connection)
    await connection.execute("UPDATE log_event SET payload = NULL, salt = NULL WHERE position = 5")
    assert await found(connection) == [(5, "missing")]


async def test_an_end_that_was_cut_off_shows_against_the_head(
    connection: DatabaseConnection,
) -> None:
    await a_log(connection)
    await connection.execute("DELETE FROM log_event WHERE position > 9")
    assert await found(connection) == [(10, "missing")]


async def _forge_head(connection: DatabaseConnection, size: int) -> None:
    """Makes head and stored subtrees fit whatever rows are there now."""
    rows = await logs.everything(connection)
    frontier = Frontier()
    completed = [node for row in rows for node in frontier.append(row.leaf)]
    await connection.execute(
        "UPDATE log_head SET position = :position, recorded_at = :at, frontier = :frontier",
        position=size,
        at=rows[-1].recorded_at,
        frontier=bytes(frontier),
    )
    await connection.execute("DELETE FROM log_node")
    kept = [node for node in completed if node.height and not node.height % 8]
    await connection.insert_many(LOG_NODE.name, LOG_NODE.column_names, kept)


async def test_a_cut_that_the_head_was_made_to_fit_is_found_by_checkpoints_alone(
    connection: DatabaseConnection,
) -> None:
    checkpoints = await a_log(connection)
    await connection.execute("DELETE FROM log_event WHERE position > 6")
    await _forge_head(connection, 6)
    assert (await verify(connection)).ok
    report = await verify(connection, checkpoints)
    assert [(f.position, f.kind) for f in report.findings] == [(7, "checkpoint")]
    assert report.held == (4,)


async def _rewrite(connection: DatabaseConnection, position: int, last: int) -> None:
    """Changes a message and computes all hashes anew, as one who knows the format would."""
    rows = await reader.at_positions(connection, range(position, last + 1))
    for row in rows.values():
        payload = (row.payload or b"").replace(b"mensaje", b"mentira")
        forged = row._replace(
            payload=payload, commitment=merkle.commitment(row.salt or b"", payload)
        )
        await connection.execute(
            "UPDATE log_event SET payload = :payload, commitment = :commitment, leaf = :leaf"
            " WHERE position = :position",
            payload=payload,
            commitment=forged.commitment,
            leaf=forged.computed_leaf(),
            position=row.position,
        )


async def test_a_rewritten_row_shows_against_the_head(connection: DatabaseConnection) -> None:
    await a_log(connection)
    await _rewrite(connection, 6, 6)
    assert (0, "head") in await found(connection)


async def test_a_rewritten_suffix_lies_between_two_checkpoints(
    connection: DatabaseConnection,
) -> None:
    checkpoints = await a_log(connection)
    await _rewrite(connection, 6, SIZE)
    await _forge_head(connection, SIZE)
    assert (await verify(connection)).ok
    report = await verify(connection, checkpoints)
    assert report.held == (4,)
    [finding] = report.findings
    assert (finding.position, finding.kind) == (5, "checkpoint")
    assert "between positions 5 and 8" in finding.detail


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(CHANGES)), st.integers(1, SIZE), st.binary(min_size=1, max_size=40))
async def test_any_change_of_any_column_of_any_row_is_found(
    column: str, position: int, value: bytes
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        connection = await logs.open_database(f"sqlite:///{folder}/log.db")
        try:
            await a_log(connection)
            before = await logs.everything(connection)
            with contextlib.suppress(ConstraintViolated):
                await connection.execute(
                    f"UPDATE log_event SET {column} = :value WHERE position = {position}",
                    value=value if column in BYTES else value.hex(),
                )
            untouched = await logs.everything(connection) == before
            assert (await verify(connection)).ok == untouched
        finally:
            await connection.close()


async def test_a_long_log_says_in_which_subtree_a_rewritten_row_is(
    connection: DatabaseConnection,
) -> None:
    events = [
        (STREAM, MessageSent(sender=USERS[0], recipient=DESK, text=f"mensaje {n}"))
        for n in range(600)
    ]
    await logs.record(connection, events, batch=200)  # type: ignore[arg-type]
    await logs.without_triggers(connection)
    await _rewrite(connection, 300, 300)
    assert (257, "head") in await found(connection)


async def test_what_an_event_says_was_erased_must_be_gone(connection: DatabaseConnection) -> None:
    from tests.store.test_erasure import erase

    await a_log(connection)
    before = (await reader.at_positions(connection, [5]))[5]
    await erase(connection, 5)
    await connection.execute(
        "UPDATE log_event SET payload = :payload, salt = :salt WHERE position = 5",
        payload=before.payload,
        salt=before.salt,
    )
    assert await found(connection) == [(5, "not-erased")]
