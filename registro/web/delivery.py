"""Who hears of what: committed events as Socket.IO emissions. Pure; `sockets` sends them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from registro.events.decide import DESK_NAME, Person, Standing
from registro.events.types import DESK, ConversationRead
from registro.services.chat import SentMessage
from registro.services.erasure import ErasedMessage

ADMINS = "admins"


def room_of(user: str) -> str:
    """The room of all sockets of one user."""
    return f"user:{user}"


class Emission(NamedTuple):
    """One event to the sockets in `rooms`, once each; those in `except_rooms` do not get it."""

    event: str
    payload: Mapping[str, Any]
    rooms: tuple[str, ...]
    except_rooms: tuple[str, ...] = ()


def message(sent: SentMessage, sender_is_admin: bool) -> list[Emission]:
    """A message to its recipients, and to the sender's other sockets."""
    wire = sent.wire()
    to_desk = sent.recipient == DESK_NAME
    received = [] if to_desk else [room_of(sent.recipient)]
    mirrored = [room_of(sent.sender)]
    (mirrored if sender_is_admin else received).append(ADMINS)
    return [
        Emission("mensaje_recibido", wire, tuple(received)),
        # An admin who is written to by another admin is in both sets of rooms.
        Emission("mensaje_enviado", wire, tuple(mirrored), tuple(received)),
    ]


def read(
    event: ConversationRead, conversation: Standing, people: Mapping[str, Person]
) -> list[Emission]:
    """A read mark to the other side, and to the reader's own other sockets."""
    reader = people.get(event.by)
    if reader is None:
        return []
    other = conversation.peer_id if event.side == conversation.user_id else conversation.user_id
    rooms = {_room(side, people) for side in (event.side, other)}
    payload = {"conversacion": event.conversation, "seq": event.seq, "de": reader.user}
    return [Emission("leido", payload, tuple(sorted(rooms - {""})))]


def _room(side: str, people: Mapping[str, Person]) -> str:
    if side == DESK:
        return ADMINS
    person = people.get(side)
    return "" if person is None else room_of(person.user)


def erased(message: ErasedMessage, people: Iterable[Person]) -> Emission:
    """That a message is gone, to whoever could see it."""
    payload = {"conversacion": message.conversation, "seq": message.seq}
    return Emission(
        "mensaje_borrado", payload, (ADMINS, *(room_of(person.user) for person in people))
    )


def typing(writer: Person, recipient: Person | None, conversation: str) -> Emission:
    """That somebody is writing, to the other side."""
    payload = {"de": writer.user, "conversacion": conversation}
    return Emission(
        "escribiendo", payload, (ADMINS if recipient is None else room_of(recipient.user),)
    )
