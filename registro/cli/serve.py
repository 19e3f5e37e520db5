"""`registro serve`."""

from __future__ import annotations

import asyncio
import importlib
import socket
import sys
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from types import ModuleType

import click

from registro.cli.common import WrongUse, load_settings
from registro.cli.workers import watch
from registro.config import Settings
from registro.errors import SettingsError
from registro.services import replay as service

SWITCH_SECONDS = 0.0005
"""How long Python threads keep the interpreter from each other. SQLite's thread folds a batch while
the event loop delivers the one before; with Python's 5 ms every hand-over may cost that long."""


@click.command()
@click.option("--host", help="Address to listen on (default: HOST).")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port to listen on (default: PORT); 0 takes a free one.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    help="Processes to run, each on a port of its own: PORT, PORT + 1, …",
)
@click.option(
    "--replay",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Show the pages from a file of `registro replay`, read-only, on this machine alone.",
)
@click.option("--listener", type=int, hidden=True, help="A bound socket to serve on: a worker.")
def serve(
    host: str | None, port: int | None, workers: int, replay: Path | None, listener: int | None
) -> None:
    """Run the server.

    In development an empty database is filled with the sample data first. With --replay a link is
    printed that opens the pages once.
    """
    settings = load_settings()
    _configure_logs(settings)
    first = settings.port if port is None else port
    if replay is not None:
        _serve_replay(settings, replay, host or "127.0.0.1", first)
        return
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        _run(settings, host, first, workers, listener)
    except SettingsError as error:
        raise WrongUse(str(error)) from None


def _run(
    settings: Settings, host: str | None, first: int, workers: int, listener: int | None
) -> None:
    if listener is not None:
        app().work(settings, socket.socket(fileno=listener))
    elif workers == 1:
        app().run(settings, _listen(settings, host, first))
    else:
        ports = [first + number if first else _free(settings, host) for number in range(workers)]
        listeners = [_listen(settings, host, number) for number in ports]
        asyncio.run(app().prepare(settings, listeners))
        watch(settings, listeners)


def app() -> ModuleType:
    """The web server takes a while to import; other commands do without."""
    return importlib.import_module("registro.web.app")


def _configure_logs(settings: Settings) -> None:
    importlib.import_module("registro.web.logs").configure(settings)


def _serve_replay(settings: Settings, path: Path, host: str, port: int) -> None:
    if not _is_loopback(host):
        raise WrongUse(
            f"--host {host}: a replay is shown on this machine alone (127.0.0.1 or ::1), because "
            "there are no accounts in it; use an SSH tunnel from elsewhere"
        )
    try:
        shown = asyncio.run(service.read(path))
    except service.ReplayError as error:
        raise WrongUse(str(error)) from None
    listener = _listen(settings, host, port)
    app().run_replay(replace(settings, database_url=service.url_of(path)), shown, listener)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _free(settings: Settings, host: str | None) -> int:
    """The number of a free port. A socket that is bound to 0 would lose its port when its worker
    dies (`workers`)."""
    with _listen(settings, host, 0) as listener:
        return int(listener.getsockname()[1])


def _listen(settings: Settings, host: str | None, port: int) -> socket.socket:
    address = (host or settings.host, port)
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise WrongUse(f"cannot listen on {address[0]} port {address[1]}: {reason}") from None
    return listener
