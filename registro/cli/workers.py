"""`registro serve --workers N`: several server processes under one that watches them.

Worker k listens on PORT + k, because a long poll has to come back to the process that holds its
session: a sticky proxy stands in front (`deploy/nginx`). A worker that dies is started again on the
same socket; when the watching process is gone, the workers end too.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType

import click

from registro.config import Settings

LONGEST_PAUSE = 10
"""Seconds before a worker that keeps dying is started again, at most."""

STEADY = 30
"""Seconds after which a worker counts as running well."""

LOOK = 0.2
"""Seconds between looks at the workers."""


class _Worker:
    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._next = 0.0
        self._pause = 0.5

    def start(self) -> None:
        """Starts it in a session of its own: Ctrl+C on a terminal is for the watching process."""
        descriptor = self._listener.fileno()
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "registro", "serve", "--listener", str(descriptor)],
            stdin=subprocess.PIPE,  # ends with this process
            pass_fds=(descriptor,),
            start_new_session=True,
        )
        self._started = time.monotonic()

    def look(self) -> None:
        """Starts it again when it died, a little later each time."""
        now = time.monotonic()
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return
            self._process = None
            self._refuse()
            if now - self._started > STEADY:
                self._pause = 0.5
            self._next = now + self._pause
            click.echo(
                f"The worker on port {self._listener.getsockname()[1]} ended with {code}; "
                f"it is started again in {self._pause:g} s",
                err=True,
            )
            self._pause = min(LONGEST_PAUSE, self._pause * 2)
        elif now >= self._next:
            self.start()

    def _refuse(self) -> None:
        """Has newcomers refused until the next process listens, so that the proxy asks another
        worker. The socket is ours, too: it would take them in, and let them wait."""
        with contextlib.suppress(OSError):  # nobody has listened yet
            self._listener.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def ended(self, seconds: float) -> bool:
        """Whether it ended in time; kills it otherwise."""
        if self._process is None:
            return True
        try:
            # A signal ends a process that has not begun to serve.
            return self._process.wait(seconds) in (0, -signal.SIGTERM)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return False


def watch(settings: Settings, listeners: Sequence[socket.socket]) -> None:
    """Runs a worker on each socket until SIGTERM or SIGINT; exits with 1 if one ends badly."""
    stopping = False

    def stop(_: int, __: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    workers = [_Worker(listener) for listener in listeners]
    for worker in workers:
        worker.start()
    while not stopping:
        for worker in workers:
            worker.look()
        time.sleep(LOOK)
    for worker in workers:
        worker.stop()
    deadline = time.monotonic() + settings.drain_seconds + 2
    ended = [worker.ended(max(0.0, deadline - time.monotonic())) for worker in workers]
    if not all(ended):
        sys.exit(1)
