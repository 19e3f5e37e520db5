"""What admins do to conversations, through the routes, and what users never see of it."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import httpx
import pytest

from tests.web.conftest import ADMIN, USER, Site, events

SECRETS = ("solo-para-nosotros", "etiqueta-secreta", "pospuesta", "asignada", "conversation:")


@pytest.fixture
def admin(site: Site) -> httpx.Client:
    return site.as_(ADMIN, "admin")


def row(client: httpx.Client, user: str = USER) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/hilo", params={"con": user}).json()["fila"]
    return found


def do(client: httpx.Client, what: str, **fields: str) -> httpx.Response:
    return client.post(f"/api/conversaciones/{row(client)['conversacion']}/{what}", json=fields)


def test_a_conversation_is_assigned_and_given_back(admin: httpx.Client, site: Site) -> None:
    answer = do(admin, "asignar", a="marcos").json()
    assert (answer["cambio"], answer["fila"]["asignada"]) == (True, "marcos")
    assert do(admin, "asignar", a="marcos").json()["cambio"] is False
    assert do(admin, "asignar", a="").json()["fila"]["asignada"] == ""
    assert len(events(site, "conversation:assigned")) == 2


def test_a_conversation_is_snoozed_resolved_and_opened(admin: httpx.Client) -> None:
    snoozed = do(admin, "estado", estado="pospuesta", minutos="60").json()["fila"]
    assert snoozed["estado"] == "pospuesta"
    assert snoozed["pospuesta_hasta"] > snoozed["fecha"]
    until = do(admin, "estado", estado="pospuesta", hasta="2027-01-02T09:00:00Z")
    assert until.json()["fila"]["pospuesta_hasta"] == "2027-01-02T09:00:00.000Z"
    for status in ("pendiente", "resuelta", "abierta"):
        changed = do(admin, "estado", estado=status).json()["fila"]
        assert (changed["estado"], changed["pospuesta_hasta"]) == (status, None)


@pytest.mark.parametrize(
    ("what", "fields", "status", "code"),
    [
        ("asignar", {"a": "nadie"}, 400, "destinatario_desconocido"),
        ("asignar", {"a": USER}, 400, "destinatario_desconocido"),
        ("estado", {"estado": "cerrada"}, 400, "datos_invalidos"),
        ("estado", {}, 400, "datos_invalidos"),
        ("estado", {"estado": "pospuesta"}, 400, "datos_invalidos"),
        ("estado", {"estado": "pospuesta", "minutos": "-5"}, 400, "datos_invalidos"),
        ("estado", {"estado": "pospuesta", "hasta": "mañana"}, 400, "datos_invalidos"),
        ("etiquetas", {"poner": "x" * 31}, 400, "datos_invalidos"),
        ("notas", {"texto": " "}, 400, "mensaje_vacio"),
        ("sin-leer", {"desde": "0"}, 400, "datos_invalidos"),
    ],
)
def test_other_values_are_refused(
    admin: httpx.Client, what: str, fields: dict[str, str], status: int, code: str
) -> None:
    answer = do(admin, what, **fields)
    assert (answer.status_code, answer.json()["error"]["codigo"]) == (status, code)


@pytest.mark.parametrize("what", ["asignar", "estado", "etiquetas", "notas", "sin-leer"])
def test_users_and_strangers_do_nothing_to_conversations(site: Site, what: str) -> None:
    id_ = row(site.as_(ADMIN, "admin"))["conversacion"]
    fields = {"estado": "resuelta", "poner": "x", "texto": "x"}
    before = events(site, "conversation:note:written")
    for client, status in ((site.as_(USER), 403), (site.client(), 401)):
        path = f"/api/conversaciones/{id_}/{what}"
        assert client.post(path, json=fields).status_code == status
    assert events(site, "conversation:note:written") == before


def test_a_conversation_that_is_not_there_is_not_found(admin: httpx.Client) -> None:
    id_ = "00000000-0000-4000-8000-000000000000"
    assert admin.post(f"/api/conversaciones/{id_}/notas", json={"texto": "x"}).status_code == 404


def test_a_form_comes_back_to_where_it_was_and_to_no_other_server(admin: httpx.Client) -> None:
    path = f"/api/conversaciones/{row(admin)['conversacion']}/etiquetas"
    for back, place in (("/soporte?con=x", "/soporte?con=x"), ("//evil.example", "/soporte")):
        answer = admin.post(path, data={"poner": "de formulario", "vuelta": back})
        assert (answer.status_code, answer.headers["location"]) == (303, place)
    assert "de formulario" in row(admin)["etiquetas"]
    assert do(admin, "etiquetas", quitar="de formulario").json()["fila"]["etiquetas"] == []


def test_lists_are_filtered_by_the_words_of_their_addresses(admin: httpx.Client) -> None:
    do(admin, "etiquetas", poner="envíos")
    do(admin, "asignar", a=ADMIN)
    do(admin, "estado", estado="pendiente")

    def users(**query: str) -> list[str]:
        rows = admin.get("/api/bandeja", params=query).json()["filas"]
        return [one["user"] for one in rows]

    assert users(etiqueta="envíos") == [USER]
    assert users(de="mias", estado="pendiente") == [USER]
    assert USER in users()
    assert USER not in users(estado="abierta")
    assert USER not in users(de="libres")
    waiting = admin.get("/api/bandeja", params={"orden": "espera"}).json()["filas"]
    since = [one["espera_desde"] for one in waiting]
    assert since == sorted(since)
    assert None not in since
    for wrong in ({"estado": "x"}, {"de": "x"}, {"orden": "x"}, {"etiqueta": "x" * 31}):
        assert admin.get("/api/bandeja", params=wrong).status_code == 400
        assert admin.get("/soporte", params=wrong).status_code == 400
    do(admin, "estado", estado="abierta")


def test_counts_are_what_the_lists_would_show(admin: httpx.Client) -> None:
    do(admin, "estado", estado="pendiente")
    do(admin, "asignar", a=ADMIN)
    counts = admin.get("/api/bandeja/cuentas").json()
    for field, by_value in counts.items():
        for value, number in by_value.items():
            rows = admin.get("/api/bandeja", params={field: value}).json()["filas"]
            assert number == len(rows), (field, value)
    assert counts["estado"]["pendiente"] >= 1
    assert counts["de"]["mias"] >= 1
    do(admin, "estado", estado="abierta")
    do(admin, "asignar", a="")


def test_every_link_of_the_filters_leads_to_its_list(admin: httpx.Client) -> None:
    do(admin, "etiquetas", poner="a&b")
    page = admin.get("/soporte", params={"etiqueta": "a&b", "orden": "espera"}).text
    filters = page.partition('id="filters"')[2].partition("</nav>")[0]
    links = [html.unescape(link) for link in re.findall(r'href="([^"]+)"', filters)]
    assert len(links) >= 10
    for link in links:
        answer = admin.get(link)
        assert answer.status_code == 200, link
        current = re.search(r'<a href="[^"]*" aria-current="true">', answer.text)
        assert current, link
    do(admin, "etiquetas", quitar="a&b")


def test_marked_unread_is_unread_again(admin: httpx.Client) -> None:
    seq = row(admin)["seq"]
    assert do(admin, "sin-leer", desde=str(seq)).json()["fila"]["sin_leer"] == 1
    assert row(admin)["leido_hasta"] == seq - 1


def test_what_the_desk_does_stands_between_the_messages_for_admins(admin: httpx.Client) -> None:
    do(admin, "notas", texto="solo-para-nosotros")
    newest = admin.get("/api/hilo", params={"con": USER}).json()
    last = newest["acciones"][-1]
    assert (last["tipo"], last["valor"], last["de"]) == (
        "conversation:note:written", "solo-para-nosotros", ADMIN,
    )  # fmt: skip
    first = newest["mensajes"][0]["seq"]
    older = admin.get("/api/hilo", params={"con": USER, "antes": first}).json()
    assert older["acciones"] == []
    page = admin.get("/soporte", params={"con": USER}).text
    seq = newest["mensajes"][-1]["seq"]
    assert page.index(f'id="m-{seq}"') < page.index("solo-para-nosotros")


def test_users_see_nothing_of_what_the_desk_does(admin: httpx.Client, site: Site) -> None:
    do(admin, "notas", texto="solo-para-nosotros")
    do(admin, "etiquetas", poner="etiqueta-secreta")
    do(admin, "asignar", a=ADMIN)
    do(admin, "sin-leer")
    user = site.as_(USER)
    for path in ("/soporte", "/api/hilo", "/api/mensajes/mios"):
        page = user.get(path)
        assert page.status_code == 200
        assert [word for word in SECRETS if word in page.text] == [], path
    assert "acciones" not in user.get("/api/hilo").json()
    assert "solo-para-nosotros" in json.dumps(admin.get("/api/hilo", params={"con": USER}).json())
