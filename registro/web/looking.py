"""Which admin looks at which conversation now. Never stored; forgotten after a while.

Each process knows what its own sockets said, and what others' words brought. Pure: the time is
passed in, in seconds on a clock that only goes forward.
"""

from __future__ import annotations

from typing import NamedTuple

KEPT = 60.0
"""Seconds after which somebody who said nothing more does not look any more."""

MOST = 1000
"""Pages that are remembered; the one that spoke longest ago is forgotten."""


class Look(NamedTuple):
    """`page` is one open page of an admin's; `writes` whether they write there just now."""

    page: str
    user: str
    name: str
    conversation: str | None
    writes: bool = False

    def wire(self) -> dict[str, object]:
        """The payload of `mirando`."""
        return {
            "pagina": self.page,
            "user": self.user,
            "name": self.name,
            "conversacion": self.conversation,
            "escribe": self.writes,
        }


def read(payload: object) -> Look | None:
    """The reverse of `Look.wire`; None for what is none."""
    fields = payload if isinstance(payload, dict) else {}
    page, user, name, at = (fields.get(key) for key in ("pagina", "user", "name", "conversacion"))
    if not (isinstance(page, str) and isinstance(user, str) and isinstance(name, str)):
        return None
    return Look(page, user, name, at) if at is None or isinstance(at, str) else None


class Looking:
    """Everybody who looks."""

    def __init__(self) -> None:
        self._looks: dict[str, tuple[Look, float]] = {}

    def note(self, look: Look, now: float) -> None:
        """Somebody looks at a conversation, or (None) at none any more."""
        self._looks.pop(look.page, None)
        if look.conversation is not None:
            self._looks[look.page] = (look._replace(writes=False), now)
        while len(self._looks) > MOST:
            del self._looks[next(iter(self._looks))]

    def of(self, page: str) -> Look | None:
        """What a page looks at, as far as that is known."""
        found = self._looks.get(page)
        return None if found is None else found[0]

    def all(self, now: float) -> list[Look]:
        """Who looks now."""
        return [look for look, at in self._looks.values() if now - at < KEPT]
