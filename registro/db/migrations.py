"""Numbered, forward-only changes of the tables that are not projections.

Several processes may start at once: the first does the work, the others wait. A database that a
newer program has migrated is refused.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from registro.db.connection import Connection
from registro.db.dialect import Dialect
from registro.db.schema import Column, Index, Table
from registro.errors import MigrationError, StoreError

LOG_EVENT = Table(
    "log_event",
    (
        Column("position", "integer"),
        Column("id", "id"),
        Column("stream", "ascii"),
        Column("version", "integer"),
        Column("type", "ascii"),
        Column("schema_version", "integer"),
        Column("recorded_at", "integer"),
        Column("payload", "bytes", null=True),
        Column("salt", "hash", null=True),
        Column("commitment", "hash"),
        Column("leaf", "hash"),
    ),
    key=("position",),
    indexes=(Index(("id",), unique=True), Index(("stream", "version"), unique=True)),
)
"""The log, in the order of `events.record.Recorded`."""

LOG_HEAD = Table(
    "log_head",
    (
        Column("id", "integer"),
        Column("position", "integer"),
        Column("recorded_at", "integer"),
        Column("frontier", "bytes"),
    ),
    key=("id",),
)
"""One row: where the log ends. Locking it orders all writers."""

FOLDED = Column("folded", "text", null=True)
"""Of `log_head`, since migration 2: which versions of which projections the appending transactions
have to keep (see `projections.registry`)."""

LOG_NODE = Table(
    "log_node",
    (Column("height", "integer"), Column("number", "integer"), Column("hash", "hash")),
    key=("height", "number"),
)
"""Roots of the tree's complete subtrees of height 8, 16, 24 …: what proofs need of a long log."""

SECRET = Table("secret", (Column("name", "ascii"), Column("value", "bytes")), key=("name",))
"""Keys that belong to this database: `erasure` hashes the names of erased people."""

PROJECTION = Table(
    "projection",
    (
        Column("name", "ascii"),
        Column("version", "integer"),
        Column("generation", "integer"),
    ),
    key=("name",),
)
"""The code that folded each projection's tables, and how often they were built anew."""

CHECKPOINT = (Column("position", "integer"), Column("built_at", "integer"))
"""Of `projection`, since migration 2: up to where a projection that follows the log has come, and
when its tables were built (microseconds since 1970)."""

REPLAY = Table(
    "replay",
    (
        Column("position", "integer"),
        Column("recorded_at", "integer"),
        Column("made_at", "integer"),
        Column("source_position", "integer"),
    ),
    key=("position",),
)
"""Of a replay alone: where it ends and when that was, when it was made, and where the log that it
was made from ended then."""

REPLAY_ERASED = Table("replay_erased", (Column("position", "integer"),), key=("position",))
"""Of a replay alone: what was erased after its end, and before it was made."""

CREDENTIAL = Table(
    "credential",
    (
        Column("user_id", "id"),
        Column("hash", "text"),
        Column("demo", "integer"),
        Column("changed_at", "integer"),
    ),
    key=("user_id",),
)
"""Password hashes. Not events: what is in the log stays there."""

PASSWORD_LINK = Table(
    "password_link",
    (
        Column("user_id", "id"),
        Column("link_hash", "hash"),
        Column("expires_at", "integer"),
    ),
    key=("user_id",),
    indexes=(Index(("link_hash",), unique=True),),
)
"""Links with which people set a password, by their SHA-256: one a person, and good once."""

PREFERENCE = Table(
    "preference",
    (Column("user_id", "id"), Column("value", "ascii"), Column("changed_at", "integer")),
    key=("user_id",),
)
"""How people want their pages to look and to call them (`services.preferences`)."""

UPLOAD = Table(
    "upload",
    (
        Column("id", "id"),
        Column("user_id", "id"),
        Column("name", "text"),
        Column("type", "ascii"),
        Column("size", "integer"),
        Column("sha256", "ascii"),
        Column("width", "integer"),
        Column("height", "integer"),
        Column("created_at", "integer"),
    ),
    key=("id",),
    indexes=(Index(("user_id",)), Index(("created_at",))),
)
"""Files that were uploaded lately (`services.files`). `sha256` is empty until all of one is there.
A row is written before its file and goes after it, so that no file is without one or a message."""

MAIL_PENDING = Table(
    "mail_pending",
    (
        Column("user_id", "id"),
        Column("address", "text"),
        Column("language", "ascii"),
        Column("asked_at", "integer"),
        Column("expires_at", "integer"),
        Column("asked", "integer"),
    ),
    key=("user_id",),
    indexes=(Index(("expires_at",)),),
)
"""Addresses that nobody has confirmed: they may be somebody else's, so the log has none of them.
`asked` is how many of them the person has given in the last day."""

MAIL_JOB = Table(
    "mail_job",
    (
        Column("user_id", "id"),
        Column("kind", "ascii"),
        Column("state", "ascii"),
        Column("claim", "ascii"),
        Column("until", "integer"),
        Column("tries", "integer"),
        Column("began_at", "integer"),
        Column("settled", "integer"),
        Column("first", "integer"),
        Column("last", "integer"),
    ),
    key=("user_id", "kind"),
    indexes=(Index(("state", "until")),),
)
"""Where the sending of a mail stands (`services.mail`): who is at it, or when it is tried again."""

