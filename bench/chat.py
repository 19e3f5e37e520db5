"""The chat: durable messages a second and their latency, connections a second and their memory.

bench/loadgen sends 100 characters at a time from 50 users to the desk, whose 5 admins get each
message, and accounts for every delivery. Registro runs on SQLite and MySQL, as one process and as
two that share a database and Redis. Beside it runs bench/node: a minimal Socket.IO server that
inserts each message into the same MySQL before it delivers and acknowledges. The servers take
turns, each time on a new database; shown is the median of the rounds. Server, database, generator
and whatever else the machine does share its cores: compare the ratios, not the numbers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # instead of this folder

from registro.db.connection import DatabaseConnection  # noqa: E402
from tests.support.databases import DatabaseServer, free_port  # noqa: E402
from tests.support.server import Server  # noqa: E402

LOADGEN = ROOT / "bench" / "loadgen"
NODE = ROOT / "bench" / "node"
SECRET = "a secret of the benchmark that is long enough"
UNLIMITED = {
    "JWT_SECRET": SECRET,
    "REGISTRO_MESSAGE_RATE": "0",
    "REGISTRO_CONNECTION_RATE": "0",
}
KEPT_UP = 0.9
"""The part of the rate asked for that a server must reach before it is asked for more."""

Report = dict[str, Any]


class Candidate(NamedTuple):
    """A server to measure."""

    name: str
    database: str
    processes: int

    def __str__(self) -> str:
        return f"{self.name:<9}{self.database:<9}{self.processes}"


CANDIDATE = "server   database n"


class Pace(NamedTuple):
    """Messages a second in all; or else how many of each user's wait for their answers."""

    rate: int = 0
    waiting: int = 0

    def __str__(self) -> str:
        return f"{self.rate}/s" if self.rate else f"{self.waiting} each"

    @property
    def flags(self) -> dict[str, int]:
        """For the generator: an open loop or a closed one."""
        return {"rate": self.rate} if self.rate else {"closed": self.waiting}


NODE_ON_MYSQL = Candidate("Node", "mysql", 1)
CANDIDATES = (
    Candidate("Registro", "sqlite", 1),
    Candidate("Registro", "sqlite", 2),
    Candidate("Registro", "mysql", 1),
    Candidate("Registro", "mysql", 2),
    NODE_ON_MYSQL,
)


class Running(NamedTuple):
    """A chat that has started: where it is, its processes, and how many messages it has stored."""

    urls: Sequence[str]
    pids: Sequence[int]
    database_pid: int | None
    stored: Callable[[], int]


class Step(NamedTuple):
    """What one server did at one rate."""

    rate: float
    delivered_p50: float
    delivered_p99: float
    acked_p50: float
    acked_p99: float
    server_cpu: float
    database_cpu: float
    generator_cpu: float
    other_cpu: float
    lost: int
    duplicated: int
    out_of_order: int


