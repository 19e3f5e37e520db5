"""`registro migrate`."""

from __future__ import annotations

import click

from registro.cli.common import asynchronous, load_settings
from registro.cli.progress import Bar
from registro.cli.projections import rebuilt
from registro.services import projections


@click.command()
@asynchronous
async def migrate() -> None:
    """Bring the database to this version of the program.

    Projections that another version built are rebuilt, beside servers that run. Safe to run twice,
    and by several processes. `registro serve` does all but rebuilding when it starts.
    """
    with Bar("building projections") as bar:
        done, built = await projections.migrate(load_settings(), bar)
    click.echo(f"{done} migrations done" if done else "the database is up to date")
    if built is not None:
        click.echo(rebuilt(built))
