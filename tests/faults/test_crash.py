"""A server that is killed, stopped or counted while people write: what was acknowledged is stored.

1. SIGKILL under load: after the restart every acknowledged message is there once, nothing was
   delivered that is not stored, the log verifies, and open connections were closed by events.
2. SIGTERM under load: the same, with exit code 0 and nothing left to close.
3. Serial sends under strace: a sync of the disk between each message and its acknowledgement.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import SECRET
from tests.support import clients
from tests.support.clients import Clients, until
from tests.support.raw import RawWebSocket
from tests.support.server import Server
from tests.support.world import World, name, stored

SENDERS = 4
MESSAGES = 400
ENVIRON = {
    "JWT_SECRET": SECRET,
    "REGISTRO_NODE_LEASE_SECONDS": "1",
    "REGISTRO_MESSAGE_RATE": "0",
}


@pytest.fixture(scope="module")
def node() -> Iterator[Clients]:
    yield from clients.running()


@pytest.fixture
def server(tmp_path) -> Iterator[Server]:
    with Server(tmp_path, ENVIRON) as server:
        yield server


class Load:
    """Several people who write without waiting, and an admin to whom it is delivered."""

    def __init__(self, server: Server, node: Clients) -> None:
        self.server = server
        self.world = World(server, node, "websocket")
        self.admin = self.world.admin()
        self.senders = [self.world.user() for _ in range(SENDERS)]
        self.answers = []

    def begin(self) -> None:
        """Everything is on its way; some of it has been acknowledged."""
        for number in range(MESSAGES):
            for sender in self.senders:
                payload = {"para": "admin", "mensaje": f"{sender.user} {number}"}
                self.answers.append((payload["mensaje"], sender.emit("mensaje_privado", payload)))
        self.admin.next("mensaje_recibido", 50)

    def ended(self) -> None:
        for client in (self.admin, *self.senders):
            client.closed()

    def acknowledged(self) -> set[str]:
        came = [(text, answer.value) for text, answer in self.answers if answer.came]
        return {text for text, answer in came if answer["ok"]}

    def delivered(self) -> list[str]:
        return [message["mensaje"] for message in self.admin.got("mensaje_recibido")]


def open_connections(server: Server) -> set[str]:
    opened = {e["stream"] for e in stored(server, "connection:opened")}
    return opened - {e["stream"] for e in stored(server, "connection:closed")}


def interrupt(server: Server, node: Clients, end: Callable[[], object]) -> Load:
    """Load, ended in the midst; afterwards what holds however it was ended."""
    load = Load(server, node)
    load.begin()
    end()
    load.ended()
    count = Counter(event["text"] for event in stored(server, "conversation:message:sent"))
    acknowledged, delivered = load.acknowledged(), load.delivered()
    assert acknowledged
    assert {text: count[text] for text in acknowledged} == dict.fromkeys(acknowledged, 1)
    assert set(delivered) <= count.keys()
    assert len(delivered) == len(set(delivered))
    return load


def crash_once(server: Server, node: Clients) -> None:
    load = interrupt(server, node, server.kill)
    assert len(load.acknowledged()) < SENDERS * MESSAGES, "it was killed too late to tell anything"
    left_open = open_connections(server)
    assert left_open
    server.start()
    until(lambda: not left_open & open_connections(server), "the open connections to be closed", 5)
    closings = [e for e in stored(server, "connection:closed") if e["stream"] in left_open]
    assert [e["reason"] for e in closings] == ["crash"] * len(left_open)
    server.registro("log", "verify")  # raises unless its exit code is 0
    assert World(server, node, "websocket").user().say("admin", "y ahora bien")["seq"] == 1


def test_nothing_acknowledged_is_lost_when_the_server_is_killed(server, node):
    crash_once(server, node)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_nothing_acknowledged_is_lost_in_thirty_crashes(server, node):
    for _ in range(30):
        crash_once(server, node)


def test_nothing_acknowledged_is_lost_when_the_server_is_stopped(server, node):
    codes, begin = [], time.monotonic()
    interrupt(server, node, lambda: codes.append(server.stop()))
    assert codes == [0]
    assert time.monotonic() - begin < 10
    assert open_connections(server) == set()
    server.registro("log", "verify")


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_who_comes_back_while_the_server_stops_is_not_left_open(server, node, transport):
    world = World(server, node, transport)
    back = {"reconnection": True, "reconnectionDelay": 1, "reconnectionDelayMax": 5}
    clients = [world.open(f"token={server.token(name())}", **back).connected() for _ in range(20)]
    begin = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - begin < 10
    for client in clients:
        client.close()
    assert open_connections(server) == set()
    reasons = {e["reason"] for e in stored(server, "connection:closed")}
    assert "server shutdown" in reasons
    assert "crash" not in reasons


def test_a_stopping_server_does_not_wait_for_long_polls_that_are_over(server, node):
    world = World(server, node, "polling")
    user = world.user()
    user.close()
    user.closed()
    begin = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - begin < 5
    assert "Traceback" not in server.output()


def synced(trace: Path) -> list[float]:
    """When the disk was synced, in seconds since 1970: the beginnings of the calls."""
    calls = re.findall(r"(?m)^\d+ +([0-9.]+) f(?:data)?sync\(", trace.read_text())
    return [float(moment) for moment in calls]


def test_no_acknowledgement_comes_without_a_sync_of_the_disk(tmp_path):
    trace = tmp_path / "trace"
    # -D: the server, not strace, is our child and gets the signals.
    prefix = ["strace", "-D", "-f", "-ttt", "-e", "trace=fdatasync,fsync", "-o", str(trace)]
    server, spans = Server(tmp_path, ENVIRON), []
    server.start(prefix=prefix)
    with RawWebSocket(server.url, {"Cookie": f"token={server.token(name())}"}) as raw:
        raw.join()
        for number in range(50):
            begin = time.time()
            assert raw.call("mensaje_privado", {"para": "admin", "mensaje": f"{number}"})["ok"]
            spans.append((begin, time.time()))
    assert server.stop() == 0
    until(lambda: "+++ exited with 0 +++" in trace.read_text(), "strace to end")
    moments = synced(trace)
    assert all(any(begin < at < end for at in moments) for begin, end in spans)
