"""The log: appends, verification, export and import on each database, beside raw INSERTs.

Everything is measured in one run on one machine; compare the ratios, not the numbers. The event
loop is uvloop and commits are durable, as in production: SQLite in WAL mode with
`synchronous=FULL`, the servers with their own defaults.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import uvloop

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # instead of this folder

from registro.db.connection import Connection, DatabaseConnection  # noqa: E402
from registro.db.migrations import LOG_EVENT  # noqa: E402
from registro.events import ids, reader, store  # noqa: E402
from registro.events.record import Recorded, from_line, to_line  # noqa: E402
from registro.events.store import Draft, Fold, draft  # noqa: E402
from registro.events.types import DESK, MessageSent  # noqa: E402
from registro.events.verify import verify  # noqa: E402
from registro.events.writer import LogWriter  # noqa: E402
from registro.projections import runner  # noqa: E402
from tests.support import logs  # noqa: E402
from tests.support.databases import DatabaseServer  # noqa: E402
from tests.support.histories import USERS, registrations  # noqa: E402

TEXT = "Hola, quería preguntar por el pedido 4711: todavía no ha llegado. ¿Qué puedo hacer? " * 2
EVENTSOURCING = Path(tempfile.gettempdir()) / "registro-eventsourcing"
PROCESSES = 4
CALLERS = (64, 8, 1)  # the first says how large a batch the raw loop gets


async def nothing(_: Connection, __: Sequence[Recorded], ___: Sequence[Recorded]) -> None:
    """The log alone: folds nothing."""


FOLDS: dict[str, Fold] = {"log alone": nothing, "with projections": runner.fold}


class Run(NamedTuple):
    """Appends through a writer: events a second, events a transaction, latencies in ms."""

    rate: float
    batch: float
    latencies: Sequence[float]


class Target:
    """A kind of database, on which every measurement gets a new one."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self._folder = folder
        self._number = 0
        self._server = None if kind == "sqlite" else DatabaseServer(kind, folder / kind)
        if self._server is not None:
            self._server.start()

    async def empty(self) -> str:
        """The URL of a migrated database whose log is empty."""
        self._number += 1
        if self._server is None:
            url = f"sqlite:///{self._folder}/{self._number}.db"
        else:
            self._server.execute(f"CREATE DATABASE bench_{self._number}")
            url = self._server.url(f"bench_{self._number}")
        await (await logs.open_database(url)).close()
        return url

    async def new(self) -> str:
        """The URL of one with a few people in it."""
        url = await self.empty()
        connection = await DatabaseConnection(url).open()
        await logs.record(connection, registrations())
        await connection.close()
        return url

    def stop(self) -> None:
        if self._server is not None:
            self._server.kill()


def message(number: int) -> Draft:
    sender = USERS[number % len(USERS)]
    event = MessageSent(sender=sender, recipient=DESK, text=TEXT)
    return draft(f"conversation/{ids.desk_conversation(sender)}", event, id=str(uuid4()))


async def appends(url: str, callers: int, events: int, fold: Fold) -> Run:
    """Each caller sends its next message when the one before is stored."""
    commits: list[int] = []
    latencies: list[float] = []
    writer = LogWriter(
        lambda: DatabaseConnection(url), fold, on_commit=lambda rows: commits.append(len(rows))
    )
    await writer.start()

    async def call() -> None:
        for number in range(events // callers):
            before = time.perf_counter()
            await writer.append(message(number))
            latencies.append((time.perf_counter() - before) * 1000)

    started = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(callers)))
    seconds = time.perf_counter() - started
    await writer.stop()
    return Run(sum(commits) / seconds, sum(commits) / len(commits), latencies)


