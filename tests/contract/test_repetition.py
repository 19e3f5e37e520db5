"""The same `id` from the same user again stores and delivers nothing, however much later."""

import time
from uuid import uuid4

from tests.support.world import messages, stored_texts, texts


def test_the_same_id_twice_is_one_message_with_one_acknowledgement(world):
    admin, user, id_ = world.admin(), world.user(), str(uuid4())
    tab = world.user(user.user)
    first = user.say("admin", "una vez", id=id_)
    again = user.say("admin", "una vez", id=id_)
    world.settle(admin, tab)
    assert again == first
    assert texts(admin) == texts(tab, "mensaje_enviado") == ["una vez"]
    assert user.say("admin", "otra")["seq"] == 2


def test_the_same_id_without_waiting_is_one_message(world):
    admin, user, id_ = world.admin(), world.user(), str(uuid4())
    payload = {"para": "admin", "mensaje": f"veinte veces {id_}", "id": id_}
    answers = [user.emit("mensaje_privado", payload) for _ in range(20)]
    assert all(answer.value == answers[0].value for answer in answers)
    world.settle(admin, user)
    assert len(messages(admin)) == stored_texts(world.server).count(payload["mensaje"]) == 1
    assert messages(user, "mensaje_enviado") == []


def test_the_same_id_after_a_reconnect_is_one_message(world):
    admin, user, id_ = world.admin(), world.user(), str(uuid4())
    first = user.say("admin", "antes y después", id=id_)
    user.close()
    user.closed()
    user.connect_again()
    assert user.say("admin", "antes y después", id=id_) == first
    world.settle(admin)
    assert texts(admin) == ["antes y después"]


def test_the_same_id_seconds_later_from_another_socket_is_one_message(websockets):
    admin, user, id_ = websockets.admin(), websockets.user(), str(uuid4())
    first = user.say("admin", "a tiempo", id=id_)
    time.sleep(2)
    tab = websockets.user(user.user)
    assert tab.say("admin", "a tiempo", id=id_) == first
    websockets.settle(admin, user)
    assert texts(admin) == ["a tiempo"]
    assert messages(user, "mensaje_enviado") == []


def test_the_same_id_from_two_sockets_at_once_is_one_message(world):
    admin, user, id_ = world.admin(), world.user(), str(uuid4())
    tab = world.user(user.user)
    payload = {"para": "admin", "mensaje": "a la vez", "id": id_}
    answers = [one.emit("mensaje_privado", payload) for one in (user, tab, user, tab)]
    assert all(answer.value == answers[0].value for answer in answers)
    world.settle(admin, user, tab)
    assert texts(admin) == ["a la vez"]
    assert len(messages(user, "mensaje_enviado") + messages(tab, "mensaje_enviado")) == 1


def test_the_first_acknowledgement_comes_again_whatever_else_the_repetition_says(world):
    user, other, id_ = world.user(), world.user(), str(uuid4())
    first = user.say("admin", "la primera", id=id_)
    assert user.say(other.user, "otra cosa", id=id_) == first
    assert user.say("admin", "la primera", id=id_.upper()) == first
    assert user.say("admin", "la primera", id=id_, visto=0) == first


def test_the_same_id_from_another_user_is_another_message(world):
    admin, one, other, id_ = world.admin(), world.user(), world.user(), str(uuid4())
    answers = [user.say("admin", f"de {user.user}", id=id_) for user in (one, other)]
    world.settle(admin)
    assert [answer["id"] for answer in answers] == [id_, id_]
    assert answers[0]["conversacion"] != answers[1]["conversacion"]
    assert texts(admin) == [f"de {one.user}", f"de {other.user}"]
