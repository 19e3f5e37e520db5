"""What admins do to conversations, and the lists that come of it, on each kind of database."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest

from registro.config import Settings
from registro.db.connection import DatabaseConnection
from registro.errors import Refused
from registro.events import ids
from registro.events.decide import Person
from registro.events.types import (
    DESK,
    ConnectionOpened,
    ConversationAssigned,
    ConversationLabelAdded,
    ConversationRead,
    ConversationStatusChanged,
    MessageSent,
    Status,
    UserRegistered,
)
from registro.services import Services, running
from registro.services.desk import Snoozes
from registro.services.inbox import COUNTED, Filter
from tests.support import logs
from tests.support.histories import ADMINS, History, registrations
from tests.support.queries import scanned, watched

HOUR = 3_600_000_000


@pytest.fixture
async def other(settings: Settings, services: Services) -> AsyncIterator[Services]:
    """A second process's services over the same database."""
    other = Services(settings)
    await other.start(serve=False)
    yield other
    await other.stop(serve=False)


@pytest.fixture
async def quiet(settings: Settings) -> AsyncIterator[Services]:
    """Services without the tasks of a server, which ask the database things of their own."""
    async with running(settings) as services:
        yield services


async def person(services: Services, user: str, role: str = "user") -> Person:
    return await services.accounts.register(user, user.title(), role, "form")  # type: ignore[arg-type]


async def say(services: Services, who: Person, para: str = "admin", text: str = "hola") -> None:
    sending = await services.chat.send(who, para, text, None, None, None)
    await sending.stored()


async def users(services: Services, **wanted: object) -> list[str]:
    page = await services.inbox.list(Filter(**wanted))  # type: ignore[arg-type]
    return [row.user for row in page.rows]


async def test_lists_are_filtered_by_status_assignee_unread_and_label(services: Services) -> None:
    ana = await person(services, "ana", "admin")
    desks = {}
    for user in ("eva", "leo", "pau"):
        one = await person(services, user)
        await say(services, one)
        desks[user] = ids.desk_conversation(one.id)
    assert await services.desk.assign(ana, desks["eva"], "ana")
    assert await services.desk.set_status(ana, desks["leo"], "resolved")
    assert await services.desk.add_label(ana, desks["pau"], "envío")
    await services.chat.mark_read(ana, desks["pau"], 1, None)

    assert await users(services) == ["pau", "leo", "eva"]
    assert await users(services, order="waiting") == ["eva", "leo", "pau"]
    assert await users(services, status="open") == ["pau", "eva"]
    assert await users(services, assignee=ana.id) == ["eva"]
    assert await users(services, assignee="", status="resolved") == ["leo"]
    assert await users(services, unread=True) == ["leo", "eva"]
    assert await users(services, label="envío") == ["pau"]
    assert await users(services, label="envio") == []
    assert list(await services.inbox.labels()) == ["envío"]
    filters = [Filter("open"), Filter("snoozed"), Filter(assignee=""), Filter(unread=True)]
    assert list(await services.inbox.counts(filters)) == [2, 0, 2, 2]


async def test_what_is_no_news_is_not_recorded(services: Services) -> None:
    ana, eva = await person(services, "ana", "admin"), await person(services, "eva")
    desk = ids.desk_conversation(eva.id)
    await say(services, eva)
    deeds: list[Callable[[], Awaitable[bool]]] = [
        lambda: services.desk.assign(ana, desk, "ana"),
        lambda: services.desk.set_status(ana, desk, "pending"),
        lambda: services.desk.add_label(ana, desk, "vip"),
    ]
    assert [await deed() for deed in deeds + deeds] == [True] * 3 + [False] * 3
    assert [await services.desk.remove_label(ana, desk, "vip") for _ in range(2)] == [True, False]
    lines = await services.inbox.actions(desk)
    assert [(line.type.partition(":")[2], line.by, line.value) for line in lines] == [
        ("assigned", "ana", "ana"), ("status:changed", "ana", "pending"),
        ("label:added", "ana", "vip"), ("label:removed", "ana", "vip"),
    ]  # fmt: skip


