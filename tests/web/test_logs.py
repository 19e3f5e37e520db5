"""What the server logs: a line a request and a connection, and nothing personal in any of them."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from registro.errors import Unavailable
from registro.web.logs import JsonFormatter, TextFormatter
from tests.conftest import SECRET
from tests.support.clients import until
from tests.support.raw import RawPolling, RawWebSocket
from tests.support.server import Server

NAME = "zacarias.quebranto"
SHOWN = "Zacarías Quebranto"
PASSWORD = "muy difícil de adivinar"
WRONG = "contraseña equivocada 77"
TEXT = "el texto que nadie debe ver"
CLIENT = "NavegadorDelator"

Lines = list[dict[str, Any]]


class Busy:
    """A production server after somebody was there, and the secrets of that session."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.secrets = [NAME, SHOWN, PASSWORD, WRONG, TEXT, CLIENT, SECRET, "127.0.0.1"]
        self.answers = self._visit()

    def lines(self) -> Lines:
        written = self.server.output().splitlines()
        return [json.loads(line) for line in written if line.startswith("{")]

    def requests(self, route: str) -> Lines:
        return [one for one in self.lines() if one.get("route") == route]

    def connections(self) -> Lines:
        return [one for one in self.lines() if one["logger"] == "registro.connection"]

    def _visit(self) -> dict[str, httpx.Response]:
        server = self.server
        server.registro("user", "add", NAME, "--name", SHOWN, "--password", PASSWORD)
        token, admin = server.token(NAME), server.token("jefa", "admin")
        self.secrets += [token, token.split(".")[1], admin]
        with httpx.Client(base_url=server.url, headers={"User-Agent": CLIENT}) as client:
            as_admin = {"Cookie": f"token={admin}"}
            answers = {
                "failed": client.post("/auth", data={"user": NAME, "pass": WRONG}),
                "done": client.post("/auth", data={"user": NAME, "pass": PASSWORD}),
                "api": client.get(f"/api/mensajes?con={NAME}", headers=as_admin),
                "missing": client.get(f"/{NAME}?texto={TEXT}"),
                "given": client.get("/login", headers={"X-Request-Id": f"{NAME}-1"}),
                "broken": client.post("/socket.io/?EIO=4&transport=polling&sid=" + NAME),
            }
        for transport in (RawPolling, RawWebSocket):
            with transport(server.url, {"Cookie": f"token={token}", "User-Agent": CLIENT}) as raw:
                self.secrets.append(raw.opening["sid"])
                raw.join()
                assert raw.call("mensaje_privado", {"para": "admin", "mensaje": TEXT})["ok"]
                raw.call("mensaje_privado", {"para": NAME + "?", "mensaje": TEXT}, number=1)
        with RawWebSocket(server.url, {"Cookie": "token=" + NAME}) as refused:
            refused.send("40")
            assert refused.closed()
        return answers


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Busy]:
    environ = {
        "JWT_SECRET": SECRET,
        "REGISTRO_ENV": "production",
        "REGISTRO_LOG_LEVEL": "debug",
        "REGISTRO_SLOW_REQUEST_SECONDS": "0.03",
    }
    with Server(tmp_path_factory.mktemp("busy"), environ) as server:
        yield Busy(server)


def test_nothing_personal_and_no_secret_is_logged_at_any_level(busy: Busy) -> None:
    until(lambda: len(busy.connections()) == 3, "the connections' lines")
    logged = "\n".join(json.dumps(line, ensure_ascii=False) for line in busy.lines())
    assert [secret for secret in busy.secrets if secret in logged] == []
    printed = [line for line in busy.server.output().splitlines() if not line.startswith("{")]
    assert all(line.startswith(("Registro is at", "Notice: ")) for line in printed), printed


def test_a_request_has_one_line_with_its_route_and_id(busy: Busy) -> None:
    [line] = busy.requests("/api/mensajes")
    answer = busy.answers["api"]
    assert line["request"] == answer.headers["x-request-id"]
    assert (line["method"], line["status"], line["bytes"]) == ("GET", 200, len(answer.content))
    assert line["ms"] > 0
    assert len(line["client"]) == 12


def test_a_page_that_is_not_there_has_no_address_in_its_line(busy: Busy) -> None:
    line = next(one for one in busy.requests("(none)") if one["method"] == "GET")
    assert line["status"] == 404
    assert busy.answers["missing"].headers["x-request-id"] == line["request"]
    assert line["request"] in busy.answers["missing"].text or line["status"] < 500


def test_a_slow_request_is_a_warning(busy: Busy) -> None:
    lines = {one["status"]: one["level"] for one in busy.requests("/auth")}
    assert lines == {303: "warning", 401: "warning"}  # passwords are hashed slowly
    assert busy.requests("/login")[0]["level"] == "info"


def test_a_clients_own_request_id_is_not_taken(busy: Busy) -> None:
    assert NAME not in busy.answers["given"].headers["x-request-id"]


def test_a_connection_has_one_line_when_it_ends(busy: Busy) -> None:
    until(lambda: len(busy.connections()) == 3, "the connections' lines")
    polling, websocket, refused = busy.connections()
    assert (polling["transport"], polling["reason"]) == ("polling", "client disconnect")
    assert (websocket["transport"], websocket["reason"]) == ("websocket", "transport close")
    assert (refused["reason"], refused["messages_in"]) == ("refused", 1)
    assert (websocket["messages_in"], websocket["messages_out"] >= 3) == (3, True)
    assert 0 < websocket["seconds"] < 30


def record(error: Exception, message: str = "it failed: %s", name: str = "x") -> logging.LogRecord:
    with contextlib.suppress(type(error)):
        raise error
    info = (type(error), error, error.__traceback__)
    return logging.LogRecord(name, logging.ERROR, "", 1, message, (error,), info)


@pytest.mark.parametrize("formatter", [JsonFormatter, TextFormatter])
def test_production_tells_an_exceptions_text_only_where_it_is_about_the_store(
    formatter: type[JsonFormatter | TextFormatter],
) -> None:
    quoting = formatter(full=False).format(record(KeyError("Ana")))
    assert "Ana" not in quoting
    assert "Traceback" in quoting
    assert "KeyError" in quoting
    assert "Ana" in formatter(full=True).format(record(KeyError("Ana")))
    assert "no route to it" in formatter(full=False).format(record(Unavailable("no route to it")))


def test_what_asyncio_shows_of_objects_is_left_out_in_production() -> None:
    shown = record(
        ValueError("x"), "never retrieved: %s\nfuture: <Task coro=<say('Ana')>>", "asyncio"
    )
    assert "Ana" not in JsonFormatter(full=False).format(shown)


def test_what_cannot_be_decoded_of_a_request_does_not_break_the_log() -> None:
    """Sanic reads bytes that are no UTF-8 as lone surrogates: `G\\xcaT` as a method."""
    odd = logging.LogRecord("sanic.error", logging.ERROR, "", 1, "G\udccaT", (), None)
    assert json.loads(JsonFormatter(full=True).format(odd))["message"] == "G\udccaT"
