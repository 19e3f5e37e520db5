"""How busy the desk was and how long people waited, by hour and by admin.

A wait begins with a user's first message since the desk last answered and ends with the answer; it
counts in the hour of the answer, for the admin who gave it.
"""

from __future__ import annotations

from registro.db.schema import Column, Table
from registro.events.record import UUID, Recorded
from registro.events.types import MessageSent
from registro.projections.conversations import participants
from registro.projections.projection import Handler, Projection
from registro.projections.rows import RowDict, Rows

HOUR = 3_600_000_000
"""Microseconds."""

EVERYBODY = ""
"""In place of an admin: what users wrote."""

ACTIVITY = Table(
    "activity",
    (
        Column("hour", "integer"),
        Column("admin", "ascii"),
        Column("messages", "integer"),
        Column("waits", "integer"),
        Column("waited", "integer"),
        Column("longest", "integer"),
        Column("first_answers", "integer"),
        Column("first_waited", "integer"),
    ),
    key=("hour", "admin"),
)
"""`hour` is its beginning, in microseconds since 1970. For an admin: the messages that they sent to
users, the waits that they ended, and how long these had lasted in all and at most (microseconds);
of them, those that ended with the first answer that a user ever got. With `admin` empty: the
messages that users sent to the desk."""

ACTIVITY_WAITS = Table(
    "activity_waits",
    (
        Column("conversation", "id"),
        Column("user_id", "id"),
        Column("since", "integer", null=True),
        Column("answered", "integer"),
    ),
    key=("conversation",),
)
"""Since when each desk conversation waits (None: it does not), and whether it was ever answered."""


def _hour(row: Recorded) -> int:
    return row.recorded_at // HOUR * HOUR


def _touch(rows: Rows, row: Recorded, event: MessageSent) -> None:
    hour = _hour(row)
    rows.want(ACTIVITY_WAITS, row.stream[-UUID:])
    rows.want(ACTIVITY, hour, EVERYBODY)
    rows.want(ACTIVITY, hour, event.sender)


def _sent(rows: Rows, row: Recorded, event: MessageSent) -> None:
    wait = rows.get(ACTIVITY_WAITS, row.stream[-UUID:]) or _begin(rows, row, event)
    if wait is None:
        return
    if event.sender != wait["user_id"]:
        _answered(rows, row, event, wait)
        return
    count = _counts(rows, row, EVERYBODY)
    rows.update(ACTIVITY, count, messages=count["messages"] + 1)
    if wait["since"] is None:
        rows.update(ACTIVITY_WAITS, wait, since=row.recorded_at)


def _begin(rows: Rows, row: Recorded, event: MessageSent) -> RowDict | None:
    """A row for a desk conversation; None for one of a pair, which is nobody's work."""
    id_ = row.stream[-UUID:]
    kind, user_id, _ = participants(id_, event)
    if kind != "desk":
        return None
    return rows.insert(ACTIVITY_WAITS, conversation=id_, user_id=user_id, since=None, answered=0)


def _answered(rows: Rows, row: Recorded, event: MessageSent, wait: RowDict) -> None:
    count = _counts(rows, row, event.sender)
    if wait["since"] is None:
        rows.update(ACTIVITY, count, messages=count["messages"] + 1)
        return
    waited = row.recorded_at - wait["since"]
    first = 0 if wait["answered"] else 1
    rows.update(
        ACTIVITY,
        count,
        messages=count["messages"] + 1,
        waits=count["waits"] + 1,
        waited=count["waited"] + waited,
        longest=max(count["longest"], waited),
        first_answers=count["first_answers"] + first,
        first_waited=count["first_waited"] + first * waited,
    )
    rows.update(ACTIVITY_WAITS, wait, since=None, answered=1)


def _counts(rows: Rows, row: Recorded, admin: str) -> RowDict:
    """The row of this hour; one with zeros where there is none yet."""
    hour = _hour(row)
    found = rows.get(ACTIVITY, hour, admin)
    if found is not None:
        return found
    zeros = dict.fromkeys(ACTIVITY.column_names, 0)
    return rows.insert(ACTIVITY, **zeros | {"hour": hour, "admin": admin})


PROJECTION = Projection(
    "activity", 1, (ACTIVITY, ACTIVITY_WAITS), {MessageSent.type: Handler(_sent, _touch)}
)
