"""Every route of the application, found and not listed: headers, methods, roles, anti-forgery.

A new route is in these tests by being added; one that does not declare who may use it stops the
server from starting.
"""

from __future__ import annotations

import csv
import io

import httpx
import pytest

from registro.web import access, app, security
from tests.conftest import settings_for
from tests.web.conftest import ADMIN, USER, Site

ROUTES = [
    (f"/{route.path}", sorted(route.methods), declared)
    for route, declared in access.declared(
        app.create(settings_for("sqlite:///routes-are-only-listed.db"), "routes")
    )
]
EXAMPLES = {
    "/admin/persona": "/admin/persona?user=flor.ba",
    "/admin/registro/<position:int>": "/admin/registro/1",
    "/api/registro/<position:int>/prueba": "/api/registro/1/prueba",
    "/archivos/<id:uuid>/<name:str>": "/archivos/00000000-0000-4000-8000-000000000000/x.txt",
    "/set-lang/<code:str>": "/set-lang/en",
    "/static/<hash:str>/<path:path>": "/static/x/favicon.svg",
    "/socket.io": "/socket.io/?EIO=4&transport=polling",
}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
UNKNOWN = ("TRACE", "CONNECT", "PROPFIND", "MAKE-COFFEE")
NOWHERE = "00000000-0000-4000-8000-000000000000"


def example(path: str) -> str:
    return EXAMPLES.get(path, path.replace("<id:uuid>", NOWHERE))


def cases(*kinds: str) -> list[tuple[str, str]]:
    return [
        (example(path), method)
        for path, methods, declared in ROUTES
        for method in methods
        if declared.kind in kinds and method in METHODS
    ]


def test_every_kind_of_route_is_there() -> None:
    assert {declared.kind for _, _, declared in ROUTES} >= {"page", "form", "api", "probe", "asset"}


@pytest.mark.parametrize(
    "path", [*sorted({example(path) for path, _, _ in ROUTES}), "/no/such/page"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PROPFIND"])
def test_every_answer_carries_the_security_headers(site: Site, path: str, method: str) -> None:
    answer = site.client().request(method, path)
    assert answer.status_code < 500
    missing = {name for name in security.HEADERS if name.lower() not in answer.headers}
    assert missing == set()
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe-inline" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("path", "method"),
    [
        (example(p), m)
        for p, methods, d in ROUTES
        for m in METHODS
        if m not in methods and d.kind != "socket"
    ],
)
def test_methods_that_a_route_has_not_are_refused(site: Site, path: str, method: str) -> None:
    assert site.client().request(method, path).status_code == 405


@pytest.mark.parametrize("method", UNKNOWN)
def test_methods_that_nobody_knows_are_refused_everywhere(site: Site, method: str) -> None:
    client = site.as_(ADMIN, "admin")
    for path in sorted({example(p) for p, _, d in ROUTES if d.kind != "socket"}):
        answer = client.request(method, path)
        assert answer.status_code in (400, 403, 405), path
        assert "TRACE /" not in answer.text  # what came in is not sent back


def test_options_says_what_there_is_and_gives_nothing_to_other_sites(site: Site) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for path in sorted({example(p) for p, _, d in ROUTES if d.kind != "socket"}):
        answer = site.as_(ADMIN, "admin").options(path, headers=headers)
        assert answer.status_code == 204, path
        assert answer.headers["allow"], path
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def restricted(kind: str) -> list[tuple[str, tuple[str, ...]]]:
    return [
        (example(path), declared.roles)
        for path, methods, declared in ROUTES
        if declared.kind == kind and declared.roles and "GET" in methods
    ]


@pytest.mark.parametrize(("path", "roles"), restricted("page"))
def test_pages_send_strangers_to_the_login_and_refuse_other_roles(
    site: Site, path: str, roles: tuple[str, ...]
) -> None:
    stranger = site.client().get(path)
    assert stranger.status_code in (302, 303)
    assert stranger.headers["location"].startswith("/login")
    found = 404 if NOWHERE in path else 200
    assert site.as_(ADMIN, "admin").get(path).status_code == found
    assert site.as_(USER).get(path).status_code == (found if "user" in roles else 403)


@pytest.mark.parametrize(("path", "roles"), restricted("api"))
def test_the_api_answers_401_to_strangers_and_403_to_other_roles(
    site: Site, path: str, roles: tuple[str, ...]
) -> None:
    refused = site.client().get(path)
    assert (refused.status_code, set(refused.json()["error"])) == (401, {"codigo", "mensaje"})
    if "user" not in roles:
        assert site.as_(USER).get(path).status_code == 403
    assert site.as_(ADMIN, "admin").get(path).status_code < 500


@pytest.mark.parametrize(
    ("path", "method"), [case for case in cases("page", "form", "api") if case[1] != "GET"]
)
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_other_sites_pages_cannot_change_anything(
    site: Site, path: str, method: str, headers: dict[str, str]
) -> None:
    answer = site.as_(ADMIN, "admin").request(method, path, headers=headers)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("path", "roles"),
    [
        (example(path), declared.roles)
        for path, methods, declared in ROUTES
        if declared.roles and "POST" in methods
    ],
)
def test_what_changes_something_is_for_its_roles_alone(
    site: Site, path: str, roles: tuple[str, ...]
) -> None:
    stranger = site.client().post(path, data={"id": NOWHERE})
    assert stranger.status_code in (303, 401)
    assert stranger.headers.get("location", "/login").startswith("/login")
    if "user" not in roles:
        assert site.as_(USER).post(path, data={"id": NOWHERE}).status_code == 403


