"""The pages about people and for their preferences as values; `views` says what a view is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from registro.services.people import Someone
from registro.services.preferences import Preferences
from registro.web.views import View


@dataclass(frozen=True, slots=True)
class PeopleView(View):
    """A part of the list. `role` is empty for all; `more` the address of the next part."""

    template: ClassVar[str] = "people.html"
    people: Sequence[Someone]
    search: str
    role: str
    more: str | None


@dataclass(frozen=True, slots=True)
class SessionLine:
    """A login that is still good, or a token from elsewhere whose sockets are open (without times).

    `key` is what ends it, `own` whether it is the one that asks; `programs` are those of its
    sockets."""

    key: str
    own: bool
    started_at: int | None
    until: int | None
    sockets: int
    programs: str


@dataclass(frozen=True, slots=True)
class PersonView(View):
    """One account. `own` says that it is that of the one who looks; `done` and `problem` what came
    of what they did last (the template has the words)."""

    template: ClassVar[str] = "person.html"
    one: Someone
    own: bool
    sessions: Sequence[SessionLine]
    done: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class InviteView(View):
    """`problems` are by field: `user`, `name`, `role`."""

    template: ClassVar[str] = "invite.html"
    user: str = ""
    name: str = ""
    role: str = "user"
    problems: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class LinkView(View):
    """A link that was made, shown this once; `hours` is how long it is good."""

    template: ClassVar[str] = "link.html"
    id: str
    user: str
    name: str
    link: str
    hours: int
    invited: bool


@dataclass(frozen=True, slots=True)
class PasswordView(View):
    """Where a link leads. `user` is its owner's name, None for a link that is good for nothing;
    `problem` what was wrong with the password."""

    template: ClassVar[str] = "password.html"
    user: str | None
    link: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class OwnPasswordView(View):
    """`problem` is what was wrong: `wrong` (the old password), `throttled` (for `wait` seconds),
    `away`, or why the new one is not good enough."""

    template: ClassVar[str] = "own_password.html"
    problem: str = ""
    wait: int = 0


@dataclass(frozen=True, slots=True)
class PreferencesView(View):
    """`mail` is the part about e-mail (`mail.Section`); None where there is none."""

    template: ClassVar[str] = "preferences.html"
    chosen: Preferences
    saved: bool
    changed: bool = False
    mail: Any = None
