"""The audit pages, as an admin's browser without scripts sees them."""

from __future__ import annotations

import html
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from registro.web.audit import pretty
from registro.web.i18n import language
from registro.web.narration import TITLES, program
from registro.web.times import duration
from tests.conftest import SECRET
from tests.support.server import Server
from tests.web.conftest import ADMIN, USER, Site, heading

MOZILLA, KIT = "Mozilla/5.0", "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The sample desk with a key for checkpoints, one checkpoint, and an erased event after it."""
    folder = tmp_path_factory.mktemp("audited")
    server = Server(folder, {"JWT_SECRET": SECRET}, fixtures=True)
    server.registro("checkpoint", "--new-key", "key", "--origin", "example.org/desk")
    server.registro("fixtures", "load")
    (folder / "checkpoints").mkdir()
    server.environ |= {
        "REGISTRO_CHECKPOINT_KEY": f"{folder}/key",
        "REGISTRO_CHECKPOINT_TO": f"{folder}/checkpoints",
    }
    server.registro("checkpoint", "--to", "checkpoints")
    with server:
        server.registro("erase", "--event", "2000", "--reason", "asked for", "--yes")
        site = Site(server)
        yield site
        site.close()


def admin(site: Site, **cookies: str) -> httpx.Client:
    client = site.as_(ADMIN, "admin")
    for name, value in ({"lang": "en"} | cookies).items():
        client.cookies.set(name, value)
    return client


def log_of(site: Site) -> list[dict[str, Any]]:
    return [json.loads(line) for line in site.server.registro("log", "export").splitlines()]


def positions(page: str) -> list[int]:
    return [int(found) for found in re.findall(r'data-position="(\d+)"', page)]


def link(page: str, rel: str) -> str | None:
    found = re.search(rf'href="([^"]+)" rel="{rel}"', page)
    return html.unescape(found[1]) if found else None


def every_page(client: httpx.Client, address: str, rel: str = "next") -> list[list[int]]:
    pages, at = [], address
    while at:
        text = client.get(at).text
        pages.append(positions(text))
        at = link(text, rel) or ""
    return pages


def test_the_log_is_paged_through_from_its_end_to_its_beginning_and_back(audited: Site) -> None:
    client = admin(audited)
    total = len(log_of(audited))
    pages = every_page(client, "/admin/registro")
    there = [position for page in pages for position in page]
    assert there == sorted(there, reverse=True)
    assert {len(page) for page in pages[:-1]} == {50}
    assert set(there) >= set(range(1, total + 1))
    back = every_page(client, f"/admin/registro?despues={pages[-1][0]}", "prev")
    assert [position for page in back[::-1] for position in page][-50:] == pages[-2]


@pytest.mark.parametrize(
    "query",
    [
        "tipo=conversation:message",
        "tipo=user:disabled",
        "desde=2026-11-12T00:00:00Z&hasta=2026-11-13T00:00:00Z",
    ],
)
def test_filters_by_type_and_time_let_through_what_the_log_says(audited: Site, query: str) -> None:
    wanted = dict(pair.split("=") for pair in query.split("&"))
    expected = [
        event["position"]
        for event in log_of(audited)
        if event["type"].startswith(wanted.get("tipo", ""))
        and wanted.get("desde", "") <= event["recorded_at"] < wanted.get("hasta", "9")
    ]
    found = [p for page in every_page(admin(audited), f"/admin/registro?{query}") for p in page]
    assert found == expected[::-1]
    assert found


def test_a_user_a_conversation_and_a_session_lead_to_their_events(audited: Site) -> None:
    client = admin(audited)
    log = log_of(audited)
    user_id = next(e["stream"][5:] for e in log if (e["payload"] or {}).get("user") == USER)
    told = [e for e in log if user_id in json.dumps(e)]
    found = [p for page in every_page(client, f"/admin/registro?usuario={USER}") for p in page]
    assert found == [e["position"] for e in told][::-1]
    by_id = [p for page in every_page(client, f"/admin/usuario?id={user_id}") for p in page]
    assert by_id == found
    message = next(e for e in told if e["type"] == "conversation:message:sent")
    conversation = message["stream"].partition("/")[2]
    pages = every_page(client, f"/admin/registro?conversacion={conversation}&usuario={USER}")
    assert message["position"] in [p for page in pages for p in page]
    opened = next(e for e in told if e["type"] == "connection:opened")
    key = opened["payload"]["session"]
    session = positions(client.get(f"/admin/registro?sesion={key}").text)
    assert opened["position"] in session
    assert all(key in json.dumps(e) for e in log if e["position"] in session)


