"""How people want their pages to look, and how they want to be called.

Kept beside the log: nothing here happened to anybody (`docs/decisions/0007-preferences.md`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args, get_type_hints

from registro.db.connection import DatabaseConnection, Pool
from registro.db.migrations import PREFERENCE

Language = Literal["", "es", "en"]
Theme = Literal["system", "light", "dark"]
Density = Literal["comfortable", "compact"]
Switch = Literal["on", "off"]


@dataclass(frozen=True, slots=True)
class Preferences:
    """One person's. `language` is empty for whatever the browser was told; `title`, `icon`, `sound`
    and `desktop` are what happens when a message comes and nobody looks."""

    language: Language = ""
    theme: Theme = "system"
    density: Density = "comfortable"
    title: Switch = "on"
    icon: Switch = "on"
    sound: Switch = "off"
    desktop: Switch = "off"
    shortcuts: Switch = "on"

    def text(self) -> str:
        """As the table and the cookie have it: `theme-dark.sound-on`, what is not the default."""
        default = Preferences()
        return ".".join(
            f"{name}-{value}"
            for name in CHOICES
            if (value := getattr(self, name)) != getattr(default, name)
        )

    @property
    def notify(self) -> str:
        """The switches for messages that are on, as a list for scripts."""
        return " ".join(name for name in NOTIFICATIONS if getattr(self, name) == "on")


NOTIFICATIONS = ("title", "icon", "sound", "desktop")
CHOICES: dict[str, tuple[str, ...]] = {
    field.name: get_args(get_type_hints(Preferences)[field.name]) for field in fields(Preferences)
}
"""What each preference may be, by its name."""


def chosen(values: dict[str, Any]) -> Preferences:
    """Preferences from what was chosen. What is not there, or not to be chosen (any more), is as if
    nobody had chosen it."""
    known = {name: value for name, value in values.items() if value in CHOICES.get(name, ())}
    return replace(Preferences(), **known)


def from_text(text: str) -> Preferences:
    """The reverse of `Preferences.text`."""
    pairs = (part.partition("-") for part in text.split("."))
    return chosen({name: value for name, _, value in pairs})


class Store:
    """Keeps preferences in the database."""

    def __init__(self, readers: Pool, connect: Callable[[], DatabaseConnection]) -> None:
        self._readers = readers
        self._connect = connect

    async def of(self, user_id: str) -> Preferences | None:
        """Somebody's; None for who never chose any."""
        async with self._readers.connection() as connection:
            text = await connection.fetch_value(
                "SELECT value FROM preference WHERE user_id = :id", id=user_id
            )
        return None if text is None else from_text(text)

    async def keep(self, user_id: str, preferences: Preferences) -> None:
        row = (user_id, preferences.text(), time.time_ns() // 1000)
        connection = await self._connect().open()
        try:
            async with connection.transaction():
                await connection.upsert_many(PREFERENCE, PREFERENCE.name, [row])
        finally:
            await connection.close()
