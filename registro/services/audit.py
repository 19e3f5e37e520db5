"""Finding events in the log: by type, person, conversation, session, stream and time.

Every query is a few walks along indexes, each of which stops at the end of a page, so a page costs
the same in a long log as in a short one: there is a walk for each event type that can match, from
`log_event` by type, or from the projection `subjects` where somebody is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from registro.db.connection import Connection, Pool
from registro.db.sql import in_list
from registro.errors import UnknownEvent
from registro.events import codec, reader
from registro.events.codec import MAX_INTEGER
from registro.events.record import Recorded
from registro.events.types import (
    ConnectionOpened,
    Event,
    SessionEnded,
    SessionRenewed,
    SessionStarted,
)
from registro.projections.subjects import LOGINS, NAMES, subject

PAGE = 50
"""Events on one page."""

CONNECTED = 200
"""Open sockets on one page."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events are wanted; None and nothing mean all. `types` are beginnings of type names,
    `user` and `conversation` ids, `session` a session's key; times are microseconds since 1970
    (from `since`, before `until`)."""

    types: tuple[str, ...] = ()
    user: str | None = None
    conversation: str | None = None
    session: str | None = None
    stream: str | None = None
    since: int | None = None
    until: int | None = None

    def known_types(self) -> list[str]:
        """The event types whose names begin with one of `types`; all without any."""
        return [name for name in sorted(codec.EVENT_TYPES) if name.startswith(self.types or ("",))]

    @property
    def subjects(self) -> list[str]:
        """The ids that an event has to concern, those that concern the fewest events first."""
        return [one for one in (self.session, self.user) if one is not None]

    @property
    def streams(self) -> list[str]:
        """The streams that an event has to be in one of; none mean all."""
        if self.conversation is None:
            return [] if self.stream is None else [self.stream]
        return [f"{kind}/{self.conversation}" for kind in _OF_CONVERSATIONS]


_OF_CONVERSATIONS: Mapping[str, str] = {
    "conversation": "conversation:message:", "desk": "conversation:",
}  # fmt: skip
"""Kinds of streams that have a conversation's id, and how the types of their events begin."""

EVERYTHING = Filter()
LOGIN = Filter(types=(SessionStarted.type,), session=LOGINS)
"""Logins, without the renewals of their tokens."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some events, the newest first. `older` asks for those before the last of them, `newer` for
    those after the first; None where there are none."""

    rows: Sequence[Recorded]
    older: int | None
    newer: int | None


class Login(NamedTuple):
    """A login and what became of it. `until` is when its last token expired or will; `ended_at`
    when it was ended before, and `reason` why; `renewals` how many further tokens it had;
    `tokens` are the keys of all of them."""

    row: Recorded
    user: str
    key: str
    until: str
    renewals: int
    ended_at: int | None
    reason: str | None
    tokens: frozenset[str]


class Socket(NamedTuple):
    """A connection: `closed_at` and `milliseconds` are None while it is open."""

    id: str
    user_id: str
    session: str
    transport: str
    client: str
    node: str
    opened_at: int
    closed_at: int | None
    reason: str | None
    milliseconds: int | None


