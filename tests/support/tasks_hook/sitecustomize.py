"""Put before a server's PYTHONPATH by tests: on SIGUSR1 it writes the names of its asyncio tasks to
the file TASKS_FILE. The program itself has nothing of the kind."""

import asyncio
import os
import signal
from pathlib import Path


def _write(*_: object) -> None:
    tasks = asyncio.all_tasks(asyncio.get_running_loop())
    path = Path(os.environ["TASKS_FILE"])
    draft = path.with_suffix(".new")
    draft.write_text("\n".join(repr(task.get_coro()) for task in tasks))
    draft.rename(path)


if "TASKS_FILE" in os.environ:
    signal.signal(signal.SIGUSR1, _write)
