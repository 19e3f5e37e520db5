"""Registering, logging in and out, over HTTP."""

from __future__ import annotations

from uuid import uuid4

import httpx
import jwt
import pytest

from tests.conftest import SECRET
from tests.support.server import Server
from tests.web.conftest import USER, Site, events


def new_name() -> str:
    return f"u{uuid4().hex[:10]}"


def register(client: httpx.Client, **fields: str) -> httpx.Response:
    form = {"user": new_name(), "name": "Eva Ríos", "pass": "caballo correcto 7"}
    return client.post("/register", data=form | fields)


def test_a_new_account_logs_in_and_has_role_user_whatever_the_form_says(site: Site) -> None:
    client, user = site.client(), new_name()
    assert register(client, user=user, rol="admin", role="admin").status_code == 303
    answer = client.post("/auth", data={"user": user, "pass": "caballo correcto 7"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/soporte")
    claims = jwt.decode(client.cookies["token"], SECRET, algorithms=["HS256"])
    assert (claims["user"], claims["name"], claims["rol"]) == (user, "Eva Ríos", "user")
    assert events(site, "user:registered")[-1]["role"] == "user"


def test_the_cookie_is_for_http_alone_and_for_an_hour(site: Site) -> None:
    answer = site.client().post("/auth", data={"user": USER, "pass": site.password})
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("token=")
    for flag in ("httponly", "samesite=lax", "path=/", "max-age=3600"):
        assert flag in cookie


@pytest.mark.parametrize(
    "password", ["corta", "12345678", "password1", "contraseña", "", "x" * 2000, "qwertyuiop"]
)
def test_weak_passwords_are_refused_on_the_form_with_what_was_typed(
    site: Site, password: str
) -> None:
    answer = register(site.client(), name="Eva la de antes", **{"pass": password})
    assert answer.status_code == 400
    assert "Eva la de antes" in answer.text
    assert password == "" or f'value="{password}"' not in answer.text


def test_the_own_name_is_no_password(site: Site) -> None:
    user = new_name()
    assert register(site.client(), user=user, **{"pass": user}).status_code == 400


@pytest.mark.parametrize("user", ["", "admin", "x" * 65, "a\tb", "a\0b", USER])
def test_names_that_cannot_be_are_refused(site: Site, user: str) -> None:
    assert register(site.client(), user=user).status_code in (400, 409)


@pytest.mark.parametrize(
    "user",
    ["\u0430dmin", "Admin", "ADMIN", "\u1d43dmin", "adm\u0456n", "ad-min", "4dm1n", "adm\u0131n",
     "admin\u200b", "\u202enimda", "e\u0301va", "ev\u00ada"],
)  # fmt: skip
def test_names_that_are_not_what_they_look_like_are_not_given(site: Site, user: str) -> None:
    assert register(site.client(), user=user).status_code == 400


@pytest.mark.parametrize("user", ["administrador", "dimna", "Дмитрий", "éva", "李雷", "o'neil"])
def test_names_of_all_scripts_are_given(site: Site, user: str) -> None:
    assert register(site.client(), user=user).status_code == 303


def test_a_shown_name_turns_no_text_around(site: Site) -> None:
    assert register(site.client(), name="Eva \u202eavE").status_code == 400


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a\0b",
    "ñ" * 300,
    "\u202e",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    ("path", "fields"), [("/auth", ("user", "pass")), ("/register", ("user", "name", "pass"))]
)
def test_hostile_fields_get_a_page_and_stay_text(
    site: Site, path: str, fields: tuple[str, ...], text: str
) -> None:
    for field in fields:
        form = dict.fromkeys(fields, "ordinary-text-9") | {field: text}
        answer = site.client().post(path, data=form)
        assert answer.status_code < 500
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text


@pytest.mark.parametrize("path", ["/auth", "/register"])
@pytest.mark.parametrize(
    "body",
    [b"[]", b"null", b"1", b'"x"', b'{"user": 1, "name": [], "pass": {}}', b"{", b"\xff\xfe",
     b'{"user": "a", "name": "b", "pass": 12345678}'],
)  # fmt: skip
def test_json_of_the_wrong_shape_is_refused_clearly(site: Site, path: str, body: bytes) -> None:
    answer = site.client().post(path, content=body, headers={"Content-Type": "application/json"})
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/auth", "/register"])
def test_a_form_of_a_megabyte_is_refused(site: Site, path: str) -> None:
    answer = site.client().post(path, data={"user": "x" * 1_000_000, "pass": "y"})
    assert answer.status_code == 413


def test_a_wrong_password_and_an_unknown_name_look_the_same(site: Site) -> None:
    wrong = site.client().post("/auth", data={"user": USER, "pass": "wrong password"})
    unknown = site.client().post("/auth", data={"user": "nobody", "pass": "wrong password"})
    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert wrong.text.replace(f'value="{USER}"', "") == unknown.text.replace('value="nobody"', "")


def test_many_wrong_passwords_are_slowed_and_the_owner_still_gets_in(site: Site) -> None:
    client, user = site.client(), new_name()
    register(client, user=user)
    client.post("/auth", data={"user": user, "pass": "caballo correcto 7"})
    attempts = [
        site.client().post("/auth", data={"user": "victim-" + user, "pass": f"guess {n}"})
        for n in range(15)
    ]
    assert attempts[-1].status_code == 429
    assert int(attempts[-1].headers["retry-after"]) >= 1
    again = client.post("/auth", data={"user": user, "pass": "caballo correcto 7"})
    assert again.status_code == 303


def test_failed_logins_are_counted_together_without_names(tmp_path: object) -> None:
    from pathlib import Path

    with Server(Path(str(tmp_path)), {"JWT_SECRET": SECRET}) as server:
        for n in range(3):
            httpx.post(f"{server.url}/auth", data={"user": f"secret-name-{n}", "pass": "x"})
        server.stop()
        log = server.registro("log", "export")
    assert "secret-name" not in log
    assert '"failed":3' in log


def test_registration_can_be_closed(tmp_path: object) -> None:
    from pathlib import Path

    environ = {"JWT_SECRET": SECRET, "REGISTRO_REGISTRATION": "off"}
    with (
        Server(Path(str(tmp_path)), environ) as server,
        httpx.Client(base_url=server.url) as client,
    ):
        assert register(client).status_code == 403
        assert 'action="/register"' not in client.get("/registro").text
        assert '"user:registered"' not in server.registro("log", "export")


def test_demo_passwords_do_not_work_through_a_proxy(site: Site) -> None:
    client = site.client(**{"X-Forwarded-For": "203.0.113.7"})
    assert client.post("/auth", data={"user": "ana", "pass": site.password}).status_code == 401


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("/soporte", "/soporte"),
        ("/soporte?con=eva", "/soporte?con=eva"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nSet-Cookie: x=1", "/"),
        ("", "/"),
    ],
)
def test_a_language_leads_back_to_a_page_of_ours_only(site: Site, target: str, place: str) -> None:
    answer = site.client().get("/set-lang/en", params={"returnTo": target})
    location = answer.headers["location"]
    assert answer.status_code == 303
    assert "x=1" not in str(answer.headers.get_list("set-cookie"))
    assert location == place


