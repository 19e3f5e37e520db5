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
        Column("session_key", "ascii"),
        Column("user_id", "id"),
        Column("started_at", "integer", null=True),
        Column("expires", "ascii", null=True),
        Column("ended_at", "integer", null=True),
        Column("reason", "ascii", null=True),
    ),
    key=("session_key",),
    indexes=(Index(("user_id", "started_at")),),
)
"""A token that was minted elsewhere has a row only once it was revoked; it never started here."""


def _touch(rows: Rows, row: Recorded, event: SessionStarted | SessionEnded) -> None:
    rows.want(SESSIONS, event.key)


def _started(rows: Rows, row: Recorded, event: SessionStarted) -> None:
    rows.insert(
        SESSIONS,
        session_key=event.key,
        user_id=event.user,
        started_at=row.recorded_at,
        expires=event.expires,
        ended_at=None,
        reason=None,
    )


def _ended(rows: Rows, row: Recorded, event: SessionEnded) -> None:
    session = rows.get(SESSIONS, event.key)
    if session is None:
        rows.insert(
            SESSIONS,
            session_key=event.key,
            user_id=event.user,
            started_at=None,
            expires=None,
            ended_at=row.recorded_at,
            reason=event.reason,
        )
    elif session["ended_at"] is None:
        rows.update(SESSIONS, session, ended_at=row.recorded_at, reason=event.reason)


def _erase_start(rows: Rows, row: Recorded, event: SessionStarted) -> None:
    session = rows.get(SESSIONS, event.key)
    if session is None:
        return
    if session["ended_at"] is None:
        rows.delete(SESSIONS, session)
    else:  # that it was revoked stays
        rows.update(SESSIONS, session, started_at=None, expires=None)


PROJECTION = Projection(
    "sessions",
    1,
    (SESSIONS,),
    {
        SessionStarted.type: Handler(_started, erase=_erase_start, touch_erase=_touch),
        SessionEnded.type: Handler(_ended, _touch),
    },
)
