"""What admins do to desk conversations, and the end of snoozes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from registro.db.connection import Connection, Pool
from registro.db.sql import in_list
from registro.errors import Refused, StoreError
from registro.events import decide, ids
from registro.events.decide import Person, Standing, Work
from registro.events.store import draft
from registro.events.types import (
    CLOCK,
    ConversationAssigned,
    ConversationLabelAdded,
    ConversationLabelRemoved,
    ConversationRead,
    ConversationSnoozeEnded,
    ConversationStatusChanged,
    ConversationUnread,
    NoteWritten,
)
from registro.events.writer import LogWriter
from registro.projections.conversations import labels_of
from registro.services.directory import Directory

log = logging.getLogger(__name__)

POLL = 1.0
"""Seconds between looks for snoozes whose time has come."""

PAGE = 200
"""Snoozes that one look ends; there is another at once when there were as many."""


Deed = (
    ConversationAssigned
    | ConversationStatusChanged
    | ConversationLabelAdded
    | ConversationLabelRemoved
    | ConversationUnread
    | NoteWritten
)
"""What an admin does to a conversation."""


class Order(NamedTuple):
    """One thing to do to several conversations. `value` is the admin's user name (empty: nobody's),
    the status or the label; `until` the end of a snooze (microseconds since 1970); `seq` up to
    which message they are read, or from which on unread: the last one where it is None."""

    what: Literal["assign", "status", "label", "unlabel", "read", "unread"]
    value: str = ""
    until: int | None = None
    seq: int | None = None


class Several(NamedTuple):
    """What became of an order: the conversations that it changed, those of which it was no news,
    and for those that refused it the code."""

    changed: list[str]
    unchanged: list[str]
    refused: dict[str, str]


def _now() -> int:
    return time.time_ns() // 1000


class Desk:
    """Commands. Each appends one event, or none where it would be no news, and says whether it did.

    All raise Refused (see `decide`) and Unavailable.
    """

    def __init__(
        self,
        writer: LogWriter,
        readers: Pool,
        directory: Directory,
        now: Callable[[], int] = _now,
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._directory = directory
        self._now = now

    async def assign(self, admin: Person, conversation: str, user: str) -> bool:
        """To the admin with a user name, or with an empty one to nobody."""
        to = await self._directory.by_user(user) if user else None
        if user and to is None:
            raise Refused("destinatario_desconocido")
        return await self._append(decide.assign(admin, await self._work(conversation), to))

    async def set_status(
        self, admin: Person, conversation: str, status: str, until: int | None = None
    ) -> bool:
        """`until` is when a snoozed conversation comes back (microseconds since 1970)."""
        work = await self._work(conversation)
        return await self._append(decide.set_status(admin, work, status, until, self._now()))

    async def add_label(self, admin: Person, conversation: str, label: str) -> bool:
        work = await self._work(conversation)
        return await self._append(decide.add_label(admin, work, label))

    async def remove_label(self, admin: Person, conversation: str, label: str) -> bool:
        work = await self._work(conversation)
        return await self._append(decide.remove_label(admin, work, label))

    async def write_note(self, admin: Person, conversation: str, text: str) -> bool:
        return await self._append(decide.note(admin, await self._work(conversation), text))

    async def mark_unread(self, admin: Person, conversation: str, seq: int | None = None) -> bool:
        """From message `seq` on; without it, the last message."""
        work = await self._work(conversation)
        return await self._append(decide.mark_unread(admin, work, seq))

    async def several(self, admin: Person, conversations: Sequence[str], order: Order) -> Several:
        """Does one thing to several conversations: an event for each that it changes, all appended
        together. Raises Refused for an assignee who is unknown."""
        to = None
        if order.what == "assign" and order.value:
            to = await self._directory.by_user(order.value)
            if to is None:
                raise Refused("destinatario_desconocido")
        works = await self._works(conversations)
        done = Several([], [], {})
        drafts = []
        for id_ in dict.fromkeys(conversations):
            try:
                work, standing = works.get(id_, (None, None))
                event = self._decide(admin, work, standing, order, to)
            except Refused as refused:
                done.refused[id_] = refused.code
                continue
            (done.unchanged if event is None else done.changed).append(id_)
            if event is not None:
                drafts.append(draft(f"desk/{id_}", event))
        if drafts:
            await self._writer.append(*drafts)
        return done

    def _decide(
        self,
        admin: Person,
        work: Work | None,
        standing: Standing | None,
        order: Order,
        to: Person | None,
    ) -> Deed | ConversationRead | None:
        match order.what:
            case "assign":
                return decide.assign(admin, work, to)
            case "status":
                return decide.set_status(admin, work, order.value, order.until, self._now())
            case "label":
                return decide.add_label(admin, work, order.value)
            case "unlabel":
                return decide.remove_label(admin, work, order.value)
            case "unread":
                return decide.mark_unread(admin, work, order.seq)
            case "read":
                last = 0 if work is None else work.last_seq
                return decide.read(admin, standing, last if order.seq is None else order.seq)

    async def _works(self, conversations: Sequence[str]) -> dict[str, tuple[Work, Standing]]:
        if not conversations:
            return {}
        names, values = in_list(list(conversations))
        async with self._readers.connection() as connection:
            rows = await connection.fetch_all(
                "SELECT id, status, assignee, snoozed_until, labels, last_seq, desk_mark, kind,"
                " user_id, peer_id, user_read, peer_read"
                f" FROM conversations WHERE kind = 'desk' AND id IN ({names})",
                **values,
            )
        found = {}
        for id_, status, assignee, until, labels, last, mark, kind, user, peer, ours, desks in rows:
            work = Work(id_, status, assignee, until, labels_of(labels), last, mark)
            found[id_] = (work, Standing(id_, kind, user, peer, last, ours, desks, mark))
        return found

    async def _work(self, conversation: str) -> Work | None:
        async with self._readers.connection() as connection:
            return await _work(connection, conversation)

    async def _append(self, event: Deed | None) -> bool:
        if event is None:
            return False
        await self._writer.append(draft(f"desk/{event.conversation}", event))
        return True


async def _work(connection: Connection, conversation: str) -> Work | None:
    row = await connection.fetch_one(
        "SELECT id, status, assignee, snoozed_until, labels, last_seq, desk_mark"
        " FROM conversations WHERE id = :id AND kind = 'desk'",
        id=conversation,
    )
    if row is None:
        return None
    id_, status, assignee, snoozed_until, labels, last_seq, desk_mark = row
    return Work(id_, status, assignee, snoozed_until, labels_of(labels), last_seq, desk_mark)


class Snoozes:
    """Ends snoozes when their time has come, in every server process: the event's id is derived,
    so each ends once, whichever process comes first."""

    def __init__(
        self, writer: LogWriter, readers: Pool, poll: float = POLL, now: Callable[[], int] = _now
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._poll = poll
        self._now = now
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="snoozes")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                ended = await self.end_due()
            except StoreError as error:
                log.warning("snoozes could not be ended: %s", error)
                ended = 0
            await asyncio.sleep(0 if ended == PAGE else self._poll)

    async def end_due(self) -> int:
        """Ends those whose time has come, at most a page; returns how many. Raises Unavailable."""
        async with self._readers.connection() as connection:
            due = await connection.fetch_all(
                "SELECT id, snooze FROM conversations"
                " WHERE snoozed_until <= :now ORDER BY snoozed_until LIMIT :limit",
                now=self._now(),
                limit=PAGE,
            )
        ends = [
            draft(
                f"desk/{conversation}",
                ConversationSnoozeEnded(conversation=conversation, snooze=snooze, by=CLOCK),
                id=ids.snooze_end(conversation, snooze),
            )
            for conversation, snooze in due
        ]
        await asyncio.gather(*(self._writer.append(end) for end in ends))
        return len(ends)
