"""Which events concern whom: from a person or a session to positions in the log.

An index and nothing else: the events are in the log. A row is two integers, so that it costs an
append little: the first is a 64-bit hash of an id and an event's type, so that one type of a
person's events is found as directly as all of them. After an erasure it holds what the erased
event's redacted form still names (`docs/decisions/0004-what-an-erasure-keeps.md`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from registro.db.schema import Column, Table
from registro.events.record import Recorded
from registro.events.types import (
    DESK,
    ConnectionClosed,
    ConnectionOpened,
    ConversationAssigned,
    ConversationLabelAdded,
    ConversationLabelRemoved,
    ConversationRead,
    ConversationStatusChanged,
    ConversationUnread,
    DeskAnswerRemoved,
    DeskAnswerSaved,
    DeskHoursChanged,
    DeskViewRemoved,
    DeskViewSaved,
    Event,
    LogErased,
    MailDropped,
    MailSent,
    MessageSent,
    NoteWritten,
    SessionEnded,
    SessionRenewed,
    SessionStarted,
    UserDisabled,
    UserEmailConfirmed,
    UserEmailRemoved,
    UserEnabled,
    UserPasswordChanged,
    UserPasswordReset,
    UserRegistered,
    UserRoleChanged,
)
from registro.projections.projection import Handler, Projection
from registro.projections.rows import Rows

SUBJECTS = Table(
    "subjects",
    (Column("subject", "integer"), Column("position", "integer")),
    key=("subject", "position"),
    clustered=True,
)

ERASABLE = Table(
    "subjects_erasable",
    (
        Column("position", "integer"),
        Column("one", "integer", null=True),
        Column("two", "integer", null=True),
        Column("three", "integer", null=True),
    ),
    key=("position",),
)
"""By position: the subjects that erasing an event takes out of `subjects`."""

LOGINS = "logins"
"""Subject of every `session:started` that is a login and not the renewal of one."""


@lru_cache(maxsize=65_536)
def subject(id_: str, type_: str) -> int:
    """What stands in `subjects` for events of a type that concern an id (a user's, or a session's
    key). Among ten million of them, two are equal by chance once in
    300,000 logs."""
    digest = blake2b(f"{type_} {id_}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _id(row: Recorded) -> str:
    return row.stream.partition("/")[2]


def _session(row: Recorded, event: SessionStarted) -> set[str]:
    return {event.user, event.key, event.login or LOGINS}


NAMES: Mapping[str, Callable[[Recorded, Any], set[str]]] = {
    UserRegistered.type: lambda row, event: {_id(row), event.by or _id(row)},
    UserRoleChanged.type: lambda row, event: {_id(row), event.by},
    UserPasswordChanged.type: lambda row, event: {_id(row), event.by},
    UserPasswordReset.type: lambda row, event: {_id(row), event.by},
    UserDisabled.type: lambda row, event: {_id(row), event.by},
    UserEnabled.type: lambda row, event: {_id(row), event.by},
    UserEmailConfirmed.type: lambda row, event: {_id(row), event.by},
    UserEmailRemoved.type: lambda row, event: {_id(row), event.by},
    SessionStarted.type: _session,
    SessionRenewed.type: lambda row, event: {event.user, event.key},
    SessionEnded.type: lambda row, event: {event.user, event.key, event.by},
    ConnectionOpened.type: lambda row, event: {event.user, event.session} - {""},
    ConnectionClosed.type: lambda row, event: {event.user},
    MessageSent.type: lambda row, event: {event.sender, event.recipient} - {DESK},
    ConversationRead.type: lambda row, event: {event.by, event.side} - {DESK},
    ConversationUnread.type: lambda row, event: {event.by},
    ConversationAssigned.type: lambda row, event: {event.by, event.to} - {""},
    ConversationStatusChanged.type: lambda row, event: {event.by},
    ConversationLabelAdded.type: lambda row, event: {event.by},
    ConversationLabelRemoved.type: lambda row, event: {event.by},
    NoteWritten.type: lambda row, event: {event.by},
    DeskViewSaved.type: lambda row, event: {event.by, event.owner},
    DeskViewRemoved.type: lambda row, event: {event.by},
    DeskAnswerSaved.type: lambda row, event: {event.by},
    DeskAnswerRemoved.type: lambda row, event: {event.by},
    MailSent.type: lambda row, event: {event.user},
    MailDropped.type: lambda row, event: {event.user},
    DeskHoursChanged.type: lambda row, event: {event.by},
    LogErased.type: lambda row, event: {event.by, event.user or event.by},
}
"""Event type → the ids of the people and sessions that an event of it concerns."""


def named(row: Recorded, event: object) -> set[str]:
    """The ids that an event concerns; none for types that concern nobody."""
    names = NAMES.get(row.type)
    return set() if names is None else names(row, event)


def _named(rows: Rows, row: Recorded, event: object) -> None:
    for id_ in named(row, event):
        rows.insert(SUBJECTS, subject=subject(id_, row.type), position=row.position)


def _named_until_erased(rows: Rows, row: Recorded, event: Event) -> None:
    """For events of which an erasure keeps fewer ids than they name: what is going to be erased is
    remembered, since then the payload is gone."""
    _named(rows, row, event)
    kept = event.redacted()
    lost = named(row, event) - (set() if kept is None else named(row, kept))
    if lost:
        one, two, three = (*sorted(subject(id_, row.type) for id_ in lost), None, None, None)[:3]
        rows.insert(ERASABLE, position=row.position, one=one, two=two, three=three)


def _touch_erase(rows: Rows, row: Recorded) -> None:
    rows.want(ERASABLE, row.position)


def _erase(rows: Rows, row: Recorded) -> None:
    found = rows.get(ERASABLE, row.position)
    if found is None:
        return
    for lost in (found["one"], found["two"], found["three"]):
        if lost is not None:
            rows.delete(SUBJECTS, {"subject": lost, "position": row.position})
    rows.delete(ERASABLE, found)


_ERASABLE_TYPES = (
    UserRegistered.type, SessionStarted.type, SessionRenewed.type, ConnectionOpened.type,
)  # fmt: skip

PROJECTION = Projection(
    "subjects",
    1,
    (SUBJECTS, ERASABLE),
    {type_: Handler(_named) for type_ in NAMES}
    | {
        type_: Handler(_named_until_erased, erase=_erase, touch_erase=_touch_erase)
        for type_ in _ERASABLE_TYPES
    },
)
