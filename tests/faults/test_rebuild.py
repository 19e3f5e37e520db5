"""Rebuilding projections under load, and its crashes.

Fault plan, on SQLite, MySQL and MariaDB:

1. While processes append, `registro projections rebuild` is killed (SIGKILL) at any moment, round
   after round, and a writer with it; at last one rebuild runs to its end.
2. The same with two real servers over one database whose users write all the time, and one of the
   servers is killed while the projections are rebuilt.

Afterwards every event that somebody was told is stored is there, once, the log verifies, the live
projections are what `registro projections verify` folds from it, and no tables are left over.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from registro.projections import comparing, registry
from tests.conftest import SECRET
from tests.store.test_rebuild import LOGICAL, messages, tables
from tests.support import logs
from tests.support.clients import Answer, Client, Clients
from tests.support.server import ROOT, Server
from tests.support.world import World
from tests.support.writers import Writers, assert_whole, until_each_stored

ROUNDS = [2, pytest.param(25, marks=[pytest.mark.long, pytest.mark.timeout(1200)])]
EVENTS = 8_000
"""In the log before: a rebuild of them takes long enough to be killed in the middle."""


def rebuild(url: str) -> subprocess.Popen[str]:
    environ = {"DATABASE_URL": url, "JWT_SECRET": SECRET, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "registro", "projections", "rebuild"],
        env=environ | {"PATH": os.environ["PATH"]}, cwd="/", stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


async def finished(process: subprocess.Popen[str]) -> str:
    said, _ = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 0, said
    return said


async def prepare(url: str) -> None:
    connection = await logs.open_database(url)
    await logs.record(connection, messages(EVENTS), batch=500)
    await connection.close()


async def assert_in_place(url: str) -> None:
    """The tables are those of the log, and there are no others."""
    report = await comparing.verify(url, registry.ALL)
    assert report.ok, report.differences[:5]
    connection = await logs.open_database(url)
    assert await tables(connection) == LOGICAL
    await connection.close()


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_rebuilds_that_are_killed_lose_and_change_nothing(
    database_url: str, tmp_path: Path, rounds: int
) -> None:
    await prepare(database_url)
    with Writers(database_url, tmp_path) as writers:
        running = writers.start(2, pause=0.01)
        for _ in range(rounds):
            await until_each_stored(running, 5)
            rebuilding = rebuild(database_url)
            await asyncio.sleep(random.uniform(0.5, 2))
            rebuilding.kill()
            await asyncio.to_thread(rebuilding.communicate)
            running[0].kill()
            running = [*running[1:], *writers.start(1, pause=0.01)]
        said = await finished(rebuild(database_url))
        assert said.startswith("rebuilt users, ")
        await until_each_stored(running, 5)
        for writer in running:
            writer.stop()
        await assert_in_place(database_url)
        await assert_whole(database_url, writers.acknowledged())


async def test_servers_go_on_while_projections_are_rebuilt_and_one_of_them_dies(
    database_url: str, tmp_path: Path
) -> None:
    environ = {"DATABASE_URL": database_url, "JWT_SECRET": SECRET}
    await prepare(database_url)
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    with (
        Server(folders[0], environ) as first,
        Server(folders[1], environ) as second,
        Clients() as clients,
    ):
        worlds = [World(server, clients, "websocket") for server in (first, second)]
        writing, dying = (world.user() for world in worlds)
        answers = await under_load(writing, dying, rebuild(database_url), second)
        acknowledged = [answer.value["id"] for answer in answers]
    await assert_in_place(database_url)
    connection = await logs.open_database(database_url)
    stored = [row[3] for row in (await logs.dump(connection))["messages"]]
    await connection.close()
    assert [id_ for id_ in acknowledged if stored.count(id_) != 1] == []


async def under_load(
    writing: Client, dying: Client, rebuilding: subprocess.Popen[str], server: Server
) -> list[Answer]:
    """Both write until the rebuild is done; the server of the second one dies in the middle.
    Returns what was, or will be, acknowledged."""
    ended = asyncio.create_task(finished(rebuilding))
    answers: list[Answer] = []
    doomed: list[Answer] = []
    number = 0
    while not ended.done() or number < 40:
        number += 1
        answers.append(writing.emit("mensaje_privado", {"para": "admin", "mensaje": f"a {number}"}))
        if number <= 20:
            doomed.append(
                dying.emit("mensaje_privado", {"para": "admin", "mensaje": f"b {number}"})
            )
        if number == 20:
            server.kill()
        await asyncio.sleep(0.03)
    await ended
    return [*answers, *(answer for answer in doomed if answer.came)]
