"""What fuzzing sends: strategies for text, JSON and bytes that are unlike what anybody means."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

NASTY = [
    "", " ", "\0", "a\0b", "\ud800", "\udfff\ud800", "\u202eadmin", "\u200b", "\ufeff", "é" * 5000,
    "\U0001f469‍\U0001f467", "' OR 1=1 --", "%s%n", "{{7*7}}", "../../etc/passwd", "<script>",
    "=cmd|'/c calc'!A0", "\r\nSet-Cookie: x=1", "1e999", "-1", "9" * 400, "NaN", "null",
    "99999999999999999999", "admin", "\u0430dmin", "__proto__", "%00", "%ff%fe", "a" * 70_000,
]  # fmt: skip
"""Texts that have broken other programs."""

any_text = st.one_of(st.text(max_size=60), st.sampled_from(NASTY))
"""Text, lone surrogates and all."""

encodable_text = any_text.map(lambda text: text.encode("utf-8", "replace").decode())
"""Text that UTF-8 can have."""

any_json = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        any_text,
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(any_text, inner, max_size=4)
    ),
    max_leaves=12,
)


def mostly(*right: Any) -> st.SearchStrategy[Any]:
    """What would be right, and anything else; so that what is deep inside is reached."""
    return st.one_of(st.sampled_from(right), any_json)
