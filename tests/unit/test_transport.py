"""The parts of the transport that replace parts of the libraries, beside what they replace."""

from __future__ import annotations

import asyncio

import pytest
import socketio
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from registro.web.transport.codec import Json
from registro.web.transport.rooms import Manager
from registro.web.transport.websocket import WebSocket, WebSocketClosed, text_frame

STEPS = st.lists(
    st.tuples(st.sampled_from(["join", "enter", "leave", "end", "close"]), st.integers(0, 4)),
    max_size=40,
)
ROOMS = ["admins", "user:eva", "user:ana"]


class _Eio:
    def __init__(self) -> None:
        self.count = 0

    def generate_id(self) -> str:
        self.count += 1
        return f"sid-{self.count}"


def manager(kind: type[socketio.AsyncManager]) -> socketio.AsyncManager:
    made = kind()
    server = socketio.AsyncServer(async_mode="asgi", client_manager=made)
    server.eio = _Eio()
    return made


async def play(kind: type[socketio.AsyncManager], steps: list[tuple[str, int]]) -> object:
    """What a manager looks like after some steps."""
    one = manager(kind)
    sids: list[str] = []
    for verb, number in steps:
        sid = sids[number % len(sids)] if sids else None
        if verb == "join":
            sid = await one.pre_connect(f"eio-{len(sids)}", "/")
            if number:
                await one.connect(sid, "/")
            sids.append(sid)
        elif sid is None or one.rooms.get("/", {}).get(None, {}).get(sid) is None:
            continue
        elif verb == "enter":
            await one.enter_room(sid, "/", ROOMS[number % 3])
        elif verb == "leave":
            await one.leave_room(sid, "/", ROOMS[number % 3])
        elif verb == "close":
            await one.close_room(ROOMS[number % 3], "/")
        else:
            one.pre_disconnect(sid, "/")
            await one.disconnect(sid, "/", ignore_queue=True)
    rooms = {
        name: {room: dict(of) for room, of in all_.items()} for name, all_ in one.rooms.items()
    }
    return (
        rooms,
        one.pending_connect,
        one.pending_disconnect,
        [sorted(one.get_rooms(sid, "/")) for sid in sids],
    )


@given(STEPS)
def test_rooms_are_as_the_original_keeps_them(steps):
    assert asyncio.run(play(Manager, steps)) == asyncio.run(play(socketio.AsyncManager, steps))


def test_what_left_is_forgotten():
    async def come_and_go() -> Manager:
        one = manager(Manager)
        for _ in range(10):
            sid = await one.pre_connect(f"eio-{_}", "/")
            await one.connect(sid, "/")
            await one.enter_room(sid, "/", "admins")
            one.pre_disconnect(sid, "/")
            await one.disconnect(sid, "/")
        return one

    one = asyncio.run(come_and_go())
    assert (one.rooms, one._rooms_of) == ({}, {})


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300), st.sampled_from([1, 500]))
def test_a_frame_is_what_the_library_writes(text, times):
    protocol = ServerProtocol(state=State.OPEN)
    protocol.send_text((text * times).encode())
    assert text_frame(text * times) == b"".join(protocol.data_to_send())


def test_frames_of_every_length_of_length():
    for size in (0, 125, 126, 65_535, 65_536):
        protocol = ServerProtocol(state=State.OPEN)
        protocol.send_text(b"x" * size)
        assert text_frame("x" * size) == b"".join(protocol.data_to_send())


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.paused = self.gone = False

    def write(self, data: bytes) -> None:
        self.written.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def is_closing(self) -> bool:
        return self.gone

    def close(self) -> None:
        self.gone = True

    abort = close


class Pair:
    """A websocket of ours and a client of the `websockets` library."""

    def __init__(self, max_size: int = 1 << 20) -> None:
        self.wire = Wire()
        self.ours = WebSocket(self.wire, ServerProtocol(state=State.OPEN, max_size=max_size))
        self.client = ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN)

    def say(self, *frames: tuple[Opcode, bytes, bool], cut: int = 10**9) -> None:
        """Lets the client send frames; `cut` is how many bytes arrive at once."""
        for opcode, data, fin in frames:
            self.client.send_frame(Frame(opcode, data, fin))
        data = b"".join(self.client.data_to_send())
        for first in range(0, len(data), cut):
            self.ours.data_received(data[first : first + cut])

    async def heard(self) -> list[object]:
        """What the client was sent so far."""
        await asyncio.sleep(0)
        written, self.wire.written = self.wire.written, []
        self.client.receive_data(b"".join(written))
        return [(e.opcode, bytes(e.data)) for e in self.client.events_received()]


