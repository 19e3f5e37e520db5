"""What people do in the chat: write, read, catch up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from registro.db.connection import Connection, Pool
from registro.db.sql import in_list
from registro.errors import Conflict, Refused
from registro.events import decide
from registro.events.decide import DESK_NAME, Person, Standing
from registro.events.record import Recorded, rfc3339, sent_at
from registro.events.store import draft
from registro.events.types import DESK, Attachment, MessageSent
from registro.events.writer import LogWriter
from registro.projections.messages import attachments_of
from registro.services import files
from registro.services.directory import Directory
from registro.services.files import Files

PAGE = 200
"""Messages in one answer to `sincronizar`, and on one page of the JSON API."""


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message as everybody sees it. `sender` and `recipient` are user names."""

    id: str
    conversation: str
    seq: int
    position: int
    sender: str
    recipient: str
    text: str
    sent_at: int
    erased: bool = False
    attachments: Sequence[Attachment] = ()

    def wire(self) -> dict[str, object]:
        """The fields of `mensaje_recibido`; an erased message keeps its place."""
        fields: dict[str, object] = {
            "de": self.sender,
            "mensaje": self.text,
            "id": self.id,
            "para": self.recipient,
            "conversacion": self.conversation,
            "seq": self.seq,
            "fecha": rfc3339(self.sent_at, 3),
        }
        if self.attachments:
            fields["adjuntos"] = [files.wire(one) for one in self.attachments]
        return fields | {"borrado": True} if self.erased else fields


@dataclass(frozen=True, slots=True)
class Page:
    """Some messages by log position, and whether there are more after the last of them."""

    messages: Sequence[SentMessage]
    more: bool


