"""Socket.IO: who is there, what they say, and what they are sent."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import engineio
import socketio
from engineio.payload import Payload
from sanic import Request
from sanic.exceptions import PayloadTooLarge

from registro.errors import Refused
from registro.web import logs
from registro.web.transport.cluster import Cluster
from registro.web.transport.codec import Json
from registro.web.transport.engine import Engine, Message, Transport, abort
from registro.web.transport.rooms import Manager
from registro.web.transport.websocket import MAX_FRAME
from registro.web.watch import Watch

log = logging.getLogger(__name__)
connection_log = logging.getLogger("registro.connection")

MAX_ATTACHMENTS = 10
"""Pieces of bytes that one event may have. No event of ours takes any."""

JOIN_TIMEOUT = 10
"""Seconds in which a transport has to send CONNECT."""

REFUSAL_GRACE = 1
"""Seconds in which a refused client may read why, before its transport is closed."""

_NOBODY: Mapping[str, str] = MappingProxyType({})

Acknowledgement = Mapping[str, Any]


class Later(NamedTuple):
    """An acknowledgement that `finish` makes of a future when it is done."""

    future: asyncio.Future[Any]
    finish: Callable[[asyncio.Future[Any]], Acknowledgement | Awaitable[Acknowledgement]]


Answer = Acknowledgement | Awaitable[Acknowledgement] | Later
Handler = Callable[[str, Any], Awaitable[Answer]]
"""(sid, first argument) → the acknowledgement, or what to await for it."""


class _Heard(NamedTuple):
    """An event that is to be answered: from where, under which number, its watch's mark."""

    eio_sid: str
    id: int | None
    mark: object


class State(NamedTuple):
    """Open connections by transport, bytes that wait for clients, events without an answer."""

    connections: Mapping[str, int]
    backlog: int
    unanswered: int


def _kind(transport: Transport) -> str:
    return "polling" if transport.websocket is None else "websocket"


def _check_attachment(packet: socketio.packet.Packet | None, data: Any) -> None:
    """Raises ValueError for what may not follow a packet that announced bytes."""
    if packet is None:
        return
    if not isinstance(data, bytes):
        raise ValueError("text where bytes were announced")
    if sum(map(len, packet.attachments)) + len(data) > MAX_FRAME:
        raise ValueError("more bytes than a frame may have")


def _check_announced(packet: socketio.packet.Packet | None) -> None:
    """Raises ValueError for a packet that announces more pieces of bytes than it may."""
    if packet is not None and packet.attachment_count > MAX_ATTACHMENTS:
        raise ValueError("too many pieces of bytes")


