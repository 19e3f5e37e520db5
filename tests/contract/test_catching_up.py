"""`sincronizar`: what came while somebody was away."""

from uuid import uuid4

import pytest

from tests.support.world import messages

PAGE = 200


def caught_up(client, vistos, **more):
    """All pages: the messages of each, after checking what an answer looks like."""
    pages, cursor = [], more
    while True:
        answer = client.call("sincronizar", {"vistos": vistos} | cursor)
        assert answer.keys() == {"ok", "mensajes", "mas", "cursor"}
        assert answer["ok"]
        pages.append(answer["mensajes"])
        if not answer["mas"]:
            return pages
        cursor = {"cursor": answer["cursor"]}


def send(client, para, count):
    answers = [
        client.emit("mensaje_privado", {"para": para, "mensaje": f"{n}"}) for n in range(count)
    ]
    return [answer.value for answer in answers][-1]["conversacion"]


def test_450_messages_come_in_pages_of_200_by_cursor(world):
    user = world.user()
    conversation = send(user, "admin", 450)
    pages = caught_up(user, {conversation: 0})
    assert [len(page) for page in pages] == [200, 200, 50]
    assert [m["seq"] for page in pages for m in page] == list(range(1, 451))


def test_a_full_last_page_has_nothing_after_it(world):
    user = world.user()
    conversation = send(user, "admin", PAGE)
    assert [len(page) for page in caught_up(user, {conversation: 0})] == [PAGE]
    assert caught_up(user, {conversation: PAGE}) == [[]]


def test_messages_come_as_they_were_delivered(world):
    admin, user, id_ = world.admin(), world.user(), str(uuid4())
    user.say("admin", "la misma", id=id_)
    delivered = admin.next("mensaje_recibido")
    ((message,),) = caught_up(user, {})
    assert message == delivered
    assert caught_up(admin, {message["conversacion"]: 0}) == [[delivered]]


def test_only_what_came_after_the_numbers_seen_is_sent(world):
    admin, user = world.admin(), world.user()
    for number in range(5):
        conversation = admin.say(user.user, f"{number}")["conversacion"]
    ((fourth, fifth),) = caught_up(user, {conversation: 3})
    assert (fourth["seq"], fifth["seq"]) == (4, 5)
    assert caught_up(user, {conversation: 5}) == [[]]
    assert caught_up(user, {conversation: 99}) == [[]]


def test_several_conversations_come_by_their_order_in_the_log(world):
    user, friend, other = world.user(), world.user(), world.user()
    desk = user.say("admin", "a")["conversacion"]
    pair = friend.say(user.user, "b")["conversacion"]
    user.say("admin", "c")
    friend.say(user.user, "d")
    other.say(user.user, "e")  # a conversation that is not named
    (page,) = caught_up(user, {desk: 1, pair: 0})
    assert [m["mensaje"] for m in page] == ["b", "c", "d", "e"]


def test_a_user_gets_their_unnamed_conversations_from_the_start(world):
    admin, user, friend = world.admin(), world.user(), world.user()
    admin.say(user.user, "uno")
    user.say(friend.user, "dos")
    friend.say("admin", "de otro")
    (page,) = caught_up(user, {})
    assert [m["mensaje"] for m in page] == ["uno", "dos"]


def test_an_admin_gets_the_named_conversations_alone(world):
    admin, one, other = world.admin(), world.user(), world.user()
    desk = one.say("admin", "consulta")["conversacion"]
    pair = one.say(other.user, "privado")["conversacion"]
    other.say("admin", "sin nombrar")
    (page,) = caught_up(admin, {desk: 0, pair: 0})
    assert [m["mensaje"] for m in page] == ["consulta", "privado"]
    assert caught_up(admin, {}) == [[]]


def test_unknown_and_foreign_conversations_are_left_out_silently(world):
    admin, user, one, other = world.admin(), world.user(), world.user(), world.user()
    foreign = one.say(other.user, "privado")["conversacion"]
    own = user.say("admin", "propio")["conversacion"]
    strange = {str(uuid4()): 0, "": 0, "x" * 5000: 0, "\ud800": 0, "\0": 0, "' OR 1=1 --": 0}
    ((message,),) = caught_up(user, {foreign: 0, own: 0} | strange)
    assert message["mensaje"] == "propio"
    ((message,),) = caught_up(admin, {own: 0} | strange)
    assert message["mensaje"] == "propio"


def test_what_is_missed_and_what_is_delivered_leave_no_gap(world):
    admin, user = world.admin(), world.user()
    send(admin, user.user, 5)
    user.next("mensaje_recibido", 5)
    user.close()
    user.closed()
    send(admin, user.user, 5)
    back = world.user(user.user)
    (page,) = caught_up(back, {messages(user)[0]["conversacion"]: 5})
    send(admin, user.user, 1)
    back.next("mensaje_recibido")
    seqs = [m["seq"] for m in (*messages(user), *page, *messages(back))]
    assert seqs == list(range(1, 12))


@pytest.mark.parametrize(
    "payload",
    [
        None, 1, "x", [], {}, {"vistos": None}, {"vistos": []}, {"vistos": {"a": "1"}},
        {"vistos": {"a": -1}}, {"vistos": {"a": 1.5}}, {"vistos": {"a": True}},
        {"vistos": {"a": {}}}, {"vistos": {}, "cursor": "x"}, {"vistos": {}, "cursor": -1},
        {"vistos": {}, "cursor": [1]}, {"vistos": {}, "cursor": "9" * 30},
        {"vistos": {f"{n}": 0 for n in range(1001)}},
    ],
)  # fmt: skip
def test_a_request_that_makes_no_sense_is_refused(websockets, payload):
    user = websockets.user()
    assert user.call("sincronizar", payload)["error"]["codigo"] == "datos_invalidos"


def test_a_user_in_many_conversations_gets_all_of_them(websockets):
    user = websockets.user()
    friends = [websockets.user() for _ in range(120)]
    answers = [
        friend.emit("mensaje_privado", {"para": user.user, "mensaje": friend.user})
        for friend in friends
    ]
    named = {answer.value["conversacion"]: 0 for answer in answers}
    (page,) = caught_up(user, named)
    assert {m["de"] for m in page} == {friend.user for friend in friends}
