"""`leido` and `escribiendo`."""

from uuid import uuid4

import pytest

from tests.support.world import stored


def leido(client):
    return client.got("leido")


def test_a_user_who_reads_is_seen_by_the_admins_and_their_own_other_tab(world):
    admin, other, user = world.admin(), world.admin(), world.user()
    tab, stranger = world.user(user.user), world.user()
    conversation = admin.say(user.user, "lea esto")["conversacion"]
    assert user.call("leido", {"conversacion": conversation, "seq": 1})["ok"]
    expected = {"conversacion": conversation, "seq": 1, "de": user.user}
    for client in (admin, other, tab):
        assert client.next("leido") == expected
    world.settle(user, admin, tab, stranger)
    assert len(leido(admin)) == len(leido(tab)) == 1
    assert leido(user) == leido(stranger) == []


def test_the_desk_has_one_read_mark_for_all_admins(world):
    one, other, user = world.admin(), world.admin(), world.user()
    conversation = user.say("admin", "lean esto")["conversacion"]
    assert one.call("leido", {"conversacion": conversation, "seq": 1})["ok"]
    assert other.next("leido") == {"conversacion": conversation, "seq": 1, "de": one.user}
    assert user.next("leido")["seq"] == 1
    assert other.call("leido", {"conversacion": conversation, "seq": 1})["ok"]  # no news
    world.settle(one, other, user)
    assert leido(one) == []
    assert len(leido(user)) == len(leido(other)) == 1


def test_reading_between_two_people_is_seen_by_the_other_one(world):
    one, other, admin = world.user(), world.user(), world.admin()
    conversation = one.say(other.user, "¿me lees?")["conversacion"]
    assert other.call("leido", {"conversacion": conversation, "seq": 1})["ok"]
    assert one.next("leido") == {"conversacion": conversation, "seq": 1, "de": other.user}
    world.settle(admin, other)
    assert leido(admin) == leido(other) == []


def test_a_read_mark_moves_forward_only(world):
    admin, user = world.admin(), world.user()
    for number in range(3):
        conversation = admin.say(user.user, f"{number}")["conversacion"]
    for seq in (2, 1, 2, 3):
        assert user.call("leido", {"conversacion": conversation, "seq": seq})["ok"]
    world.settle(admin)
    assert [mark["seq"] for mark in leido(admin)] == [2, 3]
    marks = [e for e in stored(world.server, "conversation:read")
             if e["conversation"] == conversation]  # fmt: skip
    assert [mark["seq"] for mark in marks] == [2, 3]


def test_nobody_reads_in_a_conversation_that_is_not_theirs(world):
    one, other, stranger, admin = world.user(), world.user(), world.user(), world.admin()
    pair = one.say(other.user, "privado")["conversacion"]
    desk = one.say("admin", "consulta")["conversacion"]
    refused = [
        stranger.call("leido", {"conversacion": pair, "seq": 1}),
        stranger.call("leido", {"conversacion": desk, "seq": 1}),
        stranger.call("leido", {"conversacion": str(uuid4()), "seq": 1}),
        admin.call("leido", {"conversacion": pair, "seq": 1}),
    ]
    assert [answer["error"]["codigo"] for answer in refused] == ["no_autorizado"] * 4


@pytest.mark.parametrize("seq", [2, -1, None, "1", 1.5, True])
def test_a_read_mark_is_a_number_of_a_message_that_is_there(websockets, seq):
    admin, user = websockets.admin(), websockets.user()
    conversation = admin.say(user.user, "solo una")["conversacion"]
    answer = user.call("leido", {"conversacion": conversation, "seq": seq})
    assert answer["error"]["codigo"] == "datos_invalidos"


def test_typing_to_the_desk_is_seen_by_admins_alone(world):
    one, other, user, stranger = world.admin(), world.admin(), world.user(), world.user()
    assert user.call("escribiendo", {"para": "admin"}) == {"ok": True}
    conversation = user.say("admin", "ya")["conversacion"]
    for admin in (one, other):
        assert admin.next("escribiendo") == {"de": user.user, "conversacion": conversation}
    world.settle(user, stranger)
    assert user.got("escribiendo") == stranger.got("escribiendo") == []


def test_typing_to_a_person_is_seen_by_that_person_alone(world):
    admin, other, user = world.admin(), world.admin(), world.user()
    assert admin.call("escribiendo", {"para": user.user})["ok"]
    assert user.next("escribiendo")["de"] == admin.user
    world.settle(admin, other)
    assert admin.got("escribiendo") == other.got("escribiendo") == []


def test_typing_is_never_stored_and_too_much_of_it_is_dropped(world):
    admin, user = world.admin(), world.user()
    before = len(stored(world.server))
    answers = [user.emit("escribiendo", {"para": "admin"}) for _ in range(200)]
    assert all(answer.value == {"ok": True} for answer in answers)
    assert len(stored(world.server)) == before
    assert 1 <= len(admin.got("escribiendo")) < 100


def test_typing_to_nobody_is_refused(world):
    user, admin = world.user(), world.admin()
    assert user.call("escribiendo", {"para": "nadie"})["error"]["codigo"] == (
        "destinatario_desconocido"
    )
    for client, payload in ((user, {"para": user.user}), (admin, {"para": "admin"}), (user, {})):
        assert client.call("escribiendo", payload)["error"]["codigo"] == "datos_invalidos"
