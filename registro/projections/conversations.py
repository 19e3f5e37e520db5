"""One row a conversation: what a list of them shows, without looking at the messages.

Unread is `last_seq` minus a read mark, so it cannot drift. Whoever writes has read what came
before.

For the desk a conversation is work besides: it has a status, somebody whose work it is, labels. A
message of its user opens it again when it is resolved or snoozed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from registro.db.schema import Column, Index, Table
from registro.events import ids
from registro.events.record import UUID, Recorded, parse_rfc3339, sent_at
from registro.events.types import (
    DESK,
    ConversationAssigned,
    ConversationLabelAdded,
    ConversationLabelRemoved,
    ConversationRead,
    ConversationSnoozeEnded,
    ConversationStatusChanged,
    ConversationUnread,
    MessageSent,
)
from registro.projections.projection import Handler, Projection
from registro.projections.rows import RowDict, Rows

PREVIEW = 200
"""Characters of the last message that the row keeps."""

CONVERSATIONS = Table(
    "conversations",
    (
        Column("id", "id"),
        Column("kind", "ascii"),
        Column("user_id", "id"),
        Column("peer_id", "ascii"),
        Column("last_seq", "integer"),
        Column("last_at", "integer"),
        Column("last_sender", "id"),
        Column("last_text", "text"),
        Column("user_read", "integer"),
        Column("peer_read", "integer"),
        Column("waiting_since", "integer", null=True),
        Column("status", "ascii"),
        Column("assignee", "ascii"),
        Column("snoozed_until", "integer", null=True),
        Column("snooze", "integer", null=True),
        Column("labels", "text"),
        Column("desk_mark", "integer"),
        Column("unread", "integer"),
    ),
    key=("id",),
    indexes=(
        Index(("kind", "last_at", "id")),
        Index(("user_id",)),
        Index(("peer_id",)),
        Index(("status", "last_at", "id")),
        Index(("status", "waiting_since", "id")),
        Index(("assignee", "status", "last_at", "id")),
        Index(("assignee", "status", "waiting_since", "id")),
        Index(("unread", "status", "last_at", "id")),
        Index(("snoozed_until",)),
    ),
)
"""A `desk` conversation is a user's with the support desk (`peer_id` is `desk`, and `peer_read` the
mark that all admins share); a `pair` conversation is any other. `waiting_since` is when the user
wrote first since the desk last answered; None when nobody waits.

