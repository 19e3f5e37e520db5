"""Appending: the contract of the log, on SQLite, MySQL and MariaDB."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

import pytest

from registro.db.connection import Connection, DatabaseConnection
from registro.errors import Conflict, ConstraintViolated, Immutable, Rejected
from registro.events import merkle, reader, store
from registro.events.record import Recorded, rfc3339
from registro.events.store import Draft, Outcome, draft
from registro.events.types import DESK, MessageSent, UserRegistered
from registro.events.verify import verify
from registro.projections import runner

NOW = 1_772_546_400_000_000
USER = str(uuid4())
STREAM = f"conversation/{uuid4()}"


def message(text: str = "hola", **more: object) -> Draft:
    event = MessageSent(sender=USER, recipient=DESK, text=text)
    return draft(STREAM, event, **more)  # type: ignore[arg-type]


def registration(user: str) -> Draft:
    event = UserRegistered(user=user, name=user, role="user", origin="form")
    return draft(f"user/{uuid4()}", event)


async def nothing(
    connection: Connection, rows: Sequence[Recorded], erased: Sequence[Recorded]
) -> None:
    """Folds nothing."""


async def append(
    connection: DatabaseConnection,
    *appends: Sequence[Draft],
    now: int = NOW,
    fold: object = nothing,
) -> list[Outcome]:
    return await connection.together(
        lambda c: store.append(c, appends, now=now, fold=fold)  # type: ignore[arg-type]
    )


async def test_positions_have_no_gaps_and_streams_their_own_versions(
    connection: DatabaseConnection,
) -> None:
    await append(connection, [message()], [registration("ana")])
    await append(connection, [message()])
    rows = await reader.read(connection, 0)
    assert [row.position for row in rows] == [1, 2, 3]
    assert [row.version for row in rows] == [1, 1, 2]


async def test_the_stored_row_is_what_was_answered(connection: DatabaseConnection) -> None:
    text = "acción 🚲 \u202eעברית\u202c \\ ' \" % :x"
    [rows] = await append(connection, [message(text)])
    assert await reader.read(connection, 0) == rows
    assert rows[0].event() == MessageSent(sender=USER, recipient=DESK, text=text)  # type: ignore[index]


async def test_each_row_carries_its_leaf_and_the_head_their_tree(
    connection: DatabaseConnection,
) -> None:
    for number in range(5):
        await append(connection, [message(str(number))])
    rows = await reader.read(connection, 0)
    head = await reader.head(connection)
    assert all(row.computed_leaf() == row.leaf for row in rows)
    assert head.position == 5
    assert head.frontier.root() == merkle.tree_hash(row.leaf for row in rows)


async def test_time_never_runs_backwards(connection: DatabaseConnection) -> None:
    await append(connection, [message()], now=NOW)
    [rows] = await append(connection, [message()], now=NOW - 5)
    assert rows[0].recorded_at == NOW  # type: ignore[index]
    assert rfc3339(rows[0].recorded_at) == "2026-03-03T14:00:00.000000Z"  # type: ignore[index]


async def test_the_same_id_again_is_answered_with_the_stored_row(
    connection: DatabaseConnection,
) -> None:
    one, other = message("one", id=(id_ := str(uuid4()))), message("other", id=id_)
    [first] = await append(connection, [one])
    [again, neighbour] = await append(connection, [other], [message("neighbour")])
    assert again == first
    assert neighbour[0].version == 2  # type: ignore[index]


async def test_the_same_id_twice_in_one_batch_is_stored_once(
    connection: DatabaseConnection,
) -> None:
    twice = message(id=str(uuid4()))
    first, again = await append(connection, [twice], [twice])
    assert first == again
    assert (await reader.head(connection)).position == 1


async def test_a_conflict_says_stream_expected_and_actual_and_harms_no_neighbour(
    connection: DatabaseConnection,
) -> None:
    await append(connection, [message()])
    before, conflict, after = await append(
        connection, [message()], [message(expected=1)], [message(expected=2)]
    )
    assert isinstance(conflict, Conflict)
    assert str(conflict) == f"stream {STREAM}: expected version 1, actual version 2"
    assert [before[0].version, after[0].version] == [2, 3]  # type: ignore[index]


async def test_an_append_is_stored_whole_or_not_at_all(connection: DatabaseConnection) -> None:
    [outcome] = await append(connection, [message(), message(expected=7)])
    assert isinstance(outcome, Conflict)
    assert (await reader.head(connection)).position == 0
    [rows] = await append(connection, [message(), registration("ana"), message()])
    assert [row.version for row in rows] == [1, 1, 2]  # type: ignore[union-attr]


async def test_an_append_that_cannot_be_folded_fails_alone(connection: DatabaseConnection) -> None:
    async def fold(_: Connection, rows: Sequence[Recorded], __: Sequence[Recorded]) -> None:
        if any(b"poison" in (row.payload or b"") for row in rows):
            raise RuntimeError("it cannot be folded")

    texts = ["a", "b", "poison", "c", "d", "poison", "e"]
    outcomes = await append(connection, *([message(text)] for text in texts), fold=fold)
    guilty = [
        text for text, outcome in zip(texts, outcomes, strict=True) if isinstance(outcome, Rejected)
    ]
    assert guilty == ["poison", "poison"]
    assert [row.position for row in await reader.read(connection, 0)] == [1, 2, 3, 4, 5]
    assert (await verify(connection)).ok


async def test_a_name_is_taken_by_the_first(connection: DatabaseConnection) -> None:
    outcomes = await append(
        connection, [registration("eva")], [registration("eva")], [registration("Eva")],
        fold=runner.fold,
    )  # fmt: skip
    assert [isinstance(outcome, Rejected) for outcome in outcomes] == [False, True, False]
    rejected = outcomes[1]
    assert isinstance(rejected, Rejected)
    assert isinstance(rejected.__cause__, ConstraintViolated)


async def test_names_that_differ_in_an_accent_or_a_case_are_different(
    connection: DatabaseConnection,
) -> None:
    names = ["jose", "josé", "José", "JOSÉ", "jose\u0301", "ß", "ss"]
    outcomes = await append(connection, *([registration(name)] for name in names), fold=runner.fold)
    assert not any(isinstance(outcome, Rejected) for outcome in outcomes)


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM log_event",
        "UPDATE log_event SET payload = 'x' WHERE position = 1",
        "UPDATE log_event SET recorded_at = recorded_at + 1",
        "UPDATE log_event SET payload = NULL, salt = NULL, type = 'x' WHERE position = 1",
        "UPDATE log_event SET payload = NULL WHERE position = 1",
    ],
)
async def test_the_database_itself_refuses_to_change_the_log(
    connection: DatabaseConnection, change: str
) -> None:
    await append(connection, [message()])
    before = await reader.read(connection, 0)
    with pytest.raises(Immutable, match="the log is append-only"):
        await connection.execute(change)
    assert await reader.read(connection, 0) == before


async def test_a_payload_may_be_erased_with_its_salt(connection: DatabaseConnection) -> None:
    await append(connection, [message()])
    await connection.execute("UPDATE log_event SET payload = NULL, salt = NULL WHERE position = 1")
    [row] = await reader.read(connection, 0)
    assert row.erased


async def test_an_exported_log_loads_into_an_empty_one_with_the_same_root(
    connection: DatabaseConnection, tmp_path: object
) -> None:
    await append(connection, [registration("ana")], [message()], [message("ñ")], fold=runner.fold)
    rows = await reader.read(connection, 0)
    target = await DatabaseConnection(f"sqlite:///{tmp_path}/other.db").open()
    try:
        from registro.db import migrations

        await migrations.migrate(target, runner.ensure)
        head = await store.load(target, lambda: rows, fold=runner.fold)
        assert head.frontier == (await reader.head(connection)).frontier
        assert await reader.read(target, 0) == rows
    finally:
        await target.close()
