"""Erasing payloads: of one event, of a person, of everything older than an age.

The commitment of what is erased stays, so the log still verifies; an event says what was erased
and why. What is planned can be looked at first: nothing happens before `carry_out`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import uuid4

from registro.db.connection import Connection, Pool
from registro.db.migrations import (
    CREDENTIAL,
    MAIL_JOB,
    MAIL_PENDING,
    PASSWORD_LINK,
    PREFERENCE,
)
from registro.db.sql import in_list
from registro.events import codec, ids, reader
from registro.events.decide import Person
from registro.events.record import Recorded
from registro.events.store import draft
from registro.events.types import (
    ConversationLabelAdded,
    ConversationLabelRemoved,
    DeskAnswerSaved,
    LogErased,
    MessageSent,
    NoteWritten,
)
from registro.events.writer import LogWriter
from registro.projections.subjects import subject
from registro.services.files import Files

POSITIONS_AN_EVENT = 1000
"""Positions in one erasure event, so that none grows without bound."""

RETAINED = ("conversation", "session", "connection")
"""Kinds of events that age; those of accounts, erasures and of what the desk has set up say how
things are, so they stay."""


_WRITTEN = (ConversationLabelAdded.type, ConversationLabelRemoved.type, NoteWritten.type)
"""Events on desk/… in which there is something that somebody wrote."""


@dataclass(frozen=True)
class Plan:
    """What an erasure would erase: rows of the log whose payloads are still there."""

    rows: Sequence[Recorded]
    person: Person | None = None

    def counts(self) -> dict[str, int]:
        """How many events of each type."""
        return dict(sorted(Counter(row.type for row in self.rows).items()))


class ErasedMessage(NamedTuple):
    """A message that was erased; `people` are the ids of sender and recipient."""

    conversation: str
    seq: int
    people: tuple[str, ...]


class Erasures:
    """Plans erasures and carries them out."""

    def __init__(self, writer: LogWriter, readers: Pool, files: Files) -> None:
        self._writer = writer
        self._readers = readers
        self._files = files

    async def of_event(self, position: int) -> Plan:
        """One event. An unknown position, or one that is erased already, gives an empty plan."""
        async with self._readers.connection() as connection:
            rows = await reader.read(connection, position - 1, limit=1)
        return Plan([row for row in rows if row.position == position and _erasable(row)])

    async def of_person(self, person: Person) -> Plan:
        """A person's registration, sessions and whole desk conversation, and what they wrote
        elsewhere."""
        async with self._readers.connection() as connection:
            streams = await _streams_of(connection, person.id)
            rows = await reader.of_streams(connection, streams)
            written = await connection.fetch_all(
                "SELECT position FROM messages WHERE sender = :id", id=person.id
            )
            answers = await connection.fetch_all(
                "SELECT position FROM subjects WHERE subject = :subject",
                subject=subject(person.id, DeskAnswerSaved.type),
            )
            found = {row.position: row for row in rows}
            elsewhere = [row[0] for row in (*written, *answers) if row[0] not in found]
            found |= await reader.at_positions(connection, elsewhere)
        return Plan([found[p] for p in sorted(found) if _erasable(found[p])], person)

    async def older_than(self, moment: int, types: Sequence[str] = ()) -> Plan:
        """What was recorded before a moment (microseconds since 1970), of types that begin with
        one of `types`; without any, of all types that age."""
        wanted = tuple(types) or RETAINED
        async with self._readers.connection() as connection:
            rows = [
                row
                async for row in reader.stream_log(connection)
                if row.recorded_at < moment and _erasable(row) and row.type.startswith(wanted)
            ]
        return Plan(rows)

    async def carry_out(self, plan: Plan, reason: str, by: str) -> int:
        """Erases what a plan names, and the files of its messages once that is committed; returns
        how many payloads that were."""
        person = plan.person
        name_hash = None if person is None else await self.name_hash(person.user)
        chunks = [
            plan.rows[start : start + POSITIONS_AN_EVENT]
            for start in range(0, len(plan.rows), POSITIONS_AN_EVENT)
        ]
        for chunk in chunks:
            event = LogErased(
                positions=tuple(row.position for row in chunk),
                kept=tuple(codec.kept(row.event()) for row in chunk),
                reason=reason,
                by=by,
                user=None if person is None else person.id,
                name_hash=name_hash,
            )
            await self._writer.append(draft(f"erasure/{uuid4()}", event))
            await self._files.erased(chunk)
        if person is not None:
            await self._files.erased_owner(person.id)
            await self._forget_unrecorded(person.id)
        return len(plan.rows)

    async def messages(self, event: LogErased) -> list[ErasedMessage]:
        """Which messages an erasure erased, for telling those who have them on their screens."""
        kept = dict(zip(event.positions, event.kept, strict=True))
        async with self._readers.connection() as connection:
            rows = await reader.at_positions(connection, event.positions)
        return [
            ErasedMessage(row.stream.partition("/")[2], row.version, (was.sender, was.recipient))
            for row in rows.values()
            if isinstance(was := codec.from_kept(kept[row.position]), MessageSent)
        ]

    async def deeds(self, event: LogErased) -> list[Recorded]:
        """The rows of the log of what admins did to conversations, of which an erasure erased what
        they had written in it."""
        async with self._readers.connection() as connection:
            rows = await reader.at_positions(connection, event.positions)
        return [row for row in rows.values() if row.type in _WRITTEN]

    async def name_hash(self, user: str) -> str:
        """HMAC-SHA256 (hex) of a name under this database's key."""
        async with self._readers.connection() as connection:
            return _name_hash(await _key(connection), user)

    async def was_erased(self, user: str) -> bool:
        """Whether somebody of this name was erased: the name is never given again."""
        return user in await self.erased_among([user])

    async def erased_among(self, users: Collection[str]) -> set[str]:
        """Those of some names (a few hundred) that were erased people's."""
        async with self._readers.connection() as connection:
            key = await _key(connection)
            hashes = {_name_hash(key, user): user for user in users}
            names, values = in_list(list(hashes))
            rows = await connection.fetch_all(
                f"SELECT name_hash FROM erased_names WHERE name_hash IN ({names})", **values
            )
        return {hashes[name_hash] for (name_hash,) in rows}

    async def _forget_unrecorded(self, user_id: str) -> None:
        async with self._readers.connection() as connection, connection.transaction():
            for table in (CREDENTIAL, PASSWORD_LINK, PREFERENCE, MAIL_PENDING, MAIL_JOB):
                await connection.execute(
                    f"DELETE FROM {table.name} WHERE user_id = :id", id=user_id
                )


async def _key(connection: Connection) -> bytes:
    key: bytes = await connection.fetch_value("SELECT value FROM secret WHERE name = 'erasure'")
    return key


def _name_hash(key: bytes, user: str) -> str:
    return hmac.new(key, user.encode(), hashlib.sha256).hexdigest()


def _erasable(row: Recorded) -> bool:
    return not row.erased and row.type != LogErased.type


async def _streams_of(connection: Connection, user_id: str) -> list[str]:
    keys = await connection.fetch_all(
        "SELECT session_key FROM sessions WHERE user_id = :id", id=user_id
    )
    connections = await connection.fetch_all(
        "SELECT id FROM connections WHERE user_id = :id", id=user_id
    )
    views = await connection.fetch_all("SELECT id FROM desk_views WHERE owner_id = :id", id=user_id)
    desk = ids.desk_conversation(user_id)
    return [
        f"user/{user_id}",
        f"conversation/{desk}",
        f"desk/{desk}",
        *(f"connection/{row[0]}" for row in connections),
        *(f"view/{row[0]}" for row in views),
        *(ids.session_stream(user_id, row[0]) for row in keys),
    ]
