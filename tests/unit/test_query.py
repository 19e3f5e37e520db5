"""Reading queries, and marking in texts what was found."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registro.projections.grams import normal
from registro.services.query import EXCERPT, Query, Terms, parse


def day(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


def read(text: str) -> Query:
    return parse(text, day)


MARCH, APRIL = day("2026-03-01"), day("2026-04-01")


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", Query()),
        ("  Hola  MUNDO ", Query(terms=("hola", "mundo"))),
        ("hola hóla", Query(terms=("hola",))),
        ('"qué  tal" bien', Query(terms=("que tal", "bien"))),
        ('"sin cerrar', Query(terms=("sin cerrar",))),
        ('""', Query()),
        ("de:ana para:flor.ba", Query(by=("ana",), to=("flor.ba",))),
        ("con:ana con:flor", Query(within=("ana", "flor"))),
        ('de:"ana x" hola', Query(by=("ana x",), terms=("hola",))),
        ("from:Ana to:x with:y", Query(by=("Ana",), to=("x",), within=("y",))),
        ("antes:2026-04-01 despues:2026-03-01", Query(since=MARCH, until=APRIL)),
        ("después:2026-03-01 after:2026-04-01", Query(since=APRIL)),
        ("antes:2026-03-01 antes:2026-04-01", Query(until=MARCH)),
        ("estado:sin_leer estado:Waiting", Query(states=("sin_leer", "esperando"))),
        ("estado:raro antes:ayer", Query(odd=("estado:raro", "antes:ayer"))),
        ('antes:""', Query(odd=("antes:",))),
        ("http://x.es nota:1 de:", Query(terms=("http://x.es", "nota:1", "de:"))),
    ],
)
def test_a_query_is_read(text: str, query: Query) -> None:
    assert read(text) == query


def test_a_query_of_nothing_but_mistakes_asks_for_nothing() -> None:
    assert not read("antes:ayer").asks
    assert not read(" ").asks
    assert read("estado:esperando").asks


@given(st.text(max_size=100))
def test_any_text_is_a_query(text: str) -> None:
    assert all(term == " ".join(term.split()) != "" for term in read(text).terms)


def marked(text: str, query: str) -> str:
    pieces = Terms(read(query).terms).excerpt(text)
    return "".join(f"[{piece.text}]" if piece.found else piece.text for piece in pieces)


@pytest.mark.parametrize(
    ("text", "query", "shown"),
    [
        ("El CAMIÓN llegó", "camion", "El [CAMIÓN] llegó"),
        ("la oﬁcina", "fi", "la o[ﬁ]cina"),
        ("Straße", "ss", "Stra[ß]e"),
        ("qué\n tal", '"que tal"', "[qué\n tal]"),
        ("abcd", "abc bcd", "[abc]d"),
        ("東京都", "京", "東[京]都"),
        ("nada", "otra", "nada"),
        ("nada", "", "nada"),
    ],
)
def test_what_was_found_is_marked(text: str, query: str, shown: str) -> None:
    assert marked(text, query) == shown


def test_of_a_long_text_what_is_around_the_first_place_is_shown() -> None:
    shown = marked("x" * 500 + " aguja " + "y" * 500, "aguja")
    assert shown.startswith("…xxx")
    assert "[aguja]" in shown
    assert shown.endswith("yyy…")
    assert len(shown) == EXCERPT + 4
    assert marked("x" * 1000, "") == "x" * EXCERPT + "…"


@given(st.text(max_size=200), st.text(max_size=5))
def test_nothing_of_a_text_is_lost_by_marking(text: str, query: str) -> None:
    pieces = Terms(read(query).terms).excerpt(text)
    assert "".join(piece.text for piece in pieces) == normal(text)


def test_all_terms_have_to_be_in_a_text() -> None:
    terms = Terms(("hola", "que tal"))
    assert terms.in_("¿Qué \n tal? HOLA")
    assert not terms.in_("hola, tal que")
