"""`registro projections` and what it prints."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from registro.db import lock
from registro.db.connection import DatabaseConnection
from registro.errors import InProgress, Outdated
from registro.projections import comparing, generations, registry
from tests.store.test_cli import Shell
from tests.store.test_rebuild import erase, messages, of_another_version
from tests.support import logs


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A database with the sample data."""
    monkeypatch.chdir(tmp_path)
    shell = Shell(tmp_path)
    shell.run("fixtures", "load")
    return shell


def alter(shell: Shell, *statements: str) -> None:
    with closing(sqlite3.connect(shell.folder / "registro.db")) as database, database:
        for statement in statements:
            database.execute(statement)


def test_status_has_a_line_for_each_projection(desk: Shell) -> None:
    lines = [json.loads(line) for line in desk.run("projections", "status", "--json").splitlines()]
    assert [line["name"] for line in lines] == [p.name for p in registry.ALL]
    assert {(line["state"], line["generation"]) for line in lines} == {("live", 1)}
    assert {line["name"]: line["lag"] for line in lines if line["kind"] == "inline"} == {
        projection.name: 0 for projection in registry.INLINE
    }
    assert "messages" in desk.run("projections", "status")


def test_rebuilding_says_what_it_did(desk: Shell) -> None:
    printed = desk.run("projections", "rebuild", "messages", "users")
    assert printed.startswith("rebuilt messages, users from 2,242 events in ")


def test_there_is_no_rebuilding_what_does_not_exist(desk: Shell) -> None:
    assert "there is no projection 'mesages'" in desk.run(
        "projections", "rebuild", "mesages", expect=2
    )


def test_verifying_finds_every_row_that_was_tampered_with(desk: Shell) -> None:
    assert desk.run("projections", "verify").startswith("verified: ")
    alter(
        desk,
        "UPDATE messages SET text = 'forged' WHERE position = (SELECT MAX(position) FROM messages)",
        "DELETE FROM presence WHERE user_id = (SELECT MIN(user_id) FROM presence)",
        "INSERT INTO erased_names (name_hash) VALUES ('ff')",
    )
    report = json.loads(desk.run("projections", "verify", "--json", expect=1))
    found = {(one["table"], one["kind"]) for one in report["differences"]}
    assert found == {
        ("messages", "different"),
        ("presence", "missing"),
        ("erased_names", "surplus"),
    }
    printed = desk.run("projections", "verify", expect=1)
    assert "text is 'forged', the log says '" in printed
    assert "3 rows differ" in printed
    desk.run("projections", "rebuild")
    desk.run("projections", "verify")


def test_the_first_differences_are_shown_and_all_are_counted(desk: Shell) -> None:
    alter(desk, "UPDATE messages SET erased = 1")
    report = json.loads(desk.run("projections", "verify", "messages", "--json", expect=1))
    assert len(report["differences"]) == comparing.SHOWN
    assert report["counts"] == {"messages": 762, "attachments": 0}


async def test_verifying_goes_through_tables_page_by_page(
    connection: DatabaseConnection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "PAGE", 4)
    await logs.record(connection, messages(40))
    await erase(connection, [2, 9, 12])
    report = await comparing.verify(database_url, registry.ALL)
    assert report.ok
    assert report.rows["messages"] == 40
    await connection.execute("DELETE FROM messages WHERE seq >= 3 AND seq <= 9")
    report = await comparing.verify(database_url, registry.ALL)
    assert report.counts == report.counts | {"messages": 21, "conversations": 0}
    assert {one.kind for one in report.differences} == {"missing"}


async def test_what_other_code_built_is_not_verified(
    connection: DatabaseConnection, database_url: str
) -> None:
    await of_another_version(connection, 99)
    with pytest.raises(Outdated, match="not built by this version of Registro: messages"):
        await comparing.verify(database_url, registry.ALL)


async def test_nothing_is_verified_while_it_is_rebuilt(
    connection: DatabaseConnection, database_url: str
) -> None:
    async with lock.alone(database_url, generations.LOCK):
        with pytest.raises(InProgress):
            await comparing.verify(database_url, registry.ALL)