class Audit:
    """Queries over the log. Each takes a fixed number of statements, however long the log is,
    but for times: their positions are found by halving."""

    def __init__(self, readers: Pool) -> None:
        self._readers = readers

    async def page(
        self,
        wanted: Filter = EVERYTHING,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = PAGE,
    ) -> Page:
        """Events before a position or after one (those next to it), else the newest."""
        async with self._readers.connection() as connection:
            walk = await _walk(connection, wanted, before, after, limit + 1)
            positions = await _positions(connection, wanted, walk)
            found = await reader.at_positions(connection, positions[:limit])
        more = len(positions) > limit
        rows = [found[position] for position in sorted(found, reverse=True)]
        if not rows:
            return Page([], after or None, None)
        # What a page was asked from is on its other side, so there is something.
        older = more if after is None else True
        newer = more if after is not None else before is not None
        return Page(rows, rows[-1].position if older else None, rows[0].position if newer else None)

    async def end(self) -> int:
        """The last position; 0 for an empty log."""
        async with self._readers.connection() as connection:
            return (await reader.head(connection)).position

    async def count_after(self, wanted: Filter, after: int, limit: int) -> int:
        """How many events came after a position, at most `limit`."""
        async with self._readers.connection() as connection:
            walk = await _walk(connection, wanted, None, after, limit)
            return len(await _positions(connection, wanted, walk))

    async def logins(
        self, user: str | None = None, *, before: int | None = None, limit: int = PAGE
    ) -> tuple[Sequence[Login], int | None]:
        """Logins, the newest first, of one person or all; and what `before` asks for more."""
        wanted = LOGIN if user is None else Filter(LOGIN.types, user, None, LOGINS)
        page = await self.page(wanted, before=before, limit=limit)
        async with self._readers.connection() as connection:
            rows = await reader.of_streams(connection, {row.stream for row in page.rows})
        streams: dict[str, list[Recorded]] = {}
        for row in rows:
            streams.setdefault(row.stream, []).append(row)
        return [_login(streams[row.stream]) for row in page.rows], page.older

    async def sockets(
        self, user: str | None = None, *, before: int | None = None, limit: int = PAGE
    ) -> tuple[Sequence[Socket], int | None]:
        """Connections by their opening, the newest first, and what `before` asks for more."""
        page = await self.page(Filter((ConnectionOpened.type,), user), before=before, limit=limit)
        wanted = [row.stream.partition("/")[2] for row in page.rows]
        if not wanted:
            return [], None
        names, values = in_list(wanted)
        async with self._readers.connection() as connection:
            rows = await connection.fetch_all(f"{_SOCKETS} WHERE id IN ({names})", **values)
        found = {row[0]: Socket(*row) for row in rows}
        return [found[id_] for id_ in wanted if id_ in found], page.older

    async def connected(
        self, after: tuple[int, str] = (0, ""), limit: int = CONNECTED
    ) -> list[Socket]:
        """Open sockets by their opening, after one's (`opened_at`, `id`)."""
        async with self._readers.connection() as connection:
            rows = await connection.fetch_all(
                f"{_SOCKETS} WHERE closed_at IS NULL"
                " AND (opened_at > :at OR (opened_at = :at AND id > :id))"
                " ORDER BY opened_at, id LIMIT :limit",
                at=after[0],
                id=after[1],
                limit=limit,
            )
        return [Socket(*row) for row in rows]

    async def sockets_of(self, user_id: str) -> list[Socket]:
        """Somebody's open sockets by their opening, the newest first."""
        async with self._readers.connection() as connection:
            rows = await connection.fetch_all(
                f"{_SOCKETS} WHERE user_id = :id AND closed_at IS NULL"
                " ORDER BY opened_at DESC, id LIMIT :limit",
                id=user_id,
                limit=CONNECTED,
            )
        return [Socket(*row) for row in rows]

    async def count_connected(self) -> tuple[int, int]:
        """How many people are connected, and with how many sockets."""
        async with self._readers.connection() as connection:
            row = await connection.fetch_one(
                "SELECT COUNT(DISTINCT user_id), COUNT(*) FROM connections WHERE closed_at IS NULL"
            )
        people, sockets = row or (0, 0)
        return people, sockets


_SOCKETS = (
    "SELECT id, user_id, session_key, transport, client, node, opened_at, closed_at, reason,"
    " milliseconds FROM connections"
)


class _Walk(NamedTuple):
    """Positions above `low` and below `high`, in descending order or not, at most `limit`."""

    low: int
    high: int
    descending: bool
    limit: int

    @property
    def order(self) -> str:
        return "DESC" if self.descending else "ASC"


class _Arm(NamedTuple):
    """A table `a` with a condition on it, and the columns of the index that is walked along: in
    their order positions are in order, too."""

    source: str
    order: tuple[str, ...] = ("position",)

    def sql(self, number: int, walk: _Walk) -> str:
        order = ", ".join(f"a.{column} {walk.order}" for column in self.order)
        return (
            f"SELECT position FROM (SELECT a.position FROM {self.source} AND a.position > :low"
            f" AND a.position < :high ORDER BY {order} LIMIT :limit) arm{number}"
        )


async def _walk(
    connection: Connection, wanted: Filter, before: int | None, after: int | None, limit: int
) -> _Walk:
    low, high = after or 0, before or MAX_INTEGER
    if wanted.since is not None:
        low = max(low, await reader.last_position_before(connection, wanted.since))
    if wanted.until is not None:
        high = min(high, await reader.last_position_before(connection, wanted.until) + 1)
    return _Walk(low, high, after is None, limit)


async def _positions(connection: Connection, wanted: Filter, walk: _Walk) -> list[int]:
    """The first positions of a walk that a filter lets through."""
    if walk.high <= walk.low + 1:
        return []
    if not (wanted.types or wanted.subjects or wanted.streams):
        return await _every_position(connection, walk)
    arms, values = _arms(wanted)
    if not arms:
        return []
    for number, stream in enumerate(wanted.streams):
        values |= await _versions(connection, stream, number, walk)
    parts = " UNION ALL ".join(arm.sql(number, walk) for number, arm in enumerate(arms))
    rows = await connection.fetch_all(
        f"SELECT position FROM ({parts}) found ORDER BY position {walk.order} LIMIT :limit",
        low=walk.low,
        high=walk.high,
        limit=walk.limit,
        **values,
    )
    return [row[0] for row in rows]


