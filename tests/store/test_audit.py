"""Finding events: what filters let through, paging, and that nothing reads a whole table."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from registro.config import Settings
from registro.db.connection import DatabaseConnection, Pool
from registro.events import codec, ids, reader
from registro.events.record import Recorded
from registro.events.store import draft
from registro.events.types import (
    DESK,
    ConnectionClosed,
    ConnectionOpened,
    LogErased,
    LogVerified,
    MessageSent,
    SessionEnded,
    SessionRenewed,
    SessionStarted,
    UserDisabled,
)
from registro.events.verify import verify
from registro.projections.subjects import named
from registro.services import Services
from registro.services.audit import Audit, Filter, event_of
from tests.support import logs
from tests.support.histories import ADMINS, USERS, History, histories, registrations
from tests.support.queries import scanned, watched

USER, ADMIN = USERS[0], ADMINS[0]
CONVERSATION = ids.desk_conversation(USER)
SECOND = 1_000_000


def said(text: str = "hola", sender: str = USER) -> tuple[str, MessageSent]:
    recipient = DESK if sender == USER else USER
    return f"conversation/{CONVERSATION}", MessageSent(
        sender=sender, recipient=recipient, text=text
    )


def session(key: str = "k1", user: str = USER, login: str = "") -> tuple[str, SessionStarted]:
    event = SessionStarted(user=user, key=key, expires="2026-03-03T15:00:00.000000Z", login=login)
    return ids.session_stream(user, key), event


def opened(number: int = 100, key: str = "k1", user: str = USER) -> tuple[str, ConnectionOpened]:
    event = ConnectionOpened(
        user=user, role="user", session=key, transport="websocket", node=ADMIN, client="Test"
    )
    return f"connection/{UUID(int=number, version=4)}", event


def closed(number: int = 100, user: str = USER) -> tuple[str, ConnectionClosed]:
    event = ConnectionClosed(user=user, reason="transport close", milliseconds=61_000)
    return f"connection/{UUID(int=number, version=4)}", event


@pytest.fixture
async def audit(database_url: str) -> AsyncIterator[Audit]:
    pool = Pool(database_url)
    yield Audit(pool)
    await pool.close()


async def positions(audit: Audit, **wanted: object) -> list[int]:
    page = await audit.page(Filter(**wanted))  # type: ignore[arg-type]
    return [row.position for row in page.rows]


async def test_events_are_found_by_whom_they_concern_by_type_stream_and_time(
    connection: DatabaseConnection, audit: Audit
) -> None:
    disabled = (f"user/{USERS[1]}", UserDisabled(by=ADMIN))
    history = [*registrations(), session(), opened(), said(), said("ya", ADMIN), closed(), disabled]
    await logs.record(connection, history, batch=1)
    assert await positions(audit, user=USER) == [10, 9, 8, 7, 6, 3]
    assert await positions(audit, user=ADMIN) == [11, 9, 1]
    assert await positions(audit, conversation=CONVERSATION) == [9, 8]
    assert await positions(audit, session="k1") == [7, 6]
    assert await positions(audit, user=ADMIN, conversation=CONVERSATION) == [9]
    assert await positions(audit, user=USER, types=("connection:",)) == [10, 7]
    assert await positions(audit, types=("connection:opened", "session")) == [7, 6]
    assert await positions(audit, types=("no:such:type",)) == []
    assert await positions(audit, stream=history[8][0]) == [9, 8]
    assert await positions(audit, stream=f"connection/{UUID(int=100, version=4)}",
                           types=("connection:closed",)) == [10]  # fmt: skip
    stream = Filter(stream=history[8][0])
    assert [row.position for row in (await audit.page(stream, after=8)).rows] == [9]
    assert [row.position for row in (await audit.page(stream, before=9)).rows] == [8]
    assert (await audit.page(stream, after=9)).rows == []
    assert await positions(audit, since=logs.NOW + 8 * SECOND) == [11, 10, 9]
    assert await positions(audit, until=logs.NOW + 2 * SECOND) == [2, 1]
    assert await positions(audit, since=logs.NOW + 100 * SECOND) == []
    assert await positions(audit, user=USER, since=logs.NOW + 6 * SECOND,
                           until=logs.NOW + 8 * SECOND) == [8, 7]  # fmt: skip


@pytest.mark.parametrize("wanted", [{}, {"user": USER}, {"types": ("conversation:message",)}])
async def test_paging_reaches_every_event_once_in_both_directions(
    connection: DatabaseConnection, audit: Audit, wanted: dict[str, object]
) -> None:
    await logs.record(connection, [*registrations(), *(said(str(n)) for n in range(25))])
    filter_ = Filter(**wanted)  # type: ignore[arg-type]
    everything = (await audit.page(filter_, limit=1000)).rows
    pages = [await audit.page(filter_, limit=7)]
    assert pages[0].newer is None
    while pages[-1].older is not None:
        pages.append(await audit.page(filter_, before=pages[-1].older, limit=7))
    assert [row for page in pages for row in page.rows] == list(everything)
    for newer, older in pairwise(pages):
        back = await audit.page(filter_, after=older.newer, limit=7)
        assert [row.position for row in back.rows] == [row.position for row in newer.rows]
    first = await audit.page(filter_, after=pages[1].newer, limit=7)
    assert first.newer is None


@hypothesis_settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories(30), st.data())
async def test_what_is_found_is_what_names_the_subject_also_after_erasures(
    tmp_path_factory: pytest.TempPathFactory, history: History, data: st.DataObject
) -> None:
    """On SQLite: reading every event and looking for the id is the reference."""
    url = f"sqlite:///{tmp_path_factory.mktemp('log')}/log.db"
    connection, pool = await logs.open_database(url), Pool(url)
    try:
        await logs.record(connection, history)
        rows = await logs.everything(connection)
        victims = data.draw(st.sets(st.sampled_from(rows)))
        event = LogErased(
            positions=tuple(sorted(row.position for row in victims)),
            kept=tuple(codec.kept(row.event()) for row in sorted(victims)),
            reason="test",
            by=ADMIN,
        )
        if victims:
            await logs.append(connection, [draft(f"erasure/{uuid4()}", event)])
        for id_ in (USER, ADMIN, f"{USER}-a"):
            page = await Audit(pool).page(Filter(session=id_), limit=1000)
            expected = await _concerned(connection, id_)
            assert [row.position for row in page.rows] == expected
        page = await Audit(pool).page(Filter(conversation=CONVERSATION), limit=1000)
        streams = (f"conversation/{CONVERSATION}", f"desk/{CONVERSATION}")
        assert [row.position for row in page.rows] == [
            row.position for row in reversed(rows) if row.stream in streams
        ]
    finally:
        await pool.close()
        await connection.close()


async def _concerned(connection: DatabaseConnection, id_: str) -> list[int]:
    redactions = await reader.redactions(connection)

    def ids_of(row: Recorded) -> set[str]:
        event = redactions.get(row.position) if row.erased else row.event()
        return set() if event is None else named(row, event)

    rows = await logs.everything(connection)
    return [row.position for row in reversed(rows) if id_ in ids_of(row)]


async def test_logins_show_how_long_they_lasted_and_renewals_belong_to_them(
    connection: DatabaseConnection, audit: Audit
) -> None:
    later = "2026-03-03T16:00:00.000000Z"
    renewed = (session()[0], SessionRenewed(user=USER, key="k2", expires=later))
    ended = (session()[0], SessionEnded(user=USER, key="k1", reason="logout", by=USER))
    other = session("k9", USERS[1])
    await logs.record(
        connection, [session(), renewed, session("k2", login="k1"), other, ended], batch=1
    )
    logins, older = await audit.logins()
    assert ([login.key for login in logins], older) == (["k9", "k1"], None)
    assert (logins[1].until, logins[1].renewals, logins[1].reason) == (later, 1, "logout")
    assert logins[1].ended_at == logs.NOW + 4 * SECOND
    assert (logins[0].ended_at, logins[0].renewals) == (None, 0)
    assert [login.key for login in (await audit.logins(USER))[0]] == ["k1"]
    assert await audit.logins(limit=1) == ([logins[0]], 4)
    assert await audit.logins(before=4) == ([logins[1]], None)


async def test_sockets_show_how_long_they_were_open_and_who_is_connected_now(
    connection: DatabaseConnection, audit: Audit
) -> None:
    await logs.record(
        connection, [*registrations(), opened(), opened(101), opened(102, user=ADMIN), closed()]
    )
    sockets, older = await audit.sockets()
    assert [(s.user_id, s.milliseconds) for s in sockets] == [
        (ADMIN, None), (USER, None), (USER, 61_000),
    ]  # fmt: skip
    assert older is None
    assert [s.milliseconds for s in (await audit.sockets(USER))[0]] == [None, 61_000]
    now = await audit.connected()
    assert {(s.user_id, s.closed_at) for s in now} == {(ADMIN, None), (USER, None)}
    assert await audit.count_connected() == (2, 2)
    assert await audit.connected((now[0].opened_at, now[0].id)) == now[1:]


async def test_an_event_of_a_newer_program_is_shown_without_its_meaning(
    connection: DatabaseConnection, audit: Audit
) -> None:
    await logs.record(connection, registrations())
    [row] = (await audit.page(limit=1)).rows
    assert event_of(row._replace(type="user:cloned")) is None
    assert event_of(row._replace(payload=None)) is None


async def fill(connection: DatabaseConnection) -> None:
    """Some thousand events, so that the databases' planners have something to choose."""
    history: History = [*registrations()]
    for number in range(400):
        user = USERS[number % 3]
        key = f"key-{number}"
        history += [session(key, user), opened(number, key, user), said(str(number))]
        history += [said("ya", ADMIN), said("bien")]
        if number % 20:
            history.append(closed(number, user))
    await logs.record(connection, history, batch=400)
    if connection.dialect.name == "mysql":
        await connection.execute(
            "ANALYZE TABLE log_event, subjects, connections, sessions, users, messages,"
            " conversations"
        )


