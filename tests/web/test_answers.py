"""Canned answers over HTTP."""

from __future__ import annotations

import html
import re

import httpx
import pytest

from tests.web.conftest import ADMIN, USER, Site, events, heading


@pytest.fixture
def admin(site: Site) -> httpx.Client:
    return site.as_(ADMIN, "admin")


def save(client: httpx.Client, title: str, text: str, **more: str) -> httpx.Response:
    data = {"titulo": title, "texto": text, **more}
    return client.post("/admin/respuestas/guardar", data=data)


def listed(admin: httpx.Client) -> dict[str, str]:
    answers = admin.get("/api/respuestas").json()["respuestas"]
    return {one["titulo"]: one["texto"] for one in answers}


def test_an_answer_is_made_changed_and_deleted_with_plain_forms(
    site: Site, admin: httpx.Client
) -> None:
    before = len(events(site, "desk:answer:saved"))
    made = save(admin, "Cita <b>", "Hola, {nombre}:\r\n¿qué tal?")
    assert made.headers["location"] == "/admin/respuestas?hecho=guardada"
    page = admin.get(made.headers["location"]).text
    assert "Se ha guardado la respuesta." in page
    assert "Cita &lt;b&gt;" in page
    assert "Ana Belmonte Ruiz</bdi>, <time" in page
    assert listed(admin)["Cita <b>"] == "Hola, {nombre}:\n¿qué tal?"
    [id_] = re.findall(r'/admin/respuesta\?id=([0-9a-f-]{36})"><bdi>Cita', page)
    form = admin.get("/admin/respuesta", params={"id": id_}).text
    assert ">\nHola, {nombre}:\n¿qué tal?</textarea>" in html.unescape(form)
    other = site.as_("marcos", "admin")
    assert save(other, "Cita", "Buenas", id=id_).status_code == 303
    assert "Marcos Etxeberria</bdi>, <time" in admin.get("/admin/respuestas").text
    removed = admin.post("/admin/respuestas/quitar", data={"id": id_})
    assert removed.headers["location"] == "/admin/respuestas?hecho=quitada"
    assert "Cita" not in listed(admin)
    assert len(events(site, "desk:answer:saved")) == before + 2
    assert admin.get("/admin/respuesta", params={"id": id_}).status_code == 404
    assert admin.post("/admin/respuestas/quitar", data={"id": id_}).status_code == 404
    assert save(admin, "x", "y", id=id_).status_code == 404


def test_a_form_that_is_not_right_comes_back_with_what_was_written(admin: httpx.Client) -> None:
    save(admin, "Envío", "Ha salido hoy.")
    taken = save(admin, "envio", "Ha salido <ayer>.")
    assert (taken.status_code, heading(taken.text)) == (409, "Nueva respuesta")
    assert "Otra respuesta tiene ese título." in taken.text
    assert "Ha salido &lt;ayer&gt;." in taken.text
    blank = save(admin, "Otra", " ")
    assert blank.status_code == 400
    assert 'id="text-problem">No hay nada escrito.' in blank.text
    strange = admin.post("/admin/respuestas/guardar", json={"titulo": "a\0b", "texto": "b"})
    assert strange.status_code == 400
    assert listed(admin)["Envío"] == "Ha salido hoy."


def test_answers_are_for_admins_on_our_own_pages(site: Site, admin: httpx.Client) -> None:
    save(admin, "Para nadie más", "x")
    user = site.as_(USER)
    assert save(user, "y", "z").status_code == 403
    assert user.get("/api/respuestas").status_code == 403
    foreign = {"Origin": "https://e.example"}
    data = {"titulo": "y", "texto": "z"}
    forged = admin.post("/admin/respuestas/guardar", data=data, headers=foreign)
    assert forged.status_code == 403
    unknown = site.as_("nunca.visto", "admin")
    assert unknown.get("/api/respuestas").json() == {"respuestas": []}
    assert "y" not in listed(admin)
