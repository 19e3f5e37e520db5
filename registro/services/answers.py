"""Canned answers: texts that all admins share, to be put into an answer and changed there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import uuid4

from registro.db.connection import Pool
from registro.errors import Refused
from registro.events import decide
from registro.events.decide import Answer, Person
from registro.events.store import draft
from registro.events.writer import LogWriter

LISTED = 200
"""How many there can be; they are always listed together."""


class Kept(NamedTuple):
    """An answer, the name of the admin who changed it last (empty when they were erased), and when
    (microseconds since 1970)."""

    answer: Answer
    by: str
    at: int


class Answers:
    """Raises Refused (see `decide`) and Unavailable."""

    def __init__(self, writer: LogWriter, readers: Pool) -> None:
        self._writer = writer
        self._readers = readers

    async def all(self) -> Sequence[Kept]:
        """All of them by title."""
        async with self._readers.connection() as connection:
            records = await connection.fetch_all(
                "SELECT a.id, a.title, a.body, u.name, a.at FROM desk_answers a"
                " LEFT JOIN users u ON u.id = a.by_id WHERE a.title <> '' LIMIT :limit",
                limit=LISTED,
            )
        kept = [Kept(Answer(id_, *says), by or "", at) for id_, *says, by, at in records]
        return sorted(kept, key=lambda one: decide.looks_like(one.answer.title))

    async def one(self, id_: str) -> Answer:
        """Raises Refused `no_autorizado` for one that is not there (any more)."""
        async with self._readers.connection() as connection:
            record = await connection.fetch_one(
                "SELECT id, title, body FROM desk_answers WHERE id = :id", id=id_
            )
        if record is None:
            raise Refused("no_autorizado")
        return Answer(*record)

    async def save(self, admin: Person, id_: str, title: str, text: str) -> None:
        """Saves a new answer (without `id_`), or what one that is there says.

        Raises Refused `datos_invalidos`, also with `reason`: `taken` for a title that another one
        has, `full` when there are 200.
        """
        answer = await self.one(id_) if id_ else None
        event = decide.save_answer(admin, answer, title, text)
        others = [one.answer for one in await self.all() if one.answer.id != id_]
        looks = decide.looks_like(title)
        if any(decide.looks_like(one.title) == looks for one in others):
            raise Refused("datos_invalidos", field="title", reason="taken")
        if answer is None and len(others) >= LISTED:
            raise Refused("datos_invalidos", field="title", reason="full")
        if event is not None:
            await self._writer.append(draft(f"answer/{id_ or uuid4()}", event))

    async def remove(self, admin: Person, id_: str) -> None:
        answer = await self.one(id_)
        await self._writer.append(draft(f"answer/{answer.id}", decide.remove_answer(admin)))