NODE = Table(
    "node",
    (
        Column("id", "id"),
        Column("started_at", "integer"),
        Column("lease_until", "integer"),
    ),
    key=("id",),
    indexes=(Index(("lease_until",)),),
)
"""Server processes that are, or were, alive."""


MIGRATION = Table(
    "migration", (Column("number", "integer"), Column("step", "integer")), key=("number", "step")
)
"""Which migrations this database has had: step 0 says that the whole of one was done, step n that
its n-th statement was. MySQL commits DDL at once, so a migration that failed goes on from there."""


def _first(dialect: Dialect) -> list[str]:
    statements = []
    for table in (LOG_EVENT, LOG_HEAD, LOG_NODE, SECRET, PROJECTION, CREDENTIAL, NODE):
        statements += dialect.create_table(table, table.name)
    statements += [
        "INSERT INTO log_head (id, position, recorded_at, frontier) VALUES (1, 0, 0, '')",
        f"INSERT INTO secret (name, value) VALUES ('erasure', X'{secrets.token_hex(32)}')",
    ]
    return statements + dialect.append_only(LOG_EVENT, erasable=("payload", "salt"))


def _second(dialect: Dialect) -> list[str]:
    return [
        dialect.add_column(LOG_HEAD.name, FOLDED),
        *(dialect.add_column(PROJECTION.name, column) for column in CHECKPOINT),
    ]


def _find_by_type(dialect: Dialect) -> list[str]:
    """Events of one type by position: every index ends with the primary key, on all databases."""
    return [f"CREATE INDEX log_event_type ON {LOG_EVENT.name} (type)"]


def _people(dialect: Dialect) -> list[str]:
    return [
        statement
        for table in (PASSWORD_LINK, PREFERENCE)
        for statement in dialect.create_table(table, table.name)
    ]


def _uploads(dialect: Dialect) -> list[str]:
    return dialect.create_table(UPLOAD, UPLOAD.name)


def _mail(dialect: Dialect) -> list[str]:
    statements = [
        statement
        for table in (MAIL_PENDING, MAIL_JOB)
        for statement in dialect.create_table(table, table.name)
    ]
    key = f"INSERT INTO secret (name, value) VALUES ('mail', X'{secrets.token_hex(32)}')"
    return [*statements, key]


MIGRATIONS: tuple[Callable[[Dialect], list[str]], ...] = (
    _first,
    _second,
    _find_by_type,
    _people,
    _uploads,
    _mail,
)
"""Migration n is at index n - 1. Those that were released are never changed, only added to."""


async def migrate(connection: Connection, then: Callable[[Connection], Awaitable[None]]) -> int:
    """Brings the database to this program's version; returns how many migrations that took.

    `then` is awaited afterwards under the same lock; it creates what depends on the tables here.

    Raises MigrationError when the database is newer, or when a statement fails (it says which and
    what the database answered).
    """
    async with _alone(connection):
        version = await _version(connection)
        if version > len(MIGRATIONS):
            raise MigrationError(
                f"the database is at migration {version}, this program knows {len(MIGRATIONS)}: "
                "run a newer version of Registro, or restore a backup from before the upgrade"
            )
        for number in range(version + 1, len(MIGRATIONS) + 1):
            await _run(connection, number)
        await then(connection)
    return len(MIGRATIONS) - version


async def _version(connection: Connection) -> int:
    if not await connection.fetch_value(connection.dialect.table_exists(), name=MIGRATION.name):
        for statement in connection.dialect.create_table(MIGRATION, MIGRATION.name):
            await connection.execute(statement)
    return int(
        await connection.fetch_value(
            "SELECT COALESCE(MAX(number), 0) FROM migration WHERE step = 0"
        )
    )


async def _run(connection: Connection, number: int) -> None:
    steps = await connection.fetch_all(
        "SELECT step FROM migration WHERE number = :number", number=number
    )
    done = {step for (step,) in steps}
    for step, statement in enumerate(MIGRATIONS[number - 1](connection.dialect), 1):
        if step in done:
            continue
        try:
            await connection.execute(statement)
        except Exception as error:
            raise MigrationError(
                f"migration {number} failed: {error}\nin: {statement}{_advice(error)}"
            ) from error
        await _note(connection, number, step)
    await _note(connection, number, 0)


async def _note(connection: Connection, number: int, step: int) -> None:
    await connection.execute(
        "INSERT INTO migration (number, step) VALUES (:number, :step)", number=number, step=step
    )


def _advice(error: Exception) -> str:
    cause: BaseException = (
        error.__cause__ if isinstance(error, StoreError) and error.__cause__ else error
    )
    code = cause.args[0] if cause.args else None
    if code == 1419:
        return (
            "\nWith binary logging on, triggers need either the global privilege SUPER or\n"
            "SET GLOBAL log_bin_trust_function_creators = 1 (run by an administrator)."
        )
    if code in (1142, 1044, 1370):
        return "\nThe database user lacks a privilege: docs/operations.md lists the GRANTs."
    return ""


@asynccontextmanager
async def _alone(connection: Connection) -> AsyncIterator[None]:
    lock = connection.dialect.migration_lock()
    if lock is None:
        async with connection.transaction():
            yield
        return
    take, release = lock
    if await connection.fetch_value(take) != 1:
        raise MigrationError("another process has been migrating this database for a minute")
    try:
        yield
    finally:
        await connection.execute(release)
