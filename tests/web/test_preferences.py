"""Preferences: kept in the database, carried by a cookie, written into each page."""

from __future__ import annotations

import re
from uuid import uuid4

import httpx
import pytest

from tests.web.conftest import Site

PASSWORD = "caballo correcto 7"
DARK = {"theme": "dark", "density": "compact", "title": "on", "sound": "on", "language": "en"}


@pytest.fixture
def user(site: Site) -> str:
    user = f"p{uuid4().hex[:10]}"
    site.server.registro("user", "add", user, "--password", PASSWORD)
    return user


def log_in(site: Site, user: str) -> httpx.Client:
    client = site.client()
    assert client.post("/auth", data={"user": user, "pass": PASSWORD}).status_code == 303
    return client


def looks(page: httpx.Response) -> dict[str, str]:
    """The attributes of a page's first tag."""
    [tag] = re.findall(r"<html ([^>]+)>", page.text)
    return dict(re.findall(r'(?:data-)?([a-z]+)="([^"]*)"', tag))


def test_pages_look_as_nobody_chose_until_somebody_chooses(site: Site, user: str) -> None:
    found = looks(log_in(site, user).get("/soporte"))
    assert (found["theme"], found["density"], found["lang"]) == ("system", "comfortable", "es")
    assert (found["notify"], found["shortcuts"]) == ("title icon", "on")


def test_what_is_chosen_is_on_every_page_and_in_another_browser(site: Site, user: str) -> None:
    client = log_in(site, user)
    saved = client.post("/preferencias/guardar", data=DARK)
    assert saved.headers["location"] == "/preferencias?guardado=1"
    other = log_in(site, user)
    for page in (client.get("/soporte"), client.get("/no-such-page"), other.get("/soporte")):
        found = looks(page)
        assert (found["theme"], found["density"], found["lang"]) == ("dark", "compact", "en")
        assert '<meta name="color-scheme" content="dark">' in page.text
    assert (found["notify"], found["shortcuts"]) == ("title sound", "off")
    form = other.get("/preferencias").text
    assert 'name="theme" value="dark" checked' in form
    assert 'name="icon" value="on">' in form


def test_a_token_from_elsewhere_brings_the_preferences_along(site: Site, user: str) -> None:
    log_in(site, user).post("/preferencias/guardar", data=DARK)
    assert looks(site.as_(user).get("/soporte"))["theme"] == "dark"


def test_another_person_in_the_same_browser_has_their_own(site: Site, user: str) -> None:
    client = log_in(site, user)
    client.post("/preferencias/guardar", data=DARK)
    client.get("/logout", headers={"Sec-Fetch-Site": "same-origin"})
    assert looks(client.get("/login"))["theme"] == "dark"  # as this browser was last
    client.cookies.set("token", site.server.token("flor.ba"))
    assert looks(client.get("/soporte"))["theme"] == "system"


def test_nonsense_is_as_if_nobody_had_chosen(site: Site, user: str) -> None:
    client = log_in(site, user)
    client.post("/preferencias/guardar", data={"theme": '"><script>', "density": "huge"})
    found = looks(client.get("/soporte"))
    assert (found["theme"], found["density"], found["notify"]) == ("system", "comfortable", "")
    client.cookies.set("preferencias", 'x~theme-"><script>.density-compact')
    assert "<script>." not in client.get("/login").text


def test_the_cookie_is_for_http_alone(site: Site, user: str) -> None:
    saved = log_in(site, user).post("/preferencias/guardar", data=DARK)
    [cookie] = [c for c in saved.headers.get_list("set-cookie") if c.startswith("preferencias=")]
    for flag in ("httponly", "samesite=lax", "path=/"):
        assert flag in cookie.lower()


def test_saving_takes_one_of_our_own_pages_and_a_login(site: Site, user: str) -> None:
    client = log_in(site, user)
    forged = client.post(
        "/preferencias/guardar", data=DARK, headers={"Origin": "https://e.example"}
    )
    assert forged.status_code == 403
    assert looks(client.get("/soporte"))["theme"] == "system"
    stranger = site.client().post("/preferencias/guardar", data=DARK)
    assert stranger.headers["location"] == "/login?returnTo=%2Fpreferencias"
