"""Other processes, over Redis: Socket.IO's Redis manager.

Only what may get lost goes through Redis: that somebody writes, and the word that there is news in
the log. Everything else is delivered by every process on its own, from the log and in its order. So
without Redis nothing is missing: other processes' events are found by looking, a little later.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from registro.web.transport.codec import Json
from registro.web.transport.rooms import RedisManager

log = logging.getLogger(__name__)

MAX_OUTGOING = 1000
"""Words that may wait for Redis; older ones are dropped."""

LONGEST_PAUSE = 2
"""Seconds between attempts to reach Redis; the original's grow to 60."""

TIMEOUT = 2
"""Seconds that Redis may take for an answer."""

_NEWS = "registro:news"


class Cluster(RedisManager):
    """`shared` are the events that other processes may send to sockets here: whoever can write to
    Redis cannot put on screens what is not in the log. `on_news` is called when another process has
    appended to the log, and whenever the connection to Redis is new, because words may have been
    missed; `on_shared` with each shared event that comes from another process."""

    def __init__(self, url: str, shared: Collection[str]) -> None:
        super().__init__(url, channel="registro")
        self._shared = frozenset(shared)
        self.on_news: Callable[[], None] = lambda: None
        self.on_shared: Callable[[str, Mapping[str, Any]], None] = lambda event, payload: None
        self._outgoing: deque[Mapping[str, Any]] = deque(maxlen=MAX_OUTGOING)
        self._wake = asyncio.Event()
        self._news_waits = False
        self._client: Redis | None = None
        self.listening = False
        """Whether Redis is heard now."""

    def initialize(self) -> None:
        super().initialize()
        self.server.start_background_task(self._publish_waiting)

    def start(self) -> None:
        """Begins to listen; the original waits for the first client."""
        if not self.server.manager_initialized:
            self.server.manager_initialized = True
            self.initialize()

    def tell_news(self) -> None:
        """Tells the other processes that there is news in the log; words are gathered."""
        if not self._news_waits:
            self._news_waits = True
            self._wake.set()

    def share(self, event: str, payload: Mapping[str, Any], room: str) -> None:
        """Sends an event to a room's sockets in the other processes, if they can be reached."""
        message = {"method": "emit", "event": event, "data": [payload], "namespace": "/"}
        self._send(message | {"room": room, "host_id": self.host_id})

    async def _publish(self, data: Mapping[str, Any]) -> None:
        self._send(data)

    def _send(self, data: Mapping[str, Any]) -> None:
        self._outgoing.append(data)
        self._wake.set()

    async def _handle_emit(self, message: Mapping[str, Any]) -> None:
        if message.get("host_id") == self.host_id:
            await super()._handle_emit(message)
        elif message["event"] in self._shared:
            (payload,) = message["data"]
            self.on_shared(message["event"], payload)
            self.server.deliver(message["event"], payload, (message["room"],))

    def _redis(self) -> Redis:
        if self._client is None:
            self._client = Redis.from_url(
                self.redis_url,
                socket_connect_timeout=TIMEOUT,
                socket_timeout=TIMEOUT,
                health_check_interval=TIMEOUT,
                **self.redis_options,
            )
        return self._client

    async def _publish_waiting(self) -> None:
        """Sends what waits, one after the other; what cannot be sent is not worth keeping."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            messages = [*self._outgoing]
            self._outgoing.clear()
            if self._news_waits:
                self._news_waits = False
                messages.append({"method": _NEWS, "host_id": self.host_id})
            try:
                for message in messages:
                    await self._redis().publish(self.channel, Json.dumps(message))
            except (RedisError, OSError) as error:
                log.debug("Redis takes nothing: %s", error)
                await asyncio.sleep(LONGEST_PAUSE)

    async def _listen(self) -> AsyncIterator[Mapping[str, Any]]:
        pause = 0.1
        while True:
            try:
                async with self._redis().pubsub(ignore_subscribe_messages=True) as pubsub:
                    await pubsub.subscribe(self.channel)
                    log.info("listening to the other processes")
                    self.listening = True
                    pause = 0.1
                    self.on_news()
                    while True:
                        message = await pubsub.get_message(timeout=TIMEOUT)
                        if message is not None and (data := self._read(message)):
                            yield data
            except (RedisError, OSError) as error:
                self.listening = False
                log.warning("Redis is away, other processes are heard later: %s", error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _read(self, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """A message for the original to handle; news is handled here."""
        try:
            data = Json.loads(message["data"])
        except ValueError:
            return None
        if not isinstance(data, dict) or data.get("host_id") == self.host_id:
            return None
        if data.get("method") == _NEWS:
            self.on_news()
        # Rooms and disconnections are each process's own affair.
        return data if data.get("method") == "emit" else None
