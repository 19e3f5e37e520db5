"""python-socketio and python-engineio, adapted: everything that replaces a part of theirs is here.

Written against python-socketio 5.18 and python-engineio 4.15; the comments name what it changes:

- JSON by orjson, with the standard library where orjson refuses (lone surrogates).
- Long polls may bring as many packets as fit into 1 MiB; theirs drops all after the sixteenth.
- What cannot be decoded, or is too large in one piece or in several, closes the connection; theirs
  answers 200 and goes on, or gathers it all.
- An upgrade to websocket that fails leaves the long poll working.
- A client's own `connect` and `disconnect` packets never reach the handlers of those names.
- Events of one client are handled in the order sent; an answer that takes time (a commit) is
  awaited apart, so that neither pongs nor later events wait for it.
- A transport whose client was refused, or does not join the namespace in time, is closed.
- An event for a room is encoded once and queued; theirs starts a task for every recipient.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import engineio
import engineio.packet
import orjson
import socketio
from engineio.async_drivers.sanic import WebSocket
from engineio.packet import packet_names
from engineio.payload import Payload
from sanic import Request, text
from sanic.exceptions import PayloadTooLarge

from registro.errors import Refused

log = logging.getLogger(__name__)

MAX_FRAME = 1 << 20
"""Bytes in one frame or one POST."""

MAX_ATTACHMENTS = 10
"""Pieces of bytes that one event may have. No event of ours takes any."""

JOIN_TIMEOUT = 10
"""Seconds in which a transport has to send CONNECT."""

REFUSAL_GRACE = 1
"""Seconds in which a refused client may read why, before its transport is closed."""

_NOBODY: Mapping[str, str] = MappingProxyType({})

Answer = Mapping[str, Any] | Awaitable[Mapping[str, Any]]
Handler = Callable[[str, Any], Awaitable[Answer]]
"""(sid, first argument) → the acknowledgement, or what to await for it."""


class Json:
    """The JSON module that both libraries use."""

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        try:
            return orjson.dumps(value).decode()
        except TypeError:
            return json.dumps(value, separators=(",", ":"))

    @staticmethod
    def loads(text: str) -> Any:
        """Raises ValueError for anything that is not JSON."""
        try:
            return orjson.loads(text)
        except ValueError:
            pass
        try:
            return json.loads(text)
        except RecursionError:
            raise ValueError("nested too deeply") from None


class _WebSocket(WebSocket):  # type: ignore[misc]
    async def __call__(self, environ: Mapping[str, Any]) -> None:
        """Lets the long poll go on after an upgrade that failed; the original may leave it
        holding everything back for ever, and sends an HTTP response down the websocket."""
        try:
            await super().__call__(environ)
        except asyncio.CancelledError:
            pass  # Sanic's word for a websocket that is gone
        finally:
            self.handler.__self__.upgrading = False

    async def wait(self) -> Any:
        """Ends at a frame that is no packet; the original raises, and leaves the session open."""
        data = await super().wait()
        if isinstance(data, str) and data[:1] not in _PACKET_TYPES:
            raise OSError("not a packet of Engine.IO")
        return data


_PACKET_TYPES = frozenset(map(str, range(len(packet_names))))


class _Engine(engineio.AsyncServer):  # type: ignore[misc]
    _async: dict[str, Any]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._async = self._async | {"websocket": _WebSocket}
        self._tasks: set[asyncio.Task[Any]] = set()

    def start_background_task(self, target: Any, *args: Any, **kwargs: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = super().start_background_task(target, *args, **kwargs)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def shutdown(self) -> None:
        """Ends the pings too, which the original leaves to the loop's end."""
        await super().shutdown()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def handle_request(self, *args: Any, **kwargs: Any) -> Any:
        """Closes the session of a POST that does not decode, before the original swallows it, and
        answers the poll of a client that said goodbye, which the original leaves waiting."""
        request = args[0]
        socket = self.sockets.get(request.args.get("sid"))
        posting = request.method == "POST" and socket is not None
        if posting and not _decodes(request.body):
            await abort(self, request.args.get("sid"))
            return text("The payload cannot be decoded", 400)
        try:
            response = await super().handle_request(*args, **kwargs)
        except KeyError:  # the session ended, and the original does not know it yet
            response = text("The session has ended", 400)
        if posting and socket.closed:
            socket.queue.put_nowait(None)
        if response is not None and request.transport is None:
            # Nobody is there to be answered; Sanic takes it as a request that was cut off.
            raise asyncio.CancelledError
        return response

    # With this Sanic takes None, what a websocket ends with, for an answer.
    handle_request.is_websocket = True  # type: ignore[attr-defined]


