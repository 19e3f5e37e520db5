"""Figures of the support desk over a period, and the rows behind every one of them.

All of it is read from the projection `activity`, which says what is counted and when; with a label,
of the conversations that have it now. Statements are bounded in number; what they read grows with
the period, not with the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple
from uuid import UUID

import orjson

from registro.db.connection import Connection, Pool
from registro.db.sql import in_list
from registro.events.decide import Person
from registro.projections.activity import EVERYBODY, QUARTER
from registro.services.directory import Directory

HOUR = 4 * QUARTER

PAGE = 50
"""Rows on one page of them."""

MAX_DAYS = 366
"""Days in one period."""

EXCERPT = 160
"""Characters of a message that a row shows."""

Waits = Sequence[int]
"""How long people waited, in milliseconds, the shortest first."""


def percentile(waits: Waits, percent: int) -> int | None:
    """The shortest of the waits (which are in order) that this many percent do not exceed: always
    one that there was, never a mean of two. None of nothing."""
    if not waits:
        return None
    return waits[max(0, -(-percent * len(waits) // 100) - 1)]


@dataclass(frozen=True, slots=True)
class Period:
    """Some days. `edges` are their beginnings and the end of the last one (microseconds since
    1970), which depend on the reader's time zone; days may be 23 or 25 hours long."""

    edges: Sequence[int]

    @property
    def start(self) -> int:
        return self.edges[0]

    @property
    def end(self) -> int:
        return self.edges[-1]

    @property
    def days(self) -> Sequence[int]:
        """The beginnings of the days."""
        return self.edges[:-1]

    @property
    def step(self) -> int:
        """The longest of an hour and a quarter that divides all its days."""
        whole = all((edge - self.start) % HOUR == 0 for edge in self.edges)
        return HOUR if whole else QUARTER

    def runs(self) -> Sequence[tuple[int, int, int]]:
        """(start, end, length of a day) of runs of days that are equally long."""
        runs: list[tuple[int, int, int]] = []
        for start, end in zip(self.edges, self.edges[1:], strict=False):
            if runs and runs[-1][2] == end - start:
                runs[-1] = (runs[-1][0], end, end - start)
            else:
                runs.append((start, end, end - start))
        return runs


@dataclass(slots=True)
class Count:
    """What was done in some time, and the waits that ended in it."""

    messages: int = 0
    answers: int = 0
    opened: int = 0
    resolved: int = 0
    closed: int = 0
    """Waits that ended without an answer."""
    waits: list[int] = field(default_factory=list)
    firsts: list[int] = field(default_factory=list)
    """Those of the waits that began with the message which opened the conversation."""

    def add(self, other: Count) -> None:
        self.messages += other.messages
        self.answers += other.answers
        self.opened += other.opened
        self.resolved += other.resolved
        self.closed += other.closed
        self.waits += other.waits
        self.firsts += other.firsts

    def sort(self) -> None:
        self.waits.sort()
        self.firsts.sort()


@dataclass(frozen=True, slots=True)
class AdminCount:
    """What one admin did; `conversations` are those in which they answered somebody who waited."""

    id: str
    person: Person | None
    count: Count
    conversations: int


@dataclass(frozen=True, slots=True)
class Report:
    """`days` are as many as the period has; `hours` by the beginning of each step (`Period.step`)
    in which anything was said. `before` is the period before. `waiting` are those who were waiting
    at the end, the longest since `waiting_since`. `behind_since` is when the first event was
    recorded that is not counted yet."""

    total: Count
    before: Count
    days: Sequence[Count]
    hours: Mapping[int, Count]
    admins: Sequence[AdminCount]
    waiting: int
    waiting_since: int | None
    behind_since: int | None


What = Literal[
    "messages", "users", "answers", "opened", "resolved",
    "waits", "firsts", "closed", "waiting", "conversations",
]  # fmt: skip
"""Which rows. `messages` are those of users and the answers together."""

