"""`registro backup`."""

from __future__ import annotations

from pathlib import Path

import click

from registro.cli.common import WrongUse, asynchronous, load_settings
from registro.services import backup as service


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@asynchronous
async def backup(file: Path) -> None:
    """Copy an SQLite database to a new FILE, while servers run.

    The copy holds all that the database does: messages, password hashes and keys. docs/backup.md
    says how to restore it, and what to use for MySQL and MariaDB.
    """
    database = load_settings().sqlite_path
    if database is None:
        raise WrongUse(
            "the database is no SQLite file: use mariadb-dump or mysqldump with "
            "--single-transaction (docs/backup.md)"
        )
    made = service.copy(database, file)
    click.echo(f"{file}: {made.events:,} events, {made.size:,} bytes")
