"""Every message in its place: one row each, by conversation and sequence number."""

from __future__ import annotations

from registro.db.schema import Column, Index, Table
from registro.events.record import Recorded
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
    ),
    key=("conversation", "seq"),
    indexes=(Index(("position",), unique=True),),
)
"""`id` is the sender's own id for the message, or the event's where it gave none."""


def _sent(rows: Rows, row: Recorded, event: MessageSent) -> None:
    rows.insert(
        MESSAGES,
        conversation=row.stream.partition("/")[2],
        seq=row.version,
        position=row.position,
        id=event.client_id or row.id,
        sender=event.sender,
        recipient=event.recipient,
        text=event.text,
        sent_at=row.recorded_at,
    )


PROJECTION = Projection("messages", 1, (MESSAGES,), {MessageSent.type: Handler(_sent)})
