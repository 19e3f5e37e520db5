"""Fixtures of the store tests: an open connection to a migrated database of each kind."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from registro.db.connection import DatabaseConnection
from tests.support.logs import open_database


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[DatabaseConnection]:
    connection = await open_database(database_url)
    yield connection
    await connection.close()