class Bench:
    """The servers that the measurements share, and a new database for each of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self._mysql = DatabaseServer("mysql", folder / "mysql")
        self._redis = free_port()

    @contextmanager
    def servers(self) -> Iterator[None]:
        """MySQL with its own defaults, so that each commit is flushed, and Redis."""
        program = shutil.which("redis-server")
        if program is None:
            raise SystemExit("redis-server is missing: scripts/test installs it")
        redis = [program, "--bind", "127.0.0.1", "--port", str(self._redis), "--save", ""]
        self._mysql.start()
        try:
            with process([*redis, "--dir", str(self._folder)], {}):
                yield
        finally:
            self._mysql.kill()

    @contextmanager
    def running(self, candidate: Candidate) -> Iterator[Running]:
        self._number += 1
        folder = self._folder / str(self._number)
        folder.mkdir()
        url = f"sqlite:///{folder}/registro.db"
        if candidate.database == "mysql":
            self._mysql.execute(f"CREATE DATABASE bench_{self._number}")
            url = self._mysql.url(f"bench_{self._number}")
        start = self._node if candidate is NODE_ON_MYSQL else self._registro
        with ExitStack() as stack:
            yield start(stack, candidate, folder, url)
        shutil.rmtree(folder)

    def _registro(self, stack: ExitStack, candidate: Candidate, folder: Path, url: str) -> Running:
        environ = UNLIMITED | {"DATABASE_URL": url}
        if candidate.processes > 1:
            environ["REDIS_URL"] = f"redis://127.0.0.1:{self._redis}/0"
        servers = []
        for number in range(candidate.processes):
            own = folder / f"process-{number}"
            own.mkdir()
            servers.append(stack.enter_context(Server(own, environ)))
        urls, pids = [server.url for server in servers], [server.pid for server in servers]
        sql = "SELECT COUNT(*) FROM log_event WHERE type = 'conversation:message:sent'"
        return Running(urls, pids, self._database_pid(candidate), lambda: count(url, sql))

    def _node(self, stack: ExitStack, candidate: Candidate, _: Path, url: str) -> Running:
        environ = {"JWT_SECRET": SECRET, "DATABASE_URL": url, "PORT": "0"}
        server = stack.enter_context(process(["node", str(NODE / "server.mjs")], environ))
        assert server.stdout is not None
        said = server.stdout.readline().split()
        if not said:
            raise SystemExit("the Node server did not start")
        address = said[-1].rstrip("/")
        return Running(
            [address], [server.pid], self._database_pid(candidate),
            lambda: count(url, "SELECT COUNT(*) FROM mensaje"),
        )  # fmt: skip

    def _database_pid(self, candidate: Candidate) -> int | None:
        return self._mysql.pid if candidate.database == "mysql" else None


@contextmanager
def process(command: Sequence[str], environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A server process that ends with SIGTERM."""
    running = subprocess.Popen(
        command, env=os.environ | environ, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        yield running
    finally:
        running.terminate()
        running.wait(30)


def count(url: str, sql: str) -> int:
    async def ask() -> int:
        connection = await DatabaseConnection(url).open()
        try:
            return int(await connection.fetch_value(sql))
        finally:
            await connection.close()

    return asyncio.run(ask())


def loadgen(mode: str, chat: Running, **flags: float | str | bool) -> Report:
    """The generator's report; its flags are in bench/loadgen/loadgen.js."""
    pids = [*chat.pids, *([] if chat.database_pid is None else [chat.database_pid])]
    command = ["node", str(LOADGEN / "loadgen.js"), mode, "--secret", SECRET]
    command += ["--url", ",".join(chat.urls), "--pid", ",".join(map(str, pids))]
    for name, value in flags.items():
        command += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the generator failed: {done.stderr}")
    report: Report = json.loads(done.stdout)
    return report


def send(chat: Running, pace: Pace, seconds: float) -> Report:
    return loadgen("load", chat, seconds=seconds, ack=True, **pace.flags)


def step(chat: Running, report: Report) -> Step:
    cpu = {seen["pid"]: seen.get("cpu_pct", 0.0) for seen in report["processes"]}
    server = sum(cpu[pid] for pid in chat.pids)
    ours = sum(cpu.values()) + report["generator_cpu_pct"]
    delivered, acked = report["latency_ms"], report["ack_latency_ms"]
    return Step(
        rate=report["acked_per_s"],
        delivered_p50=delivered["p50"],
        delivered_p99=delivered["p99"],
        acked_p50=acked["p50"],
        acked_p99=acked["p99"],
        server_cpu=server,
        database_cpu=sum(cpu.values()) - server,
        generator_cpu=report["generator_cpu_pct"],
        other_cpu=max(0, report["machine_cpu_pct"] - ours),
        lost=report["lost"],
        duplicated=report["duplicated"],
        out_of_order=report["out_of_order"],
    )


def measure(chat: Running, options: argparse.Namespace) -> dict[Pace, Step]:
    """One server at rising rates, as long as it keeps up, and then as fast as it answers."""
    acked = send(chat, Pace(200), 2)["acked"]  # warm-up
    steps: dict[Pace, Step] = {}
    behind = False
    for pace in options.paces:
        if pace.rate and behind:
            continue
        report = send(chat, pace, options.seconds)
        acked += report["acked"]
        steps[pace] = step(chat, report)
        behind = behind or steps[pace].rate < KEPT_UP * pace.rate
    if (stored := chat.stored()) != acked:
        raise SystemExit(f"{acked} messages were acknowledged, but {stored} are stored")
    return steps


Steps = dict[Candidate, dict[Pace, list[Step]]]


def messages(bench: Bench, options: argparse.Namespace) -> Steps:
    """The candidates take turns, so that what else the machine does hits all of them."""
    steps: Steps = {one: {pace: [] for pace in options.paces} for one in options.candidates}
    for number in range(options.rounds):
        for candidate in options.candidates:
            tell(f"round {number + 1} of {options.rounds}: {candidate}")
            with bench.running(candidate) as chat:
                for pace, found in measure(chat, options).items():
                    steps[candidate][pace].append(found)
    return steps


def median(steps: Sequence[Step]) -> Step:
    """The median of each figure; what must not happen at all is added up."""
    middle = Step(*(statistics.median(values) for values in zip(*steps, strict=True)))
    return middle._replace(
        lost=sum(step.lost for step in steps),
        duplicated=sum(step.duplicated for step in steps),
        out_of_order=sum(step.out_of_order for step in steps),
    )


def medians(steps: dict[Pace, list[Step]]) -> dict[Pace, Step]:
    """Without the rates that the server was never asked for."""
    return {pace: median(seen) for pace, seen in steps.items() if seen}


LEGEND = """
n: processes. stored/s: messages acknowledged, all of them stored. ms from sending a message to its
deliveries (got) and to its acknowledgement (ack). CPU in % of one core: the server, its database,
the generator, everything else. l/d/o: deliveries lost, duplicated, out of order. Last come rate,
p50 and p99 of the deliveries as multiples of Node's.
"""


def show_messages(steps: Steps) -> None:
    print(LEGEND)
    print(f"{CANDIDATE}      asked  stored/s   got p50     p99   ack p50     p99", end="")
    print("    cpu   db  gen else    l/d/o      rate    p50    p99")
    base = medians(steps.get(NODE_ON_MYSQL, {}))
    for candidate, paces in steps.items():
        for pace, found in medians(paces).items():
            print(f"{candidate}{pace!s:>11}{figures(found, base.get(pace))}")


def figures(found: Step, of: Step | None) -> str:
    text = (
        f"{found.rate:>10,.0f}"
        f"{found.delivered_p50:>10.1f}{found.delivered_p99:>8.1f}"
        f"{found.acked_p50:>10.1f}{found.acked_p99:>8.1f}"
        f"{found.server_cpu:>7.0f}{found.database_cpu:>5.0f}"
        f"{found.generator_cpu:>5.0f}{found.other_cpu:>5.0f}"
        f"{f'{found.lost}/{found.duplicated}/{found.out_of_order}':>9}"
    )
    if of is not None:
        text += (
            f"{found.rate / of.rate:>10.2f}"
            f"{found.delivered_p50 / of.delivered_p50:>7.2f}"
            f"{found.delivered_p99 / of.delivered_p99:>7.2f}"
        )
    return text + ("  the generator is at its limit" if found.generator_cpu > 95 else "")


def connections(bench: Bench, options: argparse.Namespace) -> None:
    """Memory of connections that say nothing, and how many can come and go a second."""
    print("\nIdle connections of people who come for the first time, on a new database; then all")
    print("leave at once, and one comes back.\n")
    print(
        f"{CANDIDATE}  idle  KiB each  CPU % when idle  came/s  ms of CPU each  back, ms  refused"
    )
    visits: dict[Candidate, list[Report]] = {}
    for number in options.connections:
        for candidate in options.candidates:
            if candidate.processes > 1:
                continue
            with bench.running(candidate) as chat:
                loadgen("churn", chat, rate=50, seconds=1, users=50)  # warm-up
                report = loadgen("idle", chat, users=number, seconds=3)
                server, came = of_server(chat, report), report["connect"]
                print(
                    f"{candidate}{number:>6}{server['rss_kib_per_conn_full']:>10.1f}"
                    f"{server['idle_cpu_pct']:>17.1f}{came['per_second']:>8}"
                    f"{server['connect_cpu_ms_per_conn']:>16.2f}"
                    f"{report['back_after_ms']:>10,.0f}{report['back_refused']:>9}{failures(came)}",
                    flush=True,
                )
                if candidate not in visits:
                    visits[candidate] = list(rising_visits(chat, number, options))
    print("\nConnections of people whom the server knows, held for 0.3 s; ms until accepted.\n")
    print(f"{CANDIDATE} asked  connections/s      p50      p99  cpu")
    for candidate, reports in visits.items():
        for report in reports:
            print(f"{candidate}{report['rate']:>6}{report['line']}")


def rising_visits(chat: Running, people: int, options: argparse.Namespace) -> Iterator[Report]:
    """Visits at rising rates, as long as the server keeps up."""
    for rate in options.visits:
        report = loadgen("churn", chat, rate=rate, seconds=options.seconds, users=people)
        latency = report["latency_ms"]
        report["line"] = (
            f"{report['connected_per_s']:>15}{latency['p50']:>9.1f}{latency['p99']:>9.1f}"
            f"{of_server(chat, report)['cpu_pct']:>5.0f}{failures(report)}"
        )
        yield report
        if report["connected_per_s"] < KEPT_UP * rate:
            return


def of_server(chat: Running, report: Report) -> Report:
    """What a report says about the server's only process."""
    [found] = [seen for seen in report["processes"] if seen["pid"] in chat.pids]
    return dict(found)


def failures(report: Report) -> str:
    return f"  failed: {report['failed']}" if report["failed"] else ""


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def prepare() -> None:
    """Node's packages, and as many open files as the machine lets one process have."""
    for folder in (LOADGEN, NODE):
        lock = folder / "package-lock.json"
        done = folder / "node_modules" / ".done"
        if not done.exists() or done.read_bytes() != lock.read_bytes():
            npm = ["npm", "ci", "--loglevel=error", "--no-audit", "--no-fund", "--ignore-scripts"]
            subprocess.run(npm, cwd=folder, check=True, stdout=sys.stderr)
            done.write_bytes(lock.read_bytes())
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def read_options() -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(",") if part]

    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add(
        "--rates",
        type=numbers,
        default="500,1000,2000,3000",
        help="messages/s in all; empty for none",
    )
    add("--waiting", type=numbers, default="1,4", help="messages of each user in a closed loop")
    add("--seconds", type=float, default=2.5, help="at each rate")
    add("--rounds", type=int, default=3, help="rounds whose median is shown")
    add("--connections", type=numbers, default="1000,5000", help="idle ones; empty for none")
    add("--visits", type=numbers, default="250,500,1000", help="connections/s that come and go")
    add("--only", default="", help="the servers whose name and database hold this text")
    add("--quick", action="store_true", help="one short round, in less than two minutes")
    options = parser.parse_args()
    if options.quick:
        options.rates, options.waiting, options.rounds = [500, 2000], [1], 1
        options.seconds, options.connections, options.visits = 2, [500], [500]
    options.paces = [Pace(rate=n) for n in options.rates] + [
        Pace(waiting=n) for n in options.waiting
    ]
    options.candidates = [c for c in CANDIDATES if options.only in f"{c.name} {c.database}"]
    return options


def main() -> None:
    options = read_options()
    prepare()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name))
        with bench.servers():
            if options.paces:
                show_messages(messages(bench, options))
            if options.connections:
                connections(bench, options)
    tell(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
