"""Backups as docs/backup.md makes and restores them."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from registro.errors import StoreError
from registro.services import backup
from tests.conftest import SECRET
from tests.contract.conftest import node as node  # noqa: PLC0414 - a fixture
from tests.support.clients import Clients
from tests.support.databases import DatabaseServers
from tests.support.server import ROOT, Server
from tests.support.world import World


def documented(heading: str) -> list[str]:
    """The commands below a heading of docs/backup.md, a block each."""
    text = (ROOT / "docs/backup.md").read_text("utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def run(server: Server, commands: str, **environ: str) -> str:
    """Runs commands as they stand in the documentation, in the server's folder."""
    shim = server.folder / "bin" / "registro"
    if not shim.exists():
        shim.parent.mkdir(exist_ok=True)
        shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m registro "$@"\n')
        shim.chmod(0o755)
    path = {"PATH": f"{shim.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euc", commands], env=server._environment() | path | environ, cwd=server.folder,
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def world(tmp_path: Path, node: Clients) -> Iterator[World]:
    with Server(tmp_path, {"JWT_SECRET": SECRET}) as server:
        server.registro("checkpoint", "--new-key", "key", "--origin", "example.org/tests")
        (tmp_path / "checkpoints").mkdir()
        world = World(server, node, "websocket")
        yield world
        world.close()


def checkpoint(server: Server) -> None:
    server.registro("checkpoint", "--key", "key", "--to", "checkpoints")


def test_a_backup_is_whole_while_people_write_and_is_gone_on_from(world: World) -> None:
    server, user = world.server, world.user()
    user.say("admin", "antes")
    checkpoint(server)
    answers = [
        user.emit("mensaje_privado", {"para": "admin", "mensaje": f"{n}"}) for n in range(300)
    ]
    make, _, restore = documented("SQLite")
    said = run(server, make)
    assert all(answer.value["ok"] for answer in answers)
    assert stat.S_IMODE((server.folder / "backup.db").stat().st_mode) == 0o600
    server.stop()
    assert "verified" in run(server, restore)
    server.start()
    events = int(said.split()[1].replace(",", ""))
    with closing(sqlite3.connect(server.folder / "backup.db")) as copy:
        assert copy.execute("SELECT position FROM log_head").fetchone() == (events,)
    assert world.user().say("admin", "después")["ok"]
    assert json.loads(server.registro("log", "verify", "--json"))["ok"]


def test_an_older_backup_is_found_by_a_checkpoint_and_written_on(world: World) -> None:
    server, user = world.server, world.user()
    conversation = user.say("admin", "uno")["conversacion"]
    make, _, restore = documented("SQLite")
    run(server, make)
    user.say("admin", "dos", id="7f1a6cf0-7c1c-4f8a-9d0e-1a2b3c4d5e6f")
    user.say("admin", "tres")
    checkpoint(server)
    server.stop()
    run(server, restore.replace(" --checkpoint checkpoints", ""))
    cut = server.registro("log", "verify", "--checkpoint", "checkpoints", check=False)
    assert "checkpoint: " in cut
    server.start()
    again = world.user(user.user)
    ahead = again.call("sincronizar", {"vistos": {conversation: 3}})
    assert (ahead["ok"], ahead["mensajes"]) == (True, [])
    from_the_start = again.call("sincronizar", {"vistos": {}})["mensajes"]
    assert [m["mensaje"] for m in from_the_start] == ["uno"]
    stored = again.say("admin", "dos", id="7f1a6cf0-7c1c-4f8a-9d0e-1a2b3c4d5e6f")
    assert (stored["ok"], stored["seq"]) == (True, 2)
    assert json.loads(server.registro("log", "verify", "--json"))["ok"]


@pytest.mark.parametrize("kind", ["mysql", "mariadb"])
def test_a_dump_of_a_server_is_restored_verified_and_gone_on_from(
    kind: str, database_servers: DatabaseServers, tmp_path: Path, node: Clients
) -> None:
    database, other = (database_servers.new_database(kind) for _ in range(2))
    with Server(tmp_path, {"JWT_SECRET": SECRET, "DATABASE_URL": database}) as server:
        user = World(server, node, "websocket").user()
        user.say("admin", "uno")
        server.registro("checkpoint", "--new-key", "key", "--origin", "example.org/tests")
        (tmp_path / "checkpoints").mkdir()
        checkpoint(server)
        dump, restore, _ = documented("MySQL and MariaDB")
        clients(database, tmp_path)
        run(server, dump.replace("registro >", f"{database.rpartition('/')[2]} >"))
        user.say("admin", "dos")
    restore = restore.replace("mysql registro", f"mysql {other.rpartition('/')[2]}")
    run(server, restore.replace(" --grant registro", ""), DATABASE_URL=other)
    server.environ["DATABASE_URL"] = other
    server.start()
    try:
        again = World(server, node, "websocket").user(user.user)
        assert [m["mensaje"] for m in again.call("sincronizar", {"vistos": {}})["mensajes"]] == [
            "uno"
        ]
        assert again.say("admin", "tres")["seq"] == 2
    finally:
        server.stop()


def clients(url: str, folder: Path) -> None:
    """`mysql` and `mysqldump`, which here are MariaDB's, with the way to a test's server."""
    port = url.split(":")[2].partition("/")[0]
    (folder / "bin").mkdir()
    for name, program in (("mysql", "mariadb"), ("mysqldump", "mariadb-dump")):
        options = f"--no-defaults --protocol=tcp --host=127.0.0.1 --port={port} --user=root"
        (folder / "bin" / name).write_text(f'#!/bin/sh\nexec {program} {options} "$@"\n')
        (folder / "bin" / name).chmod(0o755)


def test_a_backup_replaces_nothing_and_leaves_nothing_half_done(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("precious")
    with pytest.raises(StoreError, match="there exists already"):
        backup.copy(tmp_path / "registro.db", tmp_path / "there")
    (tmp_path / "no.db").write_text("no database")
    for database in ("missing.db", "no.db"):
        with pytest.raises(StoreError, match="could not be copied"):
            backup.copy(tmp_path / database, tmp_path / "copy.db")
    assert (tmp_path / "there").read_text() == "precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["no.db", "there"]


def test_of_two_backups_to_one_file_one_is_made(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "registro.db")) as database:
        database.execute("CREATE TABLE log_head (position)")
        database.execute("INSERT INTO log_head VALUES (7)")
        database.commit()
    made: list[object] = []

    def copy() -> None:
        try:
            made.append(backup.copy(tmp_path / "registro.db", tmp_path / "copy.db").events)
        except StoreError:
            made.append(None)

    threads = [threading.Thread(target=copy) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made, key=str) == [7, None, None, None]
