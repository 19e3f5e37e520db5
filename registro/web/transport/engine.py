"""Engine.IO: transports and their sessions."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, cast

import engineio
from engineio import packet
from engineio.async_drivers.sanic import WebSocket as SanicWebSocket
from engineio.async_socket import AsyncSocket
from engineio.packet import Packet, packet_names
from engineio.payload import Payload
from sanic import Request, text

from registro.web.transport.websocket import MAX_FRAME, WebSocket, WebSocketClosed, text_frame

log = logging.getLogger(__name__)

MAX_BACKLOG = 1 << 20
"""Bytes that may wait for a client. One who does not read is cut off above that: the log has what
it misses. A single answer may be larger."""

LAST_POLL = 1
"""Seconds in which a poll that waits when its session ends is answered."""

RETRY_AFTER = 1
"""Seconds after which a newcomer who was not let in may come again."""

Environ = Mapping[str, Any]


class Message(Packet):  # type: ignore[misc]
    """A packet to clients; it is encoded once, however many get it."""

    def __init__(self, data: str) -> None:
        super().__init__(packet.MESSAGE, data)
        self._frame: bytes | None = None

    @property
    def frame(self) -> bytes:
        if self._frame is None:
            self._frame = text_frame(self.encode())
        return self._frame


class Transport(AsyncSocket):  # type: ignore[misc]
    """One client's transport: a long poll, or a websocket."""

    server: Engine
    queue: asyncio.Queue[Packet | None]
    last_ping: float | None
    connected: bool
    upgrading: bool
    upgraded: bool
    closing: bool
    closed: bool

    def __init__(self, server: Engine, sid: str) -> None:
        super().__init__(server, sid)
        self.websocket: WebSocket | None = None
        self._queued = 0
        self._cut = False
        self.opened = time.monotonic()
        self.received = 0
        self.sent = 0
        self.ending: str | None = None
        """Why the server ends it, where it does."""
        self._ping: asyncio.TimerHandle | None = None

    def put(self, pkt: Packet) -> None:
        """Sends a packet as soon as that is possible; cuts off a client with too long a backlog."""
        if pkt.packet_type == packet.MESSAGE:
            self.sent += 1
            self.server.sent += 1
        websocket = self.websocket
        if websocket is None:
            if self._queued > MAX_BACKLOG:
                self._cut_off()
            elif not self.closed:
                self._queued += len(pkt.encode())
                self.queue.put_nowait(pkt)
        elif websocket.backlog > MAX_BACKLOG:
            self._cut_off()
        else:
            websocket.write(pkt.frame if isinstance(pkt, Message) else text_frame(pkt.encode()))

    async def send(self, pkt: Packet) -> None:
        if await self.check_ping_timeout():
            self.put(pkt)

    @property
    def backlog(self) -> int:
        """Bytes that wait for the client to take them."""
        return self._queued if self.websocket is None else self.websocket.backlog

    async def poll(self) -> list[Packet]:
        packets: list[Packet] = await super().poll()
        self._queued = 0
        return packets

    async def close(
        self, wait: bool = False, abort: bool = False, reason: str | None = None
    ) -> None:
        """Ends the transport after what was sent before; the original leaves a websocket to its
        writer, and waits for polls that may never come."""
        await super().close(wait=False, abort=abort, reason=reason)
        if self._ping is not None:
            self._ping.cancel()
        if self.websocket is not None:
            self.websocket.end()
        else:
            self.queue.put_nowait(None)  # answers a poll that waits
            asyncio.get_running_loop().call_later(LAST_POLL, self._let_go)

    def schedule_ping(self) -> None:
        """A timer; the original has a task for every client."""
        if self.last_ping:
            self.last_ping = None
            loop = asyncio.get_running_loop()
            self._ping = loop.call_later(self.server.ping_interval, self._send_ping_now)

    async def receive(self, pkt: Packet) -> None:
        if pkt.packet_type == packet.MESSAGE:
            self.received += 1
            self.server.received += 1
            await self.server.handlers["message"](self.sid, pkt.data)
        else:
            await super().receive(pkt)

    def _send_ping_now(self) -> None:
        if not self.closing and not self.closed:
            self.last_ping = time.time()
            self.put(Packet(packet.PING))

    def _cut_off(self) -> None:
        if self.closing or self._cut:
            return
        self._cut = True
        log.warning("a client does not read what it is sent, and is cut off")
        self.server.run(self._end_cut_off())

    async def _end_cut_off(self) -> None:
        websocket = self.websocket
        if websocket is not None:
            websocket.cut()
        await self.close(abort=True, reason=self.server.reason.TRANSPORT_ERROR)
        self._let_go()

    def _let_go(self) -> None:
        """Of what no poll comes for; the original's service task takes its time to come by."""
        self._queued = 0
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(None)

    async def _upgrade_websocket(self, environ: Environ) -> None:
        if self.upgraded:
            raise OSError("Socket has been upgraded already")
        websocket = WebSocket.accept(cast(Request, environ["sanic.request"]))
        try:
            if not self.connected:
                self.connected = self.upgraded = True
            elif not await self._upgrades(websocket):
                websocket.end(1001)
                return
            self._take_over(websocket)
            await self._read(websocket)
        except (WebSocketClosed, asyncio.CancelledError):  # Sanic's word for one that is gone
            pass
        finally:
            # After an upgrade that failed, the long poll goes on; theirs may hold it for ever.
            self.upgrading = False
            if self.upgraded:
                await self.close(abort=True, reason=self.server.reason.TRANSPORT_CLOSE)

    async def _upgrades(self, websocket: WebSocket) -> bool:
        """Whether a client who polls says what it has to, to go on by websocket."""
        self.upgrading = True  # holds packets back until the upgrade is through
        if await websocket.recv() != f"{packet.PING}probe":
            return False
        websocket.write(text_frame(f"{packet.PONG}probe"))
        self.queue.put_nowait(Packet(packet.NOOP))  # ends the poll
        self.upgraded = await websocket.recv() == str(packet.UPGRADE)
        return bool(self.upgraded)

    def _take_over(self, websocket: WebSocket) -> None:
        """Sends what waited for the next poll, and from now on everything."""
        self.websocket = websocket
        while not self.queue.empty():
            waiting = self.queue.get_nowait()
            self.queue.task_done()
            if waiting is not None:
                websocket.write(text_frame(waiting.encode()))
        if self.closed:
            websocket.end()

    async def _read(self, websocket: WebSocket) -> None:
        while not self.closed:
            data = await websocket.recv()
            if isinstance(data, bytes):
                pkt = Packet(packet.MESSAGE, data)
            elif data[:1] == _MESSAGE:
                pkt = Packet(packet.MESSAGE, data[1:])
            elif data[:1] in _PACKET_TYPES:
                pkt = Packet(encoded_packet=data)
            else:
                return  # no packet of Engine.IO: theirs raises, and leaves the session open
            with suppress(engineio.exceptions.UnknownPacketError):
                await self.receive(pkt)


