"""The demo log: made as it says, whole, and with everything in it that it is there to show."""

import json
import re
import subprocess
import sys
import unicodedata
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from registro.events import codec, ids, merkle
from registro.events.record import from_line, parse_rfc3339, to_line
from registro.events.types import (
    DESK,
    ConnectionClosed,
    ConnectionOpened,
    ConversationRead,
    MessageSent,
    SessionEnded,
    SessionStarted,
    UserRegistered,
)

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "fixtures"
LINES = (FIXTURES / "desk.jsonl").read_bytes().splitlines()
LOG = [from_line(line) for line in LINES]
EXPECTED = json.loads((FIXTURES / "desk.expected.json").read_text("utf-8"))


def all_of(kind):
    """(row, event) of every event of a type, in order."""
    return [(row, row.event()) for row in LOG if row.type == kind.type]


USERS = {row.stream.removeprefix("user/"): event for row, event in all_of(UserRegistered)}
MESSAGES = all_of(MessageSent)
TEXTS = [event.text for _, event in MESSAGES]


def by_conversation():
    result = defaultdict(list)
    for row, event in MESSAGES:
        result[row.stream.removeprefix("conversation/")].append(event)
    return result


def is_admin(side):
    return side == DESK or USERS[side].role == "admin"


# The file


def test_the_generator_makes_exactly_what_is_in_the_repository(tmp_path):
    command = [sys.executable, "-B", str(FIXTURES / "generate.py"), "--into", str(tmp_path)]
    environment = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "1"}
    subprocess.run(command, check=True, cwd=tmp_path, env=environment)
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == ["desk.expected.json", "desk.jsonl"]
    for name in made:
        assert (tmp_path / name).read_bytes() == (FIXTURES / name).read_bytes(), name


def test_every_line_is_as_an_export_writes_it():
    assert [to_line(row) for row in LOG] == LINES


def test_the_file_is_small_enough_to_be_cloned_with_the_source():
    assert (FIXTURES / "desk.jsonl").stat().st_size < 1_500_000


# The log


def test_positions_and_versions_have_no_gaps_and_ids_are_unique():
    assert [row.position for row in LOG] == list(range(1, len(LOG) + 1))
    versions = Counter()
    for row in LOG:
        versions[row.stream] += 1
        assert row.version == versions[row.stream]
    assert len({row.id for row in LOG}) == len(LOG)


def test_time_never_runs_backwards():
    times = [row.recorded_at for row in LOG]
    assert times == sorted(times)


def test_payloads_are_canonical_and_events_of_today():
    for row in LOG:
        assert codec.EVENT_TYPES[row.type].schema == row.schema
        assert codec.encode(row.event()) == row.payload


def test_commitments_leaves_and_root_hold():
    for row in LOG:
        assert row.commitment == merkle.commitment(row.salt, row.payload)
        assert row.leaf == row.computed_leaf()
    assert merkle.tree_hash(row.leaf for row in LOG).hex() == EXPECTED["root"]
    assert len({row.salt for row in LOG}) == len(LOG)


def test_the_expected_totals_are_those_of_the_log():
    assert EXPECTED["events"] == len(LOG)
    assert EXPECTED["events_by_type"] == Counter(row.type for row in LOG)
    sent = Counter(event.sender for _, event in MESSAGES)
    assert {one["id"]: one["messages_sent"] for one in EXPECTED["users"]} == {
        user: sent[user] for user in USERS
    }
    last = {id_: len(messages) for id_, messages in by_conversation().items()}
    assert {one["id"]: one["last_seq"] for one in EXPECTED["conversations"]} == last


# The desk


def test_the_desk_has_the_weight_that_it_was_promised():
    desks = {ids.desk_conversation(user) for user in USERS}
    conversations = by_conversation()
    assert sum(user.role == "admin" for user in USERS.values()) == 3
    assert sum(user.role == "user" for user in USERS.values()) >= 14
    assert len(conversations) >= 42
    assert len(conversations.keys() & desks) >= 14
    assert len(conversations.keys() - desks) >= 12
    assert len(MESSAGES) >= 650
    assert LOG[-1].recorded_at - LOG[0].recorded_at > 34 * 86_400 * 1_000_000


