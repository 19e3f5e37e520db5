"""Payloads of client events: checked, whatever they hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registro.errors import Refused
from registro.web import wire

ID = "C0FFEE00-0000-4000-8000-000000000000"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["para", "mensaje", "id", "visto", "conversacion", "seq", "vistos", "cursor"]
)
PARSERS = (wire.send_message, wire.mark_read, wire.typing_to, wire.catch_up)


@given(JSON | st.dictionaries(FIELDS, JSON | st.just(ID) | st.just("admin"), max_size=6))
def test_any_payload_is_understood_or_refused(payload):
    for parse in PARSERS:
        try:
            parse(payload)
        except Refused as refused:
            assert refused.code == "datos_invalidos"  # noqa: PT017 - any other error is a failure


def test_a_message_is_read_with_its_optional_fields():
    payload = {"para": "ada", "mensaje": " x ", "id": ID, "visto": 3, "extra": {}}
    assert wire.send_message(payload) == ("ada", " x ", ID, 3, [])
    assert wire.send_message({"para": "admin", "mensaje": ""}) == ("admin", "", None, None, [])


@pytest.mark.parametrize(
    "change",
    [
        {"para": None}, {"para": " ada"}, {"para": 1}, {"mensaje": None}, {"mensaje": 1},
        {"id": "x"}, {"id": 1}, {"id": ID + "\n"}, {"id": ID.replace("-", "")},
        {"visto": -1}, {"visto": True}, {"visto": 1.0}, {"visto": "1"}, {"visto": 2**53},
    ],
)  # fmt: skip
def test_a_message_with_a_wrong_field_is_refused(change):
    with pytest.raises(Refused, match="datos_invalidos"):
        wire.send_message({"para": "ada", "mensaje": "x", "id": ID, "visto": 0} | change)


def test_a_read_mark_names_a_conversation_and_a_number():
    assert wire.mark_read({"conversacion": ID, "seq": 7}) == (ID.lower(), 7)
    for payload in ({"conversacion": "x", "seq": 1}, {"conversacion": ID}, {"seq": 1}):
        with pytest.raises(Refused, match="datos_invalidos"):
            wire.mark_read(payload)


def test_catching_up_begins_at_a_cursor_or_at_the_start():
    id_ = ID.lower()
    assert wire.catch_up({"vistos": {id_: 7}}) == ({id_: 7}, 0)
    assert wire.catch_up({"vistos": {}, "cursor": "41"}) == ({}, 41)
    assert wire.catch_up({"vistos": {}, "cursor": 41}) == ({}, 41)


def test_what_cannot_be_a_conversation_is_left_out():
    names = ("", "x", "\ud800", "\0", ID + "\n")
    assert wire.catch_up({"vistos": dict.fromkeys(names, 0)}).vistos == {}


def test_a_request_names_at_most_a_thousand_conversations():
    wire.catch_up({"vistos": {f"{n}": 0 for n in range(1000)}})
    with pytest.raises(Refused, match="datos_invalidos"):
        wire.catch_up({"vistos": {f"{n}": 0 for n in range(1001)}})
