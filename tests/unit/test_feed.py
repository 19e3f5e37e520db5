"""Committed events reach the subscribers once and in order, with where in this process they came
from, whoever commits them and whenever that is said."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from registro.services import feed


class Log:
    """A log that this process and others append to. Stands in for the pool of readers, too."""

    def __init__(self):
        self.rows = []

    @asynccontextmanager
    async def connection(self):
        yield self

    async def read(self, _, after, limit=1000):
        await asyncio.sleep(0)
        return self.rows[after : after + limit]


@pytest.fixture
async def log(monkeypatch):
    log = Log()
    monkeypatch.setattr(feed.reader, "read", log.read)
    return log
