"""Who is known: one row a person."""

from __future__ import annotations

from registro.db.schema import Column, Index, Table
from registro.events.record import Recorded
from registro.events.types import (
    UserDisabled,
    UserEnabled,
    UserRegistered,
    UserRoleChanged,
)
from registro.projections.projection import Handler, Projection
from registro.projections.rows import Rows

USERS = Table(
    "users",
    (
        Column("id", "id"),
        Column("user", "name"),
        Column("name", "text"),
        Column("role", "ascii"),
        Column("disabled", "integer"),
        Column("registered_at", "integer"),
    ),
    key=("id",),
    # Two people cannot register one name: the second one's append fails here.
    indexes=(Index(("user",), unique=True),),
)


def _id(row: Recorded) -> str:
    return row.stream.partition("/")[2]


def _touch(rows: Rows, row: Recorded, event: object) -> None:
    rows.want(USERS, _id(row))


def _registered(rows: Rows, row: Recorded, event: UserRegistered) -> None:
    rows.insert(
        USERS,
        id=_id(row),
        user=event.user,
        name=event.name,
        role=event.role,
        disabled=0,
        registered_at=row.recorded_at,
    )


def _change(rows: Rows, row: Recorded, **changes: object) -> None:
    user = rows.get(USERS, _id(row))
    if user is not None:
        rows.update(USERS, user, **changes)


def _role_changed(rows: Rows, row: Recorded, event: UserRoleChanged) -> None:
    _change(rows, row, role=event.role)


def _disabled(rows: Rows, row: Recorded, event: UserDisabled) -> None:
    _change(rows, row, disabled=1)


def _enabled(rows: Rows, row: Recorded, event: UserEnabled) -> None:
    _change(rows, row, disabled=0)


PROJECTION = Projection(
    "users",
    1,
    (USERS,),
    {
        UserRegistered.type: Handler(_registered),
        UserRoleChanged.type: Handler(_role_changed, _touch),
        UserDisabled.type: Handler(_disabled, _touch),
        UserEnabled.type: Handler(_enabled, _touch),
    },
)
