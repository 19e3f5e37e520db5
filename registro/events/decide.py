"""Decisions: what a command becomes, or why it is refused. No I/O, no clock, no randomness.

The rules are the contract's, part 1; `Refused.code` is its `codigo`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple, get_args

from registro.errors import Refused
from registro.events import ids
from registro.events.record import rfc3339
from registro.events.types import (
    DESK,
    Attachment,
    ConversationAssigned,
    ConversationLabelAdded,
    ConversationLabelRemoved,
    ConversationRead,
    ConversationStatusChanged,
    ConversationUnread,
    DeskAnswerRemoved,
    DeskAnswerSaved,
    DeskViewRemoved,
    DeskViewSaved,
    MessageSent,
    NoteWritten,
    Role,
    Status,
)

MAX_TEXT = 4000
"""Code points in a message."""

MAX_ATTACHMENTS = 5
"""Files of one message."""

MAX_NAME = 64
"""Code points in a user's name."""

MAX_LABEL = 30
"""Code points in a label."""

MAX_LABELS = 20
"""Labels of one conversation."""

MAX_VIEW_NAME = 40
"""Code points in the name of a saved view."""

MAX_TITLE = 40
"""Code points in the title of a canned answer."""

MAX_SNOOZE = 366 * 86_400 * 1_000_000
"""Microseconds that a conversation may be snoozed for: a year."""

STATUSES: tuple[Status, ...] = get_args(Status)

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


def is_plain_name(user: str) -> bool:
    """Whether a user's name is what it looks like: nothing invisible or that turns the direction of
    text, composed (NFC), and not mistaken for the desk's. Asked of names that are chosen here; what
    a token says is compared exactly."""
    return (
        unicodedata.is_normalized("NFC", user)
        and not any(unicodedata.category(character) in _UNSEEN for character in user)
        and (user == DESK_NAME or _looks(user) != DESK_NAME)
    )


def is_plain_text(text: str) -> bool:
    """Whether a name to show has nothing that turns the direction of the text around it."""
    return not any(character in _TURNING for character in text)


def _looks(user: str) -> str:
    """A name as it is read: without case, accents and punctuation, in Latin letters."""
    plain = unicodedata.normalize("NFKD", user.casefold())
    letters = plain.translate(_LOOKALIKES)
    return "".join(one for one in letters if unicodedata.category(one)[0] in "LN")


_UNSEEN = frozenset({"Cf", "Zl", "Zp", "Co", "Cn"})
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Letters of other scripts that are taken for those of the desk's name, and digits. Chosen from
# Unicode's confusables (UTS 39).
_LOOKALIKES = str.maketrans(
    {"а": "a", "α": "a", "ɑ": "a", "@": "a", "4": "a", "ԁ": "d", "ɗ": "d", "Ꮷ": "d", "м": "m",
     "ｍ": "m", "ⅿ": "m", "ⅾ": "d", "ⅰ": "i", "і": "i", "ι": "i", "ı": "i", "ӏ": "i", "1": "i",
     "l": "i", "|": "i", "!": "i", "ո": "n", "п": "n", "η": "n"}
)  # fmt: skip


def check_text(text: str, *, blank: bool = False) -> None:
    """Raises Refused unless `text` can be a message; with `blank` it may show nothing."""
    if not is_text(text):
        raise Refused("datos_invalidos")
    if len(text) > MAX_TEXT:
        raise Refused("mensaje_largo")
    # Blank is what shows nothing: white space, controls, invisible format characters.
    if not blank and all(unicodedata.category(character) in _BLANK for character in text):
        raise Refused("mensaje_vacio")


_BLANK = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})


def message(
    sender: Person,
    recipient: Person | None,
    text: str,
    client_id: str | None,
    attachments: Sequence[Attachment] = (),
) -> Message:
    """A private message. `recipient` is None for the support desk. One with attachments needs no
    text.

    Raises Refused: `mensaje_vacio`, `mensaje_largo`, `datos_invalidos`.
    """
    check_text(text, blank=bool(attachments))
    if len(attachments) > MAX_ATTACHMENTS:
        raise Refused("datos_invalidos")
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
        attachments=tuple(attachments),
    )
    return Message(conversation, event, event_id(sender, client_id))


