"""Input that makes no sense gets a clear error, stores nothing and harms nobody."""

import json
from contextlib import suppress

import pytest

from tests.support.raw import RAW, TransportClosed
from tests.support.world import name, stored

MESSAGE = "mensaje_privado"
GOOD = {"para": "admin", "mensaje": "sigo aquí"}


@pytest.fixture(params=RAW)
def raw(request, server):
    """Somebody who has joined over a raw transport, before and after whose test all is well."""
    cookie = {"Cookie": f"token={server.token(name('raw'))}"}
    with RAW[request.param](server.url, cookie) as raw:
        raw.join()
        assert raw.call(MESSAGE, GOOD)["seq"] == 1
        before = told(server)
        yield raw
        assert told(server) == before
    with RAW[request.param](server.url, cookie) as again:
        assert again.join().call(MESSAGE, GOOD)["seq"] == 2


def told(server):
    """Everything stored but connections, which come and go."""
    return [e for e in stored(server) if not e["type"].startswith("connection:")]


def code(answer):
    assert answer["ok"] is False
    assert set(answer["error"]) == {"codigo", "mensaje"}
    return answer["error"]["codigo"]


def still_well(raw):
    """The same transport goes on: typing is answered and stores nothing."""
    return raw.call("escribiendo", {"para": "admin"}, number=99) == {"ok": True}


@pytest.mark.parametrize(
    "payload",
    [
        None, 1, 1.5, True, "hola", [], [GOOD], {}, {"para": "admin"}, {"mensaje": "x"},
        {"para": None, "mensaje": "x"}, {"para": 1, "mensaje": "x"}, {"para": [], "mensaje": "x"},
        {"para": {"a": {"b": {}}}, "mensaje": "x"}, {"para": "", "mensaje": "x"},
        {"para": " admin", "mensaje": "x"}, {"para": "a\0", "mensaje": "x"},
        {"para": "x" * 10_000, "mensaje": "x"}, {"para": "\ud800", "mensaje": "x"},
        {"para": "admin", "mensaje": None}, {"para": "admin", "mensaje": 7},
        {"para": "admin", "mensaje": ["x"]}, {"para": "admin", "mensaje": {"x": {}}},
        {"para": "admin", "mensaje": "a\0b"}, {"para": "admin", "mensaje": "a\ud800b"},
        {"para": "admin", "mensaje": "\udc00\ud800"}, GOOD | {"id": 7}, GOOD | {"id": "x"},
        GOOD | {"id": ""}, GOOD | {"id": []}, GOOD | {"visto": "1"}, GOOD | {"visto": -1},
        GOOD | {"visto": 1.5}, GOOD | {"visto": True}, GOOD | {"visto": 2**70},
        GOOD | {"visto": {}},
    ],
)  # fmt: skip
def test_a_payload_that_makes_no_sense_is_refused(raw, payload):
    assert code(raw.call(MESSAGE, payload, number=1)) == "datos_invalidos"
    assert still_well(raw)


@pytest.mark.parametrize("event", [MESSAGE, "leido", "escribiendo", "sincronizar"])
def test_no_payload_at_all_is_refused(raw, event):
    assert code(raw.call(event, number=1)) == "datos_invalidos"
    assert still_well(raw)


def test_an_unknown_event_is_refused(raw):
    for event in ("mensaje_recibido", "__init__", "join", "", "x" * 10_000):
        assert code(raw.call(event, {}, number=1)) == "datos_invalidos"
    assert still_well(raw)


def test_numbers_that_json_does_not_have_are_refused(raw):
    for number, value in enumerate(("NaN", "Infinity", "1e999")):
        raw.send(f'42{number}["{MESSAGE}",{{"para":"admin","mensaje":{value}}}]')
        assert code(raw.acknowledgement(number)) == "datos_invalidos"
    assert still_well(raw)


def test_unknown_fields_and_further_arguments_are_ignored(server, node, world):
    user = world.user()
    answer = user.say("admin", "con más", extra={"deep": [1, None, {"x": "\ud800"}]}, de="admin")
    assert answer["ok"]
    assert user.call(MESSAGE, GOOD, "x", 7, {})["seq"] == 2


