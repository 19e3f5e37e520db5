"""Everybody sees what the log has, whatever happens on the way: a randomised test.

People write from the browser's own chat client, close pages, lose them, open others, change their
network and their process. The network delays, freezes, refuses, swallows, cuts, and cuts after a
commit and before its acknowledgement; processes are killed and stopped; Redis is killed, the
database hangs. Then everything is well again, and what is left to come has to come by itself:

- the log has each message once, with every conversation's numbers 1, 2, 3 … and nobody's messages
  out of the order in which they were written, and it verifies;
- what was acknowledged is there, with the number that was said, and nothing that nobody wrote;
- every page shows exactly what the log has for it, in order, and those that were closed the
  beginning of it;
- who is connected is right, and live projections equal rebuilt ones.

What happens when is made from a seed before it begins; a failing run says how to do it again.
"""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import SECRET
from tests.support.clients import until
from tests.support.databases import DatabaseServer
from tests.support.delivery import Log, all_shown, findings
from tests.support.fleet import Fleet
from tests.support.network import MESSAGE_ACKNOWLEDGED, Network
from tests.support.nginx import Nginx
from tests.support.redis import RedisServer
from tests.support.schedules import Action, Stage, schedule
from tests.support.server import Server
from tests.support.tabs import Browser, Message, Tab, Tabs

ENVIRON = {
    "JWT_SECRET": SECRET,
    "REGISTRO_NODE_LEASE_SECONDS": "2",
    "REGISTRO_DRAIN_SECONDS": "6",
    "REGISTRO_STORE_TIMEOUT_SECONDS": "2",
}
USERS = ["ana", "bea", "carlos", "diego", "elena"]
ADMINS = ["jefa", "turno"]
BROWSERS = [*USERS, "ana", *ADMINS]
RECIPIENTS = {
    user: ["admin", "admin", USERS[place - 1], USERS[(place + 1) % len(USERS)]]
    for place, user in enumerate(USERS)
} | dict.fromkeys(ADMINS, USERS)
LINKS = 4
TOKEN_SECONDS = 86_400
REST = 60
"""Seconds in which everything that was written has to be everywhere, once all is well."""
STALE = 75
"""Seconds after which a connection that ended without a word is closed: Engine.IO's 45 and more."""


