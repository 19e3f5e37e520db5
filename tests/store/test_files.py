"""Files of messages on each database: taken in, sent once, seen by few, erased, proved."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from registro.config import Settings
from registro.errors import Refused
from registro.events.decide import Person
from registro.events.record import Recorded
from registro.events.types import Attachment, MessageSent
from registro.projections import following
from registro.services import Services
from registro.services.files import SWEPT_AFTER, Limits
from registro.services.query import parse
from tests.support import logs

TEXT = b"una factura"


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    return replace(settings, files=tmp_path / "files", file_size=1000, user_files=2500)


@pytest.fixture
async def people(services: Services) -> AsyncIterator[tuple[Person, Person, Person]]:
    return (
        await services.accounts.register("ana", "Ana", "admin", "form"),
        await services.accounts.register("eva", "Eva", "user", "form"),
        await services.accounts.register("teo", "Teo", "user", "form"),
    )


async def upload(
    services: Services, owner: Person, content: bytes = TEXT, name: str = "factura.txt"
) -> Attachment:
    async with services.files.receive(owner, name, "text/plain", len(content)) as incoming:
        await incoming.write(content)
    return incoming.attachment


async def send(
    services: Services, sender: Person, *ids: str, para: str = "admin", id: str | None = None
) -> Recorded:
    sending = await services.chat.send(sender, para, "", id, None, None, ids)
    return await sending.stored()


People = tuple[Person, Person, Person]


async def test_a_file_is_in_the_log_by_its_hash_and_on_the_disk(
    services: Services, people: People
) -> None:
    _, eva, _ = people
    file = await upload(services, eva)
    event = (await send(services, eva, file.id)).event()
    assert isinstance(event, MessageSent)
    assert event.attachments == (file,)
    assert (file.name, file.type, file.size) == ("factura.txt", "text/plain", len(TEXT))
    assert file.sha256 == hashlib.sha256(TEXT).hexdigest()
    assert services.files.path(file.id).read_bytes() == TEXT
    [message] = (await services.chat.catch_up(eva, {}, 0)).messages
    assert message.wire()["adjuntos"] == [
        {"id": file.id, "nombre": "factura.txt", "tipo": "text/plain", "bytes": len(TEXT),
         "sha256": file.sha256, "url": f"/archivos/{file.id}/factura.txt"}
    ]  # fmt: skip
    assert (await services.inbox.row_of(eva)).last_text == "📎 factura.txt"


async def test_a_file_is_sent_once_and_by_who_uploaded_it(
    services: Services, people: People
) -> None:
    ana, eva, _ = people
    file = await upload(services, eva)
    with pytest.raises(Refused, match="adjunto_desconocido"):
        await send(services, ana, file.id, para="eva")
    both = [send(services, eva, file.id) for _ in range(2)]
    done = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["Recorded", "Refused"]
    with pytest.raises(Refused, match="adjunto_desconocido"):
        await send(services, eva, file.id)


async def test_the_same_message_again_is_the_same_message(
    services: Services, people: People
) -> None:
    _, eva, _ = people
    file, id_ = await upload(services, eva), str(uuid4())
    at_once = [send(services, eva, file.id, id=id_) for _ in range(2)]
    first, second = await asyncio.gather(*at_once)
    later = await send(services, eva, file.id, id=id_)
    assert first.position == second.position == later.position


async def test_two_processes_cannot_send_the_same_file(
    services: Services, people: People, settings: Settings
) -> None:
    _, eva, _ = people
    file = await upload(services, eva)
    other = Services(settings)
    await other.start(serve=False)
    try:
        both = [send(one, eva, file.id) for one in (services, other)]
        done = await asyncio.gather(*both, return_exceptions=True)
    finally:
        await other.stop(serve=False)
    assert sum(isinstance(one, Recorded) for one in done) == 1
    assert len((await services.chat.catch_up(eva, {}, 0)).messages) == 1


async def test_a_file_is_seen_in_its_conversation_alone(services: Services, people: People) -> None:
    ana, eva, _teo = people
    desk, pair, unsent = [await upload(services, eva) for _ in range(3)]
    await send(services, eva, desk.id)
    await send(services, eva, pair.id, para="teo")

    async def seen_by(file: Attachment) -> list[str]:
        return [one.user for one in people if await services.files.visible(one, file.id)]

    assert await seen_by(desk) == ["ana", "eva"]
    assert await seen_by(pair) == ["ana", "eva", "teo"]
    assert await seen_by(unsent) == ["eva"]
    assert await services.files.visible(ana, str(uuid4())) is None


async def test_limits_are_held(services: Services, people: People) -> None:
    ana, eva, _ = people
    for size, code in ((1001, "archivo_grande"), (0, "archivo_vacio")):
        with pytest.raises(Refused, match=code):
            await upload(services, eva, b"x" * size)
    for _ in range(2):
        await upload(services, eva, b"x" * 1000)
    with pytest.raises(Refused, match="sin_espacio"):
        await upload(services, eva, b"x" * 501)
    for _ in range(3):
        await upload(services, ana, b"x" * 1000)
    services.files.limits = Limits(1000, 0)
    await upload(services, eva, b"x" * 1000)


async def test_less_or_more_than_was_announced_leaves_nothing(
    services: Services, people: People
) -> None:
    _, eva, _ = people
    for content in (b"x" * 5, b"x" * 15):
        with pytest.raises(Refused):
            async with services.files.receive(eva, "a", "", 10) as incoming:
                await incoming.write(content)
    await services.files.stop()
    folder = services.settings.files
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    async with services.readers.connection() as connection:
        assert await connection.fetch_value("SELECT COUNT(*) FROM upload") == 0


async def test_erasing_a_message_removes_its_file_and_what_was_known_of_it(
    services: Services, people: People, tmp_path: Path
) -> None:
    _, eva, _ = people
    file = await upload(services, eva, name="dni de Eva.pdf")
    row = await send(services, eva, file.id)
    plan = await services.erasures.of_event(row.position)
    await services.erasures.carry_out(plan, "asked for it", "test")
    assert not services.files.path(file.id).exists()
    assert await services.files.visible(eva, file.id) is None
    assert await services.files.verify() == (1, [])
    async with services.readers.connection() as connection:
        live = await logs.dump(connection)
        assert live == await logs.rebuilt(connection, f"sqlite:///{tmp_path}/rebuilt.db")
        uploads = await connection.fetch_all("SELECT name FROM upload")
    assert "dni de Eva" not in str((live, uploads))
    assert file.sha256 not in str(live)


async def test_erasing_a_person_removes_all_their_files(services: Services, people: People) -> None:
    ana, eva, _teo = people
    desk, answer, pair, unsent = [
        await upload(services, one) for one in (eva, ana, eva, eva)
    ]  # fmt: skip
    await send(services, eva, desk.id)
    await send(services, ana, answer.id, para="eva")
    await send(services, eva, pair.id, para="teo")
    await services.erasures.carry_out(await services.erasures.of_person(eva), "", "test")
    for one in (desk, answer, pair, unsent):
        assert not services.files.path(one.id).exists()


async def test_what_a_crash_left_of_an_erasure_is_found_and_removed(
    services: Services, people: People
) -> None:
    _, eva, _ = people
    file = await upload(services, eva)
    row = await send(services, eva, file.id)
    await services.erasures.carry_out(await services.erasures.of_event(row.position), "", "t")
    services.files.path(file.id).write_bytes(TEXT)
    assert [(f.position, f.id, f.kind) for f in (await services.files.verify())[1]] == [
        (row.position, file.id, "left")
    ]
    assert await services.files.finish_erasures() == 1
    assert await services.files.verify() == (1, [])


async def test_uploads_that_are_not_sent_are_swept_and_those_that_are_stay(
    services: Services, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, eva, _ = people
    sent, unsent = await upload(services, eva), await upload(services, eva)
    await send(services, eva, sent.id)
    assert await services.files.sweep() == 0
    later = time.time_ns() + (SWEPT_AFTER + 1) * 1_000_000_000
    monkeypatch.setattr("registro.services.files.time.time_ns", lambda: later)
    assert await services.files.sweep() == 1
    assert services.files.path(sent.id).exists()
    assert not services.files.path(unsent.id).exists()
    with pytest.raises(Refused, match="adjunto_desconocido"):
        await send(services, eva, unsent.id)


async def test_a_file_that_was_altered_or_is_missing_is_a_finding(
    services: Services, people: People
) -> None:
    _, eva, _ = people
    altered, missing, right = [await upload(services, eva) for _ in range(3)]
    await send(services, eva, altered.id, missing.id, right.id)
    services.files.path(altered.id).write_bytes(b"otra cosa")
    services.files.path(missing.id).unlink()
    count, findings = await services.files.verify()
    assert count == 3
    assert [(f.id, f.kind) for f in findings] == [
        (altered.id, "altered"),
        (missing.id, "missing"),
    ]


async def test_a_message_is_found_by_the_names_of_its_files(
    services: Services, people: People
) -> None:
    _, eva, _ = people
    file = await upload(services, eva, name="Plano del baño.pdf")
    await send(services, eva, file.id)
    async with services.readers.connection() as connection:
        await following.catch_up(connection)
    found = await services.search.find(parse("bano", int))
    assert [hit.text for hit in found.hits] == ["📎 Plano del baño.pdf"]
