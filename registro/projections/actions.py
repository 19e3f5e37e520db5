"""What was done to desk conversations, as lines between their messages; notes are among them.

Admins alone ever see them.
"""

from __future__ import annotations

from registro.db.schema import Column, Table
from registro.events.record import UUID, Recorded, parse_rfc3339
from registro.events.types import (
    ConversationAssigned,
    ConversationLabelAdded,
    ConversationLabelRemoved,
    ConversationSnoozeEnded,
    ConversationStatusChanged,
    NoteWritten,
)
from registro.projections.projection import Handler, Projection
from registro.projections.rows import Rows

ACTIONS = Table(
    "conversation_actions",
    (
        Column("conversation", "id"),
        Column("position", "integer"),
        Column("type", "ascii"),
        Column("by_id", "ascii"),
        Column("at", "integer"),
        Column("value", "text"),
        Column("until", "integer", null=True),
        Column("erased", "integer"),
    ),
    key=("conversation", "position"),
)
"""`type` is the event's. `value` is the admin to whom it was assigned (an id, or empty), the
status, the label, or a note's text; `until` the end of a snooze. What an admin had written in it is
gone from an erased one."""


def _add(
    rows: Rows,
    row: Recorded,
    by: str,
    value: str,
    *,
    until: int | None = None,
    erased: bool = False,
) -> None:
    rows.insert(
        ACTIONS,
        conversation=row.stream[-UUID:],
        position=row.position,
        type=row.type,
        by_id=by,
        at=row.recorded_at,
        value=value,
        until=until,
        erased=int(erased),
    )


def _assigned(rows: Rows, row: Recorded, event: ConversationAssigned) -> None:
    _add(rows, row, event.by, event.to)


def _status(rows: Rows, row: Recorded, event: ConversationStatusChanged) -> None:
    until = parse_rfc3339(event.until) if event.until else None
    _add(rows, row, event.by, event.status, until=until)


def _snooze_ended(rows: Rows, row: Recorded, event: ConversationSnoozeEnded) -> None:
    _add(rows, row, event.by, "open")


def _label(
    rows: Rows, row: Recorded, event: ConversationLabelAdded | ConversationLabelRemoved
) -> None:
    _add(rows, row, event.by, event.label, erased=row.erased)


def _note(rows: Rows, row: Recorded, event: NoteWritten) -> None:
    _add(rows, row, event.by, event.text, erased=row.erased)


def _touch_erase(rows: Rows, row: Recorded) -> None:
    rows.want(ACTIONS, row.stream[-UUID:], row.position)


def _erase(rows: Rows, row: Recorded) -> None:
    action = rows.get(ACTIONS, row.stream[-UUID:], row.position)
    if action is not None:
        rows.update(ACTIONS, action, value="", erased=1)


PROJECTION = Projection(
    "actions",
    1,
    (ACTIONS,),
    {
        ConversationAssigned.type: Handler(_assigned),
        ConversationStatusChanged.type: Handler(_status),
        ConversationSnoozeEnded.type: Handler(_snooze_ended),
        ConversationLabelAdded.type: Handler(_label, None, _erase, _touch_erase),
        ConversationLabelRemoved.type: Handler(_label, None, _erase, _touch_erase),
        NoteWritten.type: Handler(_note, None, _erase, _touch_erase),
    },
)
