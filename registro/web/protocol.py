"""HTTP connections: how many there may be, and how long each may take to say something.

Sanic counts a timeout from the last byte that came, so a byte now and then keeps a connection for
ever. Here it counts from the first byte of a request; what comes faster than MIN_RATE moves it on,
so a large body over a slow line gets its time. And the body has to be there in that time, too.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import time
from typing import Any, cast

from sanic.exceptions import BadRequest, RequestTimeout
from sanic.http.constants import Stage
from sanic.http.http1 import Http
from sanic.server.protocols.websocket_protocol import WebSocketProtocol

log = logging.getLogger(__name__)

MIN_RATE = 4096
"""Bytes a second that a request has to bring, once its seconds (REGISTRO_REQUEST_SECONDS) are
over."""

RESERVED_FILES = 100
"""Of the files that the system lets the process open, those for the database and the rest."""

GRACE = 1
"""Seconds in which whoever was too slow may read that, before the connection is cut."""

MAX_HEADERS = 16_384
"""Bytes of a request's headers, which nginx (`large_client_header_buffers`) takes, too."""


def connection_limit(wanted: int) -> int:
    """How many connections a process takes: `wanted`, or (0) as many as it may open files for."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted or 1_000_000
    possible = max(1, soft - RESERVED_FILES)
    return min(wanted, possible) if wanted else possible


class Requests(Http):
    """The requests of one connection. Sanic's cannot answer one whose address cannot be parsed."""

    def create_empty_request(self) -> None:
        try:
            super().create_empty_request()
        except BadRequest:
            self.url = None
            super().create_empty_request()


class Protocol(WebSocketProtocol):
    """A connection of Sanic's; the application's `ctx.connection_limit` is the most there are."""

    HTTP_CLASS = Requests

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self.connections) >= self.app.ctx.connection_limit:
            log.info("too many connections: one more is turned away")
            cast(asyncio.Transport, transport).abort()
            return
        super().connection_made(transport)  # type: ignore[no-untyped-call]

    def connection_lost(self, exc: Exception | None) -> None:
        if self.transport is not None:  # else it was turned away
            super().connection_lost(exc)  # type: ignore[no-untyped-call]
            timer: asyncio.TimerHandle | None = self._callback_check_timeouts
            if timer is not None:
                timer.cancel()  # holds all that this connection held

    def data_received(self, data: bytes) -> None:
        http = self.http
        earlier = self._time
        between = http is None or (http.stage is Stage.IDLE and not _has_body(http))
        super().data_received(data)  # type: ignore[no-untyped-call]
        if not between:
            self._time = min(time.monotonic(), earlier + len(data) / MIN_RATE)

    def check_timeouts(self) -> None:
        http = self.http
        slow = time.monotonic() - self._time > self.request_timeout
        if self._task and http is not None and _has_body(http) and slow:
            http.exception = RequestTimeout("the body does not come")
            self._task.cancel()
            self.loop.call_later(GRACE, self.abort)
            return
        super().check_timeouts()  # type: ignore[no-untyped-call]


def _has_body(http: Any) -> bool:
    """Whether there is more of a request's body to come."""
    return bool(getattr(http, "request_body", None))  # unset before the first request
