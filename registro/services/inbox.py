"""What the pages show of conversations: the desk's list, and threads."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from registro.db.connection import Pool
from registro.db.dialect import Row as Record
from registro.db.sql import in_list
from registro.events import ids
from registro.events.decide import DESK_NAME, Person, Standing
from registro.events.record import rfc3339
from registro.events.types import DESK
from registro.services.chat import SentMessage, standing
from registro.services.directory import Directory

LIST_PAGE = 50
"""Rows in one part of the list."""

THREAD_PAGE = 50
"""Messages in one part of a thread."""


@dataclass(frozen=True, slots=True)
class Row:
    """A desk conversation in the inbox. `user_read` and `desk_read` are the read marks; `since` is
    when the user connected or was last seen, None for somebody who never connected."""

    conversation: str
    user: str
    name: str
    last_seq: int
    last_at: int
    last_sender: str
    last_text: str
    user_read: int
    desk_read: int
    waiting_since: int | None
    connected: bool
    since: int | None

    @property
    def unread(self) -> int:
        """Messages that the desk has not read."""
        return self.last_seq - self.desk_read

    def wire(self) -> dict[str, object]:
        """The row as JSON: in the API, and as the payload of `conversacion`."""
        return {
            "conversacion": self.conversation,
            "user": self.user,
            "name": self.name,
            "seq": self.last_seq,
            "fecha": rfc3339(self.last_at, 3),
            "de": self.last_sender,
            "mensaje": self.last_text,
            "sin_leer": self.unread,
            "leido_usuario": self.user_read,
            "leido_soporte": self.desk_read,
            "espera_desde": _time(self.waiting_since),
            "conectado": self.connected,
            "desde": _time(self.since),
        }


@dataclass(frozen=True, slots=True)
class List:
    """Some rows, the most recent first; `cursor` asks for those after them, None at the end."""

    rows: Sequence[Row]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Thread:
    """Some messages of a conversation, oldest first; `more` says whether there are older ones.

    `names` are the names to show, by user name.
    """

    messages: Sequence[SentMessage]
    more: bool
    names: Mapping[str, str]


class Inbox:
    """Queries. Each takes a fixed number of statements, however many rows there are."""

    def __init__(self, readers: Pool, directory: Directory) -> None:
        self._readers = readers
        self._directory = directory

    async def list(self, cursor: str | None = None, limit: int = LIST_PAGE) -> List:
        """Desk conversations, the most recent first. Raises ValueError for a cursor of others."""
        after, values = "", {}
        if cursor is not None:
            at, id_ = _read_cursor(cursor)
            after = "AND c.last_at <= :at AND (c.last_at < :at OR c.id < :id) "
            values = {"at": at, "id": id_}
        async with self._readers.connection() as connection:
            records = await connection.fetch_all(
                f"{_ROWS} WHERE c.kind = 'desk' {after}"
                "ORDER BY c.last_at DESC, c.id DESC LIMIT :limit",
                **values,
                limit=limit + 1,
            )
        rows = [_row(record) for record in records[:limit]]
        more = len(records) > limit
        return List(rows, f"{rows[-1].last_at}-{rows[-1].conversation}" if more else None)

    async def rows(self, conversations: Collection[str]) -> Sequence[Row]:
        """The rows of some desk conversations; others are left out."""
        if not conversations:
            return []
        names, values = in_list(list(conversations))
        async with self._readers.connection() as connection:
            records = await connection.fetch_all(
                f"{_ROWS} WHERE c.kind = 'desk' AND c.id IN ({names})", **values
            )
        return [_row(record) for record in records]

    async def row_of(self, person: Person) -> Row:
        """A user's row; one without messages where there is no conversation yet."""
        conversation = ids.desk_conversation(person.id)
        rows = await self.rows([conversation])
        if rows:
            return rows[0]
        async with self._readers.connection() as connection:
            record = await connection.fetch_one(
                "SELECT sockets, since FROM presence WHERE user_id = :id", id=person.id
            )
        sockets, since = record or (0, None)
        return Row(
            conversation=conversation,
            user=person.user,
            name=person.name,
            last_seq=0,
            last_at=0,
            last_sender="",
            last_text="",
            user_read=0,
            desk_read=0,
            waiting_since=None,
            connected=sockets > 0,
            since=since,
        )

    async def users(self) -> Sequence[str]:
        """The users with a desk conversation, the most recent first."""
        async with self._readers.connection() as connection:
            rows = await connection.fetch_all(
                "SELECT u.user FROM conversations c JOIN users u ON u.id = c.user_id"
                " WHERE c.kind = 'desk' ORDER BY c.last_at DESC, c.id DESC"
            )
        return [row[0] for row in rows]

    async def standing(self, conversation: str) -> Standing | None:
        """Where a conversation stands: its sides and their read marks; None before it begins."""
        async with self._readers.connection() as connection:
            return await standing(connection, conversation)

    async def conversations_of(self, person: Person) -> dict[str, int]:
        """All conversations of somebody, with their last seq."""
        async with self._readers.connection() as connection:
            records = await connection.fetch_all(
                "SELECT id, last_seq FROM conversations WHERE user_id = :id"
                " UNION SELECT id, last_seq FROM conversations WHERE peer_id = :id",
                id=person.id,
            )
        return dict(records)

    async def thread(
        self, conversation: str, before: int | None = None, limit: int = THREAD_PAGE
    ) -> Thread:
        """The newest messages of a conversation before a seq."""
        older = "" if before is None else "AND seq < :before "
        async with self._readers.connection() as connection:
            records = await connection.fetch_all(
                "SELECT id, conversation, seq, position, sender, recipient, text, sent_at, erased"
                f" FROM messages WHERE conversation = :conversation {older}"
                "ORDER BY seq DESC LIMIT :limit",
                conversation=conversation,
                **({} if before is None else {"before": before}),
                limit=limit + 1,
            )
        people = await self._directory.by_ids(
            {id_ for record in records for id_ in (record[4], record[5])} - {DESK}
        )
        messages = [_message(record, people) for record in records[:limit]]
        names = {person.user: person.name for person in people.values()}
        return Thread(messages[::-1], len(records) > limit, names)


