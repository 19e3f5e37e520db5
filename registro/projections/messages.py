"""Every message in its place: one row each, by conversation and sequence number."""

from __future__ import annotations

from registro.db.schema import Column, Index, Table
from registro.events.record import UUID, Recorded, sent_at
from registro.events.types import MessageSent
from registro.projections.projection import Handler, Projection
from registro.projections.rows import Rows

MESSAGES = Table(
    "messages",
    (
        Column("conversation", "id"),
        Column("seq", "integer"),
        Column("position", "integer"),
        Column("id", "text"),
        Column("sender", "id"),
        Column("recipient", "ascii"),
        Column("text", "text"),
        Column("sent_at", "integer"),
        Column("erased", "integer"),
    ),
    key=("conversation", "seq"),
    indexes=(Index(("position",), unique=True),),
)
"""`id` is the sender's own id for the message, or the event's where it gave none. An erased message
keeps its place, without its text."""


def _sent(rows: Rows, row: Recorded, event: MessageSent) -> None:
    rows.insert(
        MESSAGES,
        conversation=row.stream[-UUID:],
        seq=row.version,
        position=row.position,
        id=event.client_id or row.id,
        sender=event.sender,
        recipient=event.recipient,
        text=event.text,
        sent_at=sent_at(row, event),
        erased=int(row.erased),
    )


def _touch_erase(rows: Rows, row: Recorded) -> None:
    rows.want(MESSAGES, row.stream[-UUID:], row.version)


def _erase(rows: Rows, row: Recorded) -> None:
    message = rows.get(MESSAGES, row.stream[-UUID:], row.version)
    if message is not None:
        rows.update(MESSAGES, message, id=row.id, text="", erased=1)


PROJECTION = Projection(
    "messages",
    1,
    (MESSAGES,),
    {MessageSent.type: Handler(_sent, erase=_erase, touch_erase=_touch_erase)},
)