def test_times_are_read_and_shown_in_the_readers_zone(audited: Site) -> None:
    client = admin(audited, zona="America/Mexico_City")
    page = client.get("/admin/registro?desde=2026-11-12T00:00&hasta=2026-11-12T12:00").text
    assert 'value="2026-11-12T00:00"' in page
    assert "Times in America/Mexico_City." in page
    stamps = re.findall(r'<time datetime="([^"]+)"', page)
    assert all("2026-11-12T06:00" <= stamp < "2026-11-12T18:00" for stamp in stamps)
    assert "desde=2026-11-12T06%3A00%3A00.000Z" in (link(page, "next") or "")


@pytest.mark.parametrize(
    "query",
    ["antes=x", "despues=-1", "desde=ayer", "hasta=9999-99-99", "conversacion=x", "tipo=%00",
     "desde=0001-01-01T00:00%2B23:59", f"usuario={'x' * 200}", "usuario=%ff%fe%00"],
)  # fmt: skip
def test_filters_that_make_no_sense_are_refused(audited: Site, query: str) -> None:
    client = admin(audited)
    assert client.get(f"/admin/registro?{query}").status_code == 400
    answer = client.get(f"/api/registro?{query}")
    assert (answer.status_code, answer.json()["error"]["codigo"]) == (400, "datos_invalidos")


def test_an_unknown_user_is_said(audited: Site) -> None:
    client = admin(audited)
    assert "There is no such user:" in client.get("/admin/registro?usuario=<b>nadie").text
    assert "<b>nadie" not in client.get("/admin/registro?usuario=<b>nadie").text
    assert client.get("/admin/usuario?user=nadie").status_code == 404
    assert client.get("/api/registro?usuario=nadie").json() == {"eventos": [], "nuevos": 0}


def test_an_event_is_verified_against_the_checkpoint_that_covers_it(
    audited: Site, tmp_path: Path
) -> None:
    client = admin(audited)
    page = client.get("/admin/registro/1234").text
    assert heading(page) == "Event 1234"
    assert re.search(r'id="verdict">Verified against checkpoint 2242\.', page)
    row = log_of(audited)[1233]
    for name in ("id", "stream", "recorded_at", "commitment", "leaf", "salt"):
        assert str(row[name]) in page
    payload = re.search(r'<pre class="payload".*?>(.*?)</pre>', page, re.DOTALL)
    assert payload
    assert json.loads(html.unescape(payload[1])) == row["payload"]


def test_the_proof_that_is_downloaded_is_the_one_that_prove_prints(audited: Site) -> None:
    client = admin(audited)
    answer = client.get("/api/registro/1234/prueba")
    assert answer.headers["content-disposition"] == 'attachment; filename="registro-1234.json"'
    [checkpoint] = (audited.server.folder / "checkpoints").glob("*2242.checkpoint")
    assert answer.text == audited.server.registro("prove", "1234", "--against", str(checkpoint))
    (audited.server.folder / "proof.json").write_text(answer.text)
    public = audited.server.registro("checkpoint", "--public").strip()
    proven = audited.server.registro("prove", "--check", "proof.json", "--verifier", public)
    assert proven.startswith("proven: position 1234")


def test_an_event_after_the_checkpoint_has_a_proof_that_is_signed_for_it(audited: Site) -> None:
    client = admin(audited)
    page = client.get("/admin/registro/2243").text
    assert "Verified against the log of now" in page
    proof = client.get("/api/registro/2243/prueba").json()
    assert int(proof["checkpoint"].split("\n")[1]) >= 2243


def test_an_erased_event_says_so_and_still_verifies(audited: Site) -> None:
    page = admin(audited).get("/admin/registro/2000").text
    assert "The payload was erased." in page
    assert "Verified against checkpoint 2242." in page
    assert '<pre class="payload"' not in page
    listed = admin(audited).get("/admin/registro?antes=2001").text
    assert listed.count("The payload was erased.") >= 1
    assert "asked for" in admin(audited).get("/admin/registro?tipo=log:erased").text


@pytest.mark.parametrize("position", ["0", "999999999", "99999999999999999999"])
def test_positions_that_are_not_there_are_not_found(audited: Site, position: str) -> None:
    client = admin(audited)
    assert client.get(f"/admin/registro/{position}").status_code == 404
    assert client.get(f"/api/registro/{position}/prueba").status_code == 404


