"""Finding messages by what is in them, the newest first, a bounded amount of work at a time.

The full-text index gives messages that may be meant (`projections.search`); their texts and
conversations say which are. A page goes through the log stretch by stretch until it is full, or
until it has looked at so much that the reader is asked whether to go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from registro.db.connection import Connection, Pool
from registro.db.sql import in_list
from registro.events import reader
from registro.events.decide import DESK_NAME, Person
from registro.events.types import DESK
from registro.projections import search
from registro.projections.grams import needed
from registro.projections.messages import attachments_of, with_names
from registro.projections.search import SEARCH, STRETCH, stretch
from registro.services.directory import Directory
from registro.services.query import Query, State, Terms

PAGE = 30
"""Messages on one page."""

CHUNK = 200
"""Messages that are looked at together."""

LOOKED_AT = 2_000
"""Messages of which a page looks at the text, at most and about."""

STRETCHES = 1_024
"""Stretches of the log (eight million events) through which a page goes."""

TOGETHER = 16
"""Stretches about which one query asks at most."""

LISTS = 30
"""Lists of words in one query (`dialect.Words`)."""

NAMES = 4
"""Names in a query at most: a message has two sides, each of which has two at most."""

WORDS = 512
"""Words for which one query asks at most, where it asks about more than one stretch."""

_STATES: Mapping[State, str] = {
    "sin_leer": "c.kind = 'desk' AND c.last_seq > c.peer_read",
    "esperando": "c.kind = 'desk' AND c.waiting_since IS NOT NULL",
}


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that was found. `desk_user` is the user whose conversation with the desk it is in;
    None for one between others, and for a user who was erased. Times are microseconds since
    1970."""

    position: int
    conversation: str
    seq: int
    sender: Person | None
    recipient: Person | None
    desk_user: Person | None
    to_desk: bool
    text: str
    sent_at: int


@dataclass(frozen=True, slots=True)
class Found:
    """Messages, the newest first. `cursor` asks for those before them, None at the end;
    `searched_to` is the moment back to which a page went that stopped before it was full. `unknown`
    are names that nobody has. `behind_since` is when the first event was recorded that cannot be
    found yet."""

    hits: Sequence[Hit] = ()
    cursor: int | None = None
    searched_to: int | None = None
    unknown: tuple[str, ...] = ()
    behind_since: int | None = None


class Search:
    """Queries over messages."""

    def __init__(self, readers: Pool, directory: Directory) -> None:
        self._readers = readers
        self._directory = directory

    async def find(self, query: Query, before: int | None = None, limit: int = PAGE) -> Found:
        """Messages that a query means, in the log before a position."""
        people = await self._named(query)
        unknown = tuple(name for name, ids in people.items() if not ids)
        if unknown or len(people) > NAMES or not query.asks:
            return Found(unknown=unknown)
        async with self._readers.connection() as connection:
            walk = await _Walk.begin(connection, query, people, before)
            await walk.go(limit)
            cursor = walk.cursor(limit)
            to = None
            if cursor is not None and len(walk.records) <= limit:
                to = await _recorded_at(connection, cursor)
            behind_since = await _behind_since(connection)
        hits = await self._hits(walk.records[:limit])
        return Found(hits, cursor, to, (), behind_since)

    async def _named(self, query: Query) -> dict[str, list[str]]:
        """The ids for which the names in a query stand: none for those that nobody has."""
        named: dict[str, list[str]] = {}
        for name in (*query.by, *query.to, *query.within):
            person = await self._directory.by_user(name)
            ids = [] if person is None else [person.id]
            named[name] = [DESK, *ids] if name == DESK_NAME else ids
        return named

    async def _hits(self, records: Sequence[_Record]) -> list[Hit]:
        ids = {id_ for one in records for id_ in (one.sender, one.recipient, one.user_id)}
        people = await self._directory.by_ids(ids - {DESK})
        return [
            Hit(
                one.position,
                one.conversation,
                one.seq,
                people.get(one.sender),
                people.get(one.recipient),
                people.get(one.user_id) if one.kind == "desk" else None,
                one.recipient == DESK,
                one.said,
                one.sent_at,
            )
            for one in records
        ]


@dataclass(frozen=True, slots=True)
class _Record:
    position: int
    conversation: str
    seq: int
    sender: str
    recipient: str
    text: str
    sent_at: int
    kind: str
    user_id: str
    attachments: str

    @property
    def said(self) -> str:
        return with_names(self.text, attachments_of(self.attachments))


_COLUMNS = (
    "m.position, m.conversation, m.seq, m.sender, m.recipient, m.text, m.sent_at, c.kind,"
    " c.user_id, m.attachments"
)


