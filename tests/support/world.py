"""People of the support desk who talk to a running server, and what its log says of them."""

from __future__ import annotations

import itertools
import json
import sqlite3
from contextlib import closing
from typing import Any

from tests.support.clients import Client, Clients
from tests.support.server import Server

_numbers = itertools.count(1)
FENCE = "(fence)"


def name(stem: str = "user") -> str:
    """A user's name that no other test has."""
    return f"{stem}-{next(_numbers)}"


class World:
    """Opens clients of one transport and closes them at the end of a test."""

    def __init__(self, server: Server, clients: Clients, transport: str) -> None:
        self.server = server
        self.transport = transport
        self._clients = clients
        self._open: list[Client] = []
        self._fencer: Client | None = None

    def user(self, user: str | None = None, **claims: object) -> Client:
        """A connected client of somebody with role `user`; a new somebody without a name."""
        return self.arrive(user or name(), "user", **claims).connected()

    def admin(self, user: str | None = None, **claims: object) -> Client:
        return self.arrive(user or name("admin"), "admin", **claims).connected()

    def arrive(self, user: str, rol: str, **claims: object) -> Client:
        """The same, but does not wait whether they are let in."""
        client = self.open(f"token={self.server.token(user, rol, **claims)}")
        client.user = user
        return client

    def open(self, cookie: str | None, **options: Any) -> Client:
        """Starts to connect with a Cookie header, or without one."""
        headers = {} if cookie is None else {"Cookie": cookie}
        headers |= options.pop("extraHeaders", {})
        client = self._clients.open(
            self.server.url, self.transport, extraHeaders=headers, **options
        )
        self._open.append(client)
        return client

    def settle(self, *clients: Client) -> None:
        """Waits until everything that was stored before has reached these clients.

        Messages are delivered in the order of the log, so what has not come before a later
        message does not come at all.
        """
        if self._fencer is None:
            self._fencer = self.user(name("fencer"))
        text = f"{FENCE} {next(_numbers)}"
        for user in dict.fromkeys(client.user for client in clients):
            assert self._fencer.say(user, text)["ok"]
        for client in clients:
            client.wait(
                lambda client=client: any(
                    message["mensaje"] == text for message in client.got("mensaje_recibido")
                ),
                "the fence",
            )

    def close(self) -> None:
        for client in self._open:
            client.close()
        for client in self._open:
            if client.count("connect"):
                client.closed()


def messages(client: Client, event: str = "mensaje_recibido") -> list[dict[str, Any]]:
    """The messages that reached a client so far, without the fences."""
    return [one for one in client.got(event) if not one["mensaje"].startswith(FENCE)]


def texts(client: Client, event: str = "mensaje_recibido") -> list[str]:
    return [message["mensaje"] for message in messages(client, event)]


def stored(server: Server, *types: str) -> list[dict[str, Any]]:
    """The payloads of all events of some types in the server's SQLite file, in order; of all
    events without a type; without erased ones. Each has its `type` and `stream` added."""
    path = server.environ["DATABASE_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        rows = database.execute(
            "SELECT type, stream, payload FROM log_event"
            " WHERE payload IS NOT NULL ORDER BY position"
        ).fetchall()
    return [
        json.loads(payload) | {"type": type_, "stream": stream}
        for type_, stream, payload in rows
        if not types or type_ in types
    ]


def stored_texts(server: Server) -> list[str]:
    """The texts of all stored messages, in order."""
    return [event["text"] for event in stored(server, "conversation:message:sent")]