class SocketServer(socketio.AsyncServer):  # type: ignore[misc]
    """A Socket.IO server whose handlers are in `on_event`; see the module for what differs.

    `on_join(sid, environ, auth)` accepts a client or raises `socketio.exceptions.
    ConnectionRefusedError`; `on_leave(sid, reason)` is called once for each accepted client.
    `failure(error)` turns an exception of a handler into an acknowledgement. `shared` are the
    events that `broadcast` sends through Redis.
    """

    def __init__(
        self,
        *,
        on_join: Callable[[str, Mapping[str, Any], Any], Coroutine[Any, Any, None]],
        on_leave: Callable[[str, str], Coroutine[Any, Any, None]],
        failure: Callable[[Exception], Mapping[str, Any]],
        origin_allowed: Callable[[str | None, Mapping[str, Any]], bool],
        redis_url: str | None = None,
        shared: Collection[str] = (),
        watch: Watch | None = None,
    ) -> None:
        self._watch = watch or Watch()
        Payload.max_decode_packets = MAX_FRAME  # a process-wide setting of the library
        self._cluster = None if redis_url is None else Cluster(redis_url, shared)
        super().__init__(
            client_manager=self._cluster or Manager(),
            async_mode="sanic",
            async_handlers=False,
            json=Json,
            # Below warnings theirs log what people write.
            logger=logging.getLogger("socketio"),
            engineio_logger=logging.getLogger("engineio"),
            max_http_buffer_size=MAX_FRAME,
            cors_allowed_origins=origin_allowed,
            http_compression=False,
        )
        self._failure = failure
        self._events: dict[str, Handler] = {}
        self._unanswered = 0
        self._left = on_leave
        self.on("connect", on_join)
        self.on("disconnect", self._on_disconnect)

    def _engineio_server_class(self) -> type[engineio.AsyncServer]:
        return Engine

    def attach(self, app: Any, socketio_path: str = "socket.io") -> None:
        """Puts the server on a Sanic application."""
        super().attach(app, socketio_path)
        app.add_signal(self._end_too_large, "http.lifecycle.exception")

    async def _end_too_large(self, request: Request | None, exception: Exception) -> None:
        """Ends the session of a POST so large that Sanic does not let us see it."""
        if request is not None and isinstance(exception, PayloadTooLarge):
            await abort(self.eio, request.args.get("sid"))

    def on_event(self, name: str, handler: Handler) -> None:
        self._events[name] = handler

    async def close_client(self, sid: str, patience: float = 0, reason: str | None = None) -> None:
        """Ends an accepted client's transport; what was sent to it before still goes out. The
        `reason` is for our log; a client is told its own.

        The official client forgets events that one long poll brings together with the end. Who
        has to hear them gets `patience` seconds to fetch them first.
        """
        transport = self._transport(sid)
        if transport is None:
            return
        transport.ending = reason
        if patience:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await transport.queue.join()
        await transport.close()

    def _transport(self, sid: str) -> Transport | None:
        eio_sid = self.manager.eio_sid_from_sid(sid, "/")
        return None if eio_sid is None else self.eio.sockets.get(eio_sid)

    def broadcast(
        self, event: str, payload: Mapping[str, Any], room: str, except_sid: str | None = None
    ) -> None:
        """Delivers to a room in this process and, where Redis connects them, in all others."""
        self.deliver(event, payload, (room,), except_sid=except_sid)
        if self._cluster is not None:
            self._cluster.share(event, payload, room)

    @property
    def cluster(self) -> Cluster | None:
        """The other processes, where there are any."""
        return self._cluster

    async def close_all(self) -> None:
        """Ends every transport, those without an accepted client, too."""
        for eio_sid in list(self.eio.sockets):
            await abort(self.eio, eio_sid)

    def has_participants(self, room: str) -> bool:
        return bool(self.manager.rooms.get("/", {}).get(room))

    def deliver(
        self,
        event: str,
        payload: Mapping[str, Any],
        rooms: Sequence[str],
        except_rooms: Sequence[str] = (),
        except_sid: object = None,
    ) -> None:
        """Queues an event for every socket in `rooms` once, but not for those in `except_rooms`.

        The packet is encoded once, and goes straight into the queues of the transports: theirs
        starts a task for every recipient and waits for all of them.
        """
        members = self.manager.rooms.get("/", {})
        targets: dict[str, str] = {}
        for room in rooms:
            targets.update(members.get(room, _NOBODY))
        for room in except_rooms:
            for sid in members.get(room, _NOBODY):
                targets.pop(sid, None)
        targets.pop(except_sid, None)  # type: ignore[call-overload]
        if not targets:
            return
        packet = Message(f"{socketio.packet.EVENT}{Json.dumps([event, payload])}")
        sockets = self.eio.sockets
        for eio_sid in targets.values():
            transport = sockets.get(eio_sid)
            if transport is not None and not transport.closed:
                transport.put(packet)

    async def _on_disconnect(self, sid: str, reason: str) -> None:
        await self._left(sid, reason)

    async def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        await super()._handle_eio_connect(eio_sid, environ)
        self._expect_join(eio_sid, JOIN_TIMEOUT)

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        transport: Transport | None = self.eio.sockets.get(eio_sid)
        await super()._handle_eio_disconnect(eio_sid, reason)
        if transport is None:
            return
        reason = transport.ending or reason
        seconds = time.monotonic() - transport.opened
        self._watch.disconnected(reason, seconds)
        connection_log.info(
            "connection",
            extra=logs.fields(
                connection=logs.pseudonym(eio_sid),
                transport=_kind(transport),
                seconds=round(seconds, 3),
                messages_in=transport.received,
                messages_out=transport.sent,
                reason=reason,
            ),
        )

    def state(self) -> State:
        """Who is connected, and what waits."""
        connections = {"polling": 0, "websocket": 0}
        backlog = 0
        for transport in self.eio.sockets.values():
            if not transport.closed:
                connections[_kind(transport)] += 1
                backlog += transport.backlog
        return State(connections, backlog, self._unanswered)

    def _expect_join(self, eio_sid: str, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._check_joined, eio_sid)

    def _check_joined(self, eio_sid: str) -> None:
        if eio_sid in self.eio.sockets and self.manager.sid_from_eio_sid(eio_sid, "/") is None:
            transport = self.eio.sockets[eio_sid]
            transport.ending = transport.ending or "not joined"
            self.run(abort(self.eio, eio_sid))

    async def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        await super()._handle_connect(eio_sid, namespace, data)
        if self.manager.sid_from_eio_sid(eio_sid, "/") is None:
            self._expect_join(eio_sid, REFUSAL_GRACE)
        socket = self.eio.sockets.get(eio_sid)
        if socket is not None and self.manager.sid_from_eio_sid(eio_sid, "/") is None:
            socket.ending = "refused"
        if socket is None or socket.closed:
            # The transport ended while `on_join` waited, when there was nobody yet to say it to.
            await self._handle_disconnect(eio_sid, namespace, self.reason.TRANSPORT_CLOSE)

    async def _handle_disconnect(
        self, eio_sid: str, namespace: str | None, reason: str | None = None
    ) -> None:
        await super()._handle_disconnect(eio_sid, namespace, reason)
        self._expect_join(eio_sid, JOIN_TIMEOUT)

    async def _handle_eio_message(self, eio_sid: str, data: Any) -> None:
        try:
            _check_attachment(self._binary_packet.get(eio_sid), data)
            await super()._handle_eio_message(eio_sid, data)
            _check_announced(self._binary_packet.get(eio_sid))
        except Exception as error:  # noqa: BLE001 - whatever the decoder stumbles over
            log.info("a packet that cannot be decoded: %s", type(error).__name__)
            self._binary_packet.pop(eio_sid, None)
            await abort(self.eio, eio_sid)

    async def _handle_event(
        self, eio_sid: str, namespace: str | None, id: int | None, data: Any
    ) -> None:
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace or "/")
        if sid is None or not self.manager.is_connected(sid, namespace or "/"):
            return
        name = data[0] if isinstance(data, list) and data else None
        handler = self._events.get(name) if isinstance(name, str) else None
        mark = self._watch.event_began("other" if handler is None else str(name))
        heard = _Heard(eio_sid, id, mark)
        answer = await self._answer(sid, handler, data)
        if isinstance(answer, Mapping):
            self._acknowledge(heard, answer)
            return
        self._unanswered += 1
        if isinstance(answer, Later):
            answer.future.add_done_callback(partial(self._finish, heard, answer.finish))
        else:
            self.run(self._acknowledge_later(heard, answer))

    async def _answer(self, sid: str, handler: Handler | None, data: Any) -> Answer:
        try:
            if handler is None:
                raise Refused("datos_invalidos")
            return await handler(sid, data[1] if len(data) > 1 else None)
        except Exception as error:  # noqa: BLE001 - one client's event harms nobody else
            return self._failure(error)

    def _finish(
        self,
        heard: _Heard,
        finish: Callable[[asyncio.Future[Any]], Acknowledgement | Awaitable[Acknowledgement]],
        future: asyncio.Future[Any],
    ) -> None:
        try:
            answer = finish(future)
        except Exception as error:  # noqa: BLE001
            answer = self._failure(error)
        if isinstance(answer, Mapping):
            self._unanswered -= 1
            self._acknowledge(heard, answer)
        else:
            self.run(self._acknowledge_later(heard, answer))

    async def _acknowledge_later(self, heard: _Heard, answer: Awaitable[Acknowledgement]) -> None:
        try:
            result = await answer
        except Exception as error:  # noqa: BLE001
            result = self._failure(error)
        finally:
            self._unanswered -= 1
        self._acknowledge(heard, result)

    def _acknowledge(self, heard: _Heard, answer: Acknowledgement) -> None:
        eio_sid, id, mark = heard
        self._watch.event_answered(mark, answer)
        transport = None if id is None else self.eio.sockets.get(eio_sid)
        if transport is not None and not transport.closed:
            transport.put(Message(f"{socketio.packet.ACK}{id}{Json.dumps([answer])}"))

    async def answered(self) -> None:
        """Returns when every event that was heard has been answered."""
        while self._unanswered:  # noqa: ASYNC110 - at the server's end only
            await asyncio.sleep(0.01)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self.eio.run(work)
