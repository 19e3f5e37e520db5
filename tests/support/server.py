"""A real `registro serve` process, driven from outside."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from types import TracebackType

import jwt

from tests.support import loaded

ROOT = Path(__file__).resolve().parents[2]
_ADDRESS = re.compile(r"Registro is at (http://\S+?)/ ")


@cache
def _sample_data() -> Path:
    """A folder with a database that has the sample data, and their password beside it: a server
    loads them into an empty one in 0.5 s, and here they are loaded once."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    Server(Path(folder.name), {"JWT_SECRET": "x" * 32}).registro("fixtures", "load")
    return Path(folder.name)


class Server:
    """A server process; `start` may be called again after `stop` or `kill`, on the same port.

    `environ` is added to a clean environment; the database is `folder/registro.db` unless it says
    otherwise. With `fixtures` the sample data are in it.
    """

    def __init__(
        self, folder: Path, environ: dict[str, str] | None = None, *, fixtures: bool = False
    ) -> None:
        self.folder = folder
        self._file = folder / "registro.db"
        self.environ = {"DATABASE_URL": f"sqlite:///{self._file}"} | (environ or {})
        self._fixtures = fixtures
        if not fixtures:
            self.environ |= {"REGISTRO_FIXTURES": "off"}
        self.url = ""
        self._port = 0
        self._process: subprocess.Popen[bytes] | loaded.Process | None = None
        self._log = folder / "server.log"

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()
        if error is not None:
            print(self.output())

    def start(self, prefix: list[str] | None = None) -> None:
        """Starts it and waits until it answers; `prefix` is a command to run it under."""
        own = self.environ["DATABASE_URL"] == f"sqlite:///{self._file}"
        if self._fixtures and own and not self._file.exists():
            shutil.copytree(_sample_data(), self.folder, dirs_exist_ok=True)
        begin = self._log.stat().st_size if self._log.exists() else 0
        arguments = ["serve", "--port", str(self._port)]
        if prefix or "PYTHONPATH" in self.environ:  # an interpreter of its own is wanted
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    [*(prefix or []), sys.executable, "-m", "registro", *arguments],
                    env=self._environment(),
                    cwd=self.folder,
                    stdout=log,
                    stderr=log,
                )
        else:
            files = (Path(os.devnull), self._log, self._log)
            self._process = loaded.Process(arguments, self._environment(), self.folder, files)
        deadline = time.monotonic() + 30
        while (match := _ADDRESS.search(self.output()[begin:])) is None:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start:\n{self.output()[begin:]}")
            time.sleep(0.02)
        self.url = match[1]
        self._port = int(self.url.rpartition(":")[2])

    def _environment(self) -> dict[str, str]:
        clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return clean | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | self.environ

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def output(self) -> str:
        """What it printed and logged so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def kill(self) -> None:
        """SIGKILL: a crash."""
        self._end(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal and does not wait."""
        assert self._process is not None
        self._process.send_signal(number)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Somebody else holds the SQLite database's write lock for as long as this is open."""
        with closing(sqlite3.connect(self.folder / "registro.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, signal_: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(signal_)
        return process.wait(30)

    def registro(self, *arguments: str, check: bool = True, typed: str | None = None) -> str:
        """Runs the `registro` command against the same database; returns what it printed."""
        done = loaded.run(arguments, self._environment(), self.folder, typed)
        if check and done.returncode:
            raise RuntimeError(f"registro {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def token(self, user: str, rol: str = "user", **claims: object) -> str:
        """A token as whoever shares the secret would mint it."""
        now = int(time.time())
        payload = {"user": user, "name": user.title(), "rol": rol, "iat": now, "exp": now + 3600}
        return jwt.encode(payload | claims, self.environ["JWT_SECRET"], algorithm="HS256")