class Chat:
    """Commands and queries about conversations."""

    def __init__(
        self, writer: LogWriter, readers: Pool, directory: Directory, files: Files
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._directory = directory
        self._files = files

    async def send(
        self,
        sender: Person,
        para: str,
        text: str,
        client_id: str | None,
        seen: int | None,
        origin: object,
        attached: Sequence[str] = (),
    ) -> Sending:
        """Queues a message; messages of one caller are stored in the order of its calls.

        `seen` is the seq up to which the sender has read, `attached` are ids of files that they
        uploaded. Raises Refused, or Unavailable at once.
        """
        decide.check_text(text, blank=bool(attached))
        recipient = None
        if para != DESK_NAME:
            recipient = await self._directory.by_user(para)
            if recipient is None:
                raise Refused("destinatario_desconocido")
        if not attached:
            message = decide.message(sender, recipient, text, client_id)
            return self._submit(message, seen, origin)
        # Nobody else sends the same files meanwhile; the store sees to other processes.
        holder = decide.event_id(sender, client_id) or str(uuid4())
        self._files.hold(attached, holder)
        try:
            found = await self._found(sender, attached, decide.event_id(sender, client_id))
            message = decide.message(sender, recipient, text, client_id, found)
            sending = self._submit(message, seen, origin)
        except BaseException:
            self._files.let_go(attached, holder)
            raise
        sending.future.add_done_callback(lambda _: self._files.let_go(attached, holder))
        return sending

    def _submit(self, message: decide.Message, seen: int | None, origin: object) -> Sending:
        stream = f"conversation/{message.conversation}"
        drafts = [draft(stream, message.event, id=message.event_id, expected=seen)]
        return Sending(self, message.conversation, self._writer.submit(drafts, origin))

    async def _found(
        self, sender: Person, attached: Sequence[str], event_id: str | None
    ) -> Sequence[Attachment]:
        """The files of a message. Those of one that is stored already need not be looked for: it is
        answered with what it brought then."""
        try:
            return await self._files.attachable(sender, attached)
        except Refused:
            if event_id is None or not await self._is_stored(event_id):
                raise
            return [Attachment(id_, 0) for id_ in attached]

    async def _is_stored(self, event_id: str) -> bool:
        async with self._readers.connection() as connection:
            return bool(
                await connection.fetch_value(
                    "SELECT COUNT(*) FROM log_event WHERE id = :id", id=event_id
                )
            )

    async def mark_read(
        self, reader: Person, conversation_id: str, seq: int, origin: object
    ) -> None:
        """Moves a read mark forward. Raises Refused or Unavailable."""
        async with self._readers.connection() as connection:
            conversation = await standing(connection, conversation_id)
        event = decide.read(reader, conversation, seq)
        if event is not None:
            await self._writer.submit([draft(f"desk/{conversation_id}", event)], origin)

    async def catch_up(self, person: Person, seen: Mapping[str, int], after: int) -> Page:
        """What came after the numbers in `seen`, in those conversations that a person may see, by
        log position and after position `after`; of a user's other conversations everything."""
        async with self._readers.connection() as connection:
            visible = (
                await _existing(connection, seen)
                if person.is_admin
                else await _conversations_of(connection, person.id)
            )
            starts = {conversation: seen.get(conversation, 0) for conversation in visible}
            messages = await self._after(connection, starts, after)
        return Page(messages[:PAGE], len(messages) > PAGE)

    async def since(self, conversation: str, seq: int) -> list[SentMessage]:
        """What came in one conversation after `seq`: at most the first 200."""
        async with self._readers.connection() as connection:
            return (await self._after(connection, {conversation: seq}, 0))[:PAGE]

    async def history(
        self, conversations: Sequence[str], before: int | None = None, limit: int = PAGE
    ) -> Page:
        """The newest messages of some conversations before a log position, oldest first; `more`
        says whether there are older ones."""
        if not conversations:
            return Page([], False)
        names, values = in_list(conversations)
        older = "" if before is None else "AND position < :before "
        async with self._readers.connection() as connection:
            rows = await connection.fetch_all(
                f"SELECT {_COLUMNS} FROM messages WHERE conversation IN ({names}) {older}"
                "ORDER BY position DESC LIMIT :limit",
                **values,
                **({} if before is None else {"before": before}),
                limit=limit + 1,
            )
        messages = await self._named(rows[:limit])
        return Page(messages[::-1], len(rows) > limit)

    async def conversations_of(self, person: Person) -> list[str]:
        async with self._readers.connection() as connection:
            return await _conversations_of(connection, person.id)

    async def people_of(self, rows: Iterable[Recorded]) -> dict[str, Person]:
        """The people whom the messages among some rows of the log name, by id."""
        events = [row.event() for row in rows if row.type == MessageSent.type and not row.erased]
        named = {
            id_
            for event in events
            if isinstance(event, MessageSent)
            for id_ in (event.sender, event.recipient)
        }
        return await self._directory.by_ids(named - {DESK}) if named else {}

    async def _after(
        self, connection: Connection, starts: Mapping[str, int], after: int
    ) -> list[SentMessage]:
        """One more than a page of messages, each after its conversation's seq."""
        rows: list[tuple[object, ...]] = []
        items = list(starts.items())
        for first in range(0, len(items), 100):
            some = items[first : first + 100]
            conditions = " OR ".join(
                f"(conversation = :c{n} AND seq > :s{n})" for n in range(len(some))
            )
            values: dict[str, object] = {f"c{n}": id_ for n, (id_, _) in enumerate(some)}
            values |= {f"s{n}": seq for n, (_, seq) in enumerate(some)}
            rows += await connection.fetch_all(
                f"SELECT {_COLUMNS} FROM messages WHERE ({conditions}) AND position > :after"
                " ORDER BY position LIMIT :limit",
                **values,
                after=after,
                limit=PAGE + 1,
            )
        rows.sort(key=lambda row: row[2])  # type: ignore[arg-type,return-value]
        return await self._named(rows[: PAGE + 1])

    async def _named(self, rows: Sequence[tuple[object, ...]]) -> list[SentMessage]:
        people = await self._directory.by_ids(
            str(id_) for row in rows for id_ in (row[4], row[5]) if id_ != DESK
        )
        return [
            SentMessage(
                id=str(row[3]),
                conversation=str(row[0]),
                seq=row[1],  # type: ignore[arg-type]
                position=row[2],  # type: ignore[arg-type]
                sender=_user_name(people, str(row[4])),
                recipient=_user_name(people, str(row[5])),
                text=str(row[6]),
                sent_at=row[7],  # type: ignore[arg-type]
                erased=bool(row[8]),
                attachments=() if row[8] else attachments_of(str(row[9])),
            )
            for row in rows
        ]


class Sending:
    """A message on its way into the log. It was queued in order; its fate is awaited apart."""

    def __init__(
        self, chat: Chat, conversation: str, future: asyncio.Future[Sequence[Recorded]]
    ) -> None:
        self._chat = chat
        self._conversation = conversation
        self.future = future

    @property
    def overtaken(self) -> bool:
        """Whether something that the sender had not seen came first, once `future` is done."""
        return isinstance(self.future.exception(), Conflict)

    async def stored(self) -> Recorded:
        """The stored row. Raises Refused `hay_novedades` with the messages that came meanwhile,
        or Unavailable."""
        try:
            return (await self.future)[0]
        except Conflict as conflict:
            if conflict.expected > conflict.actual:
                raise Refused("datos_invalidos") from None
            news = await self._chat.since(self._conversation, conflict.expected)
            raise Refused("hay_novedades", mensajes=[message.wire() for message in news]) from None


def sent_message(row: Recorded, event: MessageSent, people: Mapping[str, Person]) -> SentMessage:
    """The message in a row of the log, with the names of `people`."""
    return SentMessage(
        id=event.client_id or row.id,
        conversation=row.stream.partition("/")[2],
        seq=row.version,
        position=row.position,
        sender=_user_name(people, event.sender),
        recipient=_user_name(people, event.recipient),
        text=event.text,
        sent_at=sent_at(row, event),
        attachments=event.attachments,
    )


_COLUMNS = "conversation, seq, position, id, sender, recipient, text, sent_at, erased, attachments"


def _user_name(people: Mapping[str, Person], id_: str) -> str:
    if id_ == DESK:
        return DESK_NAME
    person = people.get(id_)
    return "" if person is None else person.user


async def standing(connection: Connection, conversation_id: str) -> Standing | None:
    """What deciding about a conversation needs; None when there is no such conversation."""
    row = await connection.fetch_one(
        "SELECT id, kind, user_id, peer_id, last_seq, user_read, peer_read, desk_mark"
        " FROM conversations WHERE id = :id",
        id=conversation_id,
    )
    return None if row is None else Standing(*row)


async def _conversations_of(connection: Connection, user_id: str) -> list[str]:
    rows = await connection.fetch_all(
        "SELECT id FROM conversations WHERE user_id = :id"
        " UNION SELECT id FROM conversations WHERE peer_id = :id",
        id=user_id,
    )
    return [row[0] for row in rows]


async def _existing(connection: Connection, ids: Mapping[str, int]) -> list[str]:
    if not ids:
        return []
    names, values = in_list(list(ids))
    rows = await connection.fetch_all(
        f"SELECT id FROM conversations WHERE id IN ({names})", **values
    )
    return [row[0] for row in rows]
