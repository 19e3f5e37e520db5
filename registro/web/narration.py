"""Events in words: what the audit pages say of each, in the reader's language."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from registro.events import ids
from registro.events.decide import Person
from registro.events.record import Recorded, parse_rfc3339, rfc3339
from registro.events.types import (
    CLOCK,
    COMMAND_LINE,
    DESK,
    AccessDenied,
    ConnectionClosed,
    ConnectionOpened,
    ConversationAssigned,
    ConversationLabelAdded,
    ConversationLabelRemoved,
    ConversationRead,
    ConversationStatusChanged,
    ConversationUnread,
    DeskAnswerSaved,
    DeskHoursChanged,
    DeskViewSaved,
    Event,
    LogErased,
    LoginsFailed,
    LogVerified,
    MailDropped,
    MailSent,
    MessageSent,
    NoteWritten,
    SessionEnded,
    SessionStarted,
    UserEmailRemoved,
    UserRegistered,
    UserRoleChanged,
)
from registro.services.audit import event_of
from registro.web.i18n import N_, Language
from registro.web.times import Clock, duration

EXCERPT = 160
"""Characters of a message that a list shows."""

TITLES: Mapping[str, str] = {
    "user:registered": N_("Account created"),
    "user:role:changed": N_("Role changed"),
    "user:password:changed": N_("Password changed"),
    "user:password:reset": N_("Password reset"),
    "user:disabled": N_("Disabled"),
    "user:enabled": N_("Enabled"),
    "user:email:confirmed": N_("E-mail address confirmed"),
    "user:email:removed": N_("E-mail address removed"),
    "session:started": N_("Login"),
    "session:renewed": N_("Login prolonged"),
    "session:ended": N_("Session ended"),
    "security:logins:failed": N_("Failed logins"),
    "security:access:denied": N_("Access denied"),
    "connection:opened": N_("Connection opened"),
    "connection:closed": N_("Connection closed"),
    "conversation:message:sent": N_("Message"),
    "conversation:read": N_("Read"),
    "conversation:unread": N_("Marked unread"),
    "conversation:assigned": N_("Assigned"),
    "conversation:status:changed": N_("Status changed"),
    "conversation:snooze:ended": N_("Snooze ended"),
    "conversation:label:added": N_("Label added"),
    "conversation:label:removed": N_("Label removed"),
    "conversation:note:written": N_("Private note"),
    "desk:view:saved": N_("View saved"),
    "desk:view:removed": N_("View removed"),
    "desk:answer:saved": N_("Canned answer saved"),
    "desk:answer:removed": N_("Canned answer removed"),
    "conversation:mail:sent": N_("E-mail sent"),
    "conversation:mail:dropped": N_("E-mail not sent"),
    "desk:hours:changed": N_("Office hours changed"),
    "log:verified": N_("Log verified"),
    "log:erased": N_("Erased"),
}
"""What each event type is called."""

KINDS: Mapping[str, str] = {
    "conversation:message": N_("Messages"),
    "conversation": N_("Conversations and what was done to them"),
    "session": N_("Logins"),
    "connection": N_("Connections"),
    "user": N_("Accounts"),
    "security": N_("Security"),
    "desk": N_("What the desk has set up"),
    "log": N_("Verifications and erasures"),
}
"""Beginnings of type names that make sense together."""


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody whom an event concerns: a name, and the address of their page, if they have one."""

    name: str
    href: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """An event as a line of a list. `day` is there where a new day begins; `quote` says that `text`
    is what somebody wrote; `place` is the address of a message in its conversation."""

    position: int
    iso: str
    time: str
    day: str
    type: str
    title: str
    parties: Sequence[Party]
    text: str
    quote: bool
    erased: bool
    place: str | None

    def wire(self) -> dict[str, object]:
        """The line as JSON, for the page that follows the log."""
        return {
            "posicion": self.position,
            "fecha": self.iso,
            "hora": self.time,
            "dia": self.day,
            "tipo": self.type,
            "titulo": self.title,
            "personas": [{"nombre": one.name, "enlace": one.href} for one in self.parties],
            "texto": self.text,
            "cita": self.quote,
            "borrado": self.erased,
        }