def event_id(sender: Person, client_id: str | None) -> str | None:
    """The id of the event of a message; None for a random one."""
    return None if client_id is None else ids.message_id(sender.id, client_id.lower())


def conversation_of(one: Person, other: Person) -> str:
    """Exactly one side an admin: that user's desk conversation. Otherwise the pair's."""
    if one.id == other.id:
        raise Refused("datos_invalidos")
    if one.is_admin != other.is_admin:
        return ids.desk_conversation(other.id if one.is_admin else one.id)
    return ids.pair_conversation(one.id, other.id)


class Standing(NamedTuple):
    """What deciding about a conversation needs to know of it. `desk_mark` is where the desk reads
    on, when that is not its read mark because a message was marked unread again."""

    id: str
    kind: str
    user_id: str
    peer_id: str
    last_seq: int
    user_read: int
    peer_read: int
    desk_mark: int | None = None


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
    if side == DESK and conversation.desk_mark is not None:
        mark = conversation.desk_mark
    else:
        mark = conversation.user_read if side == conversation.user_id else conversation.peer_read
    if seq <= mark:
        return None
    return ConversationRead(conversation=conversation.id, side=side, seq=seq, by=reader.id)


class Work(NamedTuple):
    """A desk conversation as the work of the desk. `labels` has for each label the positions in
    the log of the events that put it there; `desk_mark` is up to where the desk has read."""

    id: str
    status: Status
    assignee: str
    snoozed_until: int | None
    labels: Mapping[str, tuple[int, ...]]
    last_seq: int
    desk_mark: int


def _work(admin: Person, conversation: Work | None) -> Work:
    """Raises Refused `no_autorizado` for what is no desk conversation, and for who is no admin."""
    if conversation is None or not admin.is_admin:
        raise Refused("no_autorizado")
    return conversation


def assign(
    admin: Person, conversation: Work | None, to: Person | None
) -> ConversationAssigned | None:
    """To an admin, or to nobody (None); None when it is theirs already.

    Raises Refused: `no_autorizado`, `destinatario_desconocido` for who is no active admin.
    """
    work = _work(admin, conversation)
    if to is not None and (not to.is_admin or to.disabled):
        raise Refused("destinatario_desconocido")
    assignee = "" if to is None else to.id
    if assignee == work.assignee:
        return None
    return ConversationAssigned(conversation=work.id, to=assignee, by=admin.id)


def set_status(
    admin: Person, conversation: Work | None, status: str, until: int | None, now: int
) -> ConversationStatusChanged | None:
    """A status; None when that is no news. Snoozing, and nothing else, takes `until`, at most a
    year away (microseconds since 1970, as `now`).

    Raises Refused: `no_autorizado`, `datos_invalidos`.
    """
    work = _work(admin, conversation)
    if status not in STATUSES or (status == "snoozed") is (until is None):
        raise Refused("datos_invalidos")
    if until is not None and not now < until <= now + MAX_SNOOZE:
        raise Refused("datos_invalidos")
    if (status, until) == (work.status, work.snoozed_until):
        return None
    return ConversationStatusChanged(
        conversation=work.id,
        status=status,
        by=admin.id,
        until="" if until is None else rfc3339(until),
    )


def is_label(value: object) -> bool:
    """Whether a value can be a label: 1 to 30 characters without controls or surrounding blanks."""
    return is_user_name(value) and len(str(value)) <= MAX_LABEL


def add_label(
    admin: Person, conversation: Work | None, label: str
) -> ConversationLabelAdded | None:
    """None when it is there. Raises Refused: `no_autorizado`, `datos_invalidos` (also for more
    labels than a conversation may have)."""
    work = _work(admin, conversation)
    if not is_label(label):
        raise Refused("datos_invalidos")
    if label in work.labels:
        return None
    if len(work.labels) >= MAX_LABELS:
        raise Refused("datos_invalidos")
    return ConversationLabelAdded(conversation=work.id, label=label, by=admin.id)


