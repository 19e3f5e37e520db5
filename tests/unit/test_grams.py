"""Folding texts, and the pieces by which parts of words are found."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registro.projections import search
from registro.projections.grams import fold, grams, needed, normal, word

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
MIXED = st.text(st.sampled_from("aáÀbñß1 .-_東京都がカ한국ไทย👍ﬁ\u0301\u3099"), max_size=30)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("ÁRBOL", "arbol"),
        ("a\u0301rbol", "arbol"),
        ("Straße", "strasse"),
        ("oﬁcina", "oficina"),
        ("ＡＢＣ", "abc"),
        ("İstanbul", "istanbul"),
        ("が", "が"),
        ("か\u3099", "が"),
        ("한국어", "한국어"),
        ("שָׁלוֹם", "שלום"),
        ("Ñandú", "nandu"),
    ],
)
def test_case_accents_and_forms_are_folded(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(TEXTS | MIXED)
def test_what_is_folded_stays_as_it_is_and_canonical_forms_are_the_same(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert fold(normal(text)) == fold(text)


@given(TEXTS | MIXED)
def test_a_text_is_folded_character_by_character(text: str) -> None:
    assert "".join(map(fold, normal(text))) == fold(text)


@given(MIXED, st.data())
def test_every_part_of_a_text_of_which_enough_is_needed_is_found(
    text: str, data: st.DataObject
) -> None:
    folded = fold(text)
    start = data.draw(st.integers(0, len(folded)))
    part = folded[start : data.draw(st.integers(start, len(folded)))]
    short = re.fullmatch(r"[^\W_]{1,2}", part) is not None
    middle = start > 0 and folded[start - 1].isalnum()
    if not (short and middle):  # the end of a word, or its middle, is too short to be found
        assert needed(part) <= grams(folded)


@pytest.mark.parametrize(
    ("term", "pieces"),
    [
        ("camion", {"cam", "ami", "mio", "ion"}),
        ("ca", {"ca"}),
        ("c", {"c"}),
        ("東京", {"東京"}),
        ("京", {"京"}),
        ("e-mail", {"mai", "ail"}),
        ("mail.x", {"mai", "ail", "x"}),
        ("...", set()),
        ("👍", {"👍"}),
    ],
)
def test_a_term_needs_these_pieces(term: str, pieces: set[str]) -> None:
    assert needed(term) == pieces


def test_words_are_of_one_form_and_differ_between_stretches() -> None:
    made = search.words(["cam", "東", search.ANY, search.by("x")], 12)
    assert len(made) == 4
    assert all(re.fullmatch(r"[a-z2-7]{4}12", one) for one in made)
    assert word("cam") == word("cam") != word("ami")
    assert search.words(["cam"], 12) != search.words(["cam"], 13)
