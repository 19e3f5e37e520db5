"""Traces, sent to a collector of the test's own: which spans there are, and what is not in them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.conftest import SECRET
from tests.support.clients import until
from tests.support.raw import RawWebSocket
from tests.support.server import ROOT, Server

NAME = "zacarias.quebranto"
TEXT = "el texto que nadie debe ver"


class Collector:
    """Takes what an exporter posts to `/v1/traces`."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.bodies: list[bytes] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.take(body)
                self.send_response(200 if self.path == "/v1/traces" else 404)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def take(self, body: bytes) -> None:
        message = ExportTraceServiceRequest()
        message.ParseFromString(body)
        self.bodies.append(body)
        for resource in message.resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """What a server sent that has handled a request and two messages, and has stopped."""
    collector = Collector()
    environ = {
        "JWT_SECRET": SECRET,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    with Server(tmp_path_factory.mktemp("traced"), environ) as server:
        cookie = {"Cookie": f"token={server.token(NAME)}"}
        httpx.get(f"{server.url}/login?returnTo=/{NAME}", headers=cookie)
        with RawWebSocket(server.url, cookie) as raw:
            raw.join()
            assert raw.call("mensaje_privado", {"para": "admin", "mensaje": TEXT})["ok"]
            raw.call("mensaje_privado", {"para": "nadie", "mensaje": TEXT}, number=1)
        until(lambda: collector.named("deliver"), "the spans")
        assert server.stop() == 0
    yield collector
    collector.close()


def attributes(span: Span) -> dict[str, object]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


def test_a_message_is_traced_from_the_socket_to_its_delivery(collected: Collector) -> None:
    message, refused = collected.named("socket mensaje_privado")
    [append] = [one for one in collected.named("append") if one.parent_span_id == message.span_id]
    [commit] = [one for one in collected.named("commit") if one.parent_span_id == append.span_id]
    [deliver] = [one for one in collected.named("deliver") if one.parent_span_id == message.span_id]
    assert {message.trace_id, append.trace_id, commit.trace_id, deliver.trace_id} == {
        message.trace_id
    }
    assert append.start_time_unix_nano <= commit.start_time_unix_nano < commit.end_time_unix_nano
    assert deliver.end_time_unix_nano > commit.end_time_unix_nano
    assert attributes(refused)["registro.code"] == "destinatario_desconocido"


def test_a_request_is_traced_by_its_route(collected: Collector) -> None:
    [span] = collected.named("GET /login")
    assert attributes(span)["http.route"] == "/login"
    assert attributes(span)["http.response.status_code"] == 303


def test_nothing_personal_is_in_a_trace(collected: Collector) -> None:
    sent = b"".join(collected.bodies)
    assert b"socket mensaje_privado" in sent
    assert NAME.encode() not in sent
    assert TEXT.encode() not in sent
    assert b"returnTo" not in sent


WITHOUT = """
import sys
sys.modules["opentelemetry"] = None
from registro.cli import main
main(["serve", "--port", "0"])
"""


def test_a_server_that_cannot_trace_says_so_and_does_not_start(tmp_path: Path) -> None:
    environ = {
        "PYTHONPATH": str(ROOT),
        "JWT_SECRET": SECRET,
        "DATABASE_URL": f"sqlite:///{tmp_path}/registro.db",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
    }
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], env=environ, cwd=tmp_path,
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert 'expected `pip install "registro[otel]"`' in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_collector_no_traces_are_made_ready(tmp_path: Path) -> None:
    program = (
        "import sys; from registro.web.app import create; from registro import config;"
        f"create(config.load({{'JWT_SECRET': {SECRET!r}}}, None), 'untraced');"
        # redis looks whether OpenTelemetry is there.
        "ours = ('opentelemetry.exporter', 'opentelemetry.sdk.trace', 'registro.web.tracing');"
        "print([name for name in sys.modules if name.startswith(ours)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(ROOT)}, cwd=tmp_path,
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
