"""When the desk answers: one row, once somebody has said so."""

from __future__ import annotations

from registro.db.schema import Column, Table
from registro.events import codec
from registro.events.record import Recorded
from registro.events.types import DeskHoursChanged
from registro.projections.projection import Handler, Projection
from registro.projections.rows import Rows

ONE = 1
"""The row's key."""

HOURS = Table(
    "hours",
    (
        Column("id", "integer"),
        Column("position", "integer"),
        Column("changed_at", "integer"),
        Column("value", "text"),
    ),
    key=("id",),
)
"""`value` is the payload of the newest `desk:hours:changed`, which stands at `position`."""


def _touch(rows: Rows, row: Recorded, event: DeskHoursChanged) -> None:
    rows.want(HOURS, ONE)


def _changed(rows: Rows, row: Recorded, event: DeskHoursChanged) -> None:
    said = {
        "position": row.position,
        "changed_at": row.recorded_at,
        "value": codec.encode(event).decode(),
    }
    known = rows.get(HOURS, ONE)
    if known is None:
        rows.insert(HOURS, id=ONE, **said)
    else:
        rows.update(HOURS, known, **said)


PROJECTION = Projection("hours", 1, (HOURS,), {DeskHoursChanged.type: Handler(_changed, _touch)})
