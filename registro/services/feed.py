"""Hands every committed event to this process, once and in log order.

The writer says what it committed; what other processes (or the command line) committed in between
is read from the log. A poll finds what nobody said anything about.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Sequence

from registro.db.connection import Pool
from registro.errors import RegistroError, StoreError
from registro.events import reader
from registro.events.writer import Committed

log = logging.getLogger(__name__)

POLL = 0.5
"""Seconds between looks for events of other processes."""

PATIENCE = 0.05
"""Seconds that the writer may take from its commit to its word."""

Subscriber = Callable[[Sequence[Committed]], Awaitable[None]]


class Feed:
    """Calls `subscribers` in turn with batches of events; one that fails does not stop others."""

    def __init__(self, readers: Pool, poll: float = POLL, patience: float = PATIENCE) -> None:
        self._readers = readers
        self._poll = poll
        self._patience = patience
        self._told: dict[int, Committed] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.subscribers: list[Subscriber] = []
        self.position = 0
        """The last position that was handed out."""

    async def start(self) -> None:
        """Begins after the log's present end."""
        async with self._readers.connection() as connection:
            self.position = (await reader.head(connection)).position
        self._task = asyncio.create_task(self._run(), name="feed")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def committed(self, batch: Sequence[Committed]) -> None:
        """What this process's writer committed (or found committed already)."""
        for one in batch:
            if one.row.position > self.position:
                # The first to tell is who sent it: repetitions are told of the same row again.
                self._told.setdefault(one.row.position, one)
        self._wake.set()

    async def _run(self) -> None:
        while True:
            woken = await self._woken()
            try:
                await self._hand_out(self._in_order())
                # What is told and does not come next has other processes' events before it.
                while (self._told or not woken) and (missing := await self._missing()):
                    await self._hand_out(missing)
                    await self._hand_out(self._in_order())
            except StoreError as error:
                log.warning("the feed cannot read the log: %s", error)
                await asyncio.sleep(self._poll)

    async def _woken(self) -> bool:
        """Waits for the writer's word, or for the time of the next poll (False)."""
        try:
            async with asyncio.timeout(self._poll):
                await self._wake.wait()
        except TimeoutError:
            return False
        self._wake.clear()
        return True

    def _in_order(self) -> list[Committed]:
        """What the writer told, as far as it comes next."""
        batch: list[Committed] = []
        while (next_ := self._told.pop(self.position + len(batch) + 1, None)) is not None:
            batch.append(next_)
        return batch

    async def _missing(self) -> list[Committed]:
        """What other processes appended after our position, a page at most."""
        async with self._readers.connection() as connection:
            rows = await reader.read(connection, self.position)
        if rows and not self._told:
            # They may be our own writer's, whose word is still on its way.
            await asyncio.sleep(self._patience)
        # It tells in the order of the log: what comes before its word is not its own.
        told = min(self._told, default=math.inf)
        return [Committed(row, None) for row in rows if row.position < told]

    async def _hand_out(self, batch: Sequence[Committed]) -> None:
        if not batch:
            return
        self.position = batch[-1].row.position
        for subscriber in self.subscribers:
            try:
                await subscriber(batch)
            except RegistroError as error:
                log.error("positions from %d: %s", batch[0].row.position, error)
            except Exception:
                log.exception("a subscriber failed at positions from %d", batch[0].row.position)
