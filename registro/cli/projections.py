"""`registro projections`: the tables that pages read, and whether they are what the log says."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from registro.cli.common import WrongUse, asynchronous, load_settings
from registro.cli.progress import Bar
from registro.events import record
from registro.projections.generations import Rebuilt, Status
from registro.services import projections as service
from registro.services.projections import UnknownProjection


@click.group()
def projections() -> None:
    """See, rebuild and verify what pages are made from."""


@projections.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@asynchronous
async def status(as_json: bool) -> None:
    """Show the version, position, lag, generation and size of each projection."""
    found = await service.status(load_settings())
    for one in found:
        click.echo(json.dumps(asdict(one)) if as_json else _line(one))


def _line(one: Status) -> str:
    version = f"version {one.version}"
    if one.version != one.code_version:
        version += f", this program has {one.code_version}"
    built = record.rfc3339(one.built_at, 1) if one.built_at else "never"
    return (
        f"{one.name:14} {one.state:9} {one.kind:10} position {one.position:,} (lag {one.lag:,}), "
        f"{one.rows:,} rows, generation {one.generation} built {built}, {version}"
    )


@projections.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@asynchronous
async def rebuild(names: tuple[str, ...]) -> None:
    """Build projections anew from the log (all without a NAME), while servers run.

    Until the end nothing changes for them; it can be interrupted. Exit code 1 when an event cannot
    be folded: the message has its position.
    """
    settings = load_settings()
    try:
        with Bar("rebuilding") as bar:
            done = await service.rebuild(settings, names, bar)
    except UnknownProjection as error:
        raise WrongUse(str(error)) from None
    click.echo(rebuilt(done))


def rebuilt(done: Rebuilt) -> str:
    """What a rebuild did, as a sentence."""
    rate = done.position / max(done.seconds, 1e-3)
    return (
        f"rebuilt {', '.join(done.names)} from {done.position:,} events in {done.seconds:.1f} s "
        f"({rate:,.0f}/s); appends waited {done.locked * 1000:.0f} ms"
    )
