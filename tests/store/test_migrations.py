"""Migrations: several processes at once, newer databases, and users with too few privileges."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from registro.db import migrations
from registro.db.connection import DatabaseConnection
from registro.errors import MigrationError
from registro.events.decide import DESK_NAME
from registro.events.verify import verify
from registro.projections import registry, runner
from registro.services import grants, running
from tests.conftest import SECRET, settings_for
from tests.support import logs
from tests.support.databases import DatabaseServers

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "a password of the tests"


def migrate_at_once(url: str, count: int) -> list[str]:
    """Runs as many `registro migrate` processes; what they said. All of them must succeed."""
    environ = {"DATABASE_URL": url, "JWT_SECRET": SECRET, "PYTHONPATH": str(ROOT)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "registro", "migrate"], env=environ, cwd="/",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for _ in range(count)
    ]  # fmt: skip
    said = sorted(process.communicate(timeout=90)[0] for process in processes)
    assert [process.returncode for process in processes] == [0] * count, said
    return said


async def test_five_processes_migrate_one_empty_database_at_once(empty_database_url: str) -> None:
    said = await asyncio.to_thread(migrate_at_once, empty_database_url, 5)
    assert said == [
        f"{len(migrations.MIGRATIONS)} migrations done\n",
        *["the database is up to date\n"] * 4,
    ]
    connection = await logs.open_database(empty_database_url)
    assert await connection.fetch_value("SELECT COUNT(*) FROM log_head") == 1
    assert await connection.fetch_value("SELECT COUNT(*) FROM secret") == 2
    await connection.close()


async def test_migrating_twice_does_nothing(empty_database_url: str) -> None:
    connection = await DatabaseConnection(empty_database_url).open()
    assert await migrations.migrate(connection, runner.ensure) == len(migrations.MIGRATIONS)
    secret = await connection.fetch_value("SELECT value FROM secret")
    assert await migrations.migrate(connection, runner.ensure) == 0
    assert await connection.fetch_value("SELECT value FROM secret") == secret
    await connection.close()


async def test_a_database_that_a_newer_program_migrated_is_refused(
    connection: DatabaseConnection,
) -> None:
    known = len(migrations.MIGRATIONS)
    await connection.execute(f"INSERT INTO migration (number, step) VALUES ({known + 1}, 0)")
    message = f"the database is at migration {known + 1}, this program knows {known}"
    with pytest.raises(MigrationError, match=message):
        await migrations.migrate(connection, runner.ensure)


async def test_a_projection_that_other_code_built_is_refused(
    connection: DatabaseConnection, database_url: str
) -> None:
    await connection.execute("UPDATE projection SET version = 99 WHERE name = 'messages'")
    with pytest.raises(MigrationError, match=r"has to build projections first \(messages\)"):
        async with running(settings_for(database_url)):
            pass


class User:
    """A database user, and a database for them, on one of the private servers."""

    def __init__(self, servers: DatabaseServers, kind: str) -> None:
        self.root_url = servers.new_database(kind)
        self._server = servers.get(kind)
        self.database = self.root_url.rpartition("/")[2]
        self.account = f"'u_{self.database}'@'%'"
        login = f"u_{self.database}:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{self._server.port}"
        self.url = f"mysql://{login}/{self.database}"

    async def execute(self, *statements: str) -> None:
        for statement in statements:
            self._server.execute(statement)

    async def create(self) -> None:
        await self.execute(f"CREATE USER {self.account} IDENTIFIED BY '{PASSWORD}'")

    async def grant(self, privileges: str, table: str = "*") -> None:
        await self.execute(f"GRANT {privileges} ON {self.database}.{table} TO {self.account}")


@pytest.fixture(params=["mysql", "mariadb"])
async def user(request: pytest.FixtureRequest, database_servers: DatabaseServers) -> User:
    user = User(database_servers, request.param)
    await user.create()
    return user


async def migrate_as(url: str) -> int:
    connection = await DatabaseConnection(url).open()
    try:
        return await migrations.migrate(connection, runner.ensure)
    finally:
        await connection.close()


TO_MIGRATE = "CREATE, ALTER, INDEX, SELECT, INSERT, UPDATE, DELETE"


@contextlib.asynccontextmanager
async def trusting(user: User) -> AsyncIterator[None]:
    """MySQL with binary logging lets people create triggers only so; MariaDB's is off at first."""
    await user.execute("SET GLOBAL log_bin_trust_function_creators = 1")
    try:
        yield
    finally:
        await user.execute("SET GLOBAL log_bin_trust_function_creators = 0")


