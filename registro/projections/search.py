"""Which words and people a message is found by, for the full-text index of the database.

Words end with the number of the stretch of the log in which the message is. So a query asks
stretch by stretch, the newest first, and what it costs is bounded however common a word is; an
engine that has to find everything before it sorts would read half of the log for a common one.
"""

from __future__ import annotations

from collections.abc import Iterable

from registro.db.schema import Column, Table
from registro.events.record import Recorded
from registro.events.types import MessageSent
from registro.projections.grams import fold, grams, word
from registro.projections.messages import with_names
from registro.projections.projection import Handler, Projection
from registro.projections.rows import Rows

STRETCH = 8_192
"""Positions. Of a word that is everywhere, InnoDB reads as much before it answers."""

SEARCH = Table(
    "search",
    (Column("rowid", "integer"), Column("words", "text")),
    key=("rowid",),
    fulltext="words",
)
"""`rowid` is the message's position in the log, `words` are in alphabetical order. An erased
message has no row."""

ANY = "\0any"
"""Stands for every message, where a query has no words. No text has a gram that begins like it."""

IMPORTED = "\0imported"
"""Stands for messages that were sent before they were recorded."""


def by(user_id: str) -> str:
    """Stands for what somebody sent."""
    return f"\0de:{user_id}"


def to(user_id: str) -> str:
    """Stands for what was sent to somebody, or to the desk."""
    return f"\0para:{user_id}"


def stretch(position: int) -> int:
    return position // STRETCH


def words(what: Iterable[str], number: int) -> list[str]:
    """What stands for grams and the like in a stretch of the log. Because of the number none is a
    stop word of any database, and none is too short."""
    return sorted({f"{word(one)}{number}" for one in what})


def _sent(rows: Rows, row: Recorded, event: MessageSent) -> None:
    if row.erased:
        return
    found = grams(fold(with_names(event.text, event.attachments))) | {
        ANY,
        by(event.sender),
        to(event.recipient),
    }
    if event.imported is not None:
        found.add(IMPORTED)
    number = stretch(row.position)
    rows.insert(SEARCH, rowid=row.position, words=" ".join(words(found, number)))


def _touch_erase(rows: Rows, row: Recorded) -> None:
    rows.want(SEARCH, row.position)


def _erase(rows: Rows, row: Recorded) -> None:
    found = rows.get(SEARCH, row.position)
    if found is not None:
        rows.delete(SEARCH, found)


PROJECTION = Projection(
    "search",
    1,
    (SEARCH,),
    {MessageSent.type: Handler(_sent, erase=_erase, touch_erase=_touch_erase)},
)