async def test_strangers_and_conversations_that_are_not_there_are_refused(
    services: Services,
) -> None:
    ana, eva = await person(services, "ana", "admin"), await person(services, "eva")
    desk = ids.desk_conversation(eva.id)
    with pytest.raises(Refused, match="no_autorizado"):
        await services.desk.write_note(ana, desk, "todavía no ha escrito")
    await say(services, eva)
    with pytest.raises(Refused, match="no_autorizado"):
        await services.desk.assign(eva, desk, "ana")
    for nobody in ("eva", "nadie"):
        with pytest.raises(Refused, match="destinatario_desconocido"):
            await services.desk.assign(ana, desk, nobody)


async def test_a_snooze_ends_by_itself_once_whoever_notices(
    services: Services, other: Services
) -> None:
    ana, eva = await person(services, "ana", "admin"), await person(services, "eva")
    desk = ids.desk_conversation(eva.id)
    await say(services, eva)
    begun = time.time_ns() // 1000
    assert await services.desk.set_status(ana, desk, "snoozed", begun + HOUR)
    assert await users(services, status="snoozed") == ["eva"]

    def at(one: Services, now: int) -> Snoozes:
        return Snoozes(one.writer, one.readers, now=lambda: now)

    assert await at(services, begun + HOUR - 1).end_due() == 0
    due = [at(services, begun + HOUR), at(other, begun + HOUR)]
    assert max([await snoozes.end_due() for snoozes in due]) == 1
    assert await users(services, status="open") == ["eva"]
    lines = await services.inbox.actions(desk)
    assert [line.type for line in lines] == [
        "conversation:status:changed", "conversation:snooze:ended",
    ]  # fmt: skip
    assert lines[1].by == ""


