"""`registro replay`."""

from __future__ import annotations

from pathlib import Path

import click

from registro.cli.common import WrongUse, asynchronous, load_settings
from registro.cli.progress import Bar
from registro.events import record
from registro.projections.builder import Progress
from registro.services import Services
from registro.services import replay as service
from registro.services.replay import ExportSource, Made, ReplayError


@click.command()
@click.option("--until", required=True, help="The last position, or a time (RFC 3339).")
@click.option("--to", type=click.Path(path_type=Path), required=True, help="The file to make.")
@click.option(
    "--from",
    "export",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An exported log to replay, instead of the database.",
)
@asynchronous
async def replay(until: str, to: Path, export: Path | None) -> None:
    """Write what everything was at a position or a time to an SQLite file.

    It holds the log up to there and the projections as they stood; `registro serve --replay FILE`
    shows the pages from it. What was erased since is erased in it.
    """
    position, moment = _until(until)
    try:
        with Bar("replaying") as bar:
            made = await _make(to, export, position, moment, bar)
    except (ReplayError, ValueError) as error:
        raise WrongUse(str(error)) from None
    click.echo(_told(made, to))


def _until(text: str) -> tuple[int | None, int | None]:
    if text.isascii() and text.isdecimal():
        return int(text), None
    try:
        return None, record.parse_rfc3339(text)
    except ValueError:
        raise WrongUse(
            f"--until {text}: expected a position like 1234 or a time like 2026-03-03T14:00:00Z"
        ) from None


async def _make(
    to: Path, export: Path | None, position: int | None, moment: int | None, progress: Progress
) -> Made:
    if export is not None:
        return await service.make(
            ExportSource(export), to, position=position, moment=moment, progress=progress
        )
    settings = load_settings()
    await Services(settings).migrate()
    async with service.database(settings.database_url) as source:
        return await service.make(source, to, position=position, moment=moment, progress=progress)


def _told(made: Made, to: Path) -> str:
    shown = made.replay
    at = record.rfc3339(shown.recorded_at) if shown.position else "the beginning"
    rate = shown.position / max(made.copying + made.folding, 1e-3)
    return (
        f"{to}: {shown.position:,} of {shown.source_position:,} events, until {at}, "
        f"root {made.root} ({rate:,.0f} events/s)"
    )
