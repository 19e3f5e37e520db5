"""The payload codec: canonical bytes, round trips, versions."""

from __future__ import annotations

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from registro.errors import UnknownEvent
from registro.events import codec
from registro.events.types import MessageSent, UserRegistered

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
KEYS = st.text(st.characters(max_codepoint=127))
INTEGERS = st.integers(-codec.MAX_INTEGER, codec.MAX_INTEGER)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
)


@given(VALUES)
def test_the_encoding_is_that_of_rfc_8785(value: object) -> None:
    assert codec.canonical(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


@given(VALUES)
def test_what_is_encoded_comes_back(value: object) -> None:
    assert msgspec.json.decode(codec.canonical(value)) == value


def _events() -> st.SearchStrategy[object]:
    return st.sampled_from(list(codec.EVENT_TYPES.values())).flatmap(_event)


def _event(cls: type) -> st.SearchStrategy[object]:
    info = msgspec.inspect.type_info(cls)
    assert isinstance(info, msgspec.inspect.StructType)
    return st.builds(cls, **{field.name: _value(field.type) for field in info.fields})


def _value(kind: msgspec.inspect.Type) -> st.SearchStrategy[object]:
    if isinstance(kind, msgspec.inspect.UnionType):
        return st.one_of([_value(one) for one in kind.types])
    if isinstance(kind, msgspec.inspect.StructType):
        return _event(kind.cls)
    if isinstance(kind, msgspec.inspect.VarTupleType):
        return st.lists(_value(kind.item_type), max_size=5).map(tuple)
    if isinstance(kind, msgspec.inspect.DictType):
        return st.dictionaries(KEYS, VALUES, max_size=3)
    if isinstance(kind, msgspec.inspect.LiteralType):
        return st.sampled_from(kind.values)
    simple = {
        "IntType": INTEGERS,
        "StrType": TEXT,
        "BoolType": st.booleans(),
        "NoneType": st.none(),
    }
    return simple[type(kind).__name__]


@given(_events())
def test_every_event_survives_being_stored(event: object) -> None:
    payload = codec.encode(event)  # type: ignore[arg-type]
    assert payload == rfc8785.dumps(msgspec.to_builtins(event))
    assert codec.decode(event.type, event.schema, payload) == event  # type: ignore[attr-defined]


@pytest.mark.parametrize("value", [1.5, float("nan"), 2**53, -(2**53), b"x", {1: 2}, {"ñ": 1}])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each message is its own
        codec.canonical([value])


def test_lone_surrogates_are_refused() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        codec.encode(MessageSent(sender="a", recipient="b", text="\ud800"))


def test_a_type_of_a_newer_program_is_named_in_the_error() -> None:
    with pytest.raises(UnknownEvent, match="'conversation:message:sung'"):
        codec.decode("conversation:message:sung", 1, b"{}")


def test_a_schema_of_a_newer_program_is_refused() -> None:
    with pytest.raises(UnknownEvent, match="schema 2: this version knows up to 1"):
        codec.decode(MessageSent.type, 2, b"{}")


def test_older_schemas_are_upcast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        codec.UPCASTERS, (UserRegistered.type, 0), lambda old: {**old, "role": "user"}
    )
    payload = b'{"name":"Ana","origin":"form","user":"ana"}'
    event = codec.decode(UserRegistered.type, 0, payload)
    assert event == UserRegistered(user="ana", name="Ana", role="user", origin="form")
