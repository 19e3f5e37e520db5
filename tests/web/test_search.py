"""Searching messages, as an admin's browser without scripts sees it."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.web.conftest import ADMIN, USER, Site, heading


def admin(site: Site, **cookies: str) -> httpx.Client:
    client = site.as_(ADMIN, "admin")
    for name, value in ({"lang": "en"} | cookies).items():
        client.cookies.set(name, value)
    return client


def eventually(get: Callable[[], httpx.Response], is_there: Callable[[Any], bool]) -> Any:
    """An answer in which something is: the index follows the log."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        answer = get()
        if is_there(answer):
            return answer
        time.sleep(0.1)
    raise AssertionError(answer.text)


@pytest.fixture(scope="module")
def client(site: Site) -> httpx.Client:
    """An admin, once everything can be found."""
    client = admin(site)
    caught_up = lambda answer: answer.json()["pendiente_desde"] is None  # noqa: E731
    eventually(lambda: client.get("/api/buscar?q=a"), caught_up)
    return client


def text_of(page: str) -> list[str]:
    return [
        html.unescape(re.sub(r"<[^>]+>", "", one))
        for one in re.findall(r'<p class="text" dir="auto">(.*?)</p>', page, re.DOTALL)
    ]


def test_what_is_found_is_marked_and_leads_to_its_place(client: httpx.Client, site: Site) -> None:
    page = client.get("/admin/buscar", params={"q": f"con:{USER}"}).text
    assert heading(page) == "Search messages"
    word = next(w for one in text_of(page) for w in one.split() if w.isalpha() and len(w) > 5)
    part = word[1:].upper()
    page = client.get("/admin/buscar", params={"q": f"{part} con:{USER}"}).text
    assert f"<mark>{word[1:]}</mark>" in page
    [href, *_] = re.findall(rf'href="(/soporte\?con={re.escape(USER)}&amp;[^"]+)"', page)
    place, _, anchor = html.unescape(href).partition("#")
    thread = client.get(place).text
    assert f'id="{anchor}"' in thread
    assert word in thread.partition(f'id="{anchor}"')[2].partition("</li>")[0]


def test_a_message_far_back_is_in_the_part_that_its_link_opens(
    client: httpx.Client, site: Site
) -> None:
    rows = client.get("/api/bandeja").json()["filas"]
    row = max(rows, key=lambda one: one["seq"])
    assert row["seq"] > 25
    thread = client.get("/soporte", params={"con": row["user"], "mensaje": "2"}).text
    seqs = [int(seq) for seq in re.findall(r'data-seq="(\d+)"', thread)]
    assert seqs == list(range(1, 23))
    end = client.get("/soporte", params={"con": row["user"], "mensaje": str(row["seq"] - 3)}).text
    assert f'id="m-{row["seq"]}"' in end
    assert 'id="composer"' in end
    user = site.as_(row["user"])
    assert 'id="m-1"' in user.get("/soporte?mensaje=2").text
    assert client.get("/soporte?con=x&mensaje=y").status_code == 200
    assert client.get(f"/soporte?con={row['user']}&mensaje=y").status_code == 400


def test_pages_lead_to_older_ones_and_the_resource_says_the_same(client: httpx.Client) -> None:
    page = client.get("/admin/buscar?q=a").text
    assert len(text_of(page)) == 30
    link = re.search(r'href="([^"]+)" rel="next"', page)
    assert link
    answer = client.get("/api/buscar?q=a").json()
    assert html.unescape(link[1]) == f"/admin/buscar?q=a&antes={answer['cursor']}"
    second = client.get(html.unescape(link[1])).text
    older = client.get("/api/buscar", params={"q": "a", "antes": answer["cursor"]}).json()
    found = [str(one["posicion"]) for one in older["mensajes"]]
    assert re.findall(r'data-position="(\d+)"', second) == found
    assert max(map(int, found)) < min(one["posicion"] for one in answer["mensajes"])


def test_messages_between_users_are_found_and_lead_to_the_log(client: httpx.Client) -> None:
    found = client.get("/api/buscar?q=de:iker para:nuria_sanz").json()["mensajes"]
    assert found
    assert {(one["de"], one["para"]) for one in found} == {("iker", "nuria_sanz")}
    for one in found:
        assert one["enlace"] == f"/admin/registro/{one['posicion']}"


def test_what_somebody_wrote_is_never_markup(client: httpx.Client) -> None:
    page = client.get("/admin/buscar", params={"q": '<script>alert("1") de:<b>'}).text
    assert "<script>alert" not in page
    assert "<b>" not in page.replace("<b><bdi>", "")
    assert "There is no such user:" in page
    assert "&lt;b&gt;" in page


def test_mistakes_are_named(client: httpx.Client) -> None:
    page = client.get("/admin/buscar?q=a+antes:ayer+estado:raro").text
    assert page.count("This says nothing and was left out:") == 2
    assert text_of(page)
    assert "Nothing was found." in client.get("/admin/buscar?q=xyzxyzxyz").text
    assert "Nothing was found." not in client.get("/admin/buscar?q=").text
    assert client.get("/admin/buscar", params={"q": "x" * 201}).status_code == 400
    assert client.get("/api/buscar", params={"q": "x" * 201}).status_code == 400
    assert client.get("/api/buscar?q=a&antes=x").status_code == 400


def test_a_day_is_one_of_the_readers_zone(client: httpx.Client, site: Site) -> None:
    far = admin(site, zona="Pacific/Kiritimati")
    newest = client.get("/api/buscar?q=a").json()["mensajes"][0]
    day = newest["fecha"][:10]
    assert newest in client.get(f"/api/buscar?q=a despues:{day}").json()["mensajes"]
    here = client.get(f"/api/buscar?q=a antes:{day}").json()["mensajes"]
    there = far.get(f"/api/buscar?q=a antes:{day}").json()["mensajes"]
    assert all(one["fecha"] < day for one in here)
    assert here[0]["fecha"] >= there[0]["fecha"]
    assert newest not in here


def test_the_inbox_and_the_admin_area_have_the_field(client: httpx.Client) -> None:
    for path in ("/soporte", "/admin", "/admin/buscar"):
        assert 'action="/admin/buscar"' in client.get(path).text


def test_an_erased_message_is_gone(client: httpx.Client, site: Site) -> None:
    found = client.get(f"/api/buscar?q=con:{USER}").json()["mensajes"][0]
    query = {"q": f'"{found["mensaje"][:60]}" con:{USER}'}
    assert client.get("/api/buscar", params=query).json()["mensajes"]
    site.server.registro(
        "erase", "--event", str(found["posicion"]), "--reason", "asked for", "--yes"
    )
    answer = client.get("/api/buscar", params=query).json()
    assert found["posicion"] not in [one["posicion"] for one in answer["mensajes"]]
