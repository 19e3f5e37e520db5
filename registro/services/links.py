"""Links with which people set a password: made by admins, good once, for some time.

`docs/decisions/0006-password-links.md` says why links, and not passwords that admins make up.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from uuid import uuid5

from registro.db.connection import DatabaseConnection, Pool
from registro.db.migrations import CREDENTIAL, PASSWORD_LINK
from registro.errors import Refused
from registro.events import ids
from registro.events.decide import Person
from registro.events.store import draft
from registro.events.types import UserPasswordChanged
from registro.events.writer import LogWriter
from registro.services.accounts import Accounts
from registro.services.directory import Directory

INVITATION = 7 * 86_400
RESET = 86_400
"""Seconds that a link is good for."""


class PasswordLinks:
    """Makes links and lets them be used. The database has their SHA-256 alone."""

    def __init__(
        self,
        writer: LogWriter,
        readers: Pool,
        directory: Directory,
        accounts: Accounts,
        connect: Callable[[], DatabaseConnection],
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._directory = directory
        self._accounts = accounts
        self._connect = connect

    async def make(self, person: Person, seconds: int) -> str:
        """The text of a new link. The person's password and older link are forgotten."""
        text = secrets.token_urlsafe(32)
        row = (person.id, _hash(text), _now() + seconds * 1_000_000)
        connection = await self._connect().open()
        try:
            async with connection.transaction():
                await connection.execute(
                    f"DELETE FROM {CREDENTIAL.name} WHERE user_id = :id", id=person.id
                )
                await connection.upsert_many(PASSWORD_LINK, PASSWORD_LINK.name, [row])
        finally:
            await connection.close()
        return text

    async def owner(self, text: str) -> Person | None:
        """Who may set a password with a link; None when it is good for nothing (any more)."""
        async with self._readers.connection() as connection:
            user_id = await connection.fetch_value(_OWNER, hash=_hash(text), now=_now())
        person = None if user_id is None else await self._directory.by_id(user_id)
        return None if person is None or person.disabled else person

    async def use(self, text: str, password: str) -> Person:
        """Sets the password of a link's owner.

        Raises Refused: `no_autorizado` for a link that is not good (any more), `datos_invalidos` as
        `Accounts.register` does, after which it still is; Unavailable.
        """
        person = await self.owner(text)
        if person is None:
            raise Refused("no_autorizado")
        hashed = await self._accounts.hash(password, person.user, person.name)
        # Its id follows from the link: whoever tries again after an error records nothing new.
        event_id = str(uuid5(ids.NAMESPACE, f"password-link:{_hash(text).hex()}"))
        event = UserPasswordChanged(by=person.id)
        await self._writer.append(draft(f"user/{person.id}", event, id=event_id))
        await self._spend(person, text, hashed)
        return person

    async def _spend(self, person: Person, text: str, hashed: str) -> None:
        """Exchanges a link for a password; of two who do it at once, one comes too late."""
        connection = await self._connect().open()
        try:
            async with connection.transaction():
                # Locks the row before anything is read: a reader would see it as it was.
                await connection.execute(
                    "UPDATE password_link SET expires_at = expires_at WHERE link_hash = :hash",
                    hash=_hash(text),
                )
                if await connection.fetch_value(_OWNER, hash=_hash(text), now=_now()) is None:
                    raise Refused("no_autorizado")
                await connection.upsert_many(
                    CREDENTIAL, CREDENTIAL.name, [(person.id, hashed, 0, _now())]
                )
                await connection.execute(
                    "DELETE FROM password_link WHERE user_id = :id", id=person.id
                )
        finally:
            await connection.close()


_OWNER = "SELECT user_id FROM password_link WHERE link_hash = :hash AND expires_at > :now"


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _now() -> int:
    return time.time_ns() // 1000
