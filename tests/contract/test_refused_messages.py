"""Every `codigo` of an acknowledgement, and what comes with it."""

import sqlite3
from contextlib import closing
from uuid import uuid4

import pytest

from tests.conftest import SECRET
from tests.support.clients import until
from tests.support.server import Server
from tests.support.world import World, messages, name, stored, stored_texts

LONG = "x" * 4001


def code(answer):
    """The `codigo` of a refusal, after checking its shape."""
    assert answer.keys() == {"ok", "error"}
    assert answer["ok"] is False
    assert isinstance(answer["error"]["mensaje"], str)
    assert answer["error"]["mensaje"]
    return answer["error"]["codigo"]


@pytest.fixture
def unchanged(world):
    """Nothing may be stored by, or reach anybody from, what the test says."""
    admin, user = world.admin(), world.user()
    before = stored_texts(world.server)
    yield user
    assert stored_texts(world.server) == before
    world.settle(admin)
    assert messages(admin) == []
    assert user.say("admin", "y ahora bien")["seq"] == 1


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u00a0\u2003", "\u200b\u2060", "\x01"])
def test_a_blank_message_is_refused(unchanged, text):
    assert code(unchanged.say("admin", text)) == "mensaje_vacio"


def test_a_message_of_more_than_4000_code_points_is_refused(unchanged):
    assert code(unchanged.say("admin", LONG)) == "mensaje_largo"
    assert code(unchanged.say("admin", "😀" * 4001)) == "mensaje_largo"


def test_nobody_can_write_to_somebody_unknown(unchanged):
    assert code(unchanged.say("nadie", "hola")) == "destinatario_desconocido"
    assert code(unchanged.say(unchanged.user.upper(), "hola")) == "destinatario_desconocido"


def test_nobody_writes_to_themselves(unchanged):
    assert code(unchanged.say(unchanged.user, "hola")) == "datos_invalidos"


def test_an_admin_does_not_write_to_the_desk(world):
    admin = world.admin()
    assert code(admin.say("admin", "hola")) == "datos_invalidos"
    assert code(admin.say(admin.user, "hola")) == "datos_invalidos"


def test_an_answer_that_something_unseen_has_overtaken_comes_back_with_it(world):
    one, other, user = world.admin(), world.admin(), world.user()
    user.say("admin", "primero")
    assert one.say(user.user, "respondo", visto=1)["seq"] == 2
    answer = other.say(user.user, "llego tarde", visto=1)
    assert code(answer) == "hay_novedades"
    (news,) = answer["error"]["mensajes"]
    assert news == user.next("mensaje_recibido")
    assert other.say(user.user, "ahora sí", visto=2)["seq"] == 3
    assert "llego tarde" not in stored_texts(world.server)


def test_two_answers_at_once_to_the_same_message_are_one(world):
    one, other, user = world.admin(), world.admin(), world.user()
    user.say("admin", "¿quién responde?")
    answers = [
        admin.emit("mensaje_privado", {"para": user.user, "mensaje": admin.user, "visto": 1})
        for admin in (one, other)
    ]
    values = sorted((answer.value for answer in answers), key=lambda value: value["ok"])
    assert code(values[0]) == "hay_novedades"
    assert values[1]["seq"] == 2
    assert len(values[0]["error"]["mensajes"]) == 1


def test_the_first_message_may_say_that_nothing_was_seen(world):
    user = world.user()
    assert user.say("admin", "primero", visto=0)["seq"] == 1
    assert code(user.say("admin", "otro", visto=0)) == "hay_novedades"


def test_nobody_has_seen_what_is_not_there_yet(unchanged):
    assert code(unchanged.say("admin", "hola", visto=1)) == "datos_invalidos"


def test_a_repetition_is_answered_even_if_more_has_come(world):
    user, id_ = world.user(), str(uuid4())
    first = user.say("admin", "primero", id=id_, visto=0)
    user.say("admin", "segundo")
    assert user.say("admin", "primero", id=id_, visto=0) == first


@pytest.mark.parametrize("transport", ["polling", "websocket"], indirect=True)
def test_twenty_seconds_worth_may_come_at_once_and_no_more(tmp_path, node, transport):
    with Server(tmp_path, {"JWT_SECRET": SECRET, "REGISTRO_MESSAGE_RATE": "0.25"}) as server:
        world = World(server, node, transport)
        user, other = world.user(), world.user()
        tab = world.user(user.user)
        answers = [user.say("admin", f"{n}") for n in range(5)]
        assert all(answer["ok"] for answer in answers)
        assert code(user.say("admin", "de más")) == "limite_superado"
        assert code(tab.say("admin", "de más")) == "limite_superado"  # the user's, not the socket's
        assert other.say("admin", "de otro")["ok"]
        until(lambda: user.say("admin", "por fin")["ok"], "the limit to let one through", 6)
        assert "de más" not in stored_texts(server)
        world.close()


@pytest.fixture(scope="module")
def impatient(tmp_path_factory):
    """A server that waits half a second for its store."""
    environ = {"JWT_SECRET": SECRET, "REGISTRO_STORE_TIMEOUT_SECONDS": "0.5"}
    with Server(tmp_path_factory.mktemp("impatient"), environ) as server:
        yield server


def locked(server):
    """Somebody else holds the database's write lock for as long as this is open."""
    database = sqlite3.connect(server.folder / "registro.db", isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    return closing(database)


def test_while_the_store_is_away_messages_are_refused_and_may_be_sent_again(impatient, node):
    world = World(impatient, node, "websocket")
    admin, user, id_ = world.admin(), world.user(), str(uuid4())
    with locked(impatient):
        assert code(user.say("admin", "más tarde", id=id_)) == "no_disponible"
        assert code(user.say("admin", "más tarde", id=id_)) == "no_disponible"
        assert world.arrive(name(), "user").refusal() == "No disponible"
    until(lambda: user.say("admin", "más tarde", id=id_)["ok"], "the store to come back", 5)
    world.settle(admin)
    assert [m["mensaje"] for m in messages(admin)] == ["más tarde"]
    assert stored_texts(impatient).count("más tarde") == 1
    world.close()


def test_who_leaves_while_the_store_is_away_is_recorded_once_it_is_back(impatient, node):
    world = World(impatient, node, "websocket")
    user, other = world.user(), world.user()
    before = len(stored(impatient, "connection:closed"))
    with locked(impatient):
        assert code(other.say("admin", "¿hay alguien?")) == "no_disponible"
        user.close()
        user.closed()
    until(lambda: len(stored(impatient, "connection:closed")) > before, "the closing", 15)
    world.close()