class _Walk:
    """Goes back through the log, from before a position, and gathers what a query means."""

    def __init__(
        self, connection: Connection, query: Query, wanted: Sequence[Sequence[str]], start: int
    ) -> None:
        self.records: list[_Record] = []
        self._connection = connection
        self._query = query
        self._wanted = wanted
        self._terms = Terms(query.terms)
        self._position = start
        """Before which to go on."""
        self._first = 1
        """Position from which the query can mean something."""
        self._imported_from = start
        """Position from which it can mean only what was sent long before it was recorded."""

    @classmethod
    async def begin(
        cls,
        connection: Connection,
        query: Query,
        people: Mapping[str, Sequence[str]],
        before: int | None,
    ) -> _Walk:
        end = (await reader.head(connection)).position + 1
        start = end if before is None else min(before, end)
        walk = cls(connection, query, _wanted(query, people), start)
        if query.since is not None:
            walk._first = await reader.last_position_before(connection, query.since) + 1
        if query.until is not None:
            walk._imported_from = await reader.last_position_before(connection, query.until) + 1
        return walk

    def cursor(self, limit: int) -> int | None:
        """From where the next page goes on."""
        if len(self.records) > limit:
            return self.records[limit - 1].position
        return self._position if self._position > self._first else None

    async def go(self, limit: int) -> None:
        """Until more than `limit` messages are found, or it was enough work."""
        looked_at, passed, together = 0, 0, 1
        lists = 1 + sum(len(either) > 1 for either in self._wanted)
        most = max(1, min(TOGETHER, WORDS // len(self._wanted), LISTS // lists))
        while self._position > self._first and looked_at < LOOKED_AT and passed < STRETCHES:
            floor = self._floor
            newest = stretch(self._position - 1)
            oldest = max(stretch(floor), newest - together + 1)
            positions = await self._candidates(range(oldest, newest + 1), floor)
            self.records += await self._meant(positions)
            if len(self.records) > limit:
                return
            looked_at += len(positions)
            if len(positions) == CHUNK:
                self._position = positions[-1]
            else:
                self._position = max(oldest * STRETCH, floor)
                passed += newest - oldest + 1
                together = min(2 * together, most)

    @property
    def _late(self) -> bool:
        """Whether only what was imported can have been sent early enough."""
        return self._position > self._imported_from

    @property
    def _floor(self) -> int:
        """How far back to go on in the same way."""
        return max(self._imported_from, self._first) if self._late else self._first

    async def _candidates(self, stretches: range, floor: int) -> list[int]:
        keys = range(floor, self._position)
        wanted = [self._words(number) for number in stretches]
        statement = self._connection.dialect.having(SEARCH, wanted, keys, CHUNK)
        rows = await self._connection.fetch_all(statement.sql, **dict(statement.values))
        return [position for (position,) in rows]

    def _words(self, number: int) -> list[list[str]]:
        wanted = [search.words(either, number) for either in self._wanted]
        return [*wanted, search.words([search.IMPORTED], number)] if self._late else wanted

    async def _meant(self, positions: Sequence[int]) -> list[_Record]:
        if not positions:
            return []
        names, values = in_list(positions)
        states = "".join(f" AND {_STATES[state]}" for state in self._query.states)
        rows = await self._connection.fetch_all(
            f"SELECT {_COLUMNS} FROM messages m JOIN conversations c ON c.id = m.conversation"
            f" WHERE m.position IN ({names}) AND m.erased = 0{states} ORDER BY m.position DESC",
            **values,
        )
        return [record for row in rows if self._means(record := _Record(*row))]

    def _means(self, record: _Record) -> bool:
        query = self._query
        late_enough = query.since is None or record.sent_at >= query.since
        early_enough = query.until is None or record.sent_at < query.until
        return late_enough and early_enough and self._terms.in_(record.said)


def _wanted(query: Query, people: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """What a message's words have to stand for: all of these, each of which is one or another."""
    wanted = [[gram] for gram in sorted({g for term in query.terms for g in needed(term)})]
    wanted += [[search.by(id_) for id_ in people[name]] for name in query.by]
    wanted += [[search.to(id_) for id_ in people[name]] for name in query.to]
    wanted += [
        [side(id_) for id_ in people[name] for side in (search.by, search.to)]
        for name in query.within
    ]
    return wanted or [[search.ANY]]


async def _recorded_at(connection: Connection, position: int) -> int | None:
    found: int | None = await connection.fetch_value(
        "SELECT recorded_at FROM log_event WHERE position = :position", position=position
    )
    return found


async def _behind_since(connection: Connection) -> int | None:
    reached = await connection.fetch_value("SELECT position FROM projection WHERE name = 'search'")
    return await _recorded_at(connection, (reached or 0) + 1)
