"""Who is known: by name and by id, from memory where possible.

The memory follows the feed of committed events, so what another process or the command line
changes is seen here within the feed's poll.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from registro.db.connection import Connection, Pool
from registro.db.dialect import Row
from registro.db.sql import in_list
from registro.events.decide import Person
from registro.events.record import Recorded
from registro.events.types import LogErased

CAPACITY = 50_000
"""People kept in memory, about 500 bytes each."""

_COLUMNS = "id, user, name, role, disabled"


class Directory:
    """Look-ups of people. Those that are not known are asked for again each time."""

    def __init__(self, readers: Pool, capacity: int = CAPACITY) -> None:
        self._readers = readers
        self._capacity = capacity
        self._by_id: OrderedDict[str, Person] = OrderedDict()
        self._by_user: dict[str, Person] = {}
        self._changes = 0

    async def by_user(self, user: str) -> Person | None:
        """The person with this name. Raises Unavailable when only the store could tell."""
        known = self._by_user.get(user)
        if known is None:
            async with self._readers.connection() as connection:
                known = await self._one(connection, "user", user)
        return known

    async def by_id(self, user_id: str) -> Person | None:
        known = self._by_id.get(user_id)
        if known is None:
            async with self._readers.connection() as connection:
                known = await self._one(connection, "id", user_id)
        return known

    async def by_ids(self, user_ids: Iterable[str]) -> dict[str, Person]:
        """The people with these ids, as far as they are known."""
        wanted = set(user_ids)
        found = {id_: person for id_ in wanted if (person := self._by_id.get(id_))}
        missing = list(wanted - found.keys())
        for start in range(0, len(missing), 500):
            names, values = in_list(missing[start : start + 500])
            changes = self._changes
            async with self._readers.connection() as connection:
                rows = await connection.fetch_all(
                    f"SELECT {_COLUMNS} FROM users WHERE id IN ({names})", **values
                )
            found |= {row[0]: self._remember(_person(row), changes) for row in rows}
        return found

    async def _one(self, connection: Connection, column: str, value: str) -> Person | None:
        changes = self._changes
        row = await connection.fetch_one(
            f"SELECT {_COLUMNS} FROM users WHERE {column} = :value", value=value
        )
        return None if row is None else self._remember(_person(row), changes)

    def _remember(self, person: Person, changes: int) -> Person:
        """Keeps a person who was read after so many changes, unless there was one meanwhile: what
        was read may be from before it."""
        if changes != self._changes:
            return person
        self._by_id[person.id] = person
        self._by_user[person.user] = person
        if len(self._by_id) > self._capacity:
            _, forgotten = self._by_id.popitem(last=False)
            self._by_user.pop(forgotten.user, None)
        return person

    def committed(self, rows: Iterable[Recorded]) -> None:
        """Forgets people of whom something changed; they are read afresh when next wanted."""
        for row in rows:
            user_id = _changed(row)
            if user_id is not None:
                self._changes += 1
                person = self._by_id.pop(user_id, None)
                if person is not None:
                    self._by_user.pop(person.user, None)


async def read(connection: Connection, user_ids: Sequence[str]) -> dict[str, Person]:
    """People as they are now, whatever is remembered of them."""
    names, values = in_list(user_ids)
    rows = await connection.fetch_all(
        f"SELECT {_COLUMNS} FROM users WHERE id IN ({names})", **values
    )
    return {row[0]: _person(row) for row in rows}


def _changed(row: Recorded) -> str | None:
    """The person of whom a row of the log says something new."""
    if row.type == LogErased.type:
        event = row.event()
        return event.user if isinstance(event, LogErased) else None
    return row.stream.partition("/")[2] if row.type.startswith("user:") else None


def _person(row: Row) -> Person:
    id_, user, name, role, disabled = row
    return Person(id_, user, name, role, bool(disabled))
