"""The sockets that were accepted in this process: who they speak for, and how each ends."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from uuid import uuid4

from registro.events import types
from registro.events.decide import Person
from registro.services.nodes import Nodes
from registro.web.transport import SocketServer

FAREWELL = 1
"""Seconds in which a client may fetch its `sesion_termina` before it is closed."""


@dataclass(eq=False, slots=True)
class Live:
    """One accepted socket. `ending` is why it is being closed; None while it is not."""

    sid: str
    person: Person
    session: str
    expires: float
    address: str = ""
    connection: str = field(default_factory=lambda: str(uuid4()))
    opened: float = field(default_factory=time.monotonic)
    recorded: bool = False
    ending: str | None = None
    expiry: asyncio.TimerHandle | None = None


class LiveSockets:
    """All of them, by socket and by user."""

    def __init__(self, server: SocketServer, nodes: Nodes) -> None:
        self._server = server
        self._nodes = nodes
        self._by_sid: dict[str, Live] = {}
        self._by_user: defaultdict[str, set[Live]] = defaultdict(set)
        self._by_connection: dict[str, Live] = {}
        self._by_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._by_sid)

    def get(self, sid: str) -> Live | None:
        return self._by_sid.get(sid)

    def all(self) -> list[Live]:
        return list(self._by_sid.values())

    def of_user(self, user_id: str) -> list[Live]:
        return list(self._by_user.get(user_id, ()))

    def count_at(self, address: str) -> int:
        """How many come from an address."""
        return self._by_address[address]

    def add(self, live: Live) -> None:
        self._by_sid[live.sid] = live
        self._by_address[live.address] += 1
        self._by_user[live.person.id].add(live)
        self._by_connection[live.connection] = live

    def withdraw(self, sid: str, reason: str = "refused") -> None:
        """Forgets a socket and records its end, if its beginning (perhaps) was recorded."""
        live = self._by_sid.pop(sid, None)
        if live is None:
            return
        del self._by_connection[live.connection]
        self._by_address[live.address] -= 1
        if not self._by_address[live.address]:
            del self._by_address[live.address]
        mates = self._by_user[live.person.id]
        mates.discard(live)
        if not mates:
            del self._by_user[live.person.id]
        if live.expiry is not None:
            live.expiry.cancel()
        if live.recorded:
            event = types.ConnectionClosed(
                user=live.person.id,
                reason=live.ending or reason,
                milliseconds=int((time.monotonic() - live.opened) * 1000),
            )
            self._nodes.close_connection(live.connection, event)

    def schedule_expiry(self, live: Live) -> None:
        """Ends a socket when its token does."""
        # In steps of a day at most: event loops do not like timers of years.
        seconds = min(86_400.0, max(0.0, live.expires - time.time()))
        live.expiry = asyncio.get_running_loop().call_later(seconds, self._expired, live)

    def _expired(self, live: Live) -> None:
        if live.expires > time.time():
            self.schedule_expiry(live)
        else:
            self.end(live, "caducada")

    def end(self, live: Live, reason: str) -> None:
        """Tells a socket that its session is over, and closes it; what it says is not heard."""
        if live.ending is None:
            live.ending = reason
            self._server.run(self._end(live, reason))

    async def _end(self, live: Live, reason: str) -> None:
        self._server.deliver("sesion_termina", {"motivo": reason}, (live.sid,))
        await self._server.close_client(live.sid, FAREWELL, reason)

    def end_buried(self, connection: str) -> None:
        """Closes a socket, if it is still there though its end was recorded: another process took
        ours for dead while it was slow. Its client comes back, and is recorded anew."""
        live = self._by_connection.get(connection)
        if live is not None:
            self._server.run(self._server.close_client(live.sid))

    def end_user(self, user_id: str, reason: str, session: str | None = None) -> None:
        """Ends a user's sockets, or those of one session."""
        for live in self.of_user(user_id):
            if session is None or live.session == session:
                self.end(live, reason)
