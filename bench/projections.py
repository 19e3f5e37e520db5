"""Projections: rebuilding, verifying and replaying a long log; appends with and without them.

    scripts/bench projections                              1,000,000 messages, 100,000 conversations
    python bench/projections.py --messages 100000 --conversations 10000 --databases sqlite

Everything is measured in one run on one machine; compare the ratios, not the numbers. The log is
made by a seeded generator: everybody registers and connects once, then messages to and from the
desk, some people writing much more than others.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from pathlib import Path
from uuid import UUID

import uvloop

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # instead of this folder

from bench.log import Target, appends, nothing  # noqa: E402
from registro.db.connection import Connection, DatabaseConnection, Pool  # noqa: E402
from registro.db.dialect import Row  # noqa: E402
from registro.db.schema import Table  # noqa: E402
from registro.db.sql import paged  # noqa: E402
from registro.events import codec, ids, merkle, reader, store  # noqa: E402
from registro.events.record import Recorded, rfc3339  # noqa: E402
from registro.events.store import Fold  # noqa: E402
from registro.events.types import (  # noqa: E402
    DESK,
    ConnectionClosed,
    ConnectionOpened,
    Event,
    MessageSent,
    UserRegistered,
)
from registro.projections import comparing, generations, registry, runner, storage  # noqa: E402
from registro.projections.builder import WRITTEN  # noqa: E402
from registro.services import replay  # noqa: E402
from registro.services.directory import Directory  # noqa: E402
from registro.services.inbox import Inbox  # noqa: E402
from registro.services.query import parse  # noqa: E402
from registro.services.search import Search  # noqa: E402

START = 1_767_225_600_000_000
"""The first event's time, microseconds since 1970; the others follow a second apart."""

TEXT = (
    "hola pedido gracias factura todavía llegar correo dirección cambiar mañana cuenta ayuda "
    "problema envío tienda precio devolver número semana entrega producto momento favor"
)
WORDS = TEXT.split()
ADMINS = 5


def code(number: int) -> str:
    """Something by which one message alone is found."""
    return f"{number * 2_654_435_761 % 2**32:08x}"


def made(seed: int, messages: int, conversations: int) -> Iterator[tuple[str, Event]]:
    """A history: streams and events."""
    dice = random.Random(seed)
    people = [str(UUID(int=dice.getrandbits(128), version=4)) for _ in range(conversations)]
    admins = people[:ADMINS]
    for number, id_ in enumerate(people):
        role = "admin" if number < ADMINS else "user"
        event = UserRegistered(
            user=f"user-{number}", name=f"User {number}", role=role, origin="form"
        )
        yield f"user/{id_}", event
        stream = f"connection/{UUID(int=dice.getrandbits(128), version=4)}"
        yield stream, ConnectionOpened(id_, role, "", "websocket", admins[0], "Browser 1.0")
        yield stream, ConnectionClosed(id_, "transport close", dice.randrange(10**6))
    for number in range(messages):
        # Everybody writes once at least; half of the messages are those of a twentieth of them.
        place = number if number < conversations else int(conversations * dice.random() ** 4)
        user = people[ADMINS + place % (conversations - ADMINS)]
        text = f"{' '.join(dice.choices(WORDS, k=dice.randint(3, 25)))} {code(number)}"
        answer = dice.random() < 0.4
        message = MessageSent(
            sender=dice.choice(admins) if answer else user,
            recipient=user if answer else DESK,
            text=text,
            client_id=str(UUID(int=dice.getrandbits(128), version=4)),
        )
        yield f"conversation/{ids.desk_conversation(user)}", message


def rows(history: Iterator[tuple[str, Event]], apart: int = 1) -> Iterator[Recorded]:
    """The history as a log records it, hashes included, so many seconds apart."""
    dice = random.Random(0)
    versions: dict[str, int] = {}
    for position, (stream, event) in enumerate(history, 1):
        version = versions[stream] = versions.get(stream, 0) + 1
        id_ = str(UUID(int=dice.getrandbits(128), version=4))
        at = START + position * apart * 1_000_000
        payload, salt = codec.encode(event), dice.randbytes(32)
        commitment = merkle.commitment(salt, payload)
        leaf = merkle.leaf(
            position=position, id=id_, stream=stream, version=version, type=event.type,
            schema=event.schema, recorded_at=rfc3339(at), commitment=commitment,
        )  # fmt: skip
        yield Recorded(
            position, id_, stream, version, event.type, event.schema, at, payload, salt,
            commitment, leaf,
        )  # fmt: skip


async def fill(url: str, seed: int, messages: int, conversations: int, apart: int = 1) -> int:
    """Loads the log alone: the projections are what is measured."""
    connection = await DatabaseConnection(url).open()

    async def pages() -> AsyncIterator[Sequence[Recorded]]:
        page: list[Recorded] = []
        for row in rows(made(seed, messages, conversations), apart):
            page.append(row)
            if len(page) == reader.PAGE:
                yield page
                page = []
        yield page

    async def fold_nothing(_: Connection, __: Sequence[Recorded]) -> None:
        """Nothing."""

    head = await store.load_pages(connection, pages(), fold_nothing)
    await connection.close()
    return head.position


async def _insert(table: Table, rows: Sequence[Row], connection: Connection) -> None:
    async with connection.transaction():
        await connection.insert_many(f"{table.name}__raw", table.column_names, rows)


