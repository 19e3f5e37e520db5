"""Secrets: how strong they have to be, and the one for tokens that development makes."""

from __future__ import annotations

import json
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from registro.config.reader import LONE_SURROGATE, Reader
from registro.config.table import PRODUCTION
from registro.errors import SettingsError

MIN_SECRET_BYTES: Final = 32
MIN_TOKEN_LENGTH: Final = 16


def read(reader: Reader, env: str) -> str:
    """`JWT_SECRET`, empty where one is to be made."""
    secret = reader.text("JWT_SECRET")
    if env == PRODUCTION and not is_strong(secret):
        reader.problem("JWT_SECRET", f"at least {MIN_SECRET_BYTES} bytes in production")
    return secret


def read_previous(reader: Reader) -> tuple[str, ...]:
    """Secrets that tokens were signed with before."""
    name = "REGISTRO_JWT_SECRETS_PREVIOUS"
    try:
        found = json.loads(reader.text(name) or "[]")
    except ValueError:
        found = None
    if isinstance(found, list) and all(map(_is_text, found)):
        return tuple(found)
    reader.problem(name, 'a JSON list of strings that are not empty, like ["older", "oldest"]')
    return ()


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != "" and not LONE_SURROGATE.search(value)


def is_strong(secret: str) -> bool:
    """Whether it is too long to be guessed; production demands that."""
    return len(secret.encode("utf-8", "replace")) >= MIN_SECRET_BYTES


def notices(secret: str, previous: tuple[str, ...]) -> tuple[str, ...]:
    """What development takes and the operator should know."""
    weak = f"has fewer than {MIN_SECRET_BYTES} bytes and may be guessed."
    notices = []
    if secret and not is_strong(secret):
        notices.append(f"JWT_SECRET {weak} Production refuses it.")
    if not all(map(is_strong, previous)):
        notices.append(f"One of REGISTRO_JWT_SECRETS_PREVIOUS {weak}")
    return tuple(notices)


def read_metrics_token(reader: Reader) -> str:
    token = reader.text("REGISTRO_METRICS_TOKEN")
    wanted = reader.text("REGISTRO_METRICS") == "token"
    if (token or wanted) and not re.fullmatch(rf"[!-~]{{{MIN_TOKEN_LENGTH},}}", token):
        expected = f"at least {MIN_TOKEN_LENGTH} ASCII characters without blanks"
        reader.problem("REGISTRO_METRICS_TOKEN", expected)
    return token


def kept(path: Path) -> str:
    """The secret in `path`; made first where there is no such file. Raises SettingsError when that
    cannot be, or when there is too little in it."""
    try:
        if not path.exists():
            _make_secret_file(path)
        secret = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            [f"JWT_SECRET is not set: expected it, or a secret in {path}, but: {error}"]
        ) from error
    if not is_strong(secret):
        expected = f"expected at least {MIN_SECRET_BYTES} bytes in it; delete it for a new secret"
        raise SettingsError([f"JWT_SECRET is not set and {path} holds too little: {expected}"])
    return secret


def _make_secret_file(path: Path) -> None:
    """Of several processes at once one wins, and nobody reads a half-written file.

    So the file is written under another name first, and linked: that fails if `path` exists.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    draft.touch(0o600, exist_ok=False)
    try:
        draft.write_text(f"{secrets.token_urlsafe(48)}\n", "utf-8")
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()
