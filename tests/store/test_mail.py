"""Mail to users who are away: when, once, and what becomes of it when the server is in the way.

The mail server is a real one on this machine; the clock is turned forward instead of waiting.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from uuid import uuid4

import pytest

from registro.errors import Refused
from registro.events import ids, reader
from registro.events.decide import Person
from registro.events.store import draft
from registro.events.types import ConnectionClosed, ConnectionOpened
from registro.projections import comparing, following, registry
from registro.services import Services, mail, running
from registro.services.mail import Mail
from registro.web.mail import Writer
from tests.conftest import settings_for
from tests.store.test_files import upload
from tests.support.mailserver import MailServer, certificate
from tests.support.queries import scanned, watched
from tests.support.waiting import until

MINUTE = 60_000_000
HOUR = 60 * MINUTE
ADDRESS = "flor@example.org"


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


class World:
    """One desk: Ana answers Flor, who has an address. `later` turns the clock of the mails."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.ahead = 0
        self.mail = self.another()
        self.ana = self.flor = Person("", "", "", "user")

    def another(self) -> Mail:
        """What sends mails in another process."""
        services = self.services
        made = Mail(
            services.settings,
            services.writer,
            services.readers,
            services.directory,
            services.preferences,
            services.addresses,
            services.connection,
            lambda: time.time_ns() // 1000 + self.ahead,
        )
        made.composer = Writer(
            Address("Soporte", addr_spec="desk@example.org"), "https://d.example"
        )
        return made

    async def begin(self) -> None:
        register = self.services.accounts.register
        self.ana = await register("ana", "Ana", "admin", "form")
        self.flor = await register("flor", "Flor", "user", "form")
        await self.confirm(ADDRESS)

    async def confirm(self, address: str) -> None:
        await self.services.addresses.ask(self.flor, address, "es")
        async with self.services.readers.connection() as connection:
            waiting = await mail.addresses.pending(connection, self.flor.id)
        assert waiting is not None
        link = await self.services.addresses.confirm_link(self.flor.id, waiting)
        assert await self.services.addresses.confirm(link) == address

    async def say(self, who: Person, text: str) -> None:
        para = "flor" if who.is_admin else "admin"
        await (await self.services.chat.send(who, para, text, None, None, None)).stored()

    async def connect(self, *, leave: bool = False) -> None:
        stream, flor = f"connection/{uuid4()}", self.flor.id
        opened = ConnectionOpened(flor, "user", "k", "websocket", str(uuid4()))
        await self.services.writer.append(draft(stream, opened))
        if leave:
            closed = ConnectionClosed(flor, "transport close", 5)
            await self.services.writer.append(draft(stream, closed))

    async def follow(self) -> None:
        connection = await self.services.connection().open()
        await following.catch_up(connection)
        await connection.close()

    async def later(self, microseconds: int = 11 * MINUTE) -> int:
        """How many mails were attempted when so much time had passed."""
        self.ahead += microseconds
        await self.follow()
        return await self.mail.send_due()

    async def ends(self) -> list[tuple[str, int, int, str, int]]:
        """What the log says of mails."""
        async with self.services.readers.connection() as connection:
            rows = await reader.of_streams(
                connection, [f"desk/{ids.desk_conversation(self.flor.id)}"]
            )
        events = [row.event() for row in rows if row.type.startswith("conversation:mail:")]
        return [
            (
                e.type.rpartition(":")[2],
                e.first,
                e.last,
                getattr(e, "reason", ""),
                getattr(e, "code", 0),
            )  # type: ignore[attr-defined]
            for e in events
        ]


async def world_at(database_url: str, url: str) -> AsyncIterator[World]:
    settings = settings_for(
        database_url,
        REGISTRO_SMTP_URL=url,
        REGISTRO_MAIL_FROM="Soporte <desk@example.org>",
        REGISTRO_PUBLIC_URL="https://d.example",
    )
    async with running(settings) as services:
        world = World(services)
        await world.begin()
        yield world
        await world.mail.stop()


@pytest.fixture
async def world(database_url: str, server: MailServer) -> AsyncIterator[World]:
    """Over each kind of database."""
    async for one in world_at(database_url, f"smtp://127.0.0.1:{server.port}?tls=no"):
        yield one


