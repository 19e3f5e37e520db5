"""The sample data: a log that is loaded into an empty database, and passwords for its people.

All demo people share one password, random for each database, that works on loopback only.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

from registro.events import reader, store
from registro.events.record import Recorded, from_line
from registro.projections import runner
from registro.services import Services

_PACKAGE = Path(__file__).resolve().parents[1]
_FILE = Path("fixtures") / "desk.jsonl"
LOG = _PACKAGE / _FILE if (_PACKAGE / _FILE).is_file() else _PACKAGE.parent / _FILE
"""In an installed package the file is inside it, in a checkout beside it."""


def read_log(path: Path = LOG) -> Iterator[Recorded]:
    """The rows of an exported log. Raises ValueError, with the line's number, for what is none."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield from_line(line)
            except ValueError as error:
                raise ValueError(f"{path.name}, line {number}: {error}") from None


async def is_empty(services: Services) -> bool:
    async with services.readers.connection() as connection:
        return (await reader.head(connection)).position == 0


async def load(services: Services, path: Path = LOG) -> tuple[int, str]:
    """Loads the sample log; returns how many events it has and the demo password.

    Raises StoreError when the log here is not empty.
    """
    connection = await services.connection().open()
    try:
        head = await store.load(connection, lambda: read_log(path), fold=runner.fold)
    finally:
        await connection.close()
    password = await set_demo_password(services)
    return head.position, password


async def set_demo_password(services: Services) -> str:
    """Gives the people of the sample log a new password, which is kept beside the database."""
    password = secrets.token_urlsafe(9)
    async with services.readers.connection() as connection:
        rows = await connection.fetch_all("SELECT id FROM users")
    await services.accounts.set_demo_password([row[0] for row in rows], password)
    file = _password_file(services)
    if file is not None:
        file.touch(mode=0o600)
        file.write_text(password)
    return password


def demo_password(services: Services) -> str | None:
    """The password that `load` made for this database, if it is known here."""
    file = _password_file(services)
    return file.read_text().strip() if file is not None and file.is_file() else None


async def demo_logins(services: Services) -> list[tuple[str, str]]:
    """(user, role) of some demo people: the admins, and the three who wrote last."""
    async with services.readers.connection() as connection:
        admins = await connection.fetch_all(
            "SELECT user, role FROM users WHERE role = 'admin' ORDER BY user"
        )
        users = await connection.fetch_all(
            "SELECT u.user, u.role FROM conversations c JOIN users u ON u.id = c.user_id"
            " WHERE c.kind = 'desk' ORDER BY c.last_at DESC LIMIT 3"
        )
    return [(row[0], row[1]) for row in (*admins, *users)]


def _password_file(services: Services) -> Path | None:
    database = services.settings.sqlite_path
    return None if database is None else database.with_name(f"{database.name}.demo")
