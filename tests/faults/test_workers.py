"""`registro serve --workers`: a worker that dies is started again; the others go on meanwhile."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import SECRET
from tests.support.clients import until
from tests.support.databases import ROOT


class Workers:
    """Three of them under one command, over SQLite; `ports` are theirs."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "workers.log"
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "JWT_SECRET": SECRET,
            "DATABASE_URL": f"sqlite:///{folder}/registro.db",
            "REGISTRO_FIXTURES": "off",
        }
        command = [sys.executable, "-m", "registro", "serve", "--port", "0", "--workers", "3"]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=environ, cwd=folder, stdout=log, stderr=log
            )
        until(lambda: len(self.ports) == 3, "the addresses", 30)
        until(lambda: all(status(port) == 200 for port in self.ports), "the workers", 30)

    @property
    def ports(self) -> list[int]:
        addresses = re.findall(r"Registro is at http://127\.0\.0\.1:(\d+)/", self._log.read_text())
        return [int(port) for port in addresses]

    @property
    def pids(self) -> list[int]:
        """Those of the workers, in the order in which they were started."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]


def status(port: int) -> int | None:
    """What a worker answers; None when it refuses the connection. Raises TimeoutError."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/salud/lista")
        return connection.getresponse().status
    except ConnectionError:
        return None
    finally:
        connection.close()


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    workers = Workers(tmp_path)
    yield workers
    workers.process.send_signal(signal.SIGTERM)
    assert workers.process.wait(30) == 0


def test_a_dead_worker_refuses_until_it_is_started_again(workers: Workers) -> None:
    first, *others = workers.ports
    os.kill(workers.pids[0], signal.SIGKILL)
    until(lambda: status(first) is None, "connections to be refused")
    assert [status(port) for port in others] == [200, 200]
    until(lambda: status(first) == 200, "the worker to be there again", 30)
