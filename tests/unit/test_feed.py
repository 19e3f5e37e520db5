"""Committed events reach the subscribers once and in order, with where in this process they came
from, whoever commits them and whenever that is said."""

import asyncio
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest

from registro.errors import Unavailable
from registro.events.writer import Committed
from registro.services import feed
from registro.services.feed import Feed
from tests.support.waiting import until


class Row(NamedTuple):
    position: int

    @property
    def id(self) -> str:
        return f"event {self.position}"


class Log:
    """A log that this process and others append to, and a running feed that follows it."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.away = False
        self.heard: list[tuple[int, object]] = []
        self.under_way: dict[str, object] = {}
        self.feed = Feed(self, self.under_way.get, poll=0.02)
        self.feed.subscribers.append(self._hear)

    @asynccontextmanager
    async def connection(self):
        yield self

    async def head(self, _):
        return Row(len(self.rows))

    async def read(self, _, after):
        await asyncio.sleep(0)
        if self.away:
            raise Unavailable("away")
        return self.rows[after:][: feed.reader.PAGE]

    async def _hear(self, batch):
        self.heard += [(one.row.position, one.origin) for one in batch]

    def commit(self, count=1):
        """Appends some rows, and says nothing of it."""
        for _ in range(count):
            self.rows.append(Row(len(self.rows) + 1))

    def tell(self, *positions, origin="ours"):
        self.feed.committed([Committed(Row(position), origin) for position in positions])

    async def hears(self, *expected):
        """Waits for so many events, and a few polls longer for more."""
        await until(lambda: len(self.heard) >= len(expected), 5)
        await asyncio.sleep(0.1)
        assert self.heard == list(expected)


@pytest.fixture
async def log(monkeypatch):
    log = Log()
    monkeypatch.setattr(feed.reader, "read", log.read)
    monkeypatch.setattr(feed.reader, "head", log.head)
    await log.feed.start()
    yield log
    await log.feed.stop()


async def test_what_the_writer_tells_is_handed_out_at_once(log):
    log.commit(3)
    log.tell(1, 2, 3)
    await asyncio.sleep(0.01)
    assert log.heard == [(1, "ours"), (2, "ours"), (3, "ours")]


async def test_what_nobody_tells_is_found(log):
    log.commit(2)
    await log.hears((1, None), (2, None))


async def test_what_others_commit_in_between_keeps_its_place(log):
    log.commit(4)
    log.tell(2)
    log.tell(4)
    await log.hears((1, None), (2, "ours"), (3, None), (4, "ours"))


async def test_what_is_read_before_the_writers_word_is_still_ours(log):
    log.under_way["event 2"] = "ours"
    log.commit(2)
    await log.hears((1, None), (2, "ours"))
    log.tell(2)  # the word comes late
    await log.hears((1, None), (2, "ours"))


async def test_the_word_that_comes_while_the_log_is_read_counts(log):
    log.commit(4)  # the first and the last are foreign
    log.tell(2)
    await asyncio.sleep(0)  # the reading begins
    log.tell(3)
    await log.hears((1, None), (2, "ours"), (3, "ours"), (4, None))


async def test_other_processes_word_is_enough(log):
    log.feed._poll = 60
    await asyncio.sleep(0.05)  # no poll of the old length is under way
    log.commit(1)
    log.feed.look()
    await log.hears((1, None))


async def test_more_than_a_page_is_read_to_its_end(log, monkeypatch):
    monkeypatch.setattr(feed.reader, "PAGE", 2)
    log.commit(5)
    log.feed.look()
    await asyncio.sleep(0.01)
    assert [position for position, _ in log.heard] == [1, 2, 3, 4, 5]


async def test_what_this_process_appends_is_made_known(log):
    told = []
    log.feed.on_own = lambda: told.append(True)
    log.commit(1)
    log.tell(1)
    assert told == [True]


async def test_a_repetition_does_not_change_who_sent_it(log):
    log.commit(1)
    log.tell(1, origin="first")
    log.tell(1, origin="second")
    await log.hears((1, "first"))
    log.tell(1, origin="third")
    await log.hears((1, "first"))


async def test_one_subscriber_that_fails_does_not_stop_the_others(log):
    async def fail(_):
        raise ValueError("no")

    log.feed.subscribers.insert(0, fail)
    log.commit(2)
    log.tell(1)
    await log.hears((1, "ours"), (2, None))


async def test_a_log_that_cannot_be_read_is_read_later(log):
    log.away = True
    log.commit(2)
    log.tell(2)
    await asyncio.sleep(0.05)
    log.away = False
    await log.hears((1, None), (2, "ours"))
