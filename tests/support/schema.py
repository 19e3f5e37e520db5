"""JSON Schema, as much of it as docs/asyncapi.yaml uses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_TYPES: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "integer": int, "boolean": bool,
    "null": type(None),
}  # fmt: skip
_KNOWN = {
    "$ref", "type", "required", "properties", "additionalProperties", "items", "oneOf", "enum",
    "const", "pattern", "minimum", "minLength", "maxLength", "maxItems", "maxProperties",
    "description", "format",
}  # fmt: skip


class Schemas:
    """The schemas of a document."""

    def __init__(self, document: Any) -> None:
        self._document = document

    def resolve(self, reference: str) -> Any:
        node = self._document
        for key in reference.removeprefix("#/").split("/"):
            node = node[key]
        return self.resolve(node["$ref"]) if "$ref" in node else node

    def problems(self, schema: Any, value: Any, at: str = "$") -> Iterator[str]:
        """What is wrong with a value, a line each."""
        assert schema.keys() <= _KNOWN, schema
        if "$ref" in schema:
            yield from self.problems(self.resolve(schema["$ref"]), value, at)
            return
        if "oneOf" in schema:
            fitting = [one for one in schema["oneOf"] if not list(self.problems(one, value, at))]
            if len(fitting) != 1:
                yield f"{at}: {value!r} fits {len(fitting)} of {len(schema['oneOf'])}"
        kinds = schema.get("type", [])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if kinds and not any(_is(kind, value) for kind in kinds):
            yield f"{at}: {value!r} is no {kinds}"
            return
        yield from self._limits(schema, value, at)
        if isinstance(value, dict):
            yield from self._object(schema, value, at)
        if isinstance(value, list):
            for number, one in enumerate(value):
                yield from self.problems(schema.get("items", {}), one, f"{at}[{number}]")

    def _object(self, schema: Any, value: dict[str, Any], at: str) -> Iterator[str]:
        yield from (f"{at}.{k}: missing" for k in schema.get("required", []) if k not in value)
        for key, one in value.items():
            rule = schema.get("properties", {}).get(key, schema.get("additionalProperties", {}))
            yield from self.problems(rule, one, f"{at}.{key}")

    def _limits(self, schema: Any, value: Any, at: str) -> Iterator[str]:
        if "const" in schema and value is not schema["const"]:
            yield f"{at}: {value!r} is not {schema['const']!r}"
        if "enum" in schema and value not in schema["enum"]:
            yield f"{at}: {value!r} is none of {schema['enum']}"
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{at}: {value!r} is not like {schema['pattern']}"
        if "minimum" in schema and value < schema["minimum"]:
            yield f"{at}: {value!r} is below {schema['minimum']}"


def _is(kind: str, value: Any) -> bool:
    return isinstance(value, _TYPES[kind]) and not (kind == "integer" and isinstance(value, bool))
