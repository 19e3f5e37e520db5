"""Several conversations at once and saved views, through the routes."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from tests.web.conftest import ADMIN, USER, Site, events, heading

PATH = "/api/conversaciones/varias"
NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def admin(site: Site) -> httpx.Client:
    return site.as_(ADMIN, "admin")


def ids(client: httpx.Client, number: int = 3) -> list[str]:
    rows = client.get("/api/bandeja").json()["filas"][:number]
    return [row["conversacion"] for row in rows]


def order(client: httpx.Client, **fields: Any) -> httpx.Response:
    return client.post(PATH, json=fields)


def test_what_is_done_to_several_is_told_with_what_was_before(
    admin: httpx.Client, site: Site
) -> None:
    some = ids(admin)
    before = len(events(site, "conversation:assigned"))
    answer = order(admin, conversacion=some, que="asignar", a=ADMIN).json()
    assert [one["fila"]["conversacion"] for one in answer["hechas"]] == some
    assert {one["antes"]["asignada"] for one in answer["hechas"]} == {""}
    assert {one["fila"]["asignada"] for one in answer["hechas"]} == {ADMIN}
    again = order(admin, conversacion=[*some, NOWHERE], que="asignar", a=ADMIN).json()
    assert (again["hechas"], again["sin_cambio"]) == ([], some)
    assert again["fallidas"] == [{"conversacion": NOWHERE, "codigo": "no_autorizado"}]
    assert len(events(site, "conversation:assigned")) == before + len(some)
    order(admin, conversacion=some, que="asignar", a="")


@pytest.mark.parametrize(
    ("fields", "changed"),
    [
        ({"que": "pospuesta", "minutos": "30"}, {"estado": "pospuesta"}),
        ({"que": "abierta"}, {"estado": "abierta"}),
        ({"que": "etiquetar", "etiqueta": " varias "}, {"etiquetas": ["varias"]}),
        ({"que": "desetiquetar", "etiqueta": "varias"}, {"etiquetas": []}),
    ],
)
def test_each_thing_can_be_done(
    admin: httpx.Client, fields: dict[str, str], changed: dict[str, object]
) -> None:
    done = order(admin, conversacion=ids(admin, 2), **fields).json()["hechas"]
    assert [one["fila"] | changed for one in done] == [one["fila"] for one in done]
    assert len(done) == 2


def test_reading_is_undone_by_marking_unread(admin: httpx.Client) -> None:
    some = ids(admin, 2)
    order(admin, conversacion=some, que="leer")
    [one, _] = order(admin, conversacion=some, que="sin-leer").json()["hechas"]
    assert (one["antes"]["sin_leer"], one["fila"]["sin_leer"]) == (0, 1)
    order(admin, conversacion=some, que="leer")


def test_reading_is_undone_from_where_each_was_unread(admin: httpx.Client) -> None:
    some = ids(admin)
    admin.post(f"/api/conversaciones/{some[0]}/sin-leer", json={"desde": "2"})
    was = [one["antes"] for one in order(admin, conversacion=some, que="leer").json()["hechas"]]
    assert any(one["sin_leer"] > 1 for one in was)
    for row in was:
        fields = {"que": "sin-leer", "desde": str(row["leido_hasta"] + 1)}
        [one] = order(admin, conversacion=[row["conversacion"]], **fields).json()["hechas"]
        receipt = {"leido_soporte": row["seq"]}  # what the user was told stays
        assert one["fila"] == row | receipt
    [one] = order(admin, conversacion=some[:1], que="leer", seq="2").json()["hechas"]
    assert one["fila"]["leido_hasta"] == 2
    order(admin, conversacion=some, que="leer")


@pytest.mark.parametrize(
    "fields",
    [
        {"que": "sin-leer", "desde": "x"}, {"que": "leer", "seq": "-1"},
        {"que": "borrar"}, {"que": "pospuesta", "hasta": "mañana"}, {"que": ["abierta"]},
        {"que": "asignar", "a": "nadie"}, {"que": "abierta", "conversacion": ["x"]},
        {"que": "abierta", "conversacion": [NOWHERE] * 201},
        {"que": "abierta", "conversacion": [5]},
    ],
)  # fmt: skip
def test_other_orders_are_refused(admin: httpx.Client, fields: dict[str, Any]) -> None:
    answer = order(admin, **({"conversacion": [NOWHERE]} | fields))
    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"codigo", "mensaje"}


def test_users_do_nothing_to_several(site: Site, admin: httpx.Client) -> None:
    fields = {"conversacion": ids(admin), "que": "resuelta"}
    assert order(site.as_(USER), **fields).status_code == 403
    assert order(site.client(), **fields).status_code == 401


def test_a_form_is_led_back_and_told_what_became_of_it(admin: httpx.Client) -> None:
    some = [*ids(admin, 2), NOWHERE]
    form = {"conversacion": some, "que": "pendiente", "vuelta": "/soporte?de=libres"}
    answer = admin.post(PATH, data=form)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/soporte?de=libres&hechas=2&fallidas=1"
    page = admin.get(answer.headers["location"]).text
    assert "2 conversaciones cambiadas. 1 no se ha podido cambiar." in page
    admin.post(PATH, data=form | {"que": "abierta"})


def test_a_form_that_is_refused_is_told_so_on_a_page(admin: httpx.Client) -> None:
    [id_] = ids(admin, 1)
    path, form = f"/api/conversaciones/{id_}/notas", {"texto": " ", "vuelta": "/soporte?con=iker"}
    admin.cookies.set("lang", "en")
    answer = admin.post(path, data=form)
    assert (answer.status_code, heading(answer.text)) == (400, "That was not done")
    assert 'href="/soporte?con=iker"' in answer.text
    assert "Datos" not in answer.text
    assert admin.post(path, json={"texto": " "}).json()["error"]["codigo"] == "mensaje_vacio"


def test_a_view_is_saved_shown_renamed_and_removed(site: Site, admin: httpx.Client) -> None:
    form = {"nombre": "Mis <urgentes>", "consulta": "orden=espera&de=mias", "compartida": "1"}
    saved = admin.post("/soporte/vistas/guardar", data=form)
    assert saved.headers["location"] == "/soporte?de=mias&orden=espera"
    page = admin.get(saved.headers["location"]).text
    assert "Mis &lt;urgentes&gt;" in page
    [id_] = re.findall(r'name="id" value="([^"]+)"', page)[:1]
    other = site.as_("marcos", "admin")
    renamed = other.post("/soporte/vistas/guardar", data=form | {"id": id_, "nombre": "Urgentes"})
    assert renamed.status_code == 303
    assert "Mis &lt;" not in admin.get("/soporte").text
    assert other.post("/soporte/vistas/quitar", data={"id": id_}).status_code == 303
    assert "Urgentes" not in admin.get("/soporte").text
    assert [one["name"] for one in events(site, "desk:view:saved")] == [
        "Mis <urgentes>",
        "Urgentes",
    ]
    assert len(events(site, "desk:view:removed")) == 1


@pytest.mark.parametrize(
    "form",
    [
        {"nombre": "", "consulta": ""}, {"nombre": "x" * 41, "consulta": ""},
        {"nombre": "x", "consulta": "estado=x"}, {"nombre": "x", "consulta": "", "id": NOWHERE},
    ],
)  # fmt: skip
def test_a_view_that_cannot_be_is_refused_on_a_page(
    admin: httpx.Client, form: dict[str, str]
) -> None:
    answer = admin.post("/soporte/vistas/guardar", data=form)
    assert answer.status_code in (400, 404)
    assert heading(answer.text) == "No se ha hecho"


def test_the_part_of_a_thread_that_is_asked_for_is_shown(admin: httpx.Client) -> None:
    def seqs(**query: str) -> list[int]:
        page = admin.get("/soporte", params={"con": USER} | query).text
        return [int(seq) for seq in re.findall(r'id="m-(\d+)"', page)]

    last = seqs()[-1]
    assert seqs(antes="5") == [1, 2, 3, 4]
    assert seqs(despues=f"{last - 2}") == [last - 1, last]
    assert seqs(ultimos="1") == seqs()
    assert admin.get("/soporte", params={"con": USER, "despues": "x"}).status_code == 400
