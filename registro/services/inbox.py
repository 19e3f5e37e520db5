"""What the pages show of conversations: the desk's list, and threads.

`Row.wire` is what users may see of their own row, `Row.for_desk` what admins see.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from registro.db.connection import Pool
from registro.db.dialect import Row as Record
from registro.db.sql import in_list
from registro.events import ids
from registro.events.decide import DESK_NAME, STATUSES, Person, Standing
from registro.events.record import rfc3339
from registro.events.types import DESK, ConversationAssigned, Status
from registro.projections.conversations import labels_of
from registro.projections.messages import attachments_of
from registro.services.chat import SentMessage, standing
from registro.services.directory import Directory

LIST_PAGE = 50
"""Rows in one part of the list."""

THREAD_PAGE = 50
"""Messages in one part of a thread."""


COUNTED = 100
"""Conversations that a filter counts at most: beyond, there are "many"."""

LABELS_LISTED = 50
"""Labels to choose from."""

LABELS_KEPT = 5.0
"""Seconds that those are kept in memory."""

ACTIONS_SHOWN = 200
"""Actions between the messages of one part of a thread: the newest of them."""

STATUS_NAMES: Mapping[Status, str] = {
    "open": "abierta",
    "pending": "pendiente",
    "resolved": "resuelta",
    "snoozed": "pospuesta",
}
"""What each status is called in addresses and JSON."""

Order = Literal["newest", "waiting"]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which conversations, in which order. `status` None: any; `assignee` None: anybody's, empty:
    nobody's, else an admin's id. In the order `waiting` only those stand that wait for an answer,
    who has waited longest first."""

    status: Status | None = None
    assignee: str | None = None
    unread: bool = False
    label: str | None = None
    order: Order = "newest"


@dataclass(frozen=True, slots=True)
class Row:
    """A desk conversation in the inbox. `user_read` and `desk_read` are the read marks, `desk_mark`
    where the desk reads on (before its read mark, when something was marked unread again); `since`
    is when the user connected or was last seen, None for somebody who never connected; `assignee`
    is an admin's user name, empty for nobody."""

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
    status: Status = "open"
    assignee: str = ""
    snoozed_until: int | None = None
    labels: Sequence[str] = ()
    desk_mark: int = 0

    @property
    def unread(self) -> int:
        """Messages that the desk has not read, or marked as unread again."""
        return self.last_seq - self.desk_mark

    def for_desk(self) -> dict[str, object]:
        """The row as JSON for admins: in the API, and as the payload of `conversacion`."""
        return self.wire() | {
            "sin_leer": self.unread,
            "leido_hasta": self.desk_mark,
            "estado": STATUS_NAMES[self.status],
            "pospuesta_hasta": _time(self.snoozed_until),
            "asignada": self.assignee,
            "etiquetas": list(self.labels),
        }

    def wire(self) -> dict[str, object]:
        """The row as JSON for the user whose conversation it is: nothing of the desk's work."""
        return {
            "conversacion": self.conversation,
            "user": self.user,
            "name": self.name,
            "seq": self.last_seq,
            "fecha": rfc3339(self.last_at, 3),
            "de": self.last_sender,
            "mensaje": self.last_text,
            "sin_leer": self.last_seq - self.desk_read,
            "leido_usuario": self.user_read,
            "leido_soporte": self.desk_read,
            "espera_desde": _time(self.waiting_since),
            "conectado": self.connected,
            "desde": _time(self.since),
        }


@dataclass(frozen=True, slots=True)
class List:
    """Some rows in their order; `cursor` asks for those after them, None at the end."""

    rows: Sequence[Row]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Action:
    """Something that was done to a desk conversation, for admins' eyes alone. `type` is the
    event's; `by` a user name, empty for what happened by itself; `value` the user name to whom it
    was assigned, the status, the label, or a note's text; `until` the end of a snooze. `names` are
    those to show, by user name."""

    conversation: str
    position: int
    type: str
    by: str
    at: int
    value: str
    until: int | None
    erased: bool
    names: Mapping[str, str]

    def wire(self) -> dict[str, object]:
        """The payload of `accion`."""
        return {
            "conversacion": self.conversation,
            "posicion": self.position,
            "tipo": self.type,
            "de": self.by,
            "fecha": rfc3339(self.at, 3),
            "valor": self.value,
            "hasta": _time(self.until),
            "borrado": self.erased,
            "nombres": self.names,
        }


@dataclass(frozen=True, slots=True)
class Thread:
    """Some messages of a conversation, oldest first; `more` says whether there are older ones,
    `newer` whether there are newer ones, and `span` after and before which positions of the log it
    is (None: to the end).

    `names` are the names to show, by user name.
    """

    messages: Sequence[SentMessage]
    more: bool
    names: Mapping[str, str]
    span: tuple[int, int | None] = (0, None)
    newer: bool = False


