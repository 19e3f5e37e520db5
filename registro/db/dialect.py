"""Everything in which SQLite, MySQL and MariaDB differ. No other module knows which it talks to.

SQL elsewhere has named parameters (`:name`) and uses only what all three share.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar, cast

import pymysql.err
from pymysql.converters import escape_string

from registro.db.schema import Column, Index, Kind, Table
from registro.db.sql import paged
from registro.errors import (
    Busy,
    ConstraintViolated,
    Disconnected,
    Immutable,
    StoreError,
    Unavailable,
)

Row = tuple[Any, ...]


class Statement(NamedTuple):
    """SQL with what its parameters stand for: by name, or rows of values for one INSERT each."""

    sql: str
    values: Mapping[str, Any] | Sequence[Any] = MappingProxyType({})
    many: bool = False


_T = TypeVar("_T")

APPEND_ONLY = "registro: the log is append-only"
"""What the triggers of the log say; how a refusal of theirs is told from other errors."""

_PACKET = 1 << 20
"""Characters that are sent to MySQL together."""
_SPECIAL = re.compile(r"[\0\n\r\x1a\"'\\]")
"""What `escape_string` escapes; most texts, and all ids, have none of it."""

_PARAMETER = re.compile(r"(?<![:\w]):(\w+)")


class Emptying(NamedTuple):
    """How a large table is emptied in pieces: queries, with `:name`, for the tables in which its
    rows are, and for the names of a table's indexes but that of the key, and of its key's columns;
    and a statement that removes some rows, in which {name}, {key} and {count} have to be filled
    in."""

    tables: str
    indexes: str
    key: str
    delete: str


Words = Sequence[Sequence[Sequence[str]]]
"""What to look for in a full-text column: any of these, each of which is all of those, each of
which is one or another word. Not more than 31 lists in all (those of one word do not count)."""


class Dialect(Protocol):
    """What the rest of `db` needs to know about a kind of database."""

    name: ClassVar[str]
    begin: ClassVar[str]
    """Starts a transaction that is going to write."""
    for_update: ClassVar[str]
    """Ends a SELECT whose row is to stay locked until the transaction ends."""
    on_connect: ClassVar[tuple[str, ...]]
    on_look: ClassVar[tuple[str, ...]]
    """The same for a connection that changes nothing, not even how the database is kept."""
    options: ClassVar[Mapping[str, Any]]
    """Keyword arguments of `databases.Database`."""

    gathers: ClassVar[bool]
    """Whether it pays to send statements of a transaction together."""

    async def run(self, raw: Any, statements: Sequence[Statement]) -> list[Sequence[Row]]:
        """Runs statements in order, up to the first error; returns the rows of each."""

    def insert(
        self, table: str, columns: Sequence[str], rows: Sequence[Row]
    ) -> list[Statement]: ...

    def upsert(self, raw: Any, table: Table, name: str, rows: Sequence[Row]) -> list[Statement]: ...

    def inside(self, raw: Any) -> tuple[Dialect, Any] | None:
        """The dialect and driver's connection for work inside the connection's own thread; None
        where a connection has no thread."""

    async def in_thread(self, raw: Any, work: Coroutine[Any, Any, _T]) -> _T:
        """Runs `work` there, in one hop; it may await nothing but calls on the inner connection."""

    def table_exists(self) -> str:
        """A query for one row when the table `:name` is there."""

    transactional_ddl: ClassVar[bool]
    """Whether tables are created and renamed as part of a transaction; else such a statement
    commits by itself."""

    snapshot: ClassVar[str]
    """Starts a transaction that reads, and sees everything as it is at its first look."""

    bulk: ClassVar[tuple[str, ...]]
    """Statements for a connection that is going to write much that can be made again."""

    def process_lock(self, name: str) -> tuple[str, str] | None:
        """Queries that take and release a lock which ends with its connection, too; the first gives
        1 when it has it, 0 when another had it for a second. None where a file has to do (see
        `lock`)."""

    emptying: ClassVar[Emptying | None]
    """For tables that are to be dropped, where dropping a large one at once would keep others from
    writing for long."""

    def rename_tables(self, names: Sequence[tuple[str, str]]) -> list[str]:
        """Statements that rename tables from the first to the second name, one after the other;
        where DDL commits by itself, one statement for all, so that nobody sees it half done."""

    def add_column(self, table: str, column: Column) -> str:
        """A column at the end of a table; existing rows get NULL, or 0 where it cannot be NULL."""

    def migration_lock(self) -> tuple[str, str] | None:
        """Statements that take and release a lock for migrations; None where a transaction does."""

    async def close(self, raw: Any) -> None:
        """Drops the connection without a word to the server; never raises."""

    def translate(self, error: BaseException) -> StoreError | None:
        """The error of ours that a driver's error means; None when it is a bug in our SQL."""

    def create_table(self, table: Table, name: str) -> list[str]:
        """Statements: the table first, then each of its indexes."""

    def having(self, table: Table, wanted: Words, keys: range, limit: int) -> Statement:
        """A query for those of some keys whose rows have words in the full-text column: the
        greatest first, at most `limit`."""

    def gathered(self, value: str) -> str:
        """An aggregate: the values of a group as a JSON array. Of a MariaDB group at most 1 MiB."""

    def analyze(self, name: str) -> list[str]:
        """Statements after which queries of a table that was just filled are planned by what is in
        it; none where that makes no difference."""

    def append_only(self, table: Table, erasable: Sequence[str]) -> list[str]:
        """Triggers that refuse DELETE, and UPDATE of all but nulling the `erasable` columns."""


