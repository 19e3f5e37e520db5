"""Who wants mail, and which answers it would tell of.

A row of `mail_due` is about answers of the desk that its user has not read and was not told of by
mail. Whether the user is connected, and whether long enough has passed, is for whoever sends to
look at. Answers before an address was confirmed are not told of.
"""

from __future__ import annotations

from registro.db.schema import Column, Index, Table
from registro.events import ids
from registro.events.record import UUID, Recorded
from registro.events.types import (
    ConversationRead,
    LogErased,
    MailDropped,
    MailSent,
    MessageSent,
    UserEmailConfirmed,
    UserEmailRemoved,
)
from registro.projections.projection import Handler, Projection
from registro.projections.rows import Rows

ADDRESSES = Table(
    "mail_addresses",
    (
        Column("user_id", "id"),
        Column("address", "text"),
        Column("language", "ascii"),
        Column("position", "integer"),
    ),
    key=("user_id",),
)
"""Confirmed addresses, and the position of the event that confirmed each."""

DUE = Table(
    "mail_due",
    (
        Column("conversation", "id"),
        Column("user_id", "id"),
        Column("since", "integer"),
        Column("first", "integer"),
        Column("last", "integer"),
    ),
    key=("conversation",),
    indexes=(Index(("since",)),),
)
"""Desk conversations with answers that their user does not know of: those among the messages from
`first` to `last` (their `seq`) that are the desk's. `since` is when the first of them came, or when
the last mail went out after it."""


def _touch_user(rows: Rows, row: Recorded, event: object) -> None:
    user_id = row.stream[-UUID:]
    rows.want(ADDRESSES, user_id)
    rows.want(DUE, ids.desk_conversation(user_id))


def _confirmed(rows: Rows, row: Recorded, event: UserEmailConfirmed) -> None:
    _forget(rows, row.stream[-UUID:])
    if event.address:  # else it was erased
        rows.insert(
            ADDRESSES,
            user_id=row.stream[-UUID:],
            address=event.address,
            language=event.language,
            position=row.position,
        )


def _removed(rows: Rows, row: Recorded, event: UserEmailRemoved) -> None:
    _forget(rows, row.stream[-UUID:])


def _forget(rows: Rows, user_id: str) -> None:
    known = rows.get(ADDRESSES, user_id)
    if known is not None:
        rows.delete(ADDRESSES, known)
    _settle(rows, ids.desk_conversation(user_id))


def _settle(rows: Rows, conversation: str) -> None:
    due = rows.get(DUE, conversation)
    if due is not None:
        rows.delete(DUE, due)


def _touch_erase(rows: Rows, row: Recorded) -> None:
    _touch_user(rows, row, None)


def _erase(rows: Rows, row: Recorded) -> None:
    known = rows.get(ADDRESSES, row.stream[-UUID:])
    if known is not None and known["position"] == row.position:
        _forget(rows, row.stream[-UUID:])


def _touch_sent(rows: Rows, row: Recorded, event: MessageSent) -> None:
    rows.want(DUE, row.stream[-UUID:])
    if _is_answer(row, event):
        rows.want(ADDRESSES, event.recipient)


def _is_answer(row: Recorded, event: MessageSent) -> bool:
    return ids.desk_conversation(event.recipient) == row.stream[-UUID:]


def _sent(rows: Rows, row: Recorded, event: MessageSent) -> None:
    """An answer is news for its user; who writes has read what came before."""
    if not _is_answer(row, event):
        _settle(rows, row.stream[-UUID:])
        return
    due = rows.get(DUE, row.stream[-UUID:])
    if due is not None:
        rows.update(DUE, due, last=row.version)
    elif rows.get(ADDRESSES, event.recipient) is not None and event.imported is None:
        rows.insert(
            DUE,
            conversation=row.stream[-UUID:],
            user_id=event.recipient,
            since=row.recorded_at,
            first=row.version,
            last=row.version,
        )


def _touch(rows: Rows, row: Recorded, event: object) -> None:
    rows.want(DUE, row.stream[-UUID:])


def _read(rows: Rows, row: Recorded, event: ConversationRead) -> None:
    due = rows.get(DUE, row.stream[-UUID:])
    if due is not None and event.side == due["user_id"]:
        _past(rows, row.stream[-UUID:], event.seq, due["since"])


def _mailed(rows: Rows, row: Recorded, event: MailSent | MailDropped) -> None:
    _past(rows, row.stream[-UUID:], event.last, row.recorded_at)


def _past(rows: Rows, conversation: str, seq: int, since: int) -> None:
    """The user knows of everything up to a seq; the rest is due from `since`."""
    due = rows.get(DUE, conversation)
    if due is None or seq < due["first"]:
        return
    if seq >= due["last"]:
        rows.delete(DUE, due)
    else:
        rows.update(DUE, due, first=seq + 1, since=since)


def _touch_person(rows: Rows, row: Recorded, event: LogErased) -> None:
    if event.user is not None:
        rows.want(DUE, ids.desk_conversation(event.user))
        rows.want(ADDRESSES, event.user)


def _person_erased(rows: Rows, row: Recorded, event: LogErased) -> None:
    if event.user is not None:
        _forget(rows, event.user)


PROJECTION = Projection(
    "mailings",
    1,
    (ADDRESSES, DUE),
    {
        UserEmailConfirmed.type: Handler(_confirmed, _touch_user, _erase, _touch_erase),
        UserEmailRemoved.type: Handler(_removed, _touch_user),
        MessageSent.type: Handler(_sent, _touch_sent),
        ConversationRead.type: Handler(_read, _touch),
        MailSent.type: Handler(_mailed, _touch),
        MailDropped.type: Handler(_mailed, _touch),
        LogErased.type: Handler(_person_erased, _touch_person),
    },
)
