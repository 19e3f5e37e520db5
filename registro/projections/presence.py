"""Who is connected now, with how many sockets, and since when (or when they were last)."""

from __future__ import annotations

from registro.db.schema import Column, Table
from registro.events.record import Recorded
from registro.events.types import ConnectionClosed, ConnectionOpened
from registro.projections.projection import Handler, Projection
from registro.projections.rows import Rows

PRESENCE = Table(
    "presence",
    (
        Column("user_id", "id"),
        Column("sockets", "integer"),
        Column("since", "integer"),
    ),
    key=("user_id",),
)


def _touch(rows: Rows, row: Recorded, event: ConnectionOpened | ConnectionClosed) -> None:
    rows.want(PRESENCE, event.user)


def _opened(rows: Rows, row: Recorded, event: ConnectionOpened) -> None:
    presence = rows.get(PRESENCE, event.user)
    if presence is None:
        rows.insert(PRESENCE, user_id=event.user, sockets=1, since=row.recorded_at)
    else:
        since = presence["since"] if presence["sockets"] else row.recorded_at
        rows.update(PRESENCE, presence, sockets=presence["sockets"] + 1, since=since)


def _closed(rows: Rows, row: Recorded, event: ConnectionClosed) -> None:
    presence = rows.get(PRESENCE, event.user)
    if presence is None or not presence["sockets"]:
        return
    left = presence["sockets"] - 1
    since = presence["since"] if left else row.recorded_at
    rows.update(PRESENCE, presence, sockets=left, since=since)


PROJECTION = Projection(
    "presence",
    1,
    (PRESENCE,),
    {
        ConnectionOpened.type: Handler(_opened, _touch),
        ConnectionClosed.type: Handler(_closed, _touch),
    },
)
