"""The widget's script and page: who may have them, and that they hold nothing of anybody."""

from __future__ import annotations

import gzip
import html
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from registro.web import assets, security
from tests.conftest import SECRET
from tests.support.server import Server
from tests.web.conftest import ADMIN, USER, Site
from tests.web.test_routes import ROUTES, example

SHOP = "https://shop.example"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    environ = {"JWT_SECRET": SECRET, "REGISTRO_ALLOWED_ORIGINS": f"{SHOP},https://b.example"}
    with Server(tmp_path_factory.mktemp("widget"), environ, fixtures=True) as server:
        site = Site(server)
        yield site
        site.close()


def test_any_page_may_load_the_script(site: Site) -> None:
    got = site.client().get("/widget.js", headers={"Sec-Fetch-Site": "cross-site"})
    assert (got.status_code, got.headers["cross-origin-resource-policy"]) == (200, "cross-origin")
    assert got.headers["cache-control"] == "no-cache"


def test_the_frame_is_for_the_one_allowed_site_that_asks(site: Site) -> None:
    got = site.client().get("/widget", params={"de": SHOP})
    assert got.status_code == 200
    assert f"frame-ancestors {SHOP};" in got.headers["content-security-policy"]
    assert "b.example" not in got.headers["content-security-policy"] + got.text


@pytest.mark.parametrize("origin", ["", "https://evil.example", f"{SHOP}/", f"{SHOP} *", "null"])
def test_no_other_site_gets_it(site: Site, origin: str) -> None:
    got = site.client().get("/widget", params={"de": origin})
    assert got.status_code == 403
    assert "frame-ancestors 'none'" in got.headers["content-security-policy"]


def test_it_is_the_same_for_everybody_in_the_language_that_is_asked_for(site: Site) -> None:
    asked = {"de": SHOP, "lang": "en", "tema": "dark", "zona": "Asia/Tokyo"}
    got = site.as_(USER).get("/widget", params=asked)
    assert got.text == site.client().get("/widget", params=asked).text
    assert '<html lang="en" data-theme="dark"' in got.text
    odd = site.client().get("/widget", params={"de": SHOP, "lang": '"><b>', "tema": '"><b>'})
    assert '<html lang="es" data-theme="system"' in odd.text


def asked(site: Site, token: str, **where: str) -> httpx.Response:
    client = site.client(Authorization=f"Bearer {token}")
    return client.get("/widget", params={"de": SHOP, "zona": "Asia/Tokyo"} | where)


def test_with_a_token_in_the_header_the_thread_is_in_it(site: Site) -> None:
    page = asked(site, site.server.token(USER), lang="en").text
    assert 'id="m-1"' in page
    assert f'"me":"{USER}"' in page
    assert 'href="/soporte' not in page  # a message has no address here: nobody is signed in there


def test_older_parts_stay_in_the_widget_with_its_language(site: Site) -> None:
    first = asked(site, site.server.token(USER), antes="3", lang="en").text
    newer = re.search(r'href="([^"]*)" id="newer"', first)
    assert newer is not None
    query = parse_qs(urlsplit(html.unescape(newer[1])).query)
    assert query == {"de": [SHOP], "lang": ["en"], "zona": ["Asia/Tokyo"], "despues": ["2"]}


def test_a_token_that_is_worth_nothing_or_an_admins_gets_no_thread(site: Site) -> None:
    for token, status in (("x", 401), (site.server.token(ADMIN, "admin"), 403)):
        got = asked(site, token)
        assert (got.status_code, list(got.json())) == (status, ["error"])


def test_for_somebody_who_is_new_the_thread_is_empty(site: Site) -> None:
    got = asked(site, site.server.token("nadie.conocido"))
    assert got.status_code == 200
    assert '"row":null' in got.text
    assert 'id="m-' not in got.text


def test_the_widget_is_the_one_page_that_another_site_may_frame(site: Site) -> None:
    client = site.client()
    paths = sorted({example(path) for path, _, declared in ROUTES if declared.kind != "socket"})
    open_ = [
        path
        for path in paths
        if "frame-ancestors 'none'"
        not in client.get(path, params={"de": SHOP}).headers["content-security-policy"]
    ]
    assert open_ == ["/widget"]
    policy = asked(site, site.server.token(USER)).headers["content-security-policy"]
    assert policy == security.CONTENT_SECURITY_POLICY.replace(
        "frame-ancestors 'none'", f"frame-ancestors {SHOP}"
    ).replace("img-src 'self'", "img-src 'self' blob:")


def test_the_widget_weighs_little_beside_socket_io(site: Site) -> None:
    page = site.client().get("/widget", params={"de": SHOP}).text
    paths = set(re.findall(r"/static/[0-9a-f]+/([\w./-]+)", page)) | {"widget.js"}
    todo = [path for path in paths if path.endswith(".js")]
    while todo:
        text = assets.assets()[todo.pop()].body.decode()
        new = set(re.findall(r'^(?:import|export) .*"\./([\w.-]+)"', text, re.MULTILINE)) - paths
        paths |= new
        todo += new
    paths.discard(assets.CLIENT)
    sizes = {path: len(gzip.compress(assets.assets()[path].body, 9)) for path in paths}
    assert sum(sizes.values()) + len(gzip.compress(page.encode(), 9)) < 60_000
