"""Who is known: one row a person."""

from __future__ import annotations

from registro.db.schema import Column, Index, Table
from registro.events.record import Recorded
from registro.events.types import (
    LogErased,
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


ERASED_NAMES = Table("erased_names", (Column("name_hash", "ascii"),), key=("name_hash",))
"""Keyed hashes of the names of people who were erased: nobody gets these names again."""


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


def _touch_registration(rows: Rows, row: Recorded) -> None:
    rows.want(USERS, _id(row))


def _erase_registration(rows: Rows, row: Recorded) -> None:
    user = rows.get(USERS, _id(row))
    if user is not None:
        rows.delete(USERS, user)


def _touch_name(rows: Rows, row: Recorded, event: LogErased) -> None:
    if event.name_hash is not None:
        rows.want(ERASED_NAMES, event.name_hash)


def _erased(rows: Rows, row: Recorded, event: LogErased) -> None:
    if event.name_hash is not None and rows.get(ERASED_NAMES, event.name_hash) is None:
        rows.insert(ERASED_NAMES, name_hash=event.name_hash)


PROJECTION = Projection(
    "users",
    1,
    (USERS, ERASED_NAMES),
    {
        UserRegistered.type: Handler(
            _registered, erase=_erase_registration, touch_erase=_touch_registration
        ),
        LogErased.type: Handler(_erased, _touch_name),
        UserRoleChanged.type: Handler(_role_changed, _touch),
        UserDisabled.type: Handler(_disabled, _touch),
        UserEnabled.type: Handler(_enabled, _touch),
    },
)
