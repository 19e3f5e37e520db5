"""Bringing the original's accounts and messages into the log.

The source is read twice, in one consistent snapshot: first to judge every row, then, when nothing
stands in the way, to import. Rows are read by key, a page at a time. What was imported before is
found and left alone: people by their name, messages by an id that follows from their row.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, Literal, NamedTuple
from uuid import uuid4

import msgspec

from registro.db.connection import Connection, DatabaseConnection
from registro.db.sql import in_list, paged
from registro.errors import Refused, Rejected, StoreError
from registro.events import decide, ids
from registro.events.decide import DESK_NAME, Person, is_text, is_user_name
from registro.events.store import Draft, draft
from registro.events.types import Imported, Role, UserRegistered
from registro.services import Services

PAGE = 500
"""Rows that are read, judged and stored at once."""

EXAMPLES = 20
"""Rows of each kind of problem that a report names."""

MAX_COST = 16
"""Cost of a bcrypt hash (2^16 rounds, some seconds) above which no login is worth it."""

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "usuarios": ("usuario", "nombre", "rol", "pass"),
    "mensajes": ("id", "de_usuario", "para_usuario", "mensaje", "fecha"),
}
"""What has to be there in the original's database."""

Reason = Literal[
    "user_name", "reserved_name", "shown_name", "role", "other_role", "erased", "password",
    "sender", "recipient", "empty", "long", "text", "nobody_writes_so", "time", "stored_otherwise",
]  # fmt: skip

REASONS: Mapping[Reason, str] = {
    "user_name": "a user name has 1 to 64 characters, no control characters and no blanks around",
    "reserved_name": "the name 'admin' is reserved for admins",
    "shown_name": "the name has more than 200 characters, or U+0000",
    "role": "the role is neither 'admin' nor 'user'",
    "other_role": "this user exists here with another role",
    "erased": "somebody of this name was erased here: the name is not given again",
    "password": "the password is no bcrypt hash that can be used",
    "sender": "the sender is not among the users that can be imported",
    "recipient": "the recipient is not among the users that can be imported",
    "empty": "the message shows nothing",
    "long": "the message has more than 4,000 characters",
    "text": "the message has characters that cannot be stored (U+0000, or no UTF-8)",
    "nobody_writes_so": "nobody writes to themselves, and no admin to 'admin'",
    "time": "the message has no time",
    "stored_otherwise": "the log refused it",
}

_REFUSALS: Mapping[str, Reason] = {
    "mensaje_vacio": "empty", "mensaje_largo": "long", "datos_invalidos": "text",
}  # fmt: skip
_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_ROLES: Mapping[object, Role] = {"admin": "admin", "user": "user"}


class Problem(NamedTuple):
    """A row that cannot be imported; `key` is the user's name or the message's number."""

    table: str
    key: str
    reason: Reason


@dataclass
class Report:
    """What an import did, or would do. `images` counts accounts with a picture, which Registro has
    no place for."""

    users: int = 0
    users_present: int = 0
    messages: int = 0
    messages_present: int = 0
    images: int = 0
    reasons: Counter[Reason] = field(default_factory=Counter)
    examples: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.reasons

    def note(self, problem: Problem) -> None:
        self.reasons[problem.reason] += 1
        if self.reasons[problem.reason] <= EXAMPLES:
            self.examples.append(problem)


class SourceError(StoreError):
    """The source is not a database of the original."""


class Account(NamedTuple):
    """A user of the original as it can be imported."""

    user: str
    name: str
    role: Role
    password: str


class Line(NamedTuple):
    """A message of the original, as it stands there. `sent_at` is None where it has no time."""

    id: int
    sender: object
    recipient: object
    text: object
    sent_at: datetime | None


def judge_account(row: Sequence[Any]) -> Account | Reason:
    """A row (`usuario`, `nombre`, `rol`, `pass`) as an account, or why it cannot be one."""
    user, name, role, password = (_decoded(value) for value in row)
    if not is_user_name(user):
        return "user_name"
    known = _ROLES.get(role)
    if known is None:
        return "role"
    if user == DESK_NAME and known == "user":
        return "reserved_name"
    shown = (name if isinstance(name, str) else "").strip() or str(user)
    if not is_text(shown) or len(shown) > 200:
        return "shown_name"
    cost = _BCRYPT.fullmatch(password) if isinstance(password, str) else None
    if cost is None or int(cost[1]) > MAX_COST:
        return "password"
    return Account(str(user), shown, known, cost[0])