async def test_no_query_reads_a_whole_table_and_their_number_is_fixed(
    connection: DatabaseConnection, audit: Audit
) -> None:
    await fill(connection)
    since, until = logs.NOW + SECOND, logs.NOW + 1_999 * SECOND
    middle = 1200
    queries: list[tuple[int, Callable[[], Awaitable[object]]]] = [
        (2, audit.page),
        (2, lambda: audit.page(before=middle)),
        (2, lambda: audit.page(after=middle)),
        (2, lambda: audit.page(Filter(user=USER), before=middle)),
        (2, lambda: audit.page(Filter(user=USER, types=("conversation:", "user:")), after=middle)),
        (2, lambda: audit.page(Filter(conversation=CONVERSATION))),
        # Positions as versions cost the stream's length and log2 of it.
        (4 + 2 * 12, lambda: audit.page(Filter(conversation=CONVERSATION), before=middle)),
        (2, lambda: audit.page(Filter(session="key-7"))),
        (2, lambda: audit.page(Filter(user=ADMIN, conversation=CONVERSATION))),
        (2, lambda: audit.page(Filter(types=("session:started", "connection:")), before=middle)),
        (2, lambda: audit.page(Filter(stream=f"conversation/{CONVERSATION}"))),
        (3 + 11, lambda: audit.page(Filter(stream=f"conversation/{CONVERSATION}"), after=middle)),
        # Each time costs the head and log2(2,375) rows at most.
        (2 + 2 * 13, lambda: audit.page(Filter(user=USER, since=since, until=until))),
        (1, lambda: audit.count_after(Filter(user=USER), middle, 1000)),
        (3, audit.logins),
        (3, lambda: audit.logins(USER, before=middle)),
        (3, audit.sockets),
        (3, lambda: audit.sockets(USER, before=middle)),
        (1, audit.connected),
        (1, audit.count_connected),
    ]
    for budget, query in queries:
        with watched() as sent:
            assert await query()
        assert len(sent) <= budget
        for statement in sent:
            assert await scanned(connection, statement) == [], statement[0]