_ROWS = (
    "SELECT c.id, u.user, u.name, c.last_seq, c.last_at, s.user, c.last_text, c.user_read,"
    " c.peer_read, c.waiting_since, p.sockets, p.since"
    " FROM conversations c JOIN users u ON u.id = c.user_id"
    " LEFT JOIN users s ON s.id = c.last_sender LEFT JOIN presence p ON p.user_id = c.user_id"
)


def _row(record: Record) -> Row:
    id_, user, name, last_seq, last_at, sender, text, user_read, desk_read, *rest = record
    waiting, sockets, since = rest
    return Row(
        conversation=id_,
        user=user,
        name=name,
        last_seq=last_seq,
        last_at=last_at,
        last_sender=sender or "",
        last_text=text,
        user_read=user_read,
        desk_read=desk_read,
        waiting_since=waiting,
        connected=bool(sockets),
        since=since,
    )


def _message(record: Record, people: Mapping[str, Person]) -> SentMessage:
    id_, conversation, seq, position, sender, recipient, text, sent_at, erased = record
    return SentMessage(
        id=id_,
        conversation=conversation,
        seq=seq,
        position=position,
        sender=_name(people, sender),
        recipient=_name(people, recipient),
        text=text,
        sent_at=sent_at,
        erased=bool(erased),
    )


def _name(people: Mapping[str, Person], id_: str) -> str:
    if id_ == DESK:
        return DESK_NAME
    person = people.get(id_)
    return "" if person is None else person.user


def _read_cursor(cursor: str) -> tuple[int, str]:
    at, dash, id_ = cursor.partition("-")
    if not (dash and at.isdecimal() and at.isascii() and len(at) < 18):
        raise ValueError(f"{cursor!r} is no cursor of this list")
    return int(at), id_


def _time(microseconds: int | None) -> str | None:
    return None if microseconds is None else rfc3339(microseconds, 3)
