"""Addresses for mail: asked for, confirmed by the link in a mail, removed.

An address that nobody has confirmed may be somebody else's: it is kept beside the log for a day,
and the log learns of it when its owner follows the link. One that is removed or changed is erased
from the log.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Callable
from typing import Literal, NamedTuple

from registro.db.connection import Connection, DatabaseConnection, Pool
from registro.db.migrations import MAIL_JOB, MAIL_PENDING
from registro.errors import Refused
from registro.events import codec
from registro.events.decide import Person
from registro.events.store import draft
from registro.events.types import UserEmailConfirmed, UserEmailRemoved
from registro.events.writer import LogWriter
from registro.services.directory import Directory
from registro.services.erasure import Erasures

MAX_ADDRESS = 190
"""Characters of an address."""

GOOD_FOR = 86_400
"""Seconds in which an address has to be confirmed."""

MAX_ASKED = 3
"""Mails that ask for a confirmation, a person and day: nobody shall be bothered through us."""

_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9-]{2,63}"
)


class Standing(NamedTuple):
    """What a person's page shows: the confirmed address and one that waits, None where there is
    none. `failed` says that the mail to the one that waits was refused."""

    address: str | None
    waiting: str | None
    failed: bool


class Pending(NamedTuple):
    """An address that waits for its confirmation."""

    address: str
    language: str
    expires_at: int


def is_address(text: str) -> bool:
    """Whether a text can be a mail address as most are: ASCII, with a domain of several parts."""
    return (
        len(text) <= MAX_ADDRESS
        and _ADDRESS.fullmatch(text) is not None
        and ".." not in text
        and not text.startswith(".")
    )


class Addresses:
    """Commands and queries about them. All raise Unavailable."""

    def __init__(
        self,
        writer: LogWriter,
        readers: Pool,
        directory: Directory,
        erasures: Erasures,
        connect: Callable[[], DatabaseConnection],
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._directory = directory
        self._erasures = erasures
        self._connect = connect
        self._key: bytes | None = None

    async def of(self, person: Person) -> Standing:
        current = await self._current(person.id)
        async with self._readers.connection() as connection:
            waiting = await pending(connection, person.id)
            state = await connection.fetch_value(
                "SELECT state FROM mail_job WHERE user_id = :id AND kind = 'confirm'",
                id=person.id,
            )
        address = None if current is None else current[1].address
        return Standing(address, waiting and waiting.address, state == "refused")

    async def ask(self, person: Person, address: str, language: str) -> None:
        """Has a link sent to an address, soon.

        Raises Refused: `datos_invalidos`, `limite_superado` for who has asked too often, or
        `no_autorizado` for admins, whom no mail is for.
        """
        if person.is_admin or not person.id:
            raise Refused("no_autorizado")
        if not is_address(address):
            raise Refused("datos_invalidos", field="correo")
        connection = await self._connect().open()
        try:
            async with connection.transaction():
                now = _now()
                known = await connection.fetch_one(
                    "SELECT asked_at, asked FROM mail_pending WHERE user_id = :id"
                    f"{connection.dialect.for_update}",
                    id=person.id,
                )
                began, asked = (now, 0) if known is None else known
                if now - began >= GOOD_FOR * 1_000_000:
                    began, asked = now, 0
                if asked >= MAX_ASKED:
                    raise Refused("limite_superado")
                expires = now + GOOD_FOR * 1_000_000
                row = (person.id, address, language, began, expires, asked + 1)
                await connection.upsert_many(MAIL_PENDING, MAIL_PENDING.name, [row])
                job = (person.id, "confirm", "waiting", "", 0, 0, now, 0, 0, 0)
                await connection.upsert_many(MAIL_JOB, MAIL_JOB.name, [job])
        finally:
            await connection.close()

    async def confirm_link(self, user_id: str, waiting: Pending) -> str:
        """What the link to confirm an address has in it."""
        said = f"{user_id}.{waiting.expires_at}"
        return f"{said}.{await self._mac(f'confirm:{said}:{waiting.address}')}"

    async def meant_by(self, link: str) -> tuple[Person, Pending] | None:
        """Whose address a link confirms, and which; None for a link that is good for nothing."""
        user_id, _, _ = link.partition(".")
        async with self._readers.connection() as connection:
            waiting = await pending(connection, user_id) if len(user_id) == 36 else None
        if waiting is None or waiting.expires_at <= _now():
            return None
        if not hmac.compare_digest(
            link.encode(), (await self.confirm_link(user_id, waiting)).encode()
        ):
            return None
        person = await self._directory.by_id(user_id)
        return None if person is None or person.disabled else (person, waiting)

    async def confirm(self, link: str) -> str:
        """Records the address of a link and returns it. Raises Refused `no_autorizado`."""
        found = await self.meant_by(link)
        if found is None:
            raise Refused("no_autorizado")
        person, waiting = found
        before = await self._current(person.id)
        event = UserEmailConfirmed(waiting.address, waiting.language, person.id)
        await self._writer.append(draft(f"user/{person.id}", event))
        await self._forget_pending(person.id)
        await self._erase(before, person)
        return waiting.address

    async def unsubscribe_link(self, user_id: str) -> str:
        """What the link to get no more mail has in it; it is good for ever."""
        return f"{user_id}.{await self._mac(f'unsubscribe:{user_id}')}"

    async def unsubscriber(self, link: str) -> Person | None:
        """Who gets no more mail by a link; None for a link that is none."""
        user_id, _, _ = link.partition(".")
        expected = await self.unsubscribe_link(user_id)
        if not hmac.compare_digest(link.encode(), expected.encode()):
            return None
        return await self._directory.by_id(user_id)

    async def remove(
        self, person: Person, reason: Literal["person", "unsubscribed"] = "person"
    ) -> None:
        """No more mail: an address that waits is forgotten, a confirmed one removed and erased."""
        await self._forget_pending(person.id)
        before = await self._current(person.id)
        if before is None:
            return
        event = UserEmailRemoved(reason=reason, by=person.id)
        await self._writer.append(draft(f"user/{person.id}", event))
        await self._erase(before, person)

    async def _current(self, user_id: str) -> tuple[int, UserEmailConfirmed] | None:
        """The address that stands, and its position: from the log, since the projection follows a
        moment later."""
        async with self._readers.connection() as connection:
            row = await connection.fetch_one(
                "SELECT position, type, schema_version, payload FROM log_event"
                " WHERE stream = :stream AND type IN (:confirmed, :removed)"
                " ORDER BY version DESC LIMIT 1",
                stream=f"user/{user_id}",
                confirmed=UserEmailConfirmed.type,
                removed=UserEmailRemoved.type,
            )
        if row is None or row[3] is None:
            return None
        event = codec.decode(row[1], row[2], bytes(row[3]))
        return (row[0], event) if isinstance(event, UserEmailConfirmed) else None

    async def _erase(self, before: tuple[int, UserEmailConfirmed] | None, person: Person) -> None:
        if before is not None:
            plan = await self._erasures.of_event(before[0])
            await self._erasures.carry_out(plan, "e-mail address", person.id)

    async def _forget_pending(self, user_id: str) -> None:
        async with self._readers.connection() as connection, connection.transaction():
            # The row stays for its count: asking, taking back and asking again is asking, too.
            await connection.execute(
                "UPDATE mail_pending SET address = '', expires_at = 0 WHERE user_id = :id",
                id=user_id,
            )
            await connection.execute(
                "DELETE FROM mail_job WHERE user_id = :id AND kind = 'confirm'", id=user_id
            )

    async def _mac(self, text: str) -> str:
        if self._key is None:
            async with self._readers.connection() as connection:
                self._key = await connection.fetch_value(
                    "SELECT value FROM secret WHERE name = 'mail'"
                )
        digest = hmac.new(self._key or b"", text.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest[:24]).decode()


async def confirmed(connection: Connection, user_id: str) -> tuple[str, str] | None:
    """Somebody's confirmed address, and the language in which they asked for mail."""
    row = await connection.fetch_one(
        "SELECT address, language FROM mail_addresses WHERE user_id = :id", id=user_id
    )
    return None if row is None else (row[0], row[1])


async def pending(connection: Connection, user_id: str) -> Pending | None:
    row = await connection.fetch_one(
        "SELECT address, language, expires_at FROM mail_pending"
        " WHERE user_id = :id AND expires_at > :now",
        id=user_id,
        now=_now(),
    )
    return None if row is None else Pending(*row)


def _now() -> int:
    return time.time_ns() // 1000
