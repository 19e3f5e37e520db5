"""Writer processes under load, and the proof that nothing of what they were told is lost."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from registro.events.types import MessageSent
from registro.events.verify import verify
from tests.support import logs, writer_process
from tests.support.histories import registrations
from tests.support.loaded import processes

PATIENCE = 60
"""Seconds to wait for what takes a few at most when all is well and the machine is idle."""


class Writer:
    """One process of `writer_process.py`."""

    def __init__(self, url: str, file: Path, **options: Any) -> None:
        self.file = file
        work = (url, file, writer_process.Options(**options))
        self._process = processes.Process(target=writer_process.main, args=work)
        self._process.start()

    def _lines(self, word: str) -> list[str]:
        if not self.file.exists():
            return []
        # A line is one write(): a killed process leaves whole lines.
        words = (line.split(" ") for line in self.file.read_text().splitlines())
        return [line[1] for line in words if line[0] == word]

    def acknowledged(self) -> list[str]:
        """The ids of the events that it was told are stored."""
        return self._lines("stored")

    def refused_after(self) -> list[float]:
        """How many seconds each caller waited who got Unavailable."""
        return [float(seconds) for seconds in self._lines("refused")]

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def kill(self) -> None:
        self._process.kill()
        self._process.join(PATIENCE)

    def stop(self) -> None:
        """Lets it finish what it is at. Raises AssertionError when it does not end well."""
        self._process.terminate()
        self.finish()

    def finish(self) -> None:
        self._process.join(PATIENCE)
        assert self._process.exitcode == 0, self.errors()

    def errors(self) -> str:
        return self.file.with_suffix(".err").read_text()[-3000:]


class Writers:
    """All writer processes of a test; those that still run at its end are killed."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self._folder = folder
        self.all: list[Writer] = []

    def __enter__(self) -> Writers:
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self.all:
            if writer.alive:
                writer.kill()

    def start(self, count: int, **options: Any) -> list[Writer]:
        """Starts `count` more, with `writer_process.Options`."""
        first = len(self.all)
        self.all += [
            Writer(self.url, self._folder / f"writer-{number}", **options)
            for number in range(first, first + count)
        ]
        return self.all[first:]

    def acknowledged(self) -> list[str]:
        return [id_ for writer in self.all for id_ in writer.acknowledged()]


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE} s: {what}"
        await asyncio.sleep(0.05)


async def until_each_stored(writers: Iterable[Writer], more: int) -> None:
    """Waits until each of the writers was told of so many more stored events."""
    goals = [(writer, len(writer.acknowledged()) + more) for writer in writers]

    def reached() -> bool:
        dead = [writer.errors() for writer, _ in goals if not writer.alive]
        assert not dead, dead
        return all(len(writer.acknowledged()) >= goal for writer, goal in goals)

    await until(reached, f"{more} events more from each writer")


async def prepare(url: str) -> None:
    """A migrated database with the people who are going to write."""
    connection = await logs.open_database(url)
    await logs.record(connection, registrations())
    await connection.close()


async def assert_whole(url: str, acknowledged: Iterable[str]) -> None:
    """Nothing acknowledged is missing, nothing is there twice, the log verifies, and the live
    projections are those of a rebuild."""
    connection = await logs.open_database(url)
    try:
        report = await verify(connection)
        assert report.ok, report.findings[:10]
        rows = await logs.everything(connection)
        assert [row.position for row in rows] == list(range(1, len(rows) + 1))
        stored = Counter(row.id for row in rows)
        assert {id_: stored[id_] for id_ in acknowledged if stored[id_] != 1} == {}
        texts = Counter(e.text for row in rows if isinstance(e := row.event(), MessageSent))
        assert [text for text, times in texts.items() if times > 1] == []
        with tempfile.TemporaryDirectory() as folder:
            rebuilt = await logs.rebuilt(connection, f"sqlite:///{folder}/rebuilt.db")
        assert await logs.dump(connection) == rebuilt
    finally:
        await connection.close()
