"""Saved views, several conversations at once, parts of threads and what is known of a user, on each
kind of database."""

from __future__ import annotations

import pytest

from registro.db.connection import DatabaseConnection
from registro.errors import Refused
from registro.events import ids
from registro.events.decide import Person
from registro.services import Services
from registro.services.desk import Order
from registro.services.inbox import Filter
from registro.services.saved_views import LISTED
from tests.store.test_desk import fill, person, quiet, say, users
from tests.support.queries import scanned, watched

__all__ = ["quiet"]


async def three(services: Services) -> tuple[Person, list[str]]:
    ana = await person(services, "ana", "admin")
    desks = []
    for user in ("eva", "leo", "pau"):
        one = await person(services, user)
        await say(services, one)
        desks.append(ids.desk_conversation(one.id))
    return ana, desks


async def test_one_thing_is_done_to_several_conversations_together(services: Services) -> None:
    ana, desks = await three(services)
    await services.desk.set_status(ana, desks[0], "resolved")
    done = await services.desk.several(ana, [*desks, desks[1]], Order("status", "resolved"))
    assert (done.changed, done.unchanged, done.refused) == (desks[1:], desks[:1], {})
    async with services.readers.connection() as connection:
        rows = await connection.fetch_all(
            "SELECT stream, position FROM log_event"
            " WHERE type = 'conversation:status:changed' ORDER BY position"
        )
    assert [stream for stream, _ in rows] == [f"desk/{desk}" for desk in desks]
    assert rows[2][1] == rows[1][1] + 1


async def test_what_cannot_be_done_to_some_is_done_to_the_others(services: Services) -> None:
    ana, desks = await three(services)
    nowhere = ids.desk_conversation(ana.id)
    for number in range(20):
        await services.desk.add_label(ana, desks[0], f"l{number}")
    done = await services.desk.several(ana, [*desks, nowhere], Order("label", "vip"))
    assert done.changed == desks[1:]
    assert done.refused == {desks[0]: "datos_invalidos", nowhere: "no_autorizado"}
    assert await users(services, label="vip") == ["pau", "leo"]
    undone = await services.desk.several(ana, desks, Order("unlabel", "vip"))
    assert (undone.changed, undone.unchanged) == (desks[1:], desks[:1])


async def test_several_are_assigned_read_and_marked_unread(services: Services) -> None:
    ana, desks = await three(services)
    await services.desk.several(ana, desks[:2], Order("assign", "ana"))
    assert await users(services, assignee=ana.id) == ["leo", "eva"]
    await services.desk.several(ana, desks, Order("read"))
    assert await users(services, unread=True) == []
    await services.desk.several(ana, desks[:1], Order("unread"))
    assert await users(services, unread=True) == ["eva"]
    with pytest.raises(Refused, match="destinatario_desconocido"):
        await services.desk.several(ana, desks, Order("assign", "nadie"))
    eva = await services.directory.by_user("eva")
    assert eva
    refused = await services.desk.several(eva, desks, Order("status", "resolved"))
    assert set(refused.refused) == set(desks)


async def test_a_view_is_its_owners_or_everybodys(services: Services) -> None:
    ana, leo = await person(services, "ana", "admin"), await person(services, "leo", "admin")
    own = await services.views.save(ana, "", "mías", "de=mias", shared=False)
    every = await services.views.save(ana, "", "Esperan", "orden=espera", shared=True)
    assert [view.name for view in await services.views.of(ana)] == ["Esperan", "mías"]
    assert [view.name for view in await services.views.of(leo)] == ["Esperan"]
    with pytest.raises(Refused, match="no_autorizado"):
        await services.views.remove(leo, own)
    await services.views.save(leo, every, "Los que esperan", "", shared=True)
    [view] = await services.views.of(leo)
    assert (view.name, view.address, view.owner) == ("Los que esperan", "orden=espera", ana.id)
    await services.views.remove(leo, every)
    assert await services.views.of(leo) == []


async def test_views_are_named_and_not_more_than_can_be_shown(services: Services) -> None:
    ana, eva = await person(services, "ana", "admin"), await person(services, "eva")
    for admin, name in ((ana, ""), (ana, "x" * 41), (ana, "a\nb")):
        with pytest.raises(Refused, match="datos_invalidos"):
            await services.views.save(admin, "", name, "", shared=False)
    with pytest.raises(Refused, match="no_autorizado"):
        await services.views.save(eva, "", "x", "", shared=True)
    for number in range(LISTED):
        await services.views.save(ana, "", f"v{number}", "", shared=False)
    with pytest.raises(Refused, match="datos_invalidos"):
        await services.views.save(ana, "", "una más", "", shared=False)


async def test_an_erased_admins_views_have_no_names(services: Services) -> None:
    ana, leo = await person(services, "ana", "admin"), await person(services, "leo", "admin")
    await services.views.save(ana, "", "clientes de mi pueblo", "de=mias", shared=True)
    plan = await services.erasures.of_person(ana)
    await services.erasures.carry_out(plan, "asked for", leo.id)
    assert await services.views.of(leo) == []
    async with services.readers.connection() as connection:
        assert await connection.fetch_value("SELECT name FROM desk_views") == ""


async def test_a_thread_is_read_in_parts_in_both_directions(services: Services) -> None:
    eva = await person(services, "eva")
    for number in range(1, 8):
        await say(services, eva, text=f"{number}")
    desk = ids.desk_conversation(eva.id)

    async def part(**where: int) -> tuple[str, bool, bool]:
        found = await services.inbox.thread(desk, limit=3, **where)  # type: ignore[arg-type]
        return "".join(one.text for one in found.messages), found.more, found.newer

    assert await part() == ("567", True, False)
    assert await part(before=5) == ("234", True, True)
    assert await part(before=3) == ("12", False, True)
    assert await part(before=9) == ("567", True, False)
    assert await part(after=2) == ("345", True, True)
    assert await part(after=4) == ("567", True, False)
    assert await part(after=0) == ("123", False, True)
    older = await services.inbox.thread(desk, 5, 3)
    newer = await services.inbox.thread(desk, after=4, limit=3)
    assert older.span[1] == newer.messages[0].position == newer.span[0]


async def test_what_is_known_of_a_user_is_read_by_four_statements_along_indexes(
    connection: DatabaseConnection, quiet: Services
) -> None:
    await fill(connection)
    [row] = (await quiet.inbox.list(Filter(), limit=1)).rows
    one = await quiet.directory.by_user(row.user)
    assert one
    with watched() as sent:
        known = await quiet.dossiers.of(one.id, row)
    assert (known.role, known.first_at, len(known.sockets)) == ("user", row.last_at, 1)
    assert known.assignment is None or known.assignment.by
    assert len([sql for sql, _ in sent if "FROM users WHERE" not in sql]) == 4
    with watched() as views:
        await quiet.views.of(one)
        await quiet.desk._works([row.conversation])
        await quiet.inbox.thread(row.conversation, after=0)
    for statement in (*sent, *views):
        assert await scanned(connection, statement) == [], statement[0]
