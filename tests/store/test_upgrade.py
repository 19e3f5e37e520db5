"""Databases that older versions of the program made are brought to this one's.

`old/migration-N.sql` is what `sqlite3 .dump` gave of a database that the program of that time had
filled: two people, three messages. On MySQL and MariaDB the same rows are put into tables that
migrations up to N made.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from registro.db import migrations
from registro.db.connection import DatabaseConnection
from tests.conftest import SECRET
from tests.support.databases import DatabaseServers
from tests.support.server import Server

OLD = sorted((Path(__file__).parent / "old").glob("*.sql"))
TEXTS = ["¿Tienen tallas grandes?", "Es para un regalo.", "Sí, hasta la XXL."]


def restored(dump: Path, file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.executescript(dump.read_text("utf-8"))


def is_upgraded(server: Server) -> None:
    """The program of now migrates, verifies, serves, and writes on."""
    server.registro("migrate")
    assert "the database is up to date" in server.registro("migrate")
    assert json.loads(server.registro("log", "verify", "--json"))["ok"]
    assert json.loads(server.registro("projections", "verify", "--json"))["ok"]
    log = [json.loads(line) for line in server.registro("log", "export").splitlines()]
    said = [e["payload"]["text"] for e in log if e["type"] == "conversation:message:sent"]
    assert said == TEXTS
    server.registro("user", "add", "luis", "--password", "correct horse staple")
    with server:
        assert server.alive
    assert json.loads(server.registro("log", "verify", "--json"))["events"] == len(log) + 1


@pytest.mark.parametrize("dump", OLD, ids=lambda path: path.stem)
def test_an_old_sqlite_database_is_upgraded(dump: Path, tmp_path: Path) -> None:
    restored(dump, tmp_path / "registro.db")
    is_upgraded(Server(tmp_path, {"JWT_SECRET": SECRET}))


@pytest.mark.parametrize("kind", ["mysql", "mariadb"])
async def test_the_oldest_database_of_a_server_is_upgraded(
    kind: str, database_servers: DatabaseServers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    url = database_servers.new_database(kind)
    connection = await DatabaseConnection(url).open()
    monkeypatch.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:1])
    await migrations.migrate(connection, _nothing)
    await asyncio.to_thread(restored, OLD[0], tmp_path / "old.db")
    await _copy_log(tmp_path / "old.db", connection)
    await connection.close()
    monkeypatch.undo()
    server = Server(tmp_path, {"JWT_SECRET": SECRET, "DATABASE_URL": url})
    await asyncio.to_thread(is_upgraded, server)


async def _nothing(connection: object) -> None:
    """Projections come from the log, when the program of now migrates."""


async def _copy_log(file: Path, connection: DatabaseConnection) -> None:
    with closing(sqlite3.connect(file)) as old:
        for table in (migrations.LOG_EVENT, migrations.LOG_NODE):
            names = ", ".join(table.column_names)
            rows = old.execute(f"SELECT {names} FROM {table.name}").fetchall()
            await connection.insert_many(table.name, table.column_names, rows)
        head = old.execute("SELECT position, recorded_at, frontier FROM log_head").fetchone()
    await connection.execute(
        "UPDATE log_head SET position = :position, recorded_at = :at, frontier = :frontier",
        position=head[0],
        at=head[1],
        frontier=head[2],
    )


def test_there_is_a_database_of_each_migration_that_was_released() -> None:
    numbers = [int(path.stem.rpartition("-")[2]) for path in OLD]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) <= len(migrations.MIGRATIONS)
