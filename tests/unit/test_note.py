"""Signed notes and checkpoints against the published example, and each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registro.errors import NoteError
from registro.events import note
from registro.events.note import Checkpoint, Signer

# The example of Go's golang.org/x/mod/sumdb/note, which C2SP signed-note refers to.
PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
SIGNED = (
    f"{TEXT}\n\N{EM DASH} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FF"
    "YC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_the_published_example_is_signed_and_verified() -> None:
    assert note.sign(TEXT, note.parse_signer(PRIVATE)) == SIGNED
    assert note.open_note(SIGNED, note.parse_verifier(PUBLIC)) == TEXT


def test_keys_are_written_as_in_the_published_example() -> None:
    assert note.parse_signer(PRIVATE).text() == PRIVATE
    assert str(note.parse_signer(PRIVATE).verifier) == PUBLIC


@pytest.mark.parametrize(
    "changed",
    [
        SIGNED.replace("problem is", "problem was"),
        SIGNED.replace("x08go", "y08go"),
        SIGNED.replace("PeterNeumann x", "PaulNeumann x"),
        SIGNED[:-1],
        TEXT,
        "",
    ],
)
def test_any_other_note_is_refused(changed: str) -> None:
    with pytest.raises(NoteError):
        note.open_note(changed, note.parse_verifier(PUBLIC))


def test_one_valid_signature_among_others_is_enough() -> None:
    others = SIGNED + "\N{EM DASH} somebody AAAA\n"
    assert note.open_note(others, note.parse_verifier(PUBLIC)) == TEXT


@pytest.mark.parametrize("key", ["", "a+b", PUBLIC[:-1], PUBLIC.replace("c74f", "c75f"), "a b+1+2"])
def test_other_public_keys_are_refused(key: str) -> None:
    with pytest.raises(NoteError):
        note.parse_verifier(key)


def test_an_error_about_a_private_key_does_not_hold_the_key() -> None:
    with pytest.raises(NoteError) as caught:
        note.parse_signer(PRIVATE.replace("c74f", "c75f"))
    assert "AYEKFALVFGyNhP" not in str(caught.value)
    assert "AYEKFALVFGyNhP" not in repr(note.parse_signer(PRIVATE))


@given(
    st.binary(min_size=32, max_size=32), st.integers(0, 2**53), st.binary(min_size=32, max_size=32)
)
def test_a_signed_checkpoint_comes_back(seed: bytes, size: int, root: bytes) -> None:
    signer = Signer("example.org/registro", seed)
    checkpoint = Checkpoint("example.org/registro", size, root)
    text = note.open_note(note.sign(checkpoint.text(), signer), signer.verifier)
    assert note.parse_checkpoint(text) == checkpoint


@pytest.mark.parametrize(
    "text", ["", "a\nb\nc\n", "a\n1\n\n", "a\n01\n" + "A" * 43 + "=\n", "\n1\nAA==\n"]
)
def test_other_texts_are_no_checkpoint(text: str) -> None:
    with pytest.raises(NoteError):
        note.parse_checkpoint(text)
