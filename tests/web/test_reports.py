"""The reports, as an admin's browser without scripts sees them."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterator

import httpx
import pytest

from tests.web.conftest import ADMIN, USER, Site, heading
from tests.web.test_search import eventually

YEAR = "desde=2026-01-01&hasta=2026-12-31"


@pytest.fixture(scope="module")
def client(site: Site) -> httpx.Client:
    """An admin in Madrid, once everything is counted."""
    client = site.as_(ADMIN, "admin")
    for name, value in {"lang": "en", "zona": "Europe/Madrid"}.items():
        client.cookies.set(name, value)
    eventually(
        lambda: client.get(f"/admin/informes?{YEAR}"),
        lambda answer: answer.status_code == 200 and 'id="behind"' not in answer.text,
    )
    return client


def table(page: str, id_: str) -> list[list[tuple[str, str]]]:
    """(text, address) of the cells of a table's body."""
    found = re.search(rf'<table id="{id_}">.*?<tbody>(.*?)</tbody>', page, re.DOTALL)
    assert found
    return [
        [
            (re.sub(r"<[^>]+>", "", cell).strip(), html.unescape(href[1]) if href else "")
            for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
            for href in [re.search(r'href="([^"]+)"', cell)]
        ]
        for row in re.findall(r"<tr>(.*?)</tr>", found[1], re.DOTALL)
    ]


def listed(client: httpx.Client, href: str) -> Iterator[str]:
    """The positions of all rows behind a figure; the page has to say how many there are."""
    page = client.get(href).text
    total = int(re.search(r'data-total="(\d+)"', page)[1])  # type: ignore[index]
    found: list[str] = []
    while True:
        found += re.findall(r'<tr data-position="(\d+)">', page)
        more = re.search(r'href="([^"]+)" rel="next"', page)
        if more is None:
            break
        page = client.get(html.unescape(more[1])).text
    assert len(found) == total
    yield from found


def test_every_number_leads_to_as_many_rows(client: httpx.Client) -> None:
    page = client.get(f"/admin/informes?{YEAR}").text
    assert heading(page) == "Reports"
    admins = table(page, "admins")
    assert len(admins) == 3
    busiest = max(table(page, "hours"), key=lambda row: max(int(text) for text, _ in row[1:]))
    days = table(page, "days")
    for cells in (*admins, busiest, *days[40:44]):
        for text, href in cells[1:]:
            if href and text.isdigit():
                assert len(list(listed(client, href))) == int(text), href


def test_days_and_hours_add_up_to_the_figures(client: httpx.Client) -> None:
    page = client.get(f"/admin/informes?{YEAR}").text
    figures = dict(
        re.findall(r'<dt>([^<]+)</dt>\s*<dd><a href="[^"]+">([^<]+)</a>', page, re.DOTALL)
    )
    days = table(page, "days")
    for column, title in ((1, "Conversations opened"), (2, "Messages of users"),
                          (3, "Messages of admins"), (8, "Answered waits")):  # fmt: skip
        assert sum(int(row[column][0]) for row in days) == int(figures[title]) > 0, title
    hours = sum(int(text) for row in table(page, "hours") for text, _ in row[1:])
    assert hours == int(figures["Messages of users"])