@pytest.fixture
async def small(tmp_path: Path, server: MailServer) -> AsyncIterator[World]:
    """Over SQLite alone: what does not depend on the database."""
    url = f"smtp://127.0.0.1:{server.port}?tls=no"
    async for one in world_at(f"sqlite:///{tmp_path}/registro.db", url):
        yield one


def text(one: EmailMessage) -> str:
    return str(one.get_content())


async def test_one_mail_tells_of_all_answers_that_wait(world: World, server: MailServer) -> None:
    await world.say(world.flor, "¿Hay alguien?")
    await world.say(world.ana, "Sí.")
    await world.say(world.ana, "¿Qué <b>tal</b>?\n.\nFrom aquí")
    assert await world.later(9 * MINUTE) == 0
    assert await world.later(2 * MINUTE) == 1
    assert await world.later() == 0
    [one] = server.mails
    assert (one["To"], server.recipients) == (ADDRESS, [ADDRESS])
    assert one["Subject"] == "Ana le ha respondido"
    assert "Ana:\nSí.\n\nAna:\n¿Qué <b>tal</b>?\n.\nFrom aquí" in text(one).replace("\r\n", "\n")
    assert "¿Hay alguien?" not in text(one)
    assert await world.ends() == [("sent", 2, 3, "", 0)]
    report = await comparing.verify(world.services.settings.database_url, registry.ALL)
    assert report.ok, report.differences


async def test_a_file_is_told_of_by_its_name(small: World, server: MailServer) -> None:
    file = await upload(small.services, small.ana, name="factura 7.pdf")
    send = small.services.chat.send
    await (await send(small.ana, "flor", "", None, None, None, [file.id])).stored()
    await small.later()
    assert "Ana:\n📎 factura 7.pdf" in text(server.mails[0]).replace("\r\n", "\n")


async def test_a_new_answer_is_a_new_mail_of_that_alone(world: World, server: MailServer) -> None:
    await world.say(world.ana, "¿Uno?")
    await world.later()
    await world.say(world.ana, "dos")
    await world.later()
    assert "¿Uno?" not in text(server.mails[1])
    assert await world.ends() == [("sent", 1, 1, "", 0), ("sent", 2, 2, "", 0)]
    assert server.mails[0]["Message-ID"] != server.mails[1]["Message-ID"]
    assert server.mails[0]["References"] == server.mails[1]["References"]


async def test_many_processes_send_it_once(world: World, server: MailServer) -> None:
    await world.say(world.ana, "uno")
    world.ahead += 11 * MINUTE
    await world.follow()
    others = [world.another() for _ in range(6)]
    await asyncio.gather(*(other.send_due() for other in others))
    for other in others:
        await other.stop()
    assert len(server.mails) == 1
    assert await world.ends() == [("sent", 1, 1, "", 0)]


async def test_who_takes_the_address_away_leaves_none_behind(
    world: World, server: MailServer
) -> None:
    await world.confirm("otra@example.org")
    await world.say(world.ana, "uno")
    await world.services.addresses.remove(world.flor)
    assert await world.later() == 0
    assert await world.services.addresses.of(world.flor) == (None, None, False)
    async with world.services.readers.connection() as connection:
        payloads = [row.payload or b"" async for row in reader.stream_log(connection)]
    assert not any(b"example.org" in payload for payload in payloads)
    report = await comparing.verify(world.services.settings.database_url, registry.ALL)
    assert report.ok, report.differences


async def test_erasing_a_person_takes_the_address_and_what_was_due(
    world: World, server: MailServer
) -> None:
    await world.say(world.ana, "uno")
    await world.follow()
    erasures = world.services.erasures
    await erasures.carry_out(await erasures.of_person(world.flor), "asked", world.ana.id)
    assert await world.later() == 0
    async with world.services.readers.connection() as connection:
        for table in ("mail_addresses", "mail_due", "mail_pending", "mail_job"):
            assert await connection.fetch_value(f"SELECT COUNT(*) FROM {table}") == 0
    report = await comparing.verify(world.services.settings.database_url, registry.ALL)
    assert report.ok, report.differences


async def test_who_is_there_or_has_read_or_wrote_gets_none(
    small: World, server: MailServer
) -> None:
    await small.say(small.ana, "uno")
    await small.connect()
    assert await small.later() == 0
    await small.connect(leave=True)
    conversation = ids.desk_conversation(small.flor.id)
    await small.services.chat.mark_read(small.flor, conversation, 1, None)
    assert await small.later() == 0
    await small.say(small.ana, "dos")
    await small.say(small.flor, "gracias")
    assert await small.later() == 0
    assert server.connections == 0


