"""The writer: the one place from which a process appends.

Group commit: while a transaction is under way, appends gather; the next one takes them all. The
queue is bounded, and when it is full or the store is away, callers are refused at once. A writer
owns its connection and replaces it after any error that leaves its state in doubt.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from registro.db.connection import Connection, DatabaseConnection
from registro.errors import Busy, Outdated, StoreError, Unavailable
from registro.events import reader, store
from registro.events.observer import Observer, Refusal
from registro.events.record import Recorded
from registro.events.store import Draft, Fold, Memory, Outcome

log = logging.getLogger(__name__)

MAX_BATCH = 500
"""Events in one transaction: above this, latency grows and throughput does not."""


class Committed(NamedTuple):
    """A stored event and where in this process it came from (None: not from here)."""

    row: Recorded
    origin: object


class _Waiting(NamedTuple):
    drafts: Sequence[Draft]
    origin: object
    future: asyncio.Future[Sequence[Recorded]]
    deadline: float
    mark: object


class LogWriter:
    """Appends to the log for all tasks of this process.

    `timeout` is how many seconds an append is retried while the database is busy or away before
    its caller gets Unavailable; `folds` the versions of the projections that `fold` keeps: while
    the database has others, nothing is appended; `memory` what stays known from one transaction to
    the next; `limit` how many events may wait; `clock` the time
    in microseconds since 1970. `on_commit` is called, without being awaited, with what was stored.
    """

    def __init__(
        self,
        connect: Callable[[], DatabaseConnection],
        fold: Fold,
        *,
        folds: str | None = None,
        memory: Memory | None = None,
        on_commit: Callable[[Sequence[Committed]], None] = lambda committed: None,
        limit: int = 10_000,
        timeout: float = 5,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._connect = connect
        self._fold = fold
        self._folds = folds
        self._memory = memory or Memory()
        self._on_commit = on_commit
        self._limit = limit
        self._timeout = timeout
        self._clock = clock
        self._queue: deque[_Waiting] = deque()
        self._queued_events = 0
        self._origins: dict[str, object] = {}
        self._wake = asyncio.Event()
        self._connection: DatabaseConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self.observer = Observer()
        """Hears of everything; set it before `start`."""
        self.away: str | None = None
        """Why the store takes no work now; None while it does."""

    async def start(self) -> None:
        """Connects; raises Unavailable when the database cannot be reached."""
        self._connection = await self._connect().open()
        try:
            store.check_folded(await reader.head(self._connection), self._folds)
        except Unavailable as error:
            self.away = str(error)
        self._task = asyncio.create_task(self._run(), name="log writer")

    async def stop(self) -> None:
        """Refuses what comes, stores what waits, and closes the connection."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task
        if self._connection is not None:
            await self._connection.close()

    def submit(
        self, drafts: Sequence[Draft], origin: object = None
    ) -> asyncio.Future[Sequence[Recorded]]:
        """Queues an append (all of its events or none), in the order of the calls.

        The future has the stored rows once they are committed, or the error: Conflict, Rejected,
        or Unavailable, after which the same drafts may be sent again. Raises Unavailable at once
        when the queue is full or the store is away.
        """
        if self.away is not None:
            raise self._refusal("away", self.away)
        if self._stopping or self._task is None:
            raise self._refusal("stopped", "the log writer is not running")
        if self._queued_events + len(drafts) > self._limit:
            raise self._refusal("full", f"{self._queued_events} events are waiting for the log")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Sequence[Recorded]] = loop.create_future()
        mark = self.observer.queued(drafts)
        self._queue.append(_Waiting(drafts, origin, future, loop.time() + self._timeout, mark))
        self._queued_events += len(drafts)
        if origin is not None:
            for one in drafts:
                self._origins.setdefault(one.id, origin)
        self._wake.set()
        return future

    def _refusal(self, reason: Refusal, text: str) -> Unavailable:
        self.observer.refused(reason)
        return Unavailable(text)

    @property
    def waiting(self) -> int:
        """Events that wait for the next transaction."""
        return self._queued_events

    @property
    def full(self) -> bool:
        """Whether one event more would be refused."""
        return self._queued_events >= self._limit

    def origin(self, event_id: str) -> object:
        """Where an event on its way comes from; None when it is not on its way here."""
        return self._origins.get(event_id)

    async def append(self, *drafts: Draft) -> Sequence[Recorded]:
        """Queues and waits; see `submit`."""
        return await self.submit(drafts)

    async def _run(self) -> None:
        if self.away is not None:
            await self._wait_for_store(Unavailable(self.away))
        while self._queue or not self._stopping:
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
                continue
            batch = self._take()
            self.observer.began([waiting.mark for waiting in batch])
            try:
                outcomes, seconds = await self._commit(batch)
            except Exception as error:
                if not isinstance(error, Unavailable):
                    log.exception("the log writer met an error that it does not know")
                    error = Unavailable(f"{type(error).__name__}: {error}")
                self._fail(batch, error)
                await self._wait_for_store(error)
            else:
                self._settle(batch, outcomes, seconds)

    def _take(self) -> list[_Waiting]:
        batch = [self._queue.popleft()]
        size = len(batch[0].drafts)
        while self._queue and size + len(self._queue[0].drafts) <= MAX_BATCH:
            batch.append(self._queue.popleft())
            size += len(batch[-1].drafts)
        self._queued_events -= size
        return batch

    async def _commit(self, batch: Sequence[_Waiting]) -> tuple[list[Outcome], float]:
        """One transaction, retried until the deadline of the append that has waited longest; with
        the seconds that the last attempt took."""
        loop = asyncio.get_running_loop()
        # What has waited long in the queue still gets one honest attempt.
        deadline = max(batch[0].deadline, loop.time() + 1)
        pause = 0.01
        drafts = [waiting.drafts for waiting in batch]

        async def append(connection: Connection) -> list[Outcome]:
            return await store.append(
                connection,
                drafts,
                now=self._clock(),
                fold=self._fold,
                folds=self._folds,
                memory=self._memory,
            )

        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    connection = await self._ready()
                    began = time.perf_counter()  # uvloop's clock has milliseconds only
                    outcomes = await connection.together(append)
                    return outcomes, time.perf_counter() - began
            except TimeoutError:
                await self._drop_connection()
                raise Unavailable(f"no answer from the database in {self._timeout:g} s") from None
            except Outdated:
                raise  # time does not heal it
            except Unavailable as error:
                if not isinstance(error, Busy):
                    await self._drop_connection()
                if loop.time() + pause >= deadline:
                    raise
                log.warning("the log could not be written, trying again: %s", error)
                self.observer.retried(error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 0.5)

    async def _ready(self) -> DatabaseConnection:
        if self._connection is None or self._connection.broken:
            await self._drop_connection()
            self._connection = await self._connect().open()
        return self._connection

    async def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.broken = True
            await connection.close()

    def _settle(
        self, batch: Sequence[_Waiting], outcomes: Sequence[Outcome], seconds: float
    ) -> None:
        committed = [
            Committed(row, waiting.origin)
            for waiting, outcome in zip(batch, outcomes, strict=True)
            if not isinstance(outcome, StoreError)
            for row in outcome
        ]
        self._forget_origins(batch)
        try:  # the events are stored: neither their callers nor others may suffer
            if committed:
                self._on_commit(committed)
            self.observer.committed([waiting.mark for waiting in batch], outcomes, seconds)
        except Exception:
            log.exception("telling of what was committed failed")
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if waiting.future.done():  # its caller went away; the event is stored all the same
                continue
            if isinstance(outcome, StoreError):
                waiting.future.set_exception(outcome)
            else:
                waiting.future.set_result(outcome)

    def _fail(self, batch: Sequence[_Waiting], error: Unavailable) -> None:
        self.away = str(error)
        waiting_too = [self._queue.popleft() for _ in range(len(self._queue))]
        self._queued_events = 0
        self.observer.failed([waiting.mark for waiting in (*batch, *waiting_too)], error)
        self._forget_origins((*batch, *waiting_too))
        for waiting in (*batch, *waiting_too):
            if not waiting.future.done():
                waiting.future.set_exception(Unavailable(str(error)))

    def _forget_origins(self, batch: Sequence[_Waiting]) -> None:
        for waiting in batch:
            if waiting.origin is not None:
                for one in waiting.drafts:
                    self._origins.pop(one.id, None)

    async def _wait_for_store(self, error: Unavailable) -> None:
        """Refuses work until the head row can be locked again."""
        log.error("the store is away: %s", error)
        while not self._stopping:
            try:
                async with asyncio.timeout(self._timeout):
                    connection = await self._ready()
                    async with connection.transaction():
                        head = await reader.head(connection, lock=True)
                        store.check_folded(head, self._folds)
                break
            except Outdated as still:
                self.away = str(still)
                await asyncio.sleep(1)
            except Exception as still:  # noqa: BLE001 - whatever it is, nobody else tries again
                log.debug("the store is still away: %s", still)
                await self._drop_connection()
                await asyncio.sleep(0.25)
        else:
            return  # nobody asks any more
        self.away = None
        log.warning("the store is back")
