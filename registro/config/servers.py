"""Addresses: of the database and other servers, and of pages."""

from __future__ import annotations

import re
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, cast
from urllib.parse import quote, unquote, urlsplit

from registro.config.reader import HIDDEN, Reader

FILES_ON_MYSQL: Final = Path("registro-files")


class Smtp(NamedTuple):
    """A mail server. `tls` is how the connection is secured: from its beginning, by STARTTLS, or
    not at all. The last two are empty where nobody logs in."""

    host: str
    port: int
    tls: Literal["tls", "starttls", "none"]
    user: str
    password: str

    def __repr__(self) -> str:
        return f"Smtp({self.host}:{self.port})"


def read_database_url(reader: Reader) -> str:
    parts = ("DB_HOST", "DB_PORT", "DB_USER", "DB_PASS", "DB_NAME")
    if not reader.is_set("DATABASE_URL") and any(map(reader.is_set, parts)):
        return _mysql_url_from_parts(reader)
    url = reader.text("DATABASE_URL").strip()
    scheme = url.partition("://")[0]
    if scheme == "sqlite":
        if not _is_sqlite_url(url):
            expected = "sqlite:///FILE (sqlite:////FILE from the root) in a folder that exists"
            reader.problem("DATABASE_URL", expected, shown=repr(url))
    elif scheme != "mysql" or not _is_mysql_url(url):
        expected = (
            "sqlite:///FILE or mysql://USER:PASSWORD@HOST:PORT/NAME, with percent-encoding in "
            "user and password (/ is %2F, @ is %40)"
        )
        reader.problem("DATABASE_URL", expected, shown=_scheme_only(url))
    return url


def _mysql_url_from_parts(reader: Reader) -> str:
    for name in ("DB_USER", "DB_NAME"):
        if not reader.is_set(name):
            reader.problem(name, "a name, since other DB_… settings are there")
    host = reader.host("DB_HOST")
    port = reader.whole("DB_PORT", 1, 65535)
    user, password, name = (
        quote(reader.text(name), safe="", errors="replace")
        for name in ("DB_USER", "DB_PASS", "DB_NAME")
    )
    login = f"{user}:{password}" if password else user
    return f"mysql://{login}@{f'[{host}]' if ':' in host else host}:{port}/{name}"


def sqlite_path(url: str) -> Path | None:
    if not url.startswith("sqlite:///"):
        return None
    return Path(unquote(url.removeprefix("sqlite:///")))


def default_files(url: str) -> Path:
    """Beside the SQLite database, or in the working directory."""
    database = sqlite_path(url)
    if database is None or not database.name:
        return FILES_ON_MYSQL
    return database.with_name(f"{database.name}.files")


def _is_sqlite_url(url: str) -> bool:
    path = sqlite_path(url)
    if path is None or set("?#") & set(url) or path.name in ("", ":memory:"):
        return False
    return path.parent.is_dir() and not path.is_dir()


def _is_mysql_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port_is_right = parts.port != 0
    except ValueError:
        return False
    name = parts.path.removeprefix("/")
    return (
        bool(parts.hostname and name) and "/" not in name and not parts.fragment and port_is_right
    )


def _scheme_only(url: str) -> str:
    """A URL that cannot be trusted to say where its password is."""
    scheme, separator, _ = url.partition("://")
    return f"{scheme}://{HIDDEN}" if separator else HIDDEN


def read_redis_url(reader: Reader) -> str | None:
    url = reader.text("REDIS_URL").strip()
    if url and not re.fullmatch(r"rediss?://[^/\s]+(/[0-9]*)?(\?\S*)?|unix://\S+", url):
        expected = "redis://HOST:PORT/NUMBER, rediss://… or unix://PATH"
        reader.problem("REDIS_URL", expected, shown=_scheme_only(url))
    return url or None


def read_otlp_endpoint(reader: Reader) -> str | None:
    name = "OTEL_EXPORTER_OTLP_ENDPOINT"
    url = reader.text(name)
    if url and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", url):
        reader.problem(name, "http://HOST:PORT or https://HOST:PORT", shown=_scheme_only(url))
    return url.rstrip("/") or None


def read_origins(reader: Reader) -> tuple[str, ...]:
    name = "REGISTRO_ALLOWED_ORIGINS"
    written = [one.strip() for one in reader.text(name).split(",") if one.strip()]
    origins = [_origin(one) for one in written]
    if None in origins:
        reader.problem(name, "origins like https://www.example.org, separated by commas")
    return tuple(origin for origin in origins if origin)


def _origin(text: str) -> str | None:
    """The origin as browsers write it: in lower case, without the scheme's own port."""
    pattern = r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?"
    match = re.fullmatch(pattern, text.lower())
    if match is None:
        return None
    scheme, host, port = match.groups()
    is_default = port == {"http": "80", "https": "443"}[scheme]
    return f"{scheme}://{host}" + (f":{port}" if port and not is_default else "")


def read_smtp(reader: Reader) -> Smtp | None:
    name = "REGISTRO_SMTP_URL"
    url = reader.text(name).strip()
    if not url:
        return None
    for other in ("REGISTRO_MAIL_FROM", "REGISTRO_PUBLIC_URL"):
        if not reader.is_set(other):
            reader.problem(other, f"it, since {name} is there")
    found = _smtp(url)
    if found is None:
        expected = (
            "smtp://USER:PASSWORD@HOST:PORT (STARTTLS), smtps://… (TLS), or smtp://HOST?tls=no "
            "(without a password), with percent-encoding in user and password"
        )
        reader.problem(name, expected, shown=_scheme_only(url))
    return found


def _smtp(url: str) -> Smtp | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    modes = {("smtp", ""): "starttls", ("smtp", "tls=no"): "none", ("smtps", ""): "tls"}
    tls = modes.get((parts.scheme, parts.query))
    if tls is None or not parts.hostname or parts.path not in ("", "/") or port == 0:
        return None
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if tls == "none" and user:
        return None  # a password is never sent in the clear
    usual = {"starttls": 587, "none": 25, "tls": 465}[tls]
    return Smtp(parts.hostname, port or usual, cast(Any, tls), user, password)


def read_mail_from(reader: Reader) -> Address | None:
    text = reader.text("REGISTRO_MAIL_FROM")
    if not text:
        return None
    name, address = parseaddr(text)
    try:
        found = Address(name, addr_spec=address)
    except (HeaderParseError, ValueError, IndexError):
        found = None
    if found is None or not found.domain or not address.isascii():
        reader.problem("REGISTRO_MAIL_FROM", "an address like Support <support@example.org>")
        return None
    return found


def read_public_url(reader: Reader) -> str:
    url = reader.text("REGISTRO_PUBLIC_URL").removesuffix("/")
    if url and _origin(url) is None:
        reader.problem("REGISTRO_PUBLIC_URL", "a URL like https://desk.example.org, without a path")
    return url
