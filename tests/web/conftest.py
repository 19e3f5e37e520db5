"""Requests to a real server with the sample data."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from tests.conftest import SECRET
from tests.support.server import Server

ADMIN, USER = "ana", "flor.ba"


class Site:
    """A running server, and clients that behave like browsers without following redirects."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.password = (server.folder / "registro.db.demo").read_text().strip()
        self._clients: list[httpx.Client] = []

    def client(self, **headers: str) -> httpx.Client:
        client = httpx.Client(base_url=self.server.url, headers=headers, timeout=20)
        self._clients.append(client)
        return client

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def as_(self, user: str, rol: str = "user") -> httpx.Client:
        """Somebody with a token of their own."""
        client = self.client()
        client.cookies.set("token", self.server.token(user, rol))
        return client

    def logged_in(self, user: str) -> httpx.Client:
        """Somebody who logged in through the form."""
        client = self.client()
        answer = client.post("/auth", data={"user": user, "pass": self.password})
        assert answer.status_code == 303, answer.text
        return client


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Server(tmp_path_factory.mktemp("site"), {"JWT_SECRET": SECRET}, fixtures=True) as server:
        site = Site(server)
        yield site
        site.close()


def events(site: Site, type_: str) -> list[dict[str, Any]]:
    """The payloads of the log's events of a type, or of all types that begin with it, in order."""
    path = site.server.folder / "registro.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        rows = database.execute(
            "SELECT payload FROM log_event WHERE payload IS NOT NULL"
            " AND (type = :type OR type LIKE :type || ':%') ORDER BY position",
            {"type": type_},
        ).fetchall()
    return [json.loads(payload) for (payload,) in rows]


def heading(page: str) -> str:
    """The first heading of a page, without markup."""
    found = re.search(r"<h1[^>]*>(.*?)</h1>", page, re.DOTALL)
    return re.sub(r"<[^>]+>", "", found[1]).strip() if found else ""
