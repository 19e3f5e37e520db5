"""A websocket on a connection of Sanic's, without tasks.

Sanic's own hands every frame through several tasks and locks. Here the parser of the `websockets`
library runs where the bytes arrive, and what is written in one turn of the event loop goes out
in one piece. Sanic calls what it calls on its own: `data_received`, `eof_received`,
`connection_lost`, `end_connection`, `close`, `ws_proto`, `loop`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import cast

from sanic import Request
from sanic.exceptions import SanicException
from sanic.server.protocols.websocket_protocol import WebSocketProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

MAX_FRAME = 1 << 20
"""Bytes in one message or one POST."""

MAX_WAITING = 32
"""Messages that may wait for being handled before reading pauses."""

CLOSE_TIMEOUT = 5
"""Seconds in which a client has to take what was written last before the connection is cut."""


class WebSocketClosed(Exception):
    """The other side has gone, or we have ended it."""


def text_frame(text: str) -> bytes:
    """A whole text message in one unmasked frame (RFC 6455, section 5.2)."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 1 << 16:
        return bytes((0x81, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x81, 127)) + size.to_bytes(8, "big") + payload


class WebSocket:
    """One open websocket."""

    @classmethod
    def accept(cls, request: Request) -> WebSocket:
        """Answers an upgrade request. Raises SanicException for one that is wrong."""
        transport = cast(asyncio.Transport, request.transport)
        connection = cast(WebSocketProtocol, transport.get_protocol())
        protocol = ServerProtocol(max_size=MAX_FRAME, state=State.OPEN)
        response = protocol.accept(WebSocketProtocol.sanic_request_to_ws_request(request))
        if response.status_code != 101:
            raise SanicException(response.body.decode(), response.status_code)
        transport.write(response.serialize())
        websocket = cls(transport, protocol)
        connection.websocket = websocket  # type: ignore[assignment]
        return websocket

    def __init__(self, transport: asyncio.Transport, protocol: ServerProtocol) -> None:
        self.ws_proto = protocol
        self.loop = asyncio.get_running_loop()
        self.closed = False
        self._transport = transport
        self._received: deque[str | bytes] = deque()
        self._fragments: list[Frame] = []
        self._waiter: asyncio.Future[None] | None = None
        self._reading_paused = False
        self._unsent: list[bytes] = []
        self._unsent_bytes = 0

    @property
    def backlog(self) -> int:
        """Bytes that were written and that the network has not taken yet."""
        return self._unsent_bytes + self._transport.get_write_buffer_size()

    def write(self, frame: bytes) -> None:
        """Sends a frame, together with others of this turn of the loop."""
        if self.closed:
            return
        if not self._unsent:
            self.loop.call_soon(self._flush)
        self._unsent.append(frame)
        self._unsent_bytes += len(frame)

    async def recv(self) -> str | bytes:
        """The next message. Raises WebSocketClosed; for one reader at a time."""
        while not self._received:
            if self.closed:
                raise WebSocketClosed
            if self._reading_paused:
                self._reading_paused = False
                self._transport.resume_reading()
            self._waiter = self.loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._received.popleft()

    def end(self, code: int = 1000) -> None:
        """Says goodbye after what was written before, and closes the connection."""
        if self.closed:
            return
        self._flush()
        if self.ws_proto.state is State.OPEN:
            self.ws_proto.send_close(code)
        self._finish()

    def cut(self) -> None:
        """Drops the connection, and what was not sent, at once."""
        self._set_closed()
        self._transport.abort()

    # What Sanic calls

    def data_received(self, data: bytes) -> None:
        if self.closed:
            return
        self.ws_proto.receive_data(data)
        for event in self.ws_proto.events_received():
            if isinstance(event, Frame):
                self._take(event)
        if self.ws_proto.state is not State.OPEN:
            self._finish()
            return
        self._send_control()
        if len(self._received) >= MAX_WAITING and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        self._finish()
        return False

    def connection_lost(self, _: Exception | None) -> None:
        self._set_closed()

    def end_connection(self, code: int = 1000, _: str = "") -> None:
        self.end(code)

    async def close(self, code: int = 1000, _: str = "") -> None:
        self.end(code)

    # Inside

    def _take(self, frame: Frame) -> None:
        """Gathers the fragments of a message; their sizes are limited by the parser."""
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return  # pings are answered by the parser
        if frame.fin and not self._fragments:
            first, data = frame, frame.data
        else:
            self._fragments.append(frame)
            if not frame.fin:
                return
            first, data = self._fragments[0], b"".join(part.data for part in self._fragments)
            self._fragments = []
        try:
            text = first.opcode is Opcode.TEXT
            self._received.append(str(data, "utf-8") if text else bytes(data))
        except UnicodeDecodeError:
            self.ws_proto.fail(1007)

    def _send_control(self) -> None:
        """Sends what the parser wants to say: pongs, closes."""
        for data in self.ws_proto.data_to_send():
            if data:
                self.write(data)

    def _flush(self) -> None:
        if self._unsent and not self.closed:
            unsent, self._unsent, self._unsent_bytes = self._unsent, [], 0
            self._transport.write(unsent[0] if len(unsent) == 1 else b"".join(unsent))

    def _finish(self) -> None:
        if self.closed:
            return
        self._send_control()
        self._flush()
        self._set_closed()
        if not self._transport.is_closing():
            self._transport.close()
            # Whoever does not take the rest would keep it in our memory.
            self.loop.call_later(CLOSE_TIMEOUT, self._transport.abort)

    def _set_closed(self) -> None:
        self.closed = True
        self._unsent.clear()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
