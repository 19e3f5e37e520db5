"""Canned answers: texts that admins put into their answers."""

from __future__ import annotations

from registro.db.schema import Column, Table
from registro.events.record import UUID, Recorded
from registro.events.types import DeskAnswerRemoved, DeskAnswerSaved
from registro.projections.projection import Handler, Projection
from registro.projections.rows import Rows

ANSWERS = Table(
    "desk_answers",
    (
        Column("id", "id"),
        Column("title", "text"),
        Column("body", "text"),
        Column("by_id", "id"),
        Column("at", "integer"),
        Column("position", "integer"),
    ),
    key=("id",),
)
"""`by_id` changed it last, at `at`; `position` is that of the event. An erased one has no title and
no text any more."""


def _touch(rows: Rows, row: Recorded, event: object) -> None:
    rows.want(ANSWERS, row.stream[-UUID:])


def _saved(rows: Rows, row: Recorded, event: DeskAnswerSaved) -> None:
    answer = rows.get(ANSWERS, row.stream[-UUID:])
    columns = {
        "title": event.title,
        "body": event.text,
        "by_id": event.by,
        "at": row.recorded_at,
        "position": row.position,
    }
    if answer is None:
        rows.insert(ANSWERS, id=row.stream[-UUID:], **columns)
    else:
        rows.update(ANSWERS, answer, **columns)


def _removed(rows: Rows, row: Recorded, event: DeskAnswerRemoved) -> None:
    answer = rows.get(ANSWERS, row.stream[-UUID:])
    if answer is not None:
        rows.delete(ANSWERS, answer)


def _touch_erase(rows: Rows, row: Recorded) -> None:
    rows.want(ANSWERS, row.stream[-UUID:])


def _erase(rows: Rows, row: Recorded) -> None:
    answer = rows.get(ANSWERS, row.stream[-UUID:])
    if answer is not None and answer["position"] == row.position:
        rows.update(ANSWERS, answer, title="", body="")


PROJECTION = Projection(
    "answers",
    1,
    (ANSWERS,),
    {
        DeskAnswerSaved.type: Handler(_saved, _touch, _erase, _touch_erase),
        DeskAnswerRemoved.type: Handler(_removed, _touch),
    },
)