async def test_who_just_left_is_given_time_to_come_back(small: World, server: MailServer) -> None:
    await small.say(small.ana, "uno")
    await small.connect(leave=True)
    assert await small.later(9 * MINUTE) == 0
    assert await small.later(2 * MINUTE) == 1


async def test_a_mail_that_is_refused_for_now_is_tried_again(
    small: World, server: MailServer
) -> None:
    await small.say(small.ana, "uno")
    server.answers["RCPT"] = "451 later"
    assert [await small.later(), await small.later(0), await small.later(MINUTE)] == [1, 0, 1]
    server.answers = {"DATA": "452 full"}
    assert [await small.later(MINUTE), await small.later(MINUTE)] == [0, 1]
    server.answers = {}
    assert await small.later(3 * MINUTE) == 0
    assert await small.later(2 * MINUTE) == 1
    assert len(server.mails) == 1
    assert await small.ends() == [("sent", 1, 1, "", 0)]
    assert small.mail.outcomes == {"later": 3, "sent": 1}


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
async def test_a_mail_that_is_refused_for_good_is_given_up_loudly(
    small: World, server: MailServer, command: str, caplog: pytest.LogCaptureFixture
) -> None:
    await small.say(small.ana, "uno")
    server.answers[command] = f"550 5.1.1 {ADDRESS}: there is no such mailbox"
    assert [await small.later(), await small.later(24 * HOUR)] == [1, 0]
    assert await small.ends() == [("dropped", 1, 1, "refused", 550)]
    assert "is given up: refused 550" in caplog.text
    assert ADDRESS not in caplog.text
    server.answers = {}
    await small.say(small.ana, "dos")
    assert await small.later() == 1
    assert "dos" in text(server.mails[0])


async def test_a_server_that_was_away_gets_the_mail_when_it_is_back(
    small: World, server: MailServer
) -> None:
    await small.say(small.ana, "uno")
    server.stop()
    assert await small.later() == 1
    await small.say(small.ana, "dos")
    server.start()
    assert await small.later(MINUTE) == 1
    assert await small.ends() == [("sent", 1, 2, "", 0)]


async def test_after_a_day_it_is_given_up(small: World, server: MailServer) -> None:
    await small.say(small.ana, "uno")
    server.stop()
    for _ in range(26):
        await small.later(HOUR)
    assert await small.ends() == [("dropped", 1, 1, "unreachable", 0)]
    assert small.mail.outcomes["unreachable"] == 1


async def test_a_server_that_hangs_before_the_text_gets_it_later(
    small: World, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "PATIENCE", 0.5)
    await small.say(small.ana, "uno")
    server.hang = "RCPT"
    assert await small.later() == 1
    server.hang = ""
    assert await small.later(MINUTE) == 1
    assert len(server.mails) == 1


async def test_a_mail_that_may_have_been_taken_is_not_sent_again(
    small: World, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "PATIENCE", 0.5)
    await small.say(small.ana, "uno")
    server.hang = "DATA"
    await small.later()
    server.hang = ""
    await small.later(24 * HOUR)
    assert server.mails == []
    assert await small.ends() == [("dropped", 1, 1, "unknown", 0)]


async def test_what_a_process_had_in_hand_when_it_died_is_not_sent_again(
    small: World, server: MailServer
) -> None:
    await small.say(small.ana, "uno")
    server.hang = "DATA"
    dying = small.another()
    small.ahead += 11 * MINUTE
    await small.follow()
    task = asyncio.create_task(dying.send_due())
    await until(lambda: _in_hand(small))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await dying.stop()
    server.hang = ""
    assert await small.later(0) == 0
    assert await small.later(3 * MINUTE) == 1
    assert server.mails == []
    assert await small.ends() == [("dropped", 1, 1, "unknown", 0)]


async def _in_hand(world: World) -> bool:
    async with world.services.readers.connection() as connection:
        found = await connection.fetch_value("SELECT state FROM mail_job WHERE kind = 'digest'")
    return found == "handing"


