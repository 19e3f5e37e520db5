"""Sanic's types, as this application uses them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

from sanic import HTTPResponse, Sanic
from sanic.config import Config

App = Sanic[Config, SimpleNamespace]
Handler = Callable[..., Coroutine[Any, Any, HTTPResponse]]
