"""The disk runs full.

Fault plan, on SQLite (the servers' own disks are the servers' business):

1. Appends fill a tmpfs of 4 MiB. Callers get Unavailable with SQLite's own words in bounded time;
   every append that was acknowledged is there, every other whole or not at all, and the log
   verifies on the full disk.
2. Space is freed: the same writer goes on by itself, and the log verifies again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `disk_process.py` found, in a mount namespace that needs no root to be made."""
    folder = tmp_path_factory.mktemp("small")
    namespace = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
    done = subprocess.run(
        ["unshare", *namespace, sys.executable, "-m", "tests.support.disk_process", str(folder)],
        cwd=ROOT, check=False, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


def test_a_full_disk_is_unavailable_and_says_why(outcome: dict[str, Any]) -> None:
    assert outcome["error"] == "database or disk is full"
    assert outcome["seconds"] < 30  # the writer's timeout is one second


def test_nothing_is_half_written_on_a_full_disk(outcome: dict[str, Any]) -> None:
    assert outcome["findings"] == []
    assert outcome["stored"] > 100
    assert outcome["stored"] <= outcome["positions"] < outcome["stored"] + 10


def test_appends_succeed_again_when_there_is_space(outcome: dict[str, Any]) -> None:
    assert outcome["positions_afterwards"] > outcome["positions"]
