"""A soak: people who write, come and go, an admin who looks around, somebody hostile. At the end
the server uses what it used at the beginning, and the log has what was acknowledged, once.

Two minutes long; `--soak-seconds 600` for ten.
"""

from __future__ import annotations

import random
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import SECRET
from tests.support.nonsense import NASTY
from tests.support.raw import RAW, TransportClosed
from tests.support.server import ROOT, Server
from tests.support.usage import Usage, usage
from tests.support.world import stored_texts

WARM_UP = 15
"""Seconds of the same load before what is used is measured: caches fill."""

SETTLE = 12
"""Seconds after it: what was half open is closed within ten."""

GROWTH = 40_000_000
"""Bytes of resident memory that the load may leave behind, whatever it lasts: what caches hold once
they are full, and the queues of those who left without a word."""

PAGES = ["/soporte", "/soporte?estado=todas", "/soporte?con=soak-1", "/admin", "/admin/personas",
         "/admin/registro", "/admin/conexiones", "/admin/sesiones", "/admin/buscar?q=mensaje",
         "/admin/salud-registro", "/api/bandeja", "/no/such/page"]  # fmt: skip


class Soak:
    """The load; `acknowledged` are the texts that were."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.acknowledged: list[str] = []
        self.failures: list[str] = []
        self._over = threading.Event()

    def run(self, seconds: float) -> None:
        self._over.clear()
        parts: list[Callable[[random.Random], None]] = [
            *[lambda chance, n=n: self.write(chance, n) for n in range(4)],
            self.look_around,
            self.attack,
        ]
        threads = [threading.Thread(target=self._repeat, args=(part,)) for part in parts]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        self._over.set()
        for thread in threads:
            thread.join(30)

    def _repeat(self, part: Callable[[random.Random], None]) -> None:
        chance = random.Random()
        while not self._over.is_set():
            try:
                part(chance)
            except Exception as error:  # noqa: BLE001 - reported by the test
                self.failures.append(f"{type(error).__name__}: {error}")
                return

    def write(self, chance: random.Random, number: int) -> None:
        """Comes, writes some messages, and leaves, politely or not."""
        transport = chance.choice(sorted(RAW))
        headers = {"Cookie": f"token={self.server.token(f'soak-{number}')}"}
        raw = RAW[transport](self.server.url, headers).join()
        for n in range(chance.randrange(1, 30)):
            text = f"mensaje {number} {chance.random()}"
            answer = raw.call("mensaje_privado", {"para": "admin", "mensaje": text}, number=n)
            if answer["ok"]:
                self.acknowledged.append(text)
            time.sleep(0.02)
        if chance.random() < 0.7:
            raw.close()
        elif transport == "websocket":
            raw._socket.socket.close()  # type: ignore[union-attr]
        time.sleep(0.1)

    def look_around(self, chance: random.Random) -> None:
        cookies = {"token": self.server.token("soak-admin", "admin")}
        with httpx.Client(base_url=self.server.url, cookies=cookies, timeout=20) as client:
            for _ in range(20):
                assert client.get(chance.choice(PAGES)).status_code in (200, 403, 404)
                time.sleep(0.05)

    def attack(self, chance: random.Random) -> None:
        address = urlsplit(self.server.url)
        assert address.hostname is not None
        with (
            suppress(OSError),
            socket.create_connection((address.hostname, address.port or 80), 1) as connection,
        ):
            connection.sendall(chance.randbytes(chance.randrange(1, 3000)))
            connection.sendall(b"GET /" + chance.randbytes(20) + b" HTTP/1.1\r\n\r\n")
            connection.settimeout(0.2)
            connection.recv(1000)
        headers = {"Cookie": f"token={self.server.token('soak-bad')}"}
        with suppress(TransportClosed), RAW["websocket"](self.server.url, headers) as raw:
            raw.join()
            for text in chance.sample(NASTY, 8):
                clean = text.encode("utf-8", "replace").decode()
                raw.send(chance.choice(["4", "42", '42["mensaje_privado",', "451-", "2"]) + clean)
        data = {"user": chance.choice(NASTY).encode("utf-8", "replace").decode(), "pass": "x"}
        httpx.post(f"{self.server.url}/auth", data=data, timeout=20)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    hook = ROOT / "tests/support/tasks_hook"
    environ = {
        "JWT_SECRET": SECRET,
        "PYTHONPATH": f"{hook}:{ROOT}",
        "TASKS_FILE": str(tmp_path / "tasks"),
    }
    with Server(tmp_path, environ) as server:
        yield server


def tasks(server: Server) -> Counter[str]:
    """The server's asyncio tasks, by what they run."""
    path = server.folder / "tasks"
    path.unlink(missing_ok=True)
    server.signal(signal.SIGUSR1)
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline, "the server does not tell its tasks"
        time.sleep(0.05)
    return Counter(line.split(" at ")[0] for line in path.read_text().splitlines())


def settled(server: Server) -> tuple[Usage, Counter[str]]:
    time.sleep(SETTLE)
    return usage(server.pid), tasks(server)


@pytest.mark.timeout(1500)
def test_a_soak_ends_where_it_began(server: Server, pytestconfig: pytest.Config) -> None:
    soak = Soak(server)
    soak.run(WARM_UP)
    before, tasks_before = settled(server)
    soak.run(pytestconfig.getoption("--soak-seconds"))
    after, tasks_after = settled(server)
    print(f"{len(soak.acknowledged)} messages; {before} -> {after}; {tasks_after}")
    assert soak.failures == []
    assert server.alive
    assert "Traceback" not in server.output()
    assert after.memory - before.memory < GROWTH, (before, after)
    assert abs(after.files - before.files) <= 3, (before, after)
    assert abs(after.threads - before.threads) <= 2, (before, after)
    assert tasks_after == tasks_before
    texts = Counter(stored_texts(server))
    assert [text for text in soak.acknowledged if texts[text] != 1] == []
    assert len(soak.acknowledged) > 100
    server.stop()
    assert "verified" in server.registro("log", "verify")
