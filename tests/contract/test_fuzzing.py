"""Whatever clients send to the sockets, the server answers, lives on and has no traceback.

The examples are the same each time; with --long there are many more, and others each time.
"""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.conftest import SECRET
from tests.support.nonsense import any_json, any_text, encodable_text, mostly
from tests.support.raw import RAW, RawPolling, TransportClosed
from tests.support.server import Server
from tests.support.usage import usage
from tests.support.world import name

EVENTS = {
    "mensaje_privado": st.fixed_dictionaries(
        {},
        optional={
            "para": mostly("admin", "eva", "ana", "nobody"),
            "mensaje": mostly("hola", "x" * 4000, "x" * 4001),
            "id": mostly("0b2e3b52-6f0c-4f6e-8a52-0a5e1a3f7c11", "not-a-uuid"),
            "visto": mostly(0, 1, 2**53, -1),
        },
    ),
    "leido": st.fixed_dictionaries(
        {}, optional={"conversacion": mostly("{conversation}"), "seq": mostly(0, 1, 2**53)}
    ),
    "escribiendo": st.fixed_dictionaries({}, optional={"para": mostly("admin", "eva")}),
    "sincronizar": st.fixed_dictionaries(
        {},
        optional={
            "vistos": st.one_of(
                st.dictionaries(mostly("{conversation}").map(str), mostly(0, 1), max_size=3),
                any_json,
            ),
            "cursor": mostly("0", "1", "999999999999"),
        },
    ),
}
"""Every event of the contract, with payloads that are nearly right."""

