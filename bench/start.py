"""Start-up: from the command to the first page, with an existing database, beside bare Python."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.server import Server  # noqa: E402


def to_first_page(folder: Path) -> float:
    """Seconds from starting the process to the first byte of the login page."""
    started = time.perf_counter()
    with Server(
        folder, {"JWT_SECRET": "a secret of the benchmark, long enough"}, fixtures=True
    ) as server:
        urllib.request.urlopen(f"{server.url}/login").read()
        return time.perf_counter() - started


def bare_python() -> float:
    """Seconds to start Python and import the libraries that the server stands on."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", "import sanic, sanic_ext, socketio, databases"], check=True
    )
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = to_first_page(folder)
        starts = [to_first_page(folder) for _ in range(rounds)]
    bare = [bare_python() for _ in range(rounds)]
    start, base = statistics.median(starts), statistics.median(bare)
    print(f"empty database, with the sample data: {first:.2f} s")
    spread = f"{min(starts):.2f} to {max(starts):.2f}"
    print(f"existing database: median {start:.2f} s of {rounds} ({spread})")
    print(f"imports alone: median {base:.2f} s; ratio {start / base:.1f}")


if __name__ == "__main__":
    main()
