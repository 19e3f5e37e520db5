"""Debian's nginx with the very text of deploy/nginx/registro.conf, on other ports."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from tests.support.databases import ROOT, free_port

CONFIGURATION = ROOT / "deploy" / "nginx" / "registro.conf"

_MAIN = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 1024; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/registro.conf;
}}
"""


def configuration(port: int, workers: Sequence[int]) -> str:
    """The text in deploy/, which listens on `port` and passes to `workers`."""
    text, listens = re.subn(r"listen 80;", f"listen 127.0.0.1:{port};", CONFIGURATION.read_text())
    assert listens == 1
    lines = re.findall(r"\n    server 127\.0\.0\.1:\d+( .*);", text)
    assert len(lines) > 1
    servers = "".join(f"\n    server 127.0.0.1:{worker}{lines[0]};" for worker in workers)
    return re.sub(r"(\n    server 127\.0\.0\.1:\d+ .*;)+", servers, text)


class Nginx:
    """A running nginx in front of `workers`, their ports."""

    def __init__(self, folder: Path, workers: Sequence[int]) -> None:
        self._folder = folder
        self._workers = workers
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Nginx:
        self._folder.mkdir(exist_ok=True)
        (self._folder / "registro.conf").write_text(configuration(self.port, self._workers))
        user = "" if os.geteuid() else "user root;"  # or it could not read its own folder
        main = _MAIN.format(folder=self._folder, user=user)
        (self._folder / "nginx.conf").write_text(main)
        program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
        if program is None:
            raise RuntimeError("nginx is missing: scripts/test installs it")
        self._process = subprocess.Popen(
            [program, "-p", str(self._folder), "-c", str(self._folder / "nginx.conf"),
             "-e", str(self._folder / "error.log")]
        )  # fmt: skip
        deadline = time.monotonic() + 10
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"nginx did not start:\n{self.errors()}")
            time.sleep(0.02)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(10)

    def errors(self) -> str:
        """What it logged."""
        log = self._folder / "error.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False
