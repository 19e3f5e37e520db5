"""Reports: figures, and that the rows behind each of them are as many as it says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from typing import get_args
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from registro.db.connection import DatabaseConnection, Pool
from registro.events import ids
from registro.events.record import rfc3339
from registro.events.store import draft
from registro.events.types import (
    DESK,
    ConversationLabelAdded,
    ConversationStatusChanged,
    Event,
    Imported,
    MessageSent,
    UserRegistered,
)
from registro.projections import following, registry
from registro.services.directory import Directory
from registro.services.reports import Count, Period, Reports, Row, Wanted, What, percentile
from tests.store.test_rebuild import erase
from tests.support import logs
from tests.support.histories import ADMINS, USERS, registrations
from tests.support.queries import scanned, watched

MINUTE = 60_000_000
HOUR = 60 * MINUTE
MADRID = ZoneInfo("Europe/Madrid")
ONE, OTHER = ADMINS


def period(first: str, days: int, zone: ZoneInfo = MADRID) -> Period:
    begin = date.fromisoformat(first)
    midnights = [
        datetime.combine(begin + timedelta(days=n), datetime.min.time(), zone)
        for n in range(days + 1)
    ]
    return Period([int(one.timestamp()) * 1_000_000 for one in midnights])


WEEK = period("2026-03-02", 7)
BEFORE = period("2026-02-23", 7)


class Desk:
    """Appends what happened at moments in minutes from the beginning of the week."""

    def __init__(self, connection: DatabaseConnection) -> None:
        self.connection = connection

    async def asks(self, minute: int, user: str = USERS[0]) -> None:
        await self._said(minute, user, MessageSent(sender=user, recipient=DESK, text="hola"))

    async def answers(self, minute: int, admin: str = ONE, user: str = USERS[0]) -> None:
        await self._said(minute, user, MessageSent(sender=admin, recipient=user, text="buenas"))

    async def resolves(self, minute: int, admin: str = ONE, user: str = USERS[0]) -> None:
        id_ = ids.desk_conversation(user)
        event = ConversationStatusChanged(id_, "resolved", admin)
        await self._append(minute, f"desk/{id_}", event)

    async def labels(self, label: str, user: str) -> None:
        id_ = ids.desk_conversation(user)
        event = ConversationLabelAdded(id_, label, ONE)
        await self._append(10 * 1440, f"desk/{id_}", event)

    async def _said(self, minute: int, user: str, event: Event) -> None:
        await self._append(minute, f"conversation/{ids.desk_conversation(user)}", event)

    async def _append(self, minute: int, stream: str, event: Event) -> None:
        now = WEEK.start + minute * MINUTE
        await logs.append(self.connection, [draft(stream, event)], now=now)

    async def week(self) -> None:
        """Two users before and in the week: seven waits, of which one is resolved, one goes on."""
        await self.asks(-20)
        await self.answers(-10)
        await self.asks(-5)
        await self.answers(5)  # 10 minutes
        for day, lasted in enumerate((1, 2, 3, 60)):
            at = 1440 * day + 600
            await self.asks(at, USERS[1])
            await self.answers(at + lasted, OTHER if day else ONE, USERS[1])
        await self.resolves(1440 * 4, OTHER, USERS[1])
        await self.asks(1440 * 4 + 1, USERS[1])
        await self.asks(1440 * 4 + 2, USERS[1])
        await self.resolves(1440 * 5, ONE, USERS[1])
        await self.asks(1440 * 6 + 1000)
        await self.answers(1440 * 7 + 10)
        await following.catch_up(self.connection)


@pytest.fixture
async def desk(connection: DatabaseConnection) -> Desk:
    for stream, event in registrations():
        await logs.append(connection, [draft(stream, event)], now=BEFORE.start)
    return Desk(connection)


@pytest.fixture
async def reports(database_url: str) -> AsyncIterator[Reports]:
    pool = Pool(database_url)
    yield Reports(pool, Directory(pool))
    await pool.close()


async def every(
    reports: Reports, what: What, of: Period, admin: str | None = None, label: str | None = None
) -> list[Row]:
    """All rows of a figure, two at a time; there have to be as many as they are said to be."""
    wanted = Wanted(what, [(of.start, of.end)], admin, label)
    page = await reports.rows(wanted, None, 2)
    found = list(page.rows)
    while page.cursor is not None:
        page = await reports.rows(wanted, page.cursor, 2)
        found += page.rows
    assert len(found) == page.total == len({one.position for one in found})
    return found


def figures(count: Count) -> dict[What, int]:
    return {
        "messages": count.messages + count.answers,
        "users": count.messages,
        "answers": count.answers,
        "opened": count.opened,
        "resolved": count.resolved,
        "waits": len(count.waits),
        "firsts": len(count.firsts),
        "closed": count.closed,
    }


def minutes(waits: list[int]) -> list[float]:
    return [one / 60_000 for one in waits]


async def test_a_week_is_counted_as_the_page_says(reports: Reports, desk: Desk) -> None:
    await desk.week()
    report = await reports.report(WEEK, BEFORE)
    total = report.total
    assert (total.messages, total.answers, total.opened, total.resolved) == (7, 5, 2, 2)
    assert minutes(total.waits) == [1, 2, 3, 10, 60]
    assert (minutes(total.firsts), total.closed) == ([1], 1)
    assert [percentile(total.waits, p) for p in (50, 90)] == [3 * 60_000, 60 * 60_000]
    assert (report.waiting, report.waiting_since) == (1, WEEK.start + (1440 * 6 + 1000) * MINUTE)
    assert (report.before.messages, minutes(report.before.waits)) == (2, [10])
    assert [len(day.waits) for day in report.days] == [2, 1, 1, 1, 0, 0, 0]
    admins = {one.id: (one.count.answers, one.conversations) for one in report.admins}
    assert admins == {ONE: (2, 2), OTHER: (3, 1)}


async def test_every_figure_is_as_many_as_the_rows_behind_it(reports: Reports, desk: Desk) -> None:
    await desk.week()
    report = await reports.report(WEEK, BEFORE)
    for what, number in figures(report.total).items():
        assert len(await every(reports, what, WEEK)) == number, what
    for day, count in zip(WEEK.days, report.days, strict=True):
        of_day = Period([day, day + 24 * HOUR])
        for what, number in figures(count).items():
            assert len(await every(reports, what, of_day)) == number, (what, day)
    for one in report.admins:
        for what, number in figures(one.count).items():
            assert len(await every(reports, what, WEEK, one.id)) == number, (what, one.id)
        assert len(await every(reports, "conversations", WEEK, one.id)) == one.conversations
    assert len(await every(reports, "waiting", WEEK)) == report.waiting
    waits = [one.waited for one in await every(reports, "waits", WEEK)]
    assert sorted(filter(None, waits)) == report.total.waits


async def test_of_a_label_the_conversations_count_that_have_it(
    reports: Reports, desk: Desk
) -> None:
    await desk.week()
    everything = await reports.report(WEEK, BEFORE)
    for label, users in {"todas": USERS[:2], "una": USERS[1:2]}.items():
        for user in users:
            await desk.labels(label, user)
    await following.catch_up(desk.connection)
    assert await reports.report(WEEK, BEFORE, "todas") == everything
    report = await reports.report(WEEK, BEFORE, "una")
    total = report.total
    assert (total.messages, total.answers, total.opened, total.resolved) == (6, 4, 2, 2)
    assert (minutes(total.waits), total.closed) == ([1, 2, 3, 60], 1)
    assert (report.before, report.waiting, report.waiting_since) == (Count(), 0, None)
    assert sum(count.messages for count in report.hours.values()) == 6
    for what, number in figures(total).items():
        assert len(await every(reports, what, WEEK, None, "una")) == number, what
    for one in report.admins:
        for what, number in figures(one.count).items():
            assert len(await every(reports, what, WEEK, one.id, "una")) == number, (what, one.id)
        rows = await every(reports, "conversations", WEEK, one.id, "una")
        assert len(rows) == one.conversations
    assert await every(reports, "waiting", WEEK, None, "una") == []
    assert len(await every(reports, "waiting", WEEK, None, "todas")) == everything.waiting
    nothing = await reports.report(WEEK, BEFORE, "ninguna")
    assert (nothing.total, nothing.admins) == (Count(), [])


async def test_what_is_said_later_changes_nothing_of_a_period_that_is_over(
    reports: Reports, desk: Desk
) -> None:
    await desk.week()
    before = await reports.report(WEEK, BEFORE)
    await desk.resolves(1440 * 9)
    await desk.asks(1440 * 9 + 1)
    await desk.answers(1440 * 9 + 2)
    await following.catch_up(desk.connection)
    assert await reports.report(WEEK, BEFORE) == before


async def test_what_was_erased_counts_and_its_row_says_so(reports: Reports, desk: Desk) -> None:
    await desk.week()
    before = await reports.report(WEEK, BEFORE)
    [row, *_] = await every(reports, "users", WEEK)
    await erase(desk.connection, [row.position])
    await following.catch_up(desk.connection)
    assert (await reports.report(WEEK, BEFORE)).total == before.total
    erased = [one for one in await every(reports, "users", WEEK) if one.erased]
    assert [(one.position, one.text) for one in erased] == [(row.position, "")]


async def test_imported_messages_count_when_they_were_sent(reports: Reports, desk: Desk) -> None:
    stream = f"conversation/{ids.desk_conversation(USERS[0])}"
    for minute, (sender, recipient) in enumerate(((USERS[0], DESK), (ONE, USERS[0]))):
        time = rfc3339(WEEK.start + minute * MINUTE)
        event = MessageSent(sender, recipient, "hola", imported=Imported(f"x:{minute}", time))
        await logs.append(desk.connection, [draft(stream, event)], now=WEEK.end + HOUR)
    await following.catch_up(desk.connection)
    report = await reports.report(WEEK, BEFORE)
    assert (report.total.messages, minutes(report.total.waits)) == (1, [1])


@pytest.mark.parametrize(
    ("zone", "first"),
    [("Europe/Madrid", "2026-03-26"), ("Asia/Kathmandu", "2026-03-01"),
     ("Australia/Lord_Howe", "2026-04-02"), ("America/Santiago", "2026-04-01")],
)  # fmt: skip
async def test_days_are_the_readers_whatever_the_clocks_do(
    reports: Reports, desk: Desk, zone: str, first: str
) -> None:
    week = period(first, 7, ZoneInfo(zone))
    for day in week.edges:  # a minute before the end of each day, and at its end
        await desk.asks((day - WEEK.start) // MINUTE - 1)
        await desk.answers((day - WEEK.start) // MINUTE)
    await following.catch_up(desk.connection)
    report = await reports.report(week, period("2026-01-05", 7))
    for count in report.days:
        assert (count.messages, count.answers, minutes(count.waits)) == (1, 1, [1])
    assert sum(count.answers for count in report.hours.values()) == 7


async def test_the_report_says_what_is_not_counted_yet(reports: Reports, desk: Desk) -> None:
    await desk.week()
    assert (await reports.report(WEEK, BEFORE)).behind_since is None
    await desk.asks(1440 * 8)
    report = await reports.report(WEEK, BEFORE)
    assert report.behind_since == WEEK.start + 1440 * 8 * MINUTE


async def test_no_query_reads_a_whole_table(reports: Reports, desk: Desk) -> None:
    people = [str(UUID(int=n, version=4)) for n in range(100, 400)]
    users = [
        [draft(f"user/{one}", UserRegistered(user=f"v{n}", name="V", role="user", origin="form"))]
        for n, one in enumerate(people)
    ]
    await logs.append(desk.connection, *users, now=BEFORE.start)
    drafts = [
        [draft(f"conversation/{ids.desk_conversation(one)}", MessageSent(*pair, text="hola"))]
        for one in people
        for pair in ((one, DESK), (ONE, one)) * 3
    ]
    for number, start in enumerate(range(0, len(drafts), 90)):
        now = WEEK.start + number * 8 * HOUR
        await logs.append(desk.connection, *drafts[start : start + 90], now=now)
    for one in people[::3]:
        await desk.labels("tercio", one)
    await following.catch_up(desk.connection)
    for projection in registry.ALL:
        for table in projection.tables:
            for statement in desk.connection.dialect.analyze(table.name):
                await desk.connection.execute(statement)
    day = Period(WEEK.edges[1:3])
    with watched() as sent:
        report = await reports.report(day, Period(WEEK.edges[0:2]))
    assert report.total.waits
    assert len(sent) <= 10
    with watched() as more:
        report = await reports.report(day, Period(WEEK.edges[0:2]), "tercio")
    assert report.total.waits
    assert len(more) <= 10
    sent += more
    for what in get_args(What):
        for label in (None, "tercio"):
            with watched() as more:
                await reports.rows(Wanted(what, [(day.start, day.end)], ONE, label), None)
            assert len(more) <= 5, what
            sent += more
    for query in sent:
        assert await scanned(desk.connection, query) == [], query[0]
