"""`/metrics`: what this process does, for Prometheus. `docs/observability.md` names every metric.

No label ever has a value that somebody outside can choose: routes are templates, reasons and codes
are lists of ours, and what is none of a list is `other`. Each process tells of itself alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import platform
import time
from collections import Counter as Count
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
)
from sanic import HTTPResponse, Request
from sanic.exceptions import Forbidden, NotFound
from sanic.response import BaseHTTPResponse, raw

from registro import __version__
from registro.errors import StoreError
from registro.events import codec, reader
from registro.events.observer import Refusal
from registro.events.store import Draft, Outcome
from registro.events.types import MailReason
from registro.events.writer import Committed
from registro.projections import registry
from registro.services import Services
from registro.web import failures, requests, throttle
from registro.web.access import Access, declare
from registro.web.auth import error as api_error
from registro.web.sockets import Sockets
from registro.web.typing import App
from registro.web.watch import Limited, Watch

DATABASE_PATIENCE = 1
"""Seconds that a scrape waits for the database; without it, what only the database knows is left
out and `registro_database_up` is 0."""

LOOP_INTERVAL = 0.25
"""Seconds between looks at how late the event loop is."""

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ENDINGS = frozenset(
    {
        "borrado", "caducada", "client disconnect", "deshabilitado", "not joined", "ping timeout",
        "refused", "revocada", "server disconnect", "server shutdown", "transport close",
        "transport error",
    }
)  # fmt: skip


class _Seen(NamedTuple):
    """What the database knows: the log's end, and how far behind each following projection is, in
    events and in seconds."""

    position: int
    behind: Mapping[str, tuple[int, float]]


class _Event(NamedTuple):
    name: str
    began: float


class Metrics(Watch):
    """Counts, and tells. `bind` it to what it shall look at when it is asked."""

    def __init__(self) -> None:
        # Without a series more for each one, which nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._services: Services | None = None
        self._sockets: Sockets | None = None
        self._seen: _Seen | None = None
        self._commits: deque[tuple[int, float]] = deque(maxlen=10_000)
        self._task: asyncio.Task[None] | None = None
        new = self._counter
        self._appended = new("events_appended", "Events appended, by type.", "type")
        self._refused = new("appends_refused", "Appends refused at once.", "reason")
        self._failed = new("appends_failed", "Appends that could not be stored.", "error")
        self._retried = new("commits_retried", "Transactions tried again.", "error")
        self._read_errors = new("database_read_errors", "Errors that readers met.", "error")
        self._refusals = new("refusals", "Socket events refused, by `codigo`.", "code")
        self._limits = new("rate_limited", "What was slowed down or refused.", "what")
        self._denials = new("denials", "Logins and requests denied.", "kind")
        self._ended = new("connections_ended", "Connections that ended.", "reason")
        timed = self._histogram
        self._batch = timed("commit_events", "Events in a transaction.", _SIZES)
        self._commit = timed("commit_seconds", "What a transaction took.", _FAST)
        self._append = timed("append_seconds", "From queueing an append to its commit.", _FAST)
        self._delivery = timed(
            "delivery_seconds",
            "From the commit here, or from being recorded elsewhere, to handing events to sockets.",
            _FAST,
            "origin",
        )
        self._requests = timed(
            "http_request_seconds", "HTTP requests.", _FAST, "method", "route", "status"
        )
        self._events = timed(
            "socket_event_seconds", "Socket events, until they are answered.", _FAST, "event"
        )
        self._caught_up = timed("catch_up_messages", "Messages in a `sincronizar`.", _SIZES)
        self._late = timed("event_loop_lag_seconds", "How late the event loop is.", _FAST)
        build = Gauge("registro_build_info", "This program.", ("version", "python", "database"),
                      registry=self.registry)  # fmt: skip
        self._build = build

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"registro_{name}", text, labels, registry=self.registry)

    def _histogram(
        self,
        name: str,
        text: str,
        buckets: Sequence[float],
        *labels: str,
    ) -> Histogram:
        return Histogram(f"registro_{name}", text, labels, buckets=buckets, registry=self.registry)

    def bind(self, services: Services, sockets: Sockets) -> None:
        """Looks at these whenever it is asked."""
        self._services, self._sockets = services, sockets
        database = services.connection().dialect.name
        self._build.labels(__version__, platform.python_version(), database).set(1)
        services.denials.on_count = self.denied
        self.registry.register(self)

    async def start(self) -> None:
        self._task = asyncio.create_task(self._watch_loop(), name="event loop lag")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watch_loop(self) -> None:
        while True:
            due = time.perf_counter() + LOOP_INTERVAL
            await asyncio.sleep(LOOP_INTERVAL)
            self._late.observe(max(0.0, time.perf_counter() - due))

    # What happens

    def queued(self, drafts: Sequence[Draft]) -> object:
        return time.monotonic()

    def refused(self, reason: Refusal) -> None:
        self._refused.labels(reason).inc()

    def retried(self, error: StoreError) -> None:
        self._retried.labels(type(error).__name__).inc()

    def committed(
        self, marks: Sequence[object], outcomes: Sequence[Outcome], seconds: float
    ) -> None:
        now = time.monotonic()
        types: Count[str] = Count()
        last = 0
        for outcome in outcomes:
            if isinstance(outcome, StoreError):
                self._failed.labels(type(outcome).__name__).inc()
                continue
            for row in outcome:
                types[row.type] += 1
                last = max(last, row.position)
        for type_, number in types.items():
            self._appended.labels(type_ if type_ in codec.EVENT_TYPES else "other").inc(number)
        for mark in marks:
            if isinstance(mark, float):
                self._append.observe(now - mark)
        self._batch.observe(types.total())
        self._commit.observe(seconds)
        if last:
            self._commits.append((last, now))

    def failed(self, marks: Sequence[object], error: StoreError) -> None:
        self._failed.labels(type(error).__name__).inc(len(marks))

    def read_failed(self, error: StoreError) -> None:
        self._read_errors.labels(type(error).__name__).inc()

    def delivered(self, batch: Sequence[Committed]) -> None:
        """Once a transaction of our own, by its last event; once a batch of others'."""
        last = batch[-1].row
        now = time.monotonic()
        own = False
        while self._commits and self._commits[0][0] <= last.position:
            _, at = self._commits.popleft()
            self._delivery.labels("here").observe(now - at)
            own = True
        if not own:
            age = time.time() - last.recorded_at / 1e6
            self._delivery.labels("elsewhere").observe(max(0.0, age))

    def request_ended(self, request: Request, response: BaseHTTPResponse, seconds: float) -> None:
        method = request.method if request.method in _METHODS else "other"
        labels = (method, requests.route_of(request), str(response.status))
        self._requests.labels(*labels).observe(seconds)

    def event_began(self, name: str) -> object:
        return _Event(name, time.monotonic())

    def event_answered(self, mark: object, answer: Mapping[str, Any]) -> None:
        if isinstance(mark, _Event):
            self._events.labels(mark.name).observe(time.monotonic() - mark.began)
        if not answer.get("ok"):
            code = answer.get("error", {}).get("codigo")
            self._refusals.labels(code if code in failures.MESSAGES else "other").inc()
        elif "mensajes" in answer:
            self._caught_up.observe(len(answer["mensajes"]))

    def limited(self, what: Limited) -> None:
        self._limits.labels(what).inc()

    def denied(self, kind: str) -> None:
        self._denials.labels(kind).inc()

    def disconnected(self, reason: str, seconds: float) -> None:
        self._ended.labels(reason if reason in _ENDINGS else "other").inc()

    # What is

    async def exposition(self) -> bytes:
        """All of it in Prometheus's text format."""
        self._seen = await self._look()
        return generate_latest(self.registry)

    async def _look(self) -> _Seen | None:
        if self._services is None:
            return None
        with contextlib.suppress(StoreError, TimeoutError):
            async with (
                asyncio.timeout(DATABASE_PATIENCE),
                self._services.readers.connection() as connection,
            ):
                head = await reader.head(connection)
                rows = await connection.fetch_all(
                    "SELECT p.name, p.position, (SELECT e.recorded_at FROM log_event e"
                    " WHERE e.position = p.position + 1) FROM projection p"
                )
            following = {projection.name for projection in registry.FOLLOWING}
            behind = {
                name: (
                    max(0, head.position - position),
                    0.0 if waits_since is None else max(0.0, time.time() - waits_since / 1e6),
                )
                for name, position, waits_since in rows
                if name in following and position is not None
            }
            return _Seen(head.position, behind)
        return None

    def collect(self) -> Iterator[Metric]:
        """The state of the parts, called by the registry."""
        if self._services is None or self._sockets is None:
            return
        yield from self._of_the_log(self._services)
        yield from self._of_the_database(self._services)
        yield from self._of_sockets(self._sockets)
        if self._services.mail.on:
            yield from self._of_mail(self._services)

    def _of_the_log(self, services: Services) -> Iterator[Metric]:
        writer = services.writer
        yield _gauge("queue_events", "Events that wait for the log.", writer.waiting)
        yield _gauge("queue_limit", "Events that may wait.", services.settings.queue_limit)
        yield _gauge("store_away", "1 while the store takes no work.", writer.away is not None)
        yield _gauge("feed_position", "The last position delivered here.", services.feed.position)
        checkpoints = services.checkpoints
        if checkpoints.configured:
            yield _gauge(
                "checkpoint_success_timestamp_seconds",
                "When the newest checkpoint was written, or was still that of the log.",
                checkpoints.succeeded_at,
            )
            yield _counted("checkpoint_failures", "Checkpoints not written.", checkpoints.failures)

    def _of_the_database(self, services: Services) -> Iterator[Metric]:
        seen = self._seen
        yield _gauge("database_up", "1 when the database answered this scrape.", seen is not None)
        yield _gauge("reader_connections", "Readers' connections in use.", services.readers.in_use)
        if seen is None:
            return
        yield _gauge("log_position", "The log's last position.", seen.position)
        yield _gauge(
            "feed_lag_events",
            "Events not yet delivered here.",
            max(0, seen.position - services.feed.position),
        )
        events = GaugeMetricFamily(
            "registro_projection_lag_events", "Events not folded yet.", labels=["projection"]
        )
        seconds = GaugeMetricFamily(
            "registro_projection_lag_seconds",
            "The age of the first of them.",
            labels=["projection"],
        )
        for name, (number, age) in seen.behind.items():
            events.add_metric([name], number)
            seconds.add_metric([name], age)
        yield from (events, seconds)

    def _of_mail(self, services: Services) -> Iterator[Metric]:
        attempts = CounterMetricFamily(
            "registro_mail_attempts", "Attempts to send a mail.", labels=["outcome"]
        )
        for outcome in ("sent", "later", *get_args(MailReason)):
            attempts.add_metric([outcome], services.mail.outcomes[outcome])
        yield attempts

    def _of_sockets(self, sockets: Sockets) -> Iterator[Metric]:
        server = sockets.server
        state = server.state()
        connections = GaugeMetricFamily(
            "registro_connections", "Open connections.", labels=["transport"]
        )
        for transport, number in state.connections.items():
            connections.add_metric([transport], number)
        packets = CounterMetricFamily(
            "registro_socket_packets", "Socket.IO packets.", labels=["direction"]
        )
        packets.add_metric(["in"], server.eio.received)
        packets.add_metric(["out"], server.eio.sent)
        yield from (connections, packets)
        yield _gauge("people_sockets", "Sockets of people who were let in.", sockets.count)
        yield _gauge("backlog_bytes", "Bytes that wait for clients to take them.", state.backlog)
        yield _gauge("unanswered_events", "Socket events not answered yet.", state.unanswered)
        if server.cluster is not None:
            yield _gauge("redis_up", "1 while Redis is heard.", server.cluster.listening)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"registro_{name}", text, value=value)


def _counted(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"registro_{name}", text, value=value)


@declare(Access("probe"))
async def show(request: Request) -> HTTPResponse:
    """`GET /metrics`, for whom REGISTRO_METRICS names; for all others it is not there."""
    metrics: Metrics | None = request.app.ctx.metrics
    settings = request.app.ctx.settings
    if metrics is None:
        raise NotFound("metrics are off")
    if settings.metrics == "loopback" and not throttle.is_loopback(request):
        raise Forbidden("metrics are for this machine")
    if settings.metrics == "token" and not _has_token(request, settings.metrics_token):
        request.app.ctx.services.denials.count("unauthenticated")
        response = api_error(401, "no_autenticado", "Hace falta el token de las métricas.")
        response.headers["WWW-Authenticate"] = "Bearer"
        return response
    return raw(await metrics.exposition(), content_type=CONTENT_TYPE_LATEST)


def _has_token(request: Request, token: str) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(
        given.strip().encode("utf-8", "replace"), token.encode()
    )


def add_to(app: App) -> None:
    app.add_route(show, "/metrics", name="metrics")
