"""The writer: what its callers are told, on SQLite, MySQL and MariaDB, whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any
from uuid import uuid4

import pymysql.err
import pytest

from registro.db.connection import Connection, DatabaseConnection
from registro.db.dialect import Dialect, MySQL, SQLite, _SQLiteInThread
from registro.errors import Disconnected, Unavailable
from registro.events import reader
from registro.events.record import Recorded
from registro.events.store import Draft, draft
from registro.events.types import DESK, MessageSent
from registro.events.verify import verify
from registro.events.writer import Committed, LogWriter

USER = str(uuid4())
STREAM = f"conversation/{uuid4()}"
PATIENCE = 20


def message(text: str = "hola", id: str | None = None) -> Draft:
    return draft(STREAM, MessageSent(sender=USER, recipient=DESK, text=text), id=id)


async def nothing(_: Connection, __: Sequence[Recorded], ___: Sequence[Recorded]) -> None:
    """Folds nothing."""


class Database:
    """What a writer connects to; while it is away it answers with an error."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.away: Exception | None = None
        self.connections = 0

    def connect(self) -> DatabaseConnection:
        self.connections += 1
        return _Unreliable(self)


class _Unreliable(DatabaseConnection):
    def __init__(self, database: Database) -> None:
        super().__init__(database.url)
        self._unreliable = database

    async def open(self) -> DatabaseConnection:
        if self._unreliable.away is not None:
            raise self._unreliable.away
        return await super().open()

    async def together(self, work: Callable[[Connection], Coroutine[Any, Any, Any]]) -> Any:
        if self._unreliable.away is not None:
            self.broken = True
            raise Disconnected("the database went away")
        return await super().together(work)


class Commits:
    """Stands before the drivers. `lost` is how many answers to COMMIT are going to be lost;
    `happen` says whether those commits happen or never arrive."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.lost = 0
        self.happen = True
        for dialect in (MySQL, _SQLiteInThread):
            patch.setattr(dialect, "run", self._around(dialect.run))

    def _around(self, run: Callable[..., Any]) -> Callable[..., Any]:
        async def wrapped(dialect: Dialect, raw: Any, statements: Any) -> Any:
            if statements[-1].sql != "COMMIT" or not self.lost:
                return await run(dialect, raw, statements)
            self.lost -= 1
            if self.happen:
                await run(dialect, raw, statements)
            raise _lost_answer(dialect)

        return wrapped


def _lost_answer(dialect: Dialect) -> Exception:
    """The errors of the drivers, as they raise them."""
    if dialect.name == "mysql":
        return pymysql.err.OperationalError(2013, "Lost connection to MySQL server during query")
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    return error


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> Commits:
    return Commits(monkeypatch)


@pytest.fixture
async def database(database_url: str, connection: DatabaseConnection) -> Database:
    assert await reader.read(connection, 0) == []
    return Database(database_url)


@contextlib.asynccontextmanager
async def running(database: Database, **options: Any) -> AsyncIterator[LogWriter]:
    writer = LogWriter(database.connect, nothing, **options)
    await writer.start()
    try:
        yield writer
    finally:
        async with asyncio.timeout(PATIENCE):
            await writer.stop()


async def texts(connection: DatabaseConnection) -> list[str]:
    assert (await verify(connection)).ok
    return [row.event().text for row in await reader.read(connection, 0)]  # type: ignore[attr-defined]


@contextlib.asynccontextmanager
async def locked(url: str) -> AsyncIterator[None]:
    """Somebody else holds the lock on the head row (on SQLite, on the whole file)."""
    other = await DatabaseConnection(url).open()
    try:
        async with other.transaction():
            await reader.head(other, lock=True)
            yield
    finally:
        await other.close()


async def test_a_full_queue_refuses_at_once_and_keeps_what_it_took(
    database: Database, connection: DatabaseConnection
) -> None:
    async with running(database, limit=3) as writer:
        futures = [writer.submit([message(str(n))]) for n in range(3)]
        with pytest.raises(Unavailable, match="3 events are waiting for the log"):
            writer.submit([message("one too many")])
        await asyncio.gather(*futures)
        await writer.append(message("3"))
    assert await texts(connection) == ["0", "1", "2", "3"]


async def test_a_writer_that_does_not_run_refuses(database: Database) -> None:
    writer = LogWriter(database.connect, nothing)
    with pytest.raises(Unavailable, match="the log writer is not running"):
        writer.submit([message()])
    await writer.start()
    await writer.stop()
    with pytest.raises(Unavailable, match="the log writer is not running"):
        writer.submit([message()])


async def test_a_client_that_repeats_its_id_gets_the_one_stored_row(
    database: Database, connection: DatabaseConnection
) -> None:
    id_ = str(uuid4())
    async with running(database) as writer:
        first = await writer.append(message("first", id_))
        together = await asyncio.gather(*(writer.append(message("again", id_)) for _ in range(5)))
        assert [*together] == [first] * 5
    assert await texts(connection) == ["first"]


async def test_stopping_stores_what_waits(
    database: Database, connection: DatabaseConnection
) -> None:
    async with running(database) as writer:
        futures = [writer.submit([message(str(n))]) for n in range(1200)]
    assert all(future.done() for future in futures)
    assert len(await reader.read(connection, 0, limit=2000)) == 1200


async def test_what_a_cancelled_caller_appended_is_stored_all_the_same(
    database: Database, connection: DatabaseConnection
) -> None:
    async with running(database) as writer:
        caller = asyncio.create_task(writer.append(message("of one who left")))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await writer.append(message("of one who stayed"))
    assert await texts(connection) == ["of one who left", "of one who stayed"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Databases that wait for a lock for a moment only, so that the writer has to."""
    monkeypatch.setattr(SQLite, "on_connect", (*SQLite.on_connect, "PRAGMA busy_timeout=100"))
    impatience = "SET SESSION innodb_lock_wait_timeout = 1"
    monkeypatch.setattr(MySQL, "on_connect", (*MySQL.on_connect, impatience))


