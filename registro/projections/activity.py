"""How busy the desk was and how long people waited: what the reports count, and the rows of it.

A wait begins with a user's message when none of theirs is unanswered and ends with the desk's next
message, or when an admin resolves the conversation without one. It counts when it ends, so what a
report says of the past stays as it is. Times are those at which messages were sent: of imported
ones, in the original.
"""

from __future__ import annotations

from registro.db.schema import Column, Index, Table
from registro.events.record import UUID, Recorded, sent_at
from registro.events.types import ConversationStatusChanged, MessageSent
from registro.projections.conversations import participants
from registro.projections.projection import Handler, Projection
from registro.projections.rows import RowDict, Rows

QUARTER = 900_000_000
"""Microseconds: the offsets of all time zones are whole quarters of an hour."""

EVERYBODY = ""
"""In place of an admin: what users did."""

ACTIVITY = Table(
    "activity",
    (
        Column("quarter", "integer"),
        Column("admin", "ascii"),
        Column("messages", "integer"),
        Column("opened", "integer"),
        Column("resolved", "integer"),
    ),
    key=("quarter", "admin"),
    clustered=True,
)
"""`quarter` is the beginning of a quarter of an hour, in microseconds since 1970. For an admin: the
messages that they sent to users, and how often they resolved a conversation. With `admin` empty:
the messages that users sent to the desk, and how many of those opened a conversation: the first
ever, or the first since it was resolved."""

ACTIVITY_ROWS = Table(
    "activity_rows",
    (
        Column("kind", "ascii"),
        Column("at", "integer"),
        Column("position", "integer"),
        Column("admin", "ascii"),
        Column("conversation", "id"),
    ),
    key=("kind", "at", "position"),
    indexes=(Index(("admin", "kind", "at", "position")),),
    clustered=True,
)
"""What `activity` counts, one row each. `kind` is `message` (of a user), `answer` (a message of an
admin), `opened` or `resolved`; `position` that of the event."""

ACTIVITY_WAITS = Table(
    "activity_waits",
    (
        Column("ended_at", "integer"),
        Column("position", "integer"),
        Column("conversation", "id"),
        Column("asked_at", "integer"),
        Column("asked", "integer"),
        Column("waited", "integer"),
        Column("admin", "ascii"),
        Column("answered", "integer"),
        Column("first", "integer"),
    ),
    key=("ended_at", "position"),
    indexes=(Index(("admin", "ended_at", "position")),),
    clustered=True,
)
"""Waits that are over. `position` is that of the event that ended it, `asked` that of the message
with which it began, `waited` milliseconds; `answered` is 0 when an admin resolved the conversation
without an answer, and `first` 1 when the message had opened the conversation."""

ACTIVITY_WAITING = Table(
    "activity_waiting",
    (
        Column("conversation", "id"),
        Column("user_id", "id"),
        Column("asked_at", "integer", null=True),
        Column("asked", "integer", null=True),
        Column("first", "integer"),
    ),
    key=("conversation",),
    indexes=(Index(("asked_at", "conversation")),),
)
"""One row a desk conversation. While its user waits, `asked` and `asked_at` are of the message with
which that began, and `first` says whether it opened the conversation; else they are None, and
`first` says whether the user's next message opens it."""


def _touch_sent(rows: Rows, row: Recorded, event: MessageSent) -> None:
    rows.want(ACTIVITY_WAITING, row.stream[-UUID:])
    for admin in (EVERYBODY, event.sender):
        rows.want(ACTIVITY, _quarter(sent_at(row, event)), admin)


def _sent(rows: Rows, row: Recorded, event: MessageSent) -> None:
    id_, at = row.stream[-UUID:], sent_at(row, event)
    desk = rows.get(ACTIVITY_WAITING, id_) or _begin(rows, id_, event)
    if desk is None:
        return
    by_user = event.sender == desk["user_id"]
    admin = EVERYBODY if by_user else event.sender
    _count(rows, at, admin, "messages")
    _add(rows, "message" if by_user else "answer", at, row, admin)
    if by_user:
        _asked(rows, row, at, desk)
    else:
        _end(rows, row, at, desk, admin, answered=True)


def _begin(rows: Rows, id_: str, event: MessageSent) -> RowDict | None:
    """A row for a desk conversation; None for one of a pair, which is nobody's work."""
    kind, user_id, _ = participants(id_, event)
    if kind != "desk":
        return None
    return rows.insert(
        ACTIVITY_WAITING, conversation=id_, user_id=user_id, asked_at=None, asked=None, first=1
    )


def _asked(rows: Rows, row: Recorded, at: int, desk: RowDict) -> None:
    if desk["asked"] is not None:
        return
    rows.update(ACTIVITY_WAITING, desk, asked_at=at, asked=row.position)
    if desk["first"]:
        _count(rows, at, EVERYBODY, "opened")
        _add(rows, "opened", at, row, EVERYBODY)


def _end(rows: Rows, row: Recorded, at: int, desk: RowDict, admin: str, *, answered: bool) -> None:
    """Ends the wait, if there is one. Whatever comes next belongs to what was opened before, unless
    it was resolved."""
    if desk["asked"] is not None:
        rows.insert(
            ACTIVITY_WAITS,
            ended_at=at,
            position=row.position,
            conversation=desk["conversation"],
            asked_at=desk["asked_at"],
            asked=desk["asked"],
            waited=max(0, at - desk["asked_at"]) // 1000,
            admin=admin,
            answered=int(answered),
            first=desk["first"],
        )
    rows.update(ACTIVITY_WAITING, desk, asked_at=None, asked=None, first=int(not answered))


def _touch_status(rows: Rows, row: Recorded, event: ConversationStatusChanged) -> None:
    rows.want(ACTIVITY_WAITING, row.stream[-UUID:])
    rows.want(ACTIVITY, _quarter(row.recorded_at), event.by)


def _status(rows: Rows, row: Recorded, event: ConversationStatusChanged) -> None:
    desk = rows.get(ACTIVITY_WAITING, row.stream[-UUID:])
    if desk is None or event.status != "resolved":
        return
    _count(rows, row.recorded_at, event.by, "resolved")
    _add(rows, "resolved", row.recorded_at, row, event.by)
    _end(rows, row, row.recorded_at, desk, event.by, answered=False)


def _quarter(at: int) -> int:
    return at // QUARTER * QUARTER


def _count(rows: Rows, at: int, admin: str, what: str) -> None:
    """One more in the row of this quarter of an hour."""
    found = rows.get(ACTIVITY, _quarter(at), admin)
    if found is None:
        zeros = dict.fromkeys(ACTIVITY.column_names, 0)
        found = rows.insert(ACTIVITY, **zeros | {"quarter": _quarter(at), "admin": admin})
    rows.update(ACTIVITY, found, **{what: found[what] + 1})


def _add(rows: Rows, kind: str, at: int, row: Recorded, admin: str) -> None:
    rows.insert(
        ACTIVITY_ROWS,
        kind=kind,
        at=at,
        position=row.position,
        admin=admin,
        conversation=row.stream[-UUID:],
    )


PROJECTION = Projection(
    "activity",
    2,
    (ACTIVITY, ACTIVITY_ROWS, ACTIVITY_WAITS, ACTIVITY_WAITING),
    {
        MessageSent.type: Handler(_sent, _touch_sent),
        ConversationStatusChanged.type: Handler(_status, _touch_status),
    },
)
