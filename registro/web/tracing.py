"""Traces for OpenTelemetry: an HTTP request, or a socket's event → its append → the commit, and
→ its delivery. This module is imported where a collector is configured, and nowhere else.

One commit stores the appends of many events: its span belongs to the first of them and has links
to the others. No attribute has anything personal: names of routes and events, numbers, codes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from sanic import Request
from sanic.response import BaseHTTPResponse

from registro import __version__
from registro.errors import StoreError
from registro.events.store import Draft, Outcome
from registro.events.writer import Committed
from registro.web import requests, security
from registro.web.watch import Watch

MAX_UNDELIVERED = 10_000
"""Traced events whose delivery is awaited; older ones are forgotten."""

MAX_LINKS = 100

_current: ContextVar[Span | None] = ContextVar("span", default=None)


class _Append(NamedTuple):
    span: Span
    ids: tuple[str, ...]


class Tracing(Watch):
    """Makes spans of what it hears, and sends them from a thread of its own."""

    def __init__(self, endpoint: str) -> None:
        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over what is said here.
        resource = Resource.create({"service.name": "registro", "service.version": __version__})
        self._provider = TracerProvider(resource=resource)
        exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("registro", __version__)
        self._propagator = TraceContextTextMapPropagator()
        self._commit: Span | None = None
        self._deliver: Span | None = None
        self._undelivered: OrderedDict[str, Span] = OrderedDict()

    def stop(self) -> None:
        """Sends what waits; takes as long as the collector does, so call it in a thread."""
        self._provider.shutdown()

    # Requests

    def request_began(self, request: Request) -> None:
        if request.path == security.SOCKETS:
            return  # as long as a connection; its events have spans of their own
        context = None
        if request.app.ctx.settings.trusted_proxies:
            context = self._propagator.extract(dict(request.headers))
        span = self._tracer.start_span(request.method, context, SpanKind.SERVER)
        request.ctx.span = span
        _current.set(span)

    def request_ended(self, request: Request, response: BaseHTTPResponse, seconds: float) -> None:
        span: Span | None = getattr(request.ctx, "span", None)
        if span is None:
            return
        route = requests.route_of(request)
        span.update_name(f"{request.method} {route}")
        span.set_attribute("http.request.method", request.method)
        span.set_attribute("http.route", route)
        span.set_attribute("http.response.status_code", response.status)
        span.set_attribute("registro.request_id", requests.id_of(request))
        if response.status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end()
        _current.set(None)

    # Socket events

    def event_began(self, name: str) -> object:
        span = self._tracer.start_span(f"socket {name}", Context(), SpanKind.SERVER)
        span.set_attribute("registro.event", name)
        _current.set(span)
        return span

    def event_answered(self, mark: object, answer: Mapping[str, Any]) -> None:
        if isinstance(mark, Span):
            code = answer.get("error", {}).get("codigo")
            if code is not None:
                mark.set_attribute("registro.code", code)
            mark.end()

    # The log

    def queued(self, drafts: Sequence[Draft]) -> object:
        parent = _current.get()
        if parent is None:
            return None
        span = self._tracer.start_span("append", set_span_in_context(parent))
        span.set_attribute("registro.types", tuple(sorted({draft.type for draft in drafts})))
        for draft in drafts:
            self._undelivered[draft.id] = parent
        while len(self._undelivered) > MAX_UNDELIVERED:
            self._undelivered.popitem(last=False)
        return _Append(span, tuple(draft.id for draft in drafts))

    def began(self, marks: Sequence[object]) -> None:
        spans = [mark.span for mark in marks if isinstance(mark, _Append)]
        self._commit = self._together("commit", spans)
        if self._commit is not None:
            self._commit.set_attribute("registro.appends", len(marks))

    def retried(self, error: StoreError) -> None:
        if self._commit is not None:
            self._commit.add_event("retry", {"error.type": type(error).__name__})

    def committed(
        self, marks: Sequence[object], outcomes: Sequence[Outcome], seconds: float
    ) -> None:
        for mark, outcome in zip(marks, outcomes, strict=True):
            if isinstance(mark, _Append):
                self._end(mark, outcome if isinstance(outcome, StoreError) else None)
        self._end_commit(None)

    def failed(self, marks: Sequence[object], error: StoreError) -> None:
        for mark in marks:
            if isinstance(mark, _Append):
                self._end(mark, error)
        self._end_commit(error)

    def _end(self, append: _Append, error: StoreError | None) -> None:
        if error is not None:
            _fail(append.span, error)
            for id_ in append.ids:
                self._undelivered.pop(id_, None)
        append.span.end()

    def _end_commit(self, error: StoreError | None) -> None:
        commit, self._commit = self._commit, None
        if commit is not None:
            if error is not None:
                _fail(commit, error)
            commit.end()

    # Delivery

    def delivering(self, batch: Sequence[Committed]) -> None:
        found = (self._undelivered.pop(one.row.id, None) for one in batch)
        self._deliver = self._together("deliver", [span for span in found if span is not None])
        if self._deliver is not None:
            self._deliver.set_attribute("registro.events", len(batch))

    def delivered(self, batch: Sequence[Committed]) -> None:
        deliver, self._deliver = self._deliver, None
        if deliver is not None:
            deliver.end()

    def _together(self, name: str, parents: Sequence[Span]) -> Span | None:
        """A span below the first of several, with links to the others; None for none."""
        if not parents:
            return None
        links = [Link(span.get_span_context()) for span in parents[1 : MAX_LINKS + 1]]
        return self._tracer.start_span(name, set_span_in_context(parents[0]), links=links)


def _fail(span: Span, error: StoreError) -> None:
    """Without the error's text, which may quote a row."""
    span.set_attribute("error.type", type(error).__name__)
    span.set_status(Status(StatusCode.ERROR))
