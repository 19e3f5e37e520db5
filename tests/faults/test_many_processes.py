"""Three server processes over MySQL and Redis, behind nginx with the configuration in deploy/.

1. Polling through nginx comes back to the process that knows the session, by cookie or by address.
2. Redis is killed: messages are stored and reach other processes from the log; when it is back they
   are quick again, without a restart.
3. A process is killed: its clients go on elsewhere, and a survivor closes by events what it left
   open, when its lease has run out.
4. The database hangs for longer than a lease: nobody is taken for dead.
5. A process is asleep for longer than its lease, and awakes: the clients whose connections a
   survivor has closed connect anew, so that who is there is known.
6. A process that is stopping sends newcomers to the others.
"""

from __future__ import annotations

import http.client
import json
import re
import signal
import ssl
import statistics
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import SECRET
from tests.support import clients
from tests.support.clients import Client, Clients, until
from tests.support.databases import DatabaseServers
from tests.support.delivery import Log, all_shown
from tests.support.fleet import Fleet
from tests.support.nginx import Nginx, make_certificate
from tests.support.redis import RedisServer
from tests.support.server import Server
from tests.support.tabs import Tab, Tabs
from tests.support.world import World, name

HANDSHAKE = "/socket.io/?EIO=4&transport=polling"
LEASE = 2
QUICK = 0.25
"""Seconds in which a message reaches another process over Redis; without Redis the log is looked
at twice a second."""
POLLED = 5
"""Seconds in which it does without Redis, on a machine that is busy with other things."""


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as redis:
        yield redis


@pytest.fixture(scope="module")
def fleet(
    database_servers: DatabaseServers,
    redis: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Fleet]:
    environ = {
        "JWT_SECRET": SECRET,
        "DATABASE_URL": database_servers.new_database("mysql"),
        "REDIS_URL": redis.url,
        "REGISTRO_TRUSTED_PROXIES": "1",
        "REGISTRO_NODE_LEASE_SECONDS": str(LEASE),
        "REGISTRO_DRAIN_SECONDS": "6",
    }
    with Fleet(tmp_path_factory.mktemp("fleet"), 3, environ) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def nginx(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with Nginx(tmp_path_factory.mktemp("nginx"), fleet.ports) as nginx:
        yield nginx


@pytest.fixture(scope="module")
def node() -> Iterator[Clients]:
    yield from clients.running()


@pytest.fixture
def tabs() -> Iterator[Tabs]:
    with Tabs() as tabs:
        yield tabs
        for tab in tabs.opened:
            tabs.close(tab)


def get(nginx: Nginx, path: str, **headers: str) -> http.client.HTTPResponse:
    if nginx.certificate is None:
        connection = http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=10)
    else:
        context = ssl.create_default_context(cafile=str(nginx.certificate))
        connection = http.client.HTTPSConnection(
            "127.0.0.1", nginx.port, timeout=10, context=context
        )
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        response.read()
        return response
    finally:
        connection.close()


def route_cookie(nginx: Nginx) -> str:
    """The cookie that a page sets for a browser which has none."""
    cookies = get(nginx, "/login").headers.get_all("Set-Cookie") or []
    [cookie] = [cookie for cookie in cookies if cookie.startswith("registro_route=")]
    return cookie


def new_route(nginx: Nginx) -> str:
    cookie = route_cookie(nginx)
    route = re.fullmatch(r"registro_route=([0-9a-f]{32}); Path=/; HttpOnly; SameSite=Lax", cookie)
    assert route is not None, cookie
    return route[1]


def processes(server: Server, users: set[str]) -> dict[str, str]:
    """Which process each user was connected to last."""
    log = Log.of(server)
    return {
        user: event["node"]
        for event in log.payloads("connection:opened")
        if (user := log.users[event["user"]]) in users
    }


# Stickiness


def by_cookie_of_a_page(nginx: Nginx, token: str) -> dict[str, Any]:
    return {"extraHeaders": {"Cookie": f"registro_route={new_route(nginx)}; token={token}"}}


def by_token(_: Nginx, token: str) -> dict[str, Any]:
    return {"extraHeaders": {"Cookie": f"token={token}"}}


def by_address(_: Nginx, token: str) -> dict[str, Any]:
    return {"auth": {"token": token}}


