"""Replays: the log up to a position or a time, the projections of then, and pages from them."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from registro.db.connection import DatabaseConnection
from registro.errors import CorruptLog, Outdated
from registro.events import reader, store
from registro.events.record import parse_rfc3339, rfc3339, to_line
from registro.events.store import draft
from registro.events.verify import verify
from registro.projections import generations, registry, runner
from registro.services import replay
from registro.services.replay import ExportSource
from tests.conftest import SECRET
from tests.store.test_cli import Shell
from tests.store.test_rebuild import erase, messages
from tests.support import logs
from tests.support.databases import DatabaseServers
from tests.support.histories import History, histories, registrations

ROOT = Path(__file__).resolve().parents[2]


def files(folder: Path, pattern: str) -> list[Path]:
    return list(folder.glob(pattern))


async def opened(path: Path) -> DatabaseConnection:
    return await DatabaseConnection(replay.url_of(path)).open()


async def test_a_replay_has_the_log_and_the_projections_of_then(
    connection: DatabaseConnection, database_url: str, tmp_path: Path
) -> None:
    history = messages(40)
    await logs.record(connection, history[:30])
    then, head = await logs.dump(connection), await reader.head(connection)
    await logs.record(connection, history[30:])
    async with replay.database(database_url) as source:
        made = await replay.make(source, tmp_path / "then.db", position=30)
    assert made.root == head.frontier.root().hex()
    shown = await opened(tmp_path / "then.db")
    try:
        assert await logs.dump(shown) == then
        assert await logs.everything(shown) == (await logs.everything(connection))[:30]
        assert (await verify(shown)).ok
    finally:
        await shown.close()


async def test_a_replay_until_a_time_has_what_was_recorded_up_to_it(
    connection: DatabaseConnection, database_url: str, tmp_path: Path
) -> None:
    await logs.record(connection, messages(40), batch=4)
    rows = await logs.everything(connection)
    moment = rows[17].recorded_at
    async with replay.database(database_url) as source:
        made = await replay.make(source, tmp_path / "exact.db", moment=moment)
        before = await replay.make(source, tmp_path / "before.db", moment=moment - 1)
    assert rows[made.replay.position - 1].recorded_at == moment < rows[20].recorded_at
    assert rows[before.replay.position - 1].recorded_at < moment
    assert made.replay.position == before.replay.position + 4


async def test_what_was_erased_since_is_erased_in_a_replay_and_it_verifies(
    connection: DatabaseConnection, database_url: str, tmp_path: Path
) -> None:
    await logs.record(connection, messages(30))
    await erase(connection, [1, 8])
    await logs.record(connection, messages(35)[len(registrations()) + 30 :])
    await erase(connection, [9, 10])
    async with replay.database(database_url) as source:
        await replay.make(source, tmp_path / "then.db", position=36)
    shown = await opened(tmp_path / "then.db")
    try:
        report = await verify(shown)
        assert report.ok, report.findings
        assert report.erased == 4
        texts = {row[2]: row[6] for row in (await logs.dump(shown))["messages"]}
        assert [texts[position] for position in (8, 9, 10)] == ["", "", ""]
        assert texts[11] == "text 5"
    finally:
        await shown.close()


async def test_an_export_replays_without_its_database(
    connection: DatabaseConnection, database_url: str, tmp_path: Path
) -> None:
    await logs.record(connection, messages(40))
    await erase(connection, [7, 20])
    export = tmp_path / "log.jsonl"
    export.write_bytes(b"".join(to_line(row) + b"\n" for row in await logs.everything(connection)))
    made = await replay.make(ExportSource(export), tmp_path / "export.db", position=30)
    async with replay.database(database_url) as source:
        same = await replay.make(source, tmp_path / "database.db", position=30)
    assert made.root == same.root
    ours, theirs = await opened(tmp_path / "export.db"), await opened(tmp_path / "database.db")
    try:
        assert await logs.dump(ours) == await logs.dump(theirs)
    finally:
        await ours.close()
        await theirs.close()


async def test_a_log_that_was_altered_is_not_replayed(
    connection: DatabaseConnection, database_url: str, tmp_path: Path
) -> None:
    await logs.record(connection, messages(10))
    await logs.without_triggers(connection)
    await connection.execute("UPDATE log_event SET payload = X'7b7d' WHERE position = 5")
    async with replay.database(database_url) as source:
        with pytest.raises(CorruptLog, match="position 5"):
            await replay.make(source, tmp_path / "then.db")
    assert files(tmp_path, "then.db*") == []


async def test_nothing_can_be_added_to_a_replay(
    connection: DatabaseConnection, database_url: str, tmp_path: Path
) -> None:
    await logs.record(connection, messages(10))
    async with replay.database(database_url) as source:
        await replay.make(source, tmp_path / "then.db", position=7)
    shown = await opened(tmp_path / "then.db")
    try:
        with pytest.raises(Outdated, match="this database is a replay"):
            await store.append(
                shown, [[draft(*messages(1)[-1])]], now=0, fold=runner.fold, folds=registry.FOLDED
            )
        assert (await reader.head(shown)).position == 7
    finally:
        await shown.close()


# From outside


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A database with the sample data, and replays of it."""
    shell = Shell(tmp_path_factory.mktemp("desk"))
    shell.run("fixtures", "load")
    shell.run("replay", "--until", "2000", "--to", f"{shell.folder}/then.db")
    return shell


