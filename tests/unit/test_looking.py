"""Who looks at what is forgotten after a while, and bounded."""

from __future__ import annotations

from registro.web.looking import KEPT, MOST, Look, Looking, read


def look(page: str, conversation: str | None = "c") -> Look:
    return Look(page, "ana", "Ana", conversation)


def test_what_was_said_last_of_a_page_counts() -> None:
    looking = Looking()
    looking.note(look("1", "a"), 0)
    looking.note(look("2", "a"), 0)
    looking.note(look("1", "b"), 1)
    looking.note(look("2", None), 1)
    assert looking.all(1) == [look("1", "b")]
    assert looking.of("2") is None


def test_who_says_nothing_more_does_not_look_any_more() -> None:
    looking = Looking()
    looking.note(look("1"), 0)
    looking.note(look("2"), 5)
    assert looking.all(KEPT - 1) == [look("1"), look("2")]
    assert looking.all(KEPT) == [look("2")]


def test_no_more_than_so_many_pages_are_remembered() -> None:
    looking = Looking()
    for number in range(MOST + 5):
        looking.note(look(str(number)), 0)
    assert len(looking.all(0)) == MOST
    assert looking.of("4") is None


def test_words_of_other_processes_are_read_and_nothing_else() -> None:
    assert read(look("1").wire()) == look("1")
    assert read(look("1", None).wire()) == look("1", None)
    for wrong in (
        None,
        [],
        {},
        look("1").wire() | {"user": 5},
        look("1").wire() | {"conversacion": 5},
    ):
        assert read(wrong) is None
