"""The events: what Registro records, as typed, immutable values.

An event's `type` is a stable name that is stored; the class name is not, so classes may be
renamed. `schema` counts the versions of a type's fields; `codec` upcasts older ones on reading.
Users are named by their opaque id (a random UUID), never by name, so that the only personal data
about a person are in payloads, which can be erased. Times inside payloads are RFC 3339 strings.
`docs/events.md` has a heading for each type.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal

import msgspec

Role = Literal["user", "admin"]

DESK = "desk"
"""Recipient of a message that is addressed to the support desk and not to one admin."""

COMMAND_LINE = "command-line"
"""Actor of what an operator does with the `registro` command."""

CLOCK = "clock"
"""Actor of what happens by itself when its time has come."""

Status = Literal["open", "pending", "resolved", "snoozed"]
"""Where a desk conversation stands in the work of the desk."""


class Imported(msgspec.Struct, frozen=True, omit_defaults=True):
    """That something did not happen here but was brought in from another program: `source` says
    from which row of which table there, `time` when it happened, as far as that is known."""

    source: str
    time: str | None = None


class Attachment(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file of a message. It is stored outside the log, under `id`; `sha256` (hex) says what is in
    it. `size` is in bytes. Only an image that browsers may show has one of the types of
    `services.media`; `width` and `height` are its pixels as it is shown, and 0 for other files."""

    id: str
    size: int
    name: str = ""
    type: str = ""
    sha256: str = ""
    width: int = 0
    height: int = 0


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """Base of all events. Fields that have their default are left out of the payload."""

    type: ClassVar[str]
    schema: ClassVar[int] = 1

    def redacted(self) -> Event | None:
        """What stays of an event that was erased: ids and counts, nothing about a person.

        The projections are folded from it then. None: as if it had never been.
        """
        return None


# Stream user/<id>


class UserRegistered(Event, frozen=True):
    """A person is known from now on. `origin` says how they came, `by` who invited them."""

    type: ClassVar[str] = "user:registered"
    user: str
    name: str
    role: Role
    origin: Literal["form", "command-line", "token", "fixtures", "import", "invitation"]
    imported: Imported | None = None
    by: str | None = None


class UserRoleChanged(Event, frozen=True):
    type: ClassVar[str] = "user:role:changed"
    role: Role
    by: str

    def redacted(self) -> Event:
        return self


class UserPasswordChanged(Event, frozen=True):
    """A password was set. Neither it nor its hash is recorded."""

    type: ClassVar[str] = "user:password:changed"
    by: str

    def redacted(self) -> Event:
        return self


class UserPasswordReset(Event, frozen=True):
    """The password, if there was one, is good for nothing any more: `by` has been given a link with
    which the person sets another, once. Neither link nor its hash is recorded."""

    type: ClassVar[str] = "user:password:reset"
    by: str

    def redacted(self) -> Event:
        return self


class UserDisabled(Event, frozen=True):
    type: ClassVar[str] = "user:disabled"
    by: str

    def redacted(self) -> Event:
        return self


class UserEnabled(Event, frozen=True):
    type: ClassVar[str] = "user:enabled"
    by: str

    def redacted(self) -> Event:
        return self


class UserEmailConfirmed(Event, frozen=True):
    """A person asked for mail at an address and followed the link that was sent there. `language`
    is the one in which they asked."""

    type: ClassVar[str] = "user:email:confirmed"
    address: str
    language: str
    by: str

    def redacted(self) -> Event:
        return msgspec.structs.replace(self, address="")


class UserEmailRemoved(Event, frozen=True):
    """A person wants no mail any more: they took their address away on the page of preferences
    (`person`), or followed the link in a mail (`unsubscribed`)."""

    type: ClassVar[str] = "user:email:removed"
    reason: Literal["person", "unsubscribed"]
    by: str

    def redacted(self) -> Event:
        return self


# Stream session/<id>: a login, or a token minted elsewhere


class SessionStarted(Event, frozen=True):
    """Somebody logged in, or renewed a token. `key` is the SHA-256 (hex) of the token's
    `header.payload` part; `login` is empty for a login, else the key that the login began with."""

    type: ClassVar[str] = "session:started"
    user: str
    key: str
    expires: str
    login: str = ""


class SessionRenewed(Event, frozen=True):
    """The login in whose stream this stands goes on under another token, `key`."""

    type: ClassVar[str] = "session:renewed"
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

    def redacted(self) -> Event:
        return self  # what was revoked stays revoked