def _definition(table: Table, name: str, kinds: Mapping[Kind, str], suffix: str) -> str:
    columns = [
        f"{column.name} {kinds[column.kind]}{'' if column.null else ' NOT NULL'}"
        for column in table.columns
    ]
    columns.append(f"PRIMARY KEY ({', '.join(table.key)})")
    return f"CREATE TABLE {name} ({', '.join(columns)}){suffix}"


def _add_column(table: str, column: Column, kinds: Mapping[Kind, str]) -> str:
    default = "" if column.null else " NOT NULL DEFAULT 0"
    return f"ALTER TABLE {table} ADD COLUMN {column.name} {kinds[column.kind]}{default}"


def _create_index(index: Index, table: str) -> str:
    unique = "UNIQUE " if index.unique else ""
    return f"CREATE {unique}INDEX {index.name(table)} ON {table} ({', '.join(index.columns)})"


def _create_table(table: Table, name: str, kinds: Mapping[Kind, str], suffix: str) -> list[str]:
    return [
        _definition(table, name, kinds, suffix),
        *(_create_index(index, name) for index in table.indexes),
    ]


class SQLite:
    """SQLite 3.35+ through aiosqlite; one call is one hop to the connection's thread."""

    name: ClassVar[str] = "sqlite"
    transactional_ddl: ClassVar[bool] = True
    snapshot: ClassVar[str] = "BEGIN"
    # In the order of the key: neighbours are on the same pages.
    emptying: ClassVar[Emptying | None] = Emptying(
        # FTS5 keeps its rows in a table of its own: emptied there, its index is not kept up
        # meanwhile. That is a sixth as large, and left to DROP.
        "SELECT part.name FROM sqlite_master t JOIN sqlite_master part ON part.type = 'table'"
        " AND part.name = t.name || CASE WHEN t.sql LIKE 'CREATE VIRTUAL TABLE%'"
        " THEN '_content' ELSE '' END WHERE t.type = 'table' AND t.name = :name",
        "SELECT name FROM sqlite_master"
        " WHERE type = 'index' AND tbl_name = :name AND sql IS NOT NULL",
        "SELECT name FROM pragma_table_info(:name) WHERE pk > 0 ORDER BY pk",
        "DELETE FROM {name} WHERE ({key}) IN"
        " (SELECT {key} FROM {name} ORDER BY {key} LIMIT {count})",
    )
    # NORMAL: commits reach the disk with the next FULL one, which is at the switch at the latest.
    bulk: ClassVar[tuple[str, ...]] = ("PRAGMA cache_size=-65536", "PRAGMA synchronous=NORMAL")
    begin: ClassVar[str] = "BEGIN IMMEDIATE"  # takes the write lock of the whole file
    for_update: ClassVar[str] = ""
    gathers: ClassVar[bool] = False
    # FULL: a commit in WAL mode is flushed before it is acknowledged.
    on_connect: ClassVar[tuple[str, ...]] = (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "PRAGMA busy_timeout=2000",
        "PRAGMA foreign_keys=ON",
        "PRAGMA temp_store=MEMORY",
    )
    on_look: ClassVar[tuple[str, ...]] = ("PRAGMA query_only=ON", "PRAGMA busy_timeout=2000")
    options: ClassVar[Mapping[str, Any]] = {}
    kinds: ClassVar[Mapping[Kind, str]] = {
        "integer": "INTEGER",
        "id": "TEXT",
        "ascii": "TEXT",
        "name": "TEXT",
        "text": "TEXT",
        "hash": "BLOB",
        "bytes": "BLOB",
    }

    async def run(self, raw: Any, statements: Sequence[Statement]) -> list[Sequence[Row]]:
        results: list[Sequence[Row]] = []
        for sql, values, many in statements:
            if many:
                await raw.executemany(sql, values)
                results.append(())
            else:
                results.append(await raw.execute_fetchall(sql, dict(values)))
        return results

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> list[Statement]:
        return [Statement(_insert(table, tuple(columns), "?"), rows, many=True)]

    def upsert(self, raw: Any, table: Table, name: str, rows: Sequence[Row]) -> list[Statement]:
        return [Statement(_upsert(table, name), rows, many=True)]

    def inside(self, raw: Any) -> tuple[Dialect, Any] | None:
        return _SQLiteInThread(), raw._conn  # noqa: SLF001 - aiosqlite has no public way in

    async def in_thread(self, raw: Any, work: Coroutine[Any, Any, _T]) -> _T:
        result: _T = await raw._execute(_drive, work)  # noqa: SLF001
        return result

    def table_exists(self) -> str:
        return "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = :name"

    def process_lock(self, name: str) -> tuple[str, str] | None:
        return None

    def rename_tables(self, names: Sequence[tuple[str, str]]) -> list[str]:
        return [f"ALTER TABLE {old} RENAME TO {new}" for old, new in names]

    def add_column(self, table: str, column: Column) -> str:
        return _add_column(table, column, self.kinds)

    def migration_lock(self) -> tuple[str, str] | None:
        return None

    async def close(self, raw: Any) -> None:
        # It was broken already, which is why it is being closed.
        with contextlib.suppress(sqlite3.Error, ValueError):
            await raw.close()

    def translate(self, error: BaseException) -> StoreError | None:
        if isinstance(error, sqlite3.IntegrityError):
            return (
                Immutable(str(error))
                if APPEND_ONLY in str(error)
                else ConstraintViolated(str(error))
            )
        if isinstance(error, sqlite3.Error):
            code = getattr(error, "sqlite_errorcode", None)
            primary = None if code is None else code & 0xFF
            if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                return Busy(str(error))
            if primary in (
                sqlite3.SQLITE_FULL,
                sqlite3.SQLITE_IOERR,
                sqlite3.SQLITE_CANTOPEN,
                sqlite3.SQLITE_READONLY,
                sqlite3.SQLITE_NOMEM,
                sqlite3.SQLITE_CORRUPT,
                sqlite3.SQLITE_NOTADB,
            ):
                return Unavailable(str(error))
        if isinstance(error, OSError | TimeoutError):
            return Disconnected(str(error) or type(error).__name__)
        return None

    def create_table(self, table: Table, name: str) -> list[str]:
        if table.fulltext is not None:
            # Words are found, not phrases, and nothing is ranked: half the size.
            options = "detail=none, columnsize=0, tokenize='ascii'"
            return [f"CREATE VIRTUAL TABLE {name} USING fts5({table.fulltext}, {options})"]
        return _create_table(table, name, self.kinds, " WITHOUT ROWID" if table.clustered else "")

    def having(self, table: Table, wanted: Words, keys: range, limit: int) -> Statement:
        any_of = [
            " AND ".join(f"({' OR '.join(either)})" for either in all_of) for all_of in wanted
        ]
        words = " OR ".join(f"({one})" for one in any_of)
        sql = (
            f"SELECT rowid FROM {table.name} WHERE {table.name} MATCH :words"
            " AND rowid >= :start AND rowid < :stop ORDER BY rowid DESC LIMIT :limit"
        )
        values = {"words": words, "start": keys.start, "stop": keys.stop, "limit": limit}
        return Statement(sql, values)

    def gathered(self, value: str) -> str:
        return f"json_group_array({value})"

    def analyze(self, name: str) -> list[str]:
        return []

    def append_only(self, table: Table, erasable: Sequence[str]) -> list[str]:
        refuse = f"BEGIN SELECT RAISE(ABORT, '{APPEND_ONLY}'); END"
        name, allowed = table.name, f"WHEN NOT ({_only_erased(table, erasable, 'IS')})"
        return [
            f"CREATE TRIGGER {name}_no_delete BEFORE DELETE ON {name} {refuse}",
            f"CREATE TRIGGER {name}_no_update BEFORE UPDATE ON {name} {allowed} {refuse}",
        ]


