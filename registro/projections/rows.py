"""The rows that folding touches: loaded before, changed in memory, written after.

Folding sees and leaves whole rows (a dict of all columns) and does no I/O, so that live appending,
rebuilding, replaying and tests run the same code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from registro.db.schema import Table

Key = tuple[Any, ...]
RowDict = dict[str, Any]


class _Part:
    """What is known of one table. Rows that were looked for and are not there are None."""

    __slots__ = ("changed", "deleted", "inserted", "key_of", "looked_for", "rows", "wanted")

    def __init__(self, table: Table) -> None:
        self.key_of = table.key_of
        self.rows: dict[Key, RowDict | None] = {}
        self.wanted: set[Key] = set()
        self.looked_for = False
        self.inserted: set[Key] = set()
        self.changed: set[Key] = set()
        self.deleted: set[Key] = set()

    def pick(self, keys: set[Key]) -> list[RowDict]:
        # Sorted: all writers lock rows in the same order, and equal logs write equally.
        return [row for key in sorted(keys) if (row := self.rows[key])]


class Changes(NamedTuple):
    """Of one table: keys of rows that went, rows that came, rows that are not as they were."""

    deleted: list[Key]
    inserted: list[RowDict]
    changed: list[RowDict]


class _Parts(dict[Table, _Part]):
    def __missing__(self, table: Table) -> _Part:
        part = self[table] = _Part(table)
        return part


class Rows:
    """A unit of work over tables."""

    def __init__(self) -> None:
        self._parts = _Parts()

    def want(self, table: Table, *key: Any) -> None:
        """Asks for a row to be loaded before folding starts."""
        part = self._parts[table]
        part.looked_for = True
        if key not in part.rows:
            part.wanted.add(key)

    def wanted(self) -> Iterator[tuple[Table, list[Key]]]:
        """The rows that were asked for and are not here yet."""
        for table, part in self._parts.items():
            if part.wanted:
                yield table, list(part.wanted)

    def loaded(self, table: Table, row: RowDict) -> None:
        part = self._parts[table]
        part.rows[part.key_of(row)] = row

    def all_loaded(self) -> None:
        """Says that what was wanted and not loaded is not there."""
        for part in self._parts.values():
            for key in part.wanted:
                part.rows.setdefault(key, None)
            part.wanted.clear()

    def get(self, table: Table, *key: Any) -> RowDict | None:
        """A row as it stands. Only rows that were wanted or inserted may be asked for."""
        try:
            return self._parts[table].rows[key]
        except KeyError:
            raise KeyError(f"{table.name} {key} was not wanted before folding") from None

    def insert(self, table: Table, **row: Any) -> RowDict:
        """Adds a row that was not there, and returns it."""
        part = self._parts[table]
        key = part.key_of(row)
        part.rows[key] = row
        if key in part.deleted:
            part.deleted.discard(key)
            part.changed.add(key)
        else:
            part.inserted.add(key)
        return row

    def update(self, table: Table, row: RowDict, **changes: Any) -> None:
        """Changes columns of a row that `get` returned."""
        row.update(changes)
        part = self._parts[table]
        key = part.key_of(row)
        if key not in part.inserted:
            part.changed.add(key)

    def delete(self, table: Table, row: RowDict) -> None:
        """Removes a row that `get` returned."""
        part = self._parts[table]
        key = part.key_of(row)
        part.rows[key] = None
        if key in part.inserted:
            part.inserted.discard(key)
        else:
            part.changed.discard(key)
            part.deleted.add(key)

    def changes(self, table: Table) -> Changes:
        """What has to be done to a table for it to have the rows as they stand."""
        part = self._parts[table]
        return Changes(sorted(part.deleted), part.pick(part.inserted), part.pick(part.changed))

    def sizes(self) -> list[tuple[Table, int]]:
        """How many rows of each table are held, of those tables that were touched."""
        return [(table, len(part.rows)) for table, part in self._parts.items()]

    def written(self, table: Table) -> None:
        """Says that the table's rows were written as they stand; they stay known."""
        part = self._parts[table]
        part.inserted.clear()
        part.changed.clear()
        part.deleted.clear()

    def settle(self) -> int:
        """Says that all was written. Rows of tables from which rows were looked for stay known, the
        others are let go; returns how many stay."""
        for table, part in list(self._parts.items()):
            if part.looked_for:
                self.written(table)
            else:
                del self._parts[table]
        return sum(len(part.rows) for part in self._parts.values())

    def forget(self, table: Table) -> None:
        """Lets go of a table's rows, which were written."""
        del self._parts[table]
