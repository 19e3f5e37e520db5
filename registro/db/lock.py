"""Locks between processes that last longer than a transaction and end with their holder."""

from __future__ import annotations

import fcntl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import unquote

from registro.db.connection import DatabaseConnection
from registro.errors import InProgress


@asynccontextmanager
async def alone(url: str, name: str) -> AsyncIterator[None]:
    """Holds the lock `name` of the database at a URL. Raises InProgress when another process, or
    another task, has it."""
    connection = await DatabaseConnection(url).open()
    try:
        query = connection.dialect.process_lock(name)
        if query is None:
            with _file_lock(Path(f"{unquote(url.removeprefix('sqlite:///'))}.{name}"), name):
                yield
        elif await connection.fetch_value(query) != 1:
            raise InProgress(_message(name))
        else:
            yield
    finally:
        await connection.close()


@contextmanager
def _file_lock(path: Path, name: str) -> Iterator[None]:
    """The file stays: whoever removed it might take it from under the next one."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InProgress(_message(name)) from None
        yield


def _message(name: str) -> str:
    return f"another process is at work on the {name} of this database: wait until it is done"