def test_everybody_is_registered_before_anything_else_of_theirs_and_admins_first():
    assert [event.role for _, event in all_of(UserRegistered)[:3]] == ["admin"] * 3
    known = {DESK}
    for row in LOG:
        event = row.event()
        if isinstance(event, UserRegistered):
            assert event.origin == "fixtures"
            known.add(row.stream.removeprefix("user/"))
        named = (
            getattr(event, name, DESK) for name in ("user", "sender", "recipient", "by", "side")
        )
        assert isinstance(event, UserRegistered) or set(named) <= known


def test_opaque_ids_are_random_uuids():
    for row, _ in [*all_of(UserRegistered), *all_of(ConnectionOpened)]:
        assert UUID(row.stream.partition("/")[2]).version == 4
    assert {UUID(event.node).version for _, event in all_of(ConnectionOpened)} == {4}


def test_messages_are_in_the_conversation_that_the_contract_puts_them_in():
    for row, event in MESSAGES:
        admins = [is_admin(side) for side in (event.sender, event.recipient)]
        if admins[0] == admins[1]:
            conversation = ids.pair_conversation(event.sender, event.recipient)
        else:
            conversation = ids.desk_conversation(event.recipient if admins[0] else event.sender)
        assert row.stream == f"conversation/{conversation}"
    assert any(
        is_admin(e.recipient) and e.recipient != DESK and not is_admin(e.sender)
        for _, e in MESSAGES
    )


def test_a_client_that_names_its_messages_decides_their_ids():
    named = [(row, event) for row, event in MESSAGES if event.client_id]
    assert all(row.id == ids.message_id(event.sender, event.client_id) for row, event in named)
    assert all(UUID(row.id).version == 4 for row, event in MESSAGES if not event.client_id)
    assert 0.8 * len(MESSAGES) < len(named) < len(MESSAGES)


def test_several_admins_answer_the_same_people():
    answering = [
        {event.sender for event in messages if is_admin(event.sender)}
        for id_, messages in by_conversation().items()
        if any(event.recipient == DESK for event in messages)
    ]
    assert sum(len(admins) > 1 for admins in answering) >= 10


def test_read_marks_only_rise_and_never_pass_the_last_message():
    last, marks = Counter(), Counter()
    for row in LOG:
        event = row.event()
        if isinstance(event, MessageSent):
            last[row.stream.removeprefix("conversation/")] = row.version
        elif isinstance(event, ConversationRead):
            assert row.stream == f"desk/{event.conversation}"
            assert is_admin(event.by) if event.side == DESK else event.by == event.side
            assert marks[event.conversation, event.side] < event.seq <= last[event.conversation]
            marks[event.conversation, event.side] = event.seq


def test_a_believable_handful_is_unread_on_both_sides():
    unread = [one["unread"] for one in EXPECTED["conversations"]]
    assert 5 <= sum(one.get(DESK, 0) > 0 for one in unread) <= 10
    assert 3 <= sum(any(n for side, n in one.items() if side != DESK) for one in unread) <= 8


# Connections and sessions


def test_every_connection_is_closed_and_says_how_long_it_was_open():
    opened = {row.stream: (row, event) for row, event in all_of(ConnectionOpened)}
    closed = {row.stream: (row, event) for row, event in all_of(ConnectionClosed)}
    assert opened.keys() == closed.keys()
    for stream, (row, event) in closed.items():
        assert event.user == opened[stream][1].user
        assert (
            abs(row.recorded_at - opened[stream][0].recorded_at - event.milliseconds * 1000) < 2000
        )
    assert {event.reason for _, event in closed.values()} == {
        "client disconnect",
        "transport close",
        "ping timeout",
        "crash",
    }


def test_whoever_does_something_is_connected():
    sockets = Counter()
    for row in LOG:
        event = row.event()
        if isinstance(event, ConnectionOpened | ConnectionClosed):
            sockets[event.user] += 1 if isinstance(event, ConnectionOpened) else -1
        elif isinstance(event, MessageSent):
            assert sockets[event.sender] > 0
        elif isinstance(event, ConversationRead):
            assert sockets[event.by] > 0
    assert set(sockets.values()) == {0}


