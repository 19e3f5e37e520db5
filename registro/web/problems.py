"""What goes wrong, as an answer: a page in the reader's language, or JSON for the API.

Nobody sees an exception's text. A 500 carries a reference that the log has beside the traceback.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from sanic import HTTPResponse, Request
from sanic.exceptions import SanicException

from registro.errors import StoreError, Unavailable
from registro.events.decide import Person
from registro.web import auth, paths, requests, views
from registro.web.failures import MESSAGES
from registro.web.typing import App

log = logging.getLogger(__name__)

RETRY_AFTER = "5"
"""Seconds after which whoever found the store away may try again."""


class _Words(NamedTuple):
    """How a status is told: the page's `kind`, the API's `codigo` and `mensaje`."""

    kind: str
    code: str
    message: str


_BY_STATUS = {
    400: _Words("bad", "datos_invalidos", MESSAGES["datos_invalidos"]),
    403: _Words("forbidden", "no_autorizado", MESSAGES["no_autorizado"]),
    404: _Words("missing", "no_encontrado", "No existe."),
    405: _Words("method", "metodo_no_permitido", "Este método no está permitido aquí."),
    408: _Words("slow", "tiempo_agotado", "La petición ha tardado demasiado."),
    413: _Words("large", "demasiado_grande", "La petición es demasiado grande."),
    415: _Words("bad", "tipo_no_admitido", "El tipo de contenido no se admite."),
    417: _Words("bad", "datos_invalidos", MESSAGES["datos_invalidos"]),
    503: _Words("away", "no_disponible", MESSAGES["no_disponible"]),
}
_REPLAY = _Words(
    "replay", "reproduccion", "Esto es una reproducción del registro: solo se puede mirar."
)
_UNEXPECTED = _Words("broken", "error_interno", "Ha ocurrido un error inesperado.")


async def answer(request: Request, exception: Exception) -> HTTPResponse:
    """The error handler of the application."""
    reference = requests.id_of(request)
    status, headers = _status(exception)
    if status == 405 and request.method == "OPTIONS":  # no question of what may be done is wrong
        return HTTPResponse(status=204, headers=headers)
    words = _BY_STATUS.get(status, _BY_STATUS[400] if status < 500 else _UNEXPECTED)
    if status in (403, 405) and request.app.ctx.replay is not None:
        words = _REPLAY
    if _is_gone(exception):
        log.info("request %s: the client hung up before the answer", reference)
    elif words is _UNEXPECTED:
        log.error("request %s failed", reference, exc_info=exception)
    elif status == 503:
        log.warning("request %s: the store is away: %s", reference, exception)
        headers["Retry-After"] = RETRY_AFTER
    headers[requests.HEADER] = reference
    if _wants_json(request):
        response = auth.error(status, words.code, words.message)
        response.headers.update(headers)
        return response
    retry = paths.local(request.raw_url.decode("ascii", "replace"), "") or None
    view = views.Problem(
        status, words.kind, reference, retry if request.method == "GET" and status >= 500 else None
    )
    return await views.respond(
        request, view, status, me=await _who(request, status), headers=headers
    )


async def _who(request: Request, status: int) -> Person | None:
    """Whoever is signed in stays so on the page that tells what went wrong; of a request that was
    not understood, or while the store may be away, nobody is asked for."""
    if status not in (403, 404, 405):
        return None
    try:
        who = await auth.visitor(request)
    except StoreError:
        return None
    return who and who.person


def _is_gone(exception: Exception) -> bool:
    """Whether an answer could not be written because nobody reads any more; uvloop says so with a
    RuntimeError."""
    return isinstance(exception, ConnectionError) or (
        isinstance(exception, RuntimeError) and "write_eof" in str(exception)
    )


def _status(exception: Exception) -> tuple[int, dict[str, str]]:
    if isinstance(exception, Unavailable):
        return 503, {}
    if isinstance(exception, SanicException) and not isinstance(exception, StoreError):
        allow = exception.headers.get("Allow")
        return exception.status_code or 500, {} if allow is None else {"Allow": str(allow)}
    return 500, {}


def _wants_json(request: Request) -> bool:
    """Programs: whoever asks the API, or asks for JSON rather than HTML."""
    accept = request.headers.get("accept", "")
    return request.path.startswith("/api/") or (
        "application/json" in accept and "text/html" not in accept
    )


def add_to(app: App) -> None:
    app.error_handler.add(Exception, answer)