def test_the_language_is_spanish_until_another_is_chosen(site: Site) -> None:
    client = site.client()
    assert '<html lang="es"' in client.get("/login").text
    client.get("/set-lang/en")
    assert '<html lang="en"' in client.get("/login").text
    assert client.get("/set-lang/fr").status_code == 404


def test_whoever_is_signed_in_stays_so_on_a_page_that_does_not_exist(site: Site) -> None:
    client = site.as_("ana", "admin")
    answer = client.get("/no-such-page", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert 'href="/logout"' in answer.text
    assert 'href="/logout"' not in site.client().get("/no-such-page").text


def test_the_database_away_during_a_login_is_a_clear_page_and_nothing_is_lost(
    tmp_path: object,
) -> None:
    import sqlite3
    from pathlib import Path

    folder = Path(str(tmp_path))
    environ = {"JWT_SECRET": SECRET, "REGISTRO_STORE_TIMEOUT_SECONDS": "1"}
    with Server(folder, environ) as server, httpx.Client(base_url=server.url, timeout=30) as client:
        server.registro("user", "add", "eva", "--password", "caballo correcto 7")
        lock = sqlite3.connect(folder / "registro.db", isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        away = client.post("/auth", data={"user": "eva", "pass": "caballo correcto 7"})
        lock.execute("ROLLBACK")
        assert away.status_code == 503
        assert 'value="eva"' in away.text
        assert "caballo correcto" not in away.text

        def back() -> bool:
            answer = client.post("/auth", data={"user": "eva", "pass": "caballo correcto 7"})
            return answer.status_code == 303

        assert any(back() for _ in range(20))
