"""What browsers and programs post: read with a limit, and every field checked to be text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson
from sanic import Request
from sanic.exceptions import BadRequest, PayloadTooLarge, SanicException
from sanic.headers import parse_content_header
from sanic.request.form import parse_multipart_form

MAX_BODY = 65_536
"""Bytes of a form."""

MAX_FIELDS = 50


class UnsupportedType(SanicException):
    status_code = 415
    quiet = True


async def read(request: Request, *names: str) -> dict[str, str | None]:
    """The fields `names` of a posted form: form-encoded, multipart, or a JSON object, as the
    original took them.

    A missing field is empty; one that is no text, or there more than once, is None. Raises
    PayloadTooLarge, BadRequest for what cannot be decoded, UnsupportedType.
    """
    body = await _body(request)
    type_, options = parse_content_header(request.headers.get("content-type", ""))
    try:
        fields = _decode(type_, options, body)
    except (ValueError, LookupError, TypeError) as error:
        raise BadRequest(f"the form cannot be decoded: {type(error).__name__}") from None
    return {name: fields.get(name, "") for name in names}


async def read_listed(
    request: Request, listed: str, most: int, *names: str
) -> tuple[list[str], dict[str, str | None]]:
    """The values of the field `listed`, which may be there often (in JSON: an array), and the
    fields `names` as `read` gives them. Raises as `read`, and BadRequest for more than `most`."""
    body = await _body(request)
    type_, options = parse_content_header(request.headers.get("content-type", ""))
    try:
        if type_ == "application/json":
            found = orjson.loads(body).get(listed, [])
            values = found if isinstance(found, list) else [found]
        elif type_ in ("application/x-www-form-urlencoded", ""):
            pairs = parse_qsl(body.decode(), errors="strict", max_num_fields=most + MAX_FIELDS)
            values = [value for name, value in pairs if name == listed]
            rest = [(name, value) for name, value in pairs if name != listed]
            body = urlencode(rest).encode()
        else:
            raise UnsupportedType("a list is form-encoded or JSON")
        fields = _decode(type_, options, body)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise BadRequest(f"the form cannot be decoded: {type(error).__name__}") from None
    if len(values) > most or not all(isinstance(value, str) for value in values):
        raise BadRequest(f"`{listed}` has more than {most} values, or other values than texts")
    return values, {name: fields.get(name, "") for name in names}


async def _body(request: Request) -> bytes:
    """The body; routes for forms are added with `stream=True`, so that nobody read it before."""
    body = bytearray()
    size = 0
    stream: Any = request.stream
    while stream is not None and (part := await stream.read()):
        # What is too much is read all the same (up to the server's own limit) and thrown away:
        # a browser that is still sending would not read the answer.
        size += len(part)
        if size <= MAX_BODY:
            body += part
    if size > MAX_BODY:
        raise PayloadTooLarge("the form is too large")
    return bytes(body)


def _decode(type_: str, options: Mapping[str, object], body: bytes) -> dict[str, str | None]:
    if type_ == "application/json":
        value = orjson.loads(body)
        if not isinstance(value, dict):
            raise ValueError("expected an object")
        return {key: one if isinstance(one, str) else None for key, one in value.items()}
    if type_ == "multipart/form-data":
        boundary = str(options["boundary"]).encode()
        parts, _ = parse_multipart_form(body, boundary)  # type: ignore[no-untyped-call]
        return {key: ones[0] if len(ones) == 1 else None for key, ones in parts.items()}
    if type_ in ("application/x-www-form-urlencoded", ""):
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
        fields: dict[str, str | None] = {}
        for key, one in pairs:
            fields[key] = None if key in fields else one
        return fields
    raise UnsupportedType("a form is form-encoded, multipart or JSON")
