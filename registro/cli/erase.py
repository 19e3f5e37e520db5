"""`registro erase`: payloads that have to go."""

from __future__ import annotations

import re
import time
from pathlib import Path

import click

from registro.cli.common import WrongUse, asynchronous, load_settings
from registro.events import record
from registro.events.types import COMMAND_LINE
from registro.services import Services, running
from registro.services.erasure import Plan

_DAYS = {"d": 1, "w": 7, "m": 30.4375, "y": 365.25}


@click.command()
@click.option(
    "--user", help="Erase a person: registration, sessions, desk conversation, all they wrote."
)
@click.option("--event", type=click.IntRange(1), help="Erase the event at this position.")
@click.option("--older-than", metavar="AGE", help="Erase what is older: 90d, 8w, 24m or 2y.")
@click.option("--type", "types", multiple=True, help="With --older-than: only types that begin so.")
@click.option(
    "--export", type=click.Path(path_type=Path), help="Export the events to this file first."
)
@click.option("--reason", default="", help="Why; it is recorded, so name nobody in it.")
@click.option("--yes", is_flag=True, help="Do it. Without this it is only shown.")
@asynchronous
async def erase(
    user: str | None,
    event: int | None,
    older_than: str | None,
    types: tuple[str, ...],
    export: Path | None,
    reason: str,
    yes: bool,
) -> None:
    """Erase payloads from the log, for good.

    Shows what would go, and does it only with --yes. The log still verifies afterwards: hashes
    stay, and an event says what was erased. Backups and binary logs are not touched
    (docs/operations.md).
    """
    if sum(choice is not None for choice in (user, event, older_than)) != 1:
        raise WrongUse("say one of --user, --event and --older-than")
    if older_than is not None and yes and export is None:
        raise WrongUse("with --older-than the events are exported first: say --export FILE")
    async with running(load_settings()) as services:
        plan = await _plan(services, user, event, older_than, types)
        for type_, count in plan.counts().items():
            click.echo(f"{count:8,}  {type_}")
        if not plan.rows:
            click.echo("nothing to erase")
        elif not yes:
            click.echo(f"{len(plan.rows):,} payloads would be erased; --yes does it")
        else:
            if export is not None:
                _export(plan, export)
            count = await services.erasures.carry_out(plan, reason, COMMAND_LINE)
            click.echo(f"{count:,} payloads erased")


async def _plan(
    services: Services,
    user: str | None,
    event: int | None,
    older_than: str | None,
    types: tuple[str, ...],
) -> Plan:
    if event is not None:
        return await services.erasures.of_event(event)
    if older_than is not None:
        moment = time.time_ns() // 1000 - _age(older_than)
        return await services.erasures.older_than(moment, types)
    person = await services.directory.by_user(user or "")
    if person is None:
        raise WrongUse(f"there is no user {user!r}")
    return await services.erasures.of_person(person)


def _age(text: str) -> int:
    """Microseconds. A month counts as a twelfth of a year."""
    match = re.fullmatch(r"([0-9]{1,6})([dwmy])", text)
    if match is None:
        raise WrongUse(f"--older-than {text}: expected a number and d, w, m or y, like 24m")
    return int(int(match[1]) * _DAYS[match[2]] * 86_400_000_000)


def _export(plan: Plan, path: Path) -> None:
    try:
        with path.open("xb") as file:
            file.writelines(record.to_line(row) + b"\n" for row in plan.rows)
    except OSError as error:
        raise WrongUse(f"{path}: {error.strerror}") from None