async def test_a_proof_reads_little_of_a_long_log_and_holds_for_any_event(
    connection: DatabaseConnection, settings: Settings
) -> None:
    await fill(connection)
    services = Services(settings)  # not started: nothing else asks the database anything
    for position in (1, 2, 255, 256, 257, 1234, 2385):
        with watched() as sent:
            proof = await services.evidence.of(position)
        assert proof is not None
        assert proof.ok
        assert len(proof.path) <= 12  # log2(2,385), rounded up
        assert len(sent) <= 2 + 2 * 12
        for statement in sent:
            assert await scanned(connection, statement) == [], statement[0]
    with watched() as sent:
        health = await services.evidence.health()
    assert (health.head.position, health.standing) == (2385, "none")
    assert len(sent) <= 3
    await services.readers.close()


async def test_a_verification_is_recorded_with_what_it_found(services: Services) -> None:
    assert (await services.evidence.health()).verified is None
    await services.accounts.register("ana", "Ana", "admin", "form")
    async with services.readers.connection() as connection:
        report = await verify(connection)
    await services.evidence.record(report, "test")
    row = (await services.evidence.health()).verified
    assert row is not None
    event = event_of(row)
    assert isinstance(event, LogVerified)
    assert (event.events, event.root, event.findings) == (1, report.root, 0)


async def test_a_plan_that_scans_is_seen(connection: DatabaseConnection) -> None:
    """The test above can fail."""
    await fill(connection)
    statement = ("SELECT position FROM log_event WHERE version = :one", {"one": 1})
    assert len(await scanned(connection, statement)) == 1
    if connection.dialect.name == "mysql":
        dense = "SELECT COUNT(payload) FROM log_event WHERE type = 'conversation:message:sent'"
        assert len(await scanned(connection, (dense, {}))) == 1
