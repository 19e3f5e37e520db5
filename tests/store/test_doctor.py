"""`registro doctor` finds what is wrong with real set-ups, and says what to do."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from registro.cli import main
from registro.db.connection import DatabaseConnection
from registro.events import note
from registro.events.note import Checkpoint
from registro.events.verify import verify
from registro.services import checkpoints, doctor, grants
from registro.services.doctor.check import Report
from tests.conftest import SECRET
from tests.store.test_migrations import User, migrate_as, use
from tests.support.databases import DatabaseServers, free_port
from tests.support.mailserver import MailServer
from tests.support.redis import RedisServer

SAFE = {"JWT_SECRET": SECRET}


async def examined(url: str, **more: str) -> Report:
    return await doctor.examine(SAFE | {"DATABASE_URL": url} | more, Path("/no/.env"))


def levels(report: Report, name: str) -> set[str]:
    return {check.level for check in report.checks if check.name == name}


def told(report: Report, level: str) -> str:
    """What is said of all checks of a level, with the advice."""
    return "\n".join(
        f"{check.name}: {check.found} → {check.advice}"
        for check in report.checks
        if check.level == level
    )


@pytest.fixture
async def used(tmp_path: Path) -> str:
    """An SQLite database with something in it."""
    url = f"sqlite:///{tmp_path}/registro.db"
    await use(url)
    (tmp_path / "registro.db").chmod(0o600)
    return url


def change(tmp_path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(tmp_path / "registro.db", isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)


def bytes_of(folder: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def test_a_sound_installation_has_nothing_but_no_checkpoints(
    used: str, tmp_path: Path
) -> None:
    before = bytes_of(tmp_path)
    report = await examined(used)
    assert report.ok
    assert {c.name for c in report.checks if c.level == "warning"} == {"checkpoints"}, report
    assert {"database", "migrations", "triggers", "log", "projections", "disk"} <= {
        check.name for check in report.checks if check.level == "ok"
    }
    assert bytes_of(tmp_path) == before


async def test_what_is_not_there_is_not_made(tmp_path: Path) -> None:
    environ = {"DATABASE_URL": f"sqlite:///{tmp_path}/none.db"}
    report = await doctor.examine(environ, Path("/no/.env"))
    assert report.ok
    assert "none.db is not there yet → `registro migrate` makes it" in told(report, "warning")
    assert bytes_of(tmp_path) == {}


async def test_wrong_settings_are_told_all_at_once(tmp_path: Path) -> None:
    report = await examined(f"sqlite:///{tmp_path}/x.db", PORT="x", REGISTRO_QUEUE_LIMIT="0")
    assert len(report.checks) == 2
    assert "PORT='x': expected a whole number" in told(report, "failed")


async def test_unsafe_settings_are_told(used: str, tmp_path: Path) -> None:
    (tmp_path / "registro.db").chmod(0o644)
    public = told(await examined(used, HOST="0.0.0.0"), "warning")
    assert "set REGISTRO_ENV=production" in public
    assert "chmod 600" in public
    report = await examined(used, REGISTRO_ENV="production", REGISTRO_MESSAGE_RATE="0")
    said = told(report, "warning")
    assert "REGISTRO_MESSAGE_RATE=0: one client can take all" in said
    assert "REGISTRO_TRUSTED_PROXIES=0" in said
    assert SECRET not in repr(report)


async def test_a_log_without_its_triggers_is_told(used: str, tmp_path: Path) -> None:
    change(tmp_path, "DROP TRIGGER log_event_no_update")
    report = await examined(used)
    assert not report.ok
    assert "triggers: missing: log_event_no_update" in told(report, "failed")


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE log_event SET payload = X'7B7D' WHERE salt IS NOT NULL", "the payload is not"),
        ("UPDATE log_event SET salt = NULL WHERE salt IS NOT NULL", "belong together"),
        ("UPDATE log_event SET stream = 'user/x' WHERE position = 4", "position 4: the envelope"),
        ("DELETE FROM log_event WHERE position = 3", "position 4: out of order"),
        ("UPDATE log_head SET frontier = zeroblob(length(frontier))", "the head's root is not"),
        ("UPDATE log_head SET position = 8, frontier = zeroblob(32)", "the last row at"),
        ("DELETE FROM log_head", "the log has no head row"),
    ],
)
async def test_a_damaged_end_of_the_log_is_told(
    used: str, tmp_path: Path, damage: str, found: str
) -> None:
    triggers = "DROP TRIGGER log_event_no_update", "DROP TRIGGER log_event_no_delete"
    change(tmp_path, *triggers, damage)
    report = await examined(used)
    assert not report.ok
    assert found in told(report, "failed")
    assert "run `registro log verify`" in told(report, "failed")


async def test_a_checkpoint_that_the_log_does_not_agree_with_is_told(
    used: str, tmp_path: Path
) -> None:
    key, target = tmp_path / "key", tmp_path / "newest"
    checkpoints.new_key(key, "e.org/x")
    settings = {"REGISTRO_CHECKPOINT_KEY": str(key), "REGISTRO_CHECKPOINT_TO": str(target)}
    assert "checkpoints: there is none yet" in told(await examined(used, **settings), "warning")
    for size, found in ((3, "is not the one that"), (999_999, "has fewer events than")):
        checkpoint = Checkpoint("e.org/x", size, bytes(32))
        target.write_text(note.sign(checkpoint.text(), checkpoints.read_key(key)))
        assert found in told(await examined(used, **settings), "failed")
    target.write_text("nothing of the kind")
    assert levels(await examined(used, **settings), "checkpoints") == {"failed"}


async def test_projections_of_another_version_and_migrations_are_told(
    used: str, tmp_path: Path
) -> None:
    change(tmp_path, "UPDATE projection SET version = 99 WHERE name = 'messages'")
    report = await examined(used)
    assert "built by other code: messages → run `registro migrate`" in told(report, "failed")
    change(tmp_path, "INSERT INTO migration (number, step) VALUES (999, 0)")
    assert "run the newer version" in told(await examined(used), "failed")


async def test_a_log_from_the_future_is_told(used: str, tmp_path: Path) -> None:
    change(tmp_path, "UPDATE log_head SET recorded_at = recorded_at + 3600000000")
    assert "let NTP set the clock" in told(await examined(used), "warning")


async def test_redis_is_asked_where_it_is_configured(used: str, tmp_path: Path) -> None:
    with RedisServer(tmp_path) as redis:
        assert levels(await examined(used, REDIS_URL=redis.url), "redis") == {"ok"}
    away = await examined(used, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    assert not away.ok
    assert "redis: it does not answer: ConnectionError → start it" in told(away, "failed")


async def test_the_mail_server_is_asked_to_let_us_in(used: str) -> None:
    with MailServer() as server:
        more = {"REGISTRO_MAIL_FROM": "d@example.org", "REGISTRO_PUBLIC_URL": "https://d.example"}
        url = f"smtp://127.0.0.1:{server.port}?tls=no"
        report = await examined(used, REGISTRO_SMTP_URL=url, **more)
        assert levels(report, "mail server") == {"ok"}
        # It offers no STARTTLS, so what we log in with is not said.
        url = f"smtp://me:hidden-word@127.0.0.1:{server.port}"
        refused = await examined(used, REGISTRO_SMTP_URL=url, **more)
        assert server.logins == server.mails == []
    assert not refused.ok
    assert "correct REGISTRO_SMTP_URL" in told(refused, "failed")
    assert "hidden-word" not in repr(refused)


async def test_a_database_that_is_away_is_told_without_its_password() -> None:
    report = await examined(f"mysql://me:hidden-word@127.0.0.1:{free_port()}/registro")
    assert levels(report, "database") == {"failed"}
    assert "hidden-word" not in repr(report)


@pytest.fixture(params=["mysql", "mariadb"])
async def server_user(request: pytest.FixtureRequest, database_servers: DatabaseServers) -> User:
    """A database that root has migrated, and a user who may do what a server has to."""
    user = User(database_servers, request.param)
    await user.create()
    await migrate_as(user.root_url)
    await grants.grant(user.root_url, user.account)
    await use(user.url)
    return user


async def test_a_server_with_the_documented_privileges_is_sound(server_user: User) -> None:
    report = await examined(server_user.url)
    assert report.ok, told(report, "failed")
    assert {c.name for c in report.checks if c.level == "warning"} <= {
        "checkpoints",
        "character set",
    }
    assert levels(report, "triggers") == levels(report, "privileges") == {"ok"}
    assert levels(report, "clock of the database") == {"ok"}


async def test_a_missing_and_an_excessive_privilege_are_told(server_user: User) -> None:
    account, database = server_user.account, server_user.database
    await server_user.execute(f"REVOKE INSERT ON {database}.log_node FROM {account}")
    report = await examined(server_user.url)
    assert "INSERT command denied" in told(report, "failed")
    assert "docs/operations.md lists the GRANTs" in told(report, "failed")
    as_root = await examined(server_user.root_url)
    assert "the user may also" in told(as_root, "warning")


async def test_a_missing_trigger_is_told_to_who_may_not_see_triggers(server_user: User) -> None:
    await server_user.execute(f"DROP TRIGGER {server_user.database}.log_event_no_update")
    report = await examined(server_user.url)
    assert "triggers: missing: log_event_no_update" in told(report, "failed")
    connection = await DatabaseConnection(server_user.root_url).open()
    try:
        assert (await verify(connection)).ok  # it was tried, and nothing was changed
    finally:
        await connection.close()


def test_the_command_says_what_to_do_and_whether_all_is_well(tmp_path: Path) -> None:
    environ = SAFE | {"DATABASE_URL": f"sqlite:///{tmp_path}/registro.db", "HOST": "0.0.0.0"}
    good = CliRunner(env=environ).invoke(main, ["doctor"])
    assert good.exit_code == 0, good.output
    assert "         → set REGISTRO_ENV=production" in good.output
    assert "to be looked at" in good.output
    bad = CliRunner(env=environ | {"PORT": "x"}).invoke(main, ["doctor", "--json"])
    assert bad.exit_code == 1
    report = json.loads(bad.output)
    assert report["ok"] is False
    assert {"name", "level", "found", "advice"} == report["checks"][0].keys()