The rest is about desk conversations; `status` and `assignee` (an admin's id, empty for nobody) are
empty for pairs. `snooze` is the position of the event that snoozed, `labels` JSON: for each label
the positions of the events that put it there. `desk_mark` is up to where the desk has read for its
list, which is `peer_read` unless messages were marked unread again; `unread` is 1 when there is
anything after it."""

LABELS = Table(
    "conversation_labels",
    (Column("label", "name"), Column("conversation", "id")),
    key=("label", "conversation"),
    clustered=True,
)
"""Which conversations have a label."""


def _preview(event: MessageSent) -> str:
    """What a list shows of a message; of one without text, its files' names."""
    names = ", ".join(filter(None, (one.name for one in event.attachments)))
    if event.text.strip() or not names:
        return event.text[:PREVIEW]
    return f"📎 {names}"[:PREVIEW]


def _touch_sent(rows: Rows, row: Recorded, event: MessageSent) -> None:
    rows.want(CONVERSATIONS, row.stream[-UUID:])


def _sent(rows: Rows, row: Recorded, event: MessageSent) -> None:
    id_, at = row.stream[-UUID:], sent_at(row, event)
    conversation = rows.get(CONVERSATIONS, id_)
    if conversation is None:
        kind, user_id, peer_id = participants(id_, event)
        by_user = event.sender == user_id
        rows.insert(
            CONVERSATIONS,
            id=id_,
            kind=kind,
            user_id=user_id,
            peer_id=peer_id,
            user_read=row.version if by_user else 0,
            peer_read=0 if by_user else row.version,
            waiting_since=at if kind == "desk" and by_user else None,
            last_seq=row.version,
            last_at=at,
            last_sender=event.sender,
            last_text=_preview(event),
            status="open" if kind == "desk" else "",
            assignee="",
            snoozed_until=None,
            snooze=None,
            labels="{}",
            desk_mark=0 if by_user else row.version,
            unread=int(kind == "desk" and by_user),
        )
        return
    by_user = event.sender == conversation["user_id"]
    rows.update(
        CONVERSATIONS,
        conversation,
        last_seq=row.version,
        last_at=at,
        last_sender=event.sender,
        last_text=_preview(event),
        user_read=row.version if by_user else conversation["user_read"],
        peer_read=conversation["peer_read"] if by_user else row.version,
        waiting_since=_waiting(conversation, at, by_user),
    )
    _mark(rows, conversation, conversation["desk_mark"] if by_user else row.version)
    if by_user and conversation["status"] in ("resolved", "snoozed"):
        rows.update(CONVERSATIONS, conversation, **_OPEN)


_OPEN: Mapping[str, object] = {"status": "open", "snoozed_until": None, "snooze": None}


def _mark(rows: Rows, conversation: RowDict, mark: int) -> None:
    """Sets up to where the desk has read."""
    unread = conversation["kind"] == "desk" and conversation["last_seq"] > mark
    rows.update(CONVERSATIONS, conversation, desk_mark=mark, unread=int(unread))


def _waiting(conversation: RowDict, at: int, by_user: bool) -> int | None:
    if conversation["kind"] != "desk" or not by_user:
        return None
    since: int | None = conversation["waiting_since"]
    return at if since is None else since


def participants(conversation_id: str, event: MessageSent) -> tuple[str, str, str]:
    """(kind, user_id, peer_id) of the conversation that a message opens.

    A message does not say which kind it belongs to, but the conversation's id does.
    """
    for side in (event.sender, event.recipient):
        if side != DESK and ids.desk_conversation(side) == conversation_id:
            return "desk", side, DESK
    one, other = sorted((event.sender, event.recipient))
    return "pair", one, other


def _touch_erase(rows: Rows, row: Recorded) -> None:
    rows.want(CONVERSATIONS, row.stream[-UUID:])


def _erase(rows: Rows, row: Recorded) -> None:
    conversation = rows.get(CONVERSATIONS, row.stream[-UUID:])
    if conversation is not None and conversation["last_seq"] == row.version:
        rows.update(CONVERSATIONS, conversation, last_text="")


def _touch(rows: Rows, row: Recorded, event: object) -> None:
    rows.want(CONVERSATIONS, row.stream[-UUID:])


def _conversation(rows: Rows, row: Recorded) -> RowDict | None:
    """The row of what an event of a desk/… stream is about."""
    return rows.get(CONVERSATIONS, row.stream[-UUID:])


def _read(rows: Rows, row: Recorded, event: ConversationRead) -> None:
    conversation = _conversation(rows, row)
    if conversation is None or event.seq > conversation["last_seq"]:
        return
    by_user = event.side == conversation["user_id"]
    mark = "user_read" if by_user else "peer_read"
    if conversation[mark] < event.seq:
        rows.update(CONVERSATIONS, conversation, **{mark: event.seq})
    if not by_user and conversation["desk_mark"] < event.seq:
        _mark(rows, conversation, event.seq)


def _unread(rows: Rows, row: Recorded, event: ConversationUnread) -> None:
    conversation = _conversation(rows, row)
    if conversation is not None and event.seq <= conversation["desk_mark"]:
        _mark(rows, conversation, event.seq - 1)


def _desk(rows: Rows, row: Recorded) -> RowDict | None:
    """The same, if it is a desk conversation."""
    conversation = _conversation(rows, row)
    return conversation if conversation and conversation["kind"] == "desk" else None


def _assigned(rows: Rows, row: Recorded, event: ConversationAssigned) -> None:
    conversation = _desk(rows, row)
    if conversation is not None:
        rows.update(CONVERSATIONS, conversation, assignee=event.to)


def _status(rows: Rows, row: Recorded, event: ConversationStatusChanged) -> None:
    conversation = _desk(rows, row)
    if conversation is not None:
        snoozed = event.status == "snoozed"
        rows.update(
            CONVERSATIONS,
            conversation,
            status=event.status,
            snoozed_until=parse_rfc3339(event.until) if snoozed else None,
            snooze=row.position if snoozed else None,
        )


def _snooze_ended(rows: Rows, row: Recorded, event: ConversationSnoozeEnded) -> None:
    conversation = _desk(rows, row)
    if conversation is not None and conversation["snooze"] == event.snooze:
        rows.update(CONVERSATIONS, conversation, **_OPEN)


def labels_of(text: str) -> dict[str, tuple[int, ...]]:
    """What `labels` of a row says."""
    return {label: tuple(added) for label, added in json.loads(text).items()}


def _label_added(rows: Rows, row: Recorded, event: ConversationLabelAdded) -> None:
    conversation = _desk(rows, row)
    if conversation is None or not event.label:  # it was erased
        return
    labels = labels_of(conversation["labels"])
    _relabel(
        rows, conversation, labels | {event.label: (*labels.get(event.label, ()), row.position)}
    )


def _label_removed(rows: Rows, row: Recorded, event: ConversationLabelRemoved) -> None:
    conversation = _desk(rows, row)
    if conversation is not None:
        _take_off(rows, conversation, event.added)


def _erase_label(rows: Rows, row: Recorded) -> None:
    conversation = _desk(rows, row)
    if conversation is not None:
        _take_off(rows, conversation, (row.position,))


def _take_off(rows: Rows, conversation: RowDict, added: tuple[int, ...]) -> None:
    """Undoes what the events at some positions put there."""
    labels = {
        label: left
        for label, positions in labels_of(conversation["labels"]).items()
        if (left := tuple(one for one in positions if one not in added))
    }
    _relabel(rows, conversation, labels)


def _relabel(rows: Rows, conversation: RowDict, labels: Mapping[str, tuple[int, ...]]) -> None:
    before = labels_of(conversation["labels"])
    text = json.dumps(labels, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    if labels != before:
        rows.update(CONVERSATIONS, conversation, labels=text)
    for label in before.keys() - labels.keys():
        rows.delete(LABELS, {"label": label, "conversation": conversation["id"]})
    for label in labels.keys() - before.keys():
        rows.insert(LABELS, label=label, conversation=conversation["id"])


PROJECTION = Projection(
    "conversations",
    2,
    (CONVERSATIONS, LABELS),
    {
        MessageSent.type: Handler(_sent, _touch_sent, _erase, _touch_erase),
        ConversationRead.type: Handler(_read, _touch),
        ConversationUnread.type: Handler(_unread, _touch),
        ConversationAssigned.type: Handler(_assigned, _touch),
        ConversationStatusChanged.type: Handler(_status, _touch),
        ConversationSnoozeEnded.type: Handler(_snooze_ended, _touch),
        ConversationLabelAdded.type: Handler(_label_added, _touch, _erase_label, _touch_erase),
        ConversationLabelRemoved.type: Handler(_label_removed, _touch),
    },
)
