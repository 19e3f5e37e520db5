"""What a projection is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from registro.db.schema import Table
from registro.events.record import Recorded
from registro.projections.rows import Rows

Touch = Callable[[Rows, Recorded, Any], None]
"""Asks for the rows that folding an event will need."""

Apply = Callable[[Rows, Recorded, Any], None]
"""Changes rows as an event says. Pure: no await, no SQL, no clock."""

Erase = Callable[[Rows, Recorded], None]
"""Asks for, or changes, the rows from which an erased event has to vanish."""


@dataclass(frozen=True)
class Handler:
    """What a projection does about events of one type.

    `erase` takes back from the rows what folding put there and erasing has to remove: afterwards
    they are as if the redacted event had been folded, and if it was, they stay as they are. It gets
    the row of the log alone, because the payload may be gone: a rebuild that is under way, or a
    projection that follows the log, comes upon an erasure later than it was done.
    """

    apply: Apply
    touch: Touch | None = None
    erase: Erase | None = None
    touch_erase: Erase | None = None


@dataclass(frozen=True, eq=False)
class Projection:
    """Tables that are a function of the log. Raise `version` whenever folding changes."""

    name: str
    version: int
    tables: tuple[Table, ...]
    handlers: Mapping[str, Handler]
    """Event type → what to do about it. Other types are ignored."""
