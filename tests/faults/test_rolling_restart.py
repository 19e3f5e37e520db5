"""Two processes behind nginx are restarted one after the other while people write.

Nothing is lost or doubled, every page shows everything in order, both processes end with exit
code 0 within their drain time, and nobody's connection is left open.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import SECRET
from tests.support.clients import until
from tests.support.databases import DatabaseServers
from tests.support.delivery import Log, all_shown, findings
from tests.support.fleet import Fleet
from tests.support.nginx import Nginx
from tests.support.redis import RedisServer
from tests.support.server import Server
from tests.support.tabs import Tab, Tabs

DRAIN = 6
PAUSE = 0.02
"""Seconds between two messages of the load."""


@pytest.fixture
def fleet(database_servers: DatabaseServers, tmp_path: Path) -> Iterator[Fleet]:
    with RedisServer(tmp_path) as redis:
        environ = {
            "JWT_SECRET": SECRET,
            "DATABASE_URL": database_servers.new_database("mysql"),
            "REDIS_URL": redis.url,
            "REGISTRO_TRUSTED_PROXIES": "1",
            "REGISTRO_DRAIN_SECONDS": str(DRAIN),
        }
        with Fleet(tmp_path, 2, environ) as fleet:
            yield fleet


def restart(servers: list[Server]) -> list[float]:
    """One after the other; the seconds that each took to stop."""
    seconds = []
    for server in servers:
        begin = time.monotonic()
        assert server.stop() == 0
        seconds.append(time.monotonic() - begin)
        server.start()
        time.sleep(1)
    return seconds


def open_pages(tabs: Tabs, server: Server, url: str) -> list[Tab]:
    """Nine people over all transports, and an admin over each."""
    pages = []
    for number, transport in enumerate(["polling", "websocket", "upgrade"] * 4):
        user, rol = (f"eva-{number}", "user") if number < 9 else (f"jefa-{number}", "admin")
        browser = tabs.browser(user, server.token(user, rol), f"{number:032x}")
        pages.append(tabs.open(browser, url, transport))
    tabs.wait(lambda: all(tab.connects for tab in pages), "everybody to be connected", 20)
    return pages


@pytest.mark.timeout(180)
def test_a_rolling_restart_under_load_loses_and_doubles_nothing(
    fleet: Fleet, tmp_path: Path
) -> None:
    first = fleet.servers[0]
    with (
        Nginx(tmp_path / "nginx", fleet.ports) as nginx,
        Tabs() as tabs,
        ThreadPoolExecutor(1) as thread,
    ):
        pages = open_pages(tabs, first, nginx.url)
        restarted = thread.submit(restart, fleet.servers)
        numbers = itertools.count(1)
        while not restarted.done():
            for tab in pages[:9]:
                tabs.send(tab, "admin", f"{next(numbers)}")
                time.sleep(PAUSE)
        seconds = restarted.result()
        assert max(seconds) < DRAIN
        until(tabs.idle, "everything to be sent", 30)
        log = Log.of(first)
        until(lambda: all_shown(log, pages), "everything to be shown")
        assert findings(log, tabs) == []
        assert len(log.written) == next(numbers) - 1
        assert [tab.connects > 1 for tab in pages] == [True] * len(pages)
    reasons = {event["reason"] for event in log.payloads("connection:closed")}
    assert "crash" not in reasons
    first.registro("log", "verify")
