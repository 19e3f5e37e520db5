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


@dataclass(frozen=True)
class Handler:
    """What a projection does about events of one type.

    `erase` takes back from the rows what folding put there and erasing has to remove: afterwards
    they are as if the redacted event had been folded. It gets the row and event as they were.
    """

    apply: Apply
    touch: Touch | None = None
    erase: Apply | None = None
    touch_erase: Touch | None = None


@dataclass(frozen=True)
class Projection:
    """Tables that are a function of the log. Raise `version` whenever folding changes."""

    name: str
    version: int
    tables: tuple[Table, ...]
    handlers: Mapping[str, Handler]
    """Event type → what to do about it. Other types are ignored."""
