"""Errors as clients see them: one shape, `{codigo, mensaje}`, never an exception's text."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from registro.errors import Refused, Unavailable

log = logging.getLogger(__name__)

MESSAGES: Mapping[str, str] = {
    "datos_invalidos": "Los datos no son válidos.",
    "mensaje_vacio": "El mensaje está vacío.",
    "mensaje_largo": "El mensaje es demasiado largo: caben 4.000 caracteres.",
    "destinatario_desconocido": "No existe nadie con ese nombre.",
    "limite_superado": "Demasiados mensajes seguidos: espere un momento.",
    "hay_novedades": "Han llegado mensajes que aún no ha visto.",
    "no_autorizado": "No tiene permiso para hacer eso.",
    "adjunto_desconocido": "Ese archivo no se puede enviar: súbalo de nuevo.",
    "archivo_grande": "El archivo es demasiado grande.",
    "archivo_vacio": "El archivo está vacío.",
    "sin_espacio": "Sus archivos ocupan ya todo el espacio que tienen.",
    "no_disponible": "El servicio no está disponible ahora mismo: inténtelo de nuevo.",
}
"""The contract's `codigo` values and what they say."""


def code_of(error: Exception) -> str:
    """The `codigo` of an exception; what is unexpected is logged with its traceback."""
    if isinstance(error, Refused):
        return error.code
    if not isinstance(error, Unavailable):
        log.error("unexpected error", exc_info=error)
    return "no_disponible"


def body(error: Exception) -> dict[str, Any]:
    """`{codigo, mensaje, …}` for an exception."""
    code = code_of(error)
    details = error.details if isinstance(error, Refused) else {}
    return {"codigo": code, "mensaje": MESSAGES[code], **_public(details)}


def acknowledgement(error: Exception) -> dict[str, Any]:
    """The acknowledgement of a socket event that failed."""
    return {"ok": False, "error": body(error)}


def _public(details: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in details.items() if key == "mensajes"}