class World:
    """The processes, the network and the people. Its public methods are what `schedules` plans."""

    def __init__(
        self,
        tabs: Tabs,
        network: Network,
        servers: Sequence[Server],
        redis: RedisServer | None = None,
        store: DatabaseServer | None = None,
    ) -> None:
        self.tabs = tabs
        self.network = network
        self.servers = servers
        self._redis = redis
        self._store = store
        self._threads = [ThreadPoolExecutor(1) for _ in servers]  # an end waits for a start
        self._done: list[Future[object]] = []
        self._open: dict[int, Tab] = {}
        self._left: defaultdict[Browser, list[Tab]] = defaultdict(list)
        self._count = 0
        self.browsers = [tabs.browser(user, self._token(user)) for user in BROWSERS]

    # How it begins and ends

    def begin(self) -> None:
        """Users have written to everybody they write to: the conversations are there."""
        writers = [browser for browser in self.browsers if browser.user not in ADMINS]
        pages = [self.tabs.open(browser, self._url(0)) for browser in writers]
        until(self.tabs.idle, "everybody to be known", 30)
        for page in pages:
            for recipient in dict.fromkeys(RECIPIENTS[page.browser.user]):
                self._write(page, recipient)
        until(self.tabs.idle, "everybody to have written", 30)
        for tab in self.tabs.opened:
            self.tabs.close(tab)
        self.start_of = Log.of(self.servers[0])

    def perform(self, actions: Sequence[Action]) -> None:
        begin = time.monotonic()
        for action in actions:
            time.sleep(max(0.0, begin + action.at - time.monotonic()))
            getattr(self, action.what)(*action.arguments)

    def settle(self) -> Log:
        """All is well again: waits until everything has come to rest, and returns the log."""
        self.network.heal()
        for thread in self._threads:
            thread.shutdown()
        for done in self._done:
            done.result()
        for browser in self.browsers:
            if not any(tab.browser is browser for tab in self._open.values()):
                self.open(
                    -1 - browser.number, self.browsers.index(browser), "upgrade", 0, None, True
                )
        for tab in self.tabs.opened:
            self.tabs.retry(tab)
        deadline = time.monotonic() + REST
        until(self.tabs.idle, "everything that was written to be sent", REST)
        log = Log.of(self.servers[0])
        while not all_shown(log, self.tabs.opened) and time.monotonic() < deadline:
            time.sleep(0.1)  # what is missing then, `findings` tells
        return log

    # What people do

    def open(
        self, tab: int, browser: int, transport: str, link: int, route: str | None, again: bool
    ) -> None:
        """A page: one that was left, opened again, or else as it was at the start."""
        who = self.browsers[browser]
        who.route = route
        left = self._left[who]
        view = self.tabs.leave(left.pop()) if again and left else self._first(who.user)
        self._open[tab] = self.tabs.open(who, self._url(link), transport, view=view)

    def close(self, tab: int) -> None:
        self._end(tab, self.tabs.close)

    def vanish(self, tab: int) -> None:
        self._end(tab, self.tabs.vanish)

    def send(self, tab: int, recipient: str, count: int, upon: bool) -> None:
        """Some messages; or one, unless there is news."""
        page = self._open[tab]
        if not upon:
            for _ in range(count):
                self._write(page, recipient)
            return
        user = page.browser.user
        pair = (recipient, "admin") if user in ADMINS else (user, recipient)
        self._write(page, recipient, self.start_of.conversation(*pair))

    # What goes wrong

    def lose(self, link: int) -> None:
        self.network.links[link].lose(MESSAGE_ACKNOWLEDGED)

    def cut(self, link: int) -> None:
        self.network.links[link].cut()

    def swallow(self, link: int) -> None:
        self.network.links[link].swallow()

    def freeze(self, link: int) -> None:
        self.network.links[link].freeze()

    def delay(self, link: int, seconds: float) -> None:
        self.network.links[link].delay(seconds)

    def slow(self, link: int, rate: int) -> None:
        self.network.links[link].slow(rate)

    def refuse(self, link: int) -> None:
        self.network.links[link].refuse()

    def heal(self, link: int) -> None:
        self.network.links[link].heal()

    def kill(self, server: int) -> None:
        self._let(server, self.servers[server].kill)

    def stop(self, server: int) -> None:
        self._let(server, self.servers[server].stop)

    def start(self, server: int) -> None:
        def start_again() -> None:
            if not self.servers[server].alive:
                self.servers[server].start()

        self._let(server, start_again)

    def redis_away(self) -> None:
        assert self._redis is not None
        self._redis.kill()

    def redis_back(self) -> None:
        assert self._redis is not None
        self._redis.start()

    def store_away(self) -> None:
        assert self._store is not None
        self._store.pause()

    def store_back(self) -> None:
        assert self._store is not None
        self._store.go_on()

    # Inside

    def _token(self, user: str) -> str:
        rol = "admin" if user in ADMINS else "user"
        return self.servers[0].token(user, rol, exp=int(time.time()) + TOKEN_SECONDS)

    def _first(self, user: str) -> dict[str, list[Message]]:
        """What a page shows at first: nothing, but an admin's follows all conversations."""
        followed = self.start_of.messages if user in ADMINS else {}
        return {name: list(messages) for name, messages in followed.items()}

    def _url(self, link: int) -> str:
        return f"http://127.0.0.1:{self.network.links[link].port}"

    def _write(self, tab: Tab, recipient: str, upon: str | None = None) -> None:
        self._count += 1
        text = f"{self._count}: {tab.browser.user} to {recipient}"
        self.tabs.send(tab, recipient, text, upon)

    def _end(self, tab: int, end: Callable[[Tab], None]) -> None:
        page = self._open.pop(tab)
        end(page)
        self._left[page.browser].append(page)

    def _let(self, server: int, work: Callable[[], object]) -> None:
        self._done.append(self._threads[server].submit(work))

    @property
    def written(self) -> int:
        return self._count


