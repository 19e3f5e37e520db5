"""Folding, without a database."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from registro.events import ids
from registro.events.types import DESK, ConversationRead, MessageSent
from tests.support.histories import ADMINS, USERS, History, as_rows, histories
from tests.support.memory import Memory

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


def _activity(*events: tuple[str, object]) -> dict[tuple[object, ...], dict[str, int]]:
    """Rows of activity by hour and admin; events are a second apart."""
    rows = as_rows(list(events))  # type: ignore[arg-type]
    return Memory().fold(rows).tables["activity"]


def test_activity_counts_messages_of_users_and_of_each_admin() -> None:
    hours = _activity(_from_user(), _from_user(), _from_desk(), _from_desk(ADMINS[1]))
    assert {admin: row["messages"] for (_, admin), row in hours.items()} == {
        "": 2, ADMIN: 1, ADMINS[1]: 1,
    }  # fmt: skip


def test_a_wait_lasts_from_the_first_unanswered_message_to_the_answer() -> None:
    history = [_from_user(), _from_user(), _from_desk(), _from_desk(), _from_user(), _from_desk()]
    row = _activity(*history)[(0, ADMIN)]
    assert (row["waits"], row["waited"], row["longest"]) == (2, 3_000_000, 2_000_000)
    assert (row["first_answers"], row["first_waited"]) == (1, 2_000_000)


def test_the_desk_writing_first_ends_no_wait() -> None:
    row = _activity(_from_desk())[(0, ADMIN)]
    assert (row["messages"], row["waits"], row["first_answers"]) == (1, 0, 0)


def test_messages_of_a_pair_are_nobodys_work() -> None:
    message = MessageSent(sender=USERS[0], recipient=USERS[1], text="hola")
    pair = ids.pair_conversation(USERS[0], USERS[1])
    assert _activity((f"conversation/{pair}", message)) == {}


def test_the_preview_is_the_beginning_of_the_last_message() -> None:
    assert _conversation(_from_user("x" * 999))["last_text"] == "x" * 200
