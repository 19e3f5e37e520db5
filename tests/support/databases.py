"""Private MySQL and MariaDB servers on free ports: started, killed and resumed by the tests."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pymysql

from tests.support.logs import open_database

ROOT = Path(__file__).resolve().parents[2]
MYSQL_HOME = ROOT / ".cache" / "mysql"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class DatabaseServer:
    """One server with its data in `folder`. Its login is root without a password, on loopback."""

    def __init__(self, kind: str, folder: Path, options: Sequence[str] = ()) -> None:
        self.kind = kind
        self.folder = folder
        self.port = free_port()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        (self.folder / "tmp").mkdir(parents=True)
        (self._initialise_mysql if self.kind == "mysql" else self._initialise_mariadb)()
        self.resume()

    def resume(self) -> None:
        """Starts the server on the data that it left."""
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command(), f"--port={self.port}"], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = (self.folder / "server.log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self.kind} did not come up:\n{tail}")
            time.sleep(0.1)

    def kill(self) -> None:
        """A crash: the data stay as they are."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """The server hangs: connections stay open and nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, signal_: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(signal_)
            self._process.wait(60)
            self._process = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def url(self, database: str) -> str:
        return f"mysql://root@127.0.0.1:{self.port}/{database}"

    def execute(self, sql: str) -> None:
        """Runs one statement as root, outside Registro."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(sql)

    def connect(self, database: str | None = None) -> Any:
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user="root", database=database, autocommit=True
        )

    def _answers(self) -> bool:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), 1) as s,
        ):
            return bool(s.recv(1))  # the greeting: the server is ready
        return False

    def _common(self) -> list[str]:
        return [
            f"--datadir={self.folder}/data",
            # Of its own: when one starts, it removes the temporary tables that it finds there.
            f"--tmpdir={self.folder}/tmp",
            "--bind-address=127.0.0.1",
            f"--socket={self._socket()}",
            f"--pid-file={self.folder}/pid",
            "--user=root",
            *self._options,
        ]

    def _socket(self) -> str:
        # Unix socket paths may have 107 characters; those of temporary folders can be longer.
        return f"/tmp/registro-{self.port}.sock"

    def _command(self) -> list[str]:
        return self._mysqld(*self._common()) if self.kind == "mysql" else [
            _mariadb_program("mariadbd"), "--no-defaults", *self._common()
        ]  # fmt: skip

    def _mysqld(self, *arguments: str) -> list[str]:
        """mysqld with the libraries that it was unpacked with (see scripts/private-mysqld)."""
        root = MYSQL_HOME / "root"
        libraries = root / "usr/lib/x86_64-linux-gnu"
        return [
            f"{libraries}/ld-linux-x86-64.so.2", "--library-path", str(libraries),
            f"{root}/usr/sbin/mysqld", "--no-defaults", f"--basedir={root}/usr", "--mysqlx=OFF",
            "--secure-file-priv=",
            f"--lc-messages-dir={root}/usr/share/mysql",
            f"--character-sets-dir={root}/usr/share/mysql/charsets", *arguments,
        ]  # fmt: skip

    def _initialise_mysql(self) -> None:
        command = self._mysqld(
            "--initialize-insecure", "--user=root", f"--datadir={self.folder}/data"
        )
        subprocess.run(command, check=True, capture_output=True)

    def _initialise_mariadb(self) -> None:
        command = [
            _mariadb_program("mariadb-install-db"), "--no-defaults",
            f"--datadir={self.folder}/data", "--auth-root-authentication-method=normal",
            "--skip-test-db", "--user=root",
        ]  # fmt: skip
        environ = os.environ | {"TMPDIR": f"{self.folder}/tmp"}
        subprocess.run(command, check=True, capture_output=True, env=environ)


def _mariadb_program(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin")
    if found is None:
        raise RuntimeError(f"{name} is missing: scripts/test installs it")
    return found


class MigratedDatabase:
    """A database that has had the migrations and nothing else, as often as it is emptied."""

    def __init__(self, server: DatabaseServer, name: str) -> None:
        self.url = server.url(name)
        self._server = server
        self._name = name
        server.execute(f"CREATE DATABASE {name}")
        asyncio.run(migrate(self.url))
        with self._cursor() as cursor:
            cursor.execute("SHOW TABLES")
            self._tables = [table for (table,) in cursor.fetchall()]
            self._rows = {table: _rows(cursor, table) for table in self._filled(cursor)}
            self._definitions = _definitions_changed(cursor)

    def empty(self) -> bool:
        """Takes away what a test has written; False when the test has defined anything anew, or
        holds locks still, for then the database is no more what it was."""
        try:
            with self._cursor() as cursor:
                if _definitions_changed(cursor) != self._definitions:
                    return False
                self._empty(cursor)
                self._definitions = _definitions_changed(cursor)
        except pymysql.err.OperationalError:
            return False
        return True

    def _empty(self, cursor: Any) -> None:
        cursor.execute("SET SESSION lock_wait_timeout = 1, innodb_lock_wait_timeout = 1")
        for table in self._filled(cursor):
            # The log's triggers let nobody delete. (Truncating them all would take ten times as
            # long: it makes each table anew.)
            verb = "TRUNCATE" if table == "log_event" else "DELETE FROM"
            cursor.execute(f"{verb} `{table}`")
        for table, rows in self._rows.items():
            places = ", ".join(["%s"] * len(rows[0]))
            cursor.executemany(f"INSERT INTO `{table}` VALUES ({places})", rows)

    def _filled(self, cursor: Any) -> list[str]:
        """The tables that have rows."""
        looks = (f"(SELECT '{table}' FROM `{table}` LIMIT 1)" for table in self._tables)
        cursor.execute(" UNION ALL ".join(looks))
        return [table for (table,) in cursor.fetchall()]

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        with closing(self._server.connect(self._name)) as connection, connection.cursor() as cursor:
            yield cursor


def _rows(cursor: Any, table: str) -> Sequence[tuple[Any, ...]]:
    cursor.execute(f"SELECT * FROM `{table}`")
    rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _definitions_changed(cursor: Any) -> int:
    """How many statements that define something the server has carried out, in all databases: it
    serves one test at a time."""
    cursor.execute(
        "SHOW GLOBAL STATUS WHERE Variable_name REGEXP"
        " '^Com_(create|alter|drop|rename)_(table|index|trigger|db)$'"
    )
    return sum(int(count) for _, count in cursor.fetchall())


async def migrate(url: str) -> None:
    connection = await open_database(url)
    await connection.close()


class DatabaseServers:
    """One server of each kind for the whole test run, with databases for every test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, DatabaseServer] = {}
        self._idle: dict[str, MigratedDatabase] = {}
        self._numbers = itertools.count(1)

    def get(self, kind: str) -> DatabaseServer:
        if kind not in self._running:
            # What it measures of itself costs MySQL a tenth of its time. (MariaDB's is off.)
            options = ["--performance-schema=OFF"] if kind == "mysql" else []
            server = DatabaseServer(kind, self._folder / kind, options)
            server.start()
            self._running[kind] = server
        return self._running[kind]

    def new_database(self, kind: str) -> str:
        """A database with nothing in it."""
        server = self.get(kind)
        name = self._new_name()
        server.execute(f"CREATE DATABASE {name}")
        return server.url(name)

    @contextmanager
    def migrated_database(self, kind: str) -> Iterator[str]:
        """A database that has had the migrations. The next test gets the same one, emptied, where
        that can be: the migrations take MySQL half a second of a processor each time."""
        database = self._idle.pop(kind, None) or MigratedDatabase(self.get(kind), self._new_name())
        yield database.url
        if database.empty():
            self._idle[kind] = database

    def _new_name(self) -> str:
        return f"test_{next(self._numbers)}"

    def stop(self) -> None:
        for server in self._running.values():
            server.kill()  # the data are thrown away