deprecated = pytest.mark.filterwarnings("ignore:.*log_bin_trust_function_creators' is deprecated")


@deprecated
async def test_a_migration_without_the_trigger_privilege_says_so_and_goes_on_once_it_is_granted(
    user: User,
) -> None:
    await user.grant(TO_MIGRATE)
    async with trusting(user):
        with pytest.raises(MigrationError, match=r"lacks a privilege: docs/operations\.md") as told:
            await migrate_as(user.url)
        assert "TRIGGER command denied" in str(told.value)
        await user.grant("TRIGGER")
        assert await migrate_as(user.url) == len(migrations.MIGRATIONS)
        assert await migrate_as(user.url) == 0
    await use(user.url)


@deprecated
async def test_with_binary_logging_the_error_says_what_an_administrator_has_to_do(
    database_servers: DatabaseServers,
) -> None:
    user = User(database_servers, "mysql")
    await user.create()
    await user.grant(f"{TO_MIGRATE}, TRIGGER")
    with pytest.raises(MigrationError, match="SET GLOBAL log_bin_trust_function_creators = 1"):
        await migrate_as(user.url)
    async with trusting(user):
        assert await migrate_as(user.url) == len(migrations.MIGRATIONS)


async def use(url: str) -> None:
    """What a server does with its database, from logging in to erasing somebody."""
    async with running(settings_for(url), serve=True) as services:
        admin = await services.accounts.register("ada", "Ada", "admin", "form", "correct horse 7")
        person = await services.accounts.register("eva", "Eva", "user", "form", "battery staple 8")
        sending = await services.chat.send(person, DESK_NAME, "hola", "c-1", None, None)
        assert (await sending.stored()).version == 1
        await services.accounts.set_password(person, "another horse 9", by=admin.id)
        plan = await services.erasures.of_person(person)
        assert await services.erasures.carry_out(plan, "asked for it", by=admin.id) > 1
        async with services.readers.connection() as connection:
            report = await verify(connection)
            assert report.ok
            assert report.erased > 1


async def test_the_least_privileges_are_enough_for_all_but_migrations(user: User) -> None:
    await migrate_as(user.root_url)
    await grants.grant(user.root_url, user.account)
    await use(user.url)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM log_event",
        "UPDATE log_event SET type = 'x'",
        "TRUNCATE log_event",
        "DROP TABLE log_event",
        "DROP TRIGGER log_event_no_delete",
        "DELETE FROM log_node",
        "INSERT INTO log_head (id, position, recorded_at, frontier) VALUES (2, 0, 0, '')",
    ],
)
async def test_with_the_least_privileges_the_log_cannot_be_changed(
    user: User, statement: str
) -> None:
    connection = await logs.open_database(user.root_url)
    await connection.close()
    await grants.grant(user.root_url, user.account)
    connection = await DatabaseConnection(user.url).open()
    with pytest.raises(Exception, match="denied"):
        await connection.execute(statement)
    await connection.close()


async def test_a_projection_whose_building_crashed_is_built_anew(database_url: str) -> None:
    connection = await DatabaseConnection(database_url).open()
    try:
        await migrations.migrate(connection, runner.ensure)
        await connection.execute("DELETE FROM projection WHERE name = 'messages'")
        await migrations.migrate(connection, runner.ensure)
        names = await connection.fetch_all("SELECT name FROM projection ORDER BY name")
        assert [row[0] for row in names] == sorted(p.name for p in registry.ALL)
    finally:
        await connection.close()
