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
from pathlib import Path

import aiomysql

ROOT = Path(__file__).resolve().parents[2]
MYSQL_HOME = ROOT / ".cache" / "mysql"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class DatabaseServer:
    """One server with its data in `folder`. Its login is root without a password, on loopback."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        self.port = free_port()
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
        asyncio.run(self._execute(sql))

    async def _execute(self, sql: str) -> None:
        connection = await aiomysql.connect(
            host="127.0.0.1", port=self.port, user="root", autocommit=True
        )
        try:
            async with connection.cursor() as cursor:
                await cursor.execute(sql)
        finally:
            connection.close()

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


class DatabaseServers:
    """One server of each kind for the whole test run, with a new database for every test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, DatabaseServer] = {}
        self._numbers = itertools.count(1)

    def get(self, kind: str) -> DatabaseServer:
        if kind not in self._running:
            server = DatabaseServer(kind, self._folder / kind)
            server.start()
            self._running[kind] = server
        return self._running[kind]

    def new_database(self, kind: str) -> str:
        server = self.get(kind)
        name = f"test_{next(self._numbers)}"
        _run_apart(server, f"CREATE DATABASE {name}")
        return server.url(name)

    def stop(self) -> None:
        for server in self._running.values():
            server.kill()  # the data are thrown away


def _run_apart(server: DatabaseServer, sql: str) -> None:
    """`asyncio.run` does not work inside a running loop; a thread has none."""
    from threading import Thread

    errors: list[BaseException] = []

    def run() -> None:
        try:
            server.execute(sql)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    thread = Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