@pytest.mark.parametrize(
    ("identity", "spread"), [(by_cookie_of_a_page, 3), (by_token, 3), (by_address, 1)]
)
def test_long_polls_come_back_to_the_process_that_knows_them(fleet, nginx, node, identity, spread):
    people: list[Client] = []
    for _ in range(24):
        user = name()
        options = identity(nginx, fleet.servers[0].token(user))
        people.append(node.open(nginx.url, "polling", **options))
        people[-1].user = user
    for client in people:
        client.connected()
    for number in range(4):
        answers = [
            client.emit("mensaje_privado", {"para": "admin", "mensaje": f"{number}"})
            for client in people
        ]
        assert [answer.value["seq"] for answer in answers] == [number + 1] * len(people)
    assert [client.of("close") for client in people] == [[]] * len(people)
    users = {client.user for client in people}
    assert len(set(processes(fleet.servers[0], users).values())) == spread
    for client in people:
        client.close()


def test_a_connection_is_upgraded_to_a_websocket(fleet, nginx, node):
    cookie = f"token={fleet.servers[0].token(name())}"
    client = node.open(nginx.url, "upgrade", extraHeaders={"Cookie": cookie}).connected()
    assert client.say("admin", "hola")["ok"]
    client.close()


def test_only_pages_give_browsers_their_route_and_only_once(nginx):
    route = new_route(nginx)
    again = get(nginx, "/login", Cookie=f"registro_route={route}")
    assert "registro_route" not in str(again.headers)
    forged = get(nginx, "/login", Cookie="registro_route=everybody-to-one-process")
    assert "registro_route" in str(forged.headers)
    handshake = get(nginx, HANDSHAKE)
    assert handshake.status == 200
    assert "Set-Cookie" not in handshake.headers


