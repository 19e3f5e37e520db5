"""Connections that say nothing, or too little, do not stay; and there are never too many."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import SECRET
from tests.support.raw import RAW, RawWebSocket
from tests.support.server import Server

ENVIRON = {
    "JWT_SECRET": SECRET,
    "REGISTRO_REQUEST_SECONDS": "1",
    "REGISTRO_MAX_CONNECTIONS": "30",
    "REGISTRO_USER_CONNECTIONS": "3",
    "REGISTRO_ADDRESS_CONNECTIONS": "5",
}
FORM = b"POST /auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("slow"), ENVIRON) as server:
        yield server


def connect(server: Server) -> socket.socket:
    address = urlsplit(server.url)
    assert address.hostname is not None
    return socket.create_connection((address.hostname, address.port or 80), 10)


def lives(connection: socket.socket, beginning: bytes, seconds: float) -> float:
    """How long a connection stays that sends `beginning` and then a byte every fifth of a second;
    at most `seconds`."""
    begun = time.monotonic()
    connection.settimeout(0.2)
    try:
        connection.sendall(beginning)
        while time.monotonic() - begun < seconds:
            try:
                if not connection.recv(65_536):
                    break
            except TimeoutError:
                connection.sendall(b"a")
    except ConnectionError:
        pass
    return time.monotonic() - begun


@pytest.mark.parametrize(
    "beginning",
    [
        b"G",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        FORM + b"Content-Length: 60000\r\n\r\nuser=",
        FORM + b"Transfer-Encoding: chunked\r\n\r\n5\r\nuser=\r\nffff\r\n",
        b"POST /admin HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n",
        FORM + b"Sec-Fetch-Site: cross-site\r\nContent-Length: 60000\r\n\r\n",
    ],
    ids=["line", "header", "body", "chunks", "405", "403"],
)
def test_a_byte_now_and_then_keeps_no_connection(server: Server, beginning: bytes) -> None:
    with connect(server) as connection:
        assert lives(connection, beginning, 12) < 10


def test_a_body_that_comes_steadily_gets_the_time_that_it_needs(server: Server) -> None:
    body = b"user=eva&pass=" + b"x" * 30_000
    head = FORM + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    with connect(server) as connection:
        connection.sendall(head)
        for at in range(0, len(body), 1500):
            connection.sendall(body[at : at + 1500])
            time.sleep(0.12)
        assert connection.recv(100).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    "headers",
    [{"Cookie": "token=" + "x" * 20_000}, {f"X-{n}": "x" * 100 for n in range(300)}],
    ids=["cookie", "many"],
)
def test_headers_above_16_kib_are_refused(server: Server, headers: dict[str, str]) -> None:
    answer = httpx.get(f"{server.url}/login", headers=headers)
    assert answer.status_code == 413
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_cookie_of_12_kib_is_no_reason_to_refuse(server: Server) -> None:
    assert httpx.get(f"{server.url}/", headers={"Cookie": "a=" + "x" * 12_000}).status_code == 200


def test_one_connection_too_many_is_closed_and_the_others_go_on(server: Server) -> None:
    with ExitStack() as stack, httpx.Client(base_url=server.url) as client:
        assert client.get("/salud/viva").status_code == 200
        idle = [stack.enter_context(connect(server)) for _ in range(40)]
        time.sleep(0.3)
        assert client.get("/salud/viva").status_code == 200
        closed = 0
        for connection in idle:
            connection.settimeout(0.05)
            try:
                closed += connection.recv(1) == b""
            except TimeoutError:
                pass
            except ConnectionError:
                closed += 1
        assert 5 <= closed < 40
    assert "Traceback" not in server.output()


def test_one_user_and_one_address_have_so_many_sockets_and_no_more(server: Server) -> None:
    eva, ana = ({"Cookie": f"token={server.token(user)}"} for user in ("eva", "ana"))
    with ExitStack() as stack:

        def arrive(headers: dict[str, str]) -> str:
            raw = stack.enter_context(RAW["websocket"](server.url, headers))
            raw.send("40")
            return str(raw.receive())

        assert all(arrive(eva).startswith("40") for _ in range(3))
        assert arrive(eva) == '44{"message":"No disponible"}'
        assert all(arrive(ana).startswith("40") for _ in range(2))
        assert arrive(ana) == '44{"message":"No disponible"}'
    with RawWebSocket(server.url, eva) as raw:  # there is room again
        time.sleep(0.3)
        raw.join()


def test_what_was_refused_is_recorded(server: Server) -> None:
    with RawWebSocket(server.url, {"Cookie": "token=worthless"}) as raw:
        raw.send("40")
        assert str(raw.receive()).startswith("44")
    server.stop()
    log = server.registro("log", "export")
    assert '"security:access:denied"' in log
    assert '"limited":2' in log
    assert '"sockets":1' in log
