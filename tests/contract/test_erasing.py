"""`mensaje_borrado`: an erased message keeps its place and loses its text."""

import sqlite3
from contextlib import closing

from tests.support.world import messages, name


def erase_last(server):
    """Erases the newest message of the log from the command line."""
    with closing(sqlite3.connect(server.folder / "registro.db")) as database:
        ((position,),) = database.execute(
            "SELECT MAX(position) FROM log_event WHERE type = 'conversation:message:sent'"
        )
    server.registro("erase", "--event", str(position), "--reason", "prueba", "--yes")


def test_whoever_could_see_an_erased_message_is_told_and_nobody_else(world):
    admin, user, stranger = world.admin(), world.user(), world.user()
    conversation = user.say("admin", "que no quede")["conversacion"]
    erase_last(world.server)
    for client in (admin, user):
        assert client.next("mensaje_borrado") == {"conversacion": conversation, "seq": 1}
    world.settle(stranger)
    assert stranger.got("mensaje_borrado") == []


def test_an_erased_message_keeps_its_place_without_its_text(world):
    admin, user = world.admin(), world.user()
    user.say("admin", "que no quede")
    erase_last(world.server)
    user.next("mensaje_borrado")
    assert user.say("admin", "que quede")["seq"] == 2
    answer = user.call("sincronizar", {"vistos": {}})
    erased, kept = answer["mensajes"]
    assert (erased["seq"], erased["mensaje"], erased["borrado"]) == (1, "", True)
    assert (kept["seq"], kept["mensaje"], "borrado" in kept) == (2, "que quede", False)
    assert [m["mensaje"] for m in messages(admin)] == ["que no quede", "que quede"]


def test_an_erased_person_is_put_out_and_not_brought_back_by_their_token(websockets):
    user = websockets.user(name("olvidado"))
    user.say("admin", "adiós")
    websockets.server.registro("erase", "--user", user.user, "--reason", "prueba", "--yes")
    assert user.next("sesion_termina") == {"motivo": "borrado"}
    user.closed()
    assert websockets.arrive(user.user, "user").refusal() == "Sesión revocada"
