"""Files that messages bring, over the socket."""

from uuid import uuid4

import httpx
import pytest

from tests.support.world import messages


def upload(world, user):
    answer = httpx.post(
        f"{world.server.url}/api/archivos",
        params={"nombre": "carta.txt"},
        content=b"hola",
        cookies={"token": world.server.token(user.user)},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_message_brings_its_files_to_everybody_who_gets_it(world):
    admin, user, id_ = world.admin(), world.user(), str(uuid4())
    tab = world.user(user.user)
    file = upload(world, user)
    first = user.say("admin", "", id=id_, adjuntos=[file["id"]])
    assert first["ok"]
    assert user.say("admin", "", id=id_, adjuntos=[file["id"]]) == first
    world.settle(admin, tab)
    [received], [mirrored] = messages(admin), messages(tab, "mensaje_enviado")
    assert received["adjuntos"] == mirrored["adjuntos"] == [file]
    caught = user.call("sincronizar", {"vistos": {}})["mensajes"]
    assert caught[0]["adjuntos"] == [file]


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ([str(uuid4())], "adjunto_desconocido"),
        ([], "mensaje_vacio"),
        ("x", "datos_invalidos"),
        (["x"], "datos_invalidos"),
        ([str(uuid4()) for _ in range(6)], "datos_invalidos"),
        ([str(uuid4())] * 2, "datos_invalidos"),
    ],
)
def test_files_that_are_none_are_refused(websockets, files, code):
    answer = websockets.user().say("admin", "", adjuntos=files)
    assert (answer["ok"], answer["error"]["codigo"]) == (False, code)


def test_another_users_file_cannot_be_sent(websockets):
    owner, other = websockets.user(), websockets.user()
    answer = other.say("admin", "", adjuntos=[upload(websockets, owner)["id"]])
    assert answer["error"]["codigo"] == "adjunto_desconocido"
