"""Folding, without a database."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registro.events import ids
from registro.events.types import (
    CLOCK,
    DESK,
    ConversationAssigned,
    ConversationLabelAdded,
    ConversationLabelRemoved,
    ConversationRead,
    ConversationSnoozeEnded,
    ConversationStatusChanged,
    ConversationUnread,
    Event,
    MessageSent,
    NoteWritten,
    Status,
)
from registro.projections.activity import QUARTER
from tests.support.histories import ADMINS, USERS, History, as_rows, histories
from tests.support.memory import Memory, Tables

USER, ADMIN = USERS[0], ADMINS[0]
CONVERSATION = ids.desk_conversation(USER)
STREAM = f"conversation/{CONVERSATION}"


@given(histories(), st.data())
def test_folding_in_two_parts_equals_folding_at_once(history: History, data: st.DataObject) -> None:
    rows = as_rows(history)
    cut = data.draw(st.integers(0, len(rows)))
    assert Memory().fold(rows[:cut]).fold(rows[cut:]).tables == Memory().fold(rows).tables


@given(histories())
def test_unread_is_the_last_seq_minus_a_mark_and_never_negative(history: History) -> None:
    tables = Memory().fold(as_rows(history)).tables
    for conversation in tables["conversations"].values():
        assert 0 <= conversation["user_read"] <= conversation["last_seq"]
        assert 0 <= conversation["peer_read"] <= conversation["last_seq"]
        sent = [key for key in tables["messages"] if key[0] == conversation["id"]]
        assert conversation["last_seq"] == len(sent)


def _conversation(*events: tuple[str, object]) -> dict[str, object]:
    rows = as_rows(list(events))  # type: ignore[arg-type]
    return Memory().fold(rows).tables["conversations"][(CONVERSATION,)]


def _from_user(text: str = "hola") -> tuple[str, MessageSent]:
    return STREAM, MessageSent(sender=USER, recipient=DESK, text=text)


def _from_desk(admin: str = ADMIN) -> tuple[str, MessageSent]:
    return STREAM, MessageSent(sender=admin, recipient=USER, text="buenas")


def _read(side: str, seq: int) -> tuple[str, ConversationRead]:
    event = ConversationRead(conversation=CONVERSATION, side=side, seq=seq, by=ADMIN)
    return f"desk/{CONVERSATION}", event


def test_a_conversation_that_an_admin_opens_is_the_users_desk_conversation() -> None:
    row = _conversation(_from_desk())
    assert (row["kind"], row["user_id"], row["peer_id"]) == ("desk", USER, DESK)
    assert (row["user_read"], row["peer_read"], row["waiting_since"]) == (0, 1, None)


def test_the_desk_has_one_mark_whichever_admin_reads() -> None:
    row = _conversation(_from_user(), _from_user(), _read(DESK, 2))
    assert (row["last_seq"], row["peer_read"]) == (2, 2)


def test_a_mark_never_goes_back_and_never_beyond_the_end() -> None:
    row = _conversation(_from_user(), _from_user(), _read(DESK, 2), _read(DESK, 1), _read(DESK, 9))
    assert row["peer_read"] == 2


def test_who_writes_has_read_what_came_before() -> None:
    row = _conversation(_from_user(), _from_user(), _from_desk())
    assert (row["peer_read"], row["user_read"]) == (3, 2)


def test_waiting_starts_with_the_first_unanswered_message() -> None:
    assert _conversation(_from_user(), _from_user())["waiting_since"] == 1_000_000
    assert _conversation(_from_user(), _from_desk())["waiting_since"] is None
    assert _conversation(_from_user(), _from_desk(), _from_user())["waiting_since"] == 3_000_000


def _activity(*events: tuple[str, object]) -> Tables:
    """The tables of the activity; events are a second apart, and the first is at second 1."""
    return Memory().fold(as_rows(list(events))).tables  # type: ignore[arg-type]


def _waits(*events: tuple[str, object]) -> list[tuple[int, ...]]:
    """Of each wait that is over: milliseconds, whether it was answered, and whether first."""
    rows = _activity(*events)["activity_waits"]
    return [(row["waited"], row["answered"], row["first"]) for _, row in sorted(rows.items())]


def test_activity_counts_messages_of_users_and_of_each_admin() -> None:
    tables = _activity(_from_user(), _from_user(), _from_desk(), _from_desk(ADMINS[1]))
    assert {admin: row["messages"] for (_, admin), row in tables["activity"].items()} == {
        "": 2, ADMIN: 1, ADMINS[1]: 1,
    }  # fmt: skip
    kinds = [(kind, at) for kind, at, _ in sorted(tables["activity_rows"])]
    assert kinds == [
        ("answer", 3_000_000), ("answer", 4_000_000),
        ("message", 1_000_000), ("message", 2_000_000), ("opened", 1_000_000),
    ]  # fmt: skip


def test_a_wait_lasts_from_the_first_unanswered_message_to_the_answer() -> None:
    history = [_from_user(), _from_user(), _from_desk(), _from_desk(), _from_user(), _from_desk()]
    assert _waits(*history) == [(2000, 1, 1), (1000, 1, 0)]


def test_the_desk_writing_first_ends_no_wait_and_opens_nothing() -> None:
    assert _waits(_from_desk(), _from_user(), _from_desk()) == [(1000, 1, 0)]
    assert {
        row["opened"] for row in _activity(_from_desk(), _from_user())["activity"].values()
    } == {0}


def test_resolving_ends_a_wait_without_an_answer_and_the_next_message_opens_again() -> None:
    history = (_from_user(), _status("resolved"), _from_user(), _from_desk(), _status("resolved"))
    assert _waits(*history) == [(1000, 0, 1), (1000, 1, 1)]
    rows = _activity(*history)["activity"]
    assert (rows[0, ""]["opened"], rows[0, ADMIN]["resolved"]) == (2, 2)


@given(histories(120))
def test_what_activity_counts_is_in_its_rows(history: History) -> None:
    tables = Memory().fold(as_rows(history)).tables
    counted = {(*key, what): row[what] for key, row in tables["activity"].items()
               for what in ("messages", "opened", "resolved") if row[what]}  # fmt: skip
    names = {"message": "messages", "answer": "messages"}
    rows = Counter((row["at"] // QUARTER * QUARTER, row["admin"], names.get(kind, kind))
                   for (kind, _, _), row in tables["activity_rows"].items())  # fmt: skip
    assert counted == rows


def test_messages_of_a_pair_are_nobodys_work() -> None:
    message = MessageSent(sender=USERS[0], recipient=USERS[1], text="hola")
    pair = ids.pair_conversation(USERS[0], USERS[1])
    assert _activity((f"conversation/{pair}", message))["activity"] == {}


def test_the_preview_is_the_beginning_of_the_last_message() -> None:
    assert _conversation(_from_user("x" * 999))["last_text"] == "x" * 200


def _on_desk(event: Event) -> tuple[str, Event]:
    return f"desk/{CONVERSATION}", event


def _status(status: Status, until: str = "") -> tuple[str, Event]:
    return _on_desk(ConversationStatusChanged(CONVERSATION, status, ADMIN, until))


def _label(label: str) -> tuple[str, Event]:
    return _on_desk(ConversationLabelAdded(CONVERSATION, label, ADMIN))


def _unlabel(label: str, *added: int) -> tuple[str, Event]:
    return _on_desk(ConversationLabelRemoved(CONVERSATION, label, added, ADMIN))


SNOOZED = _status("snoozed", "2026-03-03T15:00:00.000000Z")


@given(histories())
def test_what_is_unread_for_the_desk_is_after_its_mark(history: History) -> None:
    for row in Memory().fold(as_rows(history)).tables["conversations"].values():
        assert 0 <= row["desk_mark"] <= row["last_seq"]
        assert row["unread"] == (row["kind"] == "desk" and row["desk_mark"] < row["last_seq"])


@given(histories())
def test_labels_of_rows_and_conversations_of_labels_are_the_same(history: History) -> None:
    tables = Memory().fold(as_rows(history)).tables
    assert set(tables["conversation_labels"]) == {
        (label, row["id"])
        for row in tables["conversations"].values()
        for label in json.loads(row["labels"])
    }


def test_a_conversation_begins_open_and_nobodys() -> None:
    for first in (_from_user(), _from_desk()):
        row = _conversation(first)
        assert (row["status"], row["assignee"], row["labels"]) == ("open", "", "{}")


def test_a_conversation_is_whose_it_was_assigned_to_last() -> None:
    steps = [_on_desk(ConversationAssigned(CONVERSATION, to, ADMIN)) for to in (*ADMINS, "")]
    assigned = [_conversation(_from_user(), *steps[:n])["assignee"] for n in (1, 2, 3)]
    assert assigned == [*ADMINS, ""]


@pytest.mark.parametrize(
    ("status", "after"),
    [(SNOOZED, "open"), (_status("resolved"), "open"), (_status("pending"), "pending")],
)
def test_a_message_of_the_user_opens_what_is_resolved_or_snoozed(
    status: tuple[str, Event], after: str
) -> None:
    row = _conversation(_from_user(), status, _from_user())
    assert (row["status"], row["snoozed_until"], row["snooze"]) == (after, None, None)


def test_an_answer_of_the_desk_leaves_the_status_alone() -> None:
    assert _conversation(_from_user(), _status("resolved"), _from_desk())["status"] == "resolved"
    row = _conversation(_from_user(), SNOOZED, _from_desk())
    assert (row["status"], row["snoozed_until"]) == ("snoozed", 1_772_550_000_000_000)


def test_a_snooze_ends_and_only_the_one_whose_time_has_come() -> None:
    def ended(snooze: int) -> tuple[str, Event]:
        return _on_desk(ConversationSnoozeEnded(CONVERSATION, snooze, CLOCK))

    assert _conversation(_from_user(), SNOOZED, ended(2))["status"] == "open"
    assert _conversation(_from_user(), SNOOZED, SNOOZED, ended(2))["status"] == "snoozed"
    assert _conversation(_from_user(), SNOOZED, _status("resolved"), ended(2))["status"] == (
        "resolved"
    )


def test_a_label_stays_while_anybody_who_put_it_there_was_not_undone() -> None:
    begun = (_from_user(), _label("vip"), _label("envío"))
    assert _conversation(*begun)["labels"] == '{"envío":[3],"vip":[2]}'
    assert _conversation(*begun, _unlabel("vip", 2))["labels"] == '{"envío":[3]}'
    meanwhile = (*begun, _label("vip"), _unlabel("vip", 2))
    assert _conversation(*meanwhile)["labels"] == '{"envío":[3],"vip":[4]}'


def test_what_is_marked_unread_is_unread_until_it_is_read_again() -> None:
    unread = _on_desk(ConversationUnread(CONVERSATION, 2, ADMIN))
    begun = (_from_user(), _from_user(), _read(DESK, 2), unread)
    row = _conversation(*begun)
    # The user was told that it was read, and that stays so.
    assert (row["unread"], row["desk_mark"], row["peer_read"]) == (1, 1, 2)
    assert _conversation(*begun, _read(USER, 2))["unread"] == 1
    for end in (_read(DESK, 2), _from_desk()):
        assert _conversation(*begun, end)["unread"] == 0


def test_actions_are_lines_with_what_they_did() -> None:
    note = _on_desk(NoteWritten(CONVERSATION, "llamó", ADMIN))
    history = as_rows([_from_user(), SNOOZED, _label("vip"), note])
    lines = Memory().fold(history).tables["conversation_actions"]
    assert [(row["type"], row["value"], row["until"]) for row in lines.values()] == [
        ("conversation:status:changed", "snoozed", 1_772_550_000_000_000),
        ("conversation:label:added", "vip", None),
        ("conversation:note:written", "llamó", None),
    ]
