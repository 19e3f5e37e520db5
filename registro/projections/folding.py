"""Folding events into rows that are in memory. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from registro.errors import FoldingFailed
from registro.events import codec
from registro.events.record import Recorded
from registro.events.types import Event
from registro.projections.projection import Apply, Erase, Projection
from registro.projections.rows import Rows

Redactions = Mapping[int, Event | None]
"""Position of an erased row → what was kept of its event."""

Folded = Sequence[tuple[Recorded, Event]]
"""Rows of the log with their events, in order."""


class _Handlers(NamedTuple):
    """What all projections together do about events of one type."""

    touch: tuple[Apply, ...]
    apply: tuple[Apply, ...]
    touch_erase: tuple[Erase, ...]
    erase: tuple[Erase, ...]


@lru_cache(maxsize=256)
def handlers(projections: tuple[Projection, ...]) -> Mapping[str, _Handlers]:
    """The handlers of some projections by event type."""
    types = {type_ for projection in projections for type_ in projection.handlers}

    def of(type_: str) -> _Handlers:
        found = [p.handlers[type_] for p in projections if type_ in p.handlers]
        return _Handlers(
            tuple(handler.touch for handler in found if handler.touch is not None),
            tuple(handler.apply for handler in found),
            tuple(h.touch_erase for h in found if h.touch_erase is not None),
            tuple(handler.erase for handler in found if handler.erase is not None),
        )

    return {type_: of(type_) for type_ in types}


def readable(
    recorded: Iterable[Recorded], redactions: Redactions, types: Mapping[str, Any] | None = None
) -> list[tuple[Recorded, Event]]:
    """Rows with their events; erased ones with what was kept, or left out where nothing was. With
    `types`, only rows of those types.

    Raises FoldingFailed, with the position, for an event that this program does not know.
    """
    found: list[tuple[Recorded, Event]] = []
    row: Recorded | None = None
    try:
        for row in recorded:
            if types is not None and row.type not in types:
                continue
            if row.payload is None:
                event = redactions.get(row.position)
                if event is None:
                    continue
            else:
                event = codec.decode(row.type, row.schema, row.payload)
            found.append((row, event))
    except Exception as error:
        raise _failed(row, error) from error
    return found


def want(
    rows: Rows,
    events: Folded,
    projections: Sequence[Projection],
    victims: Sequence[Recorded] = (),
) -> None:
    """Asks for every row that folding the events, and erasing the victims, will need."""
    of_type = handlers(tuple(projections))
    for row, event in events:
        if row.type in of_type:
            for touch in of_type[row.type].touch:
                touch(rows, row, event)
    for row in victims:
        if row.type in of_type:
            for touch_erase in of_type[row.type].touch_erase:
                touch_erase(rows, row)


def apply(
    rows: Rows,
    events: Folded,
    projections: Sequence[Projection],
    victims: Sequence[Recorded] = (),
) -> None:
    """Folds the events into the rows, then erases the victims from them.

    Raises FoldingFailed with the position of an event that cannot be folded.
    """
    of_type = handlers(tuple(projections))
    row: Recorded | None = None
    try:
        for row, event in events:
            if row.type in of_type:
                for fold in of_type[row.type].apply:
                    fold(rows, row, event)
        for row in victims:
            if row.type in of_type:
                for erase in of_type[row.type].erase:
                    erase(rows, row)
    except Exception as error:
        raise _failed(row, error) from error


def _failed(row: Recorded | None, error: Exception) -> FoldingFailed:
    """Only events can fail: there is a row."""
    where = "no position" if row is None else f"position {row.position} ({row.type})"
    return FoldingFailed(f"{where}: {type(error).__name__}: {error}")
