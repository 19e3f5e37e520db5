"""The cookies that the server sets: the token, the reader's language and preferences."""

from __future__ import annotations

from sanic import HTTPResponse, Request

from registro.services.preferences import Preferences, from_text
from registro.web import i18n, tokens

PREFERENCES = "preferencias"

YEAR = 365 * 86_400


def _secure(request: Request) -> bool:
    return bool(request.app.ctx.settings.production) or request.scheme == "https"


def set_token(request: Request, response: HTTPResponse, token: tokens.Token) -> None:
    _keep_token(request, response, token.text, tokens.LIFETIME)


def clear_token(request: Request, response: HTTPResponse) -> None:
    _keep_token(request, response, "", 0)


def _keep_token(request: Request, response: HTTPResponse, text: str, seconds: int) -> None:
    names = (tokens.COOKIE, tokens.HOST_COOKIE) if _secure(request) else (tokens.COOKIE,)
    for name in names:
        response.add_cookie(
            name,
            text,
            path="/",
            max_age=seconds,
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


def set_preferences(
    request: Request, response: HTTPResponse, user_id: str, preferences: Preferences
) -> None:
    """Whose they are stands before them: another person in the same browser has others."""
    response.add_cookie(
        PREFERENCES,
        f"{user_id}~{preferences.text()}",
        path="/",
        max_age=YEAR,
        httponly=True,
        samesite="Lax",
        secure=_secure(request),
    )
    if preferences.language:
        set_language(request, response, preferences.language)


def preferences(request: Request) -> tuple[str, Preferences]:
    """Whose preferences this browser has, by their id (empty for nobody's), and which."""
    owner, _, text = (request.cookies.get(PREFERENCES) or "").partition("~")
    return owner, from_text(text)
