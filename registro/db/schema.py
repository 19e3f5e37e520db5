"""Tables as values, so that one description serves every dialect and every generation of a
projection. `dialect.create_table` turns them into SQL."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["integer", "id", "ascii", "name", "text", "hash", "bytes"]
"""integer: 64 bits · id: a UUID in text form · ascii: up to 191 ASCII characters, compared
bytewise · name: up to 191 characters, compared exactly · text: up to 16 MiB · hash: 32 bytes ·
bytes: up to 16 MiB. Times are integers: microseconds since 1970, UTC."""


@dataclass(frozen=True)
class Column:
    name: str
    kind: Kind
    null: bool = False


@dataclass(frozen=True)
class Index:
    columns: tuple[str, ...]
    unique: bool = False

    def name(self, table: str) -> str:
        return f"{table}_{'_'.join(self.columns)}"


@dataclass(frozen=True, eq=False)  # tables are dict keys on the hot path: compared by identity
class Table:
    """`key` names the columns of the primary key. A `clustered` table is kept in the order of its
    key where the database leaves the choice (SQLite; InnoDB always does): half the size for narrow
    rows."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    indexes: tuple[Index, ...] = field(default=())
    clustered: bool = False

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)
