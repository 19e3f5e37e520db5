"""Server processes and the connections they hold.

Each process has an id and a lease that it renews. When a lease has run out, its process is dead,
and any survivor closes by events the connections that it left open, and only those.

After a time in which the store was away, or we were, others may just not have come to renew theirs.
So who has been late waits for a whole lease before it takes anybody for dead.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from uuid import uuid4

from registro.db.connection import DatabaseConnection, Pool
from registro.db.migrations import NODE
from registro.errors import Conflict, StoreError, Unavailable
from registro.events.record import Recorded
from registro.events.store import Draft, draft
from registro.events.types import ConnectionClosed, ConnectionOpened
from registro.events.writer import LogWriter

log = logging.getLogger(__name__)


def _now() -> int:
    return time.time_ns() // 1000


class Nodes:
    """This process's lease, the closing of dead processes' connections, and of our own.

    `lease` is in seconds; it is renewed four times as often.
    """

    def __init__(
        self,
        writer: LogWriter,
        readers: Pool,
        connect: Callable[[], DatabaseConnection],
        lease: float,
    ) -> None:
        self.id = str(uuid4())
        self._started = _now()
        self._writer = writer
        self._readers = readers
        self._connect = connect
        self._lease = lease
        self._task: asyncio.Task[None] | None = None
        self._connection: DatabaseConnection | None = None
        self._unwritten: deque[Draft] = deque()
        self._renewed = -math.inf
        self._on_time_since = math.inf

    async def start(self) -> None:
        await self._renew()
        self._task = asyncio.create_task(self._run(), name="node lease")

    async def stop(self) -> None:
        """Gives the lease back: after the last connection was closed, before the writer stops."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            await self._write_closings()
            if self._connection is not None:
                await self._connection.execute("DELETE FROM node WHERE id = :id", id=self.id)
        except StoreError as error:
            log.warning("the lease of this process could not be given back: %s", error)
        if self._connection is not None:
            await self._connection.close()

    async def open_connection(self, connection_id: str, event: ConnectionOpened) -> None:
        """Records that a socket was accepted. Raises Unavailable."""
        await self._writer.append(draft(f"connection/{connection_id}", event, expected=0))

    def close_connection(self, connection_id: str, event: ConnectionClosed) -> None:
        """Records that a socket ended, without waiting; while the store is away it is kept."""
        self._unwritten.append(_closing(connection_id, event))
        self._submit_closings()

    def _submit_closings(self) -> None:
        while self._unwritten:
            closing = self._unwritten[0]
            try:
                future = self._writer.submit([closing])
            except Unavailable:
                return
            self._unwritten.popleft()
            future.add_done_callback(partial(self._settled, closing))

    def _settled(self, closing: Draft, done: asyncio.Future[Sequence[Recorded]]) -> None:
        error = None if done.cancelled() else done.exception()
        if isinstance(error, Unavailable):
            self._unwritten.append(closing)  # the next round tries again
        elif error is not None and not isinstance(error, Conflict):
            # A conflict means that it was closed already, or that its opening was never stored.
            log.error("closing %s: %s", closing.stream, error)

    async def _write_closings(self) -> None:
        closings = [self._unwritten.popleft() for _ in range(len(self._unwritten))]
        for closing in closings:
            await self._writer.append(closing)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._lease / 4)
            try:
                await self._renew()
                if time.monotonic() - self._on_time_since >= self._lease:
                    await self._close_dead()
                self._submit_closings()
            except StoreError as error:
                log.warning("the lease of this process could not be renewed: %s", error)

    async def _renew(self) -> None:
        if self._connection is None or self._connection.broken:
            self._connection = await self._connect().open()
        # Not an UPDATE: survivors may have forgotten a process that was asleep for long.
        lease = (self.id, self._started, _now() + int(self._lease * 1e6))
        await self._connection.upsert_many(NODE, NODE.name, [lease])
        now = time.monotonic()
        if now - self._renewed > self._lease / 2:
            self._on_time_since = now
        self._renewed = now

    async def _close_dead(self) -> None:
        """Closes connections of processes without a valid lease, then forgets those processes."""
        async with self._readers.connection() as connection:
            orphans = await connection.fetch_all(
                "SELECT c.id, c.user_id, c.opened_at FROM connections c"
                " WHERE c.closed_at IS NULL AND NOT EXISTS"
                " (SELECT 1 FROM node n WHERE n.id = c.node AND n.lease_until > :now)"
                " LIMIT 500",
                now=_now(),
            )
        for id_, user_id, opened_at in orphans:
            event = ConnectionClosed(
                user=user_id, reason="crash", milliseconds=max(0, (_now() - opened_at) // 1000)
            )
            # The derived id makes it one event, whichever survivor is first.
            future = self._writer.submit([_closing(id_, event)])
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
        if not orphans and self._connection is not None:
            await self._connection.execute(
                "DELETE FROM node WHERE lease_until < :now AND id <> :id",
                now=_now() - int(self._lease * 10e6),
                id=self.id,
            )


def _closing(connection_id: str, event: ConnectionClosed) -> Draft:
    """A connection is closed once: at version 2 of its stream."""
    return draft(f"connection/{connection_id}", event, expected=1)
