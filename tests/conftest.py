"""Options and fixtures that all tests share."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from registro import config
from registro.config import Settings
from registro.services import Services, accounts
from tests.support.databases import DatabaseServers, migrate
from tests.support.server import Server

SECRET = "a secret of the tests that is long enough"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the tests marked `long`")
    group = parser.getgroup("tests/faults/test_random_delivery.py, with --long")
    group.addoption("--delivery-seconds", type=float, help="how long it goes on (default: 300)")
    group.addoption("--delivery-seed", type=int, help="what happens (default: something new)")
    parser.addoption("--soak-seconds", type=float, default=120, help="tests/faults/test_soak.py")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves the `long` tests out, unless they were asked for: they are deselected, not skipped."""
    if config.getoption("--long"):
        return
    kept = [item for item in items if item.get_closest_marker("long") is None]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@pytest.fixture(scope="session")
def database_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServers]:
    """Private database servers, started when first wanted and stopped at the end."""
    servers = DatabaseServers(tmp_path_factory.mktemp("databases"))
    yield servers
    servers.stop()


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Passwords are hashed at the least cost in the tests' own process. Servers and commands, which
    are processes, hash them as they always do."""
    cheap = partial(PasswordHasher, time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "PasswordHasher", cheap)
        yield


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database that has had the migrations, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "registro.db"
    asyncio.run(migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture(params=["sqlite", "mysql", "mariadb"])
def database_url(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    migrated_file: Path,
    database_servers: DatabaseServers,
) -> Iterator[str]:
    """A database of each kind that has had the migrations, and nothing else."""
    if request.param == "sqlite":
        yield f"sqlite:///{shutil.copy(migrated_file, tmp_path)}"
        return
    with database_servers.migrated_database(request.param) as url:
        yield url


@pytest.fixture(params=["sqlite", "mysql", "mariadb"])
def empty_database_url(
    request: pytest.FixtureRequest, tmp_path: Path, database_servers: DatabaseServers
) -> str:
    """A database of each kind without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/registro.db"
    return database_servers.new_database(request.param)


@pytest.fixture
def settings(database_url: str) -> Settings:
    return settings_for(database_url)


def settings_for(database_url: str, **more: str) -> Settings:
    environ = {"DATABASE_URL": database_url, "JWT_SECRET": SECRET} | more
    return config.load(environ, None)


@pytest.fixture
async def services(settings: Settings) -> AsyncIterator[Services]:
    """Running services over each kind of database."""
    services = Services(settings)
    await services.start()
    yield services
    await services.stop()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A real server process on a free port, over an SQLite database of its own, without the
    sample data."""
    with Server(tmp_path, {"JWT_SECRET": SECRET}) as server:
        yield server


os.environ.pop("DATABASE_URL", None)
# Nothing here speaks TLS, and httpx reads all certificate authorities for every client: 40 ms.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = os.devnull
