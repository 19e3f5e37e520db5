"""Engine.IO without a client library: packets exactly as a test writes them.

`RawWebSocket` and `RawPolling` have the same methods. Packets are Engine.IO's (protocol 4): "40"
joins the namespace, `42["name",…]` is an event, "2" a ping; bytes are binary.
"""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

PATIENCE = 10
Packet = str | bytes


class TransportClosed(Exception):
    """The server has ended the transport."""


class _Raw:
    """What both transports share. `opening` is the server's OPEN packet."""

    def __init__(self) -> None:
        self.opening: dict[str, Any] = {}

    def send(self, packet: Packet) -> None:
        raise NotImplementedError

    def receive(self, within: float = PATIENCE) -> Packet:
        """The next packet. Raises TimeoutError, or TransportClosed."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def join(self, auth: object = None) -> Self:
        """Joins the namespace; raises AssertionError when it is refused."""
        self.send("40" if auth is None else "40" + json.dumps(auth))
        answer = self.receive()
        assert isinstance(answer, str)
        assert answer.startswith("40"), answer
        return self

    def call(self, name: str, *args: object, number: int = 0) -> Any:
        """Sends an event and waits for its acknowledgement."""
        self.send(f"42{number}{json.dumps([name, *args])}")
        return self.acknowledgement(number)

    def acknowledgement(self, number: int, within: float = PATIENCE) -> Any:
        """The acknowledgement with a number; other packets are skipped."""
        start = f"43{number}["
        deadline = time.monotonic() + within
        while True:
            packet = self.receive(deadline - time.monotonic())
            if isinstance(packet, str) and packet.startswith(start):
                return json.loads(packet[len(start) - 1 :])[0]

    def closed(self, within: float = PATIENCE) -> bool:
        """Whether the server ends the transport in time; packets until then are skipped."""
        deadline = time.monotonic() + within
        try:
            while True:
                self.receive(max(0.01, deadline - time.monotonic()))
        except TransportClosed:
            return True
        except TimeoutError:
            return False


class RawWebSocket(_Raw):
    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._closing = ExitStack()
        self._socket = self._closing.enter_context(
            connect(
                f"ws{url.removeprefix('http')}/socket.io/?EIO=4&transport=websocket",
                additional_headers=headers,
                compression=None,
                max_size=None,
                ping_interval=None,
            )
        )
        opening = self.receive()
        assert isinstance(opening, str)
        self.opening = json.loads(opening[1:])

    def send(self, packet: Packet) -> None:
        try:
            self._socket.send(packet)
        except ConnectionClosed:
            raise TransportClosed from None

    def receive(self, within: float = PATIENCE) -> Packet:
        try:
            packet = self._socket.recv(max(0.0, within))
        except ConnectionClosed:
            raise TransportClosed from None
        if packet == "1":
            raise TransportClosed
        if packet == "2":
            self.send("3")
            return self.receive(within)
        return packet

    def ended(self, within: float = PATIENCE) -> bool:
        """Whether the server closes the connection itself, not only the session on it."""
        deadline = time.monotonic() + within
        try:
            while True:
                self._socket.recv(max(0.01, deadline - time.monotonic()))
        except ConnectionClosed:
            return True
        except TimeoutError:
            return False

    def close(self) -> None:
        self._closing.close()


class RawPolling(_Raw):
    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._address = urlsplit(url).netloc
        self._headers = dict(headers or {})
        self._path = "/socket.io/?EIO=4&transport=polling"
        self._waiting: deque[Packet] = deque()
        status, body = self.request("GET")
        if status != 200:
            raise TransportClosed(f"{status} {body!r}")
        self.opening = json.loads(body[1:])
        self._path += f"&sid={self.opening['sid']}"

    def send(self, packet: Packet) -> None:
        self.post(packet)

    def post(self, *packets: Packet) -> int:
        """Sends some packets in one request; returns the HTTP status."""
        return self.post_body("\x1e".join(map(_encoded, packets)).encode())

    def post_body(self, body: bytes) -> int:
        return self.request("POST", body)[0]

    def receive(self, within: float = PATIENCE) -> Packet:
        deadline = time.monotonic() + within
        while not self._waiting:
            status, body = self.request("GET", within=max(0.01, deadline - time.monotonic()))
            if status != 200:
                raise TransportClosed(f"{status} {body!r}")
            self._waiting += map(_decoded, body.decode().split("\x1e"))
        packet = self._waiting.popleft()
        if packet == "1":
            raise TransportClosed
        if packet == "2":
            self.send("3")
            return self.receive(within)
        return packet

    def request(
        self, method: str, body: bytes | None = None, within: float = PATIENCE
    ) -> tuple[int, bytes]:
        """One HTTP request on a connection of its own."""
        connection = http.client.HTTPConnection(self._address, timeout=within)
        try:
            headers = {"Content-Type": "text/plain;charset=UTF-8"} | self._headers
            connection.request(method, self._path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        except (ConnectionError, http.client.HTTPException):
            return 0, b""  # closed without an answer
        finally:
            connection.close()

    def close(self) -> None:
        self.request("POST", b"1")


def _encoded(packet: Packet) -> str:
    return packet if isinstance(packet, str) else "b" + base64.b64encode(packet).decode()


def _decoded(text: str) -> Packet:
    return base64.b64decode(text[1:]) if text.startswith("b") else text


RAW: Mapping[str, type[RawWebSocket | RawPolling]] = {
    "websocket": RawWebSocket,
    "polling": RawPolling,
}
