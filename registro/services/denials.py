"""What was turned away, counted together: an event a minute at most, and none when nothing was."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from registro.errors import StoreError
from registro.events.record import rfc3339
from registro.events.store import Draft, draft
from registro.events.types import AccessDenied, LoginsFailed
from registro.events.writer import LogWriter

log = logging.getLogger(__name__)

INTERVAL = 60
"""Seconds that are counted together."""

_ADDRESSES = 100_000

Kind = Literal[
    "failed", "throttled", "unauthenticated", "forbidden", "forged", "sockets", "limited"
]


@dataclass(slots=True)
class _Counts:
    since: int = field(default_factory=lambda: time.time_ns() // 1000)
    failed: int = 0
    throttled: int = 0
    unauthenticated: int = 0
    forbidden: int = 0
    forged: int = 0
    sockets: int = 0
    limited: int = 0
    addresses: set[str] = field(default_factory=set)


class Denials:
    """Counts in memory and records from time to time; a crash loses at most the last interval."""

    def __init__(self, writer: LogWriter, node_id: str, interval: float = INTERVAL) -> None:
        self._writer = writer
        self._stream = f"security/{node_id}"
        self._interval = interval
        self._counts = _Counts()
        self._unwritten: list[Draft] = []
        self._task: asyncio.Task[None] | None = None
        self.on_count: Callable[[Kind], None] = lambda kind: None
        """Called for each one."""

    def count(self, kind: Kind, address: str | None = None) -> None:
        """One more. `address` is that of a login; it is counted and not recorded."""
        self.on_count(kind)
        counts = self._counts
        setattr(counts, kind, getattr(counts, kind) + 1)
        if address is not None and len(counts.addresses) < _ADDRESSES:
            counts.addresses.add(address)

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="denials")

    async def stop(self) -> None:
        """Records what is left. Call it before the writer stops."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.record()

    async def record(self) -> None:
        """Records what was counted. What could not be recorded is tried again next time, as it is:
        the event ids keep it from being stored twice."""
        if not self._unwritten:
            self._unwritten = _drafts(self._stream, self._counts)
            self._counts = _Counts()
        if not self._unwritten:
            return
        try:
            await self._writer.append(*self._unwritten)
        except StoreError as error:
            log.warning("denials could not be recorded yet: %s", error)
        else:
            self._unwritten = []

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            await self.record()


def _drafts(stream: str, counts: _Counts) -> list[Draft]:
    since, until = rfc3339(counts.since), rfc3339(time.time_ns() // 1000)
    drafts = []
    if counts.failed or counts.throttled:
        logins = LoginsFailed(
            since=since,
            until=until,
            failed=counts.failed,
            throttled=counts.throttled,
            addresses=len(counts.addresses),
        )
        drafts.append(draft(stream, logins))
    refused = (counts.unauthenticated, counts.forbidden, counts.forged, counts.sockets)
    if any(refused) or counts.limited:
        denied = AccessDenied(
            since=since,
            until=until,
            unauthenticated=counts.unauthenticated,
            forbidden=counts.forbidden,
            forged=counts.forged,
            sockets=counts.sockets,
            limited=counts.limited,
        )
        drafts.append(draft(stream, denied))
    return drafts