def test_the_command_says_what_it_wrote(desk: Shell) -> None:
    exported = f"{desk.folder}/log.jsonl"
    desk.run("log", "export", "--to", exported)
    last = json.loads(desk.run("log", "show", "1500"))["recorded_at"]
    target = f"{desk.folder}/1500.db"
    printed = desk.run("replay", "--until", last, "--from", exported, "--to", target)
    assert f"1,500 of 2,242 events, until {rfc3339(parse_rfc3339(last))}, root " in printed
    replayed = f"sqlite:///{target}"
    report = json.loads(desk.run("log", "verify", "--json", DATABASE_URL=replayed))
    assert report["root"] in printed
    refused = desk.run(
        "user", "add", "eva", "--password", "correct horse", expect=1, DATABASE_URL=replayed
    )
    assert "this database is a replay: nothing can be added to its log" in refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--until", "9999", "--to", "new.db"], "there is no position 9999: the log ends at 2242"),
        (["--until", "yesterday", "--to", "new.db"], "expected a position like 1234 or a time"),
        (["--until", "10", "--to", "then.db"], "exists: a replay is written to a new file"),
        (["--until", "10", "--to", "no/new.db"], "there is no folder"),
        (["--until", "10", "--to", "new.db", "--from", "then.db"], "then.db, line 1: "),
    ],
)
def test_what_cannot_be_replayed_is_told(
    desk: Shell, arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk.folder)
    assert message in desk.run("replay", *arguments, expect=2)


class Shown:
    """A running `registro serve --replay`."""

    def __init__(self, folder: Path, file: str) -> None:
        environ = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "JWT_SECRET": SECRET}
        self.log = (folder / "replay.log").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "registro", "serve", "--replay", file, "--port", "0"],
            cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=self.log, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"The replay is at (http://[^/]+)(/\S+)", line)
        assert found, line
        self.url, self.link = found.groups()
        self.client = httpx.Client(base_url=self.url, cookies={"lang": "en"})

    def close(self) -> None:
        self.client.close()
        self.process.terminate()
        self.process.communicate(timeout=30)
        self.log.close()


@pytest.fixture(scope="module")
def shown(desk: Shell) -> Iterator[Shown]:
    shown = Shown(desk.folder, "then.db")
    answer = shown.client.get(shown.link)
    assert (answer.status_code, answer.headers["location"]) == (303, "/soporte")
    yield shown
    shown.close()


def test_every_page_of_a_replay_says_until_when_it_shows(shown: Shown) -> None:
    for path in ("/soporte", "/admin", "/", "/soporte?con=flor.ba", "/admin/personas"):
        page = shown.client.get(path)
        assert page.status_code == 200, path
        assert "Replay: what there was at position 2000" in page.text, path


def test_a_replay_shows_conversations_as_they_stood(shown: Shown, desk: Shell) -> None:
    names = shown.client.get("/api/usuarios-conversaciones").json()
    assert 0 < len(names) <= 31
    messages_ = shown.client.get("/api/mensajes", params={"con": names[0]}).json()
    ended = json.loads(desk.run("log", "show", "2000"))["recorded_at"]
    assert messages_
    assert all(message["fecha"][:23] <= ended[:23] for message in messages_)


def test_a_replay_finds_the_messages_that_there_were(shown: Shown) -> None:
    found = shown.client.get("/api/buscar?q=gracias").json()
    assert found["mensajes"]
    assert all(one["posicion"] <= 2000 for one in found["mensajes"])
    assert found["pendiente_desde"] is None
    page = shown.client.get("/admin/buscar?q=GRACIAS").text
    assert "racias</mark>" in page
    assert "Replay: what there was at position 2000" in page