_MESSAGE = str(packet.MESSAGE)
_PACKET_TYPES = frozenset(map(str, range(len(packet_names))))


class Engine(engineio.AsyncServer):  # type: ignore[misc]
    """The Engine.IO server. `admit` says whether one more newcomer is let in."""

    _async: dict[str, Any]
    start_service_task: bool

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Only asked whether it is there; `Transport` brings its own.
        self._async = self._async | {"websocket": SanicWebSocket}
        self._tasks: set[asyncio.Task[Any]] = set()
        self.admit: Callable[[], Awaitable[bool]] | None = None
        self.received = 0
        self.sent = 0
        """Messages of Engine.IO, of all clients so far."""
        self.draining = False
        """Whether whoever is not here already is sent to another process."""

    def start_background_task(self, target: Any, *args: Any, **kwargs: Any) -> asyncio.Task[Any]:
        return self.run(target(*args, **kwargs))

    def _log_error_once(self, message: str, message_key: str) -> None:
        """Without the original's message, which quotes sessions."""
        log.debug("a request is none of Engine.IO: %s", message_key)

    def run(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Starts a task that ends with the server."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)  # the loop holds tasks weakly
        task.add_done_callback(self._tasks.discard)
        return task

    async def shutdown(self) -> None:
        """Ends all tasks, which the original leaves to the loop's end."""
        await super().shutdown()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def handle_request(self, *args: Any, **kwargs: Any) -> Any:
        """Closes the session of a POST that does not decode, before the original swallows it."""
        request: Request = args[0]
        sid = request.args.get("sid")
        socket = self.sockets.get(sid)
        if self.draining and socket is None and sid is not None:
            # A newcomer whom the proxy took elsewhere polls: it has to ask there again.
            return text(_NOT_NOW, 503)
        if request.method == "POST" and socket is not None and not _decodes(request.body):
            await abort(self, socket.sid)
            return text("The payload cannot be decoded", 400)
        try:
            response = await super().handle_request(*args, **kwargs)
        except KeyError:  # the session ended, and the original does not know it yet
            response = text("The session has ended", 400)
        if response is not None and request.transport is None:
            # Nobody is there to be answered; Sanic takes it as a request that was cut off.
            raise asyncio.CancelledError
        return response

    # With this Sanic takes None, what a websocket ends with, for an answer.
    handle_request.is_websocket = True  # type: ignore[attr-defined]

    async def _handle_connect(
        self, environ: Environ, transport: str, jsonp_index: int | None = None
    ) -> Any:
        """A newcomer, if one more is let in."""
        if self.admit is not None and not await self.admit():
            return _BUSY
        if self.start_service_task:
            self.start_service_task = False
            self.service_task_handle = self.start_background_task(self._service_task)
        sid = self.generate_id()
        client = self.sockets[sid] = Transport(self, sid)
        client.put(Packet(packet.OPEN, self._welcome(sid, transport)))
        await self.handlers["connect"](sid, environ)
        client.schedule_ping()
        if transport == "websocket":
            await client._upgrade_websocket(environ)  # noqa: SLF001 - a half of one thing
            self.sockets.pop(sid, None)
            return None
        client.connected = True
        return self._ok(await client.poll(), jsonp_index=jsonp_index)

    def _welcome(self, sid: str, transport: str) -> dict[str, Any]:
        return {
            "sid": sid,
            "upgrades": self._upgrades(sid, transport),
            "pingTimeout": int(self.ping_timeout * 1000),
            "pingInterval": int(self.ping_interval * 1000),
            "maxPayload": self.max_http_buffer_size,
        }


_NOT_NOW = "Not now: come again"

_BUSY: Mapping[str, Any] = {
    "status": "503 SERVICE UNAVAILABLE",
    "headers": [("Content-Type", "text/plain"), ("Retry-After", str(RETRY_AFTER))],
    "response": _NOT_NOW.encode(),
}


def _decodes(body: bytes) -> bool:
    try:
        packets = Payload(encoded_payload=body.decode()).packets
    except Exception:  # noqa: BLE001 - the original's decoder raises whatever it stumbles over
        return False
    return len(body) <= MAX_FRAME and all(p.packet_type < len(packet_names) for p in packets)


async def abort(engine: Engine, sid: str | None) -> None:
    """Closes a transport whatever its client does."""
    client = engine.sockets.get(sid)
    if client is not None and not client.closed:
        await client.close()
