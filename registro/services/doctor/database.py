"""The database server: what it is, how it is set, what its user may do."""

from __future__ import annotations

import os
import re
import time
from collections.abc import AsyncIterator, Sequence

from registro.config import Settings
from registro.db.connection import Connection
from registro.db.migrations import LOG_EVENT, MIGRATION, MIGRATIONS
from registro.errors import Immutable, StoreError
from registro.projections import registry
from registro.services.doctor.check import Check, failed, ok, warning
from registro.services.doctor.surroundings import of_clock

GRANTS = "docs/operations.md lists the GRANTs"

_MUST = (
    "INSERT INTO log_event (position) SELECT position FROM log_event WHERE 1 = 0",
    "UPDATE log_event SET payload = NULL, salt = NULL WHERE position = 0",
    "UPDATE log_head SET position = 0 WHERE id = 0",
    "INSERT INTO log_node (height) SELECT height FROM log_node WHERE 1 = 0",
    "UPDATE projection SET position = 0 WHERE name = ''",
)
"""What a server has to be allowed to do. EXPLAIN asks for the same privileges, and does nothing."""

_OWN = ("credential", "password_link", "preference", "node")


async def examine(connection: Connection, settings: Settings) -> AsyncIterator[Check]:
    """Everything about the database but the log in it."""
    if connection.dialect.name == "sqlite":
        yield await _sqlite(connection, settings)
    else:
        yield await _version(connection)
        async for check in _server(connection):
            yield check
        now = await connection.fetch_value("SELECT UNIX_TIMESTAMP(NOW(6))")
        yield of_clock("clock of the database", float(now) - time.time(), settings)


async def migrated(connection: Connection) -> Check:
    """Whether the tables are those of this program."""
    number = 0
    if await connection.fetch_value(connection.dialect.table_exists(), name=MIGRATION.name):
        number = await connection.fetch_value(
            "SELECT COALESCE(MAX(number), 0) FROM migration WHERE step = 0"
        )
    found = f"the database is at {number}, this program at {len(MIGRATIONS)}"
    if number > len(MIGRATIONS):
        return failed("migrations", found, "run the newer version of Registro")
    if number < len(MIGRATIONS):
        return failed("migrations", found, "run `registro migrate` (docs/operations.md)")
    return ok("migrations", found)


async def guarded(connection: Connection) -> AsyncIterator[Check]:
    """Who may change the log: nobody but by erasing."""
    if connection.dialect.name == "sqlite":
        rows = await connection.fetch_all(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :name",
            name=LOG_EVENT.name,
        )
        names = {name for (name,) in rows}
        yield _triggers({f"{LOG_EVENT.name}_{what}" for what in ("no_delete", "no_update")} - names)
        return
    async for check in _privileges(connection):
        yield check
    yield await _refuses_updates(connection)


async def _sqlite(connection: Connection, settings: Settings) -> Check:
    version = await connection.fetch_value("SELECT sqlite_version()")
    mode = await connection.fetch_value("PRAGMA journal_mode")
    path = settings.sqlite_path
    found = f"SQLite {version}, {mode}"
    if path is not None and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        advice = "let the server's user write to the file and its folder (the WAL is beside it)"
        return failed("database", f"{found}: {path} cannot be written", advice)
    if _numbers(version) < (3, 35):
        return failed("database", found, "use a Python with SQLite 3.35 or newer")
    return ok("database", found)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


async def _version(connection: Connection) -> Check:
    version = str(await connection.fetch_value("SELECT VERSION()"))
    kind, least = ("MariaDB", (10, 11)) if "MariaDB" in version else ("MySQL", (8, 4))
    found = f"{kind} {version}"
    if _numbers(version) < least:
        return failed("database", found, f"use {kind} {least[0]}.{least[1]} or newer")
    return ok("database", found)


async def _server(connection: Connection) -> AsyncIterator[Check]:
    charset = await connection.fetch_value("SELECT @@character_set_database")
    found = f"the database's own is {charset}"
    if charset == "utf8mb4":
        yield ok("character set", found)
    else:
        advice = "ALTER DATABASE … CHARACTER SET utf8mb4; our tables name theirs, others' do not"
        yield warning("character set", found, advice)
    zone = await connection.fetch_value("SELECT @@session.time_zone")
    yield ok("time zone", f"{zone} in our sessions")
    flush = await connection.fetch_value("SELECT @@innodb_flush_log_at_trx_commit")
    if int(flush) != 1:
        yield warning(
            "durability",
            f"innodb_flush_log_at_trx_commit = {flush}: a crash may lose what was acknowledged",
            "set it to 1",
        )
    packet = int(await connection.fetch_value("SELECT @@max_allowed_packet"))
    if packet < 16 << 20:
        yield warning("packets", f"max_allowed_packet = {packet}", "set it to 16M or more")


async def _privileges(connection: Connection) -> AsyncIterator[Check]:
    tables = [*_OWN, *(table.name for one in registry.ALL for table in one.tables)]
    wanted = [*_MUST, *(f"DELETE FROM {table} WHERE 1 = 0" for table in tables)]
    missing = [error for one in wanted if (error := await _denied(connection, one)) is not None]
    if missing:
        yield failed("privileges", missing[0], GRANTS)
    else:
        yield ok("privileges", "the server's user may do what it has to")
    much = await _too_much(connection)
    if much:
        yield warning(
            "privileges",
            f"the user may also {', '.join(much)}: whoever breaks into the server could rewrite "
            "the log",
            f"let the server run as a user of its own; {GRANTS}",
        )


async def _denied(connection: Connection, statement: str) -> str | None:
    """The server's words when the user may not; None when they may, or it cannot be told."""
    try:
        await connection.fetch_all(f"EXPLAIN {statement}")
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 - the driver's own, by number
        if error.args and error.args[0] in (1142, 1143):
            return str(error.args[-1])
    return None


async def _too_much(connection: Connection) -> Sequence[str]:
    rows = await connection.fetch_all("SHOW GRANTS")
    # Of grants that hold for this database; what is said of single tables is another matter.
    wide = " ".join(text for (text,) in rows if re.search(r" ON (\*|`[^`]*`)\.\* ", text))
    if "ALL PRIVILEGES" in wide:
        return ["do anything"]
    return [one for one in ("DROP", "TRIGGER", "ALTER", "SUPER") if re.search(rf"\b{one}\b", wide)]


async def _refuses_updates(connection: Connection) -> Check:
    """Without the privilege TRIGGER nobody is shown a trigger, so it is asked to refuse something:
    an update that would change nothing."""
    position = await connection.fetch_value(
        "SELECT position FROM log_event WHERE payload IS NOT NULL ORDER BY position LIMIT 1"
    )
    if position is None:
        return ok("triggers", "the log is empty")
    try:
        await connection.execute(
            "UPDATE log_event SET payload = payload WHERE position = :position", position=position
        )
    except Immutable:
        return _triggers(set())
    except Exception as error:  # noqa: BLE001 - told above, by `privileges`
        return warning("triggers", f"they cannot be tried: {type(error).__name__}", GRANTS)
    return _triggers({"log_event_no_update"})


def _triggers(missing: set[str]) -> Check:
    if not missing:
        return ok("triggers", "the database refuses changes of the log")
    return failed(
        "triggers",
        f"missing: {', '.join(sorted(missing))}: the log can be changed",
        "restore the database's triggers from a backup, and run `registro log verify` with a "
        "checkpoint that was kept elsewhere",
    )
