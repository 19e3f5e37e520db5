"""Every error that Registro raises on purpose, in one tree.

A message names the key, the value and what was expected. Nothing here reaches a
client as text: `web` translates a `code` into the reader's language.
"""

from __future__ import annotations

from collections.abc import Sequence


class RegistroError(Exception):
    """Base of all errors below."""


class SettingsError(RegistroError):
    """One or more settings are wrong; `problems` has a line for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Refused(RegistroError):
    """A command was understood and turned down.

    `code` is one of the contract's `codigo` values; `details` is JSON that the
    client may need with it.
    """

    def __init__(self, code: str, **details: object) -> None:
        self.code = code
        self.details = details
        super().__init__(code)


class StoreError(RegistroError):
    """Base of what can go wrong with the database or the log in it."""


class Unavailable(StoreError):
    """The store cannot take work now: it is away, it is full, or the queue is.

    Sending the same event id again later is safe.
    """


class Busy(Unavailable):
    """The database asked for the transaction to be run again (a lock, a deadlock)."""


class Disconnected(Unavailable):
    """The connection is gone or cannot be trusted any more."""


class Outdated(Unavailable):
    """The tables of the projections are not those that this program's code folds."""


class ConstraintViolated(StoreError):
    """A uniqueness or check constraint of the database refused the rows."""


class Immutable(StoreError):
    """The database refused to change or delete a row of the log."""


class Conflict(StoreError):
    """A stream is not at the version that the caller expected."""

    def __init__(self, stream: str, expected: int, actual: int) -> None:
        self.stream = stream
        self.expected = expected
        self.actual = actual
        super().__init__(f"stream {stream}: expected version {expected}, actual version {actual}")


class Rejected(StoreError):
    """The projections could not take an append; it was not stored, its neighbours were."""


class CorruptLog(StoreError):
    """The log does not hold together; the message says at which position."""


class MigrationError(StoreError):
    """The database's schema cannot be brought to, or does not match, this program."""


class InProgress(StoreError):
    """Another process is doing what only one can do at a time."""


class FoldingFailed(StoreError):
    """A projection cannot be folded; the message says at which position."""


class UnknownEvent(StoreError):
    """A stored type or schema version that this program does not know."""


class NoteError(RegistroError):
    """A key, a signed note or a checkpoint is not what it should be."""
