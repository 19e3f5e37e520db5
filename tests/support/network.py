"""A bad network: TCP proxies between clients and a server that refuse, delay, freeze and cut."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Coroutine
from threading import Thread
from types import TracebackType
from typing import Any

MESSAGE_ACKNOWLEDGED = b'{"ok":true,"id":'
"""What the acknowledgement of a stored message has in it, over both transports."""

_PIECE = 65536
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing drops what was not sent, and the other side gets a reset."""


class Network:
    """Several links to one server, whose ports are `links[n].port`; its faults are set from the
    thread of the test."""

    def __init__(self, port: int, links: int = 1) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.links = [Link(port, self._call) for _ in range(links)]

    def __enter__(self) -> Network:
        for link in self.links:
            self._await(link.open())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for link in self.links:
            self._await(link.close())
        self._call(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def heal(self) -> None:
        """Ends all faults; what is frozen moves on, what gets lost is cut."""
        for link in self.links:
            link.heal()
            link.lose(None)
            link.cut_swallowed()

    def _call(self, function: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(function)

    def _await(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


class Link:
    """One proxy. `refused`, `lost` and `cuts` count what its faults have done."""

    def __init__(self, server_port: int, call: Callable[[Callable[[], object]], None]) -> None:
        self._server_port = server_port
        self._call = call
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: dict[asyncio.StreamWriter, int] = {}
        self._flows = asyncio.Event()
        self._flows.set()
        self._refuses = False
        self._delay = 0.0
        self._rate = 0
        self._loses: bytes | None = None
        self._accepted = self._swallowed = 0
        self.refused = self.lost = self.cuts = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, sock=self._listener, limit=_PIECE)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self._cut(self._accepted)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Faults

    def refuse(self) -> None:
        """New connections are reset."""
        self._refuses = True

    def delay(self, seconds: float) -> None:
        """Every piece takes so much longer, in both directions."""
        self._delay = seconds

    def slow(self, rate: int) -> None:
        """Clients take `rate` bytes a second of what the server sends."""
        self._rate = rate

    def freeze(self) -> None:
        """Connections stay open, and nothing moves."""
        self._call(self._flows.clear)

    def swallow(self) -> None:
        """From now on all that is sent over the connections that are open gets lost, and neither
        side hears of it; new ones are as they should be."""
        self._swallowed = self._accepted

    def cut_swallowed(self) -> None:
        """Resets the connections that `swallow` took."""
        self._call(lambda: self._cut(self._swallowed))

    def cut(self) -> None:
        """Resets all connections."""
        self._call(lambda: self._cut(self._accepted))

    def lose(self, answer: bytes | None) -> None:
        """Cuts all connections, once, instead of passing on the next bytes from the server with
        `answer` in them: the server has done it, and the client does not know. None: no more."""
        self._loses = answer

    def heal(self) -> None:
        """Ends what does not end by itself."""
        self._refuses, self._delay, self._rate = False, 0.0, 0
        self._call(self._flows.set)

    # Inside

    def _cut(self, last: int) -> None:
        """Resets the connections up to a number."""
        writers = [writer for writer, number in self._open.items() if number <= last]
        self.cuts += len(writers) // 2
        for writer in writers:
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(asyncio.CancelledError):  # the server's own end of a task is loud
            await self._pass(reader, writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            self.refused += 1
            _reset(writer)
            return
        try:
            up_reader, up_writer = await asyncio.open_connection(
                "127.0.0.1", self._server_port, limit=_PIECE
            )
        except OSError:  # the server is being started again
            _reset(writer)
            return
        self._accepted += 1
        number = self._accepted
        self._open |= dict.fromkeys((writer, up_writer), number)
        try:
            await asyncio.gather(
                self._pump(number, reader, up_writer, answers=False),
                self._pump(number, up_reader, writer, answers=True),
            )
        finally:
            for one in (writer, up_writer):
                self._open.pop(one, None)
                one.close()

    async def _pump(
        self,
        number: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        answers: bool,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_PIECE):
                await asyncio.sleep(self._delay)
                await self._flows.wait()
                if number <= self._swallowed:
                    continue
                if answers and self._loses is not None and self._loses in data:
                    self._loses = None
                    self.lost += 1
                    self._cut(self._accepted)
                    return
                if answers and self._rate:
                    await asyncio.sleep(len(data) / self._rate)
                writer.write(data)
                await writer.drain()
        # The end of one direction is the end of both: neither clients nor servers half-close.
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):  # closed already
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
