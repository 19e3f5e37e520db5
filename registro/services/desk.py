"""What admins do to desk conversations, and the end of snoozes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from registro.db.connection import Connection, Pool
from registro.errors import Refused, StoreError
from registro.events import decide, ids
from registro.events.decide import Person, Work
from registro.events.store import draft
from registro.events.types import (
    CLOCK,
    ConversationAssigned,
    ConversationLabelAdded,
    ConversationLabelRemoved,
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
