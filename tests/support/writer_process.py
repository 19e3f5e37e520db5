"""What a writer process does: it appends messages in a closed loop, for tests that kill it or its
database.

Each task sends one message after the other, the same one again while the store is away. Lines are
appended to a file before a task goes on: `stored ID` for what was acknowledged, `refused SECONDS`
for a caller who got Unavailable after that time.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from registro.db.connection import DatabaseConnection
from registro.errors import Unavailable
from registro.events import ids
from registro.events.store import Draft, Memory, draft
from registro.events.types import DESK, MessageSent
from registro.events.writer import LogWriter
from registro.projections import registry, runner
from tests.support.histories import USERS


@dataclass(frozen=True)
class Options:
    """Without `messages` (for each task) it goes on until SIGTERM. Times are seconds."""

    messages: int | None = None
    tasks: int = 4
    pause: float = 0
    timeout: float = 5


def main(url: str, file: Path, options: Options) -> None:
    os.dup2(os.open(file.with_suffix(".err"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    asyncio.run(run(url, file, options))


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


async def run(url: str, path: Path, options: Options) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    folding = runner.Folding()
    writer = LogWriter(
        lambda: DatabaseConnection(url),
        folding,
        folds=registry.FOLDED,
        memory=Memory(folding.forget),
        timeout=options.timeout,
    )

    async def task(number: int) -> None:
        sent = 0
        while not stopping.is_set() and sent != options.messages:
            one = message(f"{os.getpid()} {number} {sent}")
            await store(writer, one, lambda line: _write(file, line))
            sent += 1
            await asyncio.sleep(options.pause)

    await writer.start()
    await asyncio.gather(*(task(number) for number in range(options.tasks)))
    await writer.stop()


def _write(file: int, line: str) -> None:
    os.write(file, f"{line}\n".encode())
