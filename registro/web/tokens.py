"""The `token` cookie: JSON Web Tokens (RFC 7519), HS256, as the original signed them."""

from __future__ import annotations

import hashlib
import math
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import jwt
from sanic.compat import Header

from registro.events.codec import roles
from registro.events.decide import DESK_NAME, Person, is_text, is_user_name
from registro.events.types import Role

COOKIE = "token"
HOST_COOKIE = "__Host-token"
"""The same token beside it where HTTPS is on. Browsers take this name from the host itself alone,
so among several `token` cookies it tells which is ours and which a neighbouring host has put there.
Alone it is worth nothing: who has the contract's `token` is who sends it."""

LIFETIME = 3600
"""Seconds that a token of ours is good for."""

NOT_AUTHENTICATED = "No autenticado"
NO_TOKEN = "Token no proporcionado"  # noqa: S105 - a message, not a secret
INVALID = "Token inválido"
REVOKED = "Sesión revocada"
UNAVAILABLE = "No disponible"

_LATEST = 2**53

_OPTIONS = {
    "require": ["exp"],
    "verify_signature": True,
    "verify_exp": False,  # checked below, with the type
    "verify_aud": False,
    "verify_iat": False,
    "verify_iss": False,
    "verify_jti": False,
    "verify_nbf": False,
    "verify_sub": False,
}


class TokenError(Exception):
    """A token is missing or worth nothing; the message is the contract's refusal text."""


class Claims(NamedTuple):
    """What a verified token says. `expires` is in seconds since 1970, `key` names its session."""

    user: str
    name: str
    role: Role
    expires: float
    key: str


class Token(NamedTuple):
    text: str
    key: str
    expires: int


def mint(person: Person, secret: str, *, now: float | None = None) -> Token:
    """A token of ours, good for an hour; its random `jti` makes every session's key its own."""
    issued = int(time.time() if now is None else now)
    expires = issued + LIFETIME
    claims = {
        "user": person.user,
        "name": person.name,
        "rol": person.role,
        "iat": issued,
        "exp": expires,
        "jti": secrets.token_urlsafe(16),
    }
    text = jwt.encode(claims, secret, algorithm="HS256")
    return Token(text, session_key(text), expires)


def session_key(token: str) -> str:
    """SHA-256 (hex) of the token's `header.payload` part: the same whatever secret signed it."""
    return hashlib.sha256(token.rpartition(".")[0].encode()).hexdigest()


def verify(token: str, secrets_: Sequence[str], *, now: float | None = None) -> Claims:
    """The claims of a token that one of the secrets signed. Raises TokenError."""
    for secret in secrets_:
        try:
            claims = jwt.decode(token, secret, algorithms=["HS256"], options=cast(Any, _OPTIONS))
        except jwt.InvalidSignatureError:
            continue
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            break
        return _checked(claims, token, time.time() if now is None else now)
    raise TokenError(INVALID)


def _checked(claims: Mapping[str, Any], token: str, now: float) -> Claims:
    user, name, role = claims.get("user"), claims.get("name"), claims.get("rol")
    expires = claims["exp"]
    fits = (
        is_user_name(user)
        and is_text(name)
        and role in roles()
        and isinstance(expires, int | float)
        and not isinstance(expires, bool)
        and now < expires < math.inf
        and not (user == DESK_NAME and role != "admin")
    )
    if not fits:
        raise TokenError(INVALID)
    # An integer may be too large to be a time: whoever minted it meant "for ever".
    return Claims(str(user), str(name), cast(Role, role), min(expires, _LATEST), session_key(token))


def cookie_header(headers: Header) -> str | None:
    """All Cookie headers as one (RFC 6265 allows one; what is in a second one counts, too)."""
    return "; ".join(headers.getall("cookie", [])) or None


def from_cookies(header: str | None) -> str:
    """The token in a Cookie header. Raises TokenError."""
    if not header:
        raise TokenError(NOT_AUTHENTICATED)
    found = _values(header, COOKIE)
    if not found or found == [""]:
        raise TokenError(NO_TOKEN)
    if len(found) > 1:
        ours = _values(header, HOST_COOKIE)
        if len(ours) != 1 or ours[0] not in found:
            raise TokenError(INVALID)
        return ours[0]
    return found[0]


def _values(header: str, name: str) -> list[str]:
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return [value.strip().strip('"') for key, _, value in pairs if key.strip() == name]


def from_header(headers: Header) -> str | None:
    """The token in an Authorization header (RFC 6750), where no cookie travels; None without."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def from_auth(auth: object) -> str | None:
    """The token in Socket.IO's `auth`, where a page cannot send a cookie; None without one."""
    token = auth.get(COOKIE) if isinstance(auth, dict) else None
    if token is None:
        return None
    if not isinstance(token, str):
        raise TokenError(INVALID)
    return token


def check_user(auth: object, claims: Claims) -> None:
    """A page may say whom it was made for, as `user` in Socket.IO's `auth`. When the browser has
    meanwhile got the cookie of somebody else, it must not speak for them. Raises TokenError."""
    if isinstance(auth, dict) and auth.get("user", claims.user) != claims.user:
        raise TokenError(INVALID)
