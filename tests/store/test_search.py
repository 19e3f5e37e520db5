"""Finding messages: parts of words, other scripts, operators, paging, what was erased."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from registro.db.connection import DatabaseConnection, Pool
from registro.events import ids
from registro.events.record import rfc3339
from registro.events.store import draft
from registro.events.types import DESK, ConversationRead, Imported, MessageSent, UserRegistered
from registro.projections import comparing, following, generations, registry, search
from registro.projections.search import PROJECTION
from registro.services import search as service
from registro.services.directory import Directory
from registro.services.query import parse
from registro.services.search import Found, Search
from tests.store.test_rebuild import erase
from tests.support import logs
from tests.support.histories import ADMINS, USERS, History, registrations
from tests.support.queries import scanned, watched

SECOND = 1_000_000
TEXTS = [
    "El camión de reparto no llegó a Alcalá",
    "東京都に住んでいます",
    "주문 번호는 123입니다",
    "Straße und STRASSE",
    "ฉันต้องการความช่วยเหลือ",
    "Pague con 100% 'de' descuento \\ y_nada \"más\"",
    "gracias 👍🏽 hasta luego",
    "e-mail: flor@example.org",
]


def said(text: str, sender: str, recipient: str, **more: Imported) -> tuple[str, MessageSent]:
    event = MessageSent(sender=sender, recipient=recipient, text=text, **more)
    pair = sender in USERS and recipient in USERS
    owner = recipient if sender in ADMINS else sender
    id_ = ids.pair_conversation(sender, recipient) if pair else ids.desk_conversation(owner)
    return f"conversation/{id_}", event


@pytest.fixture
async def found(database_url: str) -> AsyncIterator[Search]:
    pool = Pool(database_url)
    yield Search(pool, Directory(pool))
    await pool.close()


async def fill(connection: DatabaseConnection, history: History) -> None:
    await logs.record(connection, registrations() + history)
    await following.catch_up(connection)


async def texts(found: Search, query: str, before: int | None = None, limit: int = 30) -> list[str]:
    page = await find(found, query, before, limit)
    return [hit.text for hit in page.hits]


async def find(found: Search, query: str, before: int | None = None, limit: int = 30) -> Found:
    return await found.find(parse(query, int), before, limit)


PARTS: list[tuple[str, int]] = [
    ("camion", 0), ("AMIO", 0), ("reparto llego", 0), ("alcala", 0), ('"no llegó a"', 0),
    ("東京", 1), ("京都", 1), ("京", 1), ("住んで", 1), ("주문", 2), ("번호", 2), ("입니다", 2),
    ("strasse", 3), ("straße und", 3), ("ช่วยเหลือ", 4), ("100%", 5), ("'de'", 5),
    ("y_nada", 5), ("\\", 5), ("descuento \\", 5), ("👍", 6), ("has", 6), ("e-mail", 7),
    ("@example.o", 7), ("org", 7),
]  # fmt: skip
"""What is looked for, and the number of the text that has it."""


async def test_parts_of_words_are_found_whatever_the_script(
    found: Search, connection: DatabaseConnection
) -> None:
    await fill(connection, [said(text, USERS[0], DESK) for text in TEXTS])
    for query, number in PARTS:
        assert await texts(found, query) == [TEXTS[number]], query


async def test_what_is_not_there_is_not_found(
    found: Search, connection: DatabaseConnection
) -> None:
    await fill(connection, [said(text, USERS[0], DESK) for text in TEXTS])
    for query in ("camiones", '"llegó no"', "京東", "reparto strasse", "¡¡", '"', ""):
        assert await texts(found, query) == [], query
    assert len(await texts(found, "a" * 200)) == 0
    assert len(await texts(found, " ".join("東京都に住んでいますか" * 18))) == 0


async def test_operators_say_between_whom_and_when(
    found: Search, connection: DatabaseConnection
) -> None:
    day = {"time": rfc3339(logs.NOW - 86_400 * SECOND, 3)}
    history = [
        said("hola uno", USERS[0], DESK),
        said("hola dos", ADMINS[0], USERS[0]),
        said("hola tres", USERS[1], USERS[0]),
        said("hola cuatro", USERS[1], DESK),
        said("hola cinco", USERS[2], DESK, imported=Imported("original:mensajes:1", **day)),
    ]
    await logs.record(connection, registrations())
    for number, one in enumerate(history):
        await logs.append(connection, [draft(*one)], now=logs.NOW + (100 + number) * SECOND)
    await following.catch_up(connection)

    async def numbers(query: str) -> list[str]:
        return [text.partition(" ")[2] for text in await texts(found, query)]

    assert await numbers("de:u2") == ["uno"]
    assert await numbers("hola para:u2") == ["tres", "dos"]
    assert await numbers("con:u2") == ["tres", "dos", "uno"]
    assert await numbers("con:u2 con:u3") == ["tres"]
    assert await numbers("para:admin") == ["cinco", "cuatro", "uno"]
    assert await numbers("con:admin cuatro") == ["cuatro"]
    at = logs.NOW + 102 * SECOND
    assert await numbers(f"despues:{at}") == ["cuatro", "tres"]
    assert await numbers(f"antes:{at}") == ["cinco", "dos", "uno"]
    assert await numbers(f"antes:{at} despues:{at - SECOND} hola") == ["dos"]
    assert await numbers("de:nadie hola") == []
    assert (await find(found, "de:nadie hola")).unknown == ("nadie",)


async def test_a_state_is_that_of_the_conversation_now(
    found: Search, connection: DatabaseConnection
) -> None:
    await fill(connection, [said(f"hola {n}", USERS[n], DESK) for n in range(3)])
    assert await texts(found, "estado:esperando") == ["hola 2", "hola 1", "hola 0"]
    await logs.append(connection, [draft(*said("dime", ADMINS[0], USERS[0]))])
    conversation = ids.desk_conversation(USERS[1])
    read = ConversationRead(conversation=conversation, side=DESK, seq=1, by=ADMINS[0])
    await logs.append(connection, [draft(f"desk/{conversation}", read)])
    assert await texts(found, "hola estado:esperando") == ["hola 2", "hola 1"]
    assert await texts(found, "hola estado:sin_leer estado:esperando") == ["hola 2"]


async def test_pages_follow_each_other_without_gaps(
    found: Search, connection: DatabaseConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "STRETCH", 16)
    monkeypatch.setattr(service, "STRETCH", 16)
    monkeypatch.setattr(service, "CHUNK", 5)
    await fill(connection, [said(f"hola {n} {'par' if n % 2 else 'otro'}", USERS[n % 3], DESK)
                            for n in range(120)])  # fmt: skip
    seen: list[str] = []
    cursor = None
    while True:
        page = await find(found, "par", cursor, limit=7)
        seen += [hit.text for hit in page.hits]
        assert len(page.hits) <= 7
        assert page.searched_to is None
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == [f"hola {n} par" for n in range(119, 0, -2)]


async def test_long_queries_over_many_stretches_are_answered(
    found: Search, connection: DatabaseConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "STRETCH", 2)
    monkeypatch.setattr(service, "STRETCH", 2)
    text = "".join(chr(0x4E00 + number) for number in range(180))
    await fill(connection, [said(text, USERS[0], DESK)] + [said("hola", USERS[1], DESK)] * 120)
    both = "con:u2 para:admin con:admin de:u2"
    for query in (text, f"{text[:100]} {both}", both):
        assert await texts(found, query) == [text], query
    with watched() as sent:
        assert await texts(found, f"{both} de:admin y") == []
    assert len(sent) < 80
    many = " ".join(f"con:u{number}" for number in range(1, 6))
    assert await texts(found, many) == []


async def test_a_page_stops_after_enough_work_and_says_how_far_it_came(
    found: Search, connection: DatabaseConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "CHUNK", 10)
    monkeypatch.setattr(service, "LOOKED_AT", 20)
    history = [said("aguja", USERS[0], DESK)] + [said("que, o no", USERS[0], DESK)] * 100
    await fill(connection, history)
    page = await find(found, '"e, o" aguja')
    assert (page.hits, page.cursor) == ([], None)  # the words say that there is none
    page = await find(found, "despues:0 antes:1")
    assert page.cursor is None
    await connection.execute("UPDATE messages SET text = 'no, o que' WHERE text = 'que, o no'")
    page = await find(found, '"que, o no"')
    assert page.hits == []
    assert page.cursor == 87
    assert page.searched_to is not None
    assert logs.NOW < page.searched_to < logs.NOW + 200 * SECOND


async def test_what_is_erased_is_gone_wherever_it_is_folded(
    found: Search, connection: DatabaseConnection, database_url: str
) -> None:
    await fill(connection, [said(text, USERS[0], DESK) for text in TEXTS])
    await erase(connection, [6])
    assert await texts(found, "camion") == []  # the text is gone before the index follows
    await following.catch_up(connection)
    assert await connection.fetch_value("SELECT COUNT(*) FROM search WHERE rowid = 6") == 0
    assert await texts(found, "reparto") == []
    assert await texts(found, "京都") == [TEXTS[1]]
    await logs.append(connection, [draft(*said("otro camión", USERS[0], DESK))])
    await erase(connection, [7])
    before = await logs.dump(connection)
    await generations.rebuild(database_url, registry.ALL)
    assert await logs.dump(connection) == before
    assert await texts(found, "camion") == ["otro camión"]
    assert await texts(found, "京都") == []
    assert (await comparing.verify(database_url, registry.ALL)).ok
    await generations.rebuild(database_url, [PROJECTION])  # empties and drops what it replaced
    assert await texts(found, "camion") == ["otro camión"]


async def test_a_rebuild_repairs_what_was_altered(
    found: Search, connection: DatabaseConnection, database_url: str
) -> None:
    await fill(connection, [said(text, USERS[0], DESK) for text in TEXTS])
    await connection.execute("DELETE FROM search WHERE rowid = 6")
    report = await comparing.verify(database_url, [PROJECTION])
    assert [(one.table, one.key, one.kind) for one in report.differences] == [
        ("search", (6,), "missing")
    ]
    await generations.rebuild(database_url, [PROJECTION])
    assert await texts(found, "camion") == [TEXTS[0]]


async def test_it_says_since_when_it_is_behind(
    found: Search, connection: DatabaseConnection
) -> None:
    await fill(connection, [said("hola uno", USERS[0], DESK)])
    assert (await find(found, "hola")).behind_since is None
    later = logs.NOW + 500 * SECOND
    await logs.append(connection, [draft(*said("hola dos", USERS[0], DESK))], now=later)
    page = await find(found, "hola")
    assert ([hit.text for hit in page.hits], page.behind_since) == (["hola uno"], later)


async def test_no_query_reads_a_whole_table(found: Search, connection: DatabaseConnection) -> None:
    people = [str(UUID(int=n, version=4)) for n in range(100, 400)]
    history: History = [
        (f"user/{one}", UserRegistered(user=f"v{n}", name="V", role="user", origin="form"))
        for n, one in enumerate(people)
    ]
    history += [said(f"hola número {n}", one, DESK) for n, one in enumerate(people * 6)]
    await logs.record(connection, registrations() + history, batch=500)
    await following.catch_up(connection)
    for table in ("messages", "conversations", "log_event", "search"):
        for statement in connection.dialect.analyze(table):
            await connection.execute(statement)
    for query in ("numero", "mer 1799", "de:v2 ho", "con:v3", "antes:9", "estado:esperando 7"):
        with watched() as sent:
            page = await find(found, query)
        assert page.hits or query == "antes:9"
        assert len(sent) <= 40
        for statement in sent:
            assert await scanned(connection, statement) == [], statement[0]
