"""People, as admins see to them on pages, over HTTP."""

from __future__ import annotations

import html
import re
from uuid import uuid4

import httpx
import pytest

from tests.web.conftest import ADMIN, USER, Site, events, heading

PASSWORD = "caballo correcto 7"
OWN = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def admin(site: Site) -> httpx.Client:
    return site.as_(ADMIN, "admin")


def new_person(site: Site, role: str = "user") -> str:
    """Somebody new; returns their user name."""
    user = f"p{uuid4().hex[:10]}"
    site.server.registro("user", "add", user, "--role", role, "--password", PASSWORD)
    return user


def log_in(site: Site, user: str, password: str = PASSWORD) -> httpx.Client:
    client = site.client()
    answer = client.post("/auth", data={"user": user, "pass": password})
    assert answer.status_code == 303, answer.text
    return client


def id_of(admin: httpx.Client, user: str) -> str:
    page = admin.get("/admin/persona", params={"user": user}).text
    return re.findall(r"/admin/usuario\?id=([0-9a-f-]{36})", page)[0]


def users(page: httpx.Response) -> list[str]:
    return re.findall(r'<tr data-user="([^"]+)"', page.text)


def link_in(page: httpx.Response) -> str:
    """Path and query of the link that a page shows."""
    found = re.search(r"<textarea[^>]*>http://[^/]+(/contrasena\?enlace=[^<]+)<", page.text)
    assert found is not None, page.text
    return html.unescape(found[1])


def choose(client: httpx.Client, link: str, password: str) -> httpx.Response:
    return client.post("/contrasena/nueva", data={"enlace": link.split("=")[1], "pass": password})


def test_the_list_pages_and_finds_by_name_and_role(site: Site, admin: httpx.Client) -> None:
    mark = f"m{uuid4().hex[:6]}"
    for number in range(52):
        data = {"user": f"{mark}-{number:02}", "name": f"Persona {number}", "rol": "user"}
        assert admin.post("/admin/personas/invitar", data=data).status_code == 200
    first = admin.get("/admin/personas", params={"q": mark})
    assert users(first) == [f"{mark}-{number:02}" for number in range(50)]
    more = re.search(r'href="([^"]+)" rel="next"', first.text)
    assert more is not None
    rest = admin.get(html.unescape(more[1]))
    assert users(rest) == [f"{mark}-50", f"{mark}-51"]
    assert 'rel="next"' not in rest.text
    assert users(admin.get("/admin/personas", params={"q": "acosta"})) == [USER]
    admins = users(admin.get("/admin/personas", params={"rol": "admin"}))
    assert ADMIN in admins
    assert USER not in admins
    assert "Nadie" in admin.get("/admin/personas", params={"q": "nobody-has-this"}).text


@pytest.mark.parametrize("query", ["q=%00", "q=" + "x" * 65, "rol=root", "despues=%00"])
def test_what_cannot_be_asked_of_the_list_is_refused(admin: httpx.Client, query: str) -> None:
    assert admin.get(f"/admin/personas?{query}").status_code == 400


@pytest.mark.parametrize("query", ["", "id=1", "id=%00", "user=nobody", "id=" + "x" * 99])
def test_nobody_has_no_page(admin: httpx.Client, query: str) -> None:
    assert admin.get(f"/admin/persona?{query}").status_code == 404


def test_the_account_and_the_history_lead_to_each_other(admin: httpx.Client) -> None:
    user_id = id_of(admin, USER)
    assert f"/admin/persona?id={user_id}" in admin.get(f"/admin/usuario?id={user_id}").text
    assert f"/admin/usuario?id={user_id}" in admin.get(f"/admin/persona?id={user_id}").text


def test_a_role_changes_and_says_who_did_it(site: Site, admin: httpx.Client) -> None:
    user = new_person(site)
    user_id = id_of(admin, user)
    done = admin.post("/admin/persona/rol", data={"id": user_id, "rol": "admin"})
    assert done.status_code == 303
    assert 'id="done"' in admin.get(done.headers["location"]).text
    assert log_in(site, user).get("/admin").status_code == 200
    changed = events(site, "user:role:changed")[-1]
    assert changed == {"role": "admin", "by": id_of(admin, ADMIN)}
    assert "→ administrador" in admin.get(f"/admin/usuario?id={user_id}").text