@pytest.mark.parametrize("event", ["connect", "disconnect", "connect_error"])
def test_forged_events_of_the_library_never_reach_its_handlers(raw, event):
    environ = {"HTTP_COOKIE": "token=x", "sanic.request": {}}
    for number, arguments in enumerate(([], [environ], ["forged", environ, {"token": "x"}])):
        assert code(raw.call(event, *arguments, number=number)) == "datos_invalidos"
    assert still_well(raw)


def test_a_second_connect_changes_nothing(raw):
    raw.send('40{"token":"x"}')
    with suppress(TransportClosed):  # closing it is clear enough, too
        assert still_well(raw)


@pytest.mark.parametrize(
    "packet",
    [
        "4", "42", "42[", "42{}", "42[]", "42[1]", '42["mensaje_privado"', "42null", "49[]", "4x",
        "42" + "[" * 100_000, '42/otro,["mensaje_privado",{}]', "40/otro,", '43["x"]', "4399[]",
        '451-["mensaje_privado",{"_placeholder":true,"num":0}]', "45999999999-[]", '451-["x"]',
        '42999999999999999999999["mensaje_privado",{}]', "7", "9", "x", "",
    ],
)  # fmt: skip
def test_packets_that_no_client_sends_harm_nobody(raw, packet):
    with suppress(TransportClosed):
        raw.send(packet)
        raw.send(packet)


@pytest.mark.parametrize("packet", ["7", "9", "x", ""])
def test_what_is_no_packet_of_the_protocol_closes_the_connection(raw, packet):
    with suppress(TransportClosed):
        raw.send(packet)
    if packet or isinstance(raw, RAW["websocket"]):  # an empty POST brings no packet at all
        assert raw.closed(within=5)


@pytest.mark.parametrize("data", [b"", b"\0", b"\xff" * 1000])
def test_bytes_that_nothing_announced_harm_nobody(raw, data):
    with suppress(TransportClosed):
        raw.send(data)
        raw.send(data)


def test_binary_payloads_are_refused(world):
    user = world.user()
    before = told(world.server)
    for payload in (b"\0\xff", {"para": "admin", "mensaje": b"x"}, {"para": b"x", "mensaje": "x"}):
        assert code(user.call(MESSAGE, payload)) == "datos_invalidos"
    assert told(world.server) == before
    assert user.say("admin", "sigo aquí")["ok"]


def test_a_frame_above_one_mebibyte_closes_the_connection(raw):
    event = json.dumps([MESSAGE, {"para": "admin", "mensaje": "x" * (1 << 20)}])
    try:
        raw.send(f"42{event}")
    except TransportClosed:
        return
    assert raw.closed(within=5)


def test_two_megabytes_close_the_connection_and_nothing_else(world):
    user, other = world.user(), world.user()
    before = told(world.server)
    user.tell(MESSAGE, {"para": "admin", "mensaje": "x" * (2 << 20)})
    user.closed()
    assert told(world.server) == before
    assert other.say("admin", "sigo aquí")["ok"]
    assert user.connect_again().say("admin", "yo también")["seq"] == 1


def test_a_large_frame_below_that_is_answered(raw):
    answer = raw.call(MESSAGE, {"para": "admin", "mensaje": "x" * 1_000_000}, number=1)
    assert code(answer) == "mensaje_largo"
    assert still_well(raw)


def test_many_packets_in_one_post_are_all_handled(server):
    cookie = {"Cookie": f"token={server.token(name())}"}
    with RAW["polling"](server.url, cookie) as raw:
        raw.join()
        event = json.dumps([MESSAGE, GOOD])
        assert raw.post(*(f"42{number}{event}" for number in range(200))) == 200
        assert [raw.acknowledgement(n)["seq"] for n in range(200)] == list(range(1, 201))


def test_a_post_that_cannot_be_decoded_closes_the_session(server):
    cookie = {"Cookie": f"token={server.token(name())}"}
    for body in (b"\xff\xfe", b"bnot base64!", b"42[\x1ezzz"):
        with RAW["polling"](server.url, cookie) as raw:
            raw.join()
            raw.post_body(body)
            assert raw.closed(within=5), body
