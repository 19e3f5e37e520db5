"""Fills the disk under an SQLite log, and frees it again. Runs in a mount namespace of its own.

    unshare --mount python -m tests.support.disk_process FOLDER

mounts a tmpfs of 4 MiB on FOLDER, which nobody else sees and which goes with the process. Prints
one JSON object that says what became of it.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

from registro.db.connection import DatabaseConnection
from registro.errors import Unavailable
from registro.events import reader
from registro.events.verify import verify
from registro.events.writer import LogWriter
from registro.projections import runner
from tests.support import logs
from tests.support.writer_process import message


async def fill(writer: LogWriter) -> tuple[int, str, float]:
    """Appends until the disk is full: how many were stored, the error, and how long it took."""
    stored = 0
    while True:
        started = time.monotonic()
        try:
            await asyncio.gather(*(writer.append(message(f"{stored} " * 500)) for _ in range(10)))
        except Unavailable as error:
            return stored, str(error), time.monotonic() - started
        stored += 10


async def work_again(writer: LogWriter) -> float:
    """Waits until an append succeeds; the seconds that it took."""
    started = time.monotonic()
    while True:
        try:
            await writer.append(message("there is space again"))
        except Unavailable:
            await asyncio.sleep(0.05)
        else:
            return time.monotonic() - started


async def run(folder: Path) -> dict[str, object]:
    url = f"sqlite:///{folder}/log.db"
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(1 << 20))
    connection = await logs.open_database(url)
    writer = LogWriter(lambda: DatabaseConnection(url), runner.fold, timeout=1)
    await writer.start()
    stored, error, seconds = await fill(writer)
    full = await verify(connection)
    positions = (await reader.head(connection)).position
    ballast.unlink()
    async with asyncio.timeout(60):
        await work_again(writer)
    await writer.stop()
    after = await verify(connection)
    await connection.close()
    return {
        "stored": stored,
        "error": error,
        "seconds": seconds,
        "findings": [*full.findings, *after.findings],
        "positions": positions,
        "positions_afterwards": after.events,
    }


def main() -> None:
    folder = Path(sys.argv[1])
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    print(json.dumps(asyncio.run(run(folder))))


if __name__ == "__main__":
    main()
