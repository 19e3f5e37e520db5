"""How ids are made. All are UUIDs in their usual text form.

Derived ids are UUIDv5 (RFC 9562), so that the same thing gets the same id in every process and no
conversation or message can come into being twice.
"""

from __future__ import annotations

from functools import lru_cache
from uuid import UUID, uuid5

NAMESPACE = UUID("6f0a8a8b-5a38-4d0c-9d0c-3d1f5c1d2e70")
"""Namespace of Registro's own derived ids; made once, at random."""


@lru_cache(maxsize=65_536)
def desk_conversation(user_id: str) -> str:
    """A user's conversation with the support desk; there is one, whichever admin answers."""
    return str(uuid5(NAMESPACE, f"desk:{user_id}"))


@lru_cache(maxsize=65_536)
def pair_conversation(one: str, other: str) -> str:
    """The conversation of two people, whichever of them is named first."""
    return str(uuid5(NAMESPACE, "pair:" + ":".join(sorted((one, other)))))


def message_id(sender_id: str, client_id: str) -> str:
    """The event id of a message. The sender is part of it, so nobody can claim another's id."""
    return str(uuid5(UUID(sender_id), client_id))


def imported_message(source: str, row: int) -> str:
    """The event id of a message from row `row` of another program's table: importing it again
    finds it stored. A row's number says nothing about a person."""
    return str(uuid5(NAMESPACE, f"imported:{source}:{row}"))


def snooze_end(conversation: str, snooze: int) -> str:
    """The event id of the end of the snooze that began at a position of the log: whichever process
    notices that its time has come, it ends once."""
    return str(uuid5(NAMESPACE, f"snooze:{conversation}:{snooze}"))


def mail_end(conversation: str, last: int) -> str:
    """The event id of what became of the mail about the answers up to `last`: it ends once."""
    return str(uuid5(NAMESPACE, f"mail:{conversation}:{last}"))


HOURS = str(uuid5(NAMESPACE, "hours"))
"""The id in the one stream of the desk's hours."""


def session_stream(user_id: str, key: str) -> str:
    """The stream of the session whose token hashes to `key`."""
    return f"session/{uuid5(UUID(user_id), key)}"
