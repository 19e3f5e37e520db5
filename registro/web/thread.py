"""Messages as lines of a thread: by day, and close ones of one author together.

`static/lines.js` follows the same rules for what comes later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from registro.events.record import rfc3339
from registro.events.types import NoteWritten
from registro.services.chat import SentMessage
from registro.services.files import wire
from registro.services.inbox import Action, Thread
from registro.web.i18n import Language
from registro.web.times import Clock

TOGETHER = 5 * 60 * 1_000_000
"""Microseconds between two messages of one author that still stand together."""


@dataclass(frozen=True, slots=True)
class Line:
    """A message as it is shown. `day` is there when a new day begins with it; `follows` when it
    stands with the one before; `ours` when it is on the reader's side; `read` when the other side
    has read it; `first_unread` when the reader's side has read up to just before it; `erased` when
    only its place is left; `place` is its own address, if it has one; `files` are those that it
    brings."""

    id: str
    seq: int
    user: str
    name: str
    text: str
    iso: str
    time: str
    full: str
    day: str | None
    follows: bool
    ours: bool
    read: bool
    first_unread: bool
    erased: bool
    place: str
    files: Sequence[Mapping[str, object]] = ()


def lines(
    thread: Thread,
    clock: Clock,
    *,
    ours: Callable[[SentMessage], bool],
    our_read: int,
    their_read: int,
    place: Callable[[int], str] | None,
) -> list[Line]:
    """`our_read` and `their_read` are the read marks of the two sides; `place` gives the address of
    the message with a seq, where messages have one."""
    result = []
    before: SentMessage | None = None
    for message in thread.messages:
        new_day = before is None or clock.day_key(before.sent_at) != clock.day_key(message.sent_at)
        first_unread = message.seq == our_read + 1 and not ours(message)
        follows = (
            before is not None
            and not new_day
            and not first_unread
            and before.sender == message.sender
            and message.sent_at - before.sent_at < TOGETHER
        )
        result.append(
            Line(
                id=message.id,
                seq=message.seq,
                user=message.sender,
                name=thread.names.get(message.sender, message.sender),
                text=message.text,
                iso=rfc3339(message.sent_at, 3),
                time=clock.time(message.sent_at),
                full=clock.full(message.sent_at),
                day=clock.day(message.sent_at) if new_day else None,
                follows=follows,
                ours=ours(message),
                read=message.seq <= their_read,
                first_unread=first_unread,
                erased=message.erased,
                place=f"{place(message.seq)}#m-{message.seq}" if place else "",
                files=[wire(one) for one in message.attachments],
            )
        )
        before = message
    return result


@dataclass(frozen=True, slots=True)
class Ways:
    """Where the rest of a thread is: the addresses of older messages, of newer ones, and of the
    newest; None where there are none."""

    older: str | None
    newer: str | None
    newest: str | None


NOWHERE = Ways(None, None, None)


def ways(part: Thread, address: Callable[..., str]) -> Ways:
    """`address` makes one of `antes`, `despues` or `ultimos`."""
    if not part.messages:
        return NOWHERE
    first, last = part.messages[0].seq, part.messages[-1].seq
    return Ways(
        address(antes=str(first)) if part.more else None,
        address(despues=str(last)) if part.newer else None,
        address(ultimos="1") if part.newer else None,
    )


@dataclass(frozen=True, slots=True)
class Done:
    """What was done to a conversation, as it stands between its messages: `words` say it, but for
    a note, which has its `text` and its author's name."""

    position: int
    user: str
    name: str
    words: str
    text: str
    note: bool
    erased: bool
    iso: str
    time: str
    full: str


def woven(
    lines: Sequence[Line],
    thread: Thread,
    actions: Sequence[Action],
    clock: Clock,
    language: Language,
) -> list[Line | Done]:
    """The lines of a thread with what was done between them, in the order of the log."""
    woven: list[Line | Done] = []
    waiting = list(actions)
    for line, message in zip(lines, thread.messages, strict=True):
        between = [one for one in waiting if one.position < message.position]
        waiting = waiting[len(between) :]
        woven += [_done(one, clock, language) for one in between]
        woven.append(replace(line, follows=False) if between else line)
    return woven + [_done(one, clock, language) for one in waiting]


def _done(action: Action, clock: Clock, language: Language) -> Done:
    note = action.type == NoteWritten.type
    return Done(
        position=action.position,
        user=action.by,
        name=action.names.get(action.by, ""),
        words="" if note else _words(action, clock, language),
        text=action.value if note else "",
        note=note,
        erased=action.erased,
        iso=rfc3339(action.at, 3),
        time=clock.time(action.at),
        full=clock.full(action.at),
    )


def _words(action: Action, clock: Clock, language: Language) -> str:
    """`static/desk.js` says the same."""
    _ = language.say
    name = action.names.get(action.by, "") or _("Somebody")
    value = action.value or "…"
    until = "" if action.until is None else clock.full(action.until)
    to = action.names.get(action.value, action.value)
    said: Mapping[str, str] = {
        "conversation:assigned": _("{name} assigned this to {to}", name=name, to=to)
        if action.value
        else _("{name} unassigned this", name=name),
        "taken": _("{name} took this", name=name),
        "open": _("{name} opened this", name=name),
        "pending": _("{name} marked this as pending", name=name),
        "resolved": _("{name} resolved this", name=name),
        "snoozed": _("{name} snoozed this until {until}", name=name, until=until),
        "conversation:snooze:ended": _("The snooze ended"),
        "conversation:label:added": _("{name} added the label {label}", name=name, label=value),
        "conversation:label:removed": _(
            "{name} took off the label {label}", name=name, label=value
        ),
    }
    kind = action.value if action.type == "conversation:status:changed" else action.type
    if kind == "conversation:assigned" and action.by and action.by == action.value:
        kind = "taken"
    return said.get(kind, kind)
