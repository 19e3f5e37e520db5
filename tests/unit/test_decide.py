"""What becomes of a command, or why it is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registro.errors import Refused
from registro.events import decide, ids
from registro.events.decide import MAX_LABELS, MAX_SNOOZE, Person, Standing, Work
from registro.events.types import DESK

ADA = Person("00000000-0000-4000-8000-000000000001", "ada", "Ada", "user")
BEA = Person("00000000-0000-4000-8000-000000000002", "bea", "Bea", "user")
ROOT = Person("00000000-0000-4000-8000-000000000003", "root", "Root", "admin")
OTHER = Person("00000000-0000-4000-8000-000000000004", "other", "Other", "admin")
CLIENT_ID = "c0ffee00-0000-4000-8000-000000000000"
DESK_OF_ADA = ids.desk_conversation(ADA.id)


def refusal(function, *arguments):
    with pytest.raises(Refused) as caught:
        function(*arguments)
    return caught.value.code


@given(st.text(max_size=70))
def test_a_name_is_what_the_contract_says(name):
    expected = (
        1 <= len(name) <= 64
        and name == name.strip()
        and not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in name)
    )
    assert decide.is_user_name(name) == expected


@pytest.mark.parametrize("name", [None, 1, b"ada", ["ada"], "", "\ud800", "a\0", "x" * 65, " a"])
def test_other_values_are_no_names(name):
    assert not decide.is_user_name(name)


@given(st.text(min_size=1, max_size=50).filter(lambda t: "\0" not in t), st.sampled_from("aé😀"))
def test_a_text_with_something_to_see_can_be_a_message(text, visible):
    decide.check_text(text + visible)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "mensaje_vacio"), (" \t\r\n", "mensaje_vacio"), ("\u200b\u2028", "mensaje_vacio"),
        ("x" * 4001, "mensaje_largo"), (" " * 4001, "mensaje_largo"),
        ("a\0", "datos_invalidos"), ("\ud800", "datos_invalidos"),
    ],
)  # fmt: skip
def test_other_texts_are_refused(text, code):
    assert refusal(decide.check_text, text) == code


def test_4000_code_points_fit_however_many_bytes_they_have():
    decide.check_text("😀" * 4000)


@pytest.mark.parametrize(
    ("sender", "recipient", "conversation"),
    [
        (ADA, None, DESK_OF_ADA), (ADA, ROOT, DESK_OF_ADA), (ROOT, ADA, DESK_OF_ADA),
        (OTHER, ADA, DESK_OF_ADA), (ADA, BEA, ids.pair_conversation(BEA.id, ADA.id)),
        (BEA, ADA, ids.pair_conversation(BEA.id, ADA.id)),
        (ROOT, OTHER, ids.pair_conversation(OTHER.id, ROOT.id)),
    ],
)  # fmt: skip
def test_a_message_goes_to_the_desk_conversation_or_the_pairs(sender, recipient, conversation):
    message = decide.message(sender, recipient, "hola", None)
    assert message.conversation == conversation
    assert message.event.recipient == (recipient.id if recipient else DESK)
    assert message.event_id is None


@pytest.mark.parametrize(("sender", "recipient"), [(ADA, ADA), (ROOT, ROOT), (ROOT, None)])
def test_nobody_writes_to_their_own_side(sender, recipient):
    assert refusal(decide.message, sender, recipient, "hola", None) == "datos_invalidos"


def test_the_id_of_an_event_depends_on_its_sender_and_not_on_the_letters_case():
    one, same, other = (
        decide.message(sender, ROOT, "hola", id_).event_id
        for sender, id_ in ((ADA, CLIENT_ID), (ADA, CLIENT_ID.upper()), (BEA, CLIENT_ID))
    )
    assert one == same != other


DESK_STANDING = Standing(DESK_OF_ADA, "desk", ADA.id, DESK, 5, 2, 3)
PAIR_STANDING = Standing("pair", "pair", ADA.id, BEA.id, 5, 2, 3)


@pytest.mark.parametrize(
    ("reader", "conversation", "side"),
    [
        (ADA, DESK_STANDING, ADA.id), (ROOT, DESK_STANDING, DESK), (OTHER, DESK_STANDING, DESK),
        (BEA, DESK_STANDING, None), (ADA, PAIR_STANDING, ADA.id), (BEA, PAIR_STANDING, BEA.id),
        (ROOT, PAIR_STANDING, None),
    ],
)  # fmt: skip
def test_a_reader_moves_the_mark_of_their_own_side(reader, conversation, side):
    assert decide.side_of(reader, conversation) == side
    if side is None:
        assert refusal(decide.read, reader, conversation, 4) == "no_autorizado"
    else:
        event = decide.read(reader, conversation, 4)
        assert (event.side, event.seq, event.by) == (side, 4, reader.id)


def test_a_read_mark_moves_forward_only_and_up_to_the_last_message():
    assert [decide.read(ADA, DESK_STANDING, seq) for seq in (0, 1, 2)] == [None] * 3
    assert decide.read(ADA, DESK_STANDING, 3).seq == 3
    assert decide.read(ROOT, DESK_STANDING, 3) is None
    assert decide.read(ADA, DESK_STANDING, 5).seq == 5
    assert refusal(decide.read, ADA, DESK_STANDING, 6) == "datos_invalidos"


def test_an_unknown_conversation_is_refused_like_a_foreign_one():
    assert refusal(decide.read, ADA, None, 1) == "no_autorizado"


def test_what_was_marked_unread_can_be_read_again():
    marked = DESK_STANDING._replace(peer_read=5, desk_mark=3)
    assert decide.read(ROOT, marked, 3) is None
    assert decide.read(ROOT, marked, 5).seq == 5
    assert decide.read(ADA, marked, 2) is None


WORK = Work(DESK_OF_ADA, "open", "", None, {"vip": (7, 9)}, 5, 3)
NOW = 1_772_546_400_000_000
HOUR = 3_600_000_000


@pytest.mark.parametrize(
    ("act", "arguments"),
    [
        (decide.assign, (ROOT,)), (decide.set_status, ("pending", None, NOW)),
        (decide.add_label, ("new",)), (decide.remove_label, ("vip",)), (decide.note, ("hm",)),
        (decide.mark_unread, (2,)),
    ],
)  # fmt: skip
def test_only_admins_handle_conversations_and_only_those_of_the_desk(act, arguments):
    assert act(ROOT, WORK, *arguments).by == ROOT.id
    assert refusal(act, ADA, WORK, *arguments) == "no_autorizado"
    assert refusal(act, ROOT, None, *arguments) == "no_autorizado"


def test_a_conversation_is_assigned_to_active_admins_or_to_nobody():
    assert decide.assign(ROOT, WORK, OTHER).to == OTHER.id
    assert decide.assign(ROOT, WORK, None) is None
    theirs = WORK._replace(assignee=OTHER.id)
    assert decide.assign(ROOT, theirs, OTHER) is None
    assert decide.assign(ROOT, theirs, None).to == ""
    for nobody in (ADA, OTHER._replace(disabled=True)):
        assert refusal(decide.assign, ROOT, WORK, nobody) == "destinatario_desconocido"


def test_a_status_is_one_of_four_and_only_snoozing_has_an_end():
    assert decide.set_status(ROOT, WORK, "resolved", None, NOW).status == "resolved"
    assert decide.set_status(ROOT, WORK, "open", None, NOW) is None
    snoozed = decide.set_status(ROOT, WORK, "snoozed", NOW + HOUR, NOW)
    assert (snoozed.status, snoozed.until) == ("snoozed", "2026-03-03T15:00:00.000000Z")
    again = WORK._replace(status="snoozed", snoozed_until=NOW + HOUR)
    assert decide.set_status(ROOT, again, "snoozed", NOW + HOUR, NOW) is None
    assert decide.set_status(ROOT, again, "snoozed", NOW + 2 * HOUR, NOW) is not None


@pytest.mark.parametrize(
    ("status", "until"),
    [
        ("closed", None), ("", None), ("open", NOW + HOUR), ("snoozed", None), ("snoozed", NOW),
        ("snoozed", NOW - HOUR), ("snoozed", NOW + MAX_SNOOZE + 1),
    ],
)  # fmt: skip
def test_other_statuses_and_ends_are_refused(status, until):
    assert refusal(decide.set_status, ROOT, WORK, status, until, NOW) == "datos_invalidos"


def test_a_label_is_added_once_and_taken_off_with_all_that_put_it_there():
    assert decide.add_label(ROOT, WORK, "VIP").label == "VIP"
    assert decide.add_label(ROOT, WORK, "vip") is None
    assert decide.remove_label(ROOT, WORK, "vip").added == (7, 9)
    assert decide.remove_label(ROOT, WORK, "VIP") is None


@pytest.mark.parametrize("label", ["", " vip", "x" * 31, "a\nb", "\0"])
def test_other_labels_are_refused(label):
    assert refusal(decide.add_label, ROOT, WORK, label) == "datos_invalidos"


def test_labels_of_a_conversation_are_bounded():
    full = WORK._replace(labels={str(number): (number,) for number in range(MAX_LABELS)})
    assert refusal(decide.add_label, ROOT, full, "more") == "datos_invalidos"
    assert decide.add_label(ROOT, full, "0") is None


def test_a_note_is_a_text_like_a_message():
    assert decide.note(ROOT, WORK, "llamó ayer").text == "llamó ayer"
    assert refusal(decide.note, ROOT, WORK, " ") == "mensaje_vacio"
    assert refusal(decide.note, ROOT, WORK, "x" * 4001) == "mensaje_largo"


def test_what_is_read_can_be_marked_unread():
    assert decide.mark_unread(ROOT, WORK, 2).seq == 2
    assert decide.mark_unread(ROOT, WORK, 4) is None  # it is unread
    assert decide.mark_unread(ROOT, WORK._replace(desk_mark=5), None).seq == 5
    for seq in (0, 6):
        assert refusal(decide.mark_unread, ROOT, WORK, seq) == "datos_invalidos"
