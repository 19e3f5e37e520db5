"""`registro migrate`."""

from __future__ import annotations

import click

from registro.cli.common import asynchronous, load_settings
from registro.services import Services


@click.command()
@asynchronous
async def migrate() -> None:
    """Bring the database to this version of the program.

    `registro serve` does the same when it starts. Safe to run twice, and by several processes.
    """
    services = Services(load_settings())
    done = await services.migrate()
    click.echo(f"{done} migrations done" if done else "the database is up to date")
