"""Who gets which message: `mensaje_privado`, `mensaje_recibido`, `mensaje_enviado`."""

import re
from uuid import uuid4

from tests.support.world import messages, stored, texts

FIELDS = {"de", "mensaje", "id", "para", "conversacion", "seq", "fecha"}


def test_an_acknowledgement_has_the_fields_of_the_contract(world):
    user, id_ = world.user(), str(uuid4())
    answer = user.say("admin", "hola", id=id_)
    assert answer.keys() == {"ok", "id", "conversacion", "seq", "fecha"}
    assert (answer["ok"], answer["id"], answer["seq"]) == (True, id_, 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", answer["fecha"])


def test_a_message_without_an_id_is_given_one(world):
    user = world.user()
    first, second = user.say("admin", "uno"), user.say("admin", "dos")
    assert re.fullmatch(r"[0-9a-f-]{36}", first["id"])
    assert first["id"] != second["id"]


def test_a_message_to_the_desk_reaches_every_admin_once(world):
    one, other, user = world.admin(), world.admin(), world.user()
    answer = user.say("admin", "¿Hay alguien?")
    world.settle(one, other)
    expected = {"de": user.user, "para": "admin", "mensaje": "¿Hay alguien?"}
    for admin in (one, other):
        (message,) = [m for m in messages(admin) if m["de"] == user.user]
        assert message.keys() == FIELDS
        assert message == message | expected | {k: answer[k] for k in answer.keys() - {"ok"}}


def test_a_message_to_the_desk_reaches_no_other_user(world):
    bystander, user = world.user(), world.user()
    user.say("admin", "solo para el servicio")
    world.settle(bystander)
    assert messages(bystander) == []


def test_the_senders_other_tab_gets_it_as_sent_and_the_sending_one_not_at_all(world):
    user = world.user()
    tab = world.user(user.user)
    answer = user.say("admin", "desde la primera")
    world.settle(user, tab)
    (mirrored,) = messages(tab, "mensaje_enviado")
    assert mirrored.keys() == FIELDS
    assert mirrored["id"] == answer["id"]
    assert messages(user, "mensaje_enviado") == []
    assert messages(user) == messages(tab) == []


def test_an_answer_reaches_the_user_and_shows_in_every_other_inbox(world):
    one, other, user = world.admin(), world.admin(), world.user()
    answer = one.say(user.user, "Dígame")
    world.settle(user, one, other)
    (received,) = messages(user)
    assert received == received | {"de": one.user, "para": user.user, "id": answer["id"]}
    assert [m["id"] for m in messages(other, "mensaje_enviado")] == [answer["id"]]
    assert messages(one, "mensaje_enviado") == []
    assert texts(one) == texts(other) == []


def test_the_answering_admins_other_tab_gets_it_once(world):
    admin, user = world.admin(), world.user()
    tab = world.admin(admin.user)
    admin.say(user.user, "Dígame")
    world.settle(admin, tab)
    assert texts(tab, "mensaje_enviado") == ["Dígame"]
    assert texts(tab) == texts(admin) == texts(admin, "mensaje_enviado") == []


def test_a_message_between_users_reaches_the_other_user_and_the_admins(world):
    admin, one, other = world.admin(), world.user(), world.user()
    one.say(other.user, "¿Comemos?")
    world.settle(admin, one, other)
    assert texts(other) == texts(admin) == ["¿Comemos?"]
    assert messages(other, "mensaje_enviado") == messages(admin, "mensaje_enviado") == []


def test_a_message_to_an_admin_by_name_reaches_them_once_and_the_other_admins(world):
    addressed, other, user = world.admin(), world.admin(), world.user()
    user.say(addressed.user, "para usted")
    world.settle(addressed, other)
    assert texts(addressed) == texts(other) == ["para usted"]
    assert messages(addressed)[0]["para"] == addressed.user


def test_a_message_between_admins_is_received_by_one_and_shown_to_the_others(world):
    one, other, third = world.admin(), world.admin(), world.admin()
    tab = world.admin(one.user)
    one.say(other.user, "entre nosotros")
    world.settle(one, other, third, tab)
    assert texts(other) == ["entre nosotros"]
    assert texts(other, "mensaje_enviado") == []
    assert texts(third, "mensaje_enviado") == texts(tab, "mensaje_enviado") == ["entre nosotros"]
    assert texts(third) == texts(tab) == texts(one) == texts(one, "mensaje_enviado") == []


def test_both_tabs_of_the_recipient_get_it_once(world):
    admin, user = world.admin(), world.user()
    tab = world.user(user.user)
    admin.say(user.user, "a las dos")
    world.settle(user, tab)
    assert texts(user) == texts(tab) == ["a las dos"]


def test_a_users_desk_conversation_is_one_whichever_admin_answers(world):
    one, other, user = world.admin(), world.admin(), world.user()
    answers = [
        user.say("admin", "primero"),
        one.say(user.user, "segundo"),
        other.say(user.user, "tercero"),
        user.say(one.user, "cuarto"),
    ]
    assert [answer["seq"] for answer in answers] == [1, 2, 3, 4]
    assert len({answer["conversacion"] for answer in answers}) == 1


def test_two_users_have_one_conversation_whoever_writes(world):
    one, other, admin = world.user(), world.user(), world.admin()
    there, back = one.say(other.user, "ida"), other.say(one.user, "vuelta")
    assert (there["seq"], back["seq"]) == (1, 2)
    assert there["conversacion"] == back["conversacion"]
    assert one.say("admin", "otra")["conversacion"] != there["conversacion"]
    assert admin.say(one.user, "misma")["seq"] == 2


def test_a_message_is_stored_and_returned_exactly_as_it_was_sent(world):
    admin, user = world.admin(), world.user()
    sent = [
        " ñandú 👩‍👩‍👧 \u202eשלום\r\n\t<b>&amp;</b> %s ' \" \\ ",
        "e\u0301 ≠ é",
        "a" * 4000,
        "😀" * 4000,
    ]
    for text in sent:
        assert user.say("admin", text)["ok"]
    world.settle(admin)
    assert [m["mensaje"] for m in messages(admin) if m["de"] == user.user] == sent


def test_a_message_needs_no_acknowledgement(world):
    admin, user = world.admin(), world.user()
    user.tell("mensaje_privado", {"para": "admin", "mensaje": "sin acuse"})
    assert admin.next("mensaje_recibido")["mensaje"] == "sin acuse"


def test_somebody_who_is_away_finds_it_later(world):
    admin, user = world.admin(), world.user()
    user.close()
    user.closed()
    assert admin.say(user.user, "cuando vuelva")["ok"]
    back = world.user(user.user)
    answer = back.call("sincronizar", {"vistos": {}})
    assert [m["mensaje"] for m in answer["mensajes"]] == ["cuando vuelva"]


def test_an_acknowledged_message_is_in_the_log_with_its_number(world):
    user = world.user()
    answer = user.say("admin", "constancia")
    (event,) = [
        e for e in stored(world.server, "conversation:message:sent")
        if e["stream"] == f"conversation/{answer['conversacion']}"
    ]  # fmt: skip
    assert (event["text"], event["recipient"]) == ("constancia", "desk")
