"""What an examination says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: what was found and, unless it is `ok`, what to do."""

    name: str
    level: Level
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    checks: Sequence[Check]

    @property
    def ok(self) -> bool:
        """Whether nothing failed; warnings are not failures."""
        return all(check.level != "failed" for check in self.checks)


def ok(name: str, found: str) -> Check:
    return Check(name, "ok", found)


def warning(name: str, found: str, advice: str) -> Check:
    return Check(name, "warning", found, advice)


def failed(name: str, found: str, advice: str) -> Check:
    return Check(name, "failed", found, advice)
