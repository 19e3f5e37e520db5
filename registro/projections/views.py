"""Lists of the inbox that admins gave names."""

from __future__ import annotations

from registro.db.schema import Column, Index, Table
from registro.events.record import UUID, Recorded
from registro.events.types import DeskViewRemoved, DeskViewSaved
from registro.projections.projection import Handler, Projection
from registro.projections.rows import Rows

VIEWS = Table(
    "desk_views",
    (
        Column("id", "id"),
        Column("owner_id", "id"),
        Column("name", "text"),
        Column("address", "text"),
        Column("shared", "integer"),
        Column("position", "integer"),
    ),
    key=("id",),
    indexes=(Index(("shared", "owner_id")),),
)
"""`address` is the query of an address of the inbox, `position` that of the event that saved it.
An erased one has no name any more."""


def _touch(rows: Rows, row: Recorded, event: object) -> None:
    rows.want(VIEWS, row.stream[-UUID:])


def _saved(rows: Rows, row: Recorded, event: DeskViewSaved) -> None:
    view = rows.get(VIEWS, row.stream[-UUID:])
    columns = {
        "owner_id": event.owner,
        "name": event.name,
        "address": event.address,
        "shared": int(event.shared),
        "position": row.position,
    }
    if view is None:
        rows.insert(VIEWS, id=row.stream[-UUID:], **columns)
    else:
        rows.update(VIEWS, view, **columns)


def _removed(rows: Rows, row: Recorded, event: DeskViewRemoved) -> None:
    view = rows.get(VIEWS, row.stream[-UUID:])
    if view is not None:
        rows.delete(VIEWS, view)


def _touch_erase(rows: Rows, row: Recorded) -> None:
    rows.want(VIEWS, row.stream[-UUID:])


def _erase(rows: Rows, row: Recorded) -> None:
    view = rows.get(VIEWS, row.stream[-UUID:])
    if view is not None and view["position"] == row.position:
        rows.update(VIEWS, view, name="", address="")


PROJECTION = Projection(
    "views",
    1,
    (VIEWS,),
    {
        DeskViewSaved.type: Handler(_saved, _touch, _erase, _touch_erase),
        DeskViewRemoved.type: Handler(_removed, _touch),
    },
)