def test_without_a_key_nobody_promises_a_proof(site: Site) -> None:
    client = admin(site)
    page = client.get("/admin/registro/1").text
    assert "Verified against the log of now" in page
    assert "/prueba" not in page
    assert client.get("/api/registro/1/prueba").status_code == 404


def test_the_page_that_follows_gets_what_is_new_as_the_list_shows_it(audited: Site) -> None:
    client = admin(audited)
    last = positions(client.get("/admin/registro").text)[0]
    audited.server.registro("user", "add", "nuevo", "--password", "caballo correcto 7")
    answer = client.get(f"/api/registro?despues={last}").json()
    assert answer["nuevos"] == len(answer["eventos"]) >= 1
    event = next(e for e in answer["eventos"] if e["tipo"] == "user:registered")
    assert event["titulo"] == "Account created"
    assert event["texto"] == "nuevo · user · on the command line"
    page = client.get("/admin/registro").text
    assert f'href="/admin/registro/{event["posicion"]}"' in page
    assert client.get("/api/registro?despues=100&tipo=conversation").json()["nuevos"] == 1000


def test_sessions_and_connections_have_durations(audited: Site) -> None:
    visitor = audited.logged_in(USER)
    client = admin(audited)
    sessions = client.get(f"/admin/sesiones?user={USER}").text
    assert heading(sessions) == "Sessions"
    assert re.search(r'<span class="tag strong">open</span>', sessions)
    visitor.get("/logout", headers={"Sec-Fetch-Site": "same-origin"})
    assert "logged out" in client.get(f"/admin/sesiones?user={USER}").text
    connections = client.get(f"/admin/conexiones?user={USER}").text
    assert re.search(r'<td class="number">\d+ min( \d+ s)?</td>', connections)
    assert "Only of" in connections
    assert "Nobody is connected." in client.get("/admin/conectados").text
    assert client.get("/admin/conectados?cursor=x").status_code == 400
    assert client.get("/admin/sesiones?user=nadie").status_code == 404
    erased = client.get("/admin/conexiones?id=00000000-0000-4000-8000-000000000000").text
    assert "Somebody (00000000)" in erased


def test_an_admin_whom_nobody_has_seen_yet_is_refused(audited: Site) -> None:
    client = audited.as_("from-elsewhere", "admin")
    assert client.get("/admin/registro").status_code == 403
    answer = client.get("/api/registro")
    assert (answer.status_code, answer.json()["error"]["codigo"]) == (403, "no_autorizado")


def test_health_says_whether_the_log_is_still_the_checkpoints(audited: Site) -> None:
    client = admin(audited)
    audited.server.registro("log", "verify", "--record")
    page = client.get("/admin/salud-registro").text
    assert 'data-standing="holds"' in page
    assert "of our key" in page
    assert re.search(r"events checked,\s+0 findings", page)
    head = re.search(r'id="head-root">([0-9a-f]{64})<', page)
    assert head
    assert head[1] == json.loads(audited.server.registro("log", "verify", "--json"))["root"]


def test_what_was_altered_shows_on_the_event_and_in_the_health(tmp_path: Path) -> None:
    server = Server(tmp_path, {"JWT_SECRET": SECRET}, fixtures=True)
    server.registro("checkpoint", "--new-key", "key")
    server.environ |= {
        "REGISTRO_CHECKPOINT_KEY": f"{tmp_path}/key",
        "REGISTRO_CHECKPOINT_TO": f"{tmp_path}/newest",
    }
    server.registro("fixtures", "load")
    server.registro("checkpoint", "--to", "newest")
    with closing(sqlite3.connect(tmp_path / "registro.db")) as database:
        database.execute("DROP TRIGGER log_event_no_update")
        database.execute(
            "UPDATE log_event SET payload = CAST(replace(payload, '\"', '\" ') AS BLOB)"
            " WHERE position = 1500"
        )
        database.execute("UPDATE log_event SET leaf = zeroblob(32) WHERE position = 2230")
        database.commit()
    with server:
        site = Site(server)
        client = admin(site)
        altered = client.get("/admin/registro/1500").text
        assert "This event does not stand the check." in altered
        assert "The payload is not the one that was recorded." in altered
        assert "The envelope was altered" in client.get("/admin/registro/2230").text
        assert 'data-standing="differs"' in client.get("/admin/salud-registro").text
        (tmp_path / "newest").write_text("nothing")
        assert 'data-standing="unreadable"' in client.get("/admin/salud-registro").text
        server.registro("checkpoint", "--new-key", "other")
        server.registro("checkpoint", "--key", "other", "--to", "newest")
        assert 'data-standing="forged"' in client.get("/admin/salud-registro").text
        site.close()


