"""`registro log`: reading and checking the log."""

from __future__ import annotations

import json
import sys
import time
from typing import BinaryIO

import click

from registro.cli.common import FINDING, asynchronous, load_settings
from registro.events import record, store
from registro.events.verify import Report
from registro.events.verify import verify as verify_log
from registro.services import running


@click.group()
def log() -> None:
    """Read, export and verify the log."""


@log.command()
@click.option(
    "--to", "target", type=click.File("wb"), default="-", help="File (default: standard output)."
)
@asynchronous
async def export(target: BinaryIO) -> None:
    """Write the whole log, one JSON object a line (docs/events.md)."""
    async with running(load_settings()) as services, services.readers.connection() as connection:
        async for row in store.stream_log(connection):
            target.write(record.to_line(row) + b"\n")


@log.command()
@click.option("--json", "as_json", is_flag=True, help="The report as one JSON object.")
@click.pass_context
@asynchronous
async def verify(context: click.Context, as_json: bool) -> None:
    """Check that nothing in the log was altered, lost or reordered.

    Exit code 1 when something was found. An end that was cut off, or rewritten with fresh hashes,
    is seen only by comparing with a root that was kept elsewhere.
    """
    started = time.monotonic()
    show = sys.stderr.isatty() and not as_json
    async with running(load_settings()) as services, services.readers.connection() as connection:
        report = await verify_log(
            connection, lambda done, total: _progress(done, total, started) if show else None
        )
    if show:
        click.echo(err=True)
    click.echo(_as_json(report) if as_json else _as_text(report))
    if not report.ok:
        context.exit(FINDING)


def _progress(done: int, total: int, started: float) -> None:
    rate = done / max(time.monotonic() - started, 1e-3)
    click.echo(f"\r{done:,} of {total:,} events, {rate:,.0f}/s", nl=False, err=True)


def _as_json(report: Report) -> str:
    findings = [finding._asdict() for finding in report.findings]
    return json.dumps(
        {
            "ok": report.ok,
            "events": report.events,
            "erased": report.erased,
            "root": report.root,
            "findings": findings,
        }
    )


def _as_text(report: Report) -> str:
    lines = [f"position {f.position}: {f.kind}: {f.detail}" for f in report.findings]
    verdict = "verified" if report.ok else f"{len(lines)} findings"
    lines.append(
        f"{verdict}: {report.events:,} events, {report.erased:,} erased, root {report.root}"
    )
    return "\n".join(lines)
