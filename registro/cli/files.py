"""`registro files`: what messages bring besides their text."""

from __future__ import annotations

import json

import click

from registro.cli.common import FINDING, asynchronous, load_settings
from registro.services import running


@click.group()
def files() -> None:
    """Check the files that messages bring."""


@files.command()
@click.option("--json", "as_json", is_flag=True, help="The report as one JSON object.")
@click.pass_context
@asynchronous
async def verify(context: click.Context, as_json: bool) -> None:
    """Check that every file that the log names is there and unaltered, and no erased one is.

    Reads all of them. Exit code 1 when something was found.
    """
    async with running(load_settings()) as services:
        count, findings = await services.files.verify()
    if as_json:
        found = [finding._asdict() for finding in findings]
        click.echo(json.dumps({"ok": not findings, "files": count, "findings": found}))
    else:
        for finding in findings:
            click.echo(f"position {finding.position}: {finding.kind}: {finding.id}")
        verdict = f"{len(findings)} findings" if findings else "verified"
        click.echo(f"{verdict}: {count:,} files")
    if findings:
        context.exit(FINDING)
