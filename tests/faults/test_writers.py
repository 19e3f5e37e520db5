"""Many writer processes on one database, and their crashes.

Fault plan, on SQLite, MySQL and MariaDB:

1. Eight processes append at once while a reader tails the log: it misses no row, sees no row before
   a lower position, and what it saw is what is there in the end.
2. Processes are killed (SIGKILL) at any moment of a transaction, and others take their place, round
   after round: every event that a process was told is stored is there, once.

After each the log is verified and the live projections are compared with rebuilt ones.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from registro.db.connection import DatabaseConnection
from registro.events import reader
from registro.events.record import Recorded
from tests.support import logs
from tests.support.histories import registrations
from tests.support.writers import Writers, assert_whole, prepare, until, until_each_stored

ROUNDS = [3, pytest.param(30, marks=[pytest.mark.long, pytest.mark.timeout(1200)])]


async def tail(connection: DatabaseConnection, total: int) -> list[Recorded]:
    """Follows the log as a reader does who remembers the last position that it saw."""
    seen: list[Recorded] = []
    while len(seen) < total:
        seen += await reader.read(connection, seen[-1].position if seen else 0, limit=50)
        await asyncio.sleep(0.001)
    return seen


async def test_a_tailing_reader_misses_nothing_of_eight_writers(
    database_url: str, tmp_path: Path
) -> None:
    await prepare(database_url)
    total = len(registrations()) + 8 * 4 * 60
    connection = await logs.open_database(database_url)
    with Writers(database_url, tmp_path) as writers:
        started = writers.start(8, tasks=4, messages=60)
        async with asyncio.timeout(100):
            seen = await tail(connection, total)
        for writer in started:
            writer.finish()
        assert [row.position for row in seen] == list(range(1, total + 1))
        assert seen == await logs.everything(connection)
        await connection.close()
        assert len(writers.acknowledged()) == 8 * 4 * 60
        await assert_whole(database_url, writers.acknowledged())


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_killed_writers_lose_nothing_that_was_acknowledged(
    database_url: str, tmp_path: Path, rounds: int
) -> None:
    await prepare(database_url)
    with Writers(database_url, tmp_path) as writers:
        running = writers.start(4, pause=0.01)
        for _ in range(rounds):
            await until_each_stored(running, 20)
            for writer in running:
                await asyncio.sleep(random.uniform(0, 0.05))
                writer.kill()
            running = writers.start(4, pause=0.01)
        await until_each_stored(running, 1)
        for writer in running:
            writer.stop()
        await assert_whole(database_url, writers.acknowledged())


async def test_a_writer_that_was_killed_in_its_transaction_holds_up_nobody(
    database_url: str, tmp_path: Path
) -> None:
    await prepare(database_url)
    with Writers(database_url, tmp_path) as writers:
        victim, survivor = writers.start(2, timeout=10)
        await until_each_stored([victim, survivor], 10)
        victim.kill()
        await until_each_stored([survivor], 10)
        survivor.stop()
        await until(lambda: not survivor.alive, "the survivor ended")
        assert survivor.refused_after() == []
        await assert_whole(database_url, writers.acknowledged())
