"""Office hours in the database: another process's are known here, and rebuilding keeps them."""

from __future__ import annotations

from registro.config import Settings
from registro.events.decide import Person
from registro.events.types import DeskHoursChanged
from registro.projections import comparing, registry
from registro.services import Services, running
from tests.support.waiting import until

ANA = Person("11111111-0000-4000-8000-000000000000", "ana", "Ana", "admin")


def hours(zone: str = "UTC") -> DeskHoursChanged:
    week = (("00:00-00:00",),) * 7
    return DeskHoursChanged(zone, week, ("2030-01-01",), "Hasta mañana", "See you", ANA.id)


async def test_what_one_process_sets_another_knows_soon(
    settings: Settings, services: Services
) -> None:
    assert await services.hours.state() is None
    async with running(settings) as other:
        assert await other.hours.set(ANA, hours())

    async def known() -> bool:
        return await services.hours.schedule() is not None

    await until(known)
    state = await services.hours.state()
    assert state is not None
    assert state.open


async def test_the_newest_stands_and_rebuilding_gives_the_same(services: Services) -> None:
    await services.hours.set(ANA, hours())
    assert not await services.hours.set(ANA, hours())
    await services.hours.set(ANA, hours("Europe/Madrid"))
    schedule = await services.hours.schedule()
    assert schedule is not None
    assert schedule.event == hours("Europe/Madrid")
    report = await comparing.verify(services.settings.database_url, registry.INLINE)
    assert report.ok, report.differences
    off = DeskHoursChanged("", (), (), "", "", ANA.id)
    assert await services.hours.set(ANA, off)
    assert await services.hours.schedule() is None
    assert not await services.hours.set(ANA, off)
