"""Tables as values, so that one description serves every dialect and every generation of a
projection. `dialect.create_table` turns them into SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from typing import Any, Literal

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
    rows.

    `fulltext` names a column of ASCII words in which any of them is found (`dialect.having`). Such
    a table has two columns, the other one is its key, an integer, and its name is `rowid`, because
    on SQLite the table is one of FTS5 then. Its rows come and go; they are never changed."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    indexes: tuple[Index, ...] = field(default=())
    clustered: bool = False
    fulltext: str | None = None

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @cached_property
    def key_of(self) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
        """The key of a row that is a dict of its columns."""
        return _picker(self.key)

    @cached_property
    def values_of(self) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
        """All values of such a row, in the order of the columns."""
        return _picker(self.column_names)


def _picker(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    if len(names) == 1:  # itemgetter gives no tuple then
        [name] = names
        return lambda row: (row[name],)
    return itemgetter(*names)
