"""A stored event with its envelope, and the JSON line that it is outside the program."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

import msgspec

from registro.errors import CorruptLog
from registro.events import codec, merkle
from registro.events.types import Event, MessageSent

UUID = 36
"""Characters at the end of a stream's name that are an id; before them stand a kind and a slash."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def rfc3339(microseconds: int, digits: int = 6) -> str:
    """Microseconds since 1970 as RFC 3339 in UTC, cut (not rounded) to 1 to 6 decimals."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{_second(seconds)}.{f'{rest:06d}'[:digits]}Z"


def parse_rfc3339(text: str) -> int:
    """Microseconds since 1970. Raises ValueError unless `text` is RFC 3339 with a zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return (moment - _EPOCH) // timedelta(microseconds=1)


class Recorded(NamedTuple):
    """One row of the log. `payload` and `salt` are None once they were erased.

    `id` is a UUID in its usual text form, `recorded_at` microseconds since 1970 (UTC).
    """

    position: int
    id: str
    stream: str
    version: int
    type: str
    schema: int
    recorded_at: int
    payload: bytes | None
    salt: bytes | None
    commitment: bytes
    leaf: bytes

    @property
    def erased(self) -> bool:
        return self.payload is None

    def event(self) -> Event:
        """The decoded event. Raises CorruptLog when the payload was erased."""
        if self.payload is None:
            raise CorruptLog(f"position {self.position}: the payload was erased")
        return codec.decode(self.type, self.schema, self.payload)

    def computed_leaf(self) -> bytes:
        return merkle.leaf(
            position=self.position,
            id=self.id,
            stream=self.stream,
            version=self.version,
            type=self.type,
            schema=self.schema,
            recorded_at=rfc3339(self.recorded_at),
            commitment=self.commitment,
        )


def sent_at(row: Recorded, event: MessageSent) -> int:
    """When a message was sent: when it was recorded, or before, elsewhere, for one that was
    imported (microseconds since 1970)."""
    if event.imported is None or event.imported.time is None:
        return row.recorded_at
    return parse_rfc3339(event.imported.time)


class _Line(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    position: int
    id: str
    stream: str
    version: int
    type: str
    schema: int
    recorded_at: str
    payload: msgspec.Raw
    salt: str | None
    commitment: str
    leaf: str


_decode_line = msgspec.json.Decoder(_Line).decode
_encode_line = msgspec.json.Encoder().encode
_NULL = b"null"


def to_line(row: Recorded) -> bytes:
    """The row as one line of an exported log, without the line feed (`docs/events.md`)."""
    return _encode_line(
        _Line(
            position=row.position,
            id=row.id,
            stream=row.stream,
            version=row.version,
            type=row.type,
            schema=row.schema,
            recorded_at=rfc3339(row.recorded_at),
            payload=msgspec.Raw(_NULL if row.payload is None else row.payload),
            salt=None if row.salt is None else row.salt.hex(),
            commitment=row.commitment.hex(),
            leaf=row.leaf.hex(),
        )
    )


def from_line(line: bytes) -> Recorded:
    """The inverse of `to_line`. The payload is brought to its canonical bytes.

    Raises ValueError for anything that is not such a line; hashes are not checked here.
    """
    try:
        fields = _decode_line(line)
        payload = bytes(fields.payload)
        return Recorded(
            position=fields.position,
            id=fields.id,
            stream=fields.stream,
            version=fields.version,
            type=fields.type,
            schema=fields.schema,
            recorded_at=parse_rfc3339(fields.recorded_at),
            payload=None if payload == _NULL else codec.canonical(msgspec.json.decode(payload)),
            salt=None if fields.salt is None else bytes.fromhex(fields.salt),
            commitment=bytes.fromhex(fields.commitment),
            leaf=bytes.fromhex(fields.leaf),
        )
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error
