"""A projection store in memory: folds without a database, through the same code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from registro.db.schema import Table
from registro.events.record import Recorded
from registro.events.types import Event
from registro.projections import runner
from registro.projections.projection import Projection

Tables = dict[str, dict[tuple[Any, ...], dict[str, Any]]]


class Memory:
    """The tables of all projections, as dicts by key."""

    def __init__(self) -> None:
        self.tables: Tables = {t.name: {} for p in runner.PROJECTIONS for t in p.tables}

    def fold(
        self,
        events: Sequence[tuple[Recorded, Event]],
        projections: Sequence[Projection] = runner.PROJECTIONS,
    ) -> Memory:
        rows = runner.wanted(events, projections)
        for table, keys in rows.wanted():
            for key in keys:
                if key in self.tables[table.name]:
                    rows.loaded(table, dict(self.tables[table.name][key]))
        runner.apply(rows, events, projections)
        for table, written in (*rows.inserted(), *rows.changed()):
            for row in written:
                self.tables[table.name][_key(table, row)] = dict(row)
        return self


def _key(table: Table, row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in table.key)
