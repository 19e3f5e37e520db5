"""The database server crashes, hangs or is stopped while processes write.

Fault plan, on a private MySQL and MariaDB server, with three writer processes under load:

1. SIGKILL of the server, which is then started on the data that it left: InnoDB recovers, and every
   event that was acknowledged is there, once.
2. SIGSTOP: connections stay open and nothing answers. Callers get Unavailable in bounded time.
3. SIGTERM and ten seconds without a server: the same.

In all three the writer processes are not restarted: they go on by themselves. Afterwards the log is
verified and the live projections are compared with rebuilt ones.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.databases import DatabaseServer
from tests.support.writers import (
    Writer,
    Writers,
    assert_whole,
    prepare,
    until,
    until_each_stored,
)

ROUNDS = [1, pytest.param(30, marks=[pytest.mark.long, pytest.mark.timeout(2400)])]
TIMEOUT = 2
"""Seconds after which a writer gives up on an append."""
BOUND = 10
"""Seconds in which a caller must have an answer, on a machine that is busy with other things."""


@pytest.fixture(scope="module", params=["mysql", "mariadb"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DatabaseServer]:
    server = DatabaseServer(request.param, tmp_path_factory.mktemp("faults") / request.param)
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def writers(
    server: DatabaseServer, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Writers]:
    """Three processes that are writing into a database of their own."""
    name = f"faults_{abs(hash(request.node.name))}"
    await asyncio.to_thread(server.execute, f"CREATE DATABASE {name}")
    await prepare(server.url(name))
    with Writers(server.url(name), tmp_path) as writers:
        started = writers.start(3, pause=0.01, timeout=TIMEOUT)
        await until_each_stored(started, 20)
        yield writers


async def end(writers: Writers) -> None:
    """All of them are still the processes that were started; ends them and looks at the log."""
    assert all(writer.alive for writer in writers.all)
    for writer in writers.all:
        writer.stop()
    await assert_whole(writers.url, writers.acknowledged())


async def each_was_refused(writers: list[Writer], before: list[int]) -> None:
    def refused() -> bool:
        pairs = zip(writers, before, strict=True)
        return all(len(writer.refused_after()) > count for writer, count in pairs)

    await until(refused, "each writer's callers are refused")


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_a_server_that_crashed_has_all_that_was_acknowledged(
    server: DatabaseServer, writers: Writers, rounds: int
) -> None:
    for _ in range(rounds):
        await asyncio.sleep(random.uniform(0, 0.3))
        server.kill()
        await asyncio.to_thread(server.resume)
        await until_each_stored(writers.all, 20)
    await end(writers)


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_a_server_that_hangs_is_unavailable_and_then_work_goes_on(
    server: DatabaseServer, writers: Writers, rounds: int
) -> None:
    for _ in range(rounds):
        before = [len(writer.refused_after()) for writer in writers.all]
        server.pause()
        try:
            await each_was_refused(writers.all, before)
        finally:
            server.go_on()
        await until_each_stored(writers.all, 20)
    assert max(max(writer.refused_after()) for writer in writers.all) < BOUND
    await end(writers)


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_ten_seconds_without_a_server_lose_nothing(
    server: DatabaseServer, writers: Writers, rounds: int
) -> None:
    for _ in range(rounds):
        before = [len(writer.refused_after()) for writer in writers.all]
        await asyncio.to_thread(server.stop)
        await asyncio.sleep(10)
        await each_was_refused(writers.all, before)
        await asyncio.to_thread(server.resume)
        await until_each_stored(writers.all, 20)
    assert max(max(writer.refused_after()) for writer in writers.all) < BOUND
    await end(writers)
