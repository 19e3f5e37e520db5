"""What the web server tells whoever watches it: metrics and traces, where they are configured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sanic import Request
from sanic.response import BaseHTTPResponse

from registro.errors import StoreError
from registro.events.observer import Observer, Refusal
from registro.events.store import Draft, Outcome
from registro.events.writer import Committed

Limited = Literal["connection", "event", "login", "message", "registration", "typing"]
"""What somebody does too often."""


class Watch(Observer):
    """One that does not listen. Everything is called on the event loop, and has to be quick."""

    def request_began(self, request: Request) -> None:
        """A request is about to be handled."""

    def request_ended(self, request: Request, response: BaseHTTPResponse, seconds: float) -> None:
        """Its answer is ready."""

    def event_began(self, name: str) -> object:
        """A socket's event is about to be handled. What is returned, its mark, is told again with
        its answer."""

    def event_answered(self, mark: object, answer: Mapping[str, Any]) -> None:
        """It is answered, with what its acknowledgement says."""

    def delivering(self, batch: Sequence[Committed]) -> None:
        """Committed events are about to be delivered to this process's sockets."""

    def delivered(self, batch: Sequence[Committed]) -> None:
        """They are on their way to the clients."""

    def limited(self, what: Limited) -> None:
        """Somebody was slowed down, refused or asked to come again."""

    def disconnected(self, reason: str, seconds: float) -> None:
        """A connection ended that was open for so long."""


class Several(Watch):
    """Tells several watches."""

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._watches = watches

    def queued(self, drafts: Sequence[Draft]) -> object:
        return [watch.queued(drafts) for watch in self._watches]

    def refused(self, reason: Refusal) -> None:
        for watch in self._watches:
            watch.refused(reason)

    def began(self, marks: Sequence[object]) -> None:
        for watch, its in self._each(marks):
            watch.began(its)

    def retried(self, error: StoreError) -> None:
        for watch in self._watches:
            watch.retried(error)

    def committed(
        self, marks: Sequence[object], outcomes: Sequence[Outcome], seconds: float
    ) -> None:
        for watch, its in self._each(marks):
            watch.committed(its, outcomes, seconds)

    def failed(self, marks: Sequence[object], error: StoreError) -> None:
        for watch, its in self._each(marks):
            watch.failed(its, error)

    def read_failed(self, error: StoreError) -> None:
        for watch in self._watches:
            watch.read_failed(error)

    def request_began(self, request: Request) -> None:
        for watch in self._watches:
            watch.request_began(request)

    def request_ended(self, request: Request, response: BaseHTTPResponse, seconds: float) -> None:
        for watch in self._watches:
            watch.request_ended(request, response, seconds)

    def event_began(self, name: str) -> object:
        return [watch.event_began(name) for watch in self._watches]

    def event_answered(self, mark: object, answer: Mapping[str, Any]) -> None:
        for watch, (its,) in self._each([mark]):
            watch.event_answered(its, answer)

    def delivering(self, batch: Sequence[Committed]) -> None:
        for watch in self._watches:
            watch.delivering(batch)

    def delivered(self, batch: Sequence[Committed]) -> None:
        for watch in self._watches:
            watch.delivered(batch)

    def limited(self, what: Limited) -> None:
        for watch in self._watches:
            watch.limited(what)

    def disconnected(self, reason: str, seconds: float) -> None:
        for watch in self._watches:
            watch.disconnected(reason, seconds)

    def _each(self, marks: Sequence[Any]) -> list[tuple[Watch, list[Any]]]:
        """Every watch with the marks that are its own."""
        return [
            (watch, [mark[number] for mark in marks]) for number, watch in enumerate(self._watches)
        ]


def of(watches: Sequence[Watch]) -> Watch:
    """One watch that is all of these."""
    if len(watches) == 1:
        return watches[0]
    return Several(watches) if watches else Watch()
