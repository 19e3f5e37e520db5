"""What is known of a user beside their conversation with the desk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from registro.db.connection import Connection, Pool
from registro.db.dialect import Row as Record
from registro.events.types import ConversationAssigned
from registro.services.directory import Directory
from registro.services.inbox import Row

SOCKETS = 5
"""Open sockets that are listed, the newest first."""

PAIRS = 5
"""Conversations with others that are listed, the most recent first."""


@dataclass(frozen=True, slots=True)
class Socket:
    """An open connection. `client` is its User-Agent; times are microseconds since 1970."""

    client: str
    since: int


@dataclass(frozen=True, slots=True)
class Pair:
    """A conversation with another person."""

    id: str
    name: str
    messages: int
    last_at: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """The last one: `to` is a name, empty for nobody; `by` who assigned it."""

    to: str
    by: str
    at: int


@dataclass(frozen=True, slots=True)
class Dossier:
    """`registered_at` and `first_at` are when the account was made and when the first message of
    the conversation was sent, None where there is none."""

    user_id: str
    role: str
    disabled: bool
    registered_at: int
    first_at: int | None
    sockets: Sequence[Socket]
    pairs: Sequence[Pair]
    assignment: Assignment | None


class Dossiers:
    """Queries. Each takes four statements, and one for names that are not known yet."""

    def __init__(self, readers: Pool, directory: Directory) -> None:
        self._readers = readers
        self._directory = directory

    async def of(self, user_id: str, row: Row) -> Dossier:
        """The person whose row of the inbox this is."""
        async with self._readers.connection() as connection:
            person = await connection.fetch_one(
                "SELECT u.role, u.disabled, u.registered_at, m.sent_at FROM users u"
                " LEFT JOIN messages m ON m.conversation = :conversation AND m.seq = 1"
                " WHERE u.id = :id",
                id=user_id,
                conversation=row.conversation,
            )
            sockets = await connection.fetch_all(
                "SELECT client, opened_at FROM connections"
                " WHERE user_id = :id AND closed_at IS NULL"
                " ORDER BY opened_at DESC, id LIMIT :limit",
                id=user_id,
                limit=SOCKETS,
            )
            pairs = await _pairs(connection, user_id)
            assigned = await connection.fetch_one(
                "SELECT value, by_id, at FROM conversation_actions"
                " WHERE conversation = :conversation AND type = :type"
                " ORDER BY position DESC LIMIT 1",
                conversation=row.conversation,
                type=ConversationAssigned.type,
            )
        role, disabled, registered_at, first_at = person or ("user", 0, 0, None)
        return Dossier(
            user_id,
            role,
            bool(disabled),
            registered_at,
            first_at,
            [Socket(*record) for record in sockets],
            [Pair(*record) for record in pairs],
            None if assigned is None else await self._assignment(*assigned),
        )

    async def _assignment(self, to: str, by: str, at: int) -> Assignment:
        people = await self._directory.by_ids({to, by} - {""})
        names = {id_: person.name for id_, person in people.items()}
        return Assignment(names.get(to, ""), names.get(by, ""), at)


async def _pairs(connection: Connection, user_id: str) -> Sequence[Record]:
    """Conversations that are no user's with the desk; somebody is on either side of them."""
    arm = (
        "SELECT * FROM (SELECT id, {other} AS other, last_seq, last_at FROM conversations"
        " WHERE {side} = :id AND kind = 'pair' ORDER BY last_at DESC LIMIT :limit) AS arm_{side}"
    )
    arms = f"{arm.format(side='user_id', other='peer_id')} UNION ALL " + arm.format(
        side="peer_id", other="user_id"
    )
    return await connection.fetch_all(
        f"SELECT p.id, u.name, p.last_seq, p.last_at FROM ({arms}) AS p"
        " JOIN users u ON u.id = p.other ORDER BY p.last_at DESC LIMIT :limit",
        id=user_id,
        limit=PAIRS,
    )