# Stream security/<node id>: what a server process turned away, counted together


class LoginsFailed(Event, frozen=True):
    """Logins from `since` to `until` with a wrong name or password (`failed`), and those not even
    looked at because too many had failed (`throttled`). No name and no address is recorded;
    `addresses` is how many different ones there were."""

    type: ClassVar[str] = "security:logins:failed"
    since: str
    until: str
    failed: int
    throttled: int
    addresses: int


class AccessDenied(Event, frozen=True):
    """Requests from `since` to `until` without a valid token (`unauthenticated`, 401), with one of
    too little right (`forbidden`, 403), and from other sites' pages (`forged`, 403); `sockets` that
    were refused, and what was above a limit (`limited`): messages, sockets, registrations."""

    type: ClassVar[str] = "security:access:denied"
    since: str
    until: str
    unauthenticated: int
    forbidden: int
    forged: int
    sockets: int = 0
    limited: int = 0


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

    def redacted(self) -> Event:
        return msgspec.structs.replace(self, session="", client="")


class ConnectionClosed(Event, frozen=True):
    """A socket ended. `milliseconds` is how long it was open.

    `reason` is the transport's word for it, or `crash` when its process died without saying so.
    """

    type: ClassVar[str] = "connection:closed"
    user: str
    reason: str
    milliseconds: int

    def redacted(self) -> Event:
        return self


# Stream conversation/<id>: messages alone, so that the stream's version is the contract's `seq`


class MessageSent(Event, frozen=True):
    """A private message. `recipient` is a user's id or `desk`.

    `client_id` is the id that the sender's program gave it, in the form in which it came. One that
    was imported was sent at the time that `imported` says, and not when it was recorded.
    """

    type: ClassVar[str] = "conversation:message:sent"
    sender: str
    recipient: str
    text: str
    client_id: str | None = None
    imported: Imported | None = None
    attachments: tuple[Attachment, ...] = ()

    def redacted(self) -> Event:
        return msgspec.structs.replace(
            self, text="", client_id=None, attachments=redacted_attachments(self.attachments)
        )


def redacted_attachments(attachments: Iterable[Attachment]) -> tuple[Attachment, ...]:
    """What an erasure keeps of them: which files have to be gone, and how large they were."""
    return tuple(Attachment(id=one.id, size=one.size) for one in attachments)


# Stream desk/<conversation id>: what is done to a conversation


class ConversationRead(Event, frozen=True):
    """Everything up to message `seq` was read. `side` is `desk` (one mark for all admins) or the
    id of the user whose mark it is; `by` is the user who read."""

    type: ClassVar[str] = "conversation:read"
    conversation: str
    side: str
    seq: int
    by: str

    def redacted(self) -> Event:
        return self


class ConversationUnread(Event, frozen=True):
    """The desk shall see the messages from `seq` on as unread again. What users were told of its
    reading stays."""

    type: ClassVar[str] = "conversation:unread"
    conversation: str
    seq: int
    by: str

    def redacted(self) -> Event:
        return self


class ConversationAssigned(Event, frozen=True):
    """The conversation is the work of admin `to` from now on; of nobody, where that is empty."""

    type: ClassVar[str] = "conversation:assigned"
    conversation: str
    to: str
    by: str

    def redacted(self) -> Event:
        return self


class ConversationStatusChanged(Event, frozen=True):
    """An admin set the status. `until` is when a snoozed conversation comes back (RFC 3339), and
    empty for the others."""

    type: ClassVar[str] = "conversation:status:changed"
    conversation: str
    status: Status
    by: str
    until: str = ""

    def redacted(self) -> Event:
        return self


class ConversationSnoozeEnded(Event, frozen=True):
    """The time came until which a conversation was snoozed at position `snooze` of the log: it is
    open again, unless that was changed since."""

    type: ClassVar[str] = "conversation:snooze:ended"
    conversation: str
    snooze: int
    by: str

    def redacted(self) -> Event:
        return self


class ConversationLabelAdded(Event, frozen=True):
    type: ClassVar[str] = "conversation:label:added"
    conversation: str
    label: str
    by: str

    def redacted(self) -> Event:
        return msgspec.structs.replace(self, label="")


