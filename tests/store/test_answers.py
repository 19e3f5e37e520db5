"""Canned answers, on each kind of database."""

from __future__ import annotations

import pytest

from registro.errors import Refused
from registro.services import Services
from registro.services.answers import LISTED
from tests.store.test_desk import person
from tests.support.queries import watched


async def titles(services: Services) -> list[str]:
    return [one.answer.title for one in await services.answers.all()]


async def types(services: Services, beginning: str) -> list[str]:
    async with services.readers.connection() as connection:
        rows = await connection.fetch_all(
            "SELECT type FROM log_event WHERE type LIKE :type ORDER BY position",
            type=f"{beginning}%",
        )
    return [type_ for (type_,) in rows]


async def test_answers_are_saved_changed_and_removed_by_any_admin(services: Services) -> None:
    ana, leo = await person(services, "ana", "admin"), await person(services, "leo", "admin")
    for title in ("Pago", "Ánimo", "gracias"):
        await services.answers.save(ana, "", title, f"Texto de {title}")
    with watched() as sent:
        first, *_ = await services.answers.all()
    assert len(sent) == 1
    assert (first.answer.title, first.by) == ("Ánimo", "Ana")
    await services.answers.save(leo, first.answer.id, "zarpar", "¡A la mar!")
    await services.answers.save(leo, first.answer.id, "zarpar", "¡A la mar!")  # no news
    assert await titles(services) == ["gracias", "Pago", "zarpar"]
    assert (await services.answers.all())[-1].by == "Leo"
    await services.answers.remove(ana, first.answer.id)
    with pytest.raises(Refused, match="no_autorizado"):
        await services.answers.save(ana, first.answer.id, "zarpar", "otra vez")
    assert await titles(services) == ["gracias", "Pago"]
    saved, removed = ["desk:answer:saved"] * 4, ["desk:answer:removed"]
    assert await types(services, "desk:answer") == saved + removed


@pytest.mark.parametrize(
    ("title", "text", "problem"),
    [
        ("", "x", ("datos_invalidos", "title", None)),
        ("x" * 41, "x", ("datos_invalidos", "title", None)),
        ("a\nb", "x", ("datos_invalidos", "title", None)),
        ("GRÁCIAS", "x", ("datos_invalidos", "title", "taken")),
        ("otra", " \n", ("mensaje_vacio", "text", None)),
        ("otra", "x" * 4001, ("mensaje_largo", "text", None)),
        ("otra", "a\0b", ("datos_invalidos", "text", None)),
    ],
)
async def test_what_cannot_be_an_answer_is_refused(
    services: Services, title: str, text: str, problem: tuple[str, str, str | None]
) -> None:
    ana = await person(services, "ana", "admin")
    await services.answers.save(ana, "", "Gracias", "¡Gracias!")
    with pytest.raises(Refused) as refused:
        await services.answers.save(ana, "", title, text)
    details = refused.value.details
    assert (refused.value.code, details["field"], details.get("reason")) == problem
    assert await titles(services) == ["Gracias"]


async def test_answers_are_for_admins_and_not_more_than_are_listed(services: Services) -> None:
    ana, eva = await person(services, "ana", "admin"), await person(services, "eva")
    with pytest.raises(Refused, match="no_autorizado"):
        await services.answers.save(eva, "", "x", "y")
    for number in range(LISTED):
        await services.answers.save(ana, "", f"r{number}", "y")
    with pytest.raises(Refused) as refused:
        await services.answers.save(ana, "", "una más", "y")
    assert refused.value.details["reason"] == "full"
    [one, *_] = await services.answers.all()
    with pytest.raises(Refused, match="no_autorizado"):
        await services.answers.remove(eva, one.answer.id)
    assert len(await services.answers.all()) == LISTED


async def test_an_erased_admins_texts_are_gone_also_where_others_changed_them(
    services: Services,
) -> None:
    ana, leo = await person(services, "ana", "admin"), await person(services, "leo", "admin")
    await services.answers.save(ana, "", "saludo", "Soy Ana, de Teruel")
    await services.answers.save(ana, "", "firma", "Ana")
    [_, changed] = await services.answers.all()
    await services.answers.save(leo, changed.answer.id, "saludo", "Hola")
    await services.erasures.carry_out(await services.erasures.of_person(ana), "asked for", leo.id)
    assert await titles(services) == ["saludo"]
    async with services.readers.connection() as connection:
        rows = await connection.fetch_all(
            "SELECT payload FROM log_event WHERE type = 'desk:answer:saved' ORDER BY position"
        )
    assert [payload is None for (payload,) in rows] == [True, True, False]
