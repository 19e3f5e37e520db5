"""What the log writer and the readers tell whoever watches them: metrics, traces.

The log knows nothing of either; it calls an observer, which is given to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from registro.errors import StoreError

if TYPE_CHECKING:
    from registro.events.store import Draft, Outcome

Refusal = Literal["away", "full", "stopped"]
"""Why an append was refused at once."""


class Observer:
    """One that does not listen; others override what they want to hear.

    Everything is called on the event loop, at once, and has to be quick.
    """

    def queued(self, drafts: Sequence[Draft]) -> object:
        """An append waits now. What is returned, its mark, is told again with its transaction."""

    def refused(self, reason: Refusal) -> None:
        """An append was not taken."""

    def began(self, marks: Sequence[object]) -> None:
        """A transaction for the appends with these marks begins."""

    def retried(self, error: StoreError) -> None:
        """It failed, and is tried again."""

    def committed(
        self, marks: Sequence[object], outcomes: Sequence[Outcome], seconds: float
    ) -> None:
        """It is committed; the last attempt took so long."""

    def failed(self, marks: Sequence[object], error: StoreError) -> None:
        """It failed for good, and what waited behind it with it."""

    def read_failed(self, error: StoreError) -> None:
        """A reader met an error of the database."""
