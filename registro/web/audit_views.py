"""The audit pages as values; `views` says what a view is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from registro.events.decide import Person
from registro.events.types import LogVerified
from registro.services.evidence import Health, Proof
from registro.web.narration import Party, Told
from registro.web.views import View


@dataclass(frozen=True, slots=True)
class Paging:
    """Addresses of the neighbouring parts of a list; None where there are none."""

    older: str | None
    newer: str | None
    newest: str | None


@dataclass(frozen=True, slots=True)
class Fields:
    """What stands in the filter's form, as it was asked for."""

    kind: str
    user: str
    conversation: str
    session: str
    since: str
    until: str


@dataclass(frozen=True, slots=True)
class LogView(View):
    """A part of the log. `kinds` and `types` are what the form offers, by value; `unknown` says
    that there is no such user, and `follow` what scripts need to go on from the newest events."""

    template: ClassVar[str] = "audit_log.html"
    lines: Sequence[Told]
    fields: Fields
    kinds: Mapping[str, str]
    types: Mapping[str, str]
    paging: Paging
    unknown: bool
    follow: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class EventView(View):
    """One event. `payload` is its JSON, None where it was erased; `last` the log's last position;
    `proof_href` where the proof can be had, if anybody signs here."""

    template: ClassVar[str] = "audit_event.html"
    told: Told
    proof: Proof
    payload: str | None
    envelope: Sequence[tuple[str, str]]
    links: Sequence[tuple[str, str]]
    last: int
    proof_href: str | None


@dataclass(frozen=True, slots=True)
class UserView(View):
    """Somebody's timeline; `person` is None for one who was erased."""

    template: ClassVar[str] = "audit_user.html"
    id: str
    person: Person | None
    name: str
    connected: bool
    seen: int | None
    lines: Sequence[Told]
    kind: str
    kinds: Mapping[str, str]
    paging: Paging


@dataclass(frozen=True, slots=True)
class FindView(View):
    """Asks whose timeline is wanted; `asked` is a name that nobody has."""

    template: ClassVar[str] = "audit_find.html"
    asked: str


@dataclass(frozen=True, slots=True)
class LoginLine:
    """A login as a row. `state` is `open`, `expired`, `logout` or `revoked`."""

    position: int
    started_at: int
    party: Party
    lasted: str
    until: int
    state: str
    renewals: int
    events: str


@dataclass(frozen=True, slots=True)
class SessionsView(View):
    template: ClassVar[str] = "audit_sessions.html"
    logins: Sequence[LoginLine]
    only: Party | None
    paging: Paging


@dataclass(frozen=True, slots=True)
class SocketLine:
    """A connection as a row: `lasted` until it closed, or until now."""

    opened_at: int
    party: Party
    lasted: str
    open: bool
    reason: str
    transport: str
    program: str
    client: str
    node: str
    events: str


@dataclass(frozen=True, slots=True)
class ConnectionsView(View):
    """Connections: all by their opening, or (`now`) those that are open."""

    template: ClassVar[str] = "audit_connections.html"
    sockets: Sequence[SocketLine]
    now: bool
    only: Party | None
    people: int
    total: int
    paging: Paging


@dataclass(frozen=True, slots=True)
class HealthView(View):
    template: ClassVar[str] = "audit_health.html"
    health: Health
    last_verified: LogVerified | None