def faults_of(network: Network) -> dict[str, int]:
    links = network.links
    return {
        "lost": sum(link.lost for link in links),
        "cuts": sum(link.cuts for link in links),
        "refused": sum(link.refused for link in links),
    }


def run(world: World, actions: Sequence[Action], patient: bool) -> None:
    world.begin()
    world.perform(actions)
    log = world.settle()
    found = findings(log, world.tabs)
    assert not found, "\n".join(found)
    assert len(log.written) == world.written
    first, pages = world.servers[0], Counter(tab.browser.user for tab in world.tabs.opened)
    until(lambda: Log.of(first).connections >= pages, "everybody to be recorded as connected")
    if patient:
        until(lambda: Log.of(first).connections == pages, "stale connections to be closed", STALE)
    assert [server.stop() for server in world.servers] == [0] * len(world.servers)
    assert Log.of(first).connections == {}
    first.registro("log", "verify")  # raises unless its exit code is 0
    first.registro("projections", "verify")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def one_process(stack: ExitStack, folder: Path) -> World:
    """SQLite, one process."""
    server = stack.enter_context(Server(folder, ENVIRON))
    port = int(server.url.rpartition(":")[2])
    network = stack.enter_context(Network(port, LINKS))
    return World(stack.enter_context(Tabs()), network, [server])


def three_processes(stack: ExitStack, folder: Path) -> World:
    """MySQL, Redis, three processes behind nginx."""
    store = DatabaseServer("mysql", folder / "mysql")
    store.start()
    stack.callback(store.kill)
    store.execute("CREATE DATABASE registro")
    redis = stack.enter_context(RedisServer(folder))
    environ = ENVIRON | {
        "DATABASE_URL": store.url("registro"),
        "REDIS_URL": redis.url,
        "REGISTRO_TRUSTED_PROXIES": "1",
    }
    fleet = stack.enter_context(Fleet(folder, 3, environ))
    nginx = stack.enter_context(Nginx(folder / "nginx", fleet.ports))
    network = stack.enter_context(Network(nginx.port, LINKS))
    return World(stack.enter_context(Tabs()), network, fleet.servers, redis, store)


WORLDS = {
    "sqlite": (one_process, Stage(BROWSERS, RECIPIENTS, LINKS, 1, ())),
    "mysql": (three_processes, Stage(BROWSERS, RECIPIENTS, LINKS, 3, ("redis", "store"))),
}
SECONDS = {"sqlite": 20, "mysql": 25}
LONG_SECONDS = 300


def deliver(stack: ExitStack, folder: Path, kind: str, seed: int, seconds: float) -> None:
    make, stage = WORLDS[kind]
    print(
        "Again: scripts/test --long tests/faults/test_random_delivery.py"
        f" -k 'as_asked and {kind}' --delivery-seed {seed} --delivery-seconds {seconds:g}"
    )
    world = make(stack, folder)
    run(world, schedule(seed, seconds, stage), patient=seconds >= LONG_SECONDS)
    done = faults_of(world.network)
    print(f"{world.written} messages, {done}")
    assert min(done.values()) > 0, "the network was too good to tell anything"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", WORLDS)
def test_everybody_sees_what_the_log_has_whatever_happens(
    stack: ExitStack, tmp_path: Path, kind: str
) -> None:
    deliver(stack, tmp_path, kind, 1, SECONDS[kind])


@pytest.mark.long
@pytest.mark.timeout(0)
@pytest.mark.parametrize("kind", WORLDS)
def test_everybody_sees_what_the_log_has_as_long_as_asked(
    stack: ExitStack, tmp_path: Path, kind: str, pytestconfig: pytest.Config
) -> None:
    seed = pytestconfig.getoption("--delivery-seed")
    seconds = pytestconfig.getoption("--delivery-seconds") or LONG_SECONDS
    deliver(stack, tmp_path, kind, random.randrange(10**6) if seed is None else seed, seconds)
