"""What production does differently: cookies for TLS alone, secrets that are changed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.support.raw import RawWebSocket
from tests.support.server import Server

OLD, NEW = (
    "the older secret of thirty-two bytes or more",
    "the newer secret of 32 bytes or even more",
)
ENVIRON = {"JWT_SECRET": OLD, "REGISTRO_ENV": "production", "REGISTRO_TRUSTED_PROXIES": "1"}
BEHIND = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
EVA = {"user": "eva", "pass": "caballo correcto 7"}


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("production"), ENVIRON) as server:
        server.registro("user", "add", EVA["user"], "--password", EVA["pass"])
        yield server


def log_in(server: Server) -> httpx.Response:
    answer = httpx.post(f"{server.url}/auth", data=EVA, headers=BEHIND)
    assert answer.status_code == 303
    return answer


def mine(server: Server, *cookies: str) -> int:
    headers = BEHIND | {"Cookie": "; ".join(cookies)}
    return httpx.get(f"{server.url}/api/mensajes/mios", headers=headers).status_code


def test_the_tokens_cookies_are_for_https_alone_and_one_for_the_host_alone(server: Server) -> None:
    answer = log_in(server)
    found = [one for one in answer.headers.get_list("set-cookie") if "token=" in one]
    assert sorted(one.partition("=")[0] for one in found) == ["__Host-token", "token"]
    for cookie in found:
        assert {"secure", "httponly", "path=/", "samesite=lax"} <= set(cookie.lower().split("; "))
        assert "domain" not in cookie.lower()
    assert answer.headers["strict-transport-security"].startswith("max-age=31536000")


def test_a_cookie_of_a_neighbouring_host_neither_takes_over_nor_locks_out(server: Server) -> None:
    ours = log_in(server).cookies["token"]
    foreign = f"token={server.token('mallory')}"
    assert mine(server, f"token={ours}", foreign) == 401
    assert mine(server, foreign, f"token={ours}", f"__Host-token={ours}") == 200
    assert mine(server, foreign, foreign, f"__Host-token={ours}") == 401
    assert mine(server, f"__Host-token={ours}") == 401


def test_logging_in_makes_another_session_whatever_the_browser_brought(server: Server) -> None:
    planted = server.token("eva")
    headers = BEHIND | {"Cookie": f"token={planted}"}
    answer = httpx.post(f"{server.url}/auth", data=EVA, headers=headers)
    assert answer.cookies["token"] != planted
    assert log_in(server).cookies["token"] != answer.cookies["token"]


def test_a_secret_is_changed_without_logging_anybody_out(server: Server) -> None:
    """The steps of docs/security.md: the new secret signs, the old one still verifies; an hour (a
    token's life) later the old one goes."""
    old = log_in(server).cookies["token"]
    server.stop()
    server.environ |= {"JWT_SECRET": NEW, "REGISTRO_JWT_SECRETS_PREVIOUS": json.dumps([OLD])}
    server.start()
    assert mine(server, f"token={old}") == 200
    with RawWebSocket(server.url, {"Cookie": f"token={old}"}) as raw:
        raw.join()
    new = log_in(server).cookies["token"]
    server.stop()
    server.environ |= {"REGISTRO_JWT_SECRETS_PREVIOUS": "[]"}
    server.start()
    assert (mine(server, f"token={old}"), mine(server, f"token={new}")) == (401, 200)


def test_a_token_of_the_old_secret_stays_revoked_under_the_new_one(server: Server) -> None:
    old = log_in(server).cookies["token"]
    headers = BEHIND | {"Cookie": f"token={old}", "Sec-Fetch-Site": "same-origin"}
    assert httpx.get(f"{server.url}/logout", headers=headers).status_code == 303
    server.stop()
    server.environ |= {"JWT_SECRET": NEW, "REGISTRO_JWT_SECRETS_PREVIOUS": json.dumps([OLD])}
    server.start()
    assert mine(server, f"token={old}") == 401


def test_production_does_not_start_unsafe_and_says_everything_at_once(server: Server) -> None:
    server.stop()
    server.environ |= {"JWT_SECRET": "short", "REGISTRO_FIXTURES": "on"}
    with pytest.raises(RuntimeError, match=r"JWT_SECRET=\*\*\*(.|\n)*REGISTRO_FIXTURES"):
        server.start()
