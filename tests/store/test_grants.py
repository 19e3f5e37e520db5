"""deploy/mysql/users.sh and `registro migrate --grant`: a server's user with what it needs."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from registro.db.connection import DatabaseConnection
from registro.errors import StoreError
from registro.services import grants
from tests.store.test_migrations import ROOT, migrate_as, use
from tests.support.databases import DatabaseServers

PASSWORD = "0123456789abcdef"


@pytest.mark.parametrize("kind", ["mysql", "mariadb"])
async def test_the_least_privileges_are_granted_by_one_command(
    kind: str, database_servers: DatabaseServers, tmp_path: Path
) -> None:
    root = database_servers.new_database(kind)
    await migrate_as(root)
    server, database = root.removeprefix("mysql://root@").split("/")
    await asyncio.to_thread(run_users_script, server.partition(":")[2], database, tmp_path)
    said = await asyncio.to_thread(grant_as, f"registro_migrations:{PASSWORD}@{server}/{database}")
    assert "'registro'@'%' may use" in said
    url = f"mysql://registro:{PASSWORD}@{server}/{database}"
    await use(url)
    connection = await DatabaseConnection(url).open()
    for statement in ("DELETE FROM log_event", "TRUNCATE log_event", "DROP TABLE log_event"):
        with pytest.raises(Exception, match="denied"):
            await connection.execute(statement)
    await connection.close()


def grant_as(login: str) -> str:
    environ = {"DATABASE_URL": f"mysql://{login}", "JWT_SECRET": PASSWORD * 2}
    command = [sys.executable, "-m", "registro", "migrate", "--grant", "registro"]
    return subprocess.run(
        command, env=environ | {"PYTHONPATH": str(ROOT)}, cwd="/", check=True,
        capture_output=True, text=True,
    ).stdout  # fmt: skip


def run_users_script(port: str, database: str, folder: Path) -> None:
    """As MySQL's container does; `mysql` is the client that is here."""
    (folder / "password").write_text(PASSWORD)
    client = folder / "mysql"
    client.write_text(
        "#!/bin/sh\n"
        f"exec mariadb --no-defaults --protocol=tcp --host=127.0.0.1 --port={port} --user=root\n"
    )
    client.chmod(0o755)
    text = (ROOT / "deploy/mysql/users.sh").read_text().replace("registro.*", f"{database}.*")
    names = ("MYSQL_ROOT", "REGISTRO", "REGISTRO_MIGRATIONS")
    files = {f"{name}_PASSWORD_FILE": str(folder / "password") for name in names}
    environ = {"PATH": f"{folder}:{os.environ['PATH']}"} | files
    subprocess.run(["sh", "-euc", text], env=environ, check=True)


async def test_sqlite_has_nobody_to_grant_anything_to(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="SQLite has no users"):
        await grants.grant(f"sqlite:///{tmp_path}/registro.db", "'a'@'%'")


@pytest.mark.parametrize("text", ["", "a b", "a'@'%", "a@", "a@b c", "a;DROP TABLE x"])
def test_what_is_no_account_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected NAME or NAME@HOST"):
        grants.account(text)
