"""What clients are told: committed events, sent to this process's sockets in log order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

from registro.errors import Unavailable, UnknownEvent
from registro.events import types
from registro.events.record import Recorded, rfc3339
from registro.events.writer import Committed
from registro.projections import actions
from registro.services import Services
from registro.services.chat import sent_message, standing
from registro.web import delivery
from registro.web.delivery import ADMINS, Emission
from registro.web.live import LiveSockets
from registro.web.transport import SocketServer

log = logging.getLogger(__name__)

_T = TypeVar("_T")

ROWS_DELAY = 0.25
"""Seconds in which changes of an inbox row are gathered into one `conversacion`."""

RETRY = 0.5
"""Seconds between attempts to deliver while the store is away."""


class Broadcast:
    """A subscriber of the feed."""

    def __init__(self, services: Services, server: SocketServer, live: LiveSockets) -> None:
        self._services = services
        self._server = server
        self._live = live
        self._connected: dict[str, bool] = {}
        self._changed_rows: set[str] = set()

    async def deliver(self, batch: Sequence[Committed]) -> None:
        """Sends committed events to whom they concern, in log order; late while the store, which
        knows whom, is away."""
        rows = [row for row, _ in batch]
        people = await _insist(partial(self._services.chat.people_of, rows))
        for row, origin in batch:
            event = _event(row)
            if isinstance(event, types.MessageSent):
                sent = sent_message(row, event, people)
                sender = people.get(event.sender)
                for emission in delivery.message(sent, sender is not None and sender.is_admin):
                    self._emit(emission, origin)
            elif event is not None:
                await _insist(partial(self._deliver_other, row, event, origin))
        self._note_changed_rows(
            row.stream.partition("/")[2]
            for row, _ in batch
            if row.stream.startswith(("conversation/", "desk/"))
        )
        await self._deliver_actions(
            [row for row in rows if row.type in actions.PROJECTION.handlers]
        )
        await self._deliver_presence(batch)

    async def _deliver_other(self, row: Recorded, event: types.Event, origin: object) -> None:
        """What is no message. Doing it again does no harm."""
        if isinstance(event, types.ConversationRead):
            await self._deliver_read(event, origin)
        elif isinstance(event, types.LogErased):
            await self._deliver_erasure(event)
        elif isinstance(event, types.ConnectionClosed):
            self._live.end_buried(row.stream.partition("/")[2])
        elif isinstance(event, types.SessionEnded):
            self._live.end_user(event.user, "revocada", event.key)
        elif isinstance(event, types.UserDisabled):
            self._live.end_user(row.stream.partition("/")[2], "deshabilitado")
        elif isinstance(event, types.UserRoleChanged):
            await self._change_role(row.stream.partition("/")[2], event.role)

    async def _deliver_erasure(self, event: types.LogErased) -> None:
        messages = await self._services.erasures.messages(event)
        self._note_changed_rows({erased.conversation for erased in messages})
        for erased in messages:
            people = await self._services.directory.by_ids(set(erased.people) - {types.DESK})
            self._emit(delivery.erased(erased, people.values()), None)
        deeds = await self._services.erasures.deeds(event)
        self._note_changed_rows({row.stream.partition("/")[2] for row in deeds})
        await self._deliver_actions(deeds)
        if event.user is not None:
            self._live.end_user(event.user, "borrado")

    async def _deliver_read(self, event: types.ConversationRead, origin: object) -> None:
        async with self._services.readers.connection() as connection:
            conversation = await standing(connection, event.conversation)
        if conversation is not None:
            people = await self._services.directory.by_ids(
                {event.by, conversation.user_id, conversation.peer_id} - {types.DESK}
            )
            for emission in delivery.read(event, conversation, people):
                self._emit(emission, origin)

    def _note_changed_rows(self, conversations: Iterable[str]) -> None:
        """Gathers which inbox rows changed; the admins get them a moment later, each once."""
        if not self._server.has_participants(ADMINS):
            return
        waiting = bool(self._changed_rows)
        self._changed_rows.update(conversations)
        if self._changed_rows and not waiting:
            loop = asyncio.get_running_loop()
            loop.call_later(ROWS_DELAY, lambda: self._server.run(self._deliver_rows()))

    async def _deliver_rows(self) -> None:
        changed, self._changed_rows = self._changed_rows, set()
        try:
            rows = await self._services.inbox.rows(changed)
        except Unavailable:
            return  # the next change of a row brings it up to date
        for row in rows:
            self._emit(Emission("conversacion", row.for_desk(), (ADMINS,)), None)

    async def _deliver_actions(self, done: Sequence[Recorded]) -> None:
        """What was done to desk conversations, to the admins alone."""
        if not self._server.has_participants(ADMINS):
            return
        for row in done:
            conversation, position = row.stream.partition("/")[2], row.position
            around = (conversation, position - 1, position + 1)
            for line in await _insist(partial(self._services.inbox.actions, *around)):
                self._emit(Emission("accion", line.wire(), (ADMINS,)), None)

    async def _deliver_presence(self, batch: Sequence[Committed]) -> None:
        users = {
            event.user
            for row, _ in batch
            if row.type.startswith("connection:") and not row.erased
            if isinstance(event := row.event(), types.ConnectionOpened | types.ConnectionClosed)
        }
        if not self._server.has_participants(ADMINS):
            self._connected.clear()  # nobody has been told anything since
            return
        if not users:
            return
        states = await self._services.presence(users)
        people = await self._services.directory.by_ids(users)
        for user_id, (connected, since) in states.items():
            if user_id in people and self._connected.get(user_id) is not connected:
                self._connected[user_id] = connected
                payload = {
                    "user": people[user_id].user,
                    "conectado": connected,
                    "desde": rfc3339(since, 3),
                }
                self._emit(Emission("presencia", payload, (ADMINS,)), None)

    async def _change_role(self, user_id: str, role: types.Role) -> None:
        for live in self._live.of_user(user_id):
            live.person = live.person._replace(role=role)
            change = self._server.enter_room if role == "admin" else self._server.leave_room
            await change(live.sid, ADMINS)

    def _emit(self, emission: Emission, origin: object) -> None:
        self._server.deliver(
            emission.event, emission.payload, emission.rooms, emission.except_rooms, origin
        )


def _event(row: Recorded) -> types.Event | None:
    """The event in a row; None when it was erased, or appended by a newer program."""
    try:
        return None if row.erased else row.event()
    except UnknownEvent:
        return None


async def _insist(read: Callable[[], Awaitable[_T]]) -> _T:
    """Awaits something that needs the store, until the store is there for it."""
    while True:
        try:
            return await read()
        except Unavailable as error:
            log.warning("what was committed cannot be delivered yet: %s", error)
            await asyncio.sleep(RETRY)
