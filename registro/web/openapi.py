"""The OpenAPI document of the JSON API, and what `/api-docs` shows of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from registro import __version__
from registro.web.i18n import N_

_MESSAGE_ROW = {
    "type": "object",
    "required": ["de_usuario", "para_usuario", "mensaje", "fecha"],
    "properties": {
        "de_usuario": {"type": "string"},
        "para_usuario": {"type": "string"},
        "mensaje": {"type": "string"},
        "fecha": {"type": "string", "format": "date-time"},
    },
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["codigo", "mensaje"],
            "properties": {"codigo": {"type": "string"}, "mensaje": {"type": "string"}},
        }
    },
}
_MESSAGE = {
    "type": "object",
    "required": ["de", "mensaje", "id", "para", "conversacion", "seq", "fecha"],
    "properties": {
        "de": {"type": "string"},
        "mensaje": {"type": "string"},
        "id": {"type": "string"},
        "para": {"type": "string"},
        "conversacion": {"type": "string", "format": "uuid"},
        "seq": {"type": "integer"},
        "fecha": {"type": "string", "format": "date-time"},
        "borrado": {"type": "boolean", "description": "there, and true, for an erased message"},
    },
}
_EVENT = {
    "type": "object",
    "required": ["posicion", "fecha", "tipo", "titulo", "personas", "texto", "borrado"],
    "properties": {
        "posicion": {"type": "integer"},
        "fecha": {"type": "string", "format": "date-time"},
        "hora": {"type": "string", "description": "in the reader's zone"},
        "dia": {"type": "string", "description": "in the reader's zone and language"},
        "tipo": {"type": "string"},
        "titulo": {"type": "string"},
        "personas": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "nombre": {"type": "string"},
                    "enlace": {"type": ["string", "null"]},
                },
            },
        },
        "texto": {"type": "string"},
        "cita": {"type": "boolean", "description": "whether somebody wrote `texto`"},
        "borrado": {"type": "boolean"},
    },
}
_FOUND = {
    "type": "object",
    "required": ["de", "para", "mensaje", "fecha", "conversacion", "seq", "posicion", "enlace"],
    "properties": {
        "de": {"type": "string"},
        "para": {"type": "string"},
        "mensaje": {"type": "string"},
        "fecha": {"type": "string", "format": "date-time"},
        "conversacion": {"type": "string", "format": "uuid"},
        "seq": {"type": "integer"},
        "posicion": {"type": "integer"},
        "enlace": {"type": "string", "description": "the message in its place"},
    },
}
_TIME = {"type": ["string", "null"], "format": "date-time"}
_ROW = {
    "type": "object",
    "required": ["conversacion", "user", "name", "seq", "fecha", "sin_leer"],
    "properties": {
        "conversacion": {"type": "string", "format": "uuid"},
        "user": {"type": "string"},
        "name": {"type": "string"},
        "seq": {"type": "integer"},
        "fecha": {"type": "string", "format": "date-time"},
        "de": {"type": "string"},
        "mensaje": {"type": "string"},
        "sin_leer": {"type": "integer"},
        "leido_usuario": {"type": "integer"},
        "leido_soporte": {"type": "integer"},
        "espera_desde": _TIME,
        "conectado": {"type": "boolean"},
        "desde": _TIME,
    },
}


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    description: str
    required: bool = False
    type: str = "string"


@dataclass(frozen=True, slots=True)
class Documented:
    """One operation, all of them GET. `roles` may use it."""

    path: str
    name: str
    summary: str
    roles: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    answer: Any
    paged: bool = False


def _list_of(name: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}


_BEFORE = Parameter(
    "antes", N_("Only messages before this number; `Link` gives it"), type="integer"
)

OPERATIONS = [
    Documented(
        "/api/mensajes",
        "messages_with",
        N_("A user's conversation with the desk: the newest 200 messages, oldest first"),
        ("admin",),
        (Parameter("con", N_("The user's name"), required=True), _BEFORE),
        _list_of("MessageRow"),
        paged=True,
    ),
    Documented(
        "/api/mensajes/mios",
        "my_messages",
        N_("One's own messages: the newest 200, oldest first"),
        ("user", "admin"),
        (_BEFORE,),
        _list_of("MessageRow"),
        paged=True,
    ),
    Documented(
        "/api/usuarios-conversaciones",
        "users_with_conversations",
        N_("Names of users with a desk conversation, the most recent first"),
        ("admin",),
        (),
        {"type": "array", "items": {"type": "string"}},
    ),
    Documented(
        "/api/bandeja",
        "inbox",
        N_("The rows of the inbox, 50 at a time, the most recent first"),
        ("admin",),
        (Parameter("cursor", N_("What the answer before gave as `cursor`")),),
        {
            "type": "object",
            "properties": {
                "filas": _list_of("Row"),
                "cursor": {"type": ["string", "null"]},
            },
        },
    ),
    Documented(
        "/api/hilo",
        "thread",
        N_(
            "A part of a desk conversation, as the pages show it: one's own, "
            "or for admins anybody's"
        ),
        ("user", "admin"),
        (
            Parameter("con", N_("For admins: the user's name")),
            Parameter("antes", N_("Only messages with a smaller `seq`"), type="integer"),
        ),
        {
            "type": "object",
            "properties": {
                "fila": {"$ref": "#/components/schemas/Row"},
                "mensajes": _list_of("Message"),
                "nombres": {"type": "object", "additionalProperties": {"type": "string"}},
                "mas": {"type": "boolean"},
            },
        },
    ),
    Documented(
        "/api/buscar",
        "search",
        N_("Messages that were searched for, 30 at a time, the newest first"),
        ("admin",),
        (
            Parameter("q", N_("Words and operators, as on the page"), required=True),
            Parameter("antes", N_("What the answer before gave as `cursor`"), type="integer"),
        ),
        {
            "type": "object",
            "properties": {
                "mensajes": _list_of("FoundMessage"),
                "cursor": {"type": ["integer", "null"]},
                "buscado_hasta": _TIME,
                "pendiente_desde": _TIME,
            },
        },
    ),
    Documented(
        "/api/registro",
        "log",
        N_("Events of the log, 50 at a time, the newest first"),
        ("admin",),
        (
            Parameter("tipo", N_("Beginning of the event types' names")),
            Parameter("usuario", N_("Name or id of a user whom they concern")),
            Parameter("conversacion", N_("Id of the conversation that they concern")),
            Parameter("sesion", N_("Key of the session that they concern")),
            Parameter("desde", N_("From this time on (RFC 3339)")),
            Parameter("hasta", N_("Before this time (RFC 3339)")),
            Parameter("antes", N_("Before this position"), type="integer"),
            Parameter("despues", N_("After this position: the oldest of them"), type="integer"),
        ),
        {
            "type": "object",
            "properties": {
                "eventos": _list_of("Event"),
                "nuevos": {
                    "type": "integer",
                    "description": "how many come after `despues`, counted up to 1,000",
                },
            },
        },
    ),
]


@cache
def document() -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Registro", "version": __version__},
        "paths": {one.path: {"get": _operation(one)} for one in OPERATIONS},
        "components": {
            "schemas": {
                "Message": _MESSAGE,
                "MessageRow": _MESSAGE_ROW,
                "Row": _ROW,
                "Event": _EVENT,
                "FoundMessage": _FOUND,
                "Error": _ERROR,
            },
            "securitySchemes": {"token": {"type": "apiKey", "in": "cookie", "name": "token"}},
        },
        "security": [{"token": []}],
    }


def _operation(one: Documented) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": "OK", "content": _json(one.answer)}}
    if one.paged:
        responses["200"]["headers"] = {
            "Link": {
                "description": 'rel="prev": where older messages are',
                "schema": {"type": "string"},
            }
        }
    for status, description in (
        ("400", "A parameter is wrong"),
        ("401", "No valid token"),
        ("403", "Not for this role"),
        ("503", "The store is away"),
    ):
        responses[status] = {
            "description": description,
            "content": _json({"$ref": "#/components/schemas/Error"}),
        }
    return {
        "operationId": one.name,
        "summary": one.summary,
        "description": "For " + " and ".join(one.roles) + ".",
        "parameters": [
            {
                "name": parameter.name,
                "in": "query",
                "required": parameter.required,
                "description": parameter.description,
                "schema": {"type": parameter.type},
            }
            for parameter in one.parameters
        ],
        "responses": responses,
    }


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
