"""JSON as both libraries use it."""

from __future__ import annotations

import json
from typing import Any

import orjson


class Json:
    """The JSON module that both libraries use."""

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        try:
            return orjson.dumps(value).decode()
        except TypeError:
            return json.dumps(value, separators=(",", ":"))

    @staticmethod
    def loads(text: str) -> Any:
        """Raises ValueError for anything that is not JSON."""
        try:
            return orjson.loads(text)
        except ValueError:
            pass
        try:
            return json.loads(text)
        except RecursionError:
            raise ValueError("nested too deeply") from None