def test_disabling_ends_the_sessions_for_good_and_is_marked(
    site: Site, admin: httpx.Client
) -> None:
    user = new_person(site)
    user_id, theirs = id_of(admin, user), log_in(site, user)
    for state in ("deshabilitada", "activa"):
        done = admin.post("/admin/persona/estado", data={"id": user_id, "estado": state})
        assert done.headers["location"] == f"/admin/persona?id={user_id}&hecho={state}"
        assert theirs.get("/api/mensajes/mios").status_code == 401
        marked = 'class="tag bad"' in admin.get("/admin/personas", params={"q": user}).text
        assert marked == (state == "deshabilitada")
    assert log_in(site, user).get("/api/mensajes/mios").status_code == 200


def test_one_session_is_ended_and_the_others_go_on(site: Site, admin: httpx.Client) -> None:
    user = new_person(site)
    one, other = log_in(site, user), log_in(site, user)
    user_id = id_of(admin, user)
    keys = re.findall(
        r'name="sesion" value="(\w+)"', admin.get(f"/admin/persona?id={user_id}").text
    )
    _, oldest = keys
    admin.post("/admin/persona/sesion", data={"id": user_id, "sesion": oldest})
    assert one.get("/api/mensajes/mios").status_code == 401
    assert other.get("/api/mensajes/mios").status_code == 200
    ended = events(site, "session:ended")[-1]
    assert (ended["key"], ended["by"]) == (oldest, id_of(admin, ADMIN))
    admin.post("/admin/persona/sesion", data={"id": user_id})
    assert other.get("/api/mensajes/mios").status_code == 401
    assert "No hay ninguna sesión abierta" in admin.get(f"/admin/persona?id={user_id}").text


def test_a_session_of_somebody_else_is_not_ended_through_another_account(
    site: Site, admin: httpx.Client
) -> None:
    one, other = new_person(site), new_person(site)
    theirs = log_in(site, one)
    page = admin.get("/admin/persona", params={"user": one}).text
    [key] = re.findall(r'name="sesion" value="(\w+)"', page)
    admin.post("/admin/persona/sesion", data={"id": id_of(admin, other), "sesion": key})
    assert theirs.get("/api/mensajes/mios").status_code == 200


def test_the_own_session_is_marked_and_has_no_button(site: Site) -> None:
    user = new_person(site, "admin")
    client = log_in(site, user)
    page = client.get("/admin/persona", params={"user": user}).text
    assert 'class="tag strong">esta<' in page
    assert 'name="sesion"' not in page


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/admin/persona/rol", {"rol": "user"}),
        ("/admin/persona/estado", {"estado": "deshabilitada"}),
        ("/admin/persona/clave", {}),
    ],
)
def test_admins_neither_demote_disable_nor_reset_themselves(
    site: Site, path: str, field: dict[str, str]
) -> None:
    user = new_person(site, "admin")
    client = log_in(site, user)
    answer = client.post(path, data={"id": id_of(client, user)} | field)
    assert answer.status_code == 409
    assert 'role="alert" id="problem"' in answer.text
    assert client.get("/admin").status_code == 200
    assert log_in(site, user).get("/admin").status_code == 200


FORMS = {
    "/admin/persona/rol": {"rol": "admin"},
    "/admin/persona/estado": {"estado": "deshabilitada"},
    "/admin/persona/sesion": {},
    "/admin/persona/clave": {},
    "/admin/personas/invitar": {"user": "intruder", "name": "I", "rol": "admin"},
}


