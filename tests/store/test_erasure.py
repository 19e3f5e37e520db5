"""Erasing: what goes, what stays, and that live tables equal rebuilt ones afterwards."""

from __future__ import annotations

import tempfile
import time
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registro.db.connection import DatabaseConnection
from registro.errors import Refused
from registro.events import codec, ids, reader, record
from registro.events.record import Recorded
from registro.events.store import draft
from registro.events.types import DESK, LogErased, MessageSent, SessionStarted
from registro.events.verify import verify
from registro.services import Services
from tests.support import logs
from tests.support.histories import ADMINS, USERS, History, histories, registrations

USER, ADMIN = USERS[0], ADMINS[0]
CONVERSATION = ids.desk_conversation(USER)


def erasure(*rows: Recorded) -> LogErased:
    return LogErased(
        positions=tuple(row.position for row in rows),
        kept=tuple(codec.kept(row.event()) for row in rows),
        reason="test",
        by="test",
    )


def said(text: str, sender: str = USER, recipient: str = DESK) -> tuple[str, MessageSent]:
    event = MessageSent(sender=sender, recipient=recipient, text=text, client_id=str(uuid4()))
    return f"conversation/{CONVERSATION}", event


async def erase(connection: DatabaseConnection, *positions: int) -> None:
    rows = await reader.at_positions(connection, positions)
    await logs.append(connection, [draft(f"erasure/{uuid4()}", erasure(*rows.values()))])


async def test_an_erased_message_keeps_its_place_without_its_text(
    connection: DatabaseConnection, tmp_path: object
) -> None:
    await logs.record(connection, [*registrations(), said("uno"), said("secreto"), said("tres")])
    await erase(connection, 7)
    messages = (await logs.dump(connection))["messages"]
    assert [(row[1], row[6], row[8]) for row in messages] == [
        (1, "uno", 0),
        (2, "", 1),
        (3, "tres", 0),
    ]
    lines = b"".join(record.to_line(row) for row in await logs.everything(connection))
    assert b"secreto" not in lines
    assert (await verify(connection)).ok
    assert (await verify(connection)).erased == 1


async def test_erasing_the_last_message_empties_the_preview(connection: DatabaseConnection) -> None:
    await logs.record(connection, [*registrations(), said("uno"), said("secreto")])
    await erase(connection, 7)
    [conversation] = (await logs.dump(connection))["conversations"]
    assert "secreto" not in conversation
    assert conversation[4] == 2


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories(30), st.data())
async def test_live_equals_rebuilt_after_any_erasure(history: History, data: st.DataObject) -> None:
    """On SQLite; the next test does one on each database."""
    with tempfile.TemporaryDirectory() as folder:
        connection = await logs.open_database(f"sqlite:///{folder}/live.db")
        try:
            await logs.record(connection, history)
            rows = await logs.everything(connection)
            for _ in range(2):
                victims = data.draw(st.lists(st.sampled_from(rows), unique=True, max_size=9))
                gone = (
                    await reader.at_positions(connection, [v.position for v in victims])
                ).values()
                victims = [row for row in gone if not row.erased]
                await logs.append(connection, [draft(f"erasure/{uuid4()}", erasure(*victims))])
            live = await logs.dump(connection)
            assert live == await logs.rebuilt(connection, f"sqlite:///{folder}/rebuilt.db")
            assert (await verify(connection)).ok
        finally:
            await connection.close()


async def test_a_person_is_erased_with_everything(services: Services, tmp_path: object) -> None:
    eva = await services.accounts.register("eva", "Eva", "user", "form", "correct horse")
    ana = await services.accounts.register("ana", "Ana", "admin", "form", "correct horse")
    await (await services.chat.send(eva, "admin", "mi dni es 1234", None, None, None)).stored()
    await (await services.chat.send(ana, "eva", "gracias, Eva", None, None, None)).stored()
    session = SessionStarted(user=eva.id, key="a" * 64, expires="2026-01-01T00:00:00Z")
    await services.writer.append(draft(ids.session_stream(eva.id, "a" * 64), session))

    plan = await services.erasures.of_person(eva)
    assert plan.counts() == {
        "conversation:message:sent": 2, "session:started": 1, "user:registered": 1,
    }  # fmt: skip
    assert await services.erasures.carry_out(plan, "asked for it", "test") == 4

    async with services.readers.connection() as connection:
        rows = await logs.everything(connection)
        assert (await verify(connection)).ok
        live = await logs.dump(connection)
        assert live == await logs.rebuilt(connection, f"sqlite:///{tmp_path}/rebuilt.db")
    exported = b"".join(record.to_line(row) for row in rows)
    assert all(word not in exported for word in (b"eva", b"Eva", b"dni", b"gracias"))
    assert "eva" not in str(live)


async def test_the_name_of_an_erased_person_is_not_given_again(services: Services) -> None:
    eva = await services.accounts.register("eva", "Eva", "user", "form")
    await services.erasures.carry_out(await services.erasures.of_person(eva), "", "test")
    services.directory.committed(await _rows(services))
    assert await services.directory.by_user("eva") is None
    with pytest.raises(Refused, match="usuario_borrado"):
        await services.accounts.register("eva", "Eva", "user", "token")


async def _rows(services: Services) -> list[Recorded]:
    async with services.readers.connection() as connection:
        return await logs.everything(connection)


async def test_retention_takes_what_is_older_and_leaves_accounts(
    connection: DatabaseConnection,
) -> None:
    from registro.db.connection import Pool
    from registro.services.erasure import Erasures

    await logs.record(connection, [*registrations(), said("uno"), said("dos")], batch=1)
    pool = Pool("", size=1)
    pool._free.append((connection, time.monotonic()))
    rows = await logs.everything(connection)
    plan = await Erasures(None, pool, None).older_than(rows[-1].recorded_at)  # type: ignore[arg-type]
    assert [row.position for row in plan.rows] == [6]
    none = await Erasures(None, pool, None).older_than(rows[-1].recorded_at, ["session"])  # type: ignore[arg-type]
    assert none.rows == []


async def test_an_event_that_was_erased_already_is_not_planned_again(services: Services) -> None:
    eva = await services.accounts.register("eva", "Eva", "user", "form")
    await (await services.chat.send(eva, "admin", "hola", None, None, None)).stored()
    plan = await services.erasures.of_event(2)
    assert [row.position for row in plan.rows] == [2]
    await services.erasures.carry_out(plan, "", "test")
    assert (await services.erasures.of_event(2)).rows == []
    assert (await services.erasures.of_event(3)).rows == []  # the erasure itself
    assert (await services.erasures.of_event(99)).rows == []