def test_a_replay_reports_what_there_was_by_then(shown: Shown) -> None:
    page = shown.client.get("/admin/informes?dias=7").text
    assert "Replay: what there was at position 2000" in page
    assert 'id="behind"' not in page
    rows = shown.client.get("/admin/informes/filas?que=mensajes&dias=7").text
    positions = [int(one) for one in re.findall(r'data-position="(\d+)"', rows)]
    assert 0 < len(positions) == len([one for one in positions if one <= 2000])


def test_pages_of_a_replay_run_no_scripts_that_connect_and_have_no_form(shown: Shown) -> None:
    page = shown.client.get("/soporte?con=flor.ba").text
    assert 'class="line' in page
    assert "socket.io" not in page
    assert 'id="composer"' not in page
    assert "/logout" not in page


def test_people_of_a_replay_are_shown_and_nothing_is_done_to_them(shown: Shown) -> None:
    assert 'data-user="flor.ba"' in shown.client.get("/admin/personas").text
    page = shown.client.get("/admin/persona?user=flor.ba")
    assert page.status_code == 200
    assert "<form" not in page.text
    assert shown.client.get("/admin/personas/nueva").status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/", "/soporte", "/auth", "/register", "/admin", "/socket.io/"])
def test_a_replay_refuses_whatever_would_change_it(shown: Shown, method: str, path: str) -> None:
    answer = shown.client.request(method, path)
    assert answer.status_code in (403, 405)
    assert "It can be looked at and not changed." in answer.text


@pytest.mark.parametrize("path", ["/logout", "/login", "/registro", "/socket.io/?EIO=4"])
def test_addresses_of_a_server_that_records_are_refused_in_a_replay(
    shown: Shown, path: str
) -> None:
    assert shown.client.get(path).status_code == 403
    answer = shown.client.get(path, headers={"Accept": "application/json"})
    assert answer.json()["error"]["codigo"] == "reproduccion"


def test_a_link_opens_a_replay_once_and_nobody_else_sees_anything(shown: Shown) -> None:
    with httpx.Client(base_url=shown.url) as other:
        assert other.get(shown.link).status_code == 403
        assert other.get("/reproduccion?clave=").status_code == 403
        assert other.get("/soporte").headers["location"].startswith("/login")
        assert other.get("/api/usuarios-conversaciones").status_code == 401
        other.cookies.set("reproduccion", "guess")
        assert other.get("/admin").status_code == 302


def test_a_replay_is_served_on_this_machine_alone(desk: Shell) -> None:
    refused = desk.run("serve", "--replay", f"{desk.folder}/then.db", "--host", "0.0.0.0", expect=2)
    assert "a replay is shown on this machine alone" in refused


def test_a_file_that_is_no_replay_is_not_served(desk: Shell) -> None:
    refused = desk.run("serve", "--replay", f"{desk.folder}/registro.db", expect=2)
    assert "is not a replay: expected a file that `registro replay` made" in refused


@pytest.mark.parametrize("kind", ["sqlite", "mysql", "mariadb"])
def test_live_equals_rebuilt_equals_replayed(
    kind: str, database_servers: DatabaseServers, tmp_path_factory: pytest.TempPathFactory
) -> None:
    @hypothesis_settings(max_examples=4, deadline=None)
    @given(histories(), st.lists(st.integers(1, 40), max_size=6, unique=True))
    def check(history: History, erased: list[int]) -> None:
        folder = tmp_path_factory.mktemp("equal")
        url = f"sqlite:///{folder}/live.db"
        if kind != "sqlite":
            url = database_servers.new_database(kind)
        asyncio.run(compare(url, folder, history, erased))

    check()


async def compare(url: str, folder: Path, history: History, erased: list[int]) -> None:
    connection = await logs.open_database(url)
    try:
        await logs.record(connection, history)
        await erase(connection, erased)
        live = await logs.dump(connection)
        await generations.rebuild(url, registry.ALL)
        assert await logs.dump(connection) == live
        async with replay.database(url) as source:
            await replay.make(source, folder / "replay.db")
    finally:
        await connection.close()
    shown = await opened(folder / "replay.db")
    try:
        assert await logs.dump(shown) == live
    finally:
        await shown.close()