def test_what_clients_say_about_forwarding_is_not_believed(nginx):
    own = get(nginx, HANDSHAKE, Origin=f"https://127.0.0.1:{nginx.port}")
    assert own.status == 200
    forged = {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    assert get(nginx, HANDSHAKE, Origin="https://evil.example", **forged).status == 400


def test_the_lines_for_tls_are_right(fleet, node, tmp_path):
    certificate = tmp_path / "certificate.pem"
    make_certificate(certificate)
    with Nginx(tmp_path / "nginx", fleet.ports, certificate) as nginx:
        assert route_cookie(nginx).endswith("; SameSite=Lax; Secure")
        headers = {"Cookie": f"token={fleet.servers[0].token(name())}", "Origin": nginx.url}
        client = node.open(nginx.url, "upgrade", extraHeaders=headers, rejectUnauthorized=False)
        assert client.connected().say("admin", "hola")["ok"]
        client.close()
        client.closed()


# Redis


def seconds_to(tabs: Tabs, sender: Tab, receiver: Tab) -> float:
    """How long a message to the desk takes from one page to another."""
    text = name("text")
    begin = time.monotonic()
    tabs.send(sender, "admin", text)
    tabs.wait(lambda: text in receiver.texts, f"{text} to arrive", POLLED)
    return time.monotonic() - begin


def wait_until_quick(tabs: Tabs, sender: Tab, receiver: Tab) -> None:
    """Waits until messages come faster than by looking at the log twice a second."""

    def quick() -> bool:
        return statistics.median(seconds_to(tabs, sender, receiver) for _ in range(7)) < QUICK

    until(quick, "messages to be quick", 20)


def test_messages_reach_other_processes_without_redis_and_quickly_again_with_it(fleet, redis, tabs):
    first, second, third = fleet.servers
    sender = tabs.open(tabs.browser("ana", first.token("ana")), first.url)
    near = tabs.open(tabs.browser("jefa", first.token("jefa", "admin")), first.url)
    far = tabs.open(tabs.browser("turno", first.token("turno", "admin")), second.url)
    further = tabs.open(tabs.browser("ana", first.token("ana")), third.url)
    tabs.wait(lambda: all(tab.connects for tab in tabs.opened), "everybody to be connected")
    wait_until_quick(tabs, sender, far)
    redis.kill()
    try:
        wait_until_quick(tabs, sender, near)
        for _ in range(5):
            assert seconds_to(tabs, sender, far) < POLLED
            assert seconds_to(tabs, further, near) < POLLED
    finally:
        redis.start()
    wait_until_quick(tabs, sender, far)
    wait_until_quick(tabs, further, near)
    assert all(server.alive for server in fleet.servers)
    assert [tab.connects for tab in tabs.opened] == [1] * 4


def test_what_somebody_else_writes_to_redis_shows_no_message_and_ends_no_session(
    fleet, redis, node
):
    world = World(fleet.servers[0], node, "websocket")
    admin, user = world.admin(), world.user()
    forged = {"de": user.user, "mensaje": "falso", "id": "x", "seq": 1, "conversacion": "x"}
    (channel,) = command(redis, "PUBSUB", "CHANNELS").splitlines()
    for message in (
        {"method": "emit", "event": "mensaje_recibido", "data": [forged], "room": "admins"},
        {"method": "emit", "event": "sesion_termina", "data": [{}], "room": "admins"},
        {"method": "close_room", "room": "admins"},
        {"method": "emit", "event": "escribiendo"},
        {"method": ["emit"]},
        [],
    ):
        if isinstance(message, dict):
            message |= {"namespace": "/", "host_id": "somebody"}
        command(redis, "PUBLISH", channel, json.dumps(message))
    command(redis, "PUBLISH", channel, "no JSON")
    typing = {"method": "emit", "event": "escribiendo", "data": [{"de": "x"}], "room": "admins"}
    command(redis, "PUBLISH", channel, json.dumps(typing | {"host_id": "somebody"}))
    admin.next("escribiendo")
    assert user.say("admin", "de verdad")["ok"]
    assert admin.next("mensaje_recibido")["mensaje"] == "de verdad"
    assert admin.got("sesion_termina") == []
    world.close()


def test_admins_of_other_processes_see_who_looks(fleet, redis, node):
    here, there = (World(server, node, "websocket") for server in fleet.servers[:2])
    ana, leo = here.admin(), there.admin()
    conversation = "00000000-0000-4000-8000-00000000000a"
    ana.call("mirando", {"conversacion": conversation})
    look = leo.next("mirando")
    assert (look["user"], look["conversacion"]) == (ana.user, conversation)
    late = there.admin()
    assert look in late.call("mirando", {"conversacion": None})["mirando"]
    here.close()
    gone = look | {"conversacion": None}
    leo.wait(lambda: gone in leo.got("mirando"), "the word that nobody looks any more")
    there.close()


def command(redis: RedisServer, *words: str) -> str:
    host, port = urlsplit(redis.url).netloc.split(":")
    return subprocess.run(
        ["redis-cli", "-h", host, "-p", port, *words], check=True, capture_output=True, text=True
    ).stdout


# Processes that die or stop


def spread_out(tabs: Tabs, fleet: Fleet, nginx: Nginx) -> dict[str, list[Tab]]:
    """Pages of people all over the processes, by the process they are connected to."""
    server = fleet.servers[0]
    pages: dict[str, Tab] = {}
    where: dict[str, list[Tab]] = {}
    # Routes are random, and a process may have a sixth of them: one can miss it 24 times.
    while len(where) < len(fleet.servers):
        assert len(pages) < 100, f"all of {len(pages)} are at {len(where)} processes"
        for transport in ["polling", "websocket", "upgrade"] * 8:
            user = name()
            browser = tabs.browser(user, server.token(user), new_route(nginx))
            pages[user] = tabs.open(browser, nginx.url, transport)
        tabs.wait(lambda: all(tab.connects for tab in pages.values()), "everybody to connect", 20)
        where = {}
        for user, process in processes(server, set(pages)).items():
            where.setdefault(process, []).append(pages[user])
    return where


def process_of(fleet: Fleet, node: Clients, number: int) -> tuple[str, Client]:
    """The id of a process, and a client that knows no other."""
    server = fleet.servers[number]
    user = name()
    cookie = {"Cookie": f"token={server.token(user)}"}
    client = node.open(server.url, "websocket", extraHeaders=cookie).connected()
    client.user = user
    return processes(server, {user})[user], client


def handshake_status(server: Server) -> int:
    """What a process answers a newcomer that comes to it directly."""
    address = server.url.removeprefix("http://")
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", HANDSHAKE)
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_killed_process_is_buried_by_a_survivor_and_its_clients_go_on(fleet, nginx, node, tabs):
    where = spread_out(tabs, fleet, nginx)
    process, lonely = process_of(fleet, node, 2)
    left = where.pop(process)
    others = [tab for some in where.values() for tab in some]
    first = fleet.servers[0]
    admin = tabs.open(tabs.browser("jefa", first.token("jefa", "admin")), first.url)
    tabs.wait(lambda: admin.connects, "the admin to be connected")
    fleet.servers[2].kill()
    try:
        tabs.wait(lambda: all(tab.connects > 1 for tab in left), "its clients to come back", 30)
        tabs.wait(lambda: admin.presence.get(lonely.user) is False, "who has gone", 5 * LEASE)
        for tab in (*left, *others):
            tabs.send(tab, "admin", f"{tab.browser.user} goes on")
        until(tabs.idle, "everything to be sent", 30)
        log = Log.of(first)
        until(lambda: all_shown(log, (*left, *others)), "everything to be shown")
    finally:
        fleet.servers[2].start()
    died = {e["stream"] for e in log.payloads("connection:opened") if e["node"] == process}
    ends = [e["reason"] for e in log.payloads("connection:closed") if e["stream"] in died]
    assert len(died) >= len(left) + 1
    assert ends.count("crash") >= len(left) + 1
    assert len(ends) == len(died)
    assert log.connections == {tab.browser.user: 1 for tab in tabs.opened}
    assert [tab.connects for tab in others] == [1] * len(others)


def crashes(fleet: Fleet) -> list[str]:
    """The connections that were closed because their process was taken for dead."""
    closed = Log.of(fleet.servers[0]).payloads("connection:closed")
    return [event["stream"] for event in closed if event["reason"] == "crash"]


def connected_once(fleet: Fleet, tabs: Tabs) -> bool:
    """Whether the log has exactly one open connection for each open page."""
    connections = Log.of(fleet.servers[0]).connections
    return {connections[tab.browser.user] for tab in tabs.opened} == {1}


def test_a_database_that_hangs_for_long_makes_nobody_look_dead(
    fleet, nginx, tabs, database_servers
):
    where = spread_out(tabs, fleet, nginx)
    pages = [tab for some in where.values() for tab in some]
    before = len(crashes(fleet))
    database_servers.get("mysql").pause()
    try:
        time.sleep(1.5 * LEASE)
    finally:
        database_servers.get("mysql").go_on()
    time.sleep(2.5 * LEASE)  # in which a survivor would have looked
    assert len(crashes(fleet)) == before
    assert [tab.connects for tab in pages] == [1] * len(pages)


def test_a_process_that_was_asleep_has_its_clients_recorded_anew(fleet, nginx, node, tabs):
    where = spread_out(tabs, fleet, nginx)
    process, lonely = process_of(fleet, node, 2)
    pages = where[process]
    before = len(crashes(fleet))
    fleet.servers[2].signal(signal.SIGSTOP)
    try:
        until(lambda: len(crashes(fleet)) > before + len(pages), "it to be buried", 10 * LEASE)
    finally:
        fleet.servers[2].signal(signal.SIGCONT)
    lonely.closed()
    tabs.wait(lambda: all(tab.connects > 1 for tab in pages), "its clients to come back", 30)
    until(lambda: connected_once(fleet, tabs), "them to be recorded anew")


def test_a_stopping_process_sends_newcomers_to_the_others(fleet, nginx, node, tabs):
    where = spread_out(tabs, fleet, nginx)
    process, _ = process_of(fleet, node, 1)
    pages = where[process]
    server = fleet.servers[1]
    with ThreadPoolExecutor(1) as thread:
        stopping = thread.submit(server.stop)
        until(lambda: handshake_status(server) == 503, "the process to begin to stop")
        user = name()
        browser = tabs.browser(user, server.token(user), pages[0].browser.route)
        newcomer = tabs.open(browser, nginx.url, "polling")
        tabs.wait(lambda: newcomer.connects, "a newcomer to be connected")
        assert newcomer.connections == ["online"]
        assert stopping.result() == 0
    try:
        tabs.wait(lambda: all(tab.connects > 1 for tab in pages), "its clients to come back", 30)
    finally:
        server.start()
    log = Log.of(fleet.servers[0])
    opened = {e["stream"] for e in log.payloads("connection:opened") if e["node"] == process}
    ends = {e["reason"] for e in log.payloads("connection:closed") if e["stream"] in opened}
    assert "crash" not in ends
