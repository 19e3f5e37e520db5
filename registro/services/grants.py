"""What a server may do in its database, and no more: GRANTs for its user on MySQL and MariaDB.

Triggers keep the log from being changed; they do not stop a TRUNCATE or a DROP, and whoever may
drop a trigger is not stopped at all. So the server runs as a user without those privileges.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from registro.db.connection import DatabaseConnection
from registro.errors import StoreError

ALL = "SELECT, INSERT, UPDATE, DELETE"

NARROW = {
    "log_event": "SELECT, INSERT, UPDATE (payload, salt)",
    "log_head": "SELECT, UPDATE",
    "log_node": "SELECT, INSERT",
    "secret": "SELECT",
    "migration": "SELECT",
    "projection": "SELECT, UPDATE",
}
"""Of the tables that a server does not change at will; it has `ALL` on the others."""

_ACCOUNT = re.compile(r"([A-Za-z0-9_.-]{1,32})(?:@([A-Za-z0-9_.:%/-]{1,255}))?")


def account(text: str) -> str:
    """A user of the database as SQL writes it, from `NAME` (of any host) or `NAME@HOST`. Raises
    ValueError for anything else."""
    found = _ACCOUNT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r}: expected NAME or NAME@HOST")
    return f"'{found[1]}'@'{found[2] or '%'}'"


def statements(tables: Iterable[str], user: str) -> list[str]:
    return [f"GRANT {NARROW.get(table, ALL)} ON {table} TO {user}" for table in tables]


async def grant(url: str, user: str) -> int:
    """Grants `user`, an `account`, what a server needs; returns on how many tables.

    Raises StoreError on SQLite, which has no users, and when the database refuses.
    """
    connection = await DatabaseConnection(url).open()
    try:
        if connection.dialect.name == "sqlite":
            raise StoreError("SQLite has no users to grant anything to")
        rows = await connection.fetch_all(
            "SELECT table_name FROM information_schema.tables"
            " WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY table_name"
        )
        # Those with "__" are generations of projections that come and go.
        tables = [str(name) for (name,) in rows if "__" not in str(name)]
        for statement in statements(tables, user):
            try:
                await connection.execute(statement)
            except StoreError:
                raise
            except Exception as error:
                raise StoreError(f"{error}\nin: {statement}") from error
    finally:
        await connection.close()
    return len(tables)
