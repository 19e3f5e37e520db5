"""`registro serve`."""

from __future__ import annotations

import socket
import sys

import click

from registro.cli.common import WrongUse, load_settings
from registro.config import Settings

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
def serve(host: str | None, port: int | None) -> None:
    """Run the server.

    In development an empty database is filled with the sample data first.
    """
    from registro.web import (
        app,
    )  # the web server takes a while to import; other commands do without

    settings = load_settings()
    sys.setswitchinterval(SWITCH_SECONDS)
    app.run(settings, _listen(settings, host, port))


def _listen(settings: Settings, host: str | None, port: int | None) -> socket.socket:
    address = (host or settings.host, settings.port if port is None else port)
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        raise WrongUse(
            f"cannot listen on {address[0]} port {address[1]}: {error.strerror}"
        ) from None
    return listener
