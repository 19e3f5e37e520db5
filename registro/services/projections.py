"""Projections from outside a server: bringing the database up to date, what state it is in."""

from __future__ import annotations

from collections.abc import Sequence

from registro.config import Settings
from registro.db.connection import DatabaseConnection
from registro.errors import RegistroError
from registro.projections import comparing, generations, registry
from registro.projections.builder import Progress
from registro.projections.comparing import Report
from registro.projections.generations import Rebuilt, Status
from registro.projections.projection import Projection
from registro.services import Services


class UnknownProjection(RegistroError):
    """There is no projection of this name."""


def named(names: Sequence[str]) -> Sequence[Projection]:
    """Projections by name; all of them without one. Raises UnknownProjection."""
    unknown = [name for name in names if name not in registry.BY_NAME]
    if unknown:
        raise UnknownProjection(
            f"there is no projection {unknown[0]!r}: expected some of {', '.join(registry.BY_NAME)}"
        )
    return [registry.BY_NAME[name] for name in dict.fromkeys(names)] or registry.ALL


async def migrate(settings: Settings, progress: Progress) -> tuple[int, Rebuilt | None]:
    """Brings a database to this version of the program: its tables, then the projections that other
    code built. Returns how many migrations that took, and what was rebuilt."""
    done = await Services(settings).migrate()
    connection = await DatabaseConnection(settings.database_url).open()
    try:
        outdated = await generations.outdated(connection)
    finally:
        await connection.close()
    if not outdated:
        return done, None
    return done, await generations.rebuild(settings.database_url, outdated, progress)


async def rebuild(settings: Settings, names: Sequence[str], progress: Progress) -> Rebuilt:
    """Rebuilds projections while servers run; see `generations.rebuild`."""
    chosen = named(names)
    await Services(settings).migrate()
    return await generations.rebuild(settings.database_url, chosen, progress)


async def verify(settings: Settings, names: Sequence[str], progress: Progress) -> Report:
    """Compares projections with the log; see `comparing.verify`."""
    chosen = named(names)
    await Services(settings).migrate()
    return await comparing.verify(settings.database_url, chosen, progress)


async def status(settings: Settings) -> Sequence[Status]:
    """The state of every projection."""
    await Services(settings).migrate()
    connection = await DatabaseConnection(settings.database_url).open()
    try:
        return await generations.status(connection)
    finally:
        await connection.close()
