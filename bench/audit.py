"""The audit: what the projection `subjects` costs appends, and pages of a long log.

Everything is measured in one run; compare the ratios. Appends are measured with and without the
projection, turn by turn. The long log has `--events` messages of `--people` users, the short one
1,000 messages; both are asked for the same pages through the services, without HTTP.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from uuid import UUID

import uvloop

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # instead of this folder

from bench.log import Target, appends, show  # noqa: E402
from registro.db.connection import Connection, DatabaseConnection, Pool  # noqa: E402
from registro.events import ids, reader  # noqa: E402
from registro.events.record import Recorded  # noqa: E402
from registro.events.store import draft  # noqa: E402
from registro.events.types import DESK, ConnectionOpened, MessageSent  # noqa: E402
from registro.projections import runner, subjects  # noqa: E402
from registro.services.audit import Audit, Filter  # noqa: E402
from tests.support import logs  # noqa: E402
from tests.support.histories import ADMINS  # noqa: E402

SHORT = 1_000
ADMIN = ADMINS[0]
TEXT = "Hola, quería preguntar por el pedido 4711: todavía no ha llegado. ¿Qué puedo hacer? "
OTHERS = tuple(one for one in runner.PROJECTIONS if one is not subjects.PROJECTION)


async def without_subjects(
    connection: Connection, recorded: Sequence[Recorded], erased: Sequence[Recorded]
) -> None:
    await runner.fold(connection, recorded, erased, projections=OTHERS)


async def cost(target: Target, events: int, rounds: int) -> None:
    """Rates of 64 callers with all projections, and with all but `subjects`."""
    rates: dict[str, list[float]] = {"without": [], "with": []}
    for _ in range(rounds):
        for name, fold in (("without", without_subjects), ("with", runner.fold)):
            run = await appends(await target.new(), 64, events, fold)
            rates[name].append(run.rate)
    base = statistics.median(rates["without"])
    show("64 callers, without subjects", base, base)
    show("64 callers, with subjects", statistics.median(rates["with"]), base)


async def fill(url: str, messages: int, people: int) -> None:
    """Users write in turn, an admin answers each third message, somebody connects now and then."""
    connection = await DatabaseConnection(url).open()
    for first in range(0, messages, 2000):
        drafts = []
        for number in range(first, min(first + 2000, messages)):
            user = str(UUID(int=1000 + number % people, version=4))
            stream = f"conversation/{ids.desk_conversation(user)}"
            answered = number % 3 == 2
            event = MessageSent(
                sender=ADMIN if answered else user, recipient=user if answered else DESK, text=TEXT
            )
            drafts.append([draft(stream, event)])
            if number % 10 == 0:
                opened = ConnectionOpened(
                    user=user, role="user", session="k" * 64, transport="websocket", node=ADMIN
                )
                id_ = UUID(int=10**9 + number, version=4)
                drafts.append([draft(f"connection/{id_}", opened)])
        await logs.append(connection, *drafts, now=logs.NOW + first * 1_000_000)
    if connection.dialect.name == "mysql":
        await connection.execute("ANALYZE TABLE log_event, subjects, connections")
    await connection.close()


Ask = Callable[[Audit, int], Awaitable[object]]
USER = str(UUID(int=1000, version=4))
TYPES = ("conversation:message",)
PAGES: dict[str, Ask] = {
    "the newest": lambda audit, end: audit.page(),
    "in the middle": lambda audit, end: audit.page(before=end // 2),
    "one type": lambda audit, end: audit.page(Filter(TYPES), before=end // 2),
    "a rare type": lambda audit, end: audit.page(Filter(("connection:opened",)), before=end // 2),
    "a user": lambda audit, end: audit.page(Filter(user=USER), before=end // 2),
    "the admin": lambda audit, end: audit.page(Filter(user=ADMIN), before=end // 2),
    "the admin, a type they never had": lambda audit, end: audit.page(
        Filter(("connection:opened",), ADMIN)
    ),
    "the admin in one conversation": lambda audit, end: audit.page(
        Filter(user=ADMIN, conversation=ids.desk_conversation(USER))
    ),
    "a user since a time": lambda audit, end: audit.page(
        Filter(user=USER, since=logs.NOW + 1_000_000)
    ),
    "connections": lambda audit, end: audit.sockets(),
}


async def times(audit: Audit, end: int, ask: Ask, turns: int) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    found = []
    for _ in range(turns):
        before = time.perf_counter()
        await ask(audit, end)
        found.append((time.perf_counter() - before) * 1000)
    hundredths = statistics.quantiles(found, n=100)
    return hundredths[49], hundredths[98]


async def pages(target: Target, events: int, people: int, turns: int) -> None:
    pools = []
    for count in (SHORT, events):
        url = await target.empty()
        started = time.perf_counter()
        await fill(url, count, min(people, count // 10))
        pool = Pool(url)
        async with pool.connection() as connection:
            end = (await reader.head(connection)).position
        print(f"  {end:,} events made in {time.perf_counter() - started:.0f} s", flush=True)
        pools.append((pool, end))
    print(f"  {'page':<36}{'short p50':>10}{'p99':>8}{'long p50':>10}{'p99':>8}{'ratio':>8}")
    for name, ask in PAGES.items():
        for pool, end in pools:
            await times(Audit(pool), end, ask, 20)  # warm
        short, long = [await times(Audit(pool), end, ask, turns) for pool, end in pools]
        ratio = long[0] / short[0]
        print(f"  {name:<36}{short[0]:>10.2f}{short[1]:>8.2f}{long[0]:>10.2f}{long[1]:>8.2f}"
              f"{ratio:>8.2f}", flush=True)  # fmt: skip
    for pool, _ in pools:
        await pool.close()


async def run(arguments: argparse.Namespace, folder: Path) -> None:
    for kind in arguments.databases.split(","):
        target = Target(kind, folder)
        print(f"\n{kind}", flush=True)
        try:
            if arguments.appends:
                await cost(target, arguments.appends, arguments.rounds)
            if arguments.events:
                await pages(target, arguments.events, arguments.people, arguments.turns)
        finally:
            target.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--databases", default="sqlite,mysql,mariadb", help="which, by commas")
    parser.add_argument("--appends", type=int, default=12_000, help="events in one measurement")
    parser.add_argument("--rounds", type=int, default=3, help="rounds whose median is shown")
    parser.add_argument("--events", type=int, default=200_000, help="messages in the long log")
    parser.add_argument("--people", type=int, default=20_000, help="users who write them")
    parser.add_argument("--turns", type=int, default=200, help="how often each page is asked for")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        uvloop.run(run(arguments, Path(name)))


if __name__ == "__main__":
    main()
