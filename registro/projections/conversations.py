"""One row a conversation: what a list of them shows, without looking at the messages.

Unread is `last_seq` minus a read mark, so it cannot drift. Whoever writes has read what came
before.
"""

from __future__ import annotations

from registro.db.schema import Column, Index, Table
from registro.events import ids
from registro.events.record import UUID, Recorded, sent_at
from registro.events.types import DESK, ConversationRead, MessageSent
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
    ),
    key=("id",),
    indexes=(Index(("kind", "last_at", "id")), Index(("user_id",)), Index(("peer_id",))),
)
"""A `desk` conversation is a user's with the support desk (`peer_id` is `desk`, and `peer_read` the
mark that all admins share); a `pair` conversation is any other. `waiting_since` is when the user
wrote first since the desk last answered; None when nobody waits."""


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
            last_text=event.text[:PREVIEW],
        )
        return
    by_user = event.sender == conversation["user_id"]
    rows.update(
        CONVERSATIONS,
        conversation,
        last_seq=row.version,
        last_at=at,
        last_sender=event.sender,
        last_text=event.text[:PREVIEW],
        user_read=row.version if by_user else conversation["user_read"],
        peer_read=conversation["peer_read"] if by_user else row.version,
        waiting_since=_waiting(conversation, at, by_user),
    )


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


def _touch_read(rows: Rows, row: Recorded, event: ConversationRead) -> None:
    rows.want(CONVERSATIONS, event.conversation)


def _read(rows: Rows, row: Recorded, event: ConversationRead) -> None:
    conversation = rows.get(CONVERSATIONS, event.conversation)
    if conversation is None:
        return
    mark = "user_read" if event.side == conversation["user_id"] else "peer_read"
    if conversation[mark] < event.seq <= conversation["last_seq"]:
        rows.update(CONVERSATIONS, conversation, **{mark: event.seq})


PROJECTION = Projection(
    "conversations",
    1,
    (CONVERSATIONS,),
    {
        MessageSent.type: Handler(_sent, _touch_sent, _erase, _touch_erase),
        ConversationRead.type: Handler(_read, _touch_read),
    },
)
