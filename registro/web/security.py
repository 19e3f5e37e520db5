"""Response headers and anti-forgery rules, for every route."""

from __future__ import annotations

from urllib.parse import urlsplit

from sanic import Request
from sanic.exceptions import Forbidden
from sanic.response import BaseHTTPResponse

from registro.web.typing import App

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; "
    "script-src 'self'; "
    "style-src 'self'; "
    "img-src 'self'; "
    "font-src 'self'; "
    "connect-src 'self'; "
    "manifest-src 'self'; "
    "form-action 'self'; "
    "base-uri 'none'; "
    "frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
"""On every response, errors included, unless it brings its own. Sources: OWASP ASVS 5.0 chapter 3,
MDN."""

TRANSPORT_SECURITY = "max-age=31536000"

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SOCKETS = "/socket.io/"


def for_frames_of(origin: str) -> str:
    """The policy of a page that the pages of one origin may frame, with pictures that its scripts
    fetched. Where a policy says who may frame, browsers pass over X-Frame-Options; those that know
    no policies go by it, and show no frame."""
    policy = CONTENT_SECURITY_POLICY.replace("img-src 'self'", "img-src 'self' blob:")
    return policy.replace("frame-ancestors 'none'", f"frame-ancestors {origin}")


def is_own_page(request: Request) -> bool:
    """Whether one of our own pages (or the user's own hand) made a request, as far as can be told.

    Browsers send Sec-Fetch-Site over TLS and on this machine, else at least Origin (with unsafe
    methods) or, from our pages, Referer. Programs that are no browsers send none of them, and
    carry no cookies of others.
    """
    headers = request.headers
    if "prefetch" in headers.get("sec-purpose", ""):
        return False
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin", headers.get("referer"))
    return origin is None or _host(origin) in _own_hosts(request)


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def _own_hosts(request: Request) -> set[str]:
    hosts = {request.headers.get("host", "").lower()}
    if request.app.ctx.settings.trusted_proxies:
        hosts.add(request.headers.get("x-forwarded-host", "").split(",")[0].strip().lower())
    return hosts - {""}


async def _refuse_forgery(request: Request) -> None:
    # The socket endpoint has its own rule, which configured origins may pass.
    if request.method in SAFE_METHODS or request.path == SOCKETS or is_own_page(request):
        return
    request.app.ctx.services.denials.count("forged")
    raise Forbidden("cross-site request")


async def _add_headers(request: Request, response: BaseHTTPResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.app.ctx.settings.production:
        response.headers.setdefault("Strict-Transport-Security", TRANSPORT_SECURITY)


def add_to(app: App) -> None:
    app.register_middleware(_refuse_forgery, "request")
    app.register_middleware(_add_headers, "response")
