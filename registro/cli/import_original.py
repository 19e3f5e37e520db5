"""`registro import-original`: accounts and messages of the original, from its MySQL database."""

from __future__ import annotations

import json
import sys
import time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from registro.cli.common import FINDING, WrongUse, asynchronous, load_settings
from registro.services import running
from registro.services.importing import REASONS, Importer, Report, SourceError, opened

LINE_SECONDS = 10
"""Between lines of progress where there is no terminal."""


@click.command("import-original")
@click.option(
    "--from", "url", required=True, envvar="ORIGINAL_URL",
    help="The original's database, mysql://user:password@host:port/name; or ORIGINAL_URL.",
)  # fmt: skip
@click.option(
    "--timezone", "zone", default="UTC", show_default=True,
    help="Zone of the times there, such as Europe/Madrid (TIMESTAMP columns know theirs).",
)  # fmt: skip
@click.option(
    "--source", default="original", show_default=True,
    help="A name for that database; rows of two of them are told apart by it.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would be done.")
@click.option("--partial", is_flag=True, help="Import what can be, although some rows cannot.")
@click.option("--json", "as_json", is_flag=True, help="The report as one JSON object.")
@click.pass_context
@asynchronous
async def import_original(
    context: click.Context,
    url: str,
    zone: str,
    source: str,
    dry_run: bool,
    partial: bool,
    as_json: bool,
) -> None:
    """Bring the accounts and messages of the original into the log, with their times.

    Everything is looked at first. When some rows cannot be imported, nothing is, unless --partial
    says so; exit code 1. Running it again imports what is new there and doubles nothing.
    """
    timezone = _zone(zone)
    if not url.startswith("mysql://"):
        raise WrongUse("--from: expected mysql://user:password@host:port/name")
    if not source.isascii() or not 1 <= len(source) <= 40 or ":" in source:
        raise WrongUse("--source: expected 1 to 40 ASCII characters without a colon")
    progress = _Progress()
    try:
        async with running(load_settings()) as services, opened(url, timezone) as original:
            importer = Importer(services, original, source, progress.show)
            report = await importer.run(write=False)
            done = not dry_run and (report.ok or partial)
            if done:
                report = await importer.run(write=True)
    except SourceError as error:
        raise WrongUse(str(error)) from None
    progress.end()
    click.echo(_as_json(report, done) if as_json else _as_text(report, done, dry_run))
    if not report.ok and not (done and partial):
        context.exit(FINDING)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise WrongUse(f"--timezone: there is no zone {name!r}") from None


class _Progress:
    """Says how far it is on standard error: in one line on a terminal, else now and then."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._started = self._said = time.monotonic()

    def show(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if not self._terminal and now - self._said < LINE_SECONDS:
            return
        self._said = now
        of = f" of {total:,}" if total else ""
        rate = done / max(now - self._started, 1e-3)
        text = f"{done:,}{of} {what}, {rate:,.0f}/s"
        click.echo(f"\r{text}\x1b[K" if self._terminal else text, nl=not self._terminal, err=True)

    def end(self) -> None:
        if self._terminal:
            click.echo(err=True)


def _as_json(report: Report, done: bool) -> str:
    return json.dumps(
        {
            "ok": report.ok,
            "imported": done,
            "users": {"new": report.users, "present": report.users_present},
            "messages": {"new": report.messages, "present": report.messages_present},
            "images": report.images,
            "problems": dict(report.reasons),
            "examples": [problem._asdict() for problem in report.examples],
        },
        ensure_ascii=False,
    )


def _as_text(report: Report, done: bool, dry_run: bool) -> str:
    lines = []
    for reason, count in sorted(report.reasons.items()):
        keys = [f"{one.table} {one.key!r}" for one in report.examples if one.reason == reason]
        more = ", …" if count > len(keys) else ""
        lines.append(f"cannot be imported, {count:,}: {REASONS[reason]}")
        lines.append(f"    {', '.join(keys)}{more}")
    if report.images:
        lines.append(f"pictures that stay behind: {report.images:,}")
    verb = "imported" if done else "to import"
    lines.append(
        f"{verb}: {report.users:,} users and {report.messages:,} messages;"
        f" there already: {report.users_present:,} and {report.messages_present:,}"
    )
    if not done and not dry_run:
        lines.append("nothing was imported; --partial imports the rest")
    return "\n".join(lines)
