"""Messages as lines of a thread: by day, and close ones of one author together.

`static/lines.js` follows the same rules for what comes later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from registro.events.record import rfc3339
from registro.services.chat import SentMessage
from registro.services.inbox import Thread
from registro.web.times import Clock

TOGETHER = 5 * 60 * 1_000_000
"""Microseconds between two messages of one author that still stand together."""


@dataclass(frozen=True, slots=True)
class Line:
    """A message as it is shown. `day` is there when a new day begins with it; `follows` when it
    stands with the one before; `ours` when it is on the reader's side; `read` when the other side
    has read it; `first_unread` when the reader's side has read up to just before it; `erased` when
    only its place is left."""

    id: str
    seq: int
    user: str
    name: str
    text: str
    iso: str
    time: str
    full: str
    day: str | None
    follows: bool
    ours: bool
    read: bool
    first_unread: bool
    erased: bool


def lines(
    thread: Thread,
    clock: Clock,
    *,
    ours: Callable[[SentMessage], bool],
    our_read: int,
    their_read: int,
) -> list[Line]:
    """`our_read` and `their_read` are the read marks of the two sides."""
    result = []
    before: SentMessage | None = None
    for message in thread.messages:
        new_day = before is None or clock.day_key(before.sent_at) != clock.day_key(message.sent_at)
        first_unread = message.seq == our_read + 1 and not ours(message)
        follows = (
            before is not None
            and not new_day
            and not first_unread
            and before.sender == message.sender
            and message.sent_at - before.sent_at < TOGETHER
        )
        result.append(
            Line(
                id=message.id,
                seq=message.seq,
                user=message.sender,
                name=thread.names.get(message.sender, message.sender),
                text=message.text,
                iso=rfc3339(message.sent_at, 3),
                time=clock.time(message.sent_at),
                full=clock.full(message.sent_at),
                day=clock.day(message.sent_at) if new_day else None,
                follows=follows,
                ours=ours(message),
                read=message.seq <= their_read,
                first_unread=first_unread,
                erased=message.erased,
            )
        )
        before = message
    return result
