"""Keeps the projections that follow the log close behind it, in every server process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from registro.db.connection import DatabaseConnection
from registro.errors import StoreError
from registro.projections import following

log = logging.getLogger(__name__)

POLL = 0.5
"""Seconds between looks at the log."""

PAUSE = 5.0
"""Seconds after an error."""

REST = 2
"""Times as long as a page took, the next one waits: what follows may not slow down what is said."""


class Following:
    """Folds what was appended, by whatever process, a page at a time."""

    def __init__(self, connect: Callable[[], DatabaseConnection], poll: float = POLL) -> None:
        self._connect = connect
        self._poll = poll
        self._connection: DatabaseConnection | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="following projections")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._connection is not None:
            await self._connection.close()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                folded = await self._fold()
            except StoreError as error:
                log.error("projections that follow the log stand still: %s", error)
                await asyncio.sleep(PAUSE)
            else:
                took = loop.time() - began
                await asyncio.sleep(REST * took if folded == following.PAGE else self._poll)

    async def _fold(self) -> int:
        """One page of each; the largest of them."""
        if self._connection is None or self._connection.broken:
            if self._connection is not None:
                await self._connection.close()
            self._connection = await self._connect().open()
        behind = await following.lagging(self._connection)
        folded = [await following.follow(self._connection, one) for one in behind]
        return max(folded, default=0)
