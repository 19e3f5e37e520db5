"""The official JavaScript client, driven from Python: `client.mjs` in one Node process."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Condition, Thread
from types import TracebackType
from typing import Any, NamedTuple

DRIVER = Path(__file__).with_name("client.mjs")
PATIENCE = 10
"""Seconds to wait for something that has to happen; it takes milliseconds when all is well."""

TRANSPORTS: Mapping[str, list[str]] = {
    "polling": ["polling"],
    "websocket": ["websocket"],
    "upgrade": ["polling", "websocket"],
}


class Report(NamedTuple):
    """Something that happened to a client; `what` is one of `client.mjs`."""

    what: str
    data: Any


class Clients:
    """The Node process. Not for use by several threads."""

    def __init__(self) -> None:
        node = shutil.which("node") or str(Path(sys.executable).with_name("node"))
        self._process = subprocess.Popen(
            [node, str(DRIVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._numbers = itertools.count(1)
        self._clients: dict[int, Client] = {}
        self.changed = Condition()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Clients:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._reader.join(10)
        self._process.stdout.close()

    def open(self, url: str, transport: str, **options: Any) -> Client:
        """Starts to connect, with options of `io()`; does not wait for it."""
        client = Client(self, next(self._numbers), transport)
        self._clients[client.number] = client
        options = {"transports": TRANSPORTS[transport]} | options
        self.command("open", client.number, url=url, options=options)
        return client

    def command(self, op: str, client: int, **more: Any) -> None:
        assert self._process.stdin is not None
        line = json.dumps({"op": op, "client": client} | more, default=_bytes)
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            fields = json.loads(line)
            with self.changed:
                report = Report(fields["what"], fields.get("data"))
                self._clients[fields["client"]].happened(report)
                self.changed.notify_all()


def _bytes(value: object) -> dict[str, str]:
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    raise TypeError(f"{value!r} cannot be sent")


class Client:
    """One Socket.IO client. What waits raises AssertionError when it does not happen in time."""

    def __init__(self, clients: Clients, number: int, transport: str) -> None:
        self.number = number
        self.transport = transport
        self.user = ""
        self.reports: list[Report] = []
        self._clients = clients
        self._emits = itertools.count(1)
        self._answers: dict[int, list[Any]] = {}

    def happened(self, report: Report) -> None:
        if report.what == "ack":
            self._answers[report.data["number"]] = report.data["answers"]
        self.reports.append(report)

    # What it does

    def connected(self) -> Client:
        """Waits until it is connected, over the transport that it shall end up with."""
        wanted = "upgrade" if self.transport == "upgrade" else "connect"
        self.wait(lambda: self.count(wanted) or self.count("connect_error"), "to be connected")
        assert self.of("connect_error") == []
        self.wait(lambda: self.count("connect"), "to be connected")
        return self

    def emit(self, event: str, *args: Any) -> Answer:
        """Sends an event; the answer may be asked for later."""
        number = next(self._emits)
        self._clients.command("emit", self.number, number=number, event=event, args=args)
        return Answer(self, number)

    def tell(self, event: str, *args: Any) -> None:
        """Sends an event without asking for an acknowledgement."""
        self._clients.command("emit", self.number, number=None, event=event, args=args)

    def call(self, event: str, *args: Any) -> Any:
        """Sends an event and waits for the acknowledgement."""
        return self.emit(event, *args).value

    def say(self, para: str, mensaje: str, **more: Any) -> dict[str, Any]:
        """Sends a message and waits for the acknowledgement."""
        answer: dict[str, Any] = self.call(
            "mensaje_privado", {"para": para, "mensaje": mensaje} | more
        )
        return answer

    def close(self) -> None:
        self._clients.command("close", self.number)

    def drop(self) -> None:
        """Loses the transport without a word to the server."""
        self._clients.command("drop", self.number)

    def connect_again(self) -> Client:
        """Connects after it was closed, and waits for it."""
        before = self.count("connect")
        self._clients.command("connect", self.number)
        self.wait(lambda: self.count("connect") > before, "to be connected again")
        return self

    # What happened to it

    def of(self, what: str) -> list[Any]:
        """The data of all reports of one kind so far."""
        with self._clients.changed:
            return [report.data for report in self.reports if report.what == what]

    def count(self, what: str) -> int:
        return len(self.of(what))

    def got(self, name: str) -> list[Any]:
        """The payloads of all events of one name so far."""
        return [event["args"][0] for event in self.of("event") if event["name"] == name]

    def next(self, name: str, count: int = 1) -> Any:
        """Waits until `count` events of one name have come; the payload of that last one."""
        self.wait(lambda: len(self.got(name)) >= count, f"{count} {name}")
        return self.got(name)[count - 1]

    def refusal(self) -> str:
        """Waits for a connect error, and until the server has closed the transport, too."""
        self.wait(lambda: self.count("connect_error"), "a refusal")
        self.wait(lambda: self.count("close"), "the transport to be closed")
        return str(self.of("connect_error")[0])

    def closed(self, within: float = PATIENCE) -> None:
        """Waits until the transport has ended."""
        self.wait(lambda: self.count("close"), "the transport to be closed", within)

    def answered(self, number: int) -> bool:
        return number in self._answers

    def answer(self, number: int, within: float) -> Any:
        self.wait(lambda: number in self._answers, "an acknowledgement", within)
        (value,) = self._answers[number]
        return value

    def wait(self, met: Callable[[], object], what: str, within: float = PATIENCE) -> None:
        """Waits for a condition on what was reported."""
        with self._clients.changed:
            happened = self._clients.changed.wait_for(met, within)
            assert happened, f"{self.user} waited {within} s for {what}: {self.reports[-10:]}"


class Answer(NamedTuple):
    """The acknowledgement of one event."""

    client: Client
    number: int

    @property
    def value(self) -> Any:
        """Waits for it."""
        return self.client.answer(self.number, PATIENCE)

    @property
    def came(self) -> bool:
        return self.client.answered(self.number)


def until(met: Callable[[], object], what: str, within: float = PATIENCE) -> None:
    """Waits for a condition that nobody reports."""
    deadline = time.monotonic() + within
    while not met():
        assert time.monotonic() < deadline, f"waited {within} s for {what}"
        time.sleep(0.01)


def running() -> Iterator[Clients]:
    """For a fixture: a Node process for as long as it is wanted."""
    with Clients() as clients:
        yield clients