class _SQLiteInThread(SQLite):
    """SQLite from within aiosqlite's thread: the same calls, which never suspend."""

    async def run(self, raw: Any, statements: Sequence[Statement]) -> list[Sequence[Row]]:
        results: list[Sequence[Row]] = []
        for sql, values, many in statements:
            if many:
                raw.executemany(sql, values)
                results.append(())
            else:
                results.append(raw.execute(sql, dict(values)).fetchall())
        return results


def _drive(work: Coroutine[Any, Any, _T]) -> _T:
    """Runs a coroutine that never suspends."""
    try:
        work.send(None)
    except StopIteration as done:
        result: _T = done.value
        return result
    work.close()
    raise RuntimeError("work inside a connection's thread may await only that connection")


class MySQL:
    """MySQL 8.4+ and MariaDB 10.11+ through aiomysql."""

    name: ClassVar[str] = "mysql"
    transactional_ddl: ClassVar[bool] = False
    emptying: ClassVar[Emptying | None] = None
    snapshot: ClassVar[str] = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
    # Readers may hold a table's definition: who waits longer for it than that makes others wait.
    bulk: ClassVar[tuple[str, ...]] = ("SET SESSION lock_wait_timeout = 2",)
    begin: ClassVar[str] = "START TRANSACTION"
    for_update: ClassVar[str] = " FOR UPDATE"
    gathers: ClassVar[bool] = True
    on_connect: ClassVar[tuple[str, ...]] = (
        # Strict, whatever the server's default: a value that does not fit is an error, never cut.
        (
            "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,"
            "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'"
        ),
        "SET SESSION innodb_lock_wait_timeout = 5",
        "SET SESSION time_zone = '+00:00'",
    )
    on_look: ClassVar[tuple[str, ...]] = on_connect
    options: ClassVar[Mapping[str, Any]] = {
        "min_size": 1,
        "max_size": 1,
        "charset": "utf8mb4",
        "connect_timeout": 3,
    }
    kinds: ClassVar[Mapping[Kind, str]] = {
        "integer": "BIGINT",
        "id": "CHAR(36) CHARACTER SET ascii COLLATE ascii_bin",
        "ascii": "VARCHAR(191) CHARACTER SET ascii COLLATE ascii_bin",
        "name": "VARCHAR(191) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        "text": "MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        "hash": "BINARY(32)",
        "bytes": "MEDIUMBLOB",
    }

    async def run(self, raw: Any, statements: Sequence[Statement]) -> list[Sequence[Row]]:
        cursor = await raw.cursor()
        results: list[Sequence[Row]] = []
        try:
            for some in _packets([_filled_in(one) for one in statements]):
                await cursor.execute(some)
                results.append(await _rows(cursor))
                while await cursor.nextset():
                    results.append(await _rows(cursor))
            return results
        finally:
            await cursor.close()

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> list[Statement]:
        return self._many(f"INSERT INTO {table} ({', '.join(columns)}) VALUES", "", rows)

    def upsert(self, raw: Any, table: Table, name: str, rows: Sequence[Row]) -> list[Statement]:
        names = table.column_names
        # The row alias is MySQL's form; MariaDB has VALUES() alone, which MySQL deprecates.
        maria = "MariaDB" in raw.get_server_info()
        changes = ", ".join(
            f"{c} = VALUES({c})" if maria else f"{c} = new.{c}" for c in names if c not in table.key
        )
        end = f"{'' if maria else ' AS new'} ON DUPLICATE KEY UPDATE {changes}"
        return self._many(f"INSERT INTO {name} ({', '.join(names)}) VALUES", end, rows)

    def _many(self, start: str, end: str, rows: Sequence[Row]) -> list[Statement]:
        """Many rows in one statement, few enough to stay below `max_allowed_packet`."""
        statements = []
        for some in paged(rows, self._rows_a_statement):
            values = ", ".join([f"({', '.join(map(_literal, row))})" for row in some])
            statements.append(Statement(f"{start} {values}{end}"))
        return statements

    def inside(self, raw: Any) -> tuple[Dialect, Any] | None:
        return None

    async def in_thread(self, raw: Any, work: Coroutine[Any, Any, _T]) -> _T:
        return await work

    def table_exists(self) -> str:
        return (
            "SELECT 1 FROM information_schema.tables"
            " WHERE table_schema = DATABASE() AND table_name = :name"
        )

    def process_lock(self, name: str) -> tuple[str, str] | None:
        lock = f"CONCAT('registro.{name}.', LEFT(DATABASE(), 40))"
        return f"SELECT GET_LOCK({lock}, 1)", f"SELECT RELEASE_LOCK({lock})"

    def rename_tables(self, names: Sequence[tuple[str, str]]) -> list[str]:
        return ["RENAME TABLE " + ", ".join(f"{old} TO {new}" for old, new in names)]

    def add_column(self, table: str, column: Column) -> str:
        return _add_column(table, column, self.kinds)

    def migration_lock(self) -> tuple[str, str] | None:
        # DDL commits by itself in MySQL, so a transaction cannot keep two processes apart.
        name = "CONCAT('registro.migrate.', LEFT(DATABASE(), 40))"
        return f"SELECT GET_LOCK({name}, 60)", f"SELECT RELEASE_LOCK({name})"

    async def close(self, raw: Any) -> None:
        raw.close()

    _rows_a_statement = 250

    _busy = frozenset({1205, 1213, 1020, 3572})
    _away = frozenset({1021, 1040, 1114, 1203, 1226, 1290, 1836, 3100, 1041, 1129})
    _gone = frozenset({1053, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1317, 1927, 2000, 2002,
                       2003, 2006, 2012, 2013, 2014, 2027, 2055, 4031})  # fmt: skip

    def translate(self, error: BaseException) -> StoreError | None:
        text = str(error) or type(error).__name__
        if isinstance(error, pymysql.err.MySQLError):
            code = error.args[0] if error.args else None
            if code in self._busy:
                return Busy(text)
            if code in self._gone or isinstance(error, pymysql.err.InterfaceError):
                return Disconnected(text)
            if code in self._away:
                return Unavailable(text)
            if code == 1644 and APPEND_ONLY in text:
                return Immutable(text)
            if isinstance(error, pymysql.err.IntegrityError):
                return ConstraintViolated(text)
            return None
        if isinstance(error, OSError | TimeoutError | asyncio.IncompleteReadError | EOFError):
            return Disconnected(text)
        return None

    def create_table(self, table: Table, name: str) -> list[str]:
        if table.fulltext is None:
            return _create_table(table, name, self.kinds, " ENGINE=InnoDB")
        # With its ids of documents in place, InnoDB need not copy the table to index it.
        ids = "FTS_DOC_ID BIGINT UNSIGNED NOT NULL AUTO_INCREMENT"
        unique = "UNIQUE KEY FTS_DOC_ID_INDEX (FTS_DOC_ID)"
        definition = _definition(table, name, self.kinds, " ENGINE=InnoDB")
        return [
            definition.replace(", PRIMARY KEY", f", {ids}, {unique}, PRIMARY KEY"),
            f"CREATE FULLTEXT INDEX {name}_{table.fulltext} ON {name} ({table.fulltext})",
        ]

    def having(self, table: Table, wanted: Words, keys: range, limit: int) -> Statement:
        # Brackets only where they are needed: InnoDB refuses more than 31 in one search.
        any_of = [" ".join(f"+{_either(either)}" for either in all_of) for all_of in wanted]
        words = " ".join(f"({one})" for one in any_of)
        # MariaDB would now and then rather read the whole table from its end.
        sql = (
            f"SELECT rowid FROM {table.name} IGNORE INDEX (PRIMARY)"
            f" WHERE MATCH ({table.fulltext}) AGAINST (:words IN BOOLEAN MODE)"
            " AND rowid >= :start AND rowid < :stop ORDER BY rowid DESC LIMIT :limit"
        )
        values = {"words": words, "start": keys.start, "stop": keys.stop, "limit": limit}
        return Statement(sql, values)

    def gathered(self, value: str) -> str:
        return f"JSON_ARRAYAGG({value})"

    def analyze(self, name: str) -> list[str]:
        return [f"ANALYZE TABLE {name}"]

    def append_only(self, table: Table, erasable: Sequence[str]) -> list[str]:
        refuse = f"SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 1644, MESSAGE_TEXT = '{APPEND_ONLY}'"
        name, allowed = table.name, _only_erased(table, erasable, "<=>")
        check = f"IF NOT ({allowed}) THEN {refuse}; END IF"
        return [
            f"CREATE TRIGGER {name}_no_delete BEFORE DELETE ON {name} FOR EACH ROW {refuse}",
            f"CREATE TRIGGER {name}_no_update BEFORE UPDATE ON {name} FOR EACH ROW {check}",
        ]


