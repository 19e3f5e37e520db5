"""What happens on the line: upgrades that fail, clients that hang up, packets that abuse it."""

import http.client
import json
import sqlite3
import time
from contextlib import closing, suppress

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.conftest import SECRET
from tests.support.clients import until
from tests.support.raw import RAW, RawPolling, RawWebSocket, TransportClosed
from tests.support.server import Server
from tests.support.world import name, stored, stored_texts

MESSAGE = "mensaje_privado"
GOOD = {"para": "admin", "mensaje": "sigo aquí"}


@pytest.fixture
def cookie(server):
    return {"Cookie": f"token={server.token(name())}"}


@pytest.fixture
def polling(server, cookie):
    with RawPolling(server.url, cookie) as raw:
        yield raw.join()


def upgrade(server, polling):
    """A websocket that offers to take over from a long poll."""
    sid = polling.opening["sid"]
    address = f"ws{server.url.removeprefix('http')}/socket.io/?EIO=4&transport=websocket&sid={sid}"
    return connect(address, compression=None, ping_interval=None)


def test_an_upgrade_that_never_begins_leaves_the_long_poll_alone(server, polling):
    with upgrade(server, polling):
        pass
    assert polling.call(MESSAGE, GOOD)["seq"] == 1


def test_an_upgrade_that_dies_half_way_leaves_the_long_poll_alone(server, polling):
    with upgrade(server, polling) as websocket:
        websocket.send("2probe")
        assert websocket.recv(5) == "3probe"
    assert polling.call(MESSAGE, GOOD)["seq"] == 1


@pytest.mark.parametrize("packet", ["x", "", "2", "5", "2prob", "42[]", b"2probe"])
def test_an_upgrade_that_begins_with_something_else_is_closed(server, polling, packet):
    with upgrade(server, polling) as websocket:
        websocket.send(packet)
        with pytest.raises(ConnectionClosed, match="1001"):
            websocket.recv(5)
    assert polling.call(MESSAGE, GOOD)["seq"] == 1


def test_after_an_upgrade_the_long_poll_is_over(server, polling):
    with upgrade(server, polling) as websocket:
        websocket.send("2probe")
        assert websocket.recv(5) == "3probe"
        websocket.send("5")
        websocket.send(f'427["{MESSAGE}",{json.dumps(GOOD)}]')
        received = [websocket.recv(5), websocket.recv(5)]
        assert received[0] == "6"
        assert received[1].startswith("437[")
        with pytest.raises(TransportClosed):
            polling.receive()
        assert polling.post("2") == 400


# Who hangs up


