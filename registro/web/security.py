"""Response headers and anti-forgery rules, for every route."""

from __future__ import annotations

from sanic import Request
from sanic.exceptions import Forbidden
from sanic.response import BaseHTTPResponse

from registro.web.typing import App

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""On every response, errors included. Sources: OWASP ASVS 5.0 chapter 3, MDN."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SOCKETS = "/socket.io/"


def is_own_page(request: Request) -> bool:
    """Whether a browser says that one of our own pages (or the user's own hand) made a request.

    Programs that are no browsers send neither header and carry no cookies of others.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or origin.partition("://")[2] == request.host


async def _refuse_forgery(request: Request) -> None:
    # The socket endpoint has its own rule, which configured origins may pass.
    if request.method not in SAFE_METHODS and request.path != SOCKETS and not is_own_page(request):
        raise Forbidden("cross-site request")


async def _add_headers(request: Request, response: BaseHTTPResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.app.ctx.settings.production:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if not request.path.startswith("/static/") and request.path != "/socket.io/socket.io.js":
        response.headers.setdefault("Cache-Control", "no-store")


def add_to(app: App) -> None:
    app.on_request(_refuse_forgery)
    app.on_response(_add_headers)
