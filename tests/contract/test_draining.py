"""A server that stops: nobody misses anything, nobody new gets in, not all come back at once."""

from __future__ import annotations

import signal
import time
import urllib.error
import urllib.request

import pytest

from tests.conftest import SECRET
from tests.support.clients import until
from tests.support.server import Server
from tests.support.world import World, stored, texts

ENVIRON = {"JWT_SECRET": SECRET, "REGISTRO_DRAIN_SECONDS": "6"}


@pytest.fixture
def stopping(tmp_path):
    with Server(tmp_path, ENVIRON) as server:
        yield server


def status(url: str) -> int | None:
    """The status that a URL answers with; None when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    except (urllib.error.URLError, ConnectionError):
        return None


@pytest.mark.parametrize("transport", ["polling", "websocket", "upgrade"])
def test_clients_are_told_when_to_come_back_and_their_ends_are_recorded(stopping, node, transport):
    world = World(stopping, node, transport)
    clients = [world.user() for _ in range(3)]
    assert stopping.stop() == 0
    pauses = [client.next("sesion_termina")["espera"] for client in clients]
    assert sorted(pauses) == [0, 5, 10]
    for client in clients:
        assert client.got("sesion_termina")[0]["motivo"] == "reinicio"
        client.closed()
    reasons = [event["reason"] for event in stored(stopping, "connection:closed")]
    assert reasons == ["server shutdown"] * 3


def test_newcomers_are_sent_elsewhere_meanwhile(stopping, node):
    world = World(stopping, node, "websocket")
    client = world.user()
    stopping.signal(signal.SIGTERM)
    client.next("sesion_termina")
    handshake = f"{stopping.url}/socket.io/?EIO=4&transport=polling"
    assert status(handshake) == 503
    assert status(f"{handshake}&sid=of-another-process") == 503
    assert status(f"{stopping.url}/salud/lista") == 503
    assert status(f"{stopping.url}/salud/viva") == 200
    client.closed()
    until(lambda: not stopping.alive, "the server to stop")
    assert status(handshake) is None


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_what_was_said_before_the_end_is_stored_and_acknowledged(stopping, node, transport):
    world = World(stopping, node, transport)
    admin, user = world.admin(), world.user()
    answers = [
        user.emit("mensaje_privado", {"para": "admin", "mensaje": f"{n}"}) for n in range(40)
    ]
    user.wait(lambda: answers[0].came, "the first acknowledgement")
    stopping.signal(signal.SIGTERM)
    late = [user.emit("mensaje_privado", {"para": "admin", "mensaje": f"{n}"}) for n in (40, 41)]
    user.closed()
    admin.closed()
    until(lambda: not stopping.alive, "the server to stop")
    assert all(answer.came and answer.value["ok"] for answer in answers)
    acknowledged = 40 + sum(answer.came for answer in late)
    kept = [event["text"] for event in stored(stopping, "conversation:message:sent")]
    assert kept == [f"{n}" for n in range(len(kept))]
    assert len(kept) >= acknowledged
    assert texts(admin) == kept[: len(texts(admin))]
    assert len(texts(admin)) >= 40


def test_a_server_can_be_stopped_as_soon_as_it_says_where_it_is(stopping):
    for _ in range(4):
        assert stopping.stop() == 0
        stopping.start()


def test_a_server_that_cannot_finish_ends_all_the_same(tmp_path, node):
    environ = ENVIRON | {"REGISTRO_DRAIN_SECONDS": "2", "REGISTRO_STORE_TIMEOUT_SECONDS": "60"}
    with Server(tmp_path, environ) as server:
        world = World(server, node, "websocket")
        client = world.user()
        with server.locked():
            began = time.monotonic()
            assert server.stop() == 3
            assert time.monotonic() - began < 5
        client.closed()
