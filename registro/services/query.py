"""What somebody looks for, read from what they wrote in a search field. Pure.

All words have to occur, `"words in quotes"` one after the other. Operators: `de:` and `para:`
somebody, `con:` somebody on either side, `antes:` and `despues:` a day or a moment, `estado:` of
the conversation now. What looks like an operator and is none is text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from registro.projections.grams import fold, normal

MAX_LENGTH = 200
"""Characters of a query."""

State = Literal["sin_leer", "esperando"]

STATES: Mapping[str, State] = {
    "sin_leer": "sin_leer", "unread": "sin_leer",
    "esperando": "esperando", "waiting": "esperando",
}  # fmt: skip
"""Words for what a conversation may be now: not read by the desk, or not answered."""

_OPERATORS: Mapping[str, str] = {
    "de": "by", "from": "by", "para": "to", "to": "to", "con": "within", "with": "within",
    "antes": "until", "before": "until", "despues": "since", "después": "since", "after": "since",
    "estado": "state", "status": "state",
}  # fmt: skip

_PART = re.compile(r'(?:([^\s":]+):)?(?:"([^"]*)"?|([^\s"]+))')


@dataclass(frozen=True, slots=True)
class Query:
    """All of it has to hold. `terms` are folded; people are user names; times are microseconds
    since 1970 (sent from `since`, before `until`). `odd` are operators that say nothing."""

    terms: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None
    states: tuple[State, ...] = ()
    odd: tuple[str, ...] = ()

    @property
    def asks(self) -> bool:
        """Whether it asks for anything."""
        return self != Query(odd=self.odd)


@dataclass
class _Found:
    terms: list[str] = field(default_factory=list)
    people: dict[str, list[str]] = field(default_factory=dict)
    since: int | None = None
    until: int | None = None
    states: list[State] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)


def parse(text: str, moment: Callable[[str], int]) -> Query:
    """Reads a query. `moment` gives the beginning of a day, or a moment, in microseconds since
    1970, and raises ValueError for what is neither."""
    found = _Found()
    for operator, value in _parts(text):
        kind = _OPERATORS.get(operator.casefold())
        if kind is None:
            term = " ".join(fold(f"{operator}:{value}" if operator else value).split())
            if term and term not in found.terms:
                found.terms.append(term)
        elif not _take(found, kind, value, moment):
            found.odd.append(f"{operator}:{value}")
    people = {kind: tuple(names) for kind, names in found.people.items()}
    return Query(
        terms=tuple(found.terms),
        since=found.since,
        until=found.until,
        states=tuple(found.states),
        odd=tuple(found.odd),
        **people,
    )


def _parts(text: str) -> Iterator[tuple[str, str]]:
    for operator, quoted, bare in _PART.findall(text):
        yield operator, quoted or bare


def _take(found: _Found, kind: str, value: str, moment: Callable[[str], int]) -> bool:
    """Notes what an operator says; False when it says nothing."""
    if kind in ("since", "until"):
        try:
            at = moment(value)
        except (ValueError, OverflowError):
            return False
        if kind == "since":
            found.since = max(at, found.since or 0)
        else:
            found.until = at if found.until is None else min(at, found.until)
    elif kind == "state":
        state = STATES.get(value.casefold())
        if state is None:
            return False
        found.states.append(state)
    elif not value:
        return False
    elif value not in found.people.setdefault(kind, []):
        found.people[kind].append(value)
    return True


class Piece(NamedTuple):
    """A part of a text; `found` says whether a term is in it."""

    text: str
    found: bool


EXCERPT = 300
"""Characters of a long text that are shown."""

_BEFORE = 80
"""Of them, characters before the first place."""


class Terms:
    """The terms of a query, for looking at texts."""

    def __init__(self, terms: tuple[str, ...]) -> None:
        spaced = [r"\s+".join(map(re.escape, term.split())) for term in terms]
        self._each = [re.compile(one) for one in spaced]
        # The longest first: of two that begin at one place it is the one that is marked.
        self._any = re.compile("|".join(sorted(spaced, key=len, reverse=True)) or r"(?!)")

    def in_(self, text: str) -> bool:
        """Whether all of them are in a text."""
        folded = fold(text)
        return all(one.search(folded) for one in self._each)

    def excerpt(self, text: str) -> list[Piece]:
        """A text, or what is around the first place in a long one, with the places."""
        text = normal(text)
        places = self._places(text)
        start = max(0, places[0][0] - _BEFORE) if places and len(text) > EXCERPT else 0
        end = min(len(text), start + EXCERPT)
        pieces = [Piece("…", False)] if start else []
        at = start
        for first, last in places:
            if first >= end:
                break
            pieces += [Piece(text[at:first], False), Piece(text[first : min(last, end)], True)]
            at = min(last, end)
        pieces.append(Piece(text[at:end] + ("…" if end < len(text) else ""), False))
        return [piece for piece in pieces if piece.text]

    def _places(self, text: str) -> list[tuple[int, int]]:
        """Where they are in a normal text: from one character up to another."""
        pieces = [fold(character) for character in text]
        origins = [number for number, piece in enumerate(pieces) for _ in piece]
        places: list[tuple[int, int]] = []
        for match in self._any.finditer("".join(pieces)):
            first, last = origins[match.start()], origins[match.end() - 1] + 1
            if places and first < places[-1][1]:
                first = places.pop()[0]
            places.append((first, last))
        return places