_BROWSERS = (
    ("Edg", "Edge"), ("OPR", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("FxiOS", "Firefox"),
    ("Firefox", "Firefox"), ("CriOS", "Chrome"), ("HeadlessChrome", "Chrome"), ("Chrome", "Chrome"),
    ("Version", "Safari"),
)  # fmt: skip
"""Tokens of User-Agents; the first that is there counts, since most browsers name others, too."""

_SYSTEMS = ("Windows", "Android", "iPhone", "iPad", "Macintosh", "CrOS", "Linux")


def program(client: str) -> str:
    """A User-Agent in few words: `Chrome 126, Android`; of what is no browser the first word."""
    for token, name in _BROWSERS:
        found = re.search(rf"\b{token}/(\d+)", client)
        if found:
            system = next((one for one in _SYSTEMS if one in client), "")
            return ", ".join(filter(None, (f"{name} {found[1]}", system)))
    return client.split(" ", 1)[0][:40]


def people_of(rows: Iterable[Recorded]) -> set[str]:
    """The ids of the people whom some events name."""
    return {id_ for row in rows for id_ in _parties(row, event_of(row)) if id_ not in _NOBODY}


_NOBODY = frozenset({CLOCK, DESK, COMMAND_LINE, ""})


def _parties(row: Recorded, event: Event | None) -> list[str]:
    """Who did it or whom it befell first, then the others."""
    if isinstance(event, MessageSent):
        return [event.sender, event.recipient]
    if isinstance(event, ConversationRead):
        return [event.by]
    if isinstance(event, ConversationAssigned):
        return [event.by, event.to] if event.to else [event.by]
    if isinstance(event, LogErased):
        return [event.user or event.by]
    owner = row.stream.removeprefix("user/") if row.stream.startswith("user/") else ""
    found = [owner, getattr(event, "user", "") if not owner else "", getattr(event, "by", "")]
    return list(dict.fromkeys(one for one in found if one))


def user_page(user_id: str) -> str:
    return f"/admin/usuario?id={user_id}"


class Narrator:
    """Tells events to one reader. `people` are those whom the events name, as far as known."""

    def __init__(self, language: Language, clock: Clock, people: Mapping[str, Person]) -> None:
        self.language = language
        self.clock = clock
        self._people = people

    def tell(self, row: Recorded) -> Told:
        event = event_of(row)
        say = self.language.say
        return Told(
            position=row.position,
            iso=rfc3339(row.recorded_at, 3),
            time=self.clock.second(row.recorded_at),
            day=self.clock.day(row.recorded_at),
            type=row.type,
            title=self._title(row, event),
            parties=[self.party(id_) for id_ in _parties(row, event)],
            text=say("The payload was erased.") if row.erased else self._text(event),
            quote=isinstance(event, MessageSent | NoteWritten),
            erased=row.erased,
            place=self._place(row, event),
        )

    def title(self, type_: str) -> str:
        """What a type of events is called; the type itself for those of a newer program."""
        known = TITLES.get(type_)
        return type_ if known is None else self.language.gettext(known)

    def _title(self, row: Recorded, event: Event | None) -> str:
        if isinstance(event, SessionStarted) and event.login:
            return self.language.say("Token renewed")
        if isinstance(event, MessageSent) and event.imported is not None:
            return self.language.say("Imported message")
        return self.title(row.type)

    def party(self, id_: str) -> Party:
        say = self.language.say
        if id_ == DESK:
            return Party(say("Support"), None)
        if id_ == COMMAND_LINE:
            return Party(say("Command line"), None)
        if id_ == CLOCK:
            return Party(say("By itself"), None)
        person = self._people.get(id_)
        name = say("Somebody ({id})", id=id_[:8]) if person is None else person.name
        return Party(name, user_page(id_))

    def _text(self, event: Event | None) -> str:
        words = None if event is None else _WORDS.get(type(event))
        return "" if words is None else words(self, event)

    def _place(self, row: Recorded, event: Event | None) -> str | None:
        """Where a message of a desk conversation stands."""
        if not isinstance(event, MessageSent):
            return None
        conversation = row.stream.partition("/")[2]
        for id_ in (event.sender, event.recipient):
            person = self._people.get(id_)
            if person is not None and ids.desk_conversation(id_) == conversation:
                con = quote(person.user, safe="")
                return f"/soporte?con={con}&antes={row.version + 1}#m-{row.version}"
        return None


def _registered(narrator: Narrator, event: UserRegistered) -> str:
    return " · ".join((event.user, _role(narrator, event.role), _origin(narrator, event.origin)))


def _origin(narrator: Narrator, origin: str) -> str:
    _ = narrator.language.say
    return {
        "form": _("by the form"),
        "command-line": _("on the command line"),
        "token": _("by a token from elsewhere"),
        "fixtures": _("as sample data"),
        "import": _("imported from the original"),
        "invitation": _("invited"),
    }.get(origin, origin)


def _role(narrator: Narrator, role: str) -> str:
    _ = narrator.language.say
    return _("admin") if role == "admin" else _("user")


def _role_changed(narrator: Narrator, event: UserRoleChanged) -> str:
    return "→ " + _role(narrator, event.role)


def _session_started(narrator: Narrator, event: SessionStarted) -> str:
    return _until(narrator, event.expires)


def _until(narrator: Narrator, time: str) -> str:
    return narrator.language.say("until {when}", when=_when(narrator, time))


def _when(narrator: Narrator, text: str) -> str:
    try:
        return narrator.clock.full(parse_rfc3339(text))
    except ValueError:
        return text


def _ended(narrator: Narrator, event: SessionEnded) -> str:
    _ = narrator.language.say
    return _("logged out") if event.reason == "logout" else _("revoked")


def _opened(narrator: Narrator, event: ConnectionOpened) -> str:
    return " · ".join(filter(None, (event.transport, program(event.client))))


def _closed(narrator: Narrator, event: ConnectionClosed) -> str:
    _ = narrator.language.say
    crash = _("its server died") if event.reason == "crash" else event.reason
    return " · ".join((_("after {time}", time=duration(event.milliseconds)), crash))


def _message(narrator: Narrator, event: MessageSent | NoteWritten) -> str:
    return event.text if len(event.text) <= EXCERPT else event.text[:EXCERPT] + "…"


def _read(narrator: Narrator, event: ConversationRead) -> str:
    return narrator.language.say("up to message {seq}", seq=event.seq)


def _unread(narrator: Narrator, event: ConversationUnread) -> str:
    return narrator.language.say("from message {seq} on", seq=event.seq)


def _assigned(narrator: Narrator, event: ConversationAssigned) -> str:
    return "" if event.to else narrator.language.say("to nobody")


STATUSES: Mapping[str, str] = {
    "open": N_("Open"),
    "pending": N_("Pending"),
    "resolved": N_("Resolved"),
    "snoozed": N_("Snoozed"),
}
"""What each status of a conversation is called."""


def _status(narrator: Narrator, event: ConversationStatusChanged) -> str:
    words = narrator.language.gettext(STATUSES[event.status])
    until = _until(narrator, event.until) if event.until else ""
    return "→ " + " ".join(filter(None, (words, until)))


def _label(narrator: Narrator, event: ConversationLabelAdded | ConversationLabelRemoved) -> str:
    return event.label


def _failed(narrator: Narrator, event: LoginsFailed) -> str:
    return narrator.language.say(
        "{failed} failed, {throttled} turned away, from {addresses} addresses",
        failed=event.failed,
        throttled=event.throttled,
        addresses=event.addresses,
    )


def _denied(narrator: Narrator, event: AccessDenied) -> str:
    say = narrator.language.say
    text = say(
        "{strangers} without a login, {forbidden} without the right, {forged} from other sites",
        strangers=event.unauthenticated,
        forbidden=event.forbidden,
        forged=event.forged,
    )
    if not event.sockets and not event.limited:
        return text
    more = say(
        "{sockets} connections refused, {limited} above a limit",
        sockets=event.sockets,
        limited=event.limited,
    )
    return f"{text}, {more}"


def _verified(narrator: Narrator, event: LogVerified) -> str:
    count = narrator.language.count
    checked = count("{number} event checked", "{number} events checked", event.events)
    wrong = count("{number} finding", "{number} findings", event.findings)
    return f"{checked} · {wrong}"


def _erased(narrator: Narrator, event: LogErased) -> str:
    count = narrator.language.count
    payloads = count("{number} payload", "{number} payloads", len(event.positions))
    return " · ".join(filter(None, (payloads, event.reason)))


def _view(narrator: Narrator, event: DeskViewSaved) -> str:
    _ = narrator.language.say
    whose = _("for all admins") if event.shared else _("for oneself")
    return f"{event.name} · {whose}"


def _answer(narrator: Narrator, event: DeskAnswerSaved) -> str:
    return event.title


def _mail(narrator: Narrator, event: MailSent | MailDropped) -> str:
    _ = narrator.language.say
    about = _("answers {first} to {last}", first=event.first, last=event.last)
    if isinstance(event, MailSent):
        return about
    reason = {
        "refused": _("the mail server refused it ({code})", code=event.code),
        "unreachable": _("the mail server was away for too long"),
        "unknown": _("the server ended while sending: it may have arrived"),
        "erased": _("the answers were erased"),
    }[event.reason]
    return f"{about} · {reason}"


def _email_removed(narrator: Narrator, event: UserEmailRemoved) -> str:
    _ = narrator.language.say
    return _("by the link in a mail") if event.reason == "unsubscribed" else ""


def _hours(narrator: Narrator, event: DeskHoursChanged) -> str:
    return event.zone or narrator.language.say("no office hours")


_WORDS: Mapping[type[Event], Callable[[Narrator, Any], str]] = {
    UserRegistered: _registered,
    UserRoleChanged: _role_changed,
    SessionStarted: _session_started,
    SessionEnded: _ended,
    ConnectionOpened: _opened,
    ConnectionClosed: _closed,
    MessageSent: _message,
    ConversationRead: _read,
    ConversationUnread: _unread,
    ConversationAssigned: _assigned,
    ConversationStatusChanged: _status,
    ConversationLabelAdded: _label,
    ConversationLabelRemoved: _label,
    NoteWritten: _message,
    DeskViewSaved: _view,
    DeskAnswerSaved: _answer,
    LoginsFailed: _failed,
    AccessDenied: _denied,
    LogVerified: _verified,
    MailSent: _mail,
    MailDropped: _mail,
    UserEmailRemoved: _email_removed,
    DeskHoursChanged: _hours,
    LogErased: _erased,
}
