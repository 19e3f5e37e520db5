"""Every form, and every operation of the OpenAPI document, with what makes no sense: no 500, no
answer outside the document, no traceback.

Both are read from the program: a new form or operation is in these tests by being there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from registro.web import access, app, openapi
from tests.conftest import settings_for
from tests.support.nonsense import any_json, encodable_text
from tests.web.conftest import ADMIN, USER, Site
from tests.web.test_routes import NOWHERE

FORMS = sorted(
    {
        f"/{route.path}".replace("<id:uuid>", NOWHERE)
        for route, declared in access.declared(
            app.create(settings_for("sqlite:///routes-are-only-listed.db"), "fuzzed")
        )
        if "POST" in route.methods and declared.kind in ("form", "api")
    }
)
PAGES = sorted(
    {
        f"/{route.path}"
        for route, declared in access.declared(
            app.create(settings_for("sqlite:///routes-are-only-listed.db"), "fuzzed-pages")
        )
        if "GET" in route.methods and "<" not in route.path and declared.kind in ("page", "api")
    }
)
FIELDS = sorted(
    {"user", "name", "pass", "returnTo", "id", "rol", "estado", "sesion", "enlace", "vuelta", "a",
     "hasta", "minutos", "poner", "quitar", "texto", "desde", "language", "theme"}
)  # fmt: skip
QUERIES = ["con", "antes", "despues", "mensaje", "cursor", "estado", "de", "no_leidas", "etiqueta",
           "orden", "q", "rol", "tipo", "usuario", "conversacion", "sesion", "desde", "hasta", "id",
           "user", "enlace", "returnTo", "hecho"]  # fmt: skip
RULES = settings(
    max_examples=25, derandomize=True, deadline=None, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip

fields = st.dictionaries(st.one_of(st.sampled_from(FIELDS), encodable_text), encodable_text)


@pytest.fixture
def rules(pytestconfig: pytest.Config) -> settings:
    """Few examples, always the same; with --long many, and others each time."""
    long = pytestconfig.getoption("--long")
    return settings(RULES, max_examples=400, derandomize=False) if long else RULES


@pytest.fixture(scope="module")
def admin(site: Site) -> Iterator[httpx.Client]:
    yield site.as_(ADMIN, "admin")
    assert "Traceback" not in site.server.output()
    assert site.client().get("/salud/lista").status_code == 200


def bodies() -> st.SearchStrategy[dict[str, Any]]:
    """Bodies of every kind that forms take, right and wrong ones."""
    types = ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b",
             "multipart/form-data", "application/json", "text/xml", "",
             "multipart/form-data;boundary=", "application/json; charset=utf-16"]  # fmt: skip
    return st.one_of(
        fields.map(lambda data: {"data": data}),
        fields.map(
            lambda data: {
                "files": {key: (None, value.encode()) for key, value in data.items() if key}
            }
        ),
        any_json.map(lambda value: {"content": httpx_json(value), "type": "application/json"}),
        st.builds(
            lambda body, type_: {"content": body, "type": type_},
            st.one_of(st.binary(max_size=400), st.just(b"[" * 60_000), st.just(b'{"a":' * 10_000)),
            st.sampled_from(types),
        ),
    )


def httpx_json(value: object) -> bytes:
    import json

    return json.dumps(value).encode("utf-8", "replace")


@pytest.mark.parametrize("path", FORMS)
def test_a_form_with_anything_in_it_is_answered(
    site: Site, admin: httpx.Client, rules: settings, path: str
) -> None:
    clients = (admin, site.as_(USER)) if path.startswith(("/admin", "/api")) else (admin,)

    @rules
    @given(bodies(), st.sampled_from(clients))
    def one(body: dict[str, Any], client: httpx.Client) -> None:
        sent = dict(body)
        headers = {"Content-Type": sent.pop("type")} if "type" in sent else {}
        answer = client.post(path, headers=headers, **sent)
        assert answer.status_code < 500 or answer.status_code == 503, (body, answer.text[:300])
        assert "x=1" not in str(answer.headers.get_list("set-cookie"))

    one()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_with_any_query_is_answered(admin: httpx.Client, rules: settings, path: str) -> None:
    @rules
    @given(
        st.dictionaries(st.sampled_from(QUERIES), encodable_text.map(lambda t: t[:800]), max_size=5)
    )
    def one(query: dict[str, str]) -> None:
        if path == "/logout":
            return
        answer = admin.get(path, params=query)
        assert answer.status_code < 500, (query, answer.text[:300])
        place = answer.headers.get("location", "/")
        assert re.fullmatch(r"/(?![/\\]).*|/", place), place

    one()


OPERATIONS = [
    result.ok()
    for result in schemathesis.openapi.from_dict(
        # Without its security: whose requests these are is told to each of them.
        {key: value for key, value in openapi.document().items() if key != "security"}
    ).get_all_operations()
]
MODES = [
    (operation, mode)
    for operation in OPERATIONS
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or list(operation.iter_parameters()) or operation.body
]
"""What takes nothing rules nothing out."""
AS_DOCUMENTED = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.mark.parametrize(
    ("operation", "mode"), MODES, ids=[f"{mode.value} {one.label}" for one, mode in MODES]
)
def test_an_operation_answers_what_the_document_says(
    site: Site, admin: httpx.Client, rules: settings, operation: APIOperation, mode: GenerationMode
) -> None:
    """Requests as the document has them, and such as it rules out; of conversations that are there,
    and of one that is not."""
    known = [row["conversacion"] for row in admin.get("/api/bandeja").json()["filas"]]
    headers = {"Cookie": f"token={admin.cookies['token']}"}

    @rules
    @given(operation.as_strategy(generation_mode=mode), st.sampled_from([*known[:2], NOWHERE]))
    def one(case: schemathesis.Case, conversation: str) -> None:
        if "id" in case.path_parameters:
            case.path_parameters["id"] = conversation
        answer = case.call_and_validate(site.server.url, headers=headers, checks=AS_DOCUMENTED)
        if answer.status_code >= 400:
            assert set(answer.json()["error"]) == {"codigo", "mensaje"}

    one()
