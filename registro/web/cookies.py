"""The cookies that the server sets: the token, and the reader's language."""

from __future__ import annotations

from sanic import HTTPResponse, Request

from registro.web import i18n, tokens

YEAR = 365 * 86_400


def _secure(request: Request) -> bool:
    return bool(request.app.ctx.settings.production) or request.scheme == "https"


def set_token(request: Request, response: HTTPResponse, token: tokens.Token) -> None:
    response.add_cookie(
        tokens.COOKIE,
        token.text,
        path="/",
        max_age=tokens.LIFETIME,
        httponly=True,
        samesite="Lax",
        secure=_secure(request),
    )


def clear_token(request: Request, response: HTTPResponse) -> None:
    response.add_cookie(
        tokens.COOKIE,
        "",
        path="/",
        max_age=0,
        httponly=True,
        samesite="Lax",
        secure=_secure(request),
    )


def set_language(request: Request, response: HTTPResponse, code: str) -> None:
    response.add_cookie(
        i18n.COOKIE,
        code,
        path="/",
        max_age=YEAR,
        httponly=True,
        samesite="Lax",
        secure=_secure(request),
    )