def post_and_hang_up(server, polling, packet):
    """Sends a packet by POST and does not wait for the answer."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    with closing(connection):
        connection.request("POST", polling._path, packet, polling._headers)
        time.sleep(0.2)  # it has come, and is being worked on


def test_who_hangs_up_while_they_are_let_in_is_not_let_in(tmp_path):
    with Server(tmp_path, {"JWT_SECRET": SECRET}) as server:
        user = name("ciego")
        with RawPolling(server.url, {"Cookie": f"token={server.token(user)}"}) as raw:
            with closing(sqlite3.connect(tmp_path / "registro.db", isolation_level=None)) as lock:
                lock.execute("BEGIN IMMEDIATE")  # registering them has to wait
                post_and_hang_up(server, raw, "40")
            with suppress(TransportClosed):
                assert not str(raw.receive()).startswith("40")
                raw.send(f'420["{MESSAGE}",{json.dumps(GOOD)}]')
            assert raw.closed(within=5)
        assert stored_texts(server) == []
        assert "Traceback" not in server.output()


def test_a_message_whose_sender_hangs_up_harms_nobody(server, polling):
    post_and_hang_up(server, polling, f'421["{MESSAGE}",{json.dumps(GOOD)}]')
    assert polling.acknowledgement(1)["seq"] == 1


# What is sent in pieces


@pytest.fixture(params=RAW)
def raw(request, server, cookie):
    with RAW[request.param](server.url, cookie) as raw:
        yield raw.join()


def announcing(count):
    placeholder = {"_placeholder": True, "num": 0}
    return f"45{count}-0{json.dumps([MESSAGE, {'para': 'admin', 'mensaje': placeholder}])}"


def test_an_event_with_bytes_in_it_is_refused(raw):
    raw.send(announcing(1))
    raw.send(b"\0\xff")
    assert raw.acknowledgement(0)["error"]["codigo"] == "datos_invalidos"


def test_text_where_bytes_were_announced_closes_the_connection(server, raw):
    raw.send(announcing(1))
    with suppress(TransportClosed):
        raw.send(f'421["{MESSAGE}",{json.dumps(GOOD | {"mensaje": "de contrabando"})}]')
    assert raw.closed(within=5)
    assert "de contrabando" not in "".join(stored_texts(server))


def test_more_bytes_than_a_frame_may_have_are_not_gathered(raw):
    raw.send(announcing(9))
    with suppress(TransportClosed):
        for _ in range(9):
            raw.send(b"x" * 500_000)
    assert raw.closed(within=5)


def test_more_pieces_than_any_event_needs_are_not_awaited(raw):
    with suppress(TransportClosed):
        raw.send(announcing(999_999_999))
    assert raw.closed(within=5)


@pytest.mark.parametrize("size", [(1 << 20) + 1, 2 << 20, 8 << 20])
def test_a_post_above_one_mebibyte_ends_its_session(polling, size):
    assert polling.post_body(b"4" + b"x" * size) in (0, 400, 413)
    assert polling.closed(within=5)


def test_five_hundred_packets_in_one_post_all_arrive(polling):
    event = json.dumps([MESSAGE, GOOD])
    assert polling.post(*(f"42{number}{event}" for number in range(500))) == 200
    assert [polling.acknowledgement(n)["seq"] for n in range(500)] == list(range(1, 501))


def test_another_namespace_is_refused_and_the_own_one_goes_on(raw):
    raw.send("40/otro,")
    assert str(raw.receive()).startswith("44/otro,")
    assert raw.call(MESSAGE, GOOD)["seq"] == 1


def test_a_transport_that_joins_another_namespace_alone_is_closed(server, cookie):
    for transport in RAW.values():
        with transport(server.url, cookie) as raw:
            raw.send("40/otro,")
            assert str(raw.receive()).startswith("44/otro,")
            assert raw.closed(within=5)


def test_who_leaves_the_namespace_may_come_back_and_is_recorded_twice(server):
    user = name()
    with RawWebSocket(server.url, {"Cookie": f"token={server.token(user)}"}) as raw:
        raw.join()
        raw.send("41")
        raw.send(f'42["{MESSAGE}",{json.dumps(GOOD)}]')  # nobody says this
        assert raw.join().call(MESSAGE, GOOD)["seq"] == 1
        (registration,) = [e for e in stored(server, "user:registered") if e["user"] == user]
        id_ = registration["stream"].partition("/")[2]
        opened = [e for e in stored(server, "connection:opened") if e["user"] == id_]
        closed = [e for e in stored(server, "connection:closed") if e["user"] == id_]
    assert (len(opened), [e["reason"] for e in closed]) == (2, ["client disconnect"])


def test_deep_nesting_and_huge_numbers_harm_nobody(raw):
    for number, value in enumerate(("[" * 500 + "]" * 500, "9" * 4000, "-" + "9" * 30, "1e400")):
        raw.send(f'42{number}["{MESSAGE}",{{"para":"admin","mensaje":{value}}}]')
        assert raw.acknowledgement(number)["error"]["codigo"] == "datos_invalidos"


def test_nesting_without_end_closes_the_connection_alone(server, raw, cookie):
    with suppress(TransportClosed):
        raw.send(f'421["{MESSAGE}",{"[" * 200_000}{"]" * 200_000}]')
    assert raw.closed(within=5)
    with RawWebSocket(server.url, cookie) as other:
        assert other.join().call(MESSAGE, GOOD)["seq"] == 1


# What the server forgets


def test_a_process_whose_lease_was_lost_takes_it_again(tmp_path):
    environ = {"JWT_SECRET": SECRET, "REGISTRO_NODE_LEASE_SECONDS": "1"}
    with Server(tmp_path, environ) as server:  # noqa: SIM117
        with RawWebSocket(server.url, {"Cookie": f"token={server.token(name())}"}) as raw:
            raw.join()
            with closing(sqlite3.connect(tmp_path / "registro.db", isolation_level=None)) as file:
                file.execute("DELETE FROM node")  # as survivors do with the dead

                def leases():
                    return file.execute("SELECT COUNT(*) FROM node").fetchone()[0]

                until(leases, "the lease to be taken again", 5)
            assert raw.call(MESSAGE, GOOD)["ok"]
            time.sleep(1)  # a lease's length: enough to close what seems to be left open
            assert stored(server, "connection:closed") == []
