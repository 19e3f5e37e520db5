"""The Socket.IO half of the contract: who may connect, what clients may say, what they are told."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit
from uuid import uuid4

from sanic import Request
from socketio.exceptions import ConnectionRefusedError as Refusal

from registro.errors import Refused, Unavailable, UnknownEvent
from registro.events import decide, types
from registro.events.decide import DESK_NAME, Person
from registro.events.record import Recorded, rfc3339
from registro.events.writer import Committed
from registro.services import Services
from registro.services.chat import Sending, sent_message, standing
from registro.web import delivery, failures, tokens, wire
from registro.web.delivery import ADMINS, Emission
from registro.web.limits import RateLimit
from registro.web.tokens import TokenError
from registro.web.transport import Answer, SocketServer

log = logging.getLogger(__name__)

_T = TypeVar("_T")

MAX_CLIENT = 200
"""Characters of the User-Agent that are recorded."""

TYPING_RATE = 2
"""`escribiendo` events a second that one socket may send on; more are dropped silently."""

ROWS_DELAY = 0.25
"""Seconds in which changes of an inbox row are gathered into one `conversacion`."""

RETRY = 0.5
"""Seconds between attempts to deliver while the store is away."""

FAREWELL = 1
"""Seconds in which a client may fetch its `sesion_termina` before it is closed."""


@dataclass(eq=False, slots=True)
class Live:
    """One accepted socket."""

    sid: str
    person: Person
    session: str
    expires: float
    connection: str = field(default_factory=lambda: str(uuid4()))
    opened: float = field(default_factory=time.monotonic)
    recorded: bool = False
    ending: str | None = None
    expiry: asyncio.TimerHandle | None = None


class Sockets:
    """Binds the socket server to the services."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._settings = services.settings
        self._live: dict[str, Live] = {}
        self._by_user: defaultdict[str, set[Live]] = defaultdict(set)
        self._rate = RateLimit(services.settings.message_rate)
        self._typing_rate = RateLimit(TYPING_RATE)
        self._connected: dict[str, bool] = {}
        self._changed_rows: set[str] = set()
        self._closing = False
        self.server = SocketServer(
            on_join=self.join,
            on_leave=self.leave,
            failure=failures.acknowledgement,
            origin_allowed=self._origin_allowed,
        )
        for name, handler in (
            ("mensaje_privado", self.send_message),
            ("leido", self.mark_read),
            ("escribiendo", self.typing),
            ("sincronizar", self.catch_up),
        ):
            self.server.on_event(name, handler)
        services.feed.subscribers.append(self.deliver)

    # Who may connect

    async def join(self, sid: str, environ: Mapping[str, Any], auth: Any) -> None:
        """Accepts a client or refuses it with the contract's texts."""
        request = cast(Request, environ["sanic.request"])
        try:
            token = tokens.from_auth(auth) or tokens.from_cookies(
                tokens.cookie_header(request.headers)
            )
            claims = tokens.verify(token, self._services.secrets)
            await self._admit(sid, claims, request)
        except TokenError as error:
            raise Refusal(str(error)) from None
        except (Unavailable, asyncio.CancelledError):
            # Cancelled because the client hung up: python-socketio would take that for consent.
            self._withdraw(sid)
            raise Refusal(tokens.UNAVAILABLE) from None
        except Exception as error:
            self._withdraw(sid)
            log.exception("a client could not be accepted")
            raise Refusal(tokens.UNAVAILABLE) from error

    async def _admit(self, sid: str, claims: tokens.Claims, request: Request) -> None:
        if self._closing:
            raise Unavailable("the server is stopping")
        person = await self._person(claims)
        live = Live(sid, person, claims.key, claims.expires)
        # Known before the check: a revocation is either seen by the check or finds the socket.
        self._live[sid] = live
        self._by_user[person.id].add(live)
        current = await self._services.directory.by_id(person.id)
        ended = await self._services.accounts.session_ended(claims.key)
        if current is None or current.disabled or ended:
            self._withdraw(sid)
            raise TokenError(tokens.REVOKED)
        live.person = current
        live.recorded = True
        await self._services.nodes.open_connection(
            live.connection,
            types.ConnectionOpened(
                user=person.id,
                role=current.role,
                session=claims.key,
                transport=_transport(request),
                client=_client(request),
                node=self._services.nodes.id,
            ),
        )
        if live.ending is not None:
            self._withdraw(sid)
            raise TokenError(tokens.REVOKED)
        await self._enter_rooms(live)
        self._schedule_expiry(live)

    async def _person(self, claims: tokens.Claims) -> Person:
        """Who a valid token speaks for; somebody new is registered."""
        for _ in range(2):
            person = await self._services.directory.by_user(claims.user)
            if person is not None:
                return person
            try:
                name = claims.name.strip()[:200] or claims.user
                return await self._services.accounts.register(
                    claims.user, name, claims.role, "token"
                )
            except Refused as refused:  # another socket of theirs was quicker
                if refused.code == "usuario_borrado":
                    raise TokenError(tokens.REVOKED) from None
                if refused.code != "usuario_existe":
                    raise TokenError(tokens.INVALID) from None
        raise Unavailable("a user who exists cannot be found")

    async def _enter_rooms(self, live: Live) -> None:
        await self.server.enter_room(live.sid, delivery.room_of(live.person.user))
        if live.person.is_admin:
            await self.server.enter_room(live.sid, ADMINS)

    def _origin_allowed(self, origin: str | None, environ: Mapping[str, Any]) -> bool:
        """Our own origin, or a configured one. Before us TLS may end: host and port alone count."""
        if origin is None or origin in self._settings.allowed_origins:
            return origin is not None
        host = environ.get("HTTP_HOST", "")
        if self._settings.trusted_proxies:
            host = environ.get("HTTP_X_FORWARDED_HOST", host).split(",")[0].strip()
        try:
            return bool(host) and urlsplit(origin).netloc.lower() == host.lower()
        except ValueError:  # no URL at all
            return False

    # How it ends

    async def leave(self, sid: str, reason: str) -> None:
        self._withdraw(sid, reason)

    def _withdraw(self, sid: str, reason: str = "refused") -> None:
        """Forgets a socket and records its end, if its beginning (perhaps) was recorded."""
        live = self._live.pop(sid, None)
        if live is None:
            return
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
            self._services.nodes.close_connection(live.connection, event)

    def _schedule_expiry(self, live: Live) -> None:
        # In steps of a day at most: event loops do not like timers of years.
        seconds = min(86_400.0, max(0.0, live.expires - time.time()))
        live.expiry = asyncio.get_running_loop().call_later(seconds, self._expired, live)

    def _expired(self, live: Live) -> None:
        if live.expires > time.time():
            self._schedule_expiry(live)
        else:
            self.end(live, "caducada")

    def end(self, live: Live, reason: str) -> None:
        """Tells a socket that its session is over, and closes it; what it says is not heard."""
        if live.ending is None:
            live.ending = reason
            self.server.run(self._end(live, reason))

    async def _end(self, live: Live, reason: str) -> None:
        await self.server.emit("sesion_termina", {"motivo": reason}, to=live.sid)
        await self.server.close_client(live.sid, FAREWELL)

    async def close(self) -> None:
        """Closes all sockets, at the server's end."""
        self._closing = True
        for live in list(self._live.values()):
            live.ending = live.ending or "server shutdown"
            await self.server.close_client(live.sid)
            self._withdraw(live.sid)
        await self.server.close_all()
        await self.server.shutdown()

    # What clients say

    def _speaker(self, sid: str) -> Live:
        live = self._live.get(sid)
        if live is None or live.ending is not None:
            raise Refused("no_autorizado")
        return live

    async def send_message(self, sid: str, payload: Any) -> Answer:
        live = self._speaker(sid)
        command = wire.send_message(payload)
        if not self._rate.take(live.person.id):
            raise Refused("limite_superado")
        sending = await self._services.chat.send(
            live.person, command.para, command.mensaje, command.id, command.visto, sid
        )
        return self._acknowledged(sending, command.id)

    async def _acknowledged(self, sending: Sending, client_id: str | None) -> Mapping[str, Any]:
        row = await sending.stored()
        return {
            "ok": True,
            "id": _message_id(row, client_id),
            "conversacion": row.stream.partition("/")[2],
            "seq": row.version,
            "fecha": rfc3339(row.recorded_at, 3),
        }

    async def mark_read(self, sid: str, payload: Any) -> Answer:
        command = wire.mark_read(payload)
        return self._marked(self._speaker(sid).person, command, sid)

    async def _marked(self, person: Person, command: wire.MarkRead, sid: str) -> Mapping[str, Any]:
        await self._services.chat.mark_read(person, command.conversacion, command.seq, sid)
        return {"ok": True, "conversacion": command.conversacion, "seq": command.seq}

    async def typing(self, sid: str, payload: Any) -> Answer:
        live = self._speaker(sid)
        para = wire.typing_to(payload)
        if self._typing_rate.take(sid):
            await self._type(live, para)
        return {"ok": True}

    async def _type(self, live: Live, para: str) -> None:
        recipient = None
        if para != DESK_NAME:
            recipient = await self._services.directory.by_user(para)
            if recipient is None:
                raise Refused("destinatario_desconocido")
        message = decide.message(live.person, recipient, "…", None)
        emission = delivery.typing(live.person, recipient, message.conversation)
        self._emit(emission, live.sid)

    async def catch_up(self, sid: str, payload: Any) -> Answer:
        command = wire.catch_up(payload)
        return self._caught_up(self._speaker(sid).person, command)

    async def _caught_up(self, person: Person, command: wire.CatchUp) -> Mapping[str, Any]:
        page = await self._services.chat.catch_up(person, command.vistos, command.cursor)
        last = page.messages[-1].position if page.messages else command.cursor
        return {
            "ok": True,
            "mensajes": [message.wire() for message in page.messages],
            "mas": page.more,
            "cursor": str(last),
        }

    # What clients are told

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
            if row.type in (types.MessageSent.type, types.ConversationRead.type)
        )
        await self._deliver_presence(batch)

    async def _deliver_other(self, row: Recorded, event: types.Event, origin: object) -> None:
        """What is no message. Doing it again does no harm."""
        if isinstance(event, types.ConversationRead):
            await self._deliver_read(event, origin)
        elif isinstance(event, types.LogErased):
            await self._deliver_erasure(event)
        elif isinstance(event, types.SessionEnded):
            self._end_all(event.user, "revocada", event.key)
        elif isinstance(event, types.UserDisabled):
            self._end_all(row.stream.partition("/")[2], "deshabilitado")
        elif isinstance(event, types.UserRoleChanged):
            await self._change_role(row.stream.partition("/")[2], event.role)

    async def _deliver_erasure(self, event: types.LogErased) -> None:
        messages = await self._services.erasures.messages(event)
        self._note_changed_rows({erased.conversation for erased in messages})
        for erased in messages:
            people = await self._services.directory.by_ids(set(erased.people) - {types.DESK})
            self._emit(delivery.erased(erased, people.values()), None)
        if event.user is not None:
            self._end_all(event.user, "borrado")

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
        if not self.server.has_participants(ADMINS):
            return
        waiting = bool(self._changed_rows)
        self._changed_rows.update(conversations)
        if self._changed_rows and not waiting:
            loop = asyncio.get_running_loop()
            loop.call_later(ROWS_DELAY, lambda: self.server.run(self._deliver_rows()))

    async def _deliver_rows(self) -> None:
        changed, self._changed_rows = self._changed_rows, set()
        try:
            rows = await self._services.inbox.rows(changed)
        except Unavailable:
            return  # the next change of a row brings it up to date
        for row in rows:
            self._emit(Emission("conversacion", row.wire(), (ADMINS,)), None)

    async def _deliver_presence(self, batch: Sequence[Committed]) -> None:
        users = {
            event.user
            for row, _ in batch
            if row.type.startswith("connection:") and not row.erased
            if isinstance(event := row.event(), types.ConnectionOpened | types.ConnectionClosed)
        }
        if not self.server.has_participants(ADMINS):
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

    def _end_all(self, user_id: str, reason: str, session: str | None = None) -> None:
        for live in list(self._by_user.get(user_id, ())):
            if session is None or live.session == session:
                self.end(live, reason)

    async def _change_role(self, user_id: str, role: types.Role) -> None:
        for live in list(self._by_user.get(user_id, ())):
            live.person = live.person._replace(role=role)
            change = self.server.enter_room if role == "admin" else self.server.leave_room
            await change(live.sid, ADMINS)

    def _emit(self, emission: Emission, origin: object) -> None:
        self.server.deliver(
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


def _message_id(row: Recorded, client_id: str | None) -> str:
    """The id as its sender wrote it first: a repetition may write it in other letters."""
    event = None if row.erased else row.event()
    if isinstance(event, types.MessageSent):
        return event.client_id or row.id
    return client_id or row.id


def _transport(request: Request) -> Any:
    return "websocket" if request.args.get("transport") == "websocket" else "polling"


def _client(request: Request) -> str:
    text = request.headers.get("user-agent", "")[:MAX_CLIENT]
    return text.encode("utf-8", "replace").decode().replace("\0", "")