def test_sockets_belong_to_a_session_of_their_user_that_is_good_while_they_are_open():
    sessions, sockets = {}, {}
    for row in LOG:
        event = row.event()
        if isinstance(event, SessionStarted):
            assert row.stream == ids.session_stream(event.user, event.key)
            assert re.fullmatch("[0-9a-f]{64}", event.key)
            sessions[event.key] = event
        elif isinstance(event, SessionEnded):
            assert sessions.pop(event.key).user == event.user
        elif isinstance(event, ConnectionOpened):
            assert sessions[event.session].user == event.user
            assert event.role == USERS[event.user].role
            sockets[row.stream] = parse_rfc3339(sessions[event.session].expires)
        elif isinstance(event, ConnectionClosed):
            assert row.recorded_at < sockets[row.stream]


def test_each_server_start_is_a_node_and_a_crash_closes_what_the_dead_one_had():
    opened = [(row, event) for row, event in all_of(ConnectionOpened)]
    nodes = list(dict.fromkeys(event.node for _, event in opened))
    assert len(nodes) == 3
    assert [event.node for _, event in opened] == sorted(
        (event.node for _, event in opened), key=nodes.index
    )
    crashed = [row.stream for row, event in all_of(ConnectionClosed) if event.reason == "crash"]
    assert len(crashed) >= 2
    assert {event.node for row, event in opened if row.stream in crashed} == {nodes[0]}


def test_clients_are_phones_and_desktops_and_a_few_use_polling():
    events = [event for _, event in all_of(ConnectionOpened)]
    transports = Counter(event.transport for event in events)
    assert transports["websocket"] > 5 * transports["polling"] > 0
    for word in ("iPhone", "Android", "Windows", "Macintosh", "Linux x86_64"):
        assert any(word in event.client for event in events), word
    assert max(len(event.client) for event in events) <= 200


# The texts


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("accents", "[áéíóúñ¿¡]"),
        ("English", r"\b(the|would|shipping)\b"),
        ("Arabic", "[\u0600-\u06ff]"),
        ("Hebrew", "[\u0590-\u05ff]"),
        ("Japanese", "[\u3040-\u30ff]"),
        ("joined emoji", "[\U0001f300-\U0001faff]\ufe0f?\u200d"),
        ("flags", "[\U0001f1e6-\U0001f1ff]{2}"),
        ("skin tones", "[\U0001f3fb-\U0001f3ff]"),
        ("HTML", '<script>alert\\("hola"\\)</script> <b>'),
        ("addresses", r"https?://\S+\.example/"),
        ("a fenced block", "(?s)```\n.+Traceback.+\n```"),
        ("an empty line inside", r"\S\n\n\S"),
        ("backslashes", r"C:\\Users\\"),
        ("quotes", '"[^"]+"'),
    ],
)
def test_the_texts_have(what, pattern):
    assert any(re.search(pattern, text) for text in TEXTS), what


def test_one_text_is_nearly_as_long_as_allowed_and_a_few_are_long():
    longest = sorted(map(len, TEXTS))[-4:]
    assert 3800 < longest[-1] <= 4000
    assert longest[0] > 500


def test_one_text_is_decomposed_and_stays_so():
    assert any(unicodedata.normalize("NFC", text) != text for text in TEXTS)


def test_no_placeholder_is_left_and_no_text_is_blank_or_told_twice():
    for text in TEXTS:
        assert "${" not in text
        assert text.strip()
        assert "\0" not in text
    long = [text for text in TEXTS if len(text) > 20]
    assert len(set(long)) == len(long)


def test_the_dialogues_are_many_and_most_are_real_talks():
    people = "|".join(re.escape(user.user) for user in USERS.values())
    turn = re.compile(rf"^(?:{people})(?: \[[^\]]+\])?:", re.MULTILINE)
    files = [path.read_text("utf-8") for path in (FIXTURES / "dialogues").glob("*.txt")]
    talks = [talk for text in files for talk in text.split("\n== ")[1:]]
    lengths = [len(turn.findall(talk)) for talk in talks]
    assert sum(lengths) == len(MESSAGES)
    assert sum(6 <= length <= 20 for length in lengths) >= 60


def test_the_desk_answers_in_office_hours():
    """UTC stands in for Madrid's time: it is one or two hours behind."""
    for row, event in MESSAGES:
        if is_admin(event.sender):
            utc = datetime.fromtimestamp(row.recorded_at / 1_000_000, UTC)
            assert utc.weekday() < 6
            assert 6 <= utc.hour <= 19


def test_the_readme_names_every_person():
    readme = (FIXTURES / "README.md").read_text("utf-8")
    for user in USERS.values():
        assert f"| `{user.user}` | {user.name} |" in readme