_KINDS: Mapping[str, Sequence[str]] = {
    "messages": ("message", "answer"),
    "users": ("message",),
    "answers": ("answer",),
    "opened": ("opened",),
    "resolved": ("resolved",),
}
_WAITS: Mapping[str, str] = {
    "waits": " AND answered = 1",
    "firsts": " AND answered = 1 AND first = 1",
    "closed": " AND answered = 0",
    "conversations": " AND answered = 1",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Rows of a figure: in some stretches of time that follow each other (the whole period, or an
    hour of each Monday), of one admin or of all, of the conversations with a label or of all."""

    what: What
    ranges: Sequence[tuple[int, int]]
    admin: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was counted. `position` is that of its event, `seq` the number of the message
    to show (of a wait the one with which it began); `user` is whose conversation it is, None for
    somebody who was erased; `waited` milliseconds, None for what is no wait or is not over."""

    position: int
    at: int
    conversation: str
    user: Person | None
    admin: Person | None
    by_admin: bool
    asked_at: int | None
    waited: int | None
    seq: int | None
    text: str
    erased: bool


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows, the newest first (of those who wait, the longest). `total` counts all of them;
    `cursor` asks for those after these, None at the end."""

    rows: Sequence[Row]
    total: int
    cursor: str | None


class Reports:
    """Queries."""

    def __init__(self, readers: Pool, directory: Directory) -> None:
        self._readers = readers
        self._directory = directory

    async def report(self, period: Period, before: Period, label: str | None = None) -> Report:
        """The figures of a period, and the sums of the one before it. Takes 9 statements, and one
        for each change of the clocks in it."""
        of = _of(label)
        async with self._readers.connection() as connection:
            behind_since = await _behind_since(connection)
            hours = await _hours(connection, period, of)
            admins = await _by_admin(connection, period, of)
            waits = await _waits(connection, period, of)
            conversations = await _conversations(connection, period, of)
            earlier = await _total(connection, before, of)
            waiting, since = await _waiting_at(connection, period.end, of)
        days = _days(period, hours, waits)
        total = Count()
        for day in days:
            total.add(day)
        total.sort()
        for (_, admin), count in waits.items():
            admins.setdefault(admin, Count()).add(count)
        people = await self._directory.by_ids(admins)
        for count in admins.values():
            count.sort()
        rows = [
            AdminCount(id_, people.get(id_), count, conversations.get(id_, 0))
            for id_, count in admins.items()
        ]
        rows.sort(key=lambda one: (-one.count.answers, one.id))
        return Report(total, earlier, days, hours, rows, waiting, since, behind_since)

    async def rows(self, wanted: Wanted, cursor: str | None, limit: int = PAGE) -> Rows:
        """The rows of a figure. Raises ValueError for a cursor of other rows."""
        after = _read_cursor(cursor, wanted.what)
        async with self._readers.connection() as connection:
            select = _selected(wanted)
            total = await _counted(connection, wanted.what, select)
            records = await _page(connection, wanted.what, select, after, limit + 1)
            shown = records[:limit]
            messages = await _messages(connection, [one.shown for one in shown])
            users = await _users(connection, [one.conversation for one in shown])
        people = await self._directory.by_ids(
            {id_ for one in shown for id_ in (one.admin, users.get(one.conversation, "")) if id_}
        )
        rows = [_row(one, messages, users, people) for one in shown]
        more = _cursor(shown[-1], wanted.what) if len(records) > limit else None
        return Rows(rows, total, more)


# Of which conversations


class _Of(NamedTuple):
    """All conversations, or those with a label: where sums are read from, a further condition for
    rows of conversations, and its value."""

    sums: str
    condition: str
    values: Mapping[str, str]


_ALL = _Of("activity", "", {})

_LABELLED = (
    " AND conversation IN (SELECT conversation FROM conversation_labels WHERE label = :label)"
)
_LABELLED_SUMS = (
    "(SELECT at AS quarter, admin,"
    " CASE WHEN kind IN ('message', 'answer') THEN 1 ELSE 0 END AS messages,"
    " CASE WHEN kind = 'opened' THEN 1 ELSE 0 END AS opened,"
    " CASE WHEN kind = 'resolved' THEN 1 ELSE 0 END AS resolved"
    " FROM activity_rows WHERE kind IN ('message', 'answer', 'opened', 'resolved')"
    f" AND at >= :start AND at < :end{_LABELLED}) AS found"
)
"""As `activity`, but a row for each thing that is counted: sums know nothing of conversations."""


def _of(label: str | None) -> _Of:
    return _ALL if label is None else _Of(_LABELLED_SUMS, _LABELLED, {"label": label})


# The figures


async def _hours(connection: Connection, period: Period, of: _Of) -> dict[int, Count]:
    rows = await connection.fetch_all(
        "SELECT quarter - (quarter - :start) % :step AS hour,"
        " SUM(CASE WHEN admin = '' THEN messages ELSE 0 END),"
        " SUM(CASE WHEN admin = '' THEN 0 ELSE messages END), SUM(opened), SUM(resolved)"
        f" FROM {of.sums} WHERE quarter >= :start AND quarter < :end GROUP BY hour",
        start=period.start,
        end=period.end,
        step=period.step,
        **of.values,
    )
    return {int(row[0]): _sums(row[1:]) for row in rows}


def _sums(row: Sequence[Any]) -> Count:
    """Sums are decimal numbers on MySQL, and NULL of nothing."""
    messages, answers, opened, resolved = (int(one or 0) for one in row)
    return Count(messages, answers, opened, resolved)


async def _by_admin(connection: Connection, period: Period, of: _Of) -> dict[str, Count]:
    rows = await connection.fetch_all(
        f"SELECT admin, SUM(messages), SUM(resolved) FROM {of.sums}"
        " WHERE quarter >= :start AND quarter < :end AND admin <> :everybody GROUP BY admin",
        start=period.start,
        end=period.end,
        everybody=EVERYBODY,
        **of.values,
    )
    return {
        admin: Count(answers=int(answers), resolved=int(resolved))
        for admin, answers, resolved in rows
    }


async def _waits(connection: Connection, period: Period, of: _Of) -> dict[tuple[int, str], Count]:
    """The waits that ended, by the beginning of the day and by admin. A wait comes as one number,
    and those of a group as one value: drivers are slow with rows."""
    gathered = connection.dialect.gathered("waited * 4 + answered * 2 + first")
    found = {}
    for start, end, length in period.runs():
        rows = await connection.fetch_all(
            f"SELECT ended_at - (ended_at - :start) % :length AS day, admin, {gathered}"
            f" FROM activity_waits WHERE ended_at >= :start AND ended_at < :end{of.condition}"
            " GROUP BY day, admin",
            start=start,
            end=end,
            length=length,
            **of.values,
        )
        for day, admin, waits in rows:
            found[int(day), admin] = _count_of(orjson.loads(waits))
    return found


def _count_of(waits: Sequence[int]) -> Count:
    answered = [one for one in waits if one & 2]
    return Count(
        closed=len(waits) - len(answered),
        waits=[one >> 2 for one in answered],
        firsts=[one >> 2 for one in answered if one & 1],
    )


def _days(
    period: Period, hours: Mapping[int, Count], waits: Mapping[tuple[int, str], Count]
) -> Sequence[Count]:
    days = {day: Count() for day in period.days}
    starts = sorted(hours)
    place = 0
    for start, end in zip(period.edges, period.edges[1:], strict=False):
        while place < len(starts) and starts[place] < end:
            days[start].add(hours[starts[place]])
            place += 1
    for (day, _), count in waits.items():
        days[day].add(count)
    for count in days.values():
        count.sort()
    return list(days.values())


async def _conversations(connection: Connection, period: Period, of: _Of) -> dict[str, int]:
    rows = await connection.fetch_all(
        "SELECT admin, COUNT(DISTINCT conversation) FROM activity_waits"
        " WHERE ended_at >= :start AND ended_at < :end AND answered = 1"
        f"{of.condition} GROUP BY admin",
        start=period.start,
        end=period.end,
        **of.values,
    )
    return {row[0]: row[1] for row in rows}


async def _total(connection: Connection, period: Period, of: _Of) -> Count:
    total = Count()
    row = await connection.fetch_one(
        "SELECT SUM(CASE WHEN admin = '' THEN messages ELSE 0 END),"
        " SUM(CASE WHEN admin = '' THEN 0 ELSE messages END), SUM(opened), SUM(resolved)"
        f" FROM {of.sums} WHERE quarter >= :start AND quarter < :end",
        start=period.start,
        end=period.end,
        **of.values,
    )
    if row is not None:
        total.add(_sums(row))
    for count in (await _waits(connection, period, of)).values():
        total.add(count)
    total.sort()
    return total


def _at_end(columns: str, of: _Of) -> str:
    """Who was waiting at a moment: those who were answered later, and those who still are not."""
    return (
        f"SELECT {columns} FROM activity_waits"
        f" WHERE ended_at >= :end AND asked_at < :end{of.condition} UNION ALL"
        f" SELECT {columns} FROM activity_waiting WHERE asked_at < :end{of.condition}"
    )


async def _waiting_at(connection: Connection, end: int, of: _Of) -> tuple[int, int | None]:
    """How many they are, and since when the first of them waits: of the index alone."""
    row = await connection.fetch_one(
        f"SELECT COUNT(*), MIN(asked_at) FROM ({_at_end('asked_at', of)}) AS found",
        end=end,
        **of.values,
    )
    return (0, None) if row is None else (row[0], row[1])


async def _behind_since(connection: Connection) -> int | None:
    found: int | None = await connection.fetch_value(
        "SELECT recorded_at FROM log_event WHERE position ="
        " (SELECT position + 1 FROM projection WHERE name = 'activity')"
    )
    return found


# The rows


@dataclass(frozen=True, slots=True)
class _Record:
    at: int
    position: int
    conversation: str
    admin: str
    asked_at: int | None
    shown: int
    """Position of the message to show."""
    waited: int | None


class _Arm(NamedTuple):
    """A statement that gives rows as `_Record` has them: its columns, and where they are from."""

    columns: str
    source: str


@dataclass(frozen=True, slots=True)
class _Select:
    """One arm for each part of an index that gives rows in their order."""

    arms: Sequence[_Arm]
    values: Mapping[str, Any]


_WAITING = (
    "asked_at AS at, asked AS position, conversation, '' AS admin, asked_at, asked AS shown,"
    " NULL AS waited"
)
_WAITED = "conversation, asked_at, asked"
_CONVERSATION = (
    "MAX(ended_at) AS at, MAX(position) AS position, conversation, MAX(admin) AS admin,"
    " NULL AS asked_at, MAX(asked) AS shown, NULL AS waited"
)
_WAIT = "ended_at AS at, position, conversation, admin, asked_at, asked AS shown, waited"
_DONE = "at, position, conversation, admin, NULL AS asked_at, position AS shown, NULL AS waited"


def _selected(wanted: Wanted) -> _Select:
    of = _of(wanted.label)
    if wanted.what == "waiting":
        arm = _Arm(_WAITING, f"({_at_end(_WAITED, of)}) AS found WHERE 1 = 1")
        return _Select([arm], {"end": wanted.ranges[-1][1], **of.values})
    whose = "" if wanted.admin is None else " AND admin = :admin"
    whose += of.condition
    values: dict[str, Any] = dict(of.values)
    values |= {} if wanted.admin is None else {"admin": wanted.admin}
    arms: list[_Arm] = []
    for number, (start, end) in enumerate(wanted.ranges):
        values |= {f"start{number}": start, f"end{number}": end}
        if wanted.what in _WAITS:
            columns = _CONVERSATION if wanted.what == "conversations" else _WAIT
            within = f"ended_at >= :start{number} AND ended_at < :end{number}{whose}"
            arms.append(_Arm(columns, f"activity_waits WHERE {within}{_WAITS[wanted.what]}"))
        within = f"at >= :start{number} AND at < :end{number}{whose}"
        arms += [
            _Arm(_DONE, f"activity_rows WHERE kind = '{kind}' AND {within}")
            for kind in _KINDS.get(wanted.what, ())
        ]
    return _Select(arms, values)


_AFTER: Mapping[str, tuple[str, str]] = {
    "waiting": ("(asked_at > :at OR (asked_at = :at AND asked > :position))", "at, position"),
    "conversations": ("conversation > :conversation", "conversation"),
}


def _order(what: What) -> tuple[str, str]:
    """What comes after a row, and in which order they are."""
    if what in _AFTER:
        return _AFTER[what]
    at = "ended_at" if what in _WAITS else "at"
    return f"({at} < :at OR ({at} = :at AND position < :position))", "at DESC, position DESC"


async def _counted(connection: Connection, what: What, select: _Select) -> int:
    number = "COUNT(DISTINCT conversation)" if what == "conversations" else "COUNT(*)"
    counts = " UNION ALL ".join(f"SELECT {number} AS n FROM {arm.source}" for arm in select.arms)
    found = await connection.fetch_value(f"SELECT SUM(n) FROM ({counts}) AS found", **select.values)
    return int(found or 0)


async def _page(
    connection: Connection,
    what: What,
    select: _Select,
    after: Mapping[str, Any],
    limit: int,
) -> Sequence[_Record]:
    later, order = _order(what)
    grouped = " GROUP BY conversation" if what == "conversations" else ""
    going_on = f" AND {later}" if after else ""
    arms = " UNION ALL ".join(
        f"SELECT * FROM (SELECT {arm.columns} FROM {arm.source}{going_on}{grouped}"
        f" ORDER BY {order} LIMIT :limit) AS arm{number}"
        for number, arm in enumerate(select.arms)
    )
    rows = await connection.fetch_all(
        f"SELECT at, position, conversation, admin, asked_at, shown, waited FROM ({arms}) AS found"
        f" ORDER BY {order} LIMIT :limit",
        **select.values,
        **after,
        limit=limit,
    )
    return [_Record(*row) for row in rows]


async def _messages(
    connection: Connection, positions: Sequence[int]
) -> dict[int, tuple[int, str, bool]]:
    """Number, text and whether it was erased, of the messages at some positions."""
    if not positions:
        return {}
    names, values = in_list(positions)
    rows = await connection.fetch_all(
        f"SELECT position, seq, text, erased FROM messages WHERE position IN ({names})", **values
    )
    return {row[0]: (row[1], row[2][:EXCERPT], bool(row[3])) for row in rows}


async def _users(connection: Connection, conversations: Sequence[str]) -> dict[str, str]:
    if not conversations:
        return {}
    names, values = in_list(conversations)
    rows = await connection.fetch_all(
        f"SELECT id, user_id FROM conversations WHERE id IN ({names})", **values
    )
    return {row[0]: row[1] for row in rows}


def _row(
    one: _Record,
    messages: Mapping[int, tuple[int, str, bool]],
    users: Mapping[str, str],
    people: Mapping[str, Person],
) -> Row:
    seq, text, erased = messages.get(one.shown, (None, "", False))
    return Row(
        one.position,
        one.at,
        one.conversation,
        people.get(users.get(one.conversation, "")),
        people.get(one.admin),
        bool(one.admin),
        one.asked_at,
        one.waited,
        seq,
        text,
        erased,
    )


def _cursor(last: _Record, what: What) -> str:
    return last.conversation if what == "conversations" else f"{last.at}-{last.position}"


def _read_cursor(cursor: str | None, what: What) -> Mapping[str, Any]:
    """Raises ValueError for what is no cursor."""
    if cursor is None:
        return {}
    if what == "conversations":
        return {"conversation": str(UUID(cursor))}
    at, _, position = cursor.partition("-")
    return {"at": _number(at), "position": _number(position)}


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ValueError(f"{text!r} is no number")
    return int(text)
