"""The contract suite: the official JavaScript client against a real server (docs: part 1)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import SECRET
from tests.support import clients
from tests.support.clients import TRANSPORTS, Clients
from tests.support.server import Server
from tests.support.world import World


@pytest.fixture(scope="session")
def node() -> Iterator[Clients]:
    yield from clients.running()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests of a module, which use names of their own."""
    folder = tmp_path_factory.mktemp("server")
    with Server(folder, {"JWT_SECRET": SECRET, "REGISTRO_NODE_LEASE_SECONDS": "1"}) as server:
        yield server
        assert server.alive
        assert "Traceback" not in server.output()


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def world(server: Server, node: Clients, transport: str) -> Iterator[World]:
    """People who reach the server over each transport in turn."""
    world = World(server, node, transport)
    yield world
    world.close()


@pytest.fixture
def websockets(server: Server, node: Clients) -> Iterator[World]:
    """The same over websocket alone, for what no transport changes."""
    world = World(server, node, "websocket")
    yield world
    world.close()


@pytest.fixture
def upgrading(server: Server, node: Clients) -> Iterator[World]:
    """The same over polling with an upgrade to websocket."""
    world = World(server, node, "upgrade")
    yield world
    world.close()
