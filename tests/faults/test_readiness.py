"""`/salud/lista` says what is missing, soon, and 200 again when it is back."""

from __future__ import annotations

import time
from pathlib import Path

import httpx

from tests.conftest import SECRET
from tests.support.clients import until
from tests.support.databases import DatabaseServer
from tests.support.raw import RawWebSocket
from tests.support.server import Server


def missing(server: Server) -> str | None:
    """What is missing, None when the server is ready."""
    answer = httpx.get(f"{server.url}/salud/lista", timeout=10)
    body = answer.json()
    assert (answer.status_code == 200) is body["ok"]
    falta: str | None = body.get("falta")
    return falta


def test_a_full_queue_and_then_a_store_that_is_away_are_not_ready(tmp_path: Path) -> None:
    environ = {
        "JWT_SECRET": SECRET,
        "REGISTRO_QUEUE_LIMIT": "1",
        "REGISTRO_STORE_TIMEOUT_SECONDS": "3",
    }
    with Server(tmp_path, environ) as server:
        cookie = {"Cookie": f"token={server.token('eva')}"}
        with RawWebSocket(server.url, cookie) as eva:
            eva.join()
            with server.locked():
                for number in range(3):
                    packet = f'42{number}["mensaje_privado",{{"para":"admin","mensaje":"hola"}}]'
                    eva.send(packet)
                    time.sleep(0.1)  # the first is in its transaction, the second waits
                until(lambda: missing(server) == "sitio en la cola", "a full queue")
                until(lambda: missing(server) == "registro", "the store to be away")
            until(lambda: missing(server) is None, "the store to be back")


def test_a_database_that_hangs_is_told_within_seconds(tmp_path: Path) -> None:
    database = DatabaseServer("mariadb", tmp_path / "mariadb")
    database.start()
    try:
        database.execute("CREATE DATABASE registro")
        environ = {"JWT_SECRET": SECRET, "DATABASE_URL": database.url("registro")}
        with Server(tmp_path, environ) as server:
            assert missing(server) is None
            database.pause()
            began = time.monotonic()
            assert missing(server) in ("base de datos", "registro")
            assert time.monotonic() - began < 4
            assert httpx.get(f"{server.url}/salud/viva").status_code == 200
            database.go_on()
            until(lambda: missing(server) is None, "the database to be back")
    finally:
        database.kill()
