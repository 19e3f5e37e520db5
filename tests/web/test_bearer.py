"""The token in an Authorization header, where a cookie does not travel."""

from __future__ import annotations

from tests.web.conftest import ADMIN, USER, Site

SHOP = "https://shop.example"


def test_the_api_goes_by_the_header_and_not_by_a_cookie_beside_it(site: Site) -> None:
    client = site.as_(ADMIN, "admin")
    mine = client.get("/api/hilo", headers={"Authorization": f"Bearer {site.server.token(USER)}"})
    assert mine.json()["fila"]["user"] == USER
    refused = client.get("/api/mensajes/mios", headers={"Authorization": "Bearer x"})
    assert refused.status_code == 401
    other = client.get("/api/mensajes/mios", headers={"Authorization": "Basic eDp5"})
    assert other.status_code == 200


def test_a_token_in_a_header_is_no_way_around_anti_forgery(site: Site) -> None:
    client = site.client(Authorization=f"Bearer {site.server.token(USER)}")
    for headers in ({"Origin": SHOP}, {"Sec-Fetch-Site": "cross-site"}):
        got = client.post("/api/archivos?nombre=a.txt", content=b"a", headers=headers)
        assert (got.status_code, got.json()["error"]["codigo"]) == (403, "no_autorizado")
    own = client.post(
        "/api/archivos?nombre=a.txt", content=b"a", headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert own.status_code == 200
