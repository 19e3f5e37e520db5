"""Hands every committed event to this process, once and in log order.

The writer says what it committed; what other processes (or the command line) committed in between
is read from the log. A poll finds what nobody said anything about.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from registro.db.connection import Pool
from registro.errors import RegistroError, StoreError
from registro.events import store
from registro.events.writer import Committed

log = logging.getLogger(__name__)

POLL = 0.5
"""Seconds between looks for events of other processes."""

Subscriber = Callable[[Sequence[Committed]], Awaitable[None]]


class Feed:
    """Calls `subscribers` in turn with batches of events; one that fails does not stop others."""

    def __init__(self, readers: Pool, poll: float = POLL) -> None:
        self._readers = readers
        self._poll = poll
        self._told: dict[int, Committed] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.subscribers: list[Subscriber] = []
        self.position = 0
        """The last position that was handed out."""

    async def start(self) -> None:
        """Begins after the log's present end."""
        async with self._readers.connection() as connection:
            self.position = (await store.head(connection)).position
        self._task = asyncio.create_task(self._run(), name="feed")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def committed(self, batch: Sequence[Committed]) -> None:
        """What this process's writer committed (or found committed already)."""
        for one in batch:
            if one.row.position > self.position:
                self._told[one.row.position] = one
        self._wake.set()

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._poll):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                while batch := await self._next():
                    self.position = batch[-1].row.position
                    await self._hand_out(batch)
            except StoreError as error:
                log.warning("the feed cannot read the log: %s", error)
                await asyncio.sleep(self._poll)

    async def _next(self) -> list[Committed]:
        batch: list[Committed] = []
        while (next_ := self._told.pop(self.position + len(batch) + 1, None)) is not None:
            batch.append(next_)
        return batch or await self._missing()

    async def _missing(self) -> list[Committed]:
        """What the log has after our position, up to where the writer's word goes on."""
        async with self._readers.connection() as connection:
            rows = await store.read(connection, self.position)
        return [self._told.pop(row.position, Committed(row, None)) for row in rows]

    async def _hand_out(self, batch: Sequence[Committed]) -> None:
        for subscriber in self.subscribers:
            try:
                await subscriber(batch)
            except RegistroError as error:
                log.error("positions from %d: %s", batch[0].row.position, error)
            except Exception:
                log.exception("a subscriber failed at positions from %d", batch[0].row.position)