@pytest.mark.usefixtures("impatient")
async def test_a_lock_that_somebody_else_holds_for_a_moment_only_delays(
    database: Database, connection: DatabaseConnection, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(database, timeout=PATIENCE) as writer:
        async with locked(database.url):
            future = writer.submit([message()])
            await until(lambda: "trying again" in caplog.text)
            assert not future.done()
        [row] = await future
        assert row.position == 1
    assert await texts(connection) == ["hola"]


@pytest.mark.usefixtures("impatient")
async def test_a_lock_that_is_never_given_back_ends_in_unavailable(
    database: Database, connection: DatabaseConnection
) -> None:
    async with running(database, timeout=1) as writer:
        async with locked(database.url):
            started = time.monotonic()
            with pytest.raises(Unavailable):
                await writer.append(message("refused"))
            assert time.monotonic() - started < PATIENCE
            with pytest.raises(Unavailable):
                writer.submit([message("refused at once")])
        await until(lambda: writer.away is None)
        await writer.append(message("afterwards"))
    assert await texts(connection) == ["afterwards"]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.02)


NOBODY = Unavailable("cannot connect: nobody is there")
UNHEARD_OF = pymysql.err.OperationalError(9999, "an error that Registro has never heard of")


@pytest.mark.parametrize("error", [NOBODY, UNHEARD_OF])
async def test_while_the_store_is_away_callers_are_refused_and_then_work_goes_on(
    database: Database, connection: DatabaseConnection, error: Exception
) -> None:
    one = message("sent twice", str(uuid4()))
    async with running(database, timeout=0.3) as writer:
        database.away = error
        with pytest.raises(Unavailable, match=r"nobody is there|never heard of"):
            await writer.append(one)
        with pytest.raises(Unavailable, match=r"nobody is there|never heard of"):
            writer.submit([one])
        await asyncio.sleep(0.3)  # the writer has looked for it at least once
        database.away = None
        await until(lambda: writer.away is None)
        await writer.append(one)
    assert await texts(connection) == ["sent twice"]


async def test_stopping_does_not_wait_for_a_store_that_is_away(database: Database) -> None:
    async with running(database, timeout=0.3) as writer:
        database.away = NOBODY
        with pytest.raises(Unavailable):
            await writer.append(message())


@pytest.mark.parametrize("happen", [True, False])
async def test_an_error_on_commit_stores_once_and_answers_with_what_is_stored(
    database: Database, connection: DatabaseConnection, commits: Commits, happen: bool
) -> None:
    told: list[Committed] = []
    async with running(database, on_commit=told.extend) as writer:
        commits.lost, commits.happen = 1, happen
        rows = await asyncio.gather(*(writer.append(message(str(n))) for n in range(3)))
        assert commits.lost == 0
        assert database.connections == 2  # the one whose state was in doubt was replaced
    assert await texts(connection) == ["0", "1", "2"]
    stored = await reader.read(connection, 0)
    assert [row for [row] in rows] == stored
    assert [one.row for one in told] == stored


async def test_commits_that_fail_for_too_long_are_unavailable_and_nothing_is_stored_twice(
    database: Database, connection: DatabaseConnection, commits: Commits
) -> None:
    one = message("sent twice", str(uuid4()))
    async with running(database, timeout=0.3) as writer:
        commits.lost = 1_000
        with pytest.raises(Unavailable, match=r"disk I/O error|Lost connection"):
            await writer.append(one)
        commits.lost = 0
        await until(lambda: writer.away is None)
        [row] = await writer.append(one)
    assert row.position == 1
    assert await texts(connection) == ["sent twice"]


async def test_what_was_committed_is_told_once_in_the_order_of_the_log(
    database: Database,
) -> None:
    told: list[Committed] = []
    async with running(database, on_commit=told.extend) as writer:
        for burst in range(4):
            await asyncio.gather(
                *(writer.submit([message(f"{burst} {n}")], origin=n) for n in range(8))
            )
    assert [one.row.position for one in told] == list(range(1, 33))
    assert [one.origin for one in told] == [*range(8)] * 4


async def test_a_listener_that_fails_harms_no_caller(
    database: Database, connection: DatabaseConnection
) -> None:
    def broken(_: Sequence[Committed]) -> None:
        raise RuntimeError("the listener is broken")

    async with running(database, on_commit=broken) as writer:
        async with asyncio.timeout(PATIENCE):
            await writer.append(message("1"))
            await writer.append(message("2"))
    assert await texts(connection) == ["1", "2"]


async def test_a_connection_that_cannot_be_set_up_is_closed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []
    refused = database.connect()
    close = refused.close

    async def noted() -> None:
        await close()
        closed.append(refused._driver is None)

    monkeypatch.setattr(refused, "close", noted)
    monkeypatch.setattr(type(refused.dialect), "on_connect", ("SELECT nothing_of_that_name",))
    with pytest.raises(Exception, match="nothing_of_that_name"):
        await refused.open()
    assert closed == [True]
