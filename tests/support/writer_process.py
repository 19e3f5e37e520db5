"""A process that appends messages in a closed loop, for tests that kill it or its database.

    python -m tests.support.writer_process URL FILE [--messages N] [--tasks N] [--pause S] …

Each task sends one message after the other, the same one again while the store is away. Lines are
appended to FILE before a task goes on: `stored ID` for what was acknowledged, `refused SECONDS` for
a caller who got Unavailable after that time. Without `--messages` (for each task) it goes on until
SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import time
from collections.abc import Callable
from uuid import uuid4

from registro.db.connection import DatabaseConnection
from registro.errors import Unavailable
from registro.events import ids
from registro.events.store import Draft, Memory, draft
from registro.events.types import DESK, MessageSent
from registro.events.writer import LogWriter
from registro.projections import registry, runner
from tests.support.histories import USERS


def message(text: str) -> Draft:
    """A message to the desk; processes and tasks share a few conversations."""
    sender = USERS[hash(text) % len(USERS)]
    event = MessageSent(sender=sender, recipient=DESK, text=text)
    return draft(f"conversation/{ids.desk_conversation(sender)}", event, id=str(uuid4()))


async def store(writer: LogWriter, one: Draft, tell: Callable[[str], None]) -> None:
    """Appends until it is acknowledged."""
    while True:
        started = time.monotonic()
        try:
            [row] = await writer.append(one)
        except Unavailable:
            tell(f"refused {time.monotonic() - started:.3f}")
            await asyncio.sleep(0.05)
        else:
            tell(f"stored {row.id}")
            return


async def run(arguments: argparse.Namespace) -> None:
    file = os.open(arguments.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    folding = runner.Folding()
    writer = LogWriter(
        lambda: DatabaseConnection(arguments.url),
        folding,
        folds=registry.FOLDED,
        memory=Memory(folding.forget),
        timeout=arguments.timeout,
    )

    async def task(number: int) -> None:
        sent = 0
        while not stopping.is_set() and sent != arguments.messages:
            one = message(f"{os.getpid()} {number} {sent}")
            await store(writer, one, lambda line: _write(file, line))
            sent += 1
            await asyncio.sleep(arguments.pause)

    await writer.start()
    await asyncio.gather(*(task(number) for number in range(arguments.tasks)))
    await writer.stop()


def _write(file: int, line: str) -> None:
    os.write(file, f"{line}\n".encode())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("file")
    parser.add_argument("--messages", type=int)
    parser.add_argument("--tasks", type=int, default=4)
    parser.add_argument("--pause", type=float, default=0)
    parser.add_argument("--timeout", type=float, default=5)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