def _decodes(body: bytes) -> bool:
    try:
        packets = Payload(encoded_payload=body.decode()).packets
    except Exception:  # noqa: BLE001 - the original's decoder raises whatever it stumbles over
        return False
    return len(body) <= MAX_FRAME and all(p.packet_type < len(packet_names) for p in packets)


async def abort(engine: engineio.AsyncServer, eio_sid: str) -> None:
    """Closes a transport whatever its client does."""
    socket = engine.sockets.get(eio_sid)
    if socket is None or socket.closed:
        return
    await socket.close(wait=False)
    socket.queue.put_nowait(None)  # ends the websocket's writer, which then closes the websocket


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
    `failure(error)` turns an exception of a handler into an acknowledgement.
    """

    def __init__(
        self,
        *,
        on_join: Callable[[str, Mapping[str, Any], Any], Coroutine[Any, Any, None]],
        on_leave: Callable[[str, str], Coroutine[Any, Any, None]],
        failure: Callable[[Exception], Mapping[str, Any]],
        origin_allowed: Callable[[str | None, Mapping[str, Any]], bool],
    ) -> None:
        Payload.max_decode_packets = MAX_FRAME  # a process-wide setting of the library
        super().__init__(
            async_mode="sanic",
            async_handlers=False,
            json=Json,
            logger=log,
            engineio_logger=log,
            max_http_buffer_size=MAX_FRAME,
            cors_allowed_origins=origin_allowed,
            http_compression=False,
        )
        self._failure = failure
        self._events: dict[str, Handler] = {}
        self._answers: set[asyncio.Task[None]] = set()
        self._left = on_leave
        self.on("connect", on_join)
        self.on("disconnect", self._on_disconnect)

    def _engineio_server_class(self) -> type[engineio.AsyncServer]:
        return _Engine

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

    async def close_client(self, sid: str, patience: float = 0) -> None:
        """Ends an accepted client's transport; what was sent to it before still goes out.

        The official client forgets events that one long poll brings together with the end. Who
        has to hear them gets `patience` seconds to fetch them first.
        """
        eio_sid = self.manager.eio_sid_from_sid(sid, "/")
        socket = None if eio_sid is None else self.eio.sockets.get(eio_sid)
        if socket is None:
            return
        if patience:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await socket.queue.join()
        await abort(self.eio, eio_sid)

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
        text = f"{socketio.packet.EVENT}{Json.dumps([event, payload])}"
        packet = engineio.packet.Packet(engineio.packet.MESSAGE, data=text)
        sockets = self.eio.sockets
        for eio_sid in targets.values():
            socket = sockets.get(eio_sid)
            if socket is not None and not socket.closed:
                socket.queue.put_nowait(packet)

    async def _on_disconnect(self, sid: str, reason: str) -> None:
        await self._left(sid, reason)

    async def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        await super()._handle_eio_connect(eio_sid, environ)
        self._expect_join(eio_sid, JOIN_TIMEOUT)

    def _expect_join(self, eio_sid: str, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._check_joined, eio_sid)

    def _check_joined(self, eio_sid: str) -> None:
        if eio_sid in self.eio.sockets and self.manager.sid_from_eio_sid(eio_sid, "/") is None:
            self.run(abort(self.eio, eio_sid))

    async def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        await super()._handle_connect(eio_sid, namespace, data)
        if self.manager.sid_from_eio_sid(eio_sid, "/") is None:
            self._expect_join(eio_sid, REFUSAL_GRACE)
        socket = self.eio.sockets.get(eio_sid)
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
        answer = await self._answer(sid, data)
        if isinstance(answer, Mapping):
            await self._acknowledge(eio_sid, id, answer)
        else:
            self.run(self._acknowledge_later(eio_sid, id, answer))

    async def _answer(self, sid: str, data: Any) -> Answer:
        name = data[0] if isinstance(data, list) and data else None
        handler = self._events.get(name) if isinstance(name, str) else None
        try:
            if handler is None:
                raise Refused("datos_invalidos")
            return await handler(sid, data[1] if len(data) > 1 else None)
        except Exception as error:  # noqa: BLE001 - one client's event harms nobody else
            return self._failure(error)

    async def _acknowledge_later(
        self, eio_sid: str, id: int | None, answer: Awaitable[Mapping[str, Any]]
    ) -> None:
        try:
            result = await answer
        except Exception as error:  # noqa: BLE001
            result = self._failure(error)
        await self._acknowledge(eio_sid, id, result)

    async def _acknowledge(self, eio_sid: str, id: int | None, answer: Mapping[str, Any]) -> None:
        if id is not None and eio_sid in self.eio.sockets:
            packet = self.packet_class(socketio.packet.ACK, namespace="/", id=id, data=[answer])
            await self._send_packet(eio_sid, packet)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._answers.add(task)  # the loop holds tasks weakly
        task.add_done_callback(self._answers.discard)
