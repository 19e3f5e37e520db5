"""What was committed is delivered, even if the store goes away before it is known to whom."""

import itertools

import pytest

from registro.errors import Unavailable
from registro.events.writer import Committed
from registro.services import Services
from registro.web import broadcast
from registro.web.sockets import Sockets
from tests.conftest import settings_for
from tests.support.waiting import until


@pytest.fixture
async def services(tmp_path):
    services = Services(settings_for(f"sqlite:///{tmp_path}/registro.db"))
    yield services
    await services.stop()


@pytest.fixture
async def running(services):
    """Their sockets, without a web server."""
    running = Sockets(services)
    await services.start()
    return running


@pytest.fixture
async def told(running, monkeypatch):
    """What the sockets tell: event and seq."""
    monkeypatch.setattr(broadcast, "RETRY", 0.01)
    told = []
    monkeypatch.setattr(
        running.server, "deliver", lambda event, payload, *_: told.append((event, payload["seq"]))
    )
    return told


def fails_twice(function):
    """The same function of a store that is away for the first two calls."""
    calls = itertools.count()

    async def failing(*arguments):
        if next(calls) < 2:
            raise Unavailable("away")
        return await function(*arguments)

    return failing


async def test_what_cannot_be_delivered_now_is_delivered_later_once_and_in_order(
    services, told, monkeypatch
):
    ada = await services.accounts.register("ada", "Ada", "user", "form")
    root = await services.accounts.register("root", "Root", "admin", "form")
    services.directory.by_ids = fails_twice(services.directory.by_ids)
    monkeypatch.setattr(broadcast, "standing", fails_twice(broadcast.standing))
    first = await (await services.chat.send(ada, "admin", "uno", None, None, None)).stored()
    await services.chat.mark_read(root, first.stream.partition("/")[2], 1, None)
    await (await services.chat.send(ada, "admin", "dos", None, None, None)).stored()
    await until(lambda: ("mensaje_enviado", 2) in told)
    assert told == [
        ("mensaje_recibido", 1), ("mensaje_enviado", 1), ("leido", 1),
        ("mensaje_recibido", 2), ("mensaje_enviado", 2),
    ]  # fmt: skip


async def test_an_event_of_a_newer_program_holds_nothing_up(services, running, told):
    ada = await services.accounts.register("ada", "Ada", "user", "form")
    row = await (await services.chat.send(ada, "admin", "uno", None, None, None)).stored()
    await until(lambda: ("mensaje_enviado", 1) in told)
    unknown = row._replace(type="conversation:message:improved")
    await services.feed.subscribers[-1](
        [Committed(unknown, None), Committed(row._replace(version=7), None)]
    )
    assert told[2:] == [("mensaje_recibido", 7), ("mensaje_enviado", 7)]
