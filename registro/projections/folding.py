"""Folding events into rows that are in memory. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from registro.errors import FoldingFailed
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


_NONE = _Handlers((), (), (), ())


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
    for row in recorded:
        if types is not None and row.type not in types:
            continue
        event = redactions.get(row.position) if row.erased else _guarded(row, row.event)
        if event is not None:
            found.append((row, event))
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
        for touch in of_type.get(row.type, _NONE).touch:
            touch(rows, row, event)
    for row in victims:
        for touch_erase in of_type.get(row.type, _NONE).touch_erase:
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
    for row, event in events:
        try:
            for fold in of_type.get(row.type, _NONE).apply:
                fold(rows, row, event)
        except Exception as error:
            raise _failed(row, error) from error
    for row in victims:
        for erase in of_type.get(row.type, _NONE).erase:
            erase(rows, row)


def _guarded(row: Recorded, decode: Callable[[], Event]) -> Event:
    try:
        return decode()
    except Exception as error:
        raise _failed(row, error) from error


def _failed(row: Recorded, error: Exception) -> FoldingFailed:
    return FoldingFailed(f"position {row.position} ({row.type}): {type(error).__name__}: {error}")
