"""`registro fixtures`: the sample data."""

from __future__ import annotations

import click

from registro.cli.common import asynchronous, load_settings
from registro.services import fixtures as sample
from registro.services import running


@click.group()
def fixtures() -> None:
    """The sample support desk."""


@fixtures.command()
@asynchronous
async def load() -> None:
    """Load the sample log into an empty database.

    Prints the demo password, which works on loopback only.
    """
    async with running(load_settings()) as services:
        count, password = await sample.load(services)
        logins = await sample.demo_logins(services)
    click.echo(f"{count} events loaded. Demo password: {password}")
    for user, role in logins:
        click.echo(f"  {role:5} {user}")
