"""One connection, and a pool of them.

`databases` binds a connection to the asyncio task that asked for it and, on SQLite, opens a new
one (and a thread) for every query outside a held one. So each connection here owns a
`databases.Database` with a single connection that it holds from `open` to `close`, and may be
handed from task to task, one at a time. Statements go to the driver through the library's
`raw_connection`; `docs/decisions/0003-raw-connection.md` says why, with the measurements.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from databases import Database
from databases.core import Connection as LibraryConnection

from registro.db.dialect import Dialect, Row, Statement, for_url
from registro.db.schema import Table
from registro.errors import Disconnected, StoreError, Unavailable

_T = TypeVar("_T")

IDLE_SECONDS = 30
"""A connection that was idle longer is tried before it is used: servers close idle ones."""


class Connection:
    """Statements over one driver's connection. Not for use by two tasks at once."""

    def __init__(self, dialect: Dialect, raw: Any = None) -> None:
        self.dialect = dialect
        self.broken = False
        """Whether its state is in doubt; it takes no more statements then."""
        self._driver = raw
        self._gathering = False
        self._gathered: list[Statement] = []

    @property
    def _raw(self) -> Any:
        if self._driver is None or self.broken:
            raise Disconnected("the connection is closed")
        return self._driver

    async def fetch_all(self, sql: str, **values: Any) -> Sequence[Row]:
        return (await self._send([Statement(sql, values)]))[-1]

    async def fetch_one(self, sql: str, **values: Any) -> Row | None:
        rows = await self.fetch_all(sql, **values)
        return rows[0] if rows else None

    async def fetch_value(self, sql: str, **values: Any) -> Any:
        """The first column of the first row; None without a row."""
        row = await self.fetch_one(sql, **values)
        return None if row is None else row[0]

    async def fetch_each(self, queries: Sequence[Statement]) -> list[Sequence[Row]]:
        """The rows of several queries, which are sent together."""
        return (await self._send(queries))[-len(queries) :]

    async def execute(self, sql: str, **values: Any) -> None:
        await self._write([Statement(sql, values)])

    async def insert_many(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        if rows:
            await self._write(self.dialect.insert(table, columns, rows))

    async def upsert_many(self, table: Table, name: str, rows: Sequence[Row]) -> None:
        """Inserts rows with all columns of `table`, replacing those with the same key."""
        if rows:
            await self._write(self.dialect.upsert(self._raw, table, name, rows))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """A writing transaction: committed at the end, rolled back on any error.

        Where the dialect gathers, a statement without an answer is sent along with the next that
        has one, or with COMMIT, and its error is raised there. An error at the end leaves open
        whether COMMIT happened; trying again has to look.
        """
        self._gathering = self.dialect.gathers
        await self.execute(self.dialect.begin)
        try:
            yield
            await self._send([Statement("COMMIT")])
        except BaseException:
            await self._rollback()
            raise
        finally:
            self._gathering = False

    async def _write(self, statements: Sequence[Statement]) -> None:
        if self._gathering:
            self._gathered += statements
        else:
            await self._send(statements)

    async def _send(self, statements: Sequence[Statement]) -> list[Sequence[Row]]:
        """Runs what was gathered, then `statements`."""
        gathered, self._gathered = self._gathered, []
        return await self._guarded(self.dialect.run(self._raw, [*gathered, *statements]))

    async def _rollback(self) -> None:
        self._gathered = []
        try:
            await self._send([Statement("ROLLBACK")])
        except Exception:  # noqa: BLE001 - the first error is the one to tell; SQLite, for one,
            self.broken = True  # rolls back by itself when the disk is full, and then refuses to

    async def _guarded(self, call: Awaitable[_T]) -> _T:
        """Awaits a driver's call and translates its errors; a cancelled one breaks the connection,
        because nobody knows how far it came."""
        try:
            return await call
        except asyncio.CancelledError:
            self.broken = True
            raise
        except Exception as error:
            ours = self.dialect.translate(error)
            if ours is None:
                raise
            if isinstance(ours, Disconnected):
                self.broken = True
            raise ours from error


class DatabaseConnection(Connection):
    """A connection of our own to the database at a URL; `open` it first and `close` it at last.

    With `look` it is for looking at a database whose state is not known, without changing it.
    """

    def __init__(self, url: str, *, look: bool = False) -> None:
        super().__init__(for_url(url))
        self._look = look
        self._database = Database(url, **self.dialect.options)
        self._held: LibraryConnection | None = None

    async def open(self) -> DatabaseConnection:
        """Connects. Raises Unavailable when the database cannot be reached."""
        try:
            await self._database.connect()
            self._held = self._database.connection()
            await self._held.__aenter__()
        except BaseException as error:
            self.broken = True
            raise _unavailable(self.dialect, error) from error
        self._driver = self._held.raw_connection
        try:
            dialect = self.dialect
            for statement in dialect.on_look if self._look else dialect.on_connect:
                await self.execute(statement)
        except BaseException:
            await self.close()  # whoever gets no connection cannot close it
            raise
        return self

    async def close(self) -> None:
        """Ends the connection; never raises. A broken one is dropped without asking the server."""
        held, self._held = self._held, None
        raw, self._driver = self._driver, None
        if held is None or raw is None:
            return
        if self.broken:
            await self.dialect.close(raw)
        try:
            async with asyncio.timeout(2):
                await held.__aexit__()
                await self._database.disconnect()
        except Exception:  # noqa: BLE001 - whatever a driver says of a dying connection
            await self.dialect.close(raw)

    async def together(self, work: Callable[[Connection], Coroutine[Any, Any, _T]]) -> _T:
        """Runs `work`, which may await nothing but calls on the connection that it is given.

        On SQLite that saves a hop between threads for every statement; see
        `docs/decisions/0003-raw-connection.md`.
        """
        inside = self.dialect.inside(self._raw)
        if inside is None:
            return await work(self)
        inner = Connection(*inside)
        try:
            return await self._guarded(self.dialect.in_thread(self._raw, work(inner)))
        finally:
            self.broken = self.broken or inner.broken


def _unavailable(dialect: Dialect, error: BaseException) -> BaseException:
    """Any failure to connect that a driver reports means that the store is away."""
    if not isinstance(error, Exception):
        return error
    ours = dialect.translate(error)
    return ours if isinstance(ours, Unavailable) else Unavailable(f"cannot connect: {error}")


class Pool:
    """Connections for reading, opened when first wanted, at most `size` of them.

    Readers wait for a free one up to `timeout` seconds, then get Unavailable. `on_error` is called
    with the errors that they meet.
    """

    def __init__(
        self,
        url: str,
        size: int = 4,
        timeout: float = 5,
        on_error: Callable[[StoreError], None] = lambda error: None,
    ) -> None:
        self._url = url
        self._on_error = on_error
        self.in_use = 0
        """Connections that readers have now."""
        self._timeout = timeout
        self._free: list[tuple[DatabaseConnection, float]] = []
        self._slots = asyncio.Semaphore(size)
        self._closed = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[DatabaseConnection]:
        try:
            async with self._held() as connection:
                yield connection
        except StoreError as error:
            self._on_error(error)
            raise

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[DatabaseConnection]:
        try:
            async with asyncio.timeout(self._timeout):
                await self._slots.acquire()
        except TimeoutError:
            raise Unavailable("no database connection was free in time") from None
        self.in_use += 1
        try:
            connection = await self._take()
            try:
                yield connection
            finally:
                await self._give_back(connection)
        finally:
            self.in_use -= 1
            self._slots.release()

    async def _take(self) -> DatabaseConnection:
        while self._free:
            connection, since = self._free.pop()
            if time.monotonic() - since < IDLE_SECONDS or await _answers(connection):
                return connection
            await connection.close()
        return await DatabaseConnection(self._url).open()

    async def _give_back(self, connection: DatabaseConnection) -> None:
        if connection.broken:
            # The server went away or was restarted: the others have the same fate.
            await self._close_free()
        if connection.broken or self._closed:
            await connection.close()
        else:
            self._free.append((connection, time.monotonic()))

    async def close(self) -> None:
        self._closed = True
        await self._close_free()

    async def _close_free(self) -> None:
        while self._free:
            await self._free.pop()[0].close()


async def _answers(connection: Connection) -> bool:
    try:
        return bool(await connection.fetch_value("SELECT 1"))
    except StoreError:
        return False
