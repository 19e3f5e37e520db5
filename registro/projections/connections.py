"""Every socket that was ever open: when, for how long, and why it ended."""

from __future__ import annotations

from registro.db.schema import Column, Index, Table
from registro.events.record import Recorded
from registro.events.types import ConnectionClosed, ConnectionOpened
from registro.projections.projection import Handler, Projection
from registro.projections.rows import Rows

CONNECTIONS = Table(
    "connections",
    (
        Column("id", "id"),
        Column("user_id", "id"),
        Column("role", "ascii"),
        Column("session_key", "ascii"),
        Column("transport", "ascii"),
        Column("client", "text"),
        Column("node", "id"),
        Column("opened_at", "integer"),
        Column("closed_at", "integer", null=True),
        Column("reason", "ascii", null=True),
        Column("milliseconds", "integer", null=True),
    ),
    key=("id",),
    indexes=(Index(("closed_at", "node")), Index(("user_id", "opened_at"))),
)


def _id(row: Recorded) -> str:
    return row.stream.partition("/")[2]


def _opened(rows: Rows, row: Recorded, event: ConnectionOpened) -> None:
    rows.insert(
        CONNECTIONS,
        id=_id(row),
        user_id=event.user,
        role=event.role,
        session_key=event.session,
        transport=event.transport,
        client=event.client,
        node=event.node,
        opened_at=row.recorded_at,
        closed_at=None,
        reason=None,
        milliseconds=None,
    )


def _erase_opening(rows: Rows, row: Recorded) -> None:
    connection = rows.get(CONNECTIONS, _id(row))
    if connection is not None:
        rows.update(CONNECTIONS, connection, session_key="", client="")


def _touch_opening(rows: Rows, row: Recorded) -> None:
    rows.want(CONNECTIONS, _id(row))


def _touch(rows: Rows, row: Recorded, event: ConnectionClosed) -> None:
    rows.want(CONNECTIONS, _id(row))


def _closed(rows: Rows, row: Recorded, event: ConnectionClosed) -> None:
    connection = rows.get(CONNECTIONS, _id(row))
    if connection is not None:
        rows.update(
            CONNECTIONS,
            connection,
            closed_at=row.recorded_at,
            reason=event.reason,
            milliseconds=event.milliseconds,
        )


PROJECTION = Projection(
    "connections",
    1,
    (CONNECTIONS,),
    {
        ConnectionOpened.type: Handler(_opened, erase=_erase_opening, touch_erase=_touch_opening),
        ConnectionClosed.type: Handler(_closed, _touch),
    },
)