class ConversationLabelRemoved(Event, frozen=True):
    """A label was taken off: what the events at the positions `added` put there. One that somebody
    else puts there meanwhile stays, and what an erasure keeps of this still says what it undid."""

    type: ClassVar[str] = "conversation:label:removed"
    conversation: str
    label: str
    added: tuple[int, ...]
    by: str

    def redacted(self) -> Event:
        return msgspec.structs.replace(self, label="")


class NoteWritten(Event, frozen=True):
    """A note of an admin that admins alone see."""

    type: ClassVar[str] = "conversation:note:written"
    conversation: str
    text: str
    by: str

    def redacted(self) -> Event:
        return msgspec.structs.replace(self, text="")


# Stream view/<id>: a list of the inbox that an admin gave a name


class DeskViewSaved(Event, frozen=True):
    """The view has this name and leads to the list `address` (the query of an address of the
    inbox) from now on. It is `owner`'s alone, or `shared` with all admins."""

    type: ClassVar[str] = "desk:view:saved"
    owner: str
    name: str
    address: str
    by: str
    shared: bool = False

    def redacted(self) -> Event:
        return msgspec.structs.replace(self, name="", address="")


class DeskViewRemoved(Event, frozen=True):
    type: ClassVar[str] = "desk:view:removed"
    by: str

    def redacted(self) -> Event:
        return self


# Stream answer/<id>: a text that admins put into their answers


class DeskAnswerSaved(Event, frozen=True):
    """The canned answer has this title and this text from now on."""

    type: ClassVar[str] = "desk:answer:saved"
    title: str
    text: str
    by: str

    def redacted(self) -> Event:
        return msgspec.structs.replace(self, title="", text="")


class DeskAnswerRemoved(Event, frozen=True):
    type: ClassVar[str] = "desk:answer:removed"
    by: str

    def redacted(self) -> Event:
        return self


class MailSent(Event, frozen=True):
    """The mail server took a mail that tells the user of unread answers: those from message `first`
    to message `last` (their `seq`). The address is not recorded."""

    type: ClassVar[str] = "conversation:mail:sent"
    conversation: str
    user: str
    first: int
    last: int

    def redacted(self) -> Event:
        return self


MailReason = Literal["refused", "unreachable", "unknown", "erased"]


class MailDropped(Event, frozen=True):
    """No mail tells the user of the answers from `first` to `last`: the mail server refused it for
    good (`refused`, with its `code`), it could not be handed over for a day (`unreachable`), the
    process ended while it was being handed over, so that it may have been sent (`unknown`), or all
    of the answers were erased (`erased`)."""

    type: ClassVar[str] = "conversation:mail:dropped"
    conversation: str
    user: str
    first: int
    last: int
    reason: MailReason
    code: int = 0

    def redacted(self) -> Event:
        return self


# Stream hours/<id>: there is one


class DeskHoursChanged(Event, frozen=True):
    """When the desk answers from now on. `week` has for each day from Monday on its spans, such as
    `09:00-14:00`, in the time of `zone`; one that does not end after its beginning ends on the next
    day. Nothing begins on the days in `closed`: dates, or two with a slash for all from one to the
    other. `away_es` and `away_en` are what users read besides while it is closed. An empty `zone`
    says that there are no hours."""

    type: ClassVar[str] = "desk:hours:changed"
    zone: str
    week: tuple[tuple[str, ...], ...]
    closed: tuple[str, ...]
    away_es: str
    away_en: str
    by: str

    def redacted(self) -> Event:
        return self


# Stream verification/<id>


class LogVerified(Event, frozen=True):
    """The whole log was checked, as `registro log verify --record` does. `events` is how many
    there were, `root` the tree's root (hex) over them, `findings` how many things were wrong;
    `checkpoints` are the sizes of those that it was compared with and that held."""

    type: ClassVar[str] = "log:verified"
    events: int
    root: str
    findings: int
    checkpoints: tuple[int, ...]
    by: str

    def redacted(self) -> Event:
        return self


# Stream erasure/<id>


class LogErased(Event, frozen=True):
    """The payloads at `positions` were erased, each with its salt.

    `kept` has for each of them the fields that stayed of it (see `Event.redacted`). `user` is the
    id of the person who was erased as a whole, and `name_hash` the HMAC-SHA256 (hex) of their
    name under this database's key, so that a token which is still valid does not bring them back.
    """

    type: ClassVar[str] = "log:erased"
    positions: tuple[int, ...]
    kept: tuple[dict[str, Any] | None, ...]
    reason: str
    by: str
    user: str | None = None
    name_hash: str | None = None

    def redacted(self) -> Event:
        return self
