"""Logins, their renewal and their end.

A login is one stream: it begins with `session:started`, gets a `session:renewed` for every further
token, and ends with `session:ended`. Renewing and ending both expect the version that they read,
so a token can never be renewed past a logout that happened at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from registro.db.connection import Pool
from registro.errors import Conflict, Refused, Unavailable
from registro.events import ids, reader
from registro.events.decide import Person
from registro.events.record import Recorded, parse_rfc3339, rfc3339
from registro.events.store import Draft, draft
from registro.events.types import SessionEnded, SessionRenewed, SessionStarted
from registro.events.writer import LogWriter

LONGEST_LOGIN = 12 * 3600
"""Seconds after a login in which its token may be renewed."""

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class _Login:
    """What a login's stream says. `tokens` are the keys of its tokens with the time (microseconds
    since 1970) at which each expires."""

    key: str
    started_at: int
    version: int
    tokens: dict[str, int]
    ended: bool


class Sessions:
    """Starts, renews and ends sessions."""

    def __init__(self, writer: LogWriter, readers: Pool) -> None:
        self._writer = writer
        self._readers = readers

    async def start(self, person: Person, key: str, expires: int) -> None:
        """Records a login. `expires` is in seconds since 1970. Raises Unavailable."""
        await self._writer.append(_started(person, key, expires))

    async def renew(self, person: Person, key: str, new_key: str, expires: int) -> None:
        """Lets the login of the token `key` go on under `new_key`; the old token stays good until
        it expires.

        Raises Refused `no_autorizado` when the token is not one of ours, its login is over or too
        long ago; Unavailable.
        """
        for _ in range(_ATTEMPTS):
            login = await self._login(person, key)
            if login is None or login.ended or login.started_at < _now() - LONGEST_LOGIN * 10**6:
                raise Refused("no_autorizado")
            renewed = SessionRenewed(user=person.id, key=new_key, expires=_text(expires))
            stream = ids.session_stream(person.id, login.key)
            try:
                await self._writer.append(
                    draft(stream, renewed, expected=login.version),
                    _started(person, new_key, expires, login.key),
                )
            except Conflict:
                continue  # another tab was quicker, or a logout
            return
        raise Unavailable("a session changes all the time")

    async def end(
        self, person: Person, key: str, reason: Literal["logout", "revoked"], by: str
    ) -> None:
        """Revokes a token and all others of its login. Raises Unavailable."""
        for _ in range(_ATTEMPTS):
            login = await self._login(person, key)
            if login is not None and login.ended:
                return
            try:
                await self._writer.append(*_endings(person, key, login, reason, by))
            except Conflict:
                continue
            return
        raise Unavailable("a session changes all the time")

    async def end_all(self, person: Person, by: str) -> None:
        """Revokes every token that somebody may still use, as far as it is known: their logins, and
        what their open sockets came with. Raises Unavailable."""
        for key in await self._alive(person):
            await self.end(person, key, "revoked", by)

    async def end_others(self, person: Person, key: str) -> None:
        """The same for oneself, but for the login that the token `key` belongs to."""
        login = await self._login(person, key)
        own = {key} if login is None else {key, *login.tokens}
        for other in await self._alive(person):
            if other not in own:
                await self.end(person, other, "revoked", person.id)

    async def _alive(self, person: Person) -> list[str]:
        async with self._readers.connection() as connection:
            keys = await connection.fetch_all(
                "SELECT session_key FROM sessions"
                " WHERE user_id = :id AND ended_at IS NULL AND expires > :now"
                " UNION SELECT session_key FROM connections"
                " WHERE user_id = :id AND closed_at IS NULL AND session_key <> ''",
                id=person.id,
                now=rfc3339(_now()),
            )
        return [key for (key,) in keys]

    async def _login(self, person: Person, key: str) -> _Login | None:
        """The login that a token belongs to; None for a token that was minted elsewhere."""
        rows = await self._stream(ids.session_stream(person.id, key))
        first = _event(rows[0]) if rows else None
        if not isinstance(first, SessionStarted):
            return None
        if first.login:
            rows = await self._stream(ids.session_stream(person.id, first.login))
            first = _event(rows[0]) if rows else None
        return _read_login(rows, first) if isinstance(first, SessionStarted) else None

    async def _stream(self, stream: str) -> list[Recorded]:
        async with self._readers.connection() as connection:
            rows = await connection.fetch_all(
                f"SELECT {reader.COLUMNS} FROM log_event WHERE stream = :stream ORDER BY version",
                stream=stream,
            )
        return [Recorded(*row) for row in rows]


def _event(row: Recorded) -> object:
    return None if row.erased else row.event()


def _read_login(rows: Sequence[Recorded], first: SessionStarted) -> _Login:
    events = [_event(row) for row in rows]
    tokens = {
        event.key: parse_rfc3339(event.expires)
        for event in events
        if isinstance(event, SessionStarted | SessionRenewed)
    }
    ended = any(isinstance(event, SessionEnded) for event in events)
    return _Login(first.key, rows[0].recorded_at, len(rows), tokens, ended)


def _started(person: Person, key: str, expires: int, login: str = "") -> Draft:
    event = SessionStarted(user=person.id, key=key, expires=_text(expires), login=login)
    return draft(ids.session_stream(person.id, key), event, expected=0)


def _endings(
    person: Person,
    key: str,
    login: _Login | None,
    reason: Literal["logout", "revoked"],
    by: str,
) -> list[Draft]:
    """The end of the login itself (at the version that was read), and of each token still good."""
    alive = set() if login is None else {one for one, at in login.tokens.items() if at > _now()}
    first = key if login is None else login.key
    return [
        draft(
            ids.session_stream(person.id, one),
            SessionEnded(user=person.id, key=one, reason=reason, by=by),
            expected=login.version if login is not None and one == first else None,
        )
        for one in (first, *sorted((alive | {key}) - {first}))
    ]


def _now() -> int:
    return time.time_ns() // 1000


def _text(seconds: int) -> str:
    return rfc3339(seconds * 1_000_000)