def test_a_log_that_was_cut_off_is_shorter_than_its_checkpoint(tmp_path: Path) -> None:
    server = Server(tmp_path, {"JWT_SECRET": SECRET})
    server.registro("checkpoint", "--new-key", "key")
    server.registro("user", "add", "ana", "--role", "admin", "--password", "caballo correcto 7")
    server.registro("user", "add", "eva", "--password", "caballo correcto 7")
    other = Server(tmp_path, {"JWT_SECRET": SECRET,
                              "DATABASE_URL": f"sqlite:///{tmp_path}/other.db"})  # fmt: skip
    other.registro("user", "add", "ana", "--role", "admin", "--password", "caballo correcto 7")
    server.registro("checkpoint", "--key", "key", "--to", "newest")
    other.environ |= {"REGISTRO_CHECKPOINT_TO": f"{tmp_path}/newest", "REGISTRO_FIXTURES": "off"}
    with other, httpx.Client() as client:
        client.cookies.set("token", other.token("ana", "admin"))
        assert 'data-standing="shorter"' in client.get(f"{other.url}/admin/salud-registro").text
        assert client.get(f"{other.url}/admin/registro/1").status_code == 200


def test_conversations_and_the_admin_area_lead_to_the_history(audited: Site) -> None:
    client = admin(audited)
    assert f"/admin/usuario?user={USER}" in client.get(f"/soporte?con={USER}").text
    area = client.get("/admin").text
    assert "/admin/personas" in area
    assert "/admin/usuario?id=" in client.get(f"/admin/persona?user={USER}").text
    assert 'href="/admin/registro"' in area


def test_a_message_leads_to_its_place_in_the_conversation(audited: Site) -> None:
    client = admin(audited)
    log = log_of(audited)
    user_id = next(e["stream"][5:] for e in log if (e["payload"] or {}).get("user") == USER)
    from_user = {"sender": user_id, "recipient": "desk"}
    message = next(e for e in log if from_user.items() <= (e["payload"] or {}).items())
    page = client.get(f"/admin/registro/{message['position']}").text
    found = re.search(r'href="(/soporte\?[^"]+#m-(\d+))"', page)
    assert found
    assert int(found[2]) == message["version"]
    assert f'id="m-{message["version"]}"' in client.get(html.unescape(found[1])).text


def test_every_event_type_has_a_name_in_both_languages() -> None:
    from registro.events.codec import EVENT_TYPES

    assert set(TITLES) == set(EVENT_TYPES)
    assert all(language("es").gettext(title) != "" for title in TITLES.values())


def test_payloads_show_what_cannot_be_seen() -> None:
    shown = pretty(b'{"text":"a\xe2\x80\xaeb\xc2\xadc","more":{"n":1}}')
    assert shown == '{\n  "text": "a\\u202eb\\u00adc",\n  "more": {\n    "n": 1\n  }\n}'
    assert json.loads(shown)["text"] == "a\u202eb\u00adc"


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0 s"), (499, "0 s"), (45_400, "45 s"), (60_000, "1 min"), (725_000, "12 min 5 s"),
     (11_520_000, "3 h 12 min"), (43_199_800, "12 h"),
     (43_199_000, "12 h"), (187_200_000, "2 d 4 h")],
)  # fmt: skip
def test_durations_are_told_in_their_two_largest_units(milliseconds: int, text: str) -> None:
    assert duration(milliseconds) == text


@pytest.mark.parametrize(
    ("client", "words"),
    [
        (f"{MOZILLA} (X11; Linux x86_64) {KIT} Chrome/126.0.0.0 Safari/537.36 Edg/126.0.2592.87",
         "Edge 126, Linux"),
        (f"{MOZILLA} (Linux; Android 10; K) {KIT} Chrome/131.0.0.0 Mobile Safari/537.36",
         "Chrome 131, Android"),
        (f"{MOZILLA} (iPhone; CPU iPhone OS 18_7 like Mac OS X) {KIT} Version/26.1 Mobile/15E148",
         "Safari 26, iPhone"),
        (f"{MOZILLA} (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0",
         "Firefox 132, Windows"),
        ("TalleresRueda/1.8 (Android 12; okhttp/4.12)", "TalleresRueda/1.8"),
        ("", ""),
    ],
)  # fmt: skip
def test_user_agents_are_told_in_few_words(client: str, words: str) -> None:
    assert program(client) == words
