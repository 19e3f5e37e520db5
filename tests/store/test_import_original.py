"""Importing the original's database: into each kind of database, from MySQL and from MariaDB."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from registro.config import Settings
from registro.errors import Unavailable
from registro.events import ids
from registro.events.record import parse_rfc3339
from registro.events.verify import verify
from registro.services import Services, running
from registro.services.importing import Importer, Report, SourceError, opened
from tests.conftest import SECRET
from tests.support import logs
from tests.support.databases import DatabaseServers
from tests.support.original import Original, hashed

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "contraseña de Eva"
EARLY, LATER = "2023-05-01 10:00:00", "2023-05-01 10:05:30"


FROM = {"sqlite": "mysql", "mysql": "mariadb", "mariadb": "mysql"}
"""Which kind of database is imported into which."""


@pytest.fixture
async def original(request: pytest.FixtureRequest, database_servers: DatabaseServers) -> Original:
    """An original with an admin, two users and a conversation."""
    chosen = getattr(request.node, "callspec", None)
    into = "sqlite" if chosen is None else chosen.params.get("database_url", "sqlite")
    original = Original(database_servers.new_database(FROM[into]))
    await original.create()
    await original.add_users(
        ("ana", "Ana Admin", "admin", hashed("otra contraseña"), None),
        ("eva", "Eva Ríos", "user", hashed(PASSWORD), "eva.png"),
        ("leo", None, "user", hashed("la de Leo", b"2a"), ""),
    )
    await original.add_messages(
        ("eva", "admin", "Hola 👋", EARLY),
        ("ana", "eva", "¿En qué puedo ayudarle?", LATER),
        ("eva", "leo", "¿Vienes?", LATER),
    )
    return original


async def bring(
    services: Services, original: Original, *, write: bool = True, zone: str = "UTC",
    name: str = "original",
) -> Report:  # fmt: skip
    async with opened(original.url, ZoneInfo(zone)) as source:
        return await Importer(services, source, name, lambda *_: None).run(write=write)


def counts(report: Report) -> tuple[int, int, int, int]:
    return report.users, report.users_present, report.messages, report.messages_present


async def thread_of(services: Services, user: str) -> list[tuple[str, str, str, int]]:
    person = await services.directory.by_user(user)
    assert person is not None
    part = await services.inbox.thread(ids.desk_conversation(person.id))
    return [(m.sender, m.recipient, m.text, m.sent_at) for m in part.messages]


def at(text: str, zone: str = "UTC") -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    return parse_rfc3339(moment.astimezone(UTC).isoformat())


async def test_accounts_and_messages_come_over_with_their_times_and_their_order(
    services: Services, original: Original
) -> None:
    report = await bring(services, original)
    assert (counts(report), report.images, report.ok) == ((3, 0, 3, 0), 1, True)
    assert await thread_of(services, "eva") == [
        ("eva", "admin", "Hola 👋", at(EARLY)),
        ("ana", "eva", "¿En qué puedo ayudarle?", at(LATER)),
    ]
    eva, leo = [await services.directory.by_user(user) for user in ("eva", "leo")]
    assert eva is not None
    assert leo is not None
    history = await services.chat.history([ids.desk_conversation(eva.id)])
    assert [message.wire()["fecha"] for message in history.messages] == [
        "2023-05-01T10:00:00.000Z", "2023-05-01T10:05:30.000Z",
    ]  # fmt: skip
    assert (leo.name, leo.role) == ("leo", "user")
    [row] = (await services.inbox.list()).rows
    assert (row.user, row.last_at, row.last_text) == ("eva", at(LATER), "¿En qué puedo ayudarle?")
    async with services.readers.connection() as connection:
        events = await logs.everything(connection)
        assert (await verify(connection)).ok
    payloads = [json.loads(row.payload or b"") for row in events]
    assert payloads[0]["imported"] == {"source": "original:usuarios"}
    assert payloads[0]["origin"] == "import"
    assert payloads[3]["imported"] == {
        "source": "original:mensajes:1", "time": "2023-05-01T10:00:00.000000Z",
    }  # fmt: skip


async def test_importing_again_doubles_nothing_and_brings_what_is_new(
    services: Services, original: Original
) -> None:
    await bring(services, original)
    assert counts(await bring(services, original)) == (0, 3, 0, 3)
    await original.add_users(("noa", "Noa", "user", hashed("la de Noa"), None))
    await original.add_messages(("noa", "admin", "Buenas", LATER))
    assert counts(await bring(services, original)) == (1, 3, 1, 3)
    assert len(await thread_of(services, "eva")) == 2
    assert counts(await bring(services, original, write=False)) == (0, 4, 0, 4)


async def test_two_originals_with_the_same_row_numbers_are_told_apart(
    services: Services, original: Original
) -> None:
    await bring(services, original)
    assert counts(await bring(services, original, name="other")) == (0, 3, 3, 0)


async def test_looking_first_changes_nothing(services: Services, original: Original) -> None:
    assert counts(await bring(services, original, write=False)) == (3, 0, 3, 0)
    async with services.readers.connection() as connection:
        assert await logs.everything(connection) == []
        assert await connection.fetch_value("SELECT COUNT(*) FROM credential") == 0


async def test_the_originals_passwords_log_in_and_are_hashed_anew(
    services: Services, original: Original
) -> None:
    long = "ñ" * 50  # 100 bytes, of which bcrypt saw 72
    await original.add_users(("noa", "Noa", "user", hashed(long, b"2a"), None))
    await bring(services, original)
    assert (await _hash_of(services, "eva")).startswith("$2b$")
    check = services.accounts.verify_password
    assert await check("eva", "no", loopback=False) is None
    assert await check("eva", PASSWORD + "\0", loopback=False) is None
    assert (await _hash_of(services, "eva")).startswith("$2b$")
    eva = await check("eva", PASSWORD, loopback=False)
    assert eva is not None
    assert (await _hash_of(services, "eva")).startswith("$argon2id$")
    assert await check("eva", PASSWORD, loopback=False) == eva
    assert await check("leo", "la de Leo", loopback=False) is not None
    assert await check("noa", long, loopback=False) is not None
    assert await check("noa", long, loopback=False) is not None


async def _hash_of(services: Services, user: str) -> str:
    async with services.readers.connection() as connection:
        return str(
            await connection.fetch_value(
                "SELECT c.hash FROM credential c JOIN users u ON u.id = c.user_id"
                " WHERE u.user = :user",
                user=user,
            )
        )


async def test_an_account_that_exists_keeps_its_password_and_gets_its_messages(
    services: Services, original: Original
) -> None:
    await services.accounts.register("eva", "Eva de aquí", "user", "form", "caballo correcto 7")
    assert counts(await bring(services, original)) == (2, 1, 3, 0)
    check = services.accounts.verify_password
    assert await check("eva", PASSWORD, loopback=False) is None
    assert await check("eva", "caballo correcto 7", loopback=False) is not None
    assert len(await thread_of(services, "eva")) == 2


async def test_what_cannot_be_imported_is_said_row_by_row_and_the_rest_can_be(
    services: Services, original: Original
) -> None:
    await services.accounts.register("pau", "Pau", "admin", "form")
    ben = await services.accounts.register("ben", "Ben", "user", "form")
    plan = await services.erasures.of_person(ben)
    await services.erasures.carry_out(plan, "asked", "test")
    good = hashed("cualquiera")
    await original.add_users(
        ("admin", "Reservada", "user", good, None),
        ("a\tb", "Control", "user", good, None),
        ("x" * 65, "Larga", "user", good, None),
        ("pau", "Otro rol", "user", good, None),
        ("ben", "Borrado", "user", good, None),
        ("jefe", "Jefe", "superadmin", good, None),
        ("rara", "n" * 201, "user", good, None),
        ("plana", "Plana", "user", "1234", None),
        ("lenta", "Lenta", "user", "$2b$31$" + "a" * 53, None),
        ("nula", "Nula", "user", None, None),
    )
    await original.add_messages(
        ("eva", "admin", "   \u200b", LATER),
        ("eva", "admin", "ñ" * 4001, LATER),
        ("eva", "admin", "a\0b", LATER),
        ("nadie", "admin", "hola", LATER),
        ("pau", "eva", "hola", LATER),
        ("eva", "nadie", "hola", LATER),
        ("eva", "eva", "hola", LATER),
        ("ana", "admin", "hola", LATER),
        ("eva", "admin", "¿cuándo?", None),
        ("eva", "admin", "¿nunca?", "0000-00-00 00:00:00"),
        ("eva", "admin", "ñ" * 4000, LATER),
    )
    report = await bring(services, original, write=False)
    assert report.reasons == Counter(
        reserved_name=1, user_name=2, other_role=1, erased=1, role=1, shown_name=1, password=3,
        empty=1, long=1, text=1, sender=2, recipient=1, nobody_writes_so=2, time=2,
    )  # fmt: skip
    assert ("usuarios", "admin", "reserved_name") in report.examples
    assert ("mensajes", "7", "sender") in report.examples
    assert counts(report) == (3, 0, 4, 0)
    assert await bring(services, original) == report
    assert len(await thread_of(services, "eva")) == 3


@pytest.mark.parametrize(
    ("column", "zone", "expected"),
    [
        ("DATETIME", "UTC", at(EARLY)),
        ("DATETIME", "Europe/Madrid", at(EARLY, "Europe/Madrid")),
        ("DATETIME(6)", "America/Bogota", at(EARLY, "America/Bogota")),
        ("TIMESTAMP NULL", "Europe/Madrid", at(EARLY)),
    ],
)
async def test_times_are_of_the_zone_that_is_said_but_for_timestamps(
    database_servers: DatabaseServers, tmp_path: Path, column: str, zone: str, expected: int
) -> None:
    original = Original(database_servers.new_database("mysql"))
    await original.create(column, charset="latin1")
    await original.add_users(("begoña", "Begoña", "user", hashed(PASSWORD), None))
    await original.add_messages(("begoña", "admin", "¡Mañana!", EARLY))
    async with running(_settings(tmp_path)) as services:
        await bring(services, original, zone=zone)
        line = ("begoña", "admin", "¡Mañana!", expected)
        assert await thread_of(services, "begoña") == [line]


def _settings(folder: Path) -> Settings:
    from tests.conftest import settings_for

    return settings_for(f"sqlite:///{folder}/registro.db")


async def test_imported_messages_live_equal_those_of_a_rebuilt_log_also_when_erased(
    services: Services, original: Original, tmp_path: Path
) -> None:
    await bring(services, original)
    plan = await services.erasures.of_event(5)
    await services.erasures.carry_out(plan, "asked", "test")
    connection = await services.connection().open()
    try:
        live = await logs.dump(connection)
        assert live == await logs.rebuilt(connection, f"sqlite:///{tmp_path}/rebuilt.db")
    finally:
        await connection.close()
    assert [line[2:] for line in await thread_of(services, "eva")][1] == ("", at(LATER))
    assert counts(await bring(services, original)) == (0, 3, 0, 3)


async def test_a_database_that_is_no_original_is_refused(
    services: Services, database_servers: DatabaseServers
) -> None:
    url = database_servers.new_database("mysql")
    with pytest.raises(SourceError, match=r"no database of the original: usuarios\.usuario, "):
        async with opened(url, UTC):
            pass
    with pytest.raises(Unavailable):
        async with opened("mysql://root@127.0.0.1:1/none", UTC):
            pass


async def test_many_rows_come_page_by_page_in_one_snapshot(
    database_servers: DatabaseServers, tmp_path: Path
) -> None:
    original = Original(database_servers.new_database("mysql"))
    await original.create()
    password = hashed(PASSWORD)
    users = [(f"u{n:04}", f"U {n}", "user", password, None) for n in range(1100)]
    await original.add_users(*users)
    await original.add_messages(
        *((f"u{n % 1100:04}", "admin", f"mensaje {n}", EARLY) for n in range(2300))
    )
    steps: list[tuple[str, int, int]] = []
    async with (
        running(_settings(tmp_path)) as services,
        opened(original.url, UTC) as source,
    ):
        await original.add_messages(("u0000", "admin", "tarde", LATER))
        importer = Importer(services, source, "original", lambda *step: steps.append(step))
        report = await importer.run(write=True)
        assert counts(report) == (1100, 0, 2300, 0)
        assert [line[2] for line in await thread_of(services, "u0000")] == [
            "mensaje 0", "mensaje 1100", "mensaje 2200",
        ]  # fmt: skip
    assert steps[-1] == ("messages", 2300, 2300)
    assert ("users", 1000, 0) in steps


class Command:
    """The command in a process of its own, with an SQLite database in a folder."""

    def __init__(self, folder: Path, original: Original) -> None:
        self._folder = folder
        self._url = original.url

    async def run(self, *arguments: str, expect: int = 0) -> str:
        return await asyncio.to_thread(self._run, arguments, expect)

    def _run(self, arguments: tuple[str, ...], expect: int) -> str:
        environ = {
            **os.environ, "PYTHONPATH": str(ROOT), "JWT_SECRET": SECRET,
            "DATABASE_URL": f"sqlite:///{self._folder}/registro.db", "ORIGINAL_URL": self._url,
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "registro", *arguments],
            env=environ, cwd=self._folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr


async def test_the_command_looks_first_refuses_a_partial_import_and_says_why(
    original: Original, tmp_path: Path
) -> None:
    command = Command(tmp_path, original)

    async def report(*arguments: str, expect: int) -> dict[str, Any]:
        printed = await command.run("import-original", "--json", *arguments, expect=expect)
        return json.loads(printed)  # type: ignore[no-any-return]

    dry = await report("--dry-run", expect=0)
    assert (dry["ok"], dry["imported"], dry["messages"]) == (True, False, {"new": 3, "present": 0})
    await original.add_messages(("nadie", "admin", "hola", LATER))
    assert (await report("--dry-run", expect=1))["problems"] == {"sender": 1}
    printed = await command.run("import-original", expect=1)
    assert "the sender is not among the users that can be imported\n    mensajes '4'" in printed
    assert "nothing was imported; --partial imports the rest" in printed
    assert await command.run("user", "list") == ""
    partial = await report("--partial", expect=0)
    assert (partial["imported"], partial["users"]) == (True, {"new": 3, "present": 0})
    again = await report("--partial", "--timezone", "Europe/Madrid", expect=0)
    assert again["messages"] == {"new": 0, "present": 3}
    assert "verified: 6 events" in await command.run("log", "verify")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "sqlite:///x"], "expected mysql://"),
        (["--timezone", "Marte"], "there is no zone 'Marte'"),
        (["--source", "a:b"], "without a colon"),
    ],
)
async def test_wrong_use_is_refused(
    database_servers: DatabaseServers, tmp_path: Path, arguments: list[str], message: str
) -> None:
    command = Command(tmp_path, Original(database_servers.new_database("mysql")))
    assert message in await command.run("import-original", *arguments, expect=2)
    assert "no database of the original" in await command.run("import-original", expect=2)
