"""Payloads as bytes and back.

The encoding is RFC 8785 (JSON Canonicalization Scheme) for the values that payloads may hold:
strings, integers of at most 53 bits, booleans, null, arrays, and objects with ASCII keys. With
those restrictions RFC 8785 is: keys sorted by bytes, no white space, UTF-8, and the shortest
escapes, which is what msgspec writes. A test compares it with the `rfc8785` package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, get_args

import msgspec

from registro.errors import UnknownEvent
from registro.events import types
from registro.events.types import Event

MAX_INTEGER = 2**53 - 1

_encoder = msgspec.json.Encoder(order="sorted")
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


def _concrete(base: type[Event]) -> Iterator[type[Event]]:
    for cls in base.__subclasses__():
        if "type" in cls.__dict__:
            yield cls
        yield from _concrete(cls)


EVENT_TYPES: dict[str, type[Event]] = {cls.type: cls for cls in _concrete(types.Event)}
"""Every event type that this program knows, by its stored name."""

_decoders = {
    (name, cls.schema): msgspec.json.Decoder(cls).decode for name, cls in EVENT_TYPES.items()
}

UPCASTERS: dict[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""(type, schema) → what turns a payload of that schema into one of schema + 1."""


def canonical(value: object) -> bytes:
    """RFC 8785 bytes of a JSON value.

    Raises ValueError for floats, integers above 53 bits, keys outside ASCII and lone surrogates.
    """
    _check(value)
    return _encoder.encode(value)


def encode(event: Event) -> bytes:
    """The canonical payload of an event. Raises ValueError as `canonical` does."""
    for value in (getattr(event, field) for field in event.__struct_fields__):
        if value.__class__ is not str:  # by far most fields are strings: spare them the walk
            _check(value)
    return _encoder.encode(event)


def decode(type_: str, schema: int, payload: bytes) -> Event:
    """The event in a stored payload, upcast to the schema of today.

    Raises UnknownEvent for a type or schema from a newer program.
    """
    decoder = _decoders.get((type_, schema))
    try:
        if decoder is not None:
            return decoder(payload)
        return _upcast(type_, schema, payload)
    except msgspec.DecodeError as error:
        raise UnknownEvent(f"{type_} schema {schema}: {error}") from error


def kept(event: Event) -> dict[str, Any] | None:
    """What an erasure keeps of an event, with the type and schema that it has today."""
    redacted = event.redacted()
    if redacted is None:
        return None
    fields = msgspec.to_builtins(redacted)
    return {"type": redacted.type, "schema": redacted.schema, "fields": fields}


def from_kept(fields: dict[str, Any] | None) -> Event | None:
    """The inverse of `kept`, upcast to the schema of today."""
    if fields is None:
        return None
    return decode(fields["type"], fields["schema"], _encoder.encode(fields["fields"]))


def _upcast(type_: str, schema: int, payload: bytes) -> Event:
    cls = EVENT_TYPES.get(type_)
    if cls is None:
        raise UnknownEvent(f"event type {type_!r} is not known to this version of Registro")
    fields = _decode_object(payload)
    while schema != cls.schema:
        upcaster = UPCASTERS.get((type_, schema))
        if upcaster is None:
            raise UnknownEvent(f"{type_} schema {schema}: this version knows up to {cls.schema}")
        fields = upcaster(fields)
        schema += 1
    return msgspec.convert(fields, cls)


def _check(value: object) -> None:
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, int):
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise ValueError(f"integer {value} has more than 53 bits")
    elif isinstance(value, list | tuple):
        _check_all(value)
    elif isinstance(value, msgspec.Struct):
        _check_all(msgspec.structs.astuple(value))
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise ValueError(f"object key {key!r} is not an ASCII string")
            _check(item)
    else:
        raise ValueError(f"{type(value).__name__} {value!r} cannot stand in a payload")


def _check_all(values: Iterable[object]) -> None:
    for value in values:
        _check(value)


def roles() -> tuple[str, ...]:
    """The roles that a user can have."""
    return get_args(types.Role)
