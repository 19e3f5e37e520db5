"""Random but possible histories: what people did, as events, and as rows of a log."""

from __future__ import annotations

from uuid import UUID

from hypothesis import strategies as st

from registro.events import codec, ids
from registro.events.record import Recorded
from registro.events.types import (
    CLOCK,
    DESK,
    Attachment,
    ConnectionClosed,
    ConnectionOpened,
    ConversationAssigned,
    ConversationLabelAdded,
    ConversationLabelRemoved,
    ConversationRead,
    ConversationSnoozeEnded,
    ConversationStatusChanged,
    ConversationUnread,
    DeskAnswerRemoved,
    DeskAnswerSaved,
    DeskViewRemoved,
    DeskViewSaved,
    Event,
    Imported,
    MailDropped,
    MailSent,
    MessageSent,
    NoteWritten,
    SessionEnded,
    SessionStarted,
    UserDisabled,
    UserEmailConfirmed,
    UserEmailRemoved,
    UserEnabled,
    UserPasswordReset,
    UserRegistered,
    UserRoleChanged,
)

PEOPLE = [str(UUID(int=n, version=4)) for n in range(1, 6)]
ADMINS = PEOPLE[:2]
USERS = PEOPLE[2:]
LABELS = ("vip", "VIP", "envío")
TIMES = "2026-01-01T00:00:00.000Z"

History = list[tuple[str, Event]]


def registrations() -> History:
    return [
        (f"user/{id_}", UserRegistered(user=f"u{n}", name=f"U {n}", role=_role(id_), origin="form"))
        for n, id_ in enumerate(PEOPLE)
    ]


def _role(id_: str) -> str:
    return "admin" if id_ in ADMINS else "user"


def _message() -> st.SearchStrategy[tuple[str, Event]]:
    def build(
        sender: str,
        recipient: str,
        text: str,
        imported: Imported | None,
        files: list[Attachment],
    ) -> tuple[str, Event]:
        if recipient == DESK or (sender in ADMINS) != (recipient in ADMINS):
            owner = recipient if sender in ADMINS else sender
            conversation = ids.desk_conversation(owner)
        else:
            conversation = ids.pair_conversation(sender, recipient)
        event = MessageSent(
            sender=sender,
            recipient=recipient,
            text=text,
            imported=imported,
            attachments=tuple(files),
        )
        return f"conversation/{conversation}", event

    texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)
    people = st.sampled_from(PEOPLE)
    pairs = st.tuples(people, people).filter(lambda pair: pair[0] != pair[1])
    to_desk = st.tuples(st.sampled_from(USERS), st.just(DESK))
    imported = st.sampled_from([None, None, None, Imported("original:mensajes:1", TIMES)])
    return st.builds(
        lambda pair, text, imported, files: build(*pair, text, imported, files),
        pairs | to_desk,
        texts,
        imported,
        st.just([]) | st.lists(_file(), max_size=2),
    )


def _file() -> st.SearchStrategy[Attachment]:
    """No two are the same: a file is sent once."""
    return st.builds(
        lambda id_, name: Attachment(str(id_), 7, name, "image/png", "ab" * 32, 3, 2),
        st.uuids(version=4),
        st.sampled_from(["foto.png", "año nuevo.pdf"]),
    )


def _read() -> st.SearchStrategy[tuple[str, Event]]:
    def build(user: str, side: str, seq: int) -> tuple[str, Event]:
        conversation = ids.desk_conversation(user)
        by = ADMINS[0] if side == DESK else user
        event = ConversationRead(
            conversation=conversation, side=DESK if side == DESK else user, seq=seq, by=by
        )
        return f"desk/{conversation}", event

    return st.builds(
        build, st.sampled_from(USERS), st.sampled_from([DESK, "user"]), st.integers(1, 9)
    )


def _desk_events(conversation: str) -> list[Event]:
    """What admins do to a conversation; positions that it names may be of anything."""
    one, other = ADMINS
    positions = range(6, 30)
    return [
        *(ConversationAssigned(conversation, to, one) for to in (one, other, "")),
        ConversationStatusChanged(conversation, "open", one),
        ConversationStatusChanged(conversation, "pending", other),
        ConversationStatusChanged(conversation, "resolved", one),
        *(ConversationStatusChanged(conversation, "snoozed", by, TIMES) for by in ADMINS),
        *(ConversationSnoozeEnded(conversation, snooze, CLOCK) for snooze in positions),
        *(ConversationLabelAdded(conversation, label, by) for label in LABELS for by in ADMINS),
        *(ConversationLabelRemoved(conversation, "vip", (at,), one) for at in positions),
        *(ConversationLabelRemoved(conversation, "VIP", (at, at + 1), one) for at in positions),
        *(NoteWritten(conversation, text, other) for text in ("llamó", "¡ojo!")),
        *(ConversationUnread(conversation, seq, one) for seq in range(1, 10)),
    ]


