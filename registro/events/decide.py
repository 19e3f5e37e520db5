"""Decisions: what a command becomes, or why it is refused. No I/O, no clock, no randomness.

The rules are the contract's, part 1; `Refused.code` is its `codigo`.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from registro.errors import Refused
from registro.events import ids
from registro.events.types import DESK, ConversationRead, MessageSent, Role

MAX_TEXT = 4000
"""Code points in a message."""

MAX_NAME = 64
"""Code points in a user's name."""

DESK_NAME = "admin"
"""What users write to; nobody with role `user` may carry it."""


class Person(NamedTuple):
    """Somebody who is known. `user` is what they log in with, `name` what they are shown by."""

    id: str
    user: str
    name: str
    role: Role
    disabled: bool = False

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"


class Message(NamedTuple):
    """A message that may be appended: to `conversation`, under `event_id` (None: a random one)."""

    conversation: str
    event: MessageSent
    event_id: str | None


def is_text(value: object) -> bool:
    """Whether a value is a string that can be stored: no U+0000, no lone surrogate."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_user_name(value: object) -> bool:
    """Whether a value can be a user's name: 1 to 64 characters, no control characters, no
    surrounding blanks."""
    return (
        is_text(value)
        and isinstance(value, str)
        and 1 <= len(value) <= MAX_NAME
        and value == value.strip()
        and not any(unicodedata.category(character) == "Cc" for character in value)
    )


def check_text(text: str) -> None:
    """Raises Refused unless `text` can be a message."""
    if not is_text(text):
        raise Refused("datos_invalidos")
    if len(text) > MAX_TEXT:
        raise Refused("mensaje_largo")
    # Blank is what shows nothing: white space, controls, invisible format characters.
    if all(unicodedata.category(character) in _BLANK for character in text):
        raise Refused("mensaje_vacio")


_BLANK = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})


def message(sender: Person, recipient: Person | None, text: str, client_id: str | None) -> Message:
    """A private message. `recipient` is None for the support desk.

    Raises Refused: `mensaje_vacio`, `mensaje_largo`, `datos_invalidos`.
    """
    check_text(text)
    if recipient is None:
        if sender.is_admin:
            raise Refused("datos_invalidos")
        conversation = ids.desk_conversation(sender.id)
    else:
        conversation = conversation_of(sender, recipient)
    event = MessageSent(
        sender=sender.id,
        recipient=DESK if recipient is None else recipient.id,
        text=text,
        client_id=client_id,
    )
    event_id = None if client_id is None else ids.message_id(sender.id, client_id.lower())
    return Message(conversation, event, event_id)


def conversation_of(one: Person, other: Person) -> str:
    """Exactly one side an admin: that user's desk conversation. Otherwise the pair's."""
    if one.id == other.id:
        raise Refused("datos_invalidos")
    if one.is_admin != other.is_admin:
        return ids.desk_conversation(other.id if one.is_admin else one.id)
    return ids.pair_conversation(one.id, other.id)


class Standing(NamedTuple):
    """What deciding about a conversation needs to know of it."""

    id: str
    kind: str
    user_id: str
    peer_id: str
    last_seq: int
    user_read: int
    peer_read: int


def side_of(person: Person, conversation: Standing) -> str | None:
    """Whose read mark a person moves: their own id's, the desk's, or nobody's."""
    if person.id in (conversation.user_id, conversation.peer_id):
        return person.id
    if conversation.kind == "desk" and person.is_admin:
        return DESK
    return None


def read(reader: Person, conversation: Standing | None, seq: int) -> ConversationRead | None:
    """Reading up to `seq`; None when that is no news.

    Raises Refused: `no_autorizado` for a conversation that is unknown or not the reader's (which
    of the two is not told), `datos_invalidos` for a seq beyond the last.
    """
    side = None if conversation is None else side_of(reader, conversation)
    if conversation is None or side is None:
        raise Refused("no_autorizado")
    if seq > conversation.last_seq:
        raise Refused("datos_invalidos")
    mark = conversation.user_read if side == conversation.user_id else conversation.peer_read
    if seq <= mark:
        return None
    return ConversationRead(conversation=conversation.id, side=side, seq=seq, by=reader.id)
