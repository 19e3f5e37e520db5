"""The Socket.IO half of the contract: who may connect, and what clients may say.

`broadcast` has what they are told.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn, cast
from urllib.parse import urlsplit

from sanic import Request
from socketio.exceptions import ConnectionRefusedError as Refusal

from registro.errors import Refused, Unavailable
from registro.events import decide, types
from registro.events.decide import DESK_NAME, Person
from registro.events.record import Recorded, rfc3339
from registro.events.writer import Committed
from registro.services import Services
from registro.services.chat import Sending
from registro.web import delivery, failures, looking, throttle, tokens, wire
from registro.web.broadcast import Broadcast
from registro.web.delivery import ADMINS
from registro.web.limits import Admission, RateLimit
from registro.web.live import FAREWELL, Live, LiveSockets
from registro.web.looking import Look, Looking
from registro.web.tokens import TokenError
from registro.web.transport import Answer, Later, SocketServer
from registro.web.watch import Watch

log = logging.getLogger(__name__)

MAX_CLIENT = 200
"""Characters of the User-Agent that are recorded."""

TYPING_RATE = 2
"""`escribiendo` events a second that one socket may send on; more are dropped silently."""

LOOKING_RATE = 2
"""The same of `mirando`."""

EVENT_RATE = 20
"""Other events a second that one socket may keep up; more are slowed down."""

RETURN_RATE = 200
"""Clients a second that are asked to come back when the server stops."""

RESTART = "reinicio"


class Sockets:
    """Binds the socket server to the services."""

    def __init__(self, services: Services, watch: Watch | None = None) -> None:
        self._services = services
        self._watch = watch or Watch()
        self._settings = services.settings
        self._rate = RateLimit(services.settings.message_rate)
        self._typing_rate = RateLimit(TYPING_RATE)
        self._event_rate = RateLimit(EVENT_RATE)
        self._looking_rate = RateLimit(LOOKING_RATE)
        self._looking = Looking()
        self._admission = Admission(services.settings.connection_rate)
        self.server = SocketServer(
            on_join=self.join,
            on_leave=self.leave,
            failure=failures.acknowledgement,
            origin_allowed=self._origin_allowed,
            redis_url=services.settings.redis_url,
            shared=("escribiendo", "mirando"),
            watch=self._watch,
        )
        self.server.eio.admit = self._admit_transport
        self._live = LiveSockets(self.server, services.nodes)
        for name, handler in (
            ("mensaje_privado", self.send_message),
            ("leido", self.mark_read),
            ("escribiendo", self.typing),
            ("mirando", self.look),
            ("sincronizar", self.catch_up),
        ):
            self.server.on_event(name, handler)
        self._broadcast = Broadcast(services, self.server, self._live)
        services.feed.subscribers.append(self._deliver)

    async def start(self) -> None:
        """Joins the other processes, where Redis connects them."""
        cluster = self.server.cluster
        if cluster is not None:
            cluster.channel = await self._services.channel()
            cluster.on_news = self._services.feed.look
            cluster.on_shared = self._heard
            self._services.feed.on_own = cluster.tell_news
            cluster.start()

    async def _deliver(self, batch: Sequence[Committed]) -> None:
        self._watch.delivering(batch)
        try:
            await self._broadcast.deliver(batch)
        finally:
            self._watch.delivered(batch)

    @property
    def count(self) -> int:
        """Sockets of people who were let in."""
        return len(self._live)

    # Who may connect

    async def join(self, sid: str, environ: Mapping[str, Any], auth: Any) -> None:
        """Accepts a client or refuses it with the contract's texts."""
        request = cast(Request, environ["sanic.request"])
        try:
            token = tokens.from_auth(auth) or tokens.from_cookies(
                tokens.cookie_header(request.headers)
            )
            claims = tokens.verify(token, self._services.secrets)
            tokens.check_user(auth, claims)
            await self._admit(sid, claims, request)
        except TokenError as error:
            self._services.denials.count("sockets")
            raise Refusal(str(error)) from None
        except (Unavailable, asyncio.CancelledError):
            # Cancelled because the client hung up: python-socketio would take that for consent.
            self._live.withdraw(sid)
            raise Refusal(tokens.UNAVAILABLE) from None
        except Exception as error:
            self._live.withdraw(sid)
            log.exception("a client could not be accepted")
            raise Refusal(tokens.UNAVAILABLE) from error

    async def _admit(self, sid: str, claims: tokens.Claims, request: Request) -> None:
        if self.draining:
            raise Unavailable("the server is stopping")
        person = await self._person(claims)
        live = Live(sid, person, claims.key, claims.expires, throttle.address_of(request))
        self._check_room(live)
        # Known before the check: a revocation is either seen by the check or finds the socket.
        self._live.add(live)
        current = await self._services.directory.by_id(person.id)
        ended = await self._services.accounts.session_ended(claims.key)
        if current is None or current.disabled or ended:
            self._live.withdraw(sid)
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
            self._live.withdraw(sid)
            raise TokenError(tokens.REVOKED)
        await self._enter_rooms(live)
        self._live.schedule_expiry(live)

    def _check_room(self, live: Live) -> None:
        """Raises Unavailable when this user or address has as many sockets as it may."""
        of_user = self._settings.user_connections
        at_address = self._settings.address_connections
        full = of_user and len(self._live.of_user(live.person.id)) >= of_user
        full = full or (at_address and self._live.count_at(live.address) >= at_address)
        if full:
            self._services.denials.count("limited")
            raise Unavailable("this user or address has as many sockets as it may")

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
        if origin is None:
            return False
        if origin in self._settings.allowed_origins or self._is_own(origin, environ):
            return True
        self._services.denials.count("forged")
        return False

    def _is_own(self, origin: str, environ: Mapping[str, Any]) -> bool:
        host = environ.get("HTTP_HOST", "")
        if self._settings.trusted_proxies:
            host = environ.get("HTTP_X_FORWARDED_HOST", host).split(",")[0].strip()
        try:
            return bool(host) and urlsplit(origin).netloc.lower() == host.lower()
        except ValueError:  # no URL at all
            return False

    @property
    def draining(self) -> bool:
        """Whether the server is stopping."""
        return bool(self.server.eio.draining)

    async def _admit_transport(self) -> bool:
        if self.draining:
            return False
        admitted = await self._admission.enter()
        if not admitted:
            self._watch.limited("connection")
        return admitted

    # How it ends

    async def leave(self, sid: str, reason: str) -> None:
        live = self._live.get(sid)
        if live is not None and self._looking.of(live.connection) is not None:
            self._show_look(live, None)
        self._live.withdraw(sid, reason)

    async def drain(self, seconds: float) -> None:
        """Ends all sockets, so that no client misses anything and not all come back at once.

        Newcomers are sent elsewhere, everybody is told when to come back, and what was heard is
        answered; after `seconds` at the latest the transports are closed.
        """
        self.server.eio.draining = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._say_goodbye()
        for live in self._live.all():
            live.ending = live.ending or "server shutdown"
            await self.server.close_client(live.sid, reason=live.ending)
            self._live.withdraw(live.sid)
        await self.server.close_all()
        await self.server.shutdown()

    async def _say_goodbye(self) -> None:
        everybody = self._live.all()
        for place, live in enumerate(everybody):
            pause = 1000 * place // RETURN_RATE
            self.server.deliver("sesion_termina", {"motivo": RESTART, "espera": pause}, (live.sid,))
        if everybody:
            await asyncio.sleep(FAREWELL)  # long polls fetch it; what is on its way still arrives
        await self.server.answered()

    # What clients say

    def _speaker(self, sid: str) -> Live:
        live = self._live.get(sid)
        if live is None or live.ending is not None:
            raise Refused("no_autorizado")
        return live

    async def _slow_down(self, live: Live) -> None:
        """Keeps who asks too much waiting: what they say next is read later."""
        turn = self._event_rate.turn(live.sid)
        if turn.pause:
            self._watch.limited("event")
            await asyncio.sleep(turn.pause)

    async def send_message(self, sid: str, payload: Any) -> Answer:
        live = self._speaker(sid)
        command = wire.send_message(payload)
        turn = self._rate.turn(live.person.id)
        if turn.pause:
            await asyncio.sleep(turn.pause)
        if not turn.allowed:
            self._services.denials.count("limited")
            self._watch.limited("message")
            raise Refused("limite_superado")
        sending = await self._services.chat.send(
            live.person,
            command.para,
            command.mensaje,
            command.id,
            command.visto,
            sid,
            command.adjuntos,
        )
        return Later(sending.future, partial(self._acknowledged, sending, command.id))

    def _acknowledged(
        self, sending: Sending, client_id: str | None, _: object
    ) -> Mapping[str, Any] | Awaitable[Mapping[str, Any]]:
        """At once, where nothing has to be read for it."""
        if sending.overtaken:
            return self._overtaken(sending)
        row = sending.future.result()[0]
        return {
            "ok": True,
            "id": _message_id(row, client_id),
            "conversacion": row.stream.partition("/")[2],
            "seq": row.version,
            "fecha": rfc3339(row.recorded_at, 3),
        }

    async def _overtaken(self, sending: Sending) -> NoReturn:
        await sending.stored()
        raise AssertionError("what was overtaken is not stored")

    async def mark_read(self, sid: str, payload: Any) -> Answer:
        live = self._speaker(sid)
        command = wire.mark_read(payload)
        await self._slow_down(live)
        return self._marked(live.person, command, sid)

    async def _marked(self, person: Person, command: wire.MarkRead, sid: str) -> Mapping[str, Any]:
        await self._services.chat.mark_read(person, command.conversacion, command.seq, sid)
        return {"ok": True, "conversacion": command.conversacion, "seq": command.seq}

    async def typing(self, sid: str, payload: Any) -> Answer:
        live = self._speaker(sid)
        para = wire.typing_to(payload)
        await self._slow_down(live)
        if self._typing_rate.take(sid):
            await self._type(live, para)
        else:
            self._watch.limited("typing")
        return {"ok": True}

    async def _type(self, live: Live, para: str) -> None:
        recipient = None
        if para != DESK_NAME:
            recipient = await self._services.directory.by_user(para)
            if recipient is None:
                raise Refused("destinatario_desconocido")
        message = decide.message(live.person, recipient, "…", None)
        emission = delivery.typing(live.person, recipient, message.conversation)
        (room,) = emission.rooms
        self.server.broadcast(emission.event, emission.payload, room, except_sid=live.sid)
        if live.person.is_admin and recipient is not None and not recipient.is_admin:
            self._show_look(live, message.conversation, writes=True)

    async def look(self, sid: str, payload: Any) -> Answer:
        """Tells the other admins at what one looks; it is answered who looks at what else."""
        live = self._speaker(sid)
        conversation = wire.looking_at(payload)
        if not live.person.is_admin:
            raise Refused("no_autorizado")
        await self._slow_down(live)
        if self._looking_rate.take(sid):
            self._show_look(live, conversation)
        others = self._looking.all(time.monotonic())
        return {
            "ok": True,
            "mirando": [one.wire() for one in others if one.page != live.connection],
        }

    def _show_look(self, live: Live, conversation: str | None, *, writes: bool = False) -> None:
        person = live.person
        look = Look(live.connection, person.user, person.name, conversation, writes)
        self._looking.note(look, time.monotonic())
        self.server.broadcast("mirando", look.wire(), ADMINS, except_sid=live.sid)

    def _heard(self, event: str, payload: object) -> None:
        """What another process shared, or whoever else can write to Redis."""
        look = looking.read(payload) if event == "mirando" else None
        if look is not None:
            self._looking.note(look, time.monotonic())

    async def catch_up(self, sid: str, payload: Any) -> Answer:
        live = self._speaker(sid)
        command = wire.catch_up(payload)
        await self._slow_down(live)
        return self._caught_up(live.person, command)

    async def _caught_up(self, person: Person, command: wire.CatchUp) -> Mapping[str, Any]:
        page = await self._services.chat.catch_up(person, command.vistos, command.cursor)
        last = page.messages[-1].position if page.messages else command.cursor
        return {
            "ok": True,
            "mensajes": [message.wire() for message in page.messages],
            "mas": page.more,
            "cursor": str(last),
        }


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