def judge_message(line: Line, people: Mapping[str, Person], source: str) -> decide.Message | Reason:
    """A message as it can be appended, or why it cannot. `people` are those who will be known."""
    sender = people.get(str(line.sender))
    if sender is None:
        return "sender"
    to_desk = line.recipient == DESK_NAME
    recipient = None if to_desk else people.get(str(line.recipient))
    if recipient is None and not to_desk:
        return "recipient"
    if line.sent_at is None:
        return "time"
    if (recipient is None and sender.is_admin) or recipient == sender:
        return "nobody_writes_so"
    if not isinstance(line.text, str):
        return "text"
    try:
        message = decide.message(sender, recipient, line.text, None)
    except Refused as refused:
        return _REFUSALS[refused.code]
    table = f"{source}:mensajes"
    imported = Imported(f"{table}:{line.id}", _rfc3339(line.sent_at))
    event = msgspec.structs.replace(message.event, imported=imported)
    return message._replace(event=event, event_id=ids.imported_message(table, line.id))


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _decoded(value: object) -> object:
    """Text, where a column of the source has bytes."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


class Source:
    """The original's database, read in one snapshot. `zone` is that of its times."""

    def __init__(self, connection: Connection, zone: tzinfo) -> None:
        self._connection = connection
        self._zone = zone

    async def check(self) -> None:
        """Finds out what there is. Raises SourceError."""
        rows = await self._connection.fetch_all(
            "SELECT LOWER(table_name), LOWER(column_name), LOWER(data_type)"
            " FROM information_schema.columns"
            " WHERE table_schema = DATABASE() AND table_name IN ('usuarios', 'mensajes')"
        )
        found = {
            (_decoded(table), _decoded(column)): _decoded(kind) for table, column, kind in rows
        }
        missing = [
            f"{table}.{column}"
            for table, columns in COLUMNS.items()
            for column in columns
            if (table, column) not in found
        ]
        if missing:
            raise SourceError(f"this is no database of the original: {', '.join(missing)} missing")
        if found["mensajes", "fecha"] == "timestamp":
            self._zone = UTC  # MySQL keeps TIMESTAMP in UTC, and our session asks for it so
        self._has_images = ("usuarios", "imagen") in found

    async def images(self) -> int:
        if not self._has_images:
            return 0
        return int(
            await self._connection.fetch_value(
                "SELECT COUNT(*) FROM usuarios WHERE imagen IS NOT NULL AND imagen <> ''"
            )
        )

    async def count(self) -> int:
        """How many messages there are."""
        return int(await self._connection.fetch_value("SELECT COUNT(*) FROM mensajes"))

    async def accounts(self) -> AsyncIterator[Sequence[Sequence[Any]]]:
        """Rows of `usuarios` by their key, in pages."""
        after: Any = None
        while True:
            where = "" if after is None else "WHERE usuario > :after "
            rows = await self._connection.fetch_all(
                f"SELECT usuario, nombre, rol, pass FROM usuarios {where}"
                "ORDER BY usuario LIMIT :limit",
                **({} if after is None else {"after": after}),
                limit=PAGE,
            )
            if not rows:
                return
            yield rows
            after = rows[-1][0]

    async def lines(self) -> AsyncIterator[Sequence[Line]]:
        """Messages by their number, in pages."""
        after: int | None = None
        while True:
            where = "" if after is None else "WHERE id > :after "
            rows = await self._connection.fetch_all(
                "SELECT id, de_usuario, para_usuario, mensaje, fecha"
                f" FROM mensajes {where}ORDER BY id LIMIT :limit",
                **({} if after is None else {"after": after}),
                limit=PAGE,
            )
            if not rows:
                return
            yield [self._line(row) for row in rows]
            after = rows[-1][0]

    def _line(self, row: Sequence[Any]) -> Line:
        id_, sender, recipient, text, at = row
        # A zero date comes as text, a missing one as None.
        moment = at.replace(tzinfo=at.tzinfo or self._zone) if isinstance(at, datetime) else None
        return Line(int(id_), _decoded(sender), _decoded(recipient), _decoded(text), moment)


@asynccontextmanager
async def opened(url: str, zone: tzinfo) -> AsyncIterator[Source]:
    """The source at a URL. Raises SourceError, or Unavailable when it cannot be reached."""
    connection = await DatabaseConnection(url).open()
    try:
        await connection.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        source = Source(connection, zone)
        await source.check()
        yield source
    finally:
        await connection.close()


Progress = Callable[[str, int, int], None]
"""Told of what is being read, how many rows are done, and of how many (0: not counted)."""