def remove_label(
    admin: Person, conversation: Work | None, label: str
) -> ConversationLabelRemoved | None:
    """None when it is not there. Raises Refused `no_autorizado`."""
    work = _work(admin, conversation)
    if label not in work.labels:
        return None
    return ConversationLabelRemoved(
        conversation=work.id, label=label, added=work.labels[label], by=admin.id
    )


def note(admin: Person, conversation: Work | None, text: str) -> NoteWritten:
    """Raises Refused: `no_autorizado`, and what `check_text` raises."""
    work = _work(admin, conversation)
    check_text(text)
    return NoteWritten(conversation=work.id, text=text, by=admin.id)


def mark_unread(
    admin: Person, conversation: Work | None, seq: int | None
) -> ConversationUnread | None:
    """Unread again from message `seq` on, the last one by default; None when it is.

    Raises Refused: `no_autorizado`, `datos_invalidos` for a message that is not there.
    """
    work = _work(admin, conversation)
    seq = work.last_seq if seq is None else seq
    if not 1 <= seq <= work.last_seq:
        raise Refused("datos_invalidos")
    if seq > work.desk_mark:
        return None
    return ConversationUnread(conversation=work.id, seq=seq, by=admin.id)


class SavedView(NamedTuple):
    """A list of the inbox with a name; `owner` is an admin's id."""

    id: str
    owner: str
    name: str
    address: str
    shared: bool


def save_view(
    admin: Person, view: SavedView | None, name: str, address: str, shared: bool
) -> DeskViewSaved | None:
    """A new view (`view` None), or another name for one that is there; None when it has it.

    Raises Refused: `no_autorizado` for who is no admin and for somebody else's own view,
    `datos_invalidos`.
    """
    _may_change(admin, view)
    if not is_user_name(name) or len(name) > MAX_VIEW_NAME:
        raise Refused("datos_invalidos")
    if view is not None and (view.name, view.address, view.shared) == (name, address, shared):
        return None
    owner = admin.id if view is None else view.owner
    return DeskViewSaved(owner=owner, name=name, address=address, shared=shared, by=admin.id)


def remove_view(admin: Person, view: SavedView) -> DeskViewRemoved:
    """Raises Refused as `save_view` does."""
    _may_change(admin, view)
    return DeskViewRemoved(by=admin.id)


def _may_change(admin: Person, view: SavedView | None) -> None:
    """Whoever owns a view may, and with a shared one every admin."""
    if not admin.is_admin or (view is not None and not view.shared and view.owner != admin.id):
        raise Refused("no_autorizado")


class Answer(NamedTuple):
    """A canned answer."""

    id: str
    title: str
    text: str


def save_answer(
    admin: Person, answer: Answer | None, title: str, text: str
) -> DeskAnswerSaved | None:
    """A new canned answer (`answer` None), or what one that is there says; None when it does.

    Raises Refused: `no_autorizado` for who is no admin, `datos_invalidos` (with `field`) for the
    title, and what `check_text` raises (with `field`) for the text.
    """
    if not admin.is_admin:
        raise Refused("no_autorizado")
    if not is_user_name(title) or len(title) > MAX_TITLE:
        raise Refused("datos_invalidos", field="title")
    try:
        check_text(text)
    except Refused as refused:
        raise Refused(refused.code, field="text") from None
    if answer is not None and (answer.title, answer.text) == (title, text):
        return None
    return DeskAnswerSaved(title=title, text=text, by=admin.id)


def remove_answer(admin: Person) -> DeskAnswerRemoved:
    """Raises Refused `no_autorizado`."""
    if not admin.is_admin:
        raise Refused("no_autorizado")
    return DeskAnswerRemoved(by=admin.id)


def looks_like(title: str) -> str:
    """A title without capitals and accents: two that are alike in this would be taken for each
    other where one types to find them."""
    plain = unicodedata.normalize("NFKD", title.casefold())
    return "".join(one for one in plain if not unicodedata.combining(one))
