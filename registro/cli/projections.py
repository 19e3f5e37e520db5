"""`registro projections`: the tables that pages read, and whether they are what the log says."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from registro.cli.common import FINDING, WrongUse, asynchronous, load_settings
from registro.cli.progress import Bar
from registro.events import record
from registro.projections.comparing import Difference, Report
from registro.projections.generations import Rebuilt, Status
from registro.services import projections as service
from registro.services.projections import UnknownProjection

VALUE = 60
"""Characters of a value that are shown."""


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


@projections.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--json", "as_json", is_flag=True, help="The report as one JSON object.")
@click.pass_context
@asynchronous
async def verify(context: click.Context, names: tuple[str, ...], as_json: bool) -> None:
    """Fold the log afresh and compare every row, while servers run.

    Says which rows differ and how (the first 20 of each table). Exit code 1 when some do:
    `registro projections rebuild` puts them right.
    """
    settings = load_settings()
    try:
        with Bar("verifying") as bar:
            report = await service.verify(settings, names, bar)
    except UnknownProjection as error:
        raise WrongUse(str(error)) from None
    click.echo(_as_json(report) if as_json else _as_text(report))
    if not report.ok:
        context.exit(FINDING)


def _as_json(report: Report) -> str:
    differences = [
        one._asdict() | {"columns": [column._asdict() for column in one.columns]}
        for one in report.differences
    ]
    return json.dumps(
        {
            "ok": report.ok,
            "position": report.position,
            "rows": report.rows,
            "counts": report.counts,
            "differences": differences,
        }
    )


def _as_text(report: Report) -> str:
    lines = [_difference(one) for one in report.differences]
    lines += [
        f"{table}: {count:,} of {report.rows[table]:,} rows differ"
        for table, count in report.counts.items()
        if count
    ]
    verdict = "verified" if report.ok else f"{sum(report.counts.values()):,} rows differ"
    rate = report.position / max(report.seconds, 1e-3)
    lines.append(
        f"{verdict}: {sum(report.rows.values()):,} rows of {len(report.rows)} tables at position "
        f"{report.position:,} ({rate:,.0f} events/s)"
    )
    return "\n".join(lines)


def _difference(one: Difference) -> str:
    key = ", ".join(str(part) for part in one.key)
    columns = "; ".join(
        f"{column.name} is {_short(column.stored)}, the log says {_short(column.expected)}"
        for column in one.columns
    )
    return f"{one.table} ({key}): {one.kind}{': ' if columns else ''}{columns}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= VALUE else f"{text[:VALUE]}…"


def rebuilt(done: Rebuilt) -> str:
    """What a rebuild did, as a sentence."""
    rate = done.position / max(done.seconds, 1e-3)
    return (
        f"rebuilt {', '.join(done.names)} from {done.position:,} events in {done.seconds:.1f} s "
        f"({rate:,.0f}/s); appends waited {done.locked * 1000:.0f} ms"
    )
