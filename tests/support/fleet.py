"""Several server processes over one database, as they run behind a proxy."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from tests.support.server import Server


class Fleet:
    """`size` processes with the same settings; `servers[n]` keeps its port when it is started
    again."""

    def __init__(self, folder: Path, size: int, environ: Mapping[str, str]) -> None:
        self.servers = []
        for number in range(size):
            place = folder / f"server-{number}"
            place.mkdir()
            self.servers.append(Server(place, dict(environ)))

    def __enter__(self) -> Fleet:
        self.servers[0].start()  # it prepares the database
        with ThreadPoolExecutor() as threads:
            list(threads.map(Server.start, self.servers[1:]))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        with ThreadPoolExecutor() as threads:
            list(threads.map(Server.stop, self.servers))
        if error is not None:
            for number, server in enumerate(self.servers):
                print(f"--- server {number}\n{server.output()[-20000:]}")

    @property
    def ports(self) -> list[int]:
        return [int(server.url.rpartition(":")[2]) for server in self.servers]

    def stop(self) -> list[int]:
        """SIGTERM to all of them; their exit codes."""
        with ThreadPoolExecutor() as threads:
            return list(threads.map(Server.stop, self.servers))
