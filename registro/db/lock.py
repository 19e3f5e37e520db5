"""Locks between processes that last longer than a transaction and end with their holder."""

from __future__ import annotations

import fcntl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote

from registro.db.connection import DatabaseConnection
from registro.errors import InProgress, StoreError


@asynccontextmanager
async def alone(url: str, name: str) -> AsyncIterator[None]:
    """Holds the lock `name` of the database at a URL. Raises InProgress when another process, or
    another task, has it."""
    connection = await DatabaseConnection(url).open()
    try:
        queries = connection.dialect.process_lock(name)
        if queries is None:
            with _file_lock(Path(f"{unquote(url.removeprefix('sqlite:///'))}.{name}"), name):
                yield
            return
        take, release = queries
        if await connection.fetch_value(take) != 1:
            raise InProgress(_message(name))
        try:
            yield
        finally:
            with suppress(StoreError):  # a connection that is gone holds nothing
                await connection.execute(release)
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
