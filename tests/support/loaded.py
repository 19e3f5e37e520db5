"""Processes that run Registro's commands, forked from one that has loaded it: that takes half a
second of a processor for a command, a whole one for a server. Everything else is as after
`python -m registro`; tests of starting itself, of packages and guides start an interpreter.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support import writer_process

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([writer_process.__name__, "registro.cli", "registro.web.app"])


class Process:
    """`registro ARGUMENTS` with an environment of its own. `files` are its standard input, output
    and errors."""

    def __init__(
        self,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        folder: Path,
        files: tuple[Path, Path, Path],
    ) -> None:
        work = (list(arguments), dict(environ), folder, files)
        self._process = processes.Process(target=_run, args=work)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def wait(self, seconds: float | None = None) -> int:
        """Raises TimeoutExpired."""
        self._process.join(seconds)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired("registro", seconds or 0)
        return code


def run(
    arguments: Sequence[str], environ: Mapping[str, str], folder: Path, typed: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end; `typed` is what it reads."""
    with tempfile.TemporaryDirectory() as name:
        into, out, errors = (Path(name) / file for file in ("in", "out", "errors"))
        into.write_text(typed or "")
        code = Process(arguments, environ, folder, (into, out, errors)).wait()
        return subprocess.CompletedProcess(
            list(arguments), code, out.read_text(), errors.read_text()
        )


def _run(
    arguments: list[str], environ: dict[str, str], folder: Path, files: tuple[Path, Path, Path]
) -> None:
    from registro.cli import main  # here: the tests' own process has no need of all that

    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    for number, path in enumerate(files):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_APPEND | os.O_CREAT
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - for as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    main(arguments, prog_name="registro")
