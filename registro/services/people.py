"""What the admin area shows of people, and how many there are of everything."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from registro.db.connection import Pool
from registro.db.dialect import Row as Record
from registro.events import reader

PAGE = 50

ADMINS_KEPT = 30.0
"""Seconds that the admins' names are kept in memory."""


@dataclass(frozen=True, slots=True)
class Someone:
    """A person in the list. `seen` is when they connected or were last seen (microseconds since
    1970); `has_conversation` whether there is a conversation of theirs with the desk."""

    id: str
    user: str
    name: str
    role: str
    disabled: bool
    registered_at: int
    connected: bool
    seen: int | None
    has_conversation: bool


@dataclass(frozen=True, slots=True)
class List:
    """Some people by user name; `cursor` asks for those after them, None at the end."""

    people: Sequence[Someone]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Counts:
    people: int
    admins: int
    connected: int
    conversations: int
    waiting: int
    events: int


class People:
    """Queries about everybody."""

    def __init__(self, readers: Pool) -> None:
        self._readers = readers
        self._admins: tuple[float, dict[str, str]] = (-ADMINS_KEPT, {})

    async def list(
        self, search: str = "", after: str = "", limit: int = PAGE, role: str = ""
    ) -> List:
        """People by user name, after the user name `after`: those whose user name begins with
        `search` or whose name has it in it, in capitals or not, and of one role if it is given."""
        where = ["u.user > :after"]
        if search:
            where.append(
                "((u.user >= :search AND u.user < :end)"
                " OR LOWER(u.name) LIKE :lower ESCAPE '|' OR u.name LIKE :capital ESCAPE '|')"
            )
        if role:
            where.append("u.role = :role")
        values = {
            "search": search,
            "end": search + "\U0010ffff",
            "lower": _like(search.lower()),
            "capital": _like(search.lower().title()),  # SQLite's LOWER knows a to z alone
        }
        async with self._readers.connection() as connection:
            records = await connection.fetch_all(
                f"{_PEOPLE} WHERE {' AND '.join(where)} ORDER BY u.user LIMIT :limit",
                after=after,
                limit=limit + 1,
                **(values if search else {}),
                **({"role": role} if role else {}),
            )
        people = [_someone(record) for record in records[:limit]]
        return List(people, people[-1].user if len(records) > limit else None)

    async def one(self, user_id: str) -> Someone | None:
        """One person, as the list has them."""
        async with self._readers.connection() as connection:
            record = await connection.fetch_one(f"{_PEOPLE} WHERE u.id = :id", id=user_id)
        return None if record is None else _someone(record)

    async def admins(self) -> dict[str, str]:
        """The admins' names by user name (the first 200), at most half a minute old."""
        read_at, names = self._admins
        if time.monotonic() - read_at > ADMINS_KEPT:
            async with self._readers.connection() as connection:
                records = await connection.fetch_all(
                    "SELECT user, name FROM users WHERE role = 'admin' ORDER BY user LIMIT 200"
                )
            names = dict(records)
            self._admins = (time.monotonic(), names)
        return names

    async def counts(self) -> Counts:
        async with self._readers.connection() as connection:
            users = await connection.fetch_one(
                "SELECT COUNT(*), COALESCE(SUM(role = 'admin'), 0) FROM users"
            )
            connected = await connection.fetch_value(
                "SELECT COUNT(*) FROM presence WHERE sockets > 0"
            )
            desk = await connection.fetch_one(
                "SELECT COUNT(*), COUNT(waiting_since) FROM conversations WHERE kind = 'desk'"
            )
            events = (await reader.head(connection)).position
        (people, admins), (conversations, waiting) = users or (0, 0), desk or (0, 0)
        return Counts(people, int(admins), connected, conversations, waiting, events)


def _like(part: str) -> str:
    """A pattern for text that has `part` in it."""
    for special in "|%_":
        part = part.replace(special, "|" + special)
    return f"%{part}%"


_PEOPLE = (
    "SELECT u.id, u.user, u.name, u.role, u.disabled, u.registered_at, p.sockets, p.since, c.id"
    " FROM users u LEFT JOIN presence p ON p.user_id = u.id"
    " LEFT JOIN conversations c ON c.user_id = u.id AND c.kind = 'desk'"
)


def _someone(record: Record) -> Someone:
    id_, user, name, role, disabled, registered_at, sockets, since, conversation = record
    return Someone(
        id=id_,
        user=user,
        name=name,
        role=role,
        disabled=bool(disabled),
        registered_at=registered_at,
        connected=bool(sockets),
        seen=since,
        has_conversation=conversation is not None,
    )
