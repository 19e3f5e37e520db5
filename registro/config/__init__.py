"""What the operator can set: read once at start, from the environment and a `.env` file."""

from __future__ import annotations

from registro.config.servers import Smtp
from registro.config.settings import Settings, load
from registro.config.table import SETTINGS, Setting

__all__ = ["SETTINGS", "Setting", "Settings", "Smtp", "load"]