WORDS_OF_PROGRAMS = ("Traceback", "Error(", "Exception", "sanic", "sqlite", "site-packages", ".py")


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_errors_say_nothing_about_the_program(site: Site, accept: str) -> None:
    client = site.as_(ADMIN, "admin")
    asked = [
        ("GET", "/no/such/page", b""), ("DELETE", "/admin", b""), ("POST", "/auth", b"\xff"),
        ("GET", "/admin/registro?antes=x", b""), ("GET", "/api/mensajes", b""),
        ("GET", "/admin/registro/99999999", b""), ("POST", "/auth", b"x" * 70_000),
        ("GET", "/socket.io/?EIO=9", b""), ("POST", "/socket.io/?EIO=4&transport=polling", b"x"),
    ]  # fmt: skip
    for method, path, body in asked:
        answer = client.request(method, path, content=body, headers={"Accept": accept})
        assert 400 <= answer.status_code < 500, path
        assert [word for word in WORDS_OF_PROGRAMS if word in answer.text] == [], path
        assert "server" not in answer.headers


def test_a_host_that_somebody_made_up_gets_into_no_page(site: Site) -> None:
    for name in ("Host", "X-Forwarded-Host", "Forwarded"):
        value = "host=evil.example" if name == "Forwarded" else "evil.example"
        client = site.client(**{name: value})
        for path in ("/", "/login", "/soporte", "/logout", "/no/such/page", "/api-docs"):
            answer = client.get(path)
            assert "evil.example" not in answer.text + str(answer.headers), path


def test_logging_out_takes_one_of_our_own_pages(site: Site) -> None:
    client = site.logged_in(USER)
    elsewhere = client.get("/logout", headers={"Sec-Fetch-Site": "cross-site"})
    assert elsewhere.status_code == 200
    assert client.get("/api/mensajes/mios").status_code == 200
    token = client.cookies["token"]
    assert client.get("/logout", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303
    revoked = httpx.get(
        f"{site.server.url}/api/mensajes/mios", headers={"Cookie": f"token={token}"}
    )
    assert revoked.status_code == 401


@pytest.mark.parametrize(
    ("path", "method"), [c for c in cases("page", "api", "probe") if c[1] == "GET"]
)
def test_head_is_get_without_the_body(site: Site, path: str, method: str) -> None:
    client = site.as_(ADMIN, "admin")
    if path == "/logout":
        client = site.client()
    got, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")


def test_static_files_are_kept_for_ever_under_their_hash_only(site: Site) -> None:
    client = site.client()
    page = client.get("/login").text
    address = next(part for part in page.split('"') if part.endswith(".css"))
    assert "immutable" in client.get(address).headers["cache-control"]
    assert client.get("/static/x/favicon.svg").headers["cache-control"] == "no-cache"
    assert client.get("/static/x/..%2f..%2fapp.py").status_code == 404
    assert client.get("/static/x/../../app.py").status_code == 404


@pytest.mark.parametrize(
    "path", sorted({example(p) for p, m, d in ROUTES if d.kind in ("page", "api") and "GET" in m})
)
def test_pages_are_not_kept_by_browsers_and_proxies(site: Site, path: str) -> None:
    client = site.client() if path == "/logout" else site.as_(ADMIN, "admin")
    assert client.get(path).headers["cache-control"] == "no-store"


def test_no_table_that_is_exported_has_a_formula(site: Site) -> None:
    """Whichever route answers with CSV; what people are called is in some of them."""
    added = ("user", "add", "=cmd|'/c calc'!A0", "--name", "@SUM(1+1)")
    site.server.registro(*added, "--password", "caballo correcto 7")
    client = site.as_(ADMIN, "admin")
    for path in sorted({example(p) for p, m, d in ROUTES if d.kind != "socket" and "GET" in m}):
        answer = client.get(path) if path != "/logout" else site.client().get(path)
        if answer.headers.get("content-type", "").startswith("text/csv"):
            cells = [cell for row in csv.reader(io.StringIO(answer.text)) for cell in row]
            assert [c for c in cells if c.startswith(("=", "+", "@", "\t", "\r"))] == [], path
        else:
            assert "\n=cmd|" not in answer.text
