"""What the server logs, and how: JSON, an object a line, or text for people.

Nothing personal and no secret is logged: no names, no messages, no cookies or tokens, no addresses
with their queries. Where a line has to say which client, it has a keyed hash whose key is made
anew with every process. The text of an exception may quote what somebody wrote or what a row
holds, so that production logs its type and where it happened, and its text only where it is about
the store or the operating system. What libraries log is brought into the same form, from warnings
on: below that, some of them log packets and SQL with its values.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import sys
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from registro.config import Settings
from registro.errors import SettingsError, Unavailable

LIBRARIES: Final = (
    "aiosqlite",
    "asyncio",
    "concurrent",
    "databases",
    "engineio",
    "opentelemetry",
    "redis",
    "requests",
    "sanic",
    "socketio",
    "urllib3",
    "websockets",
)
"""Whose loggers say nothing below WARNING, whatever REGISTRO_LOG_LEVEL is."""

_TELLING: Final = (Unavailable, OSError, SettingsError)
"""Exceptions whose text says what is wrong with the machine, and quotes nobody."""

_COLOURS: Final = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31m"}

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The request that is being answered: every line that is logged meanwhile has it."""


def configure(settings: Settings) -> None:
    """Directs all loggers of this process to standard error. Call it once, at start."""
    text = settings.log_format == "text" or (settings.log_format == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter((TextFormatter if text else JsonFormatter)(full=not settings.production))
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(capture=True)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def pseudonym(text: str) -> str:
    """Names a client without saying who: the same for the same text in this process alone."""
    return hashlib.blake2b(text.encode("utf-8", "replace"), key=_KEY, digest_size=6).hexdigest()


_KEY: Final = secrets.token_bytes(32)


def fields(**values: object) -> dict[str, Mapping[str, object]]:
    """For `extra`: what a line says besides its message."""
    return {"fields": values}


class _Formatter(logging.Formatter):
    """`full`: with the text of every exception, as suits development."""

    def __init__(self, *, full: bool) -> None:
        super().__init__()
        self._full = full

    def message(self, record: logging.LogRecord) -> str:
        args = record.args
        if isinstance(args, tuple):
            args = tuple(self._told(one) if isinstance(one, Exception) else one for one in args)
        message = str(record.msg) % args if args else str(record.msg)
        if record.name == "asyncio" and not self._full:
            return message.partition("\n")[0]  # what follows shows objects
        return message

    def trace(self, record: logging.LogRecord) -> str | None:
        """The traceback, each exception in it with as much text as may be told."""
        if not record.exc_info or record.exc_info[1] is None:
            return None
        if self._full:
            return "".join(traceback.format_exception(record.exc_info[1])).rstrip()
        return "\n".join(self._frames(record.exc_info[1]))

    def _frames(self, error: BaseException) -> list[str]:
        before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        lines = [] if before is None else [*self._frames(before), "which led to:"]
        lines.append("Traceback (most recent call last):")
        lines += [
            f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}'
            for frame in traceback.extract_tb(error.__traceback__)
        ]
        return [*lines, self._told(error)]

    def _told(self, error: BaseException) -> str:
        name = type(error).__name__
        if self._full or isinstance(error, _TELLING):
            return f"{name}: {error}" if str(error) else name
        return name


class JsonFormatter(_Formatter):
    """An object a line: time (RFC 3339, UTC), level, logger, pid, request, message, and more."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "message": self.message(record),
        }
        if (request := request_id.get()) is not None:
            line["request"] = request
        line |= getattr(record, "fields", {})
        if (trace := self.trace(record)) is not None:
            line["traceback"] = trace
        try:
            return orjson.dumps(line, default=str).decode()
        except TypeError:  # a lone surrogate: what cannot be decoded of a request has them
            return json.dumps(line, default=str)


class TextFormatter(_Formatter):
    """A line for people: the time of day (UTC), the level where it matters, what is said."""

    def format(self, record: logging.LogRecord) -> str:
        level = record.levelname
        colour = _COLOURS.get(level) if sys.stderr.isatty() else None
        shown = f"{level.lower():7}"
        parts = [
            f"{_time(record):%H:%M:%S}",
            f"{colour}{shown}\x1b[0m" if colour else shown,
            self.message(record),
            *(f"{name}={value}" for name, value in getattr(record, "fields", {}).items()),
        ]
        if (trace := self.trace(record)) is not None:
            parts.append(f"\n{trace}")
        return " ".join(parts)


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)
