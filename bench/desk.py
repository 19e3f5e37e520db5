"""The desk's pages over a long log and a short one: lists, counts, threads, search, reports.

    scripts/bench desk                                  1,000,000 messages in 100,000 conversations
    scripts/bench desk -- --messages 200000 --conversations 20000 --databases mysql

What is measured are the queries behind a page, through the services; the ratio says what a log a
hundred times as long costs. The log is that of bench/projections.py, twenty seconds between events.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import uvloop

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # instead of this folder

from bench.log import Target  # noqa: E402
from bench.projections import code, fill  # noqa: E402
from registro.db.connection import DatabaseConnection, Pool  # noqa: E402
from registro.projections import generations, registry  # noqa: E402
from registro.services.directory import Directory  # noqa: E402
from registro.services.inbox import Filter, Inbox  # noqa: E402
from registro.services.query import parse  # noqa: E402
from registro.services.reports import Period, Reports, Wanted  # noqa: E402
from registro.services.search import Search  # noqa: E402

DAY = 86_400_000_000
APART = 20
"""Seconds between events."""
LABEL = "label"
"""What one conversation in twenty has."""

Page = Callable[[], Awaitable[object]]


async def pages(url: str, pool: Pool) -> Mapping[str, Page]:
    """The pages by name."""
    connection = await DatabaseConnection(url).open()
    longest, last = await connection.fetch_one(  # type: ignore[misc]
        "SELECT conversation, MAX(seq) FROM messages GROUP BY conversation"
        " ORDER BY MAX(seq) DESC LIMIT 1"
    )
    admin = await connection.fetch_value("SELECT id FROM users WHERE user = 'user-0'")
    end = await connection.fetch_value("SELECT recorded_at FROM log_head")
    await connection.close()
    directory = Directory(pool)
    inbox, search, reports = (
        Inbox(pool, directory),
        Search(pool, directory),
        Reports(pool, directory),
    )
    midnight = end // DAY * DAY + DAY

    def days(number: int, before: int = 0) -> Period:
        first = midnight - (before + number) * DAY
        return Period([first + n * DAY for n in range(number + 1)])

    month = days(30)
    whole = [(month.start, month.end)]
    labelled = Wanted("messages", whole, None, LABEL)
    filters = {
        "open": Filter("open"),
        "all": Filter(),
        "nobody's, waiting longest": Filter("open", "", order="waiting"),
        "mine": Filter("open", admin),
        "unread": Filter("open", unread=True),
    }
    found: dict[str, Page] = {
        f"list: {name}": lambda wanted=wanted: inbox.list(wanted)  # type: ignore[misc]
        for name, wanted in filters.items()
    }
    return found | {
        "counts of five filters": lambda: inbox.counts(list(filters.values())),
        "thread: newest": lambda: inbox.thread(longest),
        "thread: middle": lambda: inbox.thread(longest, last // 2),
        "thread: first": lambda: inbox.thread(longest, min(last, 51)),
        "search: a common word": lambda: search.find(parse("pedi", int)),
        "search: one message": lambda: search.find(parse(code(7), int)),
        "report: 7 days": lambda: reports.report(days(7), days(7, 7)),
        "report: 30 days": lambda: reports.report(month, days(30, 30)),
        "report: 90 days": lambda: reports.report(days(90), days(90, 90)),
        "report: 30 days of a label": lambda: reports.report(month, days(30, 30), LABEL),
        "report: 90 days of a label": lambda: reports.report(days(90), days(90, 90), LABEL),
        "rows: messages of 30 days": lambda: reports.rows(Wanted("messages", whole), None),
        "rows: messages of a label": lambda: reports.rows(labelled, None),
        "rows: waits of an admin": lambda: reports.rows(Wanted("waits", whole, admin), None),
    }


async def label(url: str) -> None:
    """The log has no labels: a projection's rows of some do for reading them."""
    connection = await DatabaseConnection(url).open()
    await connection.execute(
        f"INSERT INTO conversation_labels (label, conversation) SELECT '{LABEL}', id"
        " FROM conversations WHERE kind = 'desk' AND last_at / 20000000 % 20 = 0"
    )
    await connection.close()


async def compare(large: str, small: str, times: int) -> None:
    pools = Pool(large), Pool(small)
    ours, theirs = await pages(large, pools[0]), await pages(small, pools[1])
    print(f"  {'ms, median and at most':<32}{'':>9}{'':>9}{'short log':>11}{'ratio':>8}")
    for name in ours:
        took: list[list[float]] = [[], []]
        for _ in range(times + 1):  # they take turns; the first warms the caches
            for number, page in enumerate((ours[name], theirs[name])):
                began = time.perf_counter()
                await page()
                took[number].append((time.perf_counter() - began) * 1000)
        long, short = (statistics.median(one[1:]) for one in took)
        print(
            f"  {name:<32}{long:>9.1f}{max(took[0][1:]):>9.1f}{short:>11.1f}{long / short:>8.2f}",
            flush=True,
        )
    for pool in pools:
        await pool.close()


async def measure(kind: str, arguments: argparse.Namespace, folder: Path) -> None:
    target = Target(kind, folder)
    print(f"\n{kind}")
    try:
        large, small = await target.empty(), await target.empty()
        for url, share in ((large, 1), (small, 100)):
            messages, people = arguments.messages // share, arguments.conversations // share
            await fill(url, arguments.seed, messages, people, APART)
            await generations.rebuild(url, registry.ALL)
            await label(url)
        await compare(large, small, arguments.times)
    finally:
        target.stop()


async def run(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for kind in arguments.databases.split(","):
            await measure(kind, arguments, Path(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--databases", default="sqlite,mysql", help="which, by commas")
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--conversations", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=15, help="how often each page")
    parser.add_argument("--seed", type=int, default=1)
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
