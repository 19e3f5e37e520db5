"""A TCP proxy that loses what a server answers: the message is stored, its acknowledgement is not
heard."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType


class LossyProxy:
    """Passes bytes between clients and a server. Once `lose` is set, the first bytes from the
    server that contain it are dropped, `lost` is called, and every connection is cut."""

    def __init__(self, port: int) -> None:
        self._server = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self.port: int = self._listener.getsockname()[1]
        self.lose: bytes | None = None
        self.lost: Callable[[], object] = lambda: None

    def __enter__(self) -> LossyProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            try:
                server = socket.create_connection(self._server)
            except OSError:  # it is being started again
                client.close()
                continue
            self._open |= {client, server}
            for source, target in ((client, server), (server, client)):
                threading.Thread(
                    target=self._pass, args=(source, target, source is server), daemon=True
                ).start()

    def _pass(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        try:
            while data := source.recv(65536):
                if answers and self.lose is not None and self.lose in data:
                    self.lose = None
                    self.lost()
                    self._cut()
                    return
                target.sendall(data)
        except OSError:
            pass  # the other side is gone
        for side in (source, target):
            self._open.discard(side)
            side.close()

    def _cut(self) -> None:
        for side in list(self._open):
            with contextlib.suppress(OSError):  # gone already
                side.shutdown(socket.SHUT_RDWR)