@pytest.mark.parametrize("path", FORMS)
def test_forms_do_nothing_for_users_strangers_and_unknown_admins(site: Site, path: str) -> None:
    admin = site.as_(ADMIN, "admin")
    data = FORMS[path] | {"id": id_of(admin, USER)}
    before = events(site, "user"), events(site, "session:ended")
    assert site.as_("jtucker").post(path, data=data).status_code == 403
    assert site.as_("nobody-knows-me", "admin").post(path, data=data).status_code == 403
    stranger = site.client().post(path, data=data)
    assert (stranger.status_code, stranger.headers["location"]) == (
        303, "/login?returnTo=%2Fadmin%2Fpersonas",
    )  # fmt: skip
    forged = admin.post(path, data=data, headers={"Origin": "https://evil.example"})
    assert forged.status_code == 403
    assert (events(site, "user"), events(site, "session:ended")) == before


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        ("/admin/persona/rol", {"id": "nobody", "rol": "admin"}, 404),
        ("/admin/persona/rol", {"id": "", "rol": "root"}, 400),
        ("/admin/persona/estado", {"id": "", "estado": "maybe"}, 400),
        ("/admin/persona/estado", {"id": "a\0b", "estado": "activa"}, 404),
        ("/admin/persona/sesion", {"id": "nobody"}, 404),
        ("/admin/persona/clave", {}, 404),
        ("/admin/personas/invitar", {"user": "x", "name": "X", "rol": "root"}, 400),
    ],
)
def test_forms_that_make_no_sense_are_refused(
    admin: httpx.Client, path: str, data: dict[str, str], status: int
) -> None:
    assert admin.post(path, data=data).status_code == status


@pytest.mark.parametrize("role", ["user", "admin"])
def test_an_invited_person_chooses_a_password_and_logs_in(
    site: Site, admin: httpx.Client, role: str
) -> None:
    user = f"i{uuid4().hex[:10]}"
    made = admin.post(
        "/admin/personas/invitar", data={"user": user, "name": "Inés <b>", "rol": role}
    )
    assert made.status_code == 200
    assert "Inés &lt;b&gt;" in made.text
    link, client = link_in(made), site.client()
    for _ in range(2):  # looking at it changes nothing
        assert heading(client.get(link).text) == "Elegir una contraseña"
    assert choose(client, link, user).status_code == 400
    assert choose(client, link, "contraseña").status_code == 400
    assert choose(client, link, PASSWORD).headers["location"] == "/login?registrado=1"
    assert choose(client, link, PASSWORD + "8").status_code == 404
    assert client.get(link).status_code == 404
    assert log_in(site, user).get("/admin").status_code == (200 if role == "admin" else 403)
    registered = events(site, "user:registered")[-1]
    assert (registered["origin"], registered["role"]) == ("invitation", role)
    assert link.split("=")[1] not in site.server.registro("log", "export")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({"user": USER, "name": "X"}, 409),
        ({"user": "admin", "name": "X"}, 400),
        ({"user": "", "name": "X"}, 400),
        ({"user": "a\tb", "name": "X"}, 400),
        ({"user": "somebody", "name": ""}, 400),
    ],
)
def test_an_invitation_that_cannot_be_keeps_what_was_typed(
    admin: httpx.Client, data: dict[str, str], status: int
) -> None:
    answer = admin.post("/admin/personas/invitar", data=data | {"rol": "user"})
    assert answer.status_code == status
    assert 'aria-invalid="true"' in answer.text
    assert f'value="{data["name"]}"' in answer.text


def test_a_reset_takes_the_password_away_until_another_is_chosen(
    site: Site, admin: httpx.Client
) -> None:
    user = new_person(site)
    theirs = log_in(site, user)
    answer = admin.post("/admin/persona/clave", data={"id": id_of(admin, user)})
    assert "24 horas" in answer.text
    assert theirs.get("/api/mensajes/mios").status_code == 401
    old = site.client().post("/auth", data={"user": user, "pass": PASSWORD})
    assert old.status_code == 401
    choose(site.client(), link_in(answer), "una palabra nueva")
    log_in(site, user, "una palabra nueva")
    assert events(site, "user:password:reset")[-1] == {"by": id_of(admin, ADMIN)}
    history = admin.get("/admin/usuario", params={"user": user}).text
    assert "Contraseña restablecida" in history


@pytest.mark.parametrize("link", ["", "x", "%00", "x" * 3000])
def test_links_that_nobody_made_are_good_for_nothing(site: Site, link: str) -> None:
    assert site.client().get(f"/contrasena?enlace={link}").status_code == 404
    answer = site.client().post("/contrasena/nueva", data={"enlace": link, "pass": PASSWORD})
    assert answer.status_code == 404
