"""Rows between memory and the tables of a database, set-wise."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from registro.db.connection import Connection
from registro.db.schema import Table
from registro.db.sql import in_list
from registro.projections.rows import Key, RowDict, Rows

_CHUNK = 500

Naming = Callable[[Table], str]
"""The name that a table has in the database."""


def logical(table: Table) -> str:
    """The name of the tables that the pages read."""
    return table.name


async def load(
    connection: Connection,
    rows: Rows,
    naming: Naming = logical,
    tables: Collection[Table] | None = None,
) -> None:
    """Gets the rows that were asked for; with `tables`, those of other tables are known not to be
    there."""
    for table, keys in rows.wanted():
        if tables is not None and table not in tables:
            continue
        for start in range(0, len(keys), _CHUNK):
            condition, values = _key_in(table, keys[start : start + _CHUNK])
            found = await connection.fetch_all(
                f"SELECT {', '.join(table.column_names)} FROM {naming(table)} WHERE {condition}",
                **values,
            )
            for one in found:
                rows.loaded(table, dict(zip(table.column_names, one, strict=True)))
    rows.all_loaded()


async def write(connection: Connection, rows: Rows, naming: Naming = logical) -> None:
    """Writes what folding changed."""
    for table, _ in rows.sizes():
        changes = rows.changes(table)
        await delete(connection, table, naming(table), changes.deleted)
        await insert(connection, table, naming(table), changes.inserted)
        await replace(connection, table, naming(table), changes.changed)


async def insert(connection: Connection, table: Table, name: str, rows: Sequence[RowDict]) -> None:
    await connection.insert_many(name, table.column_names, list(map(table.values_of, rows)))


async def replace(connection: Connection, table: Table, name: str, rows: Sequence[RowDict]) -> None:
    """Inserts rows, or replaces those with the same key."""
    await connection.upsert_many(table, name, list(map(table.values_of, rows)))


async def delete(connection: Connection, table: Table, name: str, keys: Sequence[Key]) -> None:
    for start in range(0, len(keys), _CHUNK):
        condition, values = _key_in(table, keys[start : start + _CHUNK])
        await connection.execute(f"DELETE FROM {name} WHERE {condition}", **values)


def _key_in(table: Table, keys: Sequence[Key]) -> tuple[str, dict[str, Any]]:
    if len(table.key) == 1:
        names, values = in_list([key[0] for key in keys])
        return f"{table.key[0]} IN ({names})", values
    values = {f"v{i}_{j}": value for i, key in enumerate(keys) for j, value in enumerate(key)}
    marks = ", ".join(
        f"({', '.join(f':v{i}_{j}' for j in range(len(table.key)))})" for i in range(len(keys))
    )
    return f"({', '.join(table.key)}) IN ({marks})", values


async def create(connection: Connection, table: Table, name: str) -> None:
    """Makes an empty table, without what a crash may have left there under this name."""
    await create_bare(connection, table, name)
    await create_indexes(connection, table, name)


async def create_bare(connection: Connection, table: Table, name: str) -> None:
    """The same without its indexes, but for the key."""
    await drop(connection, name)
    await connection.execute(connection.dialect.create_table(table, name)[0])


async def create_indexes(connection: Connection, table: Table, name: str) -> None:
    for statement in connection.dialect.create_table(table, name)[1:]:
        await connection.execute(statement)


async def analyze(connection: Connection, name: str) -> None:
    """Has the database look at what a new table holds."""
    for statement in connection.dialect.analyze(name):
        await connection.execute(statement)


async def drop(connection: Connection, name: str) -> None:
    """Removes a table, if it is there."""
    if await exists(connection, name):
        await connection.execute(f"DROP TABLE {name}")


async def exists(connection: Connection, name: str) -> bool:
    found = await connection.fetch_value(connection.dialect.table_exists(), name=name)
    return found is not None
