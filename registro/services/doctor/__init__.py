"""Examines an installation: settings, database, log, projections, Redis, mail server,
clocks, files.

It is quick, looks at the log's end and not at all of it, and changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from registro import config
from registro.config import Settings
from registro.db.connection import DatabaseConnection
from registro.errors import SettingsError, StoreError
from registro.services.doctor import database, log, surroundings
from registro.services.doctor.check import Check, Report, failed, warning

PATIENCE = 20
"""Seconds that the database has for all that it is asked."""


async def examine(environ: Mapping[str, str], env_file: Path) -> Report:
    """Looks at everything; what cannot be looked at because of another failure is left out."""
    try:
        settings = config.load(environ, env_file, make_secret=False)
    except SettingsError as error:
        advice = "docs/settings.md explains each"
        return Report([failed("settings", problem, advice) for problem in error.problems])
    checks = [
        *surroundings.of_settings(settings),
        *surroundings.of_files(settings, env_file),
        *surroundings.of_machine(settings),
        *await surroundings.of_redis(settings),
        *await surroundings.of_mail(settings),
    ]
    try:
        async with asyncio.timeout(PATIENCE):
            checks += [check async for check in _stored(settings)]
    except TimeoutError:
        checks.append(
            failed("database", f"no answer in {PATIENCE} s", "see what keeps the database busy")
        )
    return Report(checks)


async def _stored(settings: Settings) -> AsyncIterator[Check]:
    path = settings.sqlite_path
    if path is not None and not path.exists():
        advice = "`registro migrate` makes it, and so does `registro serve`"
        yield warning("database", f"{path} is not there yet", advice)
        return
    connection = DatabaseConnection(settings.database_url, look=True)
    try:
        await connection.open()
    except StoreError as error:
        advice = "start it, or correct DATABASE_URL"
        yield failed("database", f"{settings.database_label}: {error}", advice)
        return
    try:
        async for check in database.examine(connection, settings):
            yield check
        tables = await database.migrated(connection)
        yield tables
        if tables.level == "failed":
            return
        async for check in database.guarded(connection):
            yield check
        async for check in log.examine(connection, settings):
            yield check
    except StoreError as error:
        yield failed("database", str(error), "see the database's own log")
    except Exception as error:  # noqa: BLE001 - whatever a damaged database makes of a query
        found = f"it cannot be examined: {type(error).__name__}: {error}"
        yield failed("database", found, "run `registro log verify`, or restore a backup")
    finally:
        await connection.close()
