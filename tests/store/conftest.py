"""Fixtures of the store tests: an open connection to a migrated database of each kind."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from registro.db import migrations
from registro.db.connection import DatabaseConnection
from registro.projections import runner


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[DatabaseConnection]:
    connection = await DatabaseConnection(database_url).open()
    await migrations.migrate(connection, runner.ensure)
    yield connection
    await connection.close()
