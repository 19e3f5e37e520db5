"""What the commands share: settings, services, and errors that people can read."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import click

from registro import config
from registro.config import Settings
from registro.errors import Refused, RegistroError, SettingsError

_P = ParamSpec("_P")
_T = TypeVar("_T")

FINDING = 1
WRONG_USE = 2


def load_settings() -> Settings:
    """The settings of this process; exits with 2 and all that is wrong with them."""
    try:
        return config.load(os.environ, Path(".env"))
    except SettingsError as error:
        lines = "\n".join(f"  {problem}" for problem in error.problems)
        raise WrongUse(
            f"The settings are wrong (docs/settings.md explains them):\n{lines}"
        ) from None


class WrongUse(click.ClickException):
    """An error that is printed without a traceback; exit code 2."""

    exit_code = WRONG_USE


class Found(click.ClickException):
    """A finding; exit code 1."""

    exit_code = FINDING


def asynchronous(command: Callable[_P, Awaitable[_T]]) -> Callable[_P, _T]:
    """Makes a click command of a coroutine function; errors of ours end it without a traceback."""

    @functools.wraps(command)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        async def main() -> _T:
            return await command(*args, **kwargs)

        try:
            return asyncio.run(main())
        except Refused as refused:
            raise WrongUse(_REFUSALS.get(refused.code, refused.code)) from None
        except RegistroError as error:
            raise Found(str(error)) from None

    return run


_REFUSALS = {
    "usuario_existe": "a user with this name exists already",
    "usuario_borrado": "somebody of this name was erased: the name is not given again",
    "datos_invalidos": (
        "the name must have 1 to 64 characters without surrounding blanks ('admin' is for admins), "
        "a password 8 to 1,024 characters, and not a common one or one like the name"
    ),
}