FEW = settings(
    max_examples=120, derandomize=True, deadline=None, database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
MANY = settings(FEW, max_examples=4000, derandomize=False)

calls = st.one_of(
    [st.tuples(st.just(event), st.tuples(payload)) for event, payload in EVENTS.items()]
    + [
        st.tuples(
            mostly(*EVENTS, "connect", "disconnect", "message"), st.tuples(any_json, any_json)
        )
    ]
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environ = {"JWT_SECRET": SECRET, "REGISTRO_MESSAGE_RATE": "0"}
    with Server(tmp_path_factory.mktemp("fuzz"), environ) as server:
        yield server
        assert server.alive
        assert "Traceback" not in server.output()


def well(server: Server) -> None:
    """Somebody else is served."""
    with RAW["websocket"](server.url, cookie(server)) as raw:
        raw.join()
        assert raw.call("mensaje_privado", {"para": "admin", "mensaje": "hola"})["ok"]


def cookie(server: Server, user: str | None = None, rol: str = "user") -> dict[str, str]:
    return {"Cookie": f"token={server.token(user or name('fuzz'), rol)}"}


def answered(server: Server, rules: settings, transport: str, rol: str) -> None:
    """Every event is acknowledged with one of the contract's answers, or (what cannot be decoded)
    closes the connection."""
    headers = cookie(server, rol=rol)
    numbers = iter(range(10**9))
    open_raw = [RAW[transport](server.url, headers).join()]
    said = open_raw[0].call(
        "mensaje_privado", {"para": "admin" if rol == "user" else "eva", "mensaje": "hola"}
    )
    conversation = said.get("conversacion", "")

    @rules
    @given(calls)
    def events(call: tuple[object, tuple[object, ...]]) -> None:
        number = next(numbers)
        event = json.dumps([call[0], *call[1]]).replace("{conversation}", conversation)
        try:
            open_raw[0].send(f"42{number}{event}")
            answer = open_raw[0].acknowledgement(number)
        except TransportClosed:
            open_raw[0].close()
            open_raw[0] = RAW[transport](server.url, headers).join()
            return
        assert answer["ok"] is True or set(answer["error"]) >= {"codigo", "mensaje"}
        assert answer["ok"] or answer["error"]["codigo"] != "no_disponible"

    try:
        events()
    finally:
        open_raw[0].close()


@pytest.mark.parametrize(("transport", "rol"), [("websocket", "user"), ("polling", "admin")])
def test_every_event_is_answered_whatever_is_in_it(
    server: Server, transport: str, rol: str
) -> None:
    answered(server, FEW, transport, rol)
    well(server)


packets = st.one_of(
    encodable_text,
    st.binary(max_size=300),
    st.builds(lambda head, tail: head + tail, st.sampled_from(["0", "1", "2", "3", "4", "40", "41",
        "42", "43", "44", "45", "451-", "4299999", "42/x,", "5", "6", "b"]), encodable_text),
)  # fmt: skip


def harmless(server: Server, rules: settings, transport: str) -> None:
    @rules
    @given(st.lists(packets, min_size=1, max_size=4))
    def one(sent: list[str | bytes]) -> None:
        with RAW[transport](server.url, cookie(server)) as raw, suppress(TransportClosed):
            raw.join()
            for packet in sent:
                raw.send(packet)

    one()


@pytest.mark.parametrize("transport", RAW)
def test_packets_of_any_kind_harm_nobody(server: Server, transport: str) -> None:
    harmless(server, settings(FEW, max_examples=40), transport)
    well(server)


def polling_bodies(server: Server, rules: settings) -> None:
    @rules
    @given(
        st.one_of(st.binary(max_size=2000), any_text.map(lambda t: t.encode("utf-8", "replace")))
    )
    def one(body: bytes) -> None:
        raw = RawPolling(server.url, cookie(server))
        status, _ = raw.request("POST", body)
        assert status in (0, 200, 400, 413)

    one()


def test_a_polling_body_of_any_bytes_is_answered(server: Server) -> None:
    polling_bodies(server, settings(FEW, max_examples=40))
    well(server)


def test_a_query_of_any_kind_is_answered_by_the_engine(server: Server) -> None:
    @settings(FEW, max_examples=60)
    @given(
        st.sampled_from(["GET", "POST", "OPTIONS", "HEAD", "PUT", "TRACE"]),
        st.dictionaries(
            st.sampled_from(["EIO", "transport", "sid", "j", "t", "b64"]),
            st.one_of(st.sampled_from(["4", "3", "polling", "websocket", "x", ""]), any_text).map(
                lambda text: text.encode("utf-8", "replace").decode()[:2000]
            ),
        ),
    )
    def one(method: str, query: dict[str, str]) -> None:
        answer = httpx.request(method, f"{server.url}/socket.io/", params=query, timeout=10)
        assert answer.status_code < 500, (method, query, answer.text)

    one()


RAW_BYTES = [
    b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET / HTTP/1.1\r\n: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET //evil\\x HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET * HTTP/1.1\r\nHost: x\r\n\r\n", b"CONNECT x:1 HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"POST /auth HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    b"POST /auth HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST /auth HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    b"POST /auth HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /auth HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    b"POST /auth HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n\r\n",
    b"POST /auth HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\nx",
    b"POST /auth HTTP/1.1\r\nExpect: magic\r\nContent-Length: 1\r\n\r\nx",
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
    b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nCookie: \xff\xfe; token=\xc3\x28\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: \xff\r\nAccept: \0\r\n\r\n",
    b"GET /soporte HTTP/1.1\r\nHost: x\r\nForwarded: by=\"\r\nX-Forwarded-For: ,,\r\n\r\n",
    b"GET /static/x/%2e%2e%2f%2e%2e%2fapp.py HTTP/1.1\r\nHost: x\r\n\r\n",
]  # fmt: skip


def told(server: Server, data: bytes) -> bytes:
    """What the HTTP port answers to some bytes, after which the other side says no more."""
    address = urlsplit(server.url)
    assert address.hostname is not None
    answer = b""
    with (
        socket.create_connection((address.hostname, address.port or 80), 10) as connection,
        suppress(ConnectionError),
    ):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while part := connection.recv(65_536):
            answer += part
    return answer


def test_any_bytes_on_the_port_get_an_answer_that_is_no_error_of_ours(server: Server) -> None:
    chance = random.Random(7)
    for data in RAW_BYTES:
        changed = bytearray(data)
        for _ in range(3):
            assert not told(server, bytes(changed)).startswith(b"HTTP/1.1 5"), changed
            for _ in range(3):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
    well(server)


def test_two_requests_in_one_cannot_be_made_by_lengths_that_disagree(server: Server) -> None:
    """Request smuggling: a proxy and we would see different ends of the first request."""
    hidden = b"GET /salud/viva HTTP/1.1\r\nHost: x\r\n\r\n"
    for head in (
        b"Content-Length: 0\r\nContent-Length: 40\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 40\r\n",
        b"Content-Length: 40\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: xchunked\r\n",
    ):
        request = b"POST /auth HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n0\r\n\r\n" + hidden
        assert b'"ok":true' not in told(server, request), head


@pytest.mark.long
@pytest.mark.timeout(900)
def test_thousands_of_events_packets_and_bodies_leave_memory_as_it_was(server: Server) -> None:
    answered(server, settings(MANY, max_examples=500), "websocket", "user")
    before = usage(server.pid)
    answered(server, MANY, "websocket", "user")
    answered(server, MANY, "polling", "admin")
    for transport in RAW:
        harmless(server, settings(MANY, max_examples=1000), transport)
    polling_bodies(server, settings(MANY, max_examples=1000))
    well(server)
    after = usage(server.pid)
    assert after.memory - before.memory < 30_000_000, (before, after)
    assert after.files - before.files < 10, (before, after)
