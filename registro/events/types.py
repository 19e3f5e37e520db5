"""The events: what Registro records, as typed, immutable values.

An event's `type` is a stable name that is stored; the class name is not, so classes may be
renamed. `schema` counts the versions of a type's fields; `codec` upcasts older ones on reading.
Users are named by their opaque id (a random UUID), never by name, so that the only personal data
about a person are in payloads, which can be erased. Times inside payloads are RFC 3339 strings.
`docs/events.md` has a heading for each type.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

Role = Literal["user", "admin"]

DESK = "desk"
"""Recipient of a message that is addressed to the support desk and not to one admin."""

COMMAND_LINE = "command-line"
"""Actor of what an operator does with the `registro` command."""


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """Base of all events. Fields that have their default are left out of the payload."""

    type: ClassVar[str]
    schema: ClassVar[int] = 1


# Stream user/<id>


class UserRegistered(Event, frozen=True):
    """A person is known from now on. `origin` says how they came."""

    type: ClassVar[str] = "user:registered"
    user: str
    name: str
    role: Role
    origin: Literal["form", "command-line", "token", "fixtures"]


class UserRoleChanged(Event, frozen=True):
    type: ClassVar[str] = "user:role:changed"
    role: Role
    by: str


class UserPasswordChanged(Event, frozen=True):
    """A password was set. Neither it nor its hash is recorded."""

    type: ClassVar[str] = "user:password:changed"
    by: str


class UserDisabled(Event, frozen=True):
    type: ClassVar[str] = "user:disabled"
    by: str


class UserEnabled(Event, frozen=True):
    type: ClassVar[str] = "user:enabled"
    by: str


# Stream session/<id>: a login, or a token minted elsewhere


class SessionStarted(Event, frozen=True):
    """Somebody logged in. `key` is the SHA-256 (hex) of the token's `header.payload` part."""

    type: ClassVar[str] = "session:started"
    user: str
    key: str
    expires: str


class SessionEnded(Event, frozen=True):
    """The token with this `key` is good for nothing any more."""

    type: ClassVar[str] = "session:ended"
    user: str
    key: str
    reason: Literal["logout", "revoked"]
    by: str


# Stream connection/<id>: one socket from its opening to its end


class ConnectionOpened(Event, frozen=True):
    """A socket was accepted. `client` is its User-Agent, shortened to 200 characters."""

    type: ClassVar[str] = "connection:opened"
    user: str
    role: Role
    session: str
    transport: Literal["polling", "websocket"]
    node: str
    client: str = ""


class ConnectionClosed(Event, frozen=True):
    """A socket ended. `milliseconds` is how long it was open.

    `reason` is the transport's word for it, or `crash` when its process died without saying so.
    """

    type: ClassVar[str] = "connection:closed"
    user: str
    reason: str
    milliseconds: int


# Stream conversation/<id>: messages alone, so that the stream's version is the contract's `seq`


class MessageSent(Event, frozen=True):
    """A private message. `recipient` is a user's id or `desk`.

    `client_id` is the id that the sender's program gave it, in the form in which it came.
    """

    type: ClassVar[str] = "conversation:message:sent"
    sender: str
    recipient: str
    text: str
    client_id: str | None = None


# Stream desk/<conversation id>: what is done to a conversation


class ConversationRead(Event, frozen=True):
    """Everything up to message `seq` was read. `side` is `desk` (one mark for all admins) or the
    id of the user whose mark it is; `by` is the user who read."""

    type: ClassVar[str] = "conversation:read"
    conversation: str
    side: str
    seq: int
    by: str