TEXT, BINARY, CONT, PING = Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.PING


@given(st.lists(st.one_of(st.text(max_size=40), st.binary(max_size=40)), max_size=30), st.data())
def test_messages_arrive_whole_and_in_order(messages, data):
    async def check() -> None:
        pair = Pair()
        frames = []
        for message in messages:
            payload = message.encode("utf-8", "replace") if isinstance(message, str) else message
            opcode = TEXT if isinstance(message, str) else BINARY
            at = data.draw(st.integers(0, len(payload)))
            if data.draw(st.booleans()):
                frames += [(opcode, payload[:at], False), (PING, b"?", True)]
                frames.append((CONT, payload[at:], True))
            else:
                frames.append((opcode, payload, True))
        pair.say(*frames, cut=data.draw(st.integers(1, 200)))
        got = [await pair.ours.recv() for _ in messages]
        assert got == [
            m.encode("utf-8", "replace").decode() if isinstance(m, str) else m for m in messages
        ]
        pings = sum(opcode is PING for opcode, _, _ in frames)
        assert await pair.heard() == [(Opcode.PONG, b"?")] * pings

    asyncio.run(check())


async def test_what_is_written_in_one_turn_goes_out_in_one_piece():
    pair = Pair()
    for text in ("uno", "dos", "tres"):
        pair.ours.write(text_frame(text))
    assert pair.wire.written == []
    await asyncio.sleep(0)
    assert len(pair.wire.written) == 1
    assert await pair.heard() == [(TEXT, b"uno"), (TEXT, b"dos"), (TEXT, b"tres")]


async def test_reading_pauses_while_messages_wait():
    pair = Pair()
    pair.say(*[(TEXT, b"x", True)] * 40)
    assert pair.wire.paused
    assert [await pair.ours.recv() for _ in range(40)] == ["x"] * 40
    waiting = asyncio.create_task(pair.ours.recv())
    await asyncio.sleep(0)
    assert not pair.wire.paused
    pair.say((TEXT, b"y", True))
    assert await waiting == "y"


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([(TEXT, b"\xff", True)], 1007),
        ([(CONT, b"x", True)], 1002),
        ([(TEXT, b"x" * 101, True)], 1009),
        ([(TEXT, b"x" * 60, False), (CONT, b"x" * 60, True)], 1009),
    ],
)
async def test_what_is_wrong_ends_the_websocket_with_the_right_code(frames, code):
    pair = Pair(max_size=100)
    pair.say(*frames)
    with pytest.raises(WebSocketClosed):
        await pair.ours.recv()
    ((opcode, data),) = await pair.heard()
    assert (opcode, int.from_bytes(data[:2], "big")) == (Opcode.CLOSE, code)
    assert pair.wire.gone


async def test_the_end_comes_after_what_was_written():
    pair = Pair()
    pair.ours.write(text_frame("adiós"))
    pair.ours.end()
    pair.ours.write(text_frame("nada más"))
    heard = await pair.heard()
    assert [opcode for opcode, _ in heard] == [TEXT, Opcode.CLOSE]
    assert pair.wire.gone


async def test_what_came_before_the_connection_was_lost_is_still_read():
    pair = Pair()
    pair.say((TEXT, b"uno", True))
    pair.ours.connection_lost(None)
    assert await pair.ours.recv() == "uno"
    with pytest.raises(WebSocketClosed):
        await pair.ours.recv()


async def test_who_waits_hears_of_the_end():
    pair = Pair()
    waiting = asyncio.create_task(pair.ours.recv())
    await asyncio.sleep(0)
    pair.ours.eof_received()
    with pytest.raises(WebSocketClosed):
        await waiting


def test_json_takes_what_orjson_refuses():
    assert Json.dumps({"a": "\ud800"}) == '{"a":"\\ud800"}'
    assert Json.loads('"\\ud800"') == "\ud800"
    with pytest.raises(ValueError, match="nested"):
        Json.loads("[" * 100_000)
