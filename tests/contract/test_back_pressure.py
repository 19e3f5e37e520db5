"""Those who read too little, say too much or come all at once harm nobody else."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from tests.conftest import SECRET
from tests.support.clients import Client, until
from tests.support.raw import RawPolling, RawWebSocket, TransportClosed
from tests.support.server import Server
from tests.support.world import World, texts

TEXT = "x" * 4000
ROUND = 150
"""Messages after which is looked whether a client was cut off: less than the backlog of those who
read."""

ROUNDS = 32
"""So many fill the backlog of 1 MiB, and what kernels take before."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    environ = {"JWT_SECRET": SECRET, "REGISTRO_MESSAGE_RATE": "0"}
    with Server(tmp_path_factory.mktemp("server"), environ) as server:
        yield server
        assert server.alive
        assert "Traceback" not in server.output()


def cookie(server: Server, user: str, rol: str = "user") -> dict[str, str]:
    return {"Cookie": f"token={server.token(user, rol)}"}


def deaf_websocket(server: Server, user: str) -> socket.socket:
    """An admin who joins by websocket and then reads nothing any more."""
    host, port = urlsplit(server.url).netloc.split(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # before: it does not grow
    connection.connect((host, int(port)))
    headers = (
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
        f"Host: {host}:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        f"Cookie: token={server.token(user, 'admin')}\r\n\r\n"
    )
    connection.sendall(headers.encode())
    receive(connection, b"pingTimeout")
    connection.sendall(bytes((0x81, 0x82, 0, 0, 0, 0)) + b"40")  # masked with zeros
    receive(connection, b"40{")
    return connection


def receive(connection: socket.socket, wanted: bytes) -> None:
    connection.settimeout(10)
    received = b""
    while wanted not in received:
        received += connection.recv(4096)


def flood(world: World, count: int) -> None:
    """Sends so many long messages to the desk, and waits until all are stored."""
    user = world.user()
    answers = [
        user.emit("mensaje_privado", {"para": "admin", "mensaje": TEXT}) for _ in range(count)
    ]
    assert all(answer.value["ok"] for answer in answers)


def test_a_websocket_that_does_not_read_is_cut_off(server, node):
    world = World(server, node, "websocket")
    reader = world.admin()
    with deaf_websocket(server, "deaf-1"):
        sent = flood_until_gone(world, reader, "deaf-1")
    world.settle(reader)
    assert len(texts(reader)) == sent
    world.close()


def flood_until_gone(world: World, reader: Client, user: str) -> int:
    """Floods until a user is cut off; returns how many messages that took. `reader`, who is sent
    them too, takes each round before the next, or would be cut off on a busy machine."""
    for rounds in range(1, ROUNDS + 1):
        flood(world, ROUND)
        world.settle(reader)
        with contextlib.suppress(AssertionError):
            until(lambda: gone(reader, user), "somebody to be cut off", 0.2)
            return rounds * ROUND
    raise AssertionError("nobody was cut off")


def gone(admin, user: str) -> bool:
    states = [one["conectado"] for one in admin.got("presencia") if one["user"] == user]
    return bool(states) and not states[-1]


def test_a_poller_who_does_not_poll_is_cut_off(server, node):
    world = World(server, node, "websocket")
    reader = world.admin()
    with RawPolling(server.url, cookie(server, "deaf-2", "admin")) as deaf:
        deaf.join()
        flood_until_gone(world, reader, "deaf-2")
    world.close()


def test_one_answer_may_be_larger_than_the_backlog(server, node):
    world = World(server, node, "websocket")
    flood(world, 200)
    with RawWebSocket(server.url, cookie(server, "page-reader", "admin")) as admin:
        admin.join()
        answer = admin.call("sincronizar", {"vistos": {}})
        assert answer["ok"]
    world.close()


def test_a_flooding_sender_is_slowed_then_refused_and_others_are_not(tmp_path, node):
    rate = 40
    environ = {"JWT_SECRET": SECRET, "REGISTRO_MESSAGE_RATE": str(rate)}
    with Server(tmp_path, environ) as server:
        world = World(server, node, "websocket")
        flooder, other = world.user(), world.user()
        began = time.monotonic()
        answers = [
            flooder.emit("mensaje_privado", {"para": "admin", "mensaje": f"{n}"})
            for n in range(rate * 20 + 250)
        ]
        delays = []
        while not answers[-1].came:
            asked = time.monotonic()
            assert other.say("admin", "hola")["ok"]
            delays.append(time.monotonic() - asked)
            time.sleep(0.05)
        seconds = time.monotonic() - began
        codes = [answer.value.get("error", {}).get("codigo") for answer in answers]
        accepted = codes.count(None)
        assert set(codes) == {None, "limite_superado"}
        assert codes[: rate * 20] == [None] * (rate * 20)
        assert accepted <= rate * (20 + seconds) + 1
        assert seconds > 1  # the last tenth is taken at twice the rate, the rest at the rate
        assert sorted(delays)[len(delays) // 2] < 0.25
        world.close()


def test_a_socket_that_asks_on_and_on_is_slowed(server):
    with RawWebSocket(server.url, cookie(server, "asker")) as asker:
        asker.join()
        began = time.monotonic()
        for number in range(420):
            asker.send(f'42{number}["sincronizar",{json.dumps({"vistos": {}})}]')
        assert asker.acknowledgement(419, 30)["ok"]
        assert time.monotonic() - began > 1


def test_a_storm_of_newcomers_is_let_in_at_the_set_rate(tmp_path):
    environ = {"JWT_SECRET": SECRET, "REGISTRO_CONNECTION_RATE": "20"}
    with Server(tmp_path, environ) as server:
        headers = cookie(server, "storm")

        def come(_: int) -> float | None:
            """Seconds until one of them was in; None when they were asked to come again."""
            began = time.monotonic()
            try:
                with RawPolling(server.url, headers):
                    return time.monotonic() - began
            except TransportClosed:
                return None

        began = time.monotonic()
        with ThreadPoolExecutor(160) as storm:
            waits = list(storm.map(come, range(160)))
        let_in = [wait for wait in waits if wait is not None]
        # A second's worth at once, five seconds' worth in line, never more than the rate allows.
        assert 115 <= len(let_in) <= 20 + 20 * (time.monotonic() - began) + 1
        assert 4 < max(let_in) < 7
        until(lambda: come(0) is not None, "the storm to be over", 10)
