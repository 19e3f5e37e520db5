"""A projection store in memory: folds without a database, through the same code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from registro.events.record import Recorded
from registro.events.types import Event
from registro.projections import folding, registry
from registro.projections.projection import Projection
from registro.projections.rows import Rows

Tables = dict[str, dict[tuple[Any, ...], dict[str, Any]]]


class Memory:
    """The tables of all projections, as dicts by key."""

    def __init__(self) -> None:
        self.tables: Tables = {t.name: {} for p in registry.ALL for t in p.tables}

    def fold(
        self,
        events: Sequence[tuple[Recorded, Event]],
        projections: Sequence[Projection] = registry.ALL,
    ) -> Memory:
        rows = Rows()
        folding.want(rows, events, projections)
        for table, keys in rows.wanted():
            for key in keys:
                if key in self.tables[table.name]:
                    rows.loaded(table, dict(self.tables[table.name][key]))
        rows.all_loaded()
        folding.apply(rows, events, projections)
        for table, _ in rows.sizes():
            changes = rows.changes(table)
            for key in changes.deleted:
                self.tables[table.name].pop(key, None)
            for row in (*changes.inserted, *changes.changed):
                self.tables[table.name][table.key_of(row)] = dict(row)
        return self