async def _versions(
    connection: Connection, stream: str, number: int, walk: _Walk
) -> dict[str, int]:
    """A walk's bounds as versions of a stream, since that is what its index has."""
    low, high = 0, MAX_INTEGER
    if walk.low:
        low = await reader.version_at(connection, stream, walk.low)
    if walk.high < MAX_INTEGER:
        high = await reader.version_at(connection, stream, walk.high - 1)
    return {f"first{number}": low, f"last{number}": high}


async def _every_position(connection: Connection, walk: _Walk) -> list[int]:
    """Positions have no gaps, so nothing is looked for. (MySQL, when asked, reads all of them: it
    skips along the index on the type, which is smaller than the table.)"""
    end = (await reader.head(connection)).position
    there = range(walk.low + 1, min(walk.high, end + 1))
    return list(there[::-1][: walk.limit] if walk.descending else there[: walk.limit])


def _arms(wanted: Filter) -> tuple[list[_Arm], dict[str, Any]]:
    """What to walk along, and the values of its parameters."""
    if wanted.streams:
        return _along_streams(wanted)
    if wanted.subjects:
        return _along_subjects(wanted)
    known = wanted.known_types()
    # The second type is one that is never there. Without it MariaDB looks the type up alone and
    # walks from its newest event, however far the page is from there.
    arms = [
        _Arm(f"log_event a WHERE a.type IN (:t{number}, '~')", ("type", "position"))
        for number in range(len(known))
    ]
    return arms, {f"t{number}": type_ for number, type_ in enumerate(known)}


def _along_streams(wanted: Filter) -> tuple[list[_Arm], dict[str, Any]]:
    """A walk for each stream; where somebody is named, too, for each type that they can have in
    it."""
    arms: list[_Arm] = []
    values: dict[str, Any] = {}
    for number, stream in enumerate(wanted.streams):
        values[f"stream{number}"] = stream
        inside = (
            f"log_event a WHERE a.stream = :stream{number}"
            f" AND a.version > :first{number} AND a.version <= :last{number}"
        )
        if wanted.subjects:
            begins = _OF_CONVERSATIONS.get(stream.partition("/")[0], "")
            for type_ in (one for one in _named_types(wanted) if one.startswith(begins)):
                also, hashes = _concerns(wanted.subjects, type_, f"s{number}_{len(arms)}")
                arms.append(_Arm(inside + also, ("version",)))
                values |= hashes
        elif wanted.types:
            names, types = in_list(wanted.known_types(), "t")
            arms.append(_Arm(f"{inside} AND a.type IN ({names or 'NULL'})", ("version",)))
            values |= types
        else:
            arms.append(_Arm(inside, ("version",)))
    return arms, values


def _named_types(wanted: Filter) -> list[str]:
    return [name for name in wanted.known_types() if name in NAMES]


def _concerns(of: Sequence[str], type_: str, prefix: str) -> tuple[str, dict[str, Any]]:
    """The condition that an event of a type concerns some ids, and its values."""
    hashes = {f"{prefix}_{n}": subject(id_, type_) for n, id_ in enumerate(of)}
    condition = "".join(
        f" AND EXISTS (SELECT 1 FROM subjects o WHERE o.subject = :{name}"
        " AND o.position = a.position)"
        for name in hashes
    )
    return condition, hashes


def _along_subjects(wanted: Filter) -> tuple[list[_Arm], dict[str, Any]]:
    """A walk for each type, along the rarest subject; the others are looked up."""
    arms: list[_Arm] = []
    values: dict[str, Any] = {}
    first, *others = wanted.subjects
    for number, type_ in enumerate(_named_types(wanted)):
        also, hashes = _concerns(others, type_, f"o{number}")
        arms.append(_Arm(f"subjects a WHERE a.subject = :s{number}{also}"))
        values |= hashes | {f"s{number}": subject(first, type_)}
    return arms, values


def event_of(row: Recorded) -> Event | None:
    """The event in a row; None for one that was erased, or that a newer program wrote."""
    try:
        return None if row.erased else row.event()
    except UnknownEvent:
        return None


def _login(rows: Sequence[Recorded]) -> Login:
    """What a login's stream says of it; the first row is its beginning."""
    first = event_of(rows[0])
    until, renewals, ended_at, reason = "", 0, None, None
    tokens: set[str] = set()
    for row in rows:
        event = event_of(row)
        if isinstance(event, SessionStarted | SessionRenewed):
            until = max(until, event.expires)
            renewals += isinstance(event, SessionRenewed)
            tokens.add(event.key)
        elif isinstance(event, SessionEnded) and ended_at is None:
            ended_at, reason = row.recorded_at, event.reason
    user, key = (first.user, first.key) if isinstance(first, SessionStarted) else ("", "")
    return Login(rows[0], user, key, until, renewals, ended_at, reason, frozenset(tokens))
