"""A copy of an SQLite database while servers write to it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from registro.errors import StoreError


class Backup(NamedTuple):
    """A copy that was made: how many events its log has, and its size in bytes."""

    events: int
    size: int


def copy(database: Path, target: Path) -> Backup:
    """Copies a database to a new file that only its owner can read.

    SQLite's online backup reads one snapshot, so that writers go on meanwhile. The file appears
    under its name when it is complete and flushed; it needs no `-wal` beside it. Raises StoreError
    when the target is there already, or when there is no log in the database or no place for it.
    """
    if target.exists():
        raise StoreError(f"{target} exists already")
    partial = target.with_name(f"{target.name}.partial")
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise StoreError(f"{partial}: {error.strerror}") from None
    try:
        events = _copy(database, partial)
        _flush(partial)
        os.link(partial, target)  # unlike a rename, it replaces nothing
        _flush(target.parent)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{database} could not be copied: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return Backup(events, target.stat().st_size)


def _copy(database: Path, partial: Path) -> int:
    with (
        closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(partial)) as target,
    ):
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")
        return int(target.execute("SELECT position FROM log_head").fetchone()[0])


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
