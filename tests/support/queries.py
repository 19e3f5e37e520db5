"""What statements a piece of the program sends, and how the database means to carry them out."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from registro.db.connection import Connection, DatabaseConnection

MANY = 1000
"""Rows of one key that may be gone through."""

Statement = tuple[str, dict[str, Any]]


@contextmanager
def watched() -> Iterator[list[Statement]]:
    """Collects the queries of all connections."""
    sent: list[Statement] = []
    fetch_all = Connection.fetch_all

    async def noting(self: Connection, sql: str, **values: Any) -> Any:
        sent.append((sql, values))
        return await fetch_all(self, sql, **values)

    fetch_each = Connection.fetch_each

    async def noting_each(self: Connection, queries: Any) -> Any:
        sent.extend((query.sql, dict(query.values)) for query in queries)
        return await fetch_each(self, queries)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "fetch_all", noting)
        patch.setattr(Connection, "fetch_each", noting_each)
        yield sent


async def scanned(connection: DatabaseConnection, statement: Statement) -> list[str]:
    """The tables that a query would read from end to end, with the plan's words for it.

    Derived tables do not count: they hold what the walks below them let through.
    """
    sql, values = statement
    if connection.dialect.name == "sqlite":
        rows = await connection.fetch_all(f"EXPLAIN QUERY PLAN {sql}", **values)
        return [row[3] for row in rows if _is_scan(str(row[3]))]
    # MySQL 9 has another form by default, and MariaDB none but this one, two columns narrower.
    mysql = "MariaDB" not in await connection.fetch_value("SELECT VERSION()")
    form, access = (" FORMAT=TRADITIONAL", 4) if mysql else ("", 3)
    with warnings.catch_warnings():  # MySQL says in a note how it has rewritten the query
        warnings.simplefilter("ignore")
        rows = await connection.fetch_all(f"EXPLAIN{form} {sql}", **values)
    return [f"{row[2]}: {row[access]}" for row in rows if _reads_all(row, access)]


def _reads_all(row: Any, access: int) -> bool:
    """Whether a step of a MySQL or MariaDB plan goes through a table, or a good part of it."""
    if str(row[2]).startswith("<"):
        return False
    # A stream is always read from an end; the planner counts all of it all the same.
    streams = row[access + 2] == "log_event_stream_version"
    many = row[access] == "ref" and not streams and int(row[access + 5]) > MANY
    return row[access] in ("ALL", "index") or "skip scan" in str(row[-1]) or many


def _is_scan(detail: str) -> bool:
    if "VIRTUAL TABLE INDEX" in detail:  # of FTS5: M for words, = for one row
        return "M" not in detail.rpartition(":")[2] and not detail.endswith("=")
    derived = ("SCAN arm", "SCAN found", "SCAN wanted", "SCAN (", "SCAN CONSTANT")
    return detail.startswith("SCAN") and not detail.startswith(derived)