async def test_two_processes_that_notice_at_once_end_a_snooze_once(
    services: Services, other: Services
) -> None:
    ana, eva = await person(services, "ana", "admin"), await person(services, "eva")
    desk = ids.desk_conversation(eva.id)
    await say(services, eva)
    assert await services.desk.set_status(ana, desk, "snoozed", time.time_ns() // 1000 + HOUR)
    async with services.readers.connection() as connection:
        snooze = await connection.fetch_value("SELECT snooze FROM conversations")
    end = ids.snooze_end(desk, snooze)
    for one in (services, other):
        await Snoozes(one.writer, one.readers, now=lambda: 2**52).end_due()
    async with services.readers.connection() as connection:
        found = await connection.fetch_all(
            "SELECT id FROM log_event WHERE type = 'conversation:snooze:ended'"
        )
    assert [row[0] for row in found] == [end]


async def test_a_message_of_the_user_wakes_a_snoozed_conversation(services: Services) -> None:
    ana, eva = await person(services, "ana", "admin"), await person(services, "eva")
    desk = ids.desk_conversation(eva.id)
    await say(services, eva)
    await services.desk.set_status(ana, desk, "snoozed", time.time_ns() // 1000 + HOUR)
    await say(services, ana, "eva", "lo miro")
    assert await users(services, status="snoozed") == ["eva"]
    await say(services, eva)
    [row] = (await services.inbox.list()).rows
    assert (row.status, row.snoozed_until) == ("open", None)


async def test_marked_unread_is_unread_for_all_admins_and_stays_read_for_the_user(
    services: Services,
) -> None:
    ana, eva = await person(services, "ana", "admin"), await person(services, "eva")
    desk = ids.desk_conversation(eva.id)
    await say(services, eva)
    await services.chat.mark_read(ana, desk, 1, None)
    assert await services.desk.mark_unread(ana, desk)
    [row] = (await services.inbox.list(Filter(unread=True))).rows
    assert (row.unread, row.desk_read, row.wire()["sin_leer"]) == (1, 1, 0)
    await services.chat.mark_read(ana, desk, 1, None)
    assert await users(services, unread=True) == []


async def test_notes_and_labels_are_erased_with_the_conversation(services: Services) -> None:
    ana, eva = await person(services, "ana", "admin"), await person(services, "eva")
    desk = ids.desk_conversation(eva.id)
    await say(services, eva)
    await services.desk.write_note(ana, desk, "es prima de Leo")
    await services.desk.add_label(ana, desk, "prima")
    plan = await services.erasures.of_person(eva)
    await services.erasures.carry_out(plan, "asked for", ana.id)
    assert [(line.value, line.erased) for line in await services.inbox.actions(desk)] == [
        ("", True), ("", True),
    ]  # fmt: skip
    assert list(await services.inbox.labels()) == []
    async with services.readers.connection() as connection:
        assert await connection.fetch_value("SELECT labels FROM conversations") == "{}"


async def fill(connection: DatabaseConnection, conversations: int = 300) -> None:
    """Conversations in every state, so that the databases' planners have something to choose."""
    history: History = [*registrations()]
    statuses: Sequence[Status] = ("open", "pending", "resolved", "snoozed")
    for number in range(conversations):
        user = f"00000000-0000-4000-9000-{number:012}"
        desk = ids.desk_conversation(user)
        history.append((f"user/{user}", UserRegistered(f"c{number}", "C", "user", "form")))
        history.append((f"conversation/{desk}", MessageSent(user, DESK, "hola")))
        opened = ConnectionOpened(user, "user", "k", "polling", ADMINS[0])
        history.append((f"connection/{user}", opened))
        status = statuses[number % 4]
        events = [
            ConversationStatusChanged(
                desk, status, ADMINS[0],
                "2099-03-04T00:00:00.000000Z" if status == "snoozed" else "",
            ),
            ConversationAssigned(desk, (*ADMINS, "")[number % 3], ADMINS[0]),
        ]  # fmt: skip
        if number % 5 == 0:
            events.append(ConversationLabelAdded(desk, f"l{number % 2}", ADMINS[0]))
        if number % 7:
            events.append(ConversationRead(desk, DESK, 1, ADMINS[0]))
        history += [(f"desk/{desk}", event) for event in events]
    await logs.record(connection, history, batch=400)
    if connection.dialect.name == "mysql":
        await connection.execute(
            "ANALYZE TABLE conversations, conversation_labels, conversation_actions, users,"
            " presence"
        )


LISTS = [
    Filter(status=status, assignee=assignee, unread=unread, label=label, order=order)
    for status in (None, "open")
    for assignee in (None, "", ADMINS[0])
    for unread in (False, True)
    for label in (None, "l0")
    for order in ("newest", "waiting")
]


async def test_paging_reaches_every_conversation_of_a_list_once(
    connection: DatabaseConnection, services: Services
) -> None:
    await fill(connection)
    for wanted in LISTS:
        everything = (await services.inbox.list(wanted, limit=1000)).rows
        assert everything
        paged, cursor = [], None
        while True:
            page = await services.inbox.list(wanted, cursor, limit=17)
            paged += page.rows
            cursor = page.cursor
            if cursor is None:
                break
        assert paged == list(everything)
        [count] = await services.inbox.counts([wanted])
        assert count == min(len(everything), COUNTED)


async def test_no_list_reads_a_whole_table_and_each_is_one_query(
    connection: DatabaseConnection, quiet: Services
) -> None:
    await fill(connection)
    cursor = f"{logs.NOW + 2_000_000}-{ids.desk_conversation(ADMINS[0])}"
    desk = ids.desk_conversation("00000000-0000-4000-9000-000000000008")
    queries: list[Callable[[], Awaitable[object]]] = [
        *(lambda wanted=one: quiet.inbox.list(wanted) for one in LISTS),  # type: ignore[misc]
        *(lambda wanted=one: quiet.inbox.list(wanted, cursor) for one in LISTS),  # type: ignore[misc]
        lambda: quiet.inbox.counts([Filter("open"), Filter(assignee=""), Filter(unread=True)]),
        quiet.inbox.labels,
        lambda: quiet.inbox.actions(desk),
        lambda: quiet.inbox.actions(desk, 3, 900),
        Snoozes(quiet.writer, quiet.readers).end_due,
        lambda: quiet.desk._work(desk),
    ]
    for query in queries:
        with watched() as sent:
            await query()
        # Besides the names of people, and a label after the other.
        assert len({sql for sql, _ in sent if "FROM users WHERE" not in sql}) <= 1
        for statement in sent:
            assert await scanned(connection, statement) == [], statement[0]
