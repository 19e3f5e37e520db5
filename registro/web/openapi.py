"""The OpenAPI document of the JSON API, and what `/api-docs` shows of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from registro import __version__
from registro.events.codec import MAX_INTEGER
from registro.services.inbox import STATUS_NAMES
from registro.web.i18n import N_

_FILE = {
    "type": "object",
    "required": ["id", "nombre", "tipo", "bytes", "sha256", "url"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "nombre": {"type": "string"},
        "tipo": {"type": "string", "description": "its media type"},
        "bytes": {"type": "integer"},
        "sha256": {"type": "string", "description": "64 hex digits"},
        "url": {"type": "string", "description": "where it can be downloaded"},
        "ancho": {"type": "integer", "description": "pixels; there for images that are shown"},
        "alto": {"type": "integer"},
    },
}
_FILES = {
    "type": "array",
    "items": {"$ref": "#/components/schemas/File"},
    "description": "there where a message brings files",
}
_MESSAGE_ROW = {
    "type": "object",
    "required": ["de_usuario", "para_usuario", "mensaje", "fecha"],
    "properties": {
        "de_usuario": {"type": "string"},
        "para_usuario": {"type": "string"},
        "mensaje": {"type": "string"},
        "fecha": {"type": "string", "format": "date-time"},
        "adjuntos": _FILES,
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
        "adjuntos": _FILES,
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
        "leido_hasta": {"type": "integer", "description": "this and what follows: for admins"},
        "estado": {"type": "string", "enum": list(STATUS_NAMES.values())},
        "pospuesta_hasta": _TIME,
        "asignada": {"type": "string", "description": "an admin's name; empty: nobody's"},
        "etiquetas": {"type": "array", "items": {"type": "string"}},
    },
}
_ACTION = {
    "type": "object",
    "required": ["conversacion", "posicion", "tipo", "de", "fecha", "valor", "hasta", "borrado"],
    "properties": {
        "conversacion": {"type": "string", "format": "uuid"},
        "posicion": {"type": "integer"},
        "tipo": {"type": "string", "description": "the event's type"},
        "de": {"type": "string", "description": "empty for what happened by itself"},
        "fecha": {"type": "string", "format": "date-time"},
        "valor": {"type": "string", "description": "the assignee, the status, a label, a note"},
        "hasta": _TIME,
        "borrado": {"type": "boolean"},
        "nombres": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
_DONE = {
    "type": "object",
    "required": ["cambio", "fila"],
    "properties": {
        "cambio": {"type": "boolean", "description": "whether that was news"},
        "fila": {"$ref": "#/components/schemas/Row"},
    },
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """Integers are 0 or more; `values` are all that there are."""

    name: str
    description: str
    required: bool = False
    type: str = "string"
    format: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Documented:
    """One operation. `roles` may use it; `fields` are those of the posted form or JSON object."""

    path: str
    name: str
    summary: str
    roles: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    answer: Any
    paged: bool = False
    method: str = "get"
    fields: tuple[Parameter, ...] = ()
    raw: bool = False
    """Whether the body is a file."""
    found: bool = False
    """Whether it is about a conversation that has to be there."""


def _list_of(name: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}


def _deed(name: str, summary: str, *fields: Parameter) -> Documented:
    """Something that admins do to a conversation."""
    return Documented(
        f"/api/conversaciones/{{id}}/{name}",
        f"desk_{name.replace('-', '_')}",
        summary,
        ("admin",),
        (Parameter("id", N_("The conversation's id"), required=True, format="uuid"),),
        _DONE,
        method="post",
        fields=fields,
        found=True,
    )


_BEFORE = Parameter(
    "antes", N_("Only messages before this number; `Link` gives it"), type="integer"
)

_QUEUE = (
    Parameter(
        "estado",
        N_("abierta, pendiente, resuelta, pospuesta or todas"),
        values=(*STATUS_NAMES.values(), "todas"),
    ),
    Parameter(
        "de",
        N_("mias, or libres for those that are nobody's"),
        values=("mias", "libres", "todas"),
    ),
    Parameter("no_leidas", N_("1: only what nobody of the desk has read")),
    Parameter("etiqueta", N_("Only those with this label")),
    Parameter("orden", N_("espera: who has waited longest first"), values=("recientes", "espera")),
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
        (
            Parameter("cursor", N_("What the answer before gave as `cursor`")),
            *_QUEUE,
        ),
        {
            "type": "object",
            "properties": {
                "filas": _list_of("Row"),
                "cursor": {"type": ["string", "null"]},
            },
        },
    ),
    Documented(
        "/api/bandeja/cuentas",
        "inbox_counts",
        N_("How many conversations other filters would list, each counted up to 100"),
        ("admin",),
        _QUEUE,
        {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": {"type": "integer"},
            },
        },
    ),
    Documented(
        "/api/personas",
        "people",
        N_("The first 8 users with such a name or user name"),
        ("admin",),
        (
            Parameter(
                "nombre", N_("Part of a name, or the beginning of a user name"), required=True
            ),
        ),
        {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["user", "name"],
                "properties": {"user": {"type": "string"}, "name": {"type": "string"}},
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
                "acciones": _list_of("Action"),
            },
        },
        found=True,
    ),
    _deed(
        "asignar",
        N_("Assigns a desk conversation"),
        Parameter("a", N_("An admin's name; empty: nobody")),
    ),
    _deed(
        "estado",
        N_("Sets the status of a desk conversation"),
        Parameter("estado", N_("abierta, pendiente, resuelta or pospuesta"), required=True),
        Parameter("hasta", N_("Until when it is snoozed")),
        Parameter("minutos", N_("How many minutes it is snoozed for"), type="integer"),
    ),
    _deed(
        "etiquetas",
        N_("Puts a label on a desk conversation, or takes one off"),
        Parameter("poner", N_("The label to put there")),
        Parameter("quitar", N_("The label to take off")),
    ),
    _deed(
        "notas",
        N_("Writes a private note, which users never see"),
        Parameter("texto", N_("The note"), required=True),
    ),
    _deed(
        "sin-leer",
        N_("Marks a desk conversation as unread"),
        Parameter("desde", N_("From this `seq` on; the last one by default"), type="integer"),
    ),
    Documented(
        "/api/conversaciones/varias",
        "several",
        N_("Does one thing to several desk conversations (form field, or JSON array)"),
        ("admin",),
        (),
        {
            "type": "object",
            "properties": {
                "hechas": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "antes": {"$ref": "#/components/schemas/Row"},
                            "fila": {"$ref": "#/components/schemas/Row"},
                        },
                    },
                },
                "sin_cambio": {"type": "array", "items": {"type": "string"}},
                "fallidas": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "conversacion": {"type": "string"},
                            "codigo": {"type": "string"},
                        },
                    },
                },
            },
        },
        method="post",
        fields=(
            Parameter(
                "que",
                N_("A status, asignar, etiquetar, desetiquetar, leer or sin-leer"),
                required=True,
            ),
            Parameter("conversacion", N_("The conversations' ids, 200 at most"), required=True),
            Parameter("a", N_("An admin's name; empty: nobody")),
            Parameter("etiqueta", N_("The label to put there or to take off")),
            Parameter("hasta", N_("Until when it is snoozed")),
            Parameter("minutos", N_("How many minutes it is snoozed for"), type="integer"),
            Parameter("seq", N_("Read up to this; the last one by default"), type="integer"),
            Parameter("desde", N_("From this `seq` on; the last one by default"), type="integer"),
        ),
    ),
    Documented(
        "/api/respuestas",
        "list_answers",
        N_("Canned answers by title"),
        ("admin",),
        (),
        {
            "type": "object",
            "properties": {
                "respuestas": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "id": {"type": "string", "format": "uuid"},
                            "titulo": {"type": "string"},
                            "texto": {"type": "string"},
                        },
                    },
                },
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
    Documented(
        "/api/archivos",
        "upload",
        N_("Takes a file, which is the request's body, for a message that is sent later"),
        ("user", "admin"),
        (Parameter("nombre", N_("What the file is called"), required=True),),
        {"$ref": "#/components/schemas/File"},
        method="post",
        raw=True,
    ),
]


@cache
def document() -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Registro", "version": __version__},
        "paths": {one.path: {one.method: _operation(one)} for one in OPERATIONS},
        "components": {
            "schemas": {
                "File": _FILE,
                "Message": _MESSAGE,
                "MessageRow": _MESSAGE_ROW,
                "Row": _ROW,
                "Action": _ACTION,
                "Event": _EVENT,
                "FoundMessage": _FOUND,
                "Error": _ERROR,
            },
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "cookie", "name": "token"},
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
        },
        "security": [{"token": []}, {"bearer": []}],
    }


def _operation(one: Documented) -> dict[str, Any]:
    answered = {"400", "401", "403", "503"}
    if one.method == "post":
        answered |= {"413", "429"} if one.raw else {"413", "415"}
    if one.found:
        answered.add("404")
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
        ("404", "There is no such conversation"),
        ("413", "The body is too large"),
        ("415", "The body is of another type"),
        ("429", "Too many of them: come again later"),
        ("503", "The store is away"),
    ):
        if status not in answered:
            continue
        responses[status] = {
            "description": description,
            "content": _json({"$ref": "#/components/schemas/Error"}),
        }
    body: dict[str, Any] = {}
    if one.fields:
        body = {"requestBody": {"content": _json(_object(one.fields))}}
    if one.raw:
        content = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
        body = {"requestBody": {"required": True, "content": content}}
    return body | {
        "operationId": one.name,
        "summary": one.summary,
        "description": "For " + " and ".join(one.roles) + ".",
        "parameters": [
            {
                "name": parameter.name,
                "in": "path" if f"{{{parameter.name}}}" in one.path else "query",
                "required": parameter.required,
                "description": parameter.description,
                "schema": _schema(parameter),
            }
            for parameter in one.parameters
        ],
        "responses": responses,
    }


def _schema(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": parameter.type}
    if parameter.type == "integer":
        schema |= {"minimum": 0, "maximum": MAX_INTEGER}
    if parameter.format:
        schema["format"] = parameter.format
    if parameter.values:
        schema["enum"] = list(parameter.values)
    return schema


def _object(fields: tuple[Parameter, ...]) -> dict[str, Any]:
    """A JSON object of strings, as forms have them."""
    return {
        "type": "object",
        "required": [field.name for field in fields if field.required],
        "properties": {
            field.name: {"type": "string", "description": field.description} for field in fields
        },
    }


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
