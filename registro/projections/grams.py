"""The small pieces by which parts of words are found, the same on every database.

Text is folded (case, accents, forms of compatibility) and split into runs of letters and digits. A
run gives its trigrams, and its first one and two letters, so that a short term finds beginnings of
words. Scripts that are written without spaces, and symbols, give single characters and pairs.
Full-text engines see short ASCII words that stand for these, since what they make of text differs.
"""

from __future__ import annotations

import unicodedata
from base64 import b32encode
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import blake2b
from itertools import groupby

_ACCENTS = ((0x0300, 0x036F), (0x0591, 0x05C7), (0x064B, 0x065F), (0x0670, 0x0670))
"""Combining accents, Hebrew points, Arabic vowel signs. Marks of other scripts are not accents."""

_UNSPACED = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x2E80, 0x2FDF), (0x3005, 0x3007),
    (0x3040, 0x30FF), (0x3100, 0x312F), (0x31A0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF),
    (0xAC00, 0xD7A3), (0xF900, 0xFAFF), (0x1B000, 0x1B16F), (0x20000, 0x3FFFF),
)  # fmt: skip
"""Thai, Lao, Burmese, Khmer, Chinese, Japanese, Korean."""


class _Table(dict[int, str]):
    def __missing__(self, code: int) -> str:
        folded = _fold_character(chr(code))
        if len(self) < 100_000:
            self[code] = folded
        return folded


_FOLDED = _Table()


def normal(text: str) -> str:
    """The text in the form (NFC) of which `fold` makes a piece for every character."""
    return unicodedata.normalize("NFC", text)


def fold(text: str) -> str:
    """The text as it is compared: `Àrbol`, `ARBOL` and `árbol` are the same, and so are `ﬁ` and
    `fi`. What is folded already stays as it is."""
    return normal(text).translate(_FOLDED)


def _fold_character(character: str) -> str:
    plain = _without_accents(character).casefold()
    return normal(_without_accents(plain).casefold())


def _without_accents(text: str) -> str:
    return "".join(
        one for one in unicodedata.normalize("NFKD", text) if not _is_in(ord(one), _ACCENTS)
    )


def _is_in(code: int, ranges: Iterable[tuple[int, int]]) -> bool:
    return any(first <= code <= last for first, last in ranges)


@lru_cache(maxsize=65_536)
def _kind(character: str) -> str:
    """What a character is part of: a run of letters, one without spaces, or (empty) none."""
    if _is_in(ord(character), _UNSPACED):
        return "unspaced"
    category = unicodedata.category(character)
    if category[0] in "LNM":
        return "letters"
    return "unspaced" if category[0] == "S" else ""


def _runs(folded: str) -> Iterator[tuple[str, str, bool]]:
    """Runs with their kind, and whether each is at the beginning of the text."""
    at_start = True
    for kind, characters in groupby(folded, _kind):
        if kind:
            yield kind, "".join(characters), at_start
        at_start = False


def grams(folded: str) -> set[str]:
    """All grams by which a folded text is found."""
    found: set[str] = set()
    for part in folded.split():
        found |= _of_short(part) if len(part) <= _SHORT else _of(part)
    return found


_SHORT = 24


@lru_cache(maxsize=4096)
def _of_short(part: str) -> frozenset[str]:
    """Most words of a text were in others before. One takes two kilobytes here."""
    return frozenset(_of(part))


def _of(part: str) -> set[str]:
    found: set[str] = set()
    for kind, run, _ in _runs(part):
        if kind == "unspaced":
            found.update(run)
            found.update(run[i : i + 2] for i in range(len(run) - 1))
        else:
            found |= {run[:1], run[:2]}
            found.update(run[i : i + 3] for i in range(len(run) - 2))
    return found


def needed(term: str) -> set[str]:
    """The grams that every folded text has in which a folded term is found. Empty for a term of
    nothing but punctuation.

    A term of one or two letters finds beginnings of words alone. At the beginning of a longer
    term (`o-mail`) such a piece may be the end of a word, and is left to comparing the text.
    """
    found: set[str] = set()
    for kind, run, at_start in _runs(term):
        if kind == "unspaced":
            found.update({run} if len(run) == 1 else (run[i : i + 2] for i in range(len(run) - 1)))
        elif len(run) > 2:
            found.update(run[i : i + 3] for i in range(len(run) - 2))
        elif not at_start or len(run) == len(term):
            found.add(run)
    return found


@lru_cache(maxsize=131_072)
def word(gram: str) -> str:
    """Four letters or digits that stand for a gram: one of a million. Two grams may share one,
    so what is found has to be looked at."""
    return (
        b32encode(blake2b(gram.encode("utf-8", "surrogatepass"), digest_size=5).digest())[:4]
        .decode()
        .lower()
    )
