"""Scripts, styles and pictures: read once, served from memory under an address with their hash.

The hash is of all files together and stands before their path, so that modules which import each
other by relative paths stay together: `/static/3f2a…/client.js`. Such an address never changes
its content, so browsers may keep it for a year.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sanic import HTTPResponse, Request
from sanic.exceptions import NotFound
from sanic.response import raw

from registro.web import compression
from registro.web.access import Access, declare
from registro.web.typing import App

FOLDER = Path(__file__).parent / "static"
CLIENT = "vendor/socket.io.min.js"
FOR_EVER = "public, max-age=31536000, immutable"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file. `packed` is its gzip form, None where that saves nothing."""

    body: bytes
    packed: bytes | None
    type: str
    etag: str


@cache
def assets() -> dict[str, Asset]:
    """All files by their path below `static/`."""
    files = sorted(path for path in FOLDER.rglob("*") if path.is_file())
    return {path.relative_to(FOLDER).as_posix(): _read(path) for path in files}


@cache
def version() -> str:
    """The hash of all files."""
    digest = hashlib.sha256()
    for path, asset in assets().items():
        digest.update(f"{path}\0{asset.etag}\0".encode())
    return digest.hexdigest()[:16]


def url(path: str) -> str:
    """The address of a file. Raises KeyError for one that is not there."""
    assets()[path]
    return f"/static/{version()}/{path}"


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    packed = gzip.compress(body, 9, mtime=0)
    type_ = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    return Asset(
        body,
        packed if len(packed) < 0.9 * len(body) else None,
        type_ or "application/octet-stream",
        f'"{hashlib.sha256(body).hexdigest()[:32]}"',
    )


@declare(Access("asset"))
async def static(request: Request, digest: str, path: str) -> HTTPResponse:
    """`GET /static/<hash>/<path>`. Under another version's hash (while servers are being changed
    one by one) a file is served too, but not to be kept."""
    asset = assets().get(path)
    if asset is None:
        raise NotFound("there is no such file")
    return serve(request, asset, FOR_EVER if digest == version() else "no-cache")


@declare(Access("asset"))
async def socket_client(request: Request) -> HTTPResponse:
    """`GET /socket.io/socket.io.js`, where Socket.IO servers have their client."""
    asset = assets().get(CLIENT)
    if asset is None:
        raise NotFound("the browser client is not installed: scripts/browser-files")
    return serve(request, asset, "no-cache")


def serve(request: Request, asset: Asset, keep: str) -> HTTPResponse:
    """A file, with `keep` as its Cache-Control."""
    headers = {"Cache-Control": keep, "ETag": asset.etag, "Vary": "Accept-Encoding"}
    if asset.etag in request.headers.get("if-none-match", ""):
        return HTTPResponse(status=304, headers=headers)
    if asset.packed is not None and compression.takes_gzip(request):
        headers["Content-Encoding"] = "gzip"
        return raw(asset.packed, headers=headers, content_type=asset.type)
    return raw(asset.body, headers=headers, content_type=asset.type)


@declare(Access("asset"))
async def favicon(request: Request) -> HTTPResponse:
    """`GET /favicon.ico`: what browsers ask for unasked."""
    return serve(request, assets()["favicon.svg"], "public, max-age=86400")


def add_to(app: App) -> None:
    app.add_route(static, "/static/<digest:str>/<path:path>", name="static")
    app.add_route(socket_client, "/socket.io/socket.io.js", name="socket_client")
    app.add_route(favicon, "/favicon.ico", name="favicon")
