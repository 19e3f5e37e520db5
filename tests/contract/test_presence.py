"""`presencia` and `conversacion`: what admins see of who is there, and of the inbox."""

import re

from tests.support.world import name


def presence(client, user):
    return [p for p in client.got("presencia") if p["user"] == user]


def wait_for(client, user, count):
    client.wait(lambda: len(presence(client, user)) >= count, f"{count} presencia of {user}")
    return presence(client, user)[count - 1]


def test_admins_see_who_comes_and_goes(world):
    admin, other = world.admin(), world.admin()
    user = world.user()
    for client in (admin, other):
        came = wait_for(client, user.user, 1)
        assert came.keys() == {"user", "conectado", "desde"}
        assert came["conectado"] is True
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", came["desde"])
    user.close()
    assert wait_for(admin, user.user, 2)["conectado"] is False
    assert wait_for(other, user.user, 2)["conectado"] is False


def test_a_second_tab_changes_nothing_until_the_last_one_is_closed(world):
    admin, user = world.admin(), name()
    tabs = [world.user(user), world.user(user)]
    wait_for(admin, user, 1)
    tabs[0].close()
    tabs[0].closed()
    world.settle(tabs[1], admin)
    assert [p["conectado"] for p in presence(admin, user)] == [True]
    tabs[1].close()
    assert wait_for(admin, user, 2)["conectado"] is False


def test_what_admins_know_already_is_not_told_again(world):
    admin, user = world.admin(), name()
    tab = world.user(user)
    wait_for(admin, user, 1)
    tab.say("admin", "hola")  # events of other kinds in between
    other = world.user(user)
    other.close()
    world.settle(tab, admin)
    assert [p["conectado"] for p in presence(admin, user)] == [True]


def test_users_see_nothing_of_who_is_there(world):
    user, other = world.user(), world.user()
    other.close()
    other.closed()
    world.settle(user)
    assert user.got("presencia") == []


def rows(client, user):
    return [row for row in client.got("conversacion") if row["user"] == user]


def test_a_changed_row_of_the_inbox_is_told_to_admins_alone(world):
    admin, user, other = world.admin(), world.user(), world.user()
    user.say("admin", "hola")
    admin.wait(lambda: rows(admin, user.user), "the row")
    row = rows(admin, user.user)[-1]
    expected = {"seq": 1, "de": user.user, "mensaje": "hola", "sin_leer": 1, "conectado": True}
    assert row == row | expected
    admin.call("leido", {"conversacion": row["conversacion"], "seq": 1})
    admin.wait(lambda: rows(admin, user.user)[-1]["sin_leer"] == 0, "the row to be read")
    other.say(user.user, "entre nosotros")  # no row of the inbox
    world.settle(user, other, admin)
    assert user.got("conversacion") == other.got("conversacion") == []
    assert [row["mensaje"] for row in rows(admin, user.user)] == ["hola", "hola"]
