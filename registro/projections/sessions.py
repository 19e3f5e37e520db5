"""Logins, and which tokens are good for nothing any more."""

from __future__ import annotations

from registro.db.schema import Column, Index, Table
from registro.events.record import Recorded
from registro.events.types import SessionEnded, SessionStarted
from registro.projections.projection import Handler, Projection
from registro.projections.rows import Rows

SESSIONS = Table(
    "sessions",
    (
        Column("id", "id"),
        Column("session_key", "ascii"),
        Column("user_id", "id"),
        Column("started_at", "integer", null=True),
        Column("expires", "ascii", null=True),
        Column("ended_at", "integer", null=True),
        Column("reason", "ascii", null=True),
    ),
    key=("id",),
    indexes=(Index(("session_key",)), Index(("user_id", "started_at"))),
)
"""`id` is that of the session's stream, which stays known when the payload with the key was erased.
A token that was minted elsewhere has a row only once it was revoked; it never started here."""


def _id(row: Recorded) -> str:
    return row.stream.partition("/")[2]


def _touch(rows: Rows, row: Recorded, event: SessionEnded) -> None:
    rows.want(SESSIONS, _id(row))


def _touch_start(rows: Rows, row: Recorded) -> None:
    rows.want(SESSIONS, _id(row))


def _started(rows: Rows, row: Recorded, event: SessionStarted) -> None:
    rows.insert(
        SESSIONS,
        id=_id(row),
        session_key=event.key,
        user_id=event.user,
        started_at=row.recorded_at,
        expires=event.expires,
        ended_at=None,
        reason=None,
    )


def _ended(rows: Rows, row: Recorded, event: SessionEnded) -> None:
    session = rows.get(SESSIONS, _id(row))
    if session is None:
        rows.insert(
            SESSIONS,
            id=_id(row),
            session_key=event.key,
            user_id=event.user,
            started_at=None,
            expires=None,
            ended_at=row.recorded_at,
            reason=event.reason,
        )
    elif session["ended_at"] is None:
        rows.update(SESSIONS, session, ended_at=row.recorded_at, reason=event.reason)


def _erase_start(rows: Rows, row: Recorded) -> None:
    session = rows.get(SESSIONS, _id(row))
    if session is None:
        return
    if session["ended_at"] is None:
        rows.delete(SESSIONS, session)
    else:  # that it was revoked stays
        rows.update(SESSIONS, session, started_at=None, expires=None)


PROJECTION = Projection(
    "sessions",
    2,
    (SESSIONS,),
    {
        SessionStarted.type: Handler(_started, erase=_erase_start, touch_erase=_touch_start),
        SessionEnded.type: Handler(_ended, _touch),
    },
)
