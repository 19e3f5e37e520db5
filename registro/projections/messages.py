"""Every message in its place: one row each, by conversation and sequence number."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from registro.db.schema import Column, Index, Table
from registro.events.record import UUID, Recorded, sent_at
from registro.events.types import Attachment, MessageSent, redacted_attachments
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
        Column("attachments", "text"),
    ),
    key=("conversation", "seq"),
    indexes=(Index(("position",), unique=True),),
)
"""`id` is the sender's own id for the message, or the event's where it gave none. An erased message
keeps its place, without its text. `attachments` is JSON, empty for none (see `attachments_of`)."""

ATTACHMENTS = Table(
    "attachments",
    (
        Column("id", "id"),
        Column("conversation", "id"),
        Column("seq", "integer"),
        Column("sender", "id"),
        Column("size", "integer"),
    ),
    key=("id",),
    indexes=(Index(("sender",)),),
)
"""In which message a file is. That the id is the key keeps a file from being sent twice."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[Attachment, ...]).decode


def attachments_of(text: str) -> tuple[Attachment, ...]:
    """What `attachments` of a row says."""
    return _decode(text) if text else ()


def with_names(text: str, attachments: Sequence[Attachment]) -> str:
    """What a message is found by: its text and what its files are called, a line each."""
    return "\n".join(filter(None, (text, *(f"📎 {one.name}" for one in attachments))))


def _text(attachments: Sequence[Attachment]) -> str:
    return _encode(attachments).decode() if attachments else ""


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
        attachments=_text(event.attachments),
    )
    for one in event.attachments:
        rows.insert(
            ATTACHMENTS,
            id=one.id,
            conversation=row.stream[-UUID:],
            seq=row.version,
            sender=event.sender,
            size=one.size,
        )


def _touch_erase(rows: Rows, row: Recorded) -> None:
    rows.want(MESSAGES, row.stream[-UUID:], row.version)


def _erase(rows: Rows, row: Recorded) -> None:
    message = rows.get(MESSAGES, row.stream[-UUID:], row.version)
    if message is not None:
        kept = redacted_attachments(attachments_of(message["attachments"]))
        rows.update(MESSAGES, message, id=row.id, text="", erased=1, attachments=_text(kept))


PROJECTION = Projection(
    "messages",
    2,
    (MESSAGES, ATTACHMENTS),
    {MessageSent.type: Handler(_sent, erase=_erase, touch_erase=_touch_erase)},
)
