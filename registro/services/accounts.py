"""People and their passwords."""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar
from uuid import uuid4

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from registro.db.connection import DatabaseConnection, Pool
from registro.db.migrations import CREDENTIAL
from registro.errors import Conflict, Refused, Rejected, Unavailable
from registro.events import reader, types
from registro.events.decide import (
    DESK_NAME,
    Person,
    is_plain_name,
    is_plain_text,
    is_text,
    is_user_name,
)
from registro.events.store import draft
from registro.events.writer import LogWriter
from registro.services import passwords
from registro.services.directory import Directory
from registro.services.erasure import Erasures
from registro.services.passwords import MAX_PASSWORD

_T = TypeVar("_T")

MAX_WAITING = 40
"""Passwords that may wait to be hashed or checked; each takes some 50 ms of one core."""

_CHOSEN = frozenset({"form", "invitation"})
"""Where names are chosen on our own pages; what tokens say is taken as it is."""


class Accounts:
    """Registration, passwords, roles. Everything but the hashes is an event."""

    def __init__(
        self,
        writer: LogWriter,
        readers: Pool,
        directory: Directory,
        connect: Callable[[], DatabaseConnection],
        erasures: Erasures,
        hasher: PasswordHasher | None = None,
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._directory = directory
        self._connect = connect
        self._erasures = erasures
        self._hasher = hasher or PasswordHasher()
        # Hashing takes tens of milliseconds and a core: never on the event loop, never all cores.
        self._threads = ThreadPoolExecutor(1, "password")
        self._waiting = 0
        self._nobody = _hash_of_nothing(self._hasher)

    async def register(
        self,
        user: str,
        name: str,
        role: types.Role,
        origin: Literal["form", "command-line", "token", "fixtures", "invitation"],
        password: str | None = None,
        *,
        by: str | None = None,
    ) -> Person:
        """Makes an account; `by` is the id of whoever invited the person.

        Raises Refused: `datos_invalidos` with `field` (and, for the password, with `reason`: a
        `passwords.Weakness`), or `usuario_existe`; Unavailable.
        """
        if not is_user_name(user) or (role == "user" and user == DESK_NAME):
            raise Refused("datos_invalidos", field="user")
        if not is_text(name) or not 1 <= len(name.strip()) <= 200:
            raise Refused("datos_invalidos", field="name")
        if origin in _CHOSEN and not is_plain_name(user):
            raise Refused("datos_invalidos", field="user")
        if origin in _CHOSEN and not is_plain_text(name):
            raise Refused("datos_invalidos", field="name")
        hashed = None if password is None else await self.hash(password, user, name)
        if await self._directory.by_user(user) is not None:
            raise Refused("usuario_existe")
        if await self._erasures.was_erased(user):
            raise Refused("usuario_borrado")
        person = Person(str(uuid4()), user, name.strip(), role)
        if hashed is not None:
            # First the hash, which nobody can use without the event: the other way round a crash
            # between the two would leave an account that nobody can log in to.
            await self._store_hash(person.id, hashed=hashed)
        event = types.UserRegistered(user=user, name=person.name, role=role, origin=origin, by=by)
        try:
            await self._writer.append(draft(f"user/{person.id}", event, expected=0))
        except Rejected:
            # Somebody else took the name while we looked: the users projection refused ours.
            raise Refused("usuario_existe") from None
        return person

    async def set_password(self, person: Person, password: str, by: str) -> None:
        """Sets a password. Raises Refused `datos_invalidos`, as `register` does."""
        hashed = await self.hash(password, person.user, person.name)
        await self._writer.append(draft(f"user/{person.id}", types.UserPasswordChanged(by=by)))
        await self._store_hash(person.id, hashed=hashed)

    async def change_password(self, person: Person, old: str, new: str, *, loopback: bool) -> bool:
        """Sets one's own password; False when `old` is not it.

        Raises Refused `datos_invalidos`, as `register` does; Unavailable, also when the account is
        changed at the same time: nobody gets past a reset.
        """
        stream = f"user/{person.id}"
        async with self._readers.connection() as connection:
            version = (await reader.versions(connection, [stream])).get(stream, 0)
        if await self.verify_password(person.user, old, loopback=loopback) is None:
            return False
        before = await self._hash_of(person)
        hashed = await self.hash(new, person.user, person.name)
        event = types.UserPasswordChanged(by=person.id)
        try:
            await self._writer.append(draft(stream, event, expected=version))
        except Conflict:
            raise Unavailable("an account was changed at the same time") from None
        await self._replace_hash(person, before, hashed)
        return True

    async def set_demo_password(self, user_ids: Sequence[str], password: str) -> None:
        """One password for the people of the sample data. It works on loopback only."""
        hashed = await self.hash(password)
        await self._store_hash(*user_ids, hashed=hashed, demo=True)

    async def keep_hashes(self, hashes: Iterable[tuple[str, str]]) -> None:
        """Stores hashes that were made elsewhere (user's id, bcrypt): the next login replaces
        them."""
        now = time.time_ns() // 1000
        await self._write([(id_, hashed, 0, now) for id_, hashed in hashes])

    async def verify_password(self, user: str, password: str, *, loopback: bool) -> Person | None:
        """The person, when name and password fit and the account is not disabled.

        Takes the same time whether or not the name is known.
        """
        person = await self._directory.by_user(user)
        row = None
        if person is not None:
            async with self._readers.connection() as connection:
                row = await connection.fetch_one(
                    "SELECT hash, demo FROM credential WHERE user_id = :id", id=person.id
                )
        hashed, demo = row or (self._nobody, 0)
        fits = await self._in_thread(self._fits, hashed, password[:MAX_PASSWORD])
        if person is None or row is None or not fits or person.disabled or (demo and not loopback):
            return None
        if _is_bcrypt(hashed) or self._hasher.check_needs_rehash(hashed):
            rehashed = await self._in_thread(self._hasher.hash, password)
            await self._store_hash(person.id, hashed=rehashed, demo=bool(demo))
        return person

    async def change_role(self, person: Person, role: types.Role, by: str) -> None:
        if role == "user" and person.user == DESK_NAME:
            raise Refused("datos_invalidos", field="role")
        await self._writer.append(
            draft(f"user/{person.id}", types.UserRoleChanged(role=role, by=by))
        )

    async def set_disabled(self, person: Person, disabled: bool, by: str) -> None:
        event = types.UserDisabled(by=by) if disabled else types.UserEnabled(by=by)
        await self._writer.append(draft(f"user/{person.id}", event))

    async def session_ended(self, key: str) -> bool:
        """Whether the token with this key was revoked."""
        async with self._readers.connection() as connection:
            ended = await connection.fetch_value(
                "SELECT 1 FROM sessions WHERE session_key = :key AND ended_at IS NOT NULL", key=key
            )
        return ended is not None

    async def hash(self, password: str, *names: str) -> str:
        """The hash of a password that is good enough for somebody with these names; else raises
        Refused, as `register` does."""
        if not is_text(password):
            raise Refused("datos_invalidos", field="pass", reason="short")
        weakness = passwords.weakness(password, *names)
        if weakness is not None:
            raise Refused("datos_invalidos", field="pass", reason=weakness)
        return await self._in_thread(self._hasher.hash, password)

    def _fits(self, hashed: str, password: str) -> bool:
        try:
            if _is_bcrypt(hashed):
                # The original's bcrypt looked at the first 72 bytes and forgot the rest.
                return bcrypt.checkpw(password.encode()[:72], hashed.encode())
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError, ValueError):
            return False

    async def _in_thread(self, function: Callable[..., _T], *arguments: object) -> _T:
        """Raises Unavailable when too many wait: a flood of logins must not pile up."""
        if self._waiting >= MAX_WAITING:
            raise Unavailable(f"{self._waiting} passwords are waiting to be checked")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, function, *arguments)
        finally:
            self._waiting -= 1

    async def _hash_of(self, person: Person) -> str:
        async with self._readers.connection() as connection:
            return str(
                await connection.fetch_value(
                    "SELECT hash FROM credential WHERE user_id = :id", id=person.id
                )
            )

    async def _replace_hash(self, person: Person, before: str, hashed: str) -> None:
        """Exchanges a hash for another, unless a reset has taken it away meanwhile."""
        connection = await self._connect().open()
        try:
            async with connection.transaction():
                await connection.execute(
                    "UPDATE credential SET hash = :hash, demo = 0, changed_at = :now"
                    " WHERE user_id = :id AND hash = :before",
                    hash=hashed,
                    now=time.time_ns() // 1000,
                    id=person.id,
                    before=before,
                )
        finally:
            await connection.close()

    async def _store_hash(self, *user_ids: str, hashed: str, demo: bool = False) -> None:
        now = time.time_ns() // 1000
        await self._write([(id_, hashed, int(demo), now) for id_ in user_ids])

    async def _write(self, rows: Sequence[tuple[str, str, int, int]]) -> None:
        connection = await self._connect().open()
        try:
            async with connection.transaction():
                await connection.upsert_many(CREDENTIAL, CREDENTIAL.name, rows)
        finally:
            await connection.close()


def _hash_of_nothing(hasher: PasswordHasher) -> str:
    """A hash that no password has, as costly to check as a real one, and made without hashing: a
    start does not wait for it. In the PHC string format, whose base64 has no padding."""
    salt, digest = (
        base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=")
        for size in (hasher.salt_len, hasher.hash_len)
    )
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${costs}${salt}${digest}"


def _is_bcrypt(hashed: str) -> bool:
    """Whether a hash came with an account from the original."""
    return hashed.startswith("$2")
