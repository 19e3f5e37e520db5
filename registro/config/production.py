"""What production demands, and what it warns of."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from registro.config.reader import Reader
from registro.config.secret import MIN_SECRET_BYTES, is_strong
from registro.config.table import PRODUCTION

MIN_SECRET_VARIETY: Final = 8
"""Different characters; a random secret of that length has three times as many."""


def check(reader: Reader, previous: tuple[str, ...]) -> None:
    """Notes what is good enough to try Registro with, and unsafe in the world."""
    if not all(map(is_strong, previous)):
        expected = f"at least {MIN_SECRET_BYTES} bytes for each in production"
        reader.problem("REGISTRO_JWT_SECRETS_PREVIOUS", expected)
    if reader.is_set("REGISTRO_FIXTURES") and reader.text("REGISTRO_FIXTURES") == "on":
        reader.problem("REGISTRO_FIXTURES", "off in production: its people share a password")
    origins = reader.text("REGISTRO_ALLOWED_ORIGINS").lower()
    if any(one.startswith("http://") for one in re.split(r"[,\s]+", origins)):
        reader.problem("REGISTRO_ALLOWED_ORIGINS", "https:// alone in production")


def notices(reader: Reader, env: str) -> tuple[str, ...]:
    """What may be right in production, and is wrong more often."""
    if env != PRODUCTION:
        return ()
    notices = []
    if len(set(reader.text("JWT_SECRET"))) < MIN_SECRET_VARIETY:
        notices.append("JWT_SECRET repeats few characters and may be guessed: take a random one.")
    notices += [
        f"{name}=0: one client can take all there is."
        for name in ("REGISTRO_MESSAGE_RATE", "REGISTRO_CONNECTION_RATE")
        if re.fullmatch(r"0+(\.0+)?", reader.text(name))
    ]
    if reader.text("REGISTRO_TRUSTED_PROXIES") == "0" and not _is_loopback(reader.text("HOST")):
        notices.append(
            f"HOST={reader.text('HOST')} without REGISTRO_TRUSTED_PROXIES: browsers send cookies "
            "over https:// alone, and behind a proxy everybody counts as one address."
        )
    return tuple(notices)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
