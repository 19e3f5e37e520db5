"""A made-up database of the Node.js original, on a private server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aiomysql
import bcrypt

USERS = """
CREATE TABLE usuarios (usuario VARCHAR(100) PRIMARY KEY, nombre VARCHAR(255), rol VARCHAR(20),
    pass VARCHAR(255), imagen VARCHAR(255)) CHARACTER SET {charset}"""
MESSAGES = """
CREATE TABLE mensajes (id INT AUTO_INCREMENT PRIMARY KEY, de_usuario VARCHAR(100),
    para_usuario VARCHAR(100), mensaje TEXT, fecha {time}) CHARACTER SET {charset}"""


def hashed(password: str, prefix: bytes = b"2b") -> str:
    """As bcryptjs makes them, with few rounds."""
    return bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4, prefix)).decode()


class Original:
    """Rows are put in as they would stand there; `port` is that of a server without a password."""

    def __init__(self, url: str) -> None:
        self.url = url
        login, _, self.database = url.rpartition("/")
        self._port = int(login.rpartition(":")[2])

    async def create(self, time: str = "DATETIME", charset: str = "utf8mb4") -> None:
        await self.execute(USERS.format(charset=charset))
        await self.execute(MESSAGES.format(time=time, charset=charset))

    async def add_users(self, *rows: Sequence[Any]) -> None:
        """(usuario, nombre, rol, pass, imagen)"""
        await self.execute("INSERT INTO usuarios VALUES (%s, %s, %s, %s, %s)", *rows)

    async def add_messages(self, *rows: Sequence[Any]) -> None:
        """(de_usuario, para_usuario, mensaje, fecha)"""
        await self.execute(
            "INSERT INTO mensajes (de_usuario, para_usuario, mensaje, fecha)"
            " VALUES (%s, %s, %s, %s)",
            *rows,
        )

    async def execute(self, sql: str, *rows: Sequence[Any]) -> None:
        connection = await aiomysql.connect(
            host="127.0.0.1", port=self._port, user="root", db=self.database, charset="utf8mb4",
            autocommit=True, init_command="SET time_zone = '+00:00', sql_mode = ''",
        )  # fmt: skip
        try:
            async with connection.cursor() as cursor:
                if rows:
                    await cursor.executemany(sql, rows)
                else:
                    await cursor.execute(sql)
        finally:
            connection.close()