_EVERYTHING = Filter()


class Inbox:
    """Queries. Each takes a bounded number of statements, however many rows there are."""

    def __init__(self, readers: Pool, directory: Directory) -> None:
        self._readers = readers
        self._directory = directory
        self._labels: tuple[float, list[str]] = (-LABELS_KEPT, [])

    async def list(
        self, wanted: Filter = _EVERYTHING, cursor: str | None = None, limit: int = LIST_PAGE
    ) -> List:
        """Desk conversations. Raises ValueError for a cursor of another list."""
        key = _KEYS[wanted.order]
        values: dict[str, object] = {"limit": limit + 1}
        after = ""
        if cursor is not None:
            after = f" AND {key.after}"
            values["at"], values["id"] = _read_cursor(cursor)
        arms, more = _arms(wanted, f"c.id, {key.column} AS at", f"{after} ORDER BY {key.order}")
        # The page is taken before anything is joined to it: MySQL would begin with presence.
        page = f"SELECT id, at FROM ({arms}) AS found ORDER BY {key.page} LIMIT :limit"
        async with self._readers.connection() as connection:
            records = await connection.fetch_all(
                f"{_COLUMNS} FROM ({page}) AS wanted JOIN conversations c ON c.id = wanted.id"
                f" {_JOINS} ORDER BY {key.order}",
                **values,
                **more,
            )
        rows = [_row(record) for record in records[:limit]]
        if len(records) <= limit:
            return List(rows, None)
        last = rows[-1]
        at = last.last_at if wanted.order == "newest" else last.waiting_since
        return List(rows, f"{at}-{last.conversation}")

    async def counts(self, filters: Sequence[Filter]) -> Sequence[int]:
        """How many conversations each of some filters lets through, counted up to COUNTED."""
        values: dict[str, object] = {"limit": COUNTED}
        counts = []
        for number, wanted in enumerate(filters):
            arms, more = _arms(wanted, "1 AS one", "", f"f{number}_")
            values |= more
            counts.append(
                f"SELECT {number} AS place, COUNT(*) AS number"
                f" FROM (SELECT one FROM ({arms}) AS found{number} LIMIT :limit) AS arm{number}"
            )
        async with self._readers.connection() as connection:
            records = await connection.fetch_all(
                f"{' UNION ALL '.join(counts)} ORDER BY place", **values
            )
        return [record[1] for record in records]

    async def labels(self) -> Sequence[str]:
        """Labels that conversations have, by name: the first 50, a few seconds old at most. Takes a
        short statement for each, from one to the next along the index."""
        read_at, labels = self._labels
        if time.monotonic() - read_at > LABELS_KEPT:
            labels = []
            async with self._readers.connection() as connection:
                while len(labels) < LABELS_LISTED:
                    after = labels[-1] if labels else ""
                    label = await connection.fetch_value(
                        "SELECT MIN(label) FROM conversation_labels WHERE label > :after",
                        after=after,
                    )
                    if label is None:
                        break
                    labels.append(label)
            self._labels = (time.monotonic(), labels)
        return labels

    async def actions(
        self, conversation: str, after: int = 0, before: int | None = None
    ) -> Sequence[Action]:
        """What was done to a conversation between two positions of the log, oldest first: the
        newest 200 of it."""
        older = "" if before is None else "AND position < :before "
        async with self._readers.connection() as connection:
            records = await connection.fetch_all(
                "SELECT conversation, position, type, by_id, at, value, until, erased"
                " FROM conversation_actions WHERE conversation = :conversation"
                f" AND position > :after {older}ORDER BY position DESC LIMIT :limit",
                conversation=conversation,
                after=after,
                limit=ACTIONS_SHOWN,
                **({} if before is None else {"before": before}),
            )
        people = await self._directory.by_ids(
            {record[3] for record in records}
            | {record[5] for record in records if record[2] == ConversationAssigned.type}
        )
        return [_action(record, people) for record in reversed(records)]

    async def rows(self, conversations: Collection[str]) -> Sequence[Row]:
        """The rows of some desk conversations; others are left out."""
        if not conversations:
            return []
        names, values = in_list(list(conversations))
        async with self._readers.connection() as connection:
            records = await connection.fetch_all(
                f"{_COLUMNS} {_FROM} WHERE c.kind = 'desk' AND c.id IN ({names})", **values
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
        self,
        conversation: str,
        before: int | None = None,
        limit: int = THREAD_PAGE,
        *,
        after: int | None = None,
    ) -> Thread:
        """The newest messages of a conversation, those before a seq, or those after one."""
        # One more on each side says whether there is more, and where this part ends in the log.
        where, order, values = "", "DESC", {}
        if before is not None:
            where, values = "AND seq <= :bound ", {"bound": before}
        elif after is not None:
            where, order, values = "AND seq > :bound ", "ASC", {"bound": after}
        async with self._readers.connection() as connection:
            records = await connection.fetch_all(
                "SELECT id, conversation, seq, position, sender, recipient, text, sent_at, erased,"
                f" attachments FROM messages WHERE conversation = :conversation {where}"
                f"ORDER BY seq {order} LIMIT :limit",
                conversation=conversation,
                limit=limit + 1 + (before is not None),
                **values,
            )
        if after is not None and before is None:
            shown, next_ = records[:limit], records[limit : limit + 1]
        else:
            next_ = [record for record in records[:1] if record[2] == before]
            shown = records[len(next_) :][:limit][::-1]
        people = await self._directory.by_ids(
            {id_ for record in shown for id_ in (record[4], record[5])} - {DESK}
        )
        messages = [_message(record, people) for record in shown]
        names = {person.user: person.name for person in people.values()}
        more = bool(messages) and messages[0].seq > 1  # they are numbered without gaps
        start = messages[0].position if more else 0
        end = next_[0][3] if next_ else None
        return Thread(messages, more, names, (start, end), newer=end is not None)


