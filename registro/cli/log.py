"""`registro log`: reading, exporting, importing and checking the log."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import click

from registro.cli.common import FINDING, WrongUse, asynchronous, load_settings
from registro.events import note, reader, record, store
from registro.events.note import Checkpoint
from registro.events.record import Recorded
from registro.events.types import COMMAND_LINE
from registro.events.verify import Report
from registro.events.verify import verify as verify_log
from registro.projections import runner
from registro.services import Services, fixtures, running
from registro.services.audit import Filter

FOLLOW_SECONDS = 0.5
FOLLOW_ROWS = 1000


@click.group()
def log() -> None:
    """Read, export, import and verify the log."""


@log.command()
@click.option(
    "-n", "count", type=click.IntRange(0), default=20, show_default=True, help="How many events."
)
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes.")
@click.option("--stream", help="Only this stream.")
@click.option("--type", "types", multiple=True, help="Only types that begin so; may be repeated.")
@click.option("--user", help="Only events that concern this user, by name or id.")
@click.option("--conversation", help="Only events that concern the conversation of this id.")
@click.option("--session", help="Only events that concern the session with this key.")
@click.option("--since", help="Only from this time on (RFC 3339).")
@click.option("--until", help="Only before this time (RFC 3339).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, as in an export.")
@asynchronous
async def tail(count: int, follow: bool, as_json: bool, **wanted: Any) -> None:
    """Show the end of the log."""
    async with running(load_settings()) as services:
        filter_ = await _filter(services, **wanted)
        page = await services.audit.page(filter_, limit=count)
        for row in reversed(page.rows):
            _show(row, as_json)
        after = page.rows[0].position if page.rows else await services.audit.end()
        while follow:
            page = await services.audit.page(filter_, after=after, limit=FOLLOW_ROWS)
            for row in reversed(page.rows):
                _show(row, as_json)
                after = row.position
            if len(page.rows) < FOLLOW_ROWS:
                await asyncio.sleep(FOLLOW_SECONDS)


async def _filter(
    services: Services, *, user: str | None, since: str | None, until: str | None, **wanted: Any
) -> Filter:
    if wanted["stream"] and wanted["conversation"]:
        raise WrongUse("--stream and --conversation: one of them, a conversation is two streams")
    user_id = None if user is None else await _user_id(services, user)
    return Filter(**wanted, user=user_id, since=_moment(since), until=_moment(until))


async def _user_id(services: Services, user: str) -> str:
    person = await services.directory.by_user(user)
    if person is not None:
        return person.id
    try:
        return str(UUID(user))  # somebody who was erased has an id, and no name
    except ValueError:
        raise WrongUse(f"there is no user {user!r}") from None


def _moment(text: str | None) -> int | None:
    try:
        return None if text is None else record.parse_rfc3339(text)
    except ValueError as error:
        raise WrongUse(f"{error}: expected a time like 2026-03-03T14:00:00Z") from None


def _show(row: Recorded, as_json: bool) -> None:
    if as_json:
        click.echo(record.to_line(row))
    else:
        payload = "(erased)" if row.payload is None else row.payload.decode()
        at = record.rfc3339(row.recorded_at, 3)
        click.echo(f"{row.position:9} {at} {row.type:26} {row.stream} {row.version} {payload}")


@log.command()
@click.argument("position", type=click.IntRange(1))
@asynchronous
async def show(position: int) -> None:
    """Show one event in full."""
    async with running(load_settings()) as services, services.readers.connection() as connection:
        rows = await reader.read(connection, position - 1, limit=1)
    if not rows or rows[0].position != position:
        raise WrongUse(f"there is no position {position}")
    click.echo(json.dumps(json.loads(record.to_line(rows[0])), ensure_ascii=False, indent=2))


@log.command()
@click.option(
    "--to", "target", type=click.File("wb"), default="-", help="File (default: standard output)."
)
@asynchronous
async def export(target: BinaryIO) -> None:
    """Write the whole log, one JSON object a line (docs/events.md)."""
    async with running(load_settings()) as services, services.readers.connection() as connection:
        async for row in reader.stream_log(connection):
            target.write(record.to_line(row) + b"\n")


@log.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@asynchronous
async def import_(file: Path) -> None:
    """Bring an exported log into an empty database, with its positions, ids, times and hashes."""
    services = Services(load_settings())
    await services.migrate()
    connection = await services.connection().open()
    try:
        head = await store.load(connection, lambda: fixtures.read_log(file), fold=runner.fold)
    except ValueError as error:
        raise WrongUse(str(error)) from None
    finally:
        await connection.close()
    click.echo(f"{head.position:,} events imported, root {head.frontier.root().hex()}")


@log.command()
@click.option("--checkpoint", "files", multiple=True, type=click.Path(exists=True, path_type=Path),
              help="A checkpoint, or a folder of them, that the log must agree with.")  # fmt: skip
@click.option("--verifier", help="The public key that must have signed the checkpoints.")
@click.option("--record", "recorded", is_flag=True, help="Record in the log what was found.")
@click.option("--json", "as_json", is_flag=True, help="The report as one JSON object.")
@click.pass_context
@asynchronous
async def verify(
    context: click.Context,
    files: tuple[Path, ...],
    verifier: str | None,
    recorded: bool,
    as_json: bool,
) -> None:
    """Check that nothing in the log was altered, lost or reordered.

    Exit code 1 when something was found. An end that was cut off, or rewritten with fresh hashes,
    is seen only with a checkpoint that was kept elsewhere.
    """
    checkpoints = _checkpoints(files, verifier)
    started = time.monotonic()
    show = sys.stderr.isatty() and not as_json
    async with running(load_settings()) as services:
        async with services.readers.connection() as connection:
            report = await verify_log(
                connection,
                checkpoints,
                lambda done, total: _progress(done, total, started) if show else None,
            )
        if recorded:
            await services.evidence.record(report, COMMAND_LINE)
    if show:
        click.echo(err=True)
    click.echo(_as_json(report) if as_json else _as_text(report))
    if not report.ok:
        context.exit(FINDING)


def _checkpoints(files: Sequence[Path], verifier: str | None) -> list[Checkpoint]:
    key = None if verifier is None else note.parse_verifier(verifier)
    paths = [
        path
        for file in files
        for path in (sorted(file.glob("*.checkpoint")) if file.is_dir() else [file])
    ]
    texts = [path.read_text("utf-8") for path in paths]
    return [
        note.parse_checkpoint(text if key is None else note.open_note(text, key)) for text in texts
    ]


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
            "checkpoints": report.held,
            "findings": findings,
        }
    )


def _as_text(report: Report) -> str:
    lines = [f"position {f.position}: {f.kind}: {f.detail}" for f in report.findings]
    verdict = "verified" if report.ok else f"{len(lines)} findings"
    held = f", {len(report.held)} checkpoints hold" if report.held else ""
    lines.append(
        f"{verdict}: {report.events:,} events, {report.erased:,} erased{held}, root {report.root}"
    )
    return "\n".join(lines)
