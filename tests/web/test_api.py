"""The JSON API of the original."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx

from registro.config import Settings
from registro.services import running
from tests.conftest import SECRET, settings_for
from tests.support.server import Server
from tests.web.conftest import ADMIN, USER, Site


def test_a_users_messages_are_oldest_first_with_the_fields_of_the_original(site: Site) -> None:
    rows = site.as_(ADMIN, "admin").get("/api/mensajes", params={"con": USER, "nombre": "a"}).json()
    assert rows
    assert set(rows[0]) == {"de_usuario", "para_usuario", "mensaje", "fecha"}
    assert [row["fecha"] for row in rows] == sorted(row["fecha"] for row in rows)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", rows[0]["fecha"])
    assert USER in {row["de_usuario"] for row in rows}


def test_nobody_and_the_unknown_have_no_messages(site: Site) -> None:
    admin = site.as_(ADMIN, "admin")
    assert admin.get("/api/mensajes", params={"con": "nadie"}).json() == []
    assert site.as_("never-seen").get("/api/mensajes/mios").json() == []
    assert "never-seen" not in site.server.registro("user", "list")


def test_mine_are_mine_alone(site: Site) -> None:
    rows = site.as_(USER).get("/api/mensajes/mios").json()
    assert rows
    assert all(USER in (row["de_usuario"], row["para_usuario"]) for row in rows)


def test_conversations_are_listed_the_most_recent_first(site: Site) -> None:
    admin = site.as_(ADMIN, "admin")
    users = admin.get("/api/usuarios-conversaciones").json()
    assert len(users) == len(set(users)) >= 20
    newest = [
        admin.get("/api/mensajes", params={"con": user}).json()[-1]["fecha"] for user in users[:5]
    ]
    assert newest == sorted(newest, reverse=True)


async def _write(settings: Settings, count: int) -> None:
    async with running(settings) as services:
        await services.accounts.register("ana", "Ana", "admin", "form")
        eva = await services.accounts.register("eva", "Eva", "user", "form")
        for number in range(count):
            sending = await services.chat.send(eva, "admin", str(number), None, None, None)
        await sending.stored()


def test_older_messages_are_linked(tmp_path: Path) -> None:
    asyncio.run(_write(settings_for(f"sqlite:///{tmp_path}/registro.db"), 250))
    with Server(tmp_path, {"JWT_SECRET": SECRET}) as server, httpx.Client() as client:
        client.cookies.set("token", server.token("ana", "admin"))
        newest = client.get(f"{server.url}/api/mensajes?con=eva")
        link = re.fullmatch(
            r'<(/api/mensajes\?con=eva&antes=\d+)>; rel="prev"', newest.headers["link"]
        )
        assert link
        older = client.get(server.url + link[1])
    assert [row["mensaje"] for row in newest.json()] == [str(n) for n in range(50, 250)]
    assert [row["mensaje"] for row in older.json()] == [str(n) for n in range(50)]
    assert "link" not in older.headers


def test_wrong_queries_are_refused_in_the_one_shape(site: Site) -> None:
    admin = site.as_(ADMIN, "admin")
    for path in ("/api/mensajes", "/api/mensajes?con=x&antes=y", "/api/mensajes/mios?antes=-1"):
        answer = admin.get(path)
        assert answer.status_code == 400
        assert set(answer.json()["error"]) == {"codigo", "mensaje"}


def test_an_unknown_resource_is_missing_in_json(site: Site) -> None:
    answer = site.client().get("/api/nada")
    assert (answer.status_code, set(answer.json()["error"])) == (404, {"codigo", "mensaje"})


def test_health_is_told(site: Site) -> None:
    client = site.client()
    assert client.get("/salud/viva").json() == {"ok": True}
    assert client.get("/salud/lista").json() == {"ok": True}


def _mismatch(value: Any, schema: dict[str, Any], document: dict[str, Any], at: str) -> list[str]:
    """Where a value is not what a schema of ours says."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _mismatch(value, document["components"]["schemas"][name], document, at)
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(isinstance(value, TYPES[type_]) for type_ in types):
        return [f"{at}: {value!r} is not {types}"]
    if isinstance(value, list):
        items = enumerate(value)
        return [
            m for n, one in items for m in _mismatch(one, schema["items"], document, f"{at}[{n}]")
        ]
    if isinstance(value, dict) and "properties" in schema:
        unknown = [
            f"{at}.{key} is not documented" for key in value.keys() - schema["properties"].keys()
        ]
        missing = [
            f"{at}.{key} is missing" for key in schema.get("required", ()) if key not in value
        ]
        inner = [
            m
            for key, one in value.items()
            if key in schema["properties"]
            for m in _mismatch(one, schema["properties"][key], document, f"{at}.{key}")
        ]
        return unknown + missing + inner
    return []


TYPES: dict[str, Any] = {
    "string": str, "integer": int, "boolean": bool, "array": list, "object": dict,
    "null": type(None),
}  # fmt: skip


def test_the_answers_are_what_the_openapi_document_says(site: Site) -> None:
    admin = site.as_(ADMIN, "admin")
    document = admin.get("/api-docs/openapi.json").json()
    assert len(document["paths"]) >= 5
    for path, operations in document["paths"].items():
        if "get" not in operations:
            continue  # what is posted has tests of its own
        schema = operations["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        answer = admin.get(path, params={"con": USER, "nombre": "a"})
        assert answer.status_code == 200, path
        assert _mismatch(answer.json(), schema, document, path) == []
