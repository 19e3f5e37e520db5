"""A token is renewed while a page stays open, and all tokens of a login end together."""

from __future__ import annotations

import time

import httpx

from registro.services import running
from registro.web import tokens
from tests.conftest import SECRET, settings_for
from tests.web.conftest import Site

ADMIN = "ana"


async def log_in_earlier(site: Site, minutes: int) -> httpx.Client:
    """Somebody who logged in so many minutes ago."""
    async with running(settings_for(site.server.environ["DATABASE_URL"])) as services:
        person = await services.directory.by_user(ADMIN)
        assert person is not None
        token = tokens.mint(person, SECRET, now=time.time() - 60 * minutes)
        await services.sessions.start(person, token.key, token.expires)
    return with_token(site, token.text)


def renew(client: httpx.Client) -> httpx.Response:
    return client.post("/api/sesion", headers={"Sec-Fetch-Site": "same-origin"})


def with_token(site: Site, token: str) -> httpx.Client:
    client = site.client()
    client.cookies.set("token", token)
    return client


def is_signed_in(client: httpx.Client) -> bool:
    return client.get("/api/mensajes/mios").status_code == 200


async def test_a_token_with_little_time_left_is_renewed_for_an_hour(site: Site) -> None:
    client = await log_in_earlier(site, 45)
    answer = renew(client)

    assert answer.status_code == 200
    assert 3500 < answer.json()["expira"] - time.time() <= 3600
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert is_signed_in(with_token(site, answer.cookies["token"]))


async def test_logging_out_ends_what_was_renewed_too(site: Site) -> None:
    client = await log_in_earlier(site, 45)
    before = with_token(site, client.cookies["token"])
    after = with_token(site, renew(client).cookies["token"])
    assert is_signed_in(before)

    after.get("/logout", headers={"Sec-Fetch-Site": "same-origin"})

    assert not is_signed_in(before)
    assert not is_signed_in(after)


def test_a_token_that_was_minted_elsewhere_is_not_renewed(site: Site) -> None:
    token = site.server.token(ADMIN, "admin", exp=int(time.time()) + 300, aud="elsewhere")
    answer = renew(with_token(site, token))

    assert answer.status_code == 403
    assert answer.json()["error"]["codigo"] == "no_autorizado"
    assert "set-cookie" not in answer.headers


def test_strangers_and_other_sites_pages_renew_nothing(site: Site) -> None:
    client = site.as_(ADMIN, "admin")
    forged = client.post("/api/sesion", headers={"Sec-Fetch-Site": "cross-site"})
    assert renew(site.client()).status_code == 401
    assert forged.status_code == 403


async def test_asking_while_there_is_time_renews_nothing(site: Site) -> None:
    client = await log_in_earlier(site, 5)
    answer = renew(client)
    assert answer.status_code == 200
    assert 3200 < answer.json()["expira"] - time.time() <= 3300
    assert "set-cookie" not in answer.headers
