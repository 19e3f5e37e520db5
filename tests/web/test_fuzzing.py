"""Every form, and every operation of the OpenAPI document, with what makes no sense: no 500, no
answer outside the document, no traceback.

Both are read from the program: a new form or operation is in these tests by being there. Generated
here and not by schemathesis, whose tree of some thirty packages (a server framework among them)
would have to be locked for it; our document has strings, integers and one path parameter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registro.web import access, app, openapi
from tests.conftest import settings_for
from tests.support.nonsense import any_json, any_text, encodable_text
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


def parameters(operation: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Values for an operation's query: of the type that the document says, or anything."""
    known = {
        one["name"]: st.one_of(
            st.integers(-(2**64), 2**64).map(str)
            if one["schema"]["type"] == "integer"
            else st.just(USER),
            encodable_text.map(lambda text: text[:500]),
        )
        for one in operation.get("parameters", [])
        if one["in"] == "query"
    }
    return st.fixed_dictionaries({}, optional=known)


OPERATIONS = [
    (path, method)
    for path, operations in openapi.document()["paths"].items()
    for method in operations
]


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_an_operation_answers_what_the_document_says(
    admin: httpx.Client, rules: settings, path: str, method: str
) -> None:
    document = openapi.document()
    operation = document["paths"][path][method]
    body = st.dictionaries(st.sampled_from(FIELDS), st.one_of(any_text, any_json), max_size=4)

    @rules
    @given(parameters(operation), body)
    def one(query: dict[str, str], sent: dict[str, Any]) -> None:
        more = {} if method == "get" else {"content": httpx_json(sent)}
        headers = {} if method == "get" else {"Content-Type": "application/json"}
        answer = admin.request(
            method, re.sub(r"{\w+}", NOWHERE, path), params=query, headers=headers, **more
        )
        documented = set(operation["responses"]) | {"400", "404", "413", "415", "429"}
        assert str(answer.status_code) in documented, (query, sent, answer.text)
        if answer.status_code >= 400 and "vuelta" not in sent:  # a form's refusal is a page
            assert set(answer.json()["error"]) == {"codigo", "mensaje"}

    one()
