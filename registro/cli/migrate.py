"""`registro migrate`."""

from __future__ import annotations

import click

from registro.cli.common import WrongUse, asynchronous, load_settings
from registro.cli.progress import Bar
from registro.cli.projections import rebuilt
from registro.services import grants, projections


@click.command()
@click.option(
    "--grant",
    "user",
    help="Then give this user of MySQL or MariaDB, NAME or NAME@HOST, what a server needs.",
)
@asynchronous
async def migrate(user: str | None) -> None:
    """Bring the database to this version of the program.

    Projections that another version built are rebuilt, beside servers that run. Safe to run twice,
    and by several processes. `registro serve` does all but rebuilding when it starts.
    """
    account = None if user is None else _account(user)
    settings = load_settings()
    with Bar("building projections") as bar:
        done, built = await projections.migrate(settings, bar)
    click.echo(f"{done} migrations done" if done else "the database is up to date")
    if built is not None:
        click.echo(rebuilt(built))
    if account is not None:
        tables = await grants.grant(settings.database_url, account)
        click.echo(f"{account} may use {tables} tables as a server does")


def _account(user: str) -> str:
    try:
        return grants.account(user)
    except ValueError as error:
        raise WrongUse(str(error)) from None
