"""docs/asyncapi.yaml names every event of the sockets, and what is really sent fits it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from registro.services import Services
from registro.web import tokens
from registro.web.sockets import Sockets
from tests.conftest import settings_for
from tests.support.schema import Schemas

ROOT = Path(__file__).parents[2]
DOCUMENT = yaml.safe_load((ROOT / "docs/asyncapi.yaml").read_text("utf-8"))
SCHEMAS = Schemas(DOCUMENT)


def operations(action: str) -> dict[str, Any]:
    """Operations by the name of their event."""
    return {
        operation["channel"]["$ref"].rpartition("/")[2]: operation
        for operation in DOCUMENT["operations"].values()
        if operation["action"] == action
    }


def problems(operation: Any, value: Any) -> list[str]:
    """What is wrong with a payload, or with an acknowledgement."""
    (message,) = operation["messages"]
    return list(SCHEMAS.problems(SCHEMAS.resolve(message["$ref"])["payload"], value))


def test_the_document_names_every_event_that_clients_may_send() -> None:
    sockets = Sockets(Services(settings_for("sqlite:///nothing-is-opened.db")))
    handlers = sockets.server._events.keys()
    assert operations("receive").keys() == handlers


def test_the_document_names_every_event_that_clients_are_sent() -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "registro/web").glob("*.py"))
    sent = set(re.findall(r"(?:Emission|\.deliver|\.broadcast)\(\s*\"(\w+)\"", source))
    assert operations("send").keys() == sent


def fields(schema: Any) -> dict[str, bool]:
    """The fields of an object, and whether each has to be there; of answers, those of success."""
    schema = SCHEMAS.resolve(schema["$ref"]) if "$ref" in schema else schema
    for branch in schema.get("oneOf", ()):
        if branch != {"$ref": "#/components/schemas/Negativa"}:
            return fields(branch)
    return {name: name in schema["required"] for name in schema["properties"]}


def documented(text: str) -> dict[str, bool]:
    """The fields of an object as the page writes them: `{one, other?}`."""
    return {name: not mark for name, mark in re.findall(r"(\w+)(\??)", text)}


def rows(title: str) -> dict[str, list[str]]:
    """The cells of a part's tables, by what is in the first."""
    text = (ROOT / "docs/sockets.md").read_text("utf-8")
    part = text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    found = [
        [re.sub(r"^`([^`]*)`$", r"\1", cell.strip()) for cell in row.split("|")]
        for row in re.findall(r"^\| (`.*) \|$", part, re.MULTILINE)
    ]
    return {first: rest for first, *rest in found}


@pytest.mark.parametrize(
    ("title", "action"), [("From clients", "receive"), ("From the server", "send")]
)
def test_the_page_has_every_event_with_its_fields(title: str, action: str) -> None:
    known = operations(action)
    found = {name: cells for name, cells in rows(title).items() if cells[0].startswith("{")}
    assert found.keys() == known.keys()
    for name, operation in known.items():
        for place, half in enumerate((operation, operation.get("reply"))):
            if half is not None:
                (message,) = half["messages"]
                payload = SCHEMAS.resolve(message["$ref"])["payload"]
                assert documented(found[name][place]) == fields(payload), name


def test_the_page_has_every_reason() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    codes = {name for name, cells in rows("From clients").items() if cells[0][0] != "{"}
    assert codes - {"codigo"} == set(schemas["Error"]["properties"]["codigo"]["enum"])
    text = rows("From the server")["sesion_termina"][-1]
    assert set(schemas["Termina"]["properties"]["motivo"]["enum"]) <= set(
        re.findall(r"`(\w+)`", text)
    )
    refusals = {tokens.NOT_AUTHENTICATED, tokens.NO_TOKEN, tokens.INVALID, tokens.REVOKED}
    assert rows("Connecting").keys() >= refusals | {tokens.UNAVAILABLE}


def test_every_reference_leads_somewhere() -> None:
    text = (ROOT / "docs/asyncapi.yaml").read_text("utf-8")
    for reference in re.findall(r"\$ref: '(#/[\w/]+)'", text):
        assert SCHEMAS.resolve(reference)


def session(world: Any) -> list[Any]:
    """People who do whatever sockets can do; their clients, and what they were acknowledged."""
    admin, user = world.admin(), world.user()
    acknowledged = []

    def call(client: Any, event: str, payload: Any) -> Any:
        known = operations("receive")[event]
        if isinstance(payload, dict) and "para" in payload:
            assert problems(known, payload) == []
        answer = client.call(event, payload)
        acknowledged.append((known["reply"], answer))
        return answer

    sent = call(user, "mensaje_privado", {"para": "admin", "mensaje": "hola"})
    mark = {"conversacion": sent["conversacion"], "seq": 1}
    call(admin, "leido", mark)
    colleague = world.admin()
    call(colleague, "mirando", {"conversacion": sent["conversacion"]})
    call(admin, "mirando", {"conversacion": None})
    admin.next("mirando")
    call(admin, "escribiendo", {"para": user.user})
    call(admin, "mensaje_privado", {"para": user.user, "mensaje": "¿qué tal?", "visto": 1})
    call(admin, "mensaje_privado", {"para": user.user, "mensaje": "tarde", "visto": 0})
    call(user, "sincronizar", {"vistos": {}})
    for event in operations("receive"):
        call(user, event, None)
    user.next("escribiendo")
    user.next("leido")
    admin.next("conversacion")
    world.server.registro("erase", "--user", user.user, "--yes")
    user.next("sesion_termina")
    admin.next("mensaje_borrado")
    admin.next("presencia")
    return [acknowledged, admin, user]


@pytest.mark.parametrize("transport", ["websocket"])
def test_what_a_real_session_says_and_hears_fits_the_document(world: Any) -> None:
    acknowledged, *clients = session(world)
    assert [p for reply, answer in acknowledged for p in problems(reply, answer)] == []
    heard = [event for client in clients for event in client.of("event")]
    known = operations("send")
    wrong = [(e["name"], problems(known[e["name"]], e["args"][0])) for e in heard]
    assert [one for one in wrong if one[1]] == []
    assert {e["name"] for e in heard} >= known.keys() - {"mensaje_enviado", "accion", "horario"}