class Importer:
    """Imports one source; `name` tells its rows from those of other originals."""

    def __init__(self, services: Services, source: Source, name: str, progress: Progress) -> None:
        self._services = services
        self._source = source
        self._name = name
        self._progress = progress

    async def run(self, *, write: bool) -> Report:
        """Judges every row and, with `write`, imports those that can be. Raises Unavailable; then
        running it again goes on where it stopped."""
        report = Report(images=await self._source.images())
        people = await self._accounts(report, write)
        await self._messages(report, people, write)
        return report

    async def _accounts(self, report: Report, write: bool) -> dict[str, Person]:
        people: dict[str, Person] = {}
        done = 0
        async for rows in self._source.accounts():
            accounts = []
            for row in rows:
                judged = judge_account(row)
                if isinstance(judged, Account):
                    accounts.append(judged)
                else:
                    report.note(Problem("usuarios", str(_decoded(row[0])), judged))
            fresh = await self._known(accounts, people, report)
            if write:
                await self._register(fresh, people, report)
            report.users += len(fresh)
            done += len(rows)
            self._progress("users", done, 0)
        return people

    async def _known(
        self, accounts: Sequence[Account], people: dict[str, Person], report: Report
    ) -> list[tuple[Person, Account]]:
        """The accounts that are new here. Adds them, and those that are not, to `people`."""
        names = [account.user for account in accounts]
        present = await self._people(names)
        erased = await self._services.erasures.erased_among(names) if names else set()
        fresh = []
        for account in accounts:
            there = present.get(account.user)
            if account.user in erased:
                report.note(Problem("usuarios", account.user, "erased"))
            elif there is None:
                person = Person(str(uuid4()), account.user, account.name, account.role)
                people[account.user] = person
                fresh.append((person, account))
            elif there.role != account.role:
                report.note(Problem("usuarios", account.user, "other_role"))
            else:
                people[account.user] = there
                report.users_present += 1
        return fresh

    async def _people(self, users: Sequence[str]) -> dict[str, Person]:
        if not users:
            return {}
        names, values = in_list(users)
        async with self._services.readers.connection() as connection:
            rows = await connection.fetch_all(
                f"SELECT id, user, name, role FROM users WHERE user IN ({names})",
                **values,
            )
        return {row[1]: Person(*row) for row in rows}

    async def _register(
        self, fresh: list[tuple[Person, Account]], people: dict[str, Person], report: Report
    ) -> None:
        """Stores new accounts: the hashes first, which nobody can use without the events."""
        await self._services.accounts.keep_hashes(
            (person.id, account.password) for person, account in fresh
        )
        drafts = [_registration(person, self._name) for person, _ in fresh]
        for at, error in sorted((await self._append(drafts)).items(), reverse=True):
            person, _ = fresh.pop(at)
            del people[person.user]
            report.note(Problem("usuarios", person.user, error))

    async def _messages(self, report: Report, people: Mapping[str, Person], write: bool) -> None:
        done, total = 0, await self._source.count()
        async for lines in self._source.lines():
            drafts: dict[str, tuple[int, Draft]] = {}
            for line in lines:
                judged = judge_message(line, people, self._name)
                if isinstance(judged, str):
                    report.note(Problem("mensajes", str(line.id), judged))
                else:
                    stored = _message(judged)
                    drafts[stored.id] = (line.id, stored)
            for id_ in await self._stored(drafts):
                del drafts[id_]
                report.messages_present += 1
            if write:
                await self._send(drafts, report)
            report.messages += len(drafts)
            done += len(lines)
            self._progress("messages", done, total)

    async def _send(self, drafts: dict[str, tuple[int, Draft]], report: Report) -> None:
        pending = list(drafts.values())
        for at, error in (await self._append([one for _, one in pending])).items():
            number, refused = pending[at]
            del drafts[refused.id]
            report.note(Problem("mensajes", str(number), error))

    async def _stored(self, wanted: Iterable[str]) -> list[str]:
        names, values = in_list(list(wanted))
        if not values:
            return []
        async with self._services.readers.connection() as connection:
            rows = await connection.fetch_all(
                f"SELECT id FROM log_event WHERE id IN ({names})", **values
            )
        return [row[0] for row in rows]

    async def _append(self, drafts: Sequence[Draft]) -> dict[int, Reason]:
        """Appends in order, each alone; returns which the log refused. Raises Unavailable."""
        outcomes: list[object] = []
        for some in paged(drafts, min(PAGE, self._services.settings.queue_limit)):
            futures = [self._services.writer.submit([one]) for one in some]
            outcomes += await asyncio.gather(*futures, return_exceptions=True)
        refused: dict[int, Reason] = {}
        for at, outcome in enumerate(outcomes):
            if isinstance(outcome, Rejected):
                refused[at] = "stored_otherwise"
            elif isinstance(outcome, BaseException):
                raise outcome
        return refused


def _registration(person: Person, source: str) -> Draft:
    # The id is random: one that followed from the name would tell of them after an erasure.
    event = UserRegistered(
        user=person.user,
        name=person.name,
        role=person.role,
        origin="import",
        imported=Imported(f"{source}:usuarios"),
    )
    return draft(f"user/{person.id}", event, expected=0)


def _message(message: decide.Message) -> Draft:
    return draft(f"conversation/{message.conversation}", message.event, id=message.event_id)