def test_a_label_stays_in_every_address_and_its_numbers_lead_to_its_rows(
    client: httpx.Client,
) -> None:
    rows = client.get("/api/bandeja").json()["filas"][:3]
    for row in rows:
        path = f"/api/conversaciones/{row['conversacion']}/etiquetas"
        assert client.post(path, json={"poner": "Envíos & más"}).status_code == 200
    eventually(
        lambda: client.get(f"/admin/informes?{YEAR}&etiqueta=Env%C3%ADos+%26+m%C3%A1s"),
        lambda answer: 'id="behind"' not in answer.text,
    )
    query = f"{YEAR}&etiqueta=Env%C3%ADos+%26+m%C3%A1s"
    page = client.get(f"/admin/informes?{query}").text
    assert "Label: Envíos &amp; más" in page
    assert "<option selected>Envíos &amp; más</option>" in page
    hrefs = re.findall(r'href="(/admin/informes[^"]*[?][^"]+)"', page)
    assert len(hrefs) > 50
    assert [one for one in hrefs if "etiqueta=Env%C3%ADos+%26+m%C3%A1s" not in one] == []
    for cells in table(page, "admins"):
        for text, href in cells[1:]:
            if href and text.isdigit():
                assert len(list(listed(client, href))) == int(text), href
    href = next(html.unescape(one) for one in hrefs if "que=mensajes" in one or "usuarios" in one)
    people = re.findall(r'<th scope="row"><a [^>]+><bdi>([^<]+)', client.get(href).text)
    assert people
    assert set(people) <= {row["name"] for row in rows}
    assert "etiqueta=Env" in client.get(href).text  # on the way back
    answer = client.get(f"/admin/informes/csv?tabla=admins&{query}")
    assert 'admins-2026-01-01-2026-12-31-Env_os___m_s.csv"' in answer.headers["content-disposition"]
    lines = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))[1:]
    assert [line[1] for line in lines] == [row[1][0] for row in table(page, "admins")]


def test_the_rows_lead_to_their_place_in_the_conversation(client: httpx.Client) -> None:
    page = client.get(f"/admin/informes/filas?que=usuarios&{YEAR}").text
    hrefs = re.findall(r'<th scope="row"><a href="([^"]+)">', page)
    assert len(hrefs) == 50
    place, _, anchor = html.unescape(hrefs[0]).partition("#")
    assert f'id="{anchor}"' in client.get(place).text


def test_tables_are_had_as_csv_with_the_names_of_the_page(client: httpx.Client) -> None:
    page = client.get(f"/admin/informes?{YEAR}").text
    for name, rows in (("dias", 365), ("horas", 7), ("admins", 3)):
        answer = client.get(f"/admin/informes/csv?tabla={name}&{YEAR}")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert (
            f'filename="registro-{name}-2026-01-01-2026-12-31.csv"'
            in (answer.headers["content-disposition"])
        )
        assert answer.content.startswith("\ufeff".encode())
        header, *lines = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
        assert len(lines) == rows
        if name != "horas":
            titles = [one.removesuffix(" (s)") for one in header[1:]]
            assert all(f'class="number">{title}</th>' in page for title in titles)
    assert {line[0] for line in lines} == {row[0][0] for row in table(page, "admins")}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?dias=7", 200), ("?dias=8", 400), ("?dias=x", 400), ("?desde=2026-02-30", 400),
        ("?desde=2026-03-02&hasta=2026-03-01", 400), ("?desde=0001-01-01&hasta=0001-01-02", 400),
        ("?desde=2024-01-01&hasta=2026-01-01", 400), ("?hasta=2026-03-01", 200),
        ("?desde=1969-12-01&hasta=1969-12-02", 400), ("?desde=9999-12-31&hasta=9999-12-31", 400),
        ("/filas?que=nada", 404), ("/filas?que=esperas&cursor=x", 400),
        ("/filas?que=conversaciones&cursor=1-2", 400),
        ("/filas?que=esperas&semana=1&hora=2", 400), ("/filas?que=usuarios&semana=7&hora=2", 400),
        ("/filas?que=usuarios&admin=x", 404), ("/csv?tabla=x", 404),
        ("?etiqueta=", 200), ("?etiqueta=nadie", 200), (f"?etiqueta={'x' * 31}", 400),
        ("/filas?etiqueta=%00", 400),
    ],
)  # fmt: skip
def test_what_is_no_period_or_figure_is_refused(
    client: httpx.Client, query: str, status: int
) -> None:
    assert client.get(f"/admin/informes{query}").status_code == status


def test_reports_are_for_admins(site: Site) -> None:
    for path in ("", "/filas?que=usuarios", "/csv?tabla=dias"):
        assert site.as_(USER).get(f"/admin/informes{path}").status_code == 403
