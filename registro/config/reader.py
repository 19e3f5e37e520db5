"""Reads single values from the environment and a `.env` file, and collects what is wrong."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Mapping
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Final

from dotenv.parser import parse_stream

from registro.config.table import SETTINGS

PREFIX: Final = "REGISTRO_"
FROM_FILE: Final = "_FILE"
"""After the name of a secret: the file that it stands in."""
HIDDEN: Final = "***"
BY_NAME: Final = {setting.name: setting for setting in SETTINGS}
LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class Reader:
    """Reads single values and collects what is wrong with them.

    A method that finds a problem returns something of the right type all the same,
    so that the other settings are read too.
    """

    def __init__(self, environ: Mapping[str, str], env_file: Path | None) -> None:
        self.problems: list[str] = []
        self._values = self._file_values(env_file) if env_file else {}
        self._values |= {name: value for name, value in environ.items() if value.strip()}
        self._read_secret_files()
        self._check_names()
        self._check_encoding()

    def problem(self, name: str, expected: str, *, shown: str | None = None) -> None:
        """Notes that `name` is wrong; `shown` replaces a value that may hold a secret."""
        value = self._values.get(name)
        if value is None:
            self.problems.append(f"{name} is not set: expected {expected}")
            return
        if shown is None:
            shown = HIDDEN if BY_NAME[name].secret else repr(value[:80])
        self.problems.append(f"{name}={shown}: expected {expected}")

    def is_set(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str:
        """The value as it is written, or the default; without blanks around, but for secrets."""
        setting = BY_NAME[name]
        value = self._values.get(name, setting.default)
        return value if setting.secret else value.strip()

    def choice(self, name: str, *options: str) -> str:
        text = self.text(name)
        if text not in options:
            self.problem(name, " or ".join(options))
        return text

    def whole(self, name: str, low: int, high: int) -> int:
        text = self.text(name)
        if re.fullmatch("[0-9]{1,9}", text) and low <= int(text) <= high:
            return int(text)
        self.problem(name, f"a whole number from {low} to {high}")
        return low

    def number(self, name: str, low: float) -> float:
        text = self.text(name)
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) and float(text) >= low:
            return float(text)
        self.problem(name, f"a number, {low:g} or more")
        return low

    def path(self, name: str) -> Path | None:
        """A file or folder in a folder that is there; None when it is not set."""
        text = self.text(name)
        if not text:
            return None
        path = Path(text)
        if not path.parent.is_dir():
            self.problem(name, "a path in a folder that exists")
        return path

    def host(self, name: str) -> str:
        text = self.text(name)
        if not _is_host(text):
            self.problem(name, "a host name or an IP address, without a port")
        return text

    def _file_values(self, env_file: Path) -> dict[str, str]:
        if not env_file.is_file():
            return {}
        try:
            text = env_file.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(
                f"{env_file}: expected a UTF-8 text file that can be read: {error}"
            )
            return {}
        bindings = list(parse_stream(StringIO(text)))
        self.problems += [
            f"{env_file}, line {binding.original.line}: expected NAME=value"
            for binding in bindings
            if binding.error or (binding.key and binding.value is None)
        ]
        return {b.key: b.value for b in bindings if b.key and b.value and b.value.strip()}

    def _read_secret_files(self) -> None:
        """`JWT_SECRET_FILE` and the like, as Docker and systemd hand secrets over."""
        for name in (setting.name for setting in SETTINGS if setting.secret):
            file = self._values.pop(name + FROM_FILE, None)
            if file is not None and name in self._values:
                self.problems.append(f"{name} and {name}{FROM_FILE}: expected one of them")
            elif file is not None:
                self._read_secret_file(name, Path(file.strip()))

    def _read_secret_file(self, name: str, path: Path) -> None:
        """A newline at the end is the editor's and not part of the secret."""
        try:
            value = path.read_text("utf-8").removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no UTF-8"
            self.problems.append(
                f"{name}{FROM_FILE}={str(path)!r}: expected a text file that can be read: {reason}"
            )
            return
        if value.strip():
            self._values[name] = value
        else:
            self.problems.append(f"{name}{FROM_FILE}={str(path)!r}: the file is empty")

    def _check_names(self) -> None:
        without_prefix = {name.removeprefix(PREFIX): name for name in BY_NAME}
        for name in sorted(self._values):
            if name.startswith(PREFIX) and name not in BY_NAME:
                near = difflib.get_close_matches(name.removeprefix(PREFIX), without_prefix, n=1)
                hint = f"; did you mean {without_prefix[near[0]]}?" if near else ""
                self.problems.append(f"{name}: there is no such setting{hint}")

    def _check_encoding(self) -> None:
        """Bytes that are no UTF-8 reach Python's environ as lone surrogates."""
        for name in BY_NAME:
            if LONE_SURROGATE.search(self._values.get(name, "")):
                self.problem(name, "UTF-8 text")


def _is_host(text: str) -> bool:
    with suppress(ValueError):
        return bool(ipaddress.ip_address(text))
    return re.fullmatch(r"[A-Za-z0-9_.-]{1,253}", text) is not None