async def test_a_mail_about_erased_answers_is_not_sent(small: World, server: MailServer) -> None:
    await small.say(small.ana, "uno")
    async with small.services.readers.connection() as connection:
        position = await connection.fetch_value("SELECT MAX(position) FROM messages")
    erasures = small.services.erasures
    await erasures.carry_out(await erasures.of_event(position), "a slip", small.ana.id)
    await small.later()
    assert server.connections == 0
    assert await small.ends() == [("dropped", 1, 1, "erased", 0)]


async def test_a_mail_can_be_unsubscribed_and_starts_no_loop(
    small: World, server: MailServer
) -> None:
    await small.say(small.ana, "uno")
    await small.later()
    [one] = server.mails
    assert one["Auto-Submitted"] == "auto-generated"
    assert one["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = await small.services.addresses.unsubscribe_link(small.flor.id)
    # As it stands there: mail programs decode nothing in it.
    field = f"\r\nList-Unsubscribe: <https://d.example/correo/baja?enlace={link}>\r\n"
    assert field.encode() in server.contents[0]
    assert await small.services.addresses.unsubscriber(link) == small.flor
    assert await small.services.addresses.unsubscriber(f"{link}x") is None
    assert "https://d.example/soporte" in text(one)
    assert one["Content-Transfer-Encoding"] in ("7bit", "quoted-printable", "base64")


async def test_long_absences_give_one_mail_with_the_newest_answers(
    small: World, server: MailServer
) -> None:
    for number in range(25):
        await small.say(small.ana, f"respuesta-{number}.")
    await small.later()
    [one] = server.mails
    assert "(Hay 5 respuestas anteriores en el chat.)" in text(one)
    assert "respuesta-4." not in text(one)
    assert "respuesta-24." in text(one)


async def test_a_confirmation_is_asked_of_the_address_itself(
    small: World, server: MailServer
) -> None:
    eva = await small.services.accounts.register("eva", "http://spam.example", "user", "form")
    await small.services.addresses.ask(eva, "eva@example.org", "en")
    assert await small.later(0) == 1
    [one] = server.mails
    assert (one["To"], one["Subject"]) == ("eva@example.org", "Confirm your e-mail address")
    assert "/correo/confirmar?enlace=" in text(one)
    assert "spam" not in one.as_string()
    assert await small.services.addresses.of(eva) == (None, "eva@example.org", False)
    assert await small.later(0) == 0


async def test_nobody_is_bothered_with_many_confirmations(small: World) -> None:
    eva = await small.services.accounts.register("eva", "Eva", "user", "form")
    for number in range(3):
        await small.services.addresses.ask(eva, f"e{number}@example.org", "es")
        await small.services.addresses.remove(eva)
    with pytest.raises(Refused, match="limite_superado"):
        await small.services.addresses.ask(eva, "e@example.org", "es")


@pytest.mark.parametrize(
    "wrong", ["", "flor", "flor@", "a@b", "a b@c.de", "a@b.c\nTo: x@y.zz", "ñ@b.cd"]
)
async def test_what_is_no_address_is_refused(small: World, wrong: str) -> None:
    with pytest.raises(Refused, match="datos_invalidos"):
        await small.services.addresses.ask(small.flor, wrong, "es")


async def test_without_starttls_nothing_is_said(tmp_path: Path, server: MailServer) -> None:
    url = f"smtp://desk:secreto@127.0.0.1:{server.port}"
    async for world in world_at(f"sqlite:///{tmp_path}/registro.db", url):
        await world.say(world.ana, "uno")
        assert await world.later() == 1
        assert (server.mails, server.logins) == ([], [])


async def test_with_starttls_the_certificate_has_to_be_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, trusted = certificate(tmp_path)
    with MailServer(context) as server:
        url = f"smtp://desk:secr%40to@127.0.0.1:{server.port}"
        async for world in world_at(f"sqlite:///{tmp_path}/registro.db", url):
            await world.say(world.ana, "uno")
            assert await world.later() == 1
            assert (server.mails, server.logins) == ([], [])
            monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
            assert await world.later(MINUTE) == 1
            assert (len(server.mails), server.logins) == (1, ["secr@to"])


async def test_looking_for_mails_reads_no_table_from_end_to_end(small: World) -> None:
    with watched() as sent:
        await small.later(0)
    looks = [one for one in sent if "FROM mail_due d JOIN users" in one[0]]
    assert looks
    async with small.services.readers.connection() as connection:
        assert [found for one in looks for found in await scanned(connection, one)] == []
