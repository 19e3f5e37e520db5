"""`mirando`: who of the admins looks at what. Never stored."""

from tests.support.world import name, stored

CONVERSATION = "00000000-0000-4000-8000-00000000000a"
NONE = {"conversacion": None}


def looks(client, who):
    return [look for look in client.got("mirando") if look["user"] == who.user]


def wait_for(client, who, count):
    client.wait(lambda: len(looks(client, who)) >= count, f"{count} mirando of {who.user}")
    return looks(client, who)[count - 1]


def test_admins_tell_the_others_at_what_they_look_until_they_leave(world):
    ana, leo = world.admin(), world.admin()
    answer = ana.call("mirando", {"conversacion": CONVERSATION.upper()})
    assert answer["ok"]
    assert CONVERSATION not in [one["conversacion"] for one in answer["mirando"]]
    look = wait_for(leo, ana, 1)
    assert (look["conversacion"], look["escribe"]) == (CONVERSATION, False)
    [known] = [one for one in leo.call("mirando", NONE)["mirando"] if one["user"] == ana.user]
    assert known == look
    ana.close()
    assert wait_for(leo, ana, 2) == look | {"conversacion": None}
    answer = leo.call("mirando", NONE)
    assert ana.user not in [one["user"] for one in answer["mirando"]]


def test_an_admin_who_answers_is_seen_writing_by_the_others_and_by_the_user(world):
    ana, leo, eva = world.admin(), world.admin(), world.user()
    conversation = eva.say("admin", "hola")["conversacion"]
    ana.call("escribiendo", {"para": eva.user})
    assert wait_for(leo, ana, 1)["escribe"] is True
    assert looks(leo, ana)[0]["conversacion"] == conversation
    eva.wait(lambda: eva.got("escribiendo"), "the word that somebody writes")
    world.settle(eva, ana)
    assert eva.got("mirando") == ana.got("mirando") == []


def test_users_neither_look_nor_see_who_does(world):
    ana, eva = world.admin(), world.user()
    ana.call("mirando", {"conversacion": CONVERSATION})
    answer = eva.call("mirando", NONE)
    assert answer["error"]["codigo"] == "no_autorizado"
    world.settle(eva)
    assert eva.got("mirando") == []


def test_other_payloads_are_refused_and_too_many_are_not_passed_on(world):
    ana, leo = world.admin(), world.admin(name("admin"))
    for wrong in (None, 5, {"conversacion": "x"}, {"conversacion": 5}, {"conversacion": {}}):
        assert ana.call("mirando", wrong)["error"]["codigo"] == "datos_invalidos"
    before = len(stored(world.server))
    for _ in range(60):
        assert ana.call("mirando", {"conversacion": CONVERSATION})["ok"]
    world.settle(leo)
    assert 1 <= len(looks(leo, ana)) < 60
    assert not [event for event in stored(world.server)[before:] if CONVERSATION in str(event)]
