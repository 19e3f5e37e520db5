"""The rows that a batch of events touches: loaded before folding, changed in memory, written after.

Folding sees and leaves whole rows (a dict of all columns) and does no I/O, so that live appending,
rebuilding, replaying and tests run the same code.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from registro.db.schema import Table

Key = tuple[Any, ...]
RowDict = dict[str, Any]


class Rows:
    """A unit of work over tables. Rows that were asked for with `want` and not found are None."""

    def __init__(self) -> None:
        self._wanted: defaultdict[Table, set[Key]] = defaultdict(set)
        self._rows: defaultdict[Table, dict[Key, RowDict | None]] = defaultdict(dict)
        self._inserted: defaultdict[Table, set[Key]] = defaultdict(set)
        self._changed: defaultdict[Table, set[Key]] = defaultdict(set)
        self._deleted: defaultdict[Table, set[Key]] = defaultdict(set)

    def want(self, table: Table, *key: Any) -> None:
        """Asks for a row to be loaded before folding starts."""
        self._wanted[table].add(key)

    def wanted(self) -> Iterator[tuple[Table, list[Key]]]:
        for table, keys in self._wanted.items():
            yield table, list(keys)

    def loaded(self, table: Table, row: RowDict) -> None:
        self._rows[table][tuple(row[column] for column in table.key)] = row

    def get(self, table: Table, *key: Any) -> RowDict | None:
        """A row as it stands. Only rows that were wanted or inserted may be asked for."""
        try:
            return self._rows[table][key]
        except KeyError:
            if key not in self._wanted[table]:
                raise KeyError(f"{table.name} {key} was not wanted before folding") from None
            return None

    def insert(self, table: Table, **row: Any) -> None:
        """Adds a row that was not there."""
        key = tuple(row[column] for column in table.key)
        self._rows[table][key] = row
        if key in self._deleted[table]:
            self._deleted[table].discard(key)
            self._changed[table].add(key)
        else:
            self._inserted[table].add(key)

    def update(self, table: Table, row: RowDict, **changes: Any) -> None:
        """Changes columns of a row that `get` returned."""
        row.update(changes)
        key = tuple(row[column] for column in table.key)
        if key not in self._inserted[table]:
            self._changed[table].add(key)

    def delete(self, table: Table, row: RowDict) -> None:
        """Removes a row that `get` returned."""
        key = tuple(row[column] for column in table.key)
        self._rows[table][key] = None
        if key in self._inserted[table]:
            self._inserted[table].discard(key)
        else:
            self._changed[table].discard(key)
            self._deleted[table].add(key)

    def deleted(self) -> Iterator[tuple[Table, list[Key]]]:
        for table, keys in self._deleted.items():
            if keys:
                yield table, sorted(keys)

    def inserted(self) -> Iterator[tuple[Table, list[RowDict]]]:
        yield from self._pick(self._inserted)

    def changed(self) -> Iterator[tuple[Table, list[RowDict]]]:
        yield from self._pick(self._changed)

    def _pick(self, keys: dict[Table, set[Key]]) -> Iterator[tuple[Table, list[RowDict]]]:
        for table, some in keys.items():
            if some:
                # Sorted: all writers lock rows in the same order, and equal logs write equally.
                yield table, [row for key in sorted(some) if (row := self._rows[table][key])]
