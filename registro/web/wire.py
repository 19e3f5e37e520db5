"""Payloads of the contract's client events, checked. Raise Refused `datos_invalidos` otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from registro.errors import Refused
from registro.events.codec import MAX_INTEGER
from registro.events.decide import DESK_NAME, MAX_ATTACHMENTS, is_user_name

MAX_SEEN = 1000
"""Conversations that one `sincronizar` may name."""

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class SendMessage(NamedTuple):
    para: str
    mensaje: str
    id: str | None
    visto: int | None
    adjuntos: Sequence[str] = ()


class MarkRead(NamedTuple):
    conversacion: str
    seq: int


class CatchUp(NamedTuple):
    vistos: Mapping[str, int]
    cursor: int


def send_message(payload: object) -> SendMessage:
    fields = _object(payload)
    text = fields.get("mensaje")
    if not isinstance(text, str):
        raise Refused("datos_invalidos", field="mensaje")
    id_, seen = fields.get("id"), fields.get("visto")
    return SendMessage(
        _recipient(fields),
        text,
        None if id_ is None else _uuid(id_, "id"),
        None if seen is None else _number(seen, "visto"),
        _attached(fields.get("adjuntos")),
    )


def _attached(value: object) -> list[str]:
    """Ids of files, each once."""
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MAX_ATTACHMENTS:
        raise Refused("datos_invalidos", field="adjuntos")
    ids = [_uuid(one, "adjuntos").lower() for one in value]
    if len(set(ids)) != len(ids):
        raise Refused("datos_invalidos", field="adjuntos")
    return ids


def mark_read(payload: object) -> MarkRead:
    fields = _object(payload)
    return MarkRead(
        _uuid(fields.get("conversacion"), "conversacion").lower(),
        _number(fields.get("seq"), "seq"),
    )


def typing_to(payload: object) -> str:
    return _recipient(_object(payload))


def looking_at(payload: object) -> str | None:
    """The conversation that somebody looks at; None for none."""
    value = _object(payload).get("conversacion")
    return None if value is None else _uuid(value, "conversacion").lower()


def catch_up(payload: object) -> CatchUp:
    fields = _object(payload)
    seen = fields.get("vistos")
    if not isinstance(seen, dict) or len(seen) > MAX_SEEN:
        raise Refused("datos_invalidos", field="vistos")
    cursor = fields.get("cursor")
    if isinstance(cursor, str) and re.fullmatch(r"[0-9]{1,16}", cursor):
        cursor = int(cursor)
    numbers = {str(key): _number(value, "vistos") for key, value in seen.items()}
    return CatchUp(
        # What cannot be a conversation's id is as unknown as an id that is not there.
        {key: number for key, number in numbers.items() if _UUID.fullmatch(key)},
        0 if cursor is None else _number(cursor, "cursor"),
    )


def _object(payload: object) -> dict[str, Any]:
    if not isinstance(payload, dict):
        raise Refused("datos_invalidos")
    return payload


def _recipient(fields: Mapping[str, Any]) -> str:
    para = fields.get("para")
    if para != DESK_NAME and not is_user_name(para):
        raise Refused("datos_invalidos", field="para")
    return str(para)


def _uuid(value: object, field: str) -> str:
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise Refused("datos_invalidos", field=field)
    return value


def _number(value: object, field: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_INTEGER:
        raise Refused("datos_invalidos", field=field)
    return value