def _desk() -> st.SearchStrategy[tuple[str, Event]]:
    """Each kind as often as the others, for each user."""
    kinds: dict[str, list[tuple[str, Event]]] = {}
    for conversation in map(ids.desk_conversation, USERS):
        for event in _desk_events(conversation):
            kinds.setdefault(event.type, []).append((f"desk/{conversation}", event))
    return st.one_of(*map(st.sampled_from, kinds.values()))


def _view() -> st.SearchStrategy[tuple[str, Event]]:
    saved = [
        DeskViewSaved(owner, name, "de=mias", by, shared)
        for owner in ADMINS
        for by in ADMINS
        for name in ("mías", "tuyas")
        for shared in (False, True)
    ]
    streams = st.sampled_from([f"view/{UUID(int=n, version=4)}" for n in (200, 201)])
    return st.tuples(streams, st.sampled_from([*saved, *map(DeskViewRemoved, ADMINS)]))


def _answer() -> st.SearchStrategy[tuple[str, Event]]:
    events = [
        *(
            DeskAnswerSaved(title, "¡Gracias!", by)
            for title in ("gracias", "pago")
            for by in ADMINS
        ),
        *map(DeskAnswerRemoved, ADMINS),
    ]
    streams = st.sampled_from([f"answer/{UUID(int=n, version=4)}" for n in (210, 211)])
    return st.tuples(streams, st.sampled_from(events))


def _connection() -> st.SearchStrategy[tuple[str, Event]]:
    def build(number: int, person: str, opened: bool) -> tuple[str, Event]:
        stream = f"connection/{UUID(int=number, version=4)}"
        if opened:
            event: Event = ConnectionOpened(
                user=person, role=_role(person), session="k", transport="polling", node=PEOPLE[0]
            )
        else:
            event = ConnectionClosed(user=person, reason="transport close", milliseconds=5)
        return stream, event

    return st.builds(build, st.integers(100, 130), st.sampled_from(PEOPLE), st.booleans())


def _session() -> st.SearchStrategy[tuple[str, Event]]:
    def build(person: str, number: str, ended: bool) -> tuple[str, Event]:
        key = f"{person}-{number}"  # no two people have the same token
        if ended:
            event: Event = SessionEnded(user=person, key=key, reason="logout", by=person)
        else:
            event = SessionStarted(user=person, key=key, expires=TIMES)
        return ids.session_stream(person, key), event

    return st.builds(build, st.sampled_from(PEOPLE), st.sampled_from("abcdef"), st.booleans())


def _account() -> st.SearchStrategy[tuple[str, Event]]:
    events = [
        UserDisabled(by="x"),
        UserEnabled(by="x"),
        UserPasswordReset(by="x"),
        UserRoleChanged(role="user", by="x"),
    ]
    return st.tuples(
        st.sampled_from(PEOPLE).map(lambda id_: f"user/{id_}"), st.sampled_from(events)
    )


def _mail() -> st.SearchStrategy[tuple[str, Event]]:
    def build(user: str, kind: int, seq: int) -> tuple[str, Event]:
        conversation = ids.desk_conversation(user)
        if kind < 3:
            return f"user/{user}", UserEmailConfirmed(f"a{seq}@b.example", "es", user)
        if kind == 3:
            return f"user/{user}", UserEmailRemoved("person", user)
        sent: Event = MailSent(conversation, user, 1, seq)
        if kind == 4:
            sent = MailDropped(conversation, user, 1, seq, "refused", 550)
        return f"desk/{conversation}", sent

    return st.builds(build, st.sampled_from(USERS), st.integers(0, 5), st.integers(1, 9))


def histories(max_size: int = 40) -> st.SearchStrategy[History]:
    """Everybody registers; then anything that can happen once or often happens in any order."""
    steps = st.one_of(
        _message(),
        _message(),
        _read(),
        _desk(),
        _desk(),
        _connection(),
        _session(),
        _account(),
        _view(),
        _answer(),
        _mail(),
    )
    return st.lists(steps, max_size=max_size).map(lambda rest: registrations() + _possible(rest))


def _possible(steps: History) -> History:
    """Leaves out what the log could not hold: a second opening, closing or start of the same."""
    seen: set[tuple[str, str]] = set()
    kept: History = []
    for stream, event in steps:
        once = event.type in (ConnectionOpened.type, ConnectionClosed.type, SessionStarted.type)
        key = (stream, event.type)
        orphan = event.type == ConnectionClosed.type and (stream, ConnectionOpened.type) not in seen
        late = event.type == SessionStarted.type and (stream, SessionEnded.type) in seen
        if (once and key in seen) or orphan or late:
            continue
        seen.add(key)
        kept.append((stream, event))
    return kept


def as_rows(history: History) -> list[tuple[Recorded, Event]]:
    """The history as a log would have recorded it; hashes are left out."""
    versions: dict[str, int] = {}
    rows = []
    for position, (stream, event) in enumerate(history, 1):
        versions[stream] = versions.get(stream, 0) + 1
        row = Recorded(
            position, str(UUID(int=position, version=4)), stream, versions[stream], event.type,
            event.schema, position * 1_000_000, codec.encode(event), b"s" * 32, b"", b"",
        )  # fmt: skip
        rows.append((row, event))
    return rows