def _either(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"({' '.join(words)})"


def _filled_in(statement: Statement) -> str:
    if not statement.values:
        return statement.sql
    named = cast(Mapping[str, Any], statement.values)
    return _pyformat(statement.sql) % {name: _literal(value) for name, value in named.items()}


def _literal(value: object) -> str:
    """A value as it stands in a statement: what the driver does with a parameter, in a third of the
    time (a tenth for bytes). It goes by the session's `sql_mode`, which `on_connect` sets, and by
    utf8mb4."""
    if isinstance(value, str):
        return f"'{escape_string(value) if _SPECIAL.search(value) else value}'"
    if isinstance(value, int):
        return str(int(value))
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    raise TypeError(f"{type(value).__name__} {value!r} cannot be stored")


def _packets(statements: Sequence[str]) -> Iterator[str]:
    """Statements to send together, below the least `max_allowed_packet` in use (16 MiB)."""
    together: list[str] = []
    size = 0
    for statement in statements:
        if together and size + len(statement) > _PACKET:
            yield ";".join(together)
            together, size = [], 0
        together.append(statement)
        size += len(statement)
    yield ";".join(together)


async def _rows(cursor: Any) -> Sequence[Row]:
    return await cursor.fetchall() if cursor.description else ()


def _only_erased(table: Table, erasable: Sequence[str], same: str) -> str:
    """What an UPDATE has to fulfil: `erasable` columns become NULL, all others stay as they are."""
    return " AND ".join(
        f"NEW.{name} IS NULL" if name in erasable else f"NEW.{name} {same} OLD.{name}"
        for name in table.column_names
    )


@lru_cache(maxsize=256)
def _insert(table: str, columns: tuple[str, ...], mark: str) -> str:
    marks = ", ".join([mark] * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"


@lru_cache(maxsize=256)
def _upsert(table: Table, name: str) -> str:
    """SQLite's form."""
    names = table.column_names
    changes = ", ".join(f"{c} = excluded.{c}" for c in names if c not in table.key)
    return (
        f"{_insert(name, names, '?')} ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {changes}"
    )


@lru_cache(maxsize=1024)
def _pyformat(sql: str) -> str:
    return _PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))


def for_url(url: str) -> Dialect:
    """The dialect of a database URL; `config` has checked the scheme."""
    return SQLite() if url.startswith("sqlite:") else MySQL()
