"""`registro doctor`."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from registro.cli.common import FINDING, asynchronous

if TYPE_CHECKING:
    from registro.services.doctor.check import Check

COLOURS = {"ok": "green", "warning": "yellow", "failed": "red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The report as one JSON object.")
@click.pass_context
@asynchronous
async def doctor(context: click.Context, as_json: bool) -> None:
    """Examine settings, database, log, projections, Redis and clocks, and say what to do.

    It changes nothing. Exit code 1 when something failed; warnings alone give 0.
    """
    from registro.services import doctor as service  # Redis comes with it, which others do without

    report = await service.examine(os.environ, Path(".env"))
    if as_json:
        checks = [asdict(check) for check in report.checks]
        click.echo(json.dumps({"ok": report.ok, "checks": checks}, ensure_ascii=False))
    else:
        for check in report.checks:
            click.echo(_line(check))
        click.echo(_verdict(report.checks))
    if not report.ok:
        context.exit(FINDING)


def _line(check: Check) -> str:
    level = click.style(f"{check.level:8}", fg=COLOURS[check.level])
    advice = f"\n{'':9}→ {check.advice}" if check.advice else ""
    return f"{level} {check.name}: {check.found}{advice}"


def _verdict(checks: Sequence[Check]) -> str:
    levels = [check.level for check in checks]
    counts = ((levels.count("failed"), "failed"), (levels.count("warning"), "to be looked at"))
    said = ", ".join(f"{number} {what}" for number, what in counts if number)
    return said or "Everything is as it should be."