_COLUMNS = (
    "SELECT c.id, u.user, u.name, c.last_seq, c.last_at, s.user, c.last_text, c.user_read,"
    " c.peer_read, c.waiting_since, c.status, a.user, c.snoozed_until, c.labels, c.desk_mark,"
    " p.sockets, p.since"
)
_JOINS = (
    "JOIN users u ON u.id = c.user_id LEFT JOIN users s ON s.id = c.last_sender"
    " LEFT JOIN users a ON a.id = c.assignee LEFT JOIN presence p ON p.user_id = c.user_id"
)
_FROM = f"FROM conversations c {_JOINS}"


def _row(record: Record) -> Row:
    id_, user, name, last_seq, last_at, sender, text, user_read, desk_read, *rest = record
    waiting, status, assignee, snoozed_until, labels, desk_mark, sockets, since = rest
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
        status=status,
        assignee=assignee or "",
        snoozed_until=snoozed_until,
        labels=sorted(labels_of(labels)),
        desk_mark=desk_mark,
    )


def _arms(
    wanted: Filter, columns: str, end: str, prefix: str = ""
) -> tuple[str, dict[str, object]]:
    """The conversations that a filter lets through, as one walk of an index for each status, and
    the values that it takes besides `limit` and what `end` takes."""
    statuses = STATUSES if wanted.status is None else (wanted.status,)
    values: dict[str, object] = {f"{prefix}s{n}": one for n, one in enumerate(statuses)}
    source, conditions = "conversations c", ""
    if wanted.label is not None:
        source = "conversation_labels l JOIN conversations c ON c.id = l.conversation"
        conditions += f" AND l.label = :{prefix}label"
        values[f"{prefix}label"] = wanted.label
    if wanted.assignee is not None:
        conditions += f" AND c.assignee = :{prefix}assignee"
        values[f"{prefix}assignee"] = wanted.assignee
    if wanted.unread:
        conditions += " AND c.unread = 1"
    if wanted.order == "waiting":
        conditions += " AND c.waiting_since IS NOT NULL"
    arms = (
        f"SELECT * FROM (SELECT {columns} FROM {source}"
        f" WHERE c.status = :{prefix}s{n}{conditions}{end} LIMIT :limit) AS arm{prefix}{n}"
        for n in range(len(statuses))
    )
    return " UNION ALL ".join(arms), values


class _Key(NamedTuple):
    """How an order is walked: the column, what comes after a cursor, and the SQL of the order, of
    conversations and of what was found (`id`, `at`)."""

    column: str
    after: str
    order: str
    page: str


_KEYS: Mapping[Order, _Key] = {
    "newest": _Key(
        "c.last_at",
        "c.last_at <= :at AND (c.last_at < :at OR c.id < :id)",
        "c.last_at DESC, c.id DESC",
        "at DESC, id DESC",
    ),
    "waiting": _Key(
        "c.waiting_since",
        "c.waiting_since >= :at AND (c.waiting_since > :at OR c.id > :id)",
        "c.waiting_since, c.id",
        "at, id",
    ),
}


def _action(record: Record, people: Mapping[str, Person]) -> Action:
    conversation, position, type_, by, at, value, until, erased = record
    to = people.get(value) if type_ == ConversationAssigned.type else None
    author = people.get(by)
    named = [person for person in (author, to) if person is not None]
    return Action(
        conversation=conversation,
        position=position,
        type=type_,
        by="" if author is None else author.user,
        at=at,
        value=value if to is None else to.user,
        until=until,
        erased=bool(erased),
        names={person.user: person.name for person in named},
    )


def _message(record: Record, people: Mapping[str, Person]) -> SentMessage:
    id_, conversation, seq, position, sender, recipient, text, sent_at, erased, attachments = record
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
        attachments=() if erased else attachments_of(attachments),
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
