"""Hands every committed event to this process, once and in log order.

The writer says what it committed; what other processes (or the command line) committed in between
is read from the log. Other processes' word, or else a poll, says that there is something to read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from registro.db.connection import Pool
from registro.errors import RegistroError, StoreError
from registro.events import reader
from registro.events.writer import Committed

log = logging.getLogger(__name__)

POLL = 0.5
"""Seconds between looks for events of other processes."""

Subscriber = Callable[[Sequence[Committed]], Awaitable[None]]


class Feed:
    """Calls `subscribers` in turn with batches of events; one that fails does not stop others."""

    def __init__(
        self,
        readers: Pool,
        origin: Callable[[str], object] = lambda _: None,
        poll: float = POLL,
    ) -> None:
        """`origin` says where in this process the event with an id comes from, while the writer
        has not said yet that it is committed."""
        self._readers = readers
        self._origin = origin
        self._poll = poll
        self._told: dict[int, Committed] = {}
        self._wake = asyncio.Event()
        self._look = False
        self._task: asyncio.Task[None] | None = None
        self.subscribers: list[Subscriber] = []
        self.on_own: Callable[[], None] = lambda: None
        """Called when this process has appended to the log."""
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
        self.on_own()

    def look(self) -> None:
        """Looks for what other processes appended."""
        self._look = True
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._woken()
            try:
                # What is told and does not come next has other processes' events before it.
                while batch := self._in_order() or await self._missing():
                    await self._hand_out(batch)
            except StoreError as error:
                log.warning("the feed cannot read the log: %s", error)
                self._look = True
                await asyncio.sleep(self._poll)

    async def _woken(self) -> None:
        """Waits for somebody's word, or for the time of the next poll."""
        try:
            async with asyncio.timeout(self._poll):
                await self._wake.wait()
        except TimeoutError:
            self._look = True
        self._wake.clear()

    def _in_order(self) -> list[Committed]:
        """What the writer told, as far as it comes next."""
        batch: list[Committed] = []
        while (next_ := self._told.pop(self.position + len(batch) + 1, None)) is not None:
            batch.append(next_)
        return batch

    async def _missing(self) -> list[Committed]:
        """What nobody told of, a page at most. Our own writer may not have come to tell yet."""
        if not (self._look or self._told):
            return []
        self._look = False
        async with self._readers.connection() as connection:
            rows = await reader.read(connection, self.position)
        self._look = self._look or len(rows) == reader.PAGE
        batch = [Committed(row, self._origin(row.id)) for row in rows]
        for row in rows:
            told = self._told.pop(row.position, None)
            if told is not None:
                batch[row.position - rows[0].position] = told
        return batch

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