async def raw_rate(url: str, events: int) -> float:
    """The rows that the projections hold now, into tables like theirs, in multi-row INSERTs: how
    many events a second that would be if folding, reading and looking up cost nothing."""
    connection = await DatabaseConnection(url).open()
    for statement in connection.dialect.bulk:
        await connection.execute(statement)
    seconds = 0.0
    for projection in registry.ALL:
        for table in projection.tables:
            columns = ", ".join(table.column_names)
            await storage.create(connection, table, f"{table.name}__raw")
            found = await connection.fetch_all(f"SELECT {columns} FROM {table.name}")
            started = time.perf_counter()
            for some in paged(found, WRITTEN):
                await connection.together(partial(_insert, table, some))
            seconds += time.perf_counter() - started
            await storage.drop(connection, f"{table.name}__raw")
    await connection.close()
    return events / seconds


def show(what: str, value: float, unit: str = "events/s", of: float | None = None) -> None:
    ratio = "" if of is None else f"{value / of:8.2f}"
    print(
        f"  {what:<42}{value:>12,.{0 if value > 20 else 2}f} {unit:<9}{ratio}".rstrip(), flush=True
    )


async def transfers(url: str, events: int, folder: Path) -> None:
    rebuilt = await generations.rebuild(url, registry.ALL)
    raw = await raw_rate(url, events)
    show("raw multi-row INSERTs of the rows", raw, of=raw)
    show("rebuild of all projections", events / rebuilt.seconds, of=raw)
    show("  appends waited for the switch", rebuilt.locked * 1000, "ms")
    report = await comparing.verify(url, registry.ALL)
    assert report.ok, report.counts
    show("verification of all projections", events / report.seconds)
    file = folder / f"replay-{time.monotonic_ns()}.db"
    async with replay.database(url) as source:
        done = await replay.make(source, file)
    show("replay", events / (done.copying + done.folding))
    show("  of it copying and checking the log", events / done.copying)
    show("  of it folding", events / done.folding)
    file.unlink()


async def pages(url: str, times: int) -> dict[str, list[float]]:
    """How long the queries of a page take, in ms."""
    pool = Pool(url)
    directory = Directory(pool)
    inbox = Inbox(pool, directory)
    dice = random.Random(1)
    everything = [row.conversation for row in (await inbox.list(limit=500)).rows]
    cursors = [None, *[one.cursor for one in [await inbox.list(limit=200)] if one.cursor]]
    took: dict[str, list[float]] = {"inbox": [], "thread": [], "log": []}
    search = Search(pool, directory)
    queries = {"a common word": "pedi", "one message": "{}", "nothing": "xyzzy"}
    took |= {f"search for {name}": [] for name in queries}
    for _ in range(times):
        cursor, conversation = dice.choice(cursors), dice.choice(everything)
        before = time.perf_counter()
        await inbox.list(cursor=cursor)
        took["inbox"].append((time.perf_counter() - before) * 1000)
        before = time.perf_counter()
        await inbox.thread(conversation)
        took["thread"].append((time.perf_counter() - before) * 1000)
        async with pool.connection() as connection:
            before = time.perf_counter()
            head = await reader.head(connection)
            await reader.read(connection, max(0, dice.randrange(head.position) - 50), limit=50)
            took["log"].append((time.perf_counter() - before) * 1000)
        for name, text in queries.items():
            query = parse(text.format(code(dice.randrange(1_000))), int)
            before = time.perf_counter()
            await search.find(query)
            took[f"search for {name}"].append((time.perf_counter() - before) * 1000)
    await pool.close()
    return took


async def compare_pages(large: str, small: str, times: int) -> None:
    await pages(large, 50)  # caches are warm for both
    await pages(small, 50)
    rounds = [(await pages(large, times // 4), await pages(small, times // 4)) for _ in range(4)]
    for name in rounds[0][0]:
        ours = [ms for one, _ in rounds for ms in one[name]]
        theirs = [ms for _, one in rounds for ms in one[name]]
        for quantile in (50, 99):
            value, of = (statistics.quantiles(all_, n=100)[quantile - 1] for all_ in (ours, theirs))
            print(
                f"  {name} page, p{quantile:<30}{value:>12.2f} ms, with few messages {of:.2f} ms"
                f"{value / of:8.2f}", flush=True
            )  # fmt: skip


async def compare_appends(target: Target, events: int) -> None:
    """Rounds take turns, so that what else the machine does falls on both."""
    folds: dict[str, Fold] = {
        "off": nothing,
        "on": runner.fold,
        "on, following ones inline too": partial(runner.fold, projections=registry.ALL),
    }
    rates: dict[str, list[float]] = {name: [] for name in folds}
    for _ in range(5):
        for name, fold in folds.items():
            run = await appends(await target.new(), 64, events, fold)
            rates[name].append(run.rate)
    for name, measured in rates.items():
        off = statistics.median(rates["off"])
        show(f"appends, projections {name}", statistics.median(measured), of=off)


async def measure(kind: str, arguments: argparse.Namespace, folder: Path) -> None:
    target = Target(kind, folder)
    print(f"\n{kind:<44}{'':>12}{'':>10}{'ratio':>8}")
    try:
        large, small = await target.empty(), await target.empty()
        started = time.perf_counter()
        events = await fill(large, arguments.seed, arguments.messages, arguments.conversations)
        show(f"log of {events:,} events, generated", events / (time.perf_counter() - started))
        await fill(small, arguments.seed, 1_000, 100)
        await generations.rebuild(small, registry.ALL)
        await transfers(large, events, folder)
        await compare_pages(large, small, arguments.pages)
        await compare_appends(target, arguments.appends)
    finally:
        target.stop()


async def run(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for kind in arguments.databases.split(","):
            await measure(kind, arguments, Path(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--databases", default="sqlite,mysql,mariadb", help="which, by commas")
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--conversations", type=int, default=100_000)
    parser.add_argument("--appends", type=int, default=12_000, help="in one measurement")
    parser.add_argument("--pages", type=int, default=400, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