async def one_by_one(url: str, events: int, fold: Fold) -> float:
    """Each append in a transaction of its own, through the same code."""
    connection = await DatabaseConnection(url).open()
    started = time.perf_counter()
    for number in range(events):
        await logs.append(connection, [message(number)], now=time.time_ns() // 1000, fold=fold)
    rate = events / (time.perf_counter() - started)
    await connection.close()
    return rate


async def raw(url: str, rows: Sequence[Recorded], batch: int) -> float:
    """The rows that a log holds, into a table like the log's: multi-row INSERTs and commits."""
    connection = await DatabaseConnection(url).open()
    for statement in connection.dialect.create_table(LOG_EVENT, "raw_event"):
        await connection.execute(statement)

    async def insert(some: Sequence[Recorded]) -> None:
        async def work(inner: Connection) -> None:
            async with inner.transaction():
                await inner.insert_many("raw_event", LOG_EVENT.column_names, some)

        await connection.together(work)

    started = time.perf_counter()
    for first in range(0, len(rows), batch):
        await insert(rows[first : first + batch])
    rate = len(rows) / (time.perf_counter() - started)
    await connection.close()
    return rate


async def in_processes(url: str, events: int) -> float:
    """The rate of several processes with 16 callers each, with projections."""
    begin = time.time() + 2.5
    arguments = ["--worker", url, str(begin), str(events // PROCESSES)]
    command = [sys.executable, __file__, *arguments]
    processes = [
        await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        for _ in range(PROCESSES)
    ]
    outputs = await asyncio.gather(*(process.communicate() for process in processes))
    results = [json.loads(out) for out, _ in outputs]
    seconds = max(r["end"] for r in results) - min(r["start"] for r in results)
    return sum(result["events"] for result in results) / seconds


async def work(url: str, begin: float, events: int) -> None:
    await asyncio.sleep(max(0, begin - time.time()))
    started = time.time()
    await appends(url, 16, events, runner.fold)
    print(json.dumps({"start": started, "end": time.time(), "events": events // 16 * 16}))


async def timed(work: Awaitable[object]) -> float:
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


async def read_all(connection: DatabaseConnection) -> None:
    after = 0
    while page := await reader.read(connection, after):
        after = page[-1].position


async def export(connection: DatabaseConnection, path: Path) -> None:
    with path.open("wb") as target:
        async for row in reader.stream_log(connection):
            target.write(to_line(row) + b"\n")


def lines(path: Path) -> Iterable[Recorded]:
    with path.open("rb") as source:
        yield from map(from_line, source)


async def transfers(target: Target, url: str, folder: Path) -> list[tuple[str, float]]:
    """Reading, verifying, exporting and importing the log at `url`, in events/s."""
    connection = await DatabaseConnection(url).open()
    count = (await reader.head(connection)).position
    reading = await timed(read_all(connection))
    verifying = await timed(verify(connection))
    file = folder / f"{target.kind}.jsonl"
    exporting = await timed(export(connection, file))
    await connection.close()
    other = await DatabaseConnection(await target.empty()).open()
    importing = await timed(store.load(other, lambda: lines(file), fold=runner.fold))
    await other.close()
    return [
        ("reading alone", count / reading),
        ("verification", count / verifying),
        ("  of it reading, %", 100 * min(1, reading / verifying)),
        ("  of it hashing and checking, %", 100 * max(0, 1 - reading / verifying)),
        ("export", count / exporting),
        ("import, with projections", count / importing),
    ]


def show(what: str, value: float, of: float | None = None, note: str = "") -> None:
    ratio = "" if of is None else f"{value / of:8.2f}"
    print(f"  {what:<42}{value:>10,.0f}{ratio:>9}  {note}".rstrip(), flush=True)


async def measure(target: Target, events: int, rounds: int, folder: Path) -> None:
    print(f"\n{target.kind:<44}{'events/s':>10}{'of raw':>9}")
    url, long, raw_rate = "", "", 0.0
    for name, fold in FOLDS.items():
        rates: dict[int, float] = {}
        for callers in CALLERS:
            size = events if callers > 1 else events // 8
            runs = []
            for _ in range(rounds):
                url = await target.new()
                runs.append(await appends(url, callers, size, fold))
            rates[callers] = statistics.median(run.rate for run in runs)
            batch = runs[-1].batch
            if not raw_rate:
                raw_rate = await raw_median(target, url, round(batch), rounds)
                show(f"raw INSERTs, {batch:.0f} a transaction", raw_rate, raw_rate)
            note = latencies(runs) if callers == 1 else f"{batch:.0f} a transaction"
            show(f"{callers} callers, {name}", rates[callers], raw_rate, note)
            long = url if callers > 1 else long
        single = await one_by_one(await target.new(), events // 8, fold)
        note = f"64 callers do {rates[64] / single:.1f} times that"
        show(f"one by one, {name}", single, raw_rate, note)
    together = await in_processes(await target.new(), events)
    show(f"{PROCESSES} processes of 16 callers, with projections", together, raw_rate)
    for what, value in await transfers(target, long, folder):
        show(what, value)


def latencies(runs: Sequence[Run]) -> str:
    hundredths = statistics.quantiles([ms for run in runs for ms in run.latencies], n=100)
    return f"p50 {hundredths[49]:.2f} ms, p99 {hundredths[98]:.2f} ms"


async def raw_median(target: Target, url: str, batch: int, rounds: int) -> float:
    connection = await DatabaseConnection(url).open()
    rows = await logs.everything(connection)
    await connection.close()
    return statistics.median([await raw(await target.new(), rows, batch) for _ in range(rounds)])


def eventsourcing(folder: Path, events: int) -> None:
    print(f"\n{'eventsourcing (PyPI) on SQLite':<44}{'events/s':>10}")
    python = EVENTSOURCING / "bin" / "python"
    if not python.exists():
        print(
            "  not installed; to compare:"
            f" python3 -m venv {EVENTSOURCING} && {python} -m pip install eventsourcing"
        )
        return
    program = Path(__file__).with_name("_eventsourcing.py")
    command = [python, program, folder / "eventsourcing.db", str(events), "64", str(len(TEXT))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    for what, rate in json.loads(done.stdout).items():
        show(what, rate)


def resident() -> float:
    """Resident memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


async def million(target: Target, count: int = 1_000_000) -> None:
    """Memory while a long log is read and verified."""
    print(f"\nmemory over {count:,} events, {target.kind}")
    connection = await DatabaseConnection(await target.new()).open()
    for first in range(0, count, 500):
        drafts = [[message(number)] for number in range(first, first + 500)]
        await logs.append(connection, *drafts, fold=nothing)
    rows = reader.stream_log(connection)
    steps = [resident() async for row in rows if row.position % (count // 10) == 0]
    print("  RSS in MB at each tenth, reading:   " + " ".join(f"{mb:.0f}" for mb in steps))
    steps.clear()

    def progress(done: int, total: int) -> None:
        if done % (total // 10) < reader.PAGE:
            steps.append(resident())

    seconds = await timed(verify(connection, progress=progress))
    print("  RSS in MB at each tenth, verifying: " + " ".join(f"{mb:.0f}" for mb in steps))
    print(f"  verified {count / seconds:,.0f} events/s")
    await connection.close()


async def run(arguments: argparse.Namespace, folder: Path) -> None:
    for kind in arguments.databases.split(","):
        target = Target(kind, folder)
        try:
            if arguments.million:
                await million(target)
            else:
                await measure(target, arguments.events, arguments.rounds, folder)
        finally:
            target.stop()
    if not arguments.million:
        eventsourcing(folder, arguments.events // 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--databases", default="sqlite,mysql,mariadb", help="which, by commas")
    parser.add_argument("--events", type=int, default=12_000, help="events in one measurement")
    parser.add_argument("--rounds", type=int, default=2, help="rounds whose median is shown")
    parser.add_argument("--million", action="store_true", help="memory over 1,000,000 events")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        url, begin, events = arguments.worker
        uvloop.run(work(url, float(begin), int(events)))
        return
    with tempfile.TemporaryDirectory() as name:
        uvloop.run(run(arguments, Path(name)))


if __name__ == "__main__":
    main()
