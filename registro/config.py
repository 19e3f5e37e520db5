"""What the operator can set: read once at start, from the environment and a `.env` file.

`SETTINGS` is the list of names, defaults and meanings; `docs/settings.md` describes
each, and a test holds the two together.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.utils import parseaddr
from io import StringIO
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, cast
from urllib.parse import quote, unquote, urlsplit

from dotenv.parser import parse_stream

from registro.errors import SettingsError

PRODUCTION: Final = "production"
DEVELOPMENT: Final = "development"
MIN_SECRET_BYTES: Final = 32
MIN_SECRET_VARIETY: Final = 8
"""Different characters; a random secret of that length has three times as many."""
SECRET_FILE_ON_MYSQL: Final = Path(".registro-secret")
MIN_TOKEN_LENGTH: Final = 16
FILES_ON_MYSQL: Final = Path("registro-files")
MIB: Final = 1024 * 1024
PREFIX: Final = "REGISTRO_"
FROM_FILE: Final = "_FILE"
"""After the name of a secret: the file that it stands in."""
HIDDEN: Final = "***"


class Setting(NamedTuple):
    """One name that is read; `default` is what it would say in the environment."""

    name: str
    default: str
    meaning: str
    secret: bool = False


SETTINGS: Final = (
    Setting(
        "REGISTRO_ENV",
        DEVELOPMENT,
        "`development` or `production`; `production` turns the strict settings on.",
    ),
    Setting("HOST", "127.0.0.1", "The name or address to listen on."),
    Setting("PORT", "3000", "The port to listen on; `0` takes a free one."),
    Setting(
        "JWT_SECRET",
        "",
        "The secret that signs and verifies tokens: one opaque string of at least 32 bytes.",
        secret=True,
    ),
    Setting(
        "REGISTRO_JWT_SECRETS_PREVIOUS",
        "",
        "Older secrets that still verify tokens: a JSON list of strings.",
        secret=True,
    ),
    Setting(
        "DATABASE_URL",
        "sqlite:///registro.db",
        "The database: an SQLite file, or a MySQL or MariaDB server.",
        secret=True,
    ),
    Setting("DB_HOST", "localhost", "The MySQL server, when `DATABASE_URL` is not set."),
    Setting("DB_PORT", "3306", "The MySQL server's port, when `DATABASE_URL` is not set."),
    Setting("DB_USER", "", "The MySQL user, when `DATABASE_URL` is not set."),
    Setting(
        "DB_PASS", "", "The MySQL user's password, when `DATABASE_URL` is not set.", secret=True
    ),
    Setting("DB_NAME", "", "The MySQL database, when `DATABASE_URL` is not set."),
    Setting(
        "REDIS_URL",
        "",
        "The Redis server that several processes or machines share.",
        secret=True,
    ),
    Setting(
        "REGISTRO_REGISTRATION",
        "on",
        "Whether people can make their own accounts: `on` or `off`.",
    ),
    Setting(
        "REGISTRO_FIXTURES",
        "on",
        "Whether development fills an empty database with the sample data: `on` or `off`.",
    ),
    Setting(
        "REGISTRO_ALLOWED_ORIGINS",
        "",
        "Other sites whose pages may connect: origins, separated by commas.",
    ),
    Setting(
        "REGISTRO_TRUSTED_PROXIES",
        "0",
        "How many reverse proxies stand in front, whose `X-Forwarded-*` headers are believed.",
    ),
    Setting(
        "REGISTRO_MESSAGE_RATE",
        "50",
        "Messages a second that one user may keep up; 20 times as many may come at once. "
        "`0`: no limit.",
    ),
    Setting(
        "REGISTRO_CONNECTION_RATE",
        "200",
        "Connections a second that a process lets in; more wait in line for up to 5 seconds, then "
        "are asked to come again. `0`: no limit.",
    ),
    Setting(
        "REGISTRO_QUEUE_LIMIT",
        "10000",
        "Events that may wait for the log; when that many wait, further ones are refused.",
    ),
    Setting(
        "REGISTRO_STORE_TIMEOUT_SECONDS",
        "5",
        "Seconds that storing an event is tried again before it is refused as `no_disponible`.",
    ),
    Setting(
        "REGISTRO_NODE_LEASE_SECONDS",
        "10",
        "Seconds without a sign of life after which a process counts as crashed and the "
        "sessions it left open are closed.",
    ),
    Setting(
        "REGISTRO_DRAIN_SECONDS",
        "10",
        "Seconds that a stopping server takes at most to finish what it has begun.",
    ),
    Setting(
        "REGISTRO_CHECKPOINT_KEY",
        "",
        "The file with the key that signs checkpoints of the log.",
    ),
    Setting(
        "REGISTRO_CHECKPOINT_TO",
        "",
        "Where checkpoints are written: a folder (a file each) or a file (the newest alone).",
    ),
    Setting(
        "REGISTRO_CHECKPOINT_SECONDS",
        "3600",
        "Seconds between checkpoints; none is written while the log has not grown.",
    ),
    Setting(
        "REGISTRO_REQUEST_SECONDS",
        "30",
        "Seconds in which a request has to be there; what brings 4 KiB a second gets longer.",
    ),
    Setting(
        "REGISTRO_MAX_CONNECTIONS",
        "0",
        "Connections that a process has at once; further ones are closed. "
        "`0`: as many as the system lets it open files for, less 100.",
    ),
    Setting(
        "REGISTRO_ADDRESS_CONNECTIONS",
        "0",
        "Sockets that one address (of IPv6: one /64) has at once in a process. `0`: no limit.",
    ),
    Setting(
        "REGISTRO_USER_CONNECTIONS",
        "200",
        "Sockets that one user has at once in a process. `0`: no limit.",
    ),
    Setting(
        "REGISTRO_LOG",
        "auto",
        "How the server logs: `json` (an object a line), `text` (for people), or `auto`: text on a "
        "terminal, JSON elsewhere.",
    ),
    Setting(
        "REGISTRO_LOG_LEVEL",
        "info",
        "The least that is logged: `debug`, `info`, `warning` or `error`.",
    ),
    Setting(
        "REGISTRO_SLOW_REQUEST_SECONDS",
        "1",
        "Seconds after which a request is logged as a warning. `0`: never.",
    ),
    Setting(
        "REGISTRO_METRICS",
        "off",
        "Who may read `/metrics`: nobody (`off`), programs on this machine (`loopback`), or who "
        "has a `token`.",
    ),
    Setting(
        "REGISTRO_METRICS_TOKEN",
        "",
        "What Prometheus sends as a bearer token: at least 16 characters.",
        secret=True,
    ),
    Setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "",
        "The OpenTelemetry collector that traces are sent to, over HTTP.",
    ),
    Setting(
        "REGISTRO_FILES",
        "",
        "The folder of the files that messages bring; all processes of one database share it.",
    ),
    Setting(
        "REGISTRO_FILE_MIB",
        "10",
        "The size of the largest file that may be sent, in MiB. `0`: no files can be sent.",
    ),
    Setting(
        "REGISTRO_USER_FILES_MIB",
        "1024",
        "What all files of one user may take together, in MiB; admins are not limited. "
        "`0`: no limit.",
    ),
    Setting(
        "REGISTRO_SMTP_URL",
        "",
        "The mail server that takes mails to users who are offline; without it none are sent.",
        secret=True,
    ),
    Setting(
        "REGISTRO_MAIL_FROM",
        "",
        "Whom mails come from: an address, perhaps with a name.",
    ),
    Setting(
        "REGISTRO_MAIL_AFTER_MINUTES",
        "10",
        "Minutes that an answer waits unread, and its user is away, before a mail tells of it.",
    ),
    Setting(
        "REGISTRO_PUBLIC_URL",
        "",
        "Where users reach Registro, for the links in mails: a URL without a path.",
    ),
)

_BY_NAME: Final = {setting.name: setting for setting in SETTINGS}
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The settings, checked. What may hold a secret is left out of the repr.

    `files` is a folder that need not be there yet; `file_size` and `user_files` are in bytes.
    `notices` is what the operator should know, a sentence each, without secrets.
    """

    env: str
    host: str
    port: int
    jwt_secret: str = field(repr=False)
    jwt_secrets_previous: tuple[str, ...] = field(repr=False)
    database_url: str = field(repr=False)
    redis_url: str | None = field(repr=False)
    message_rate: float
    registration: bool
    fixtures: bool
    allowed_origins: tuple[str, ...]
    trusted_proxies: int
    connection_rate: float
    queue_limit: int
    store_timeout_seconds: float
    node_lease_seconds: float
    drain_seconds: float
    checkpoint_key: Path | None
    checkpoint_to: Path | None
    checkpoint_seconds: float
    request_seconds: float
    max_connections: int
    address_connections: int
    user_connections: int
    log_format: str
    log_level: str
    slow_request_seconds: float
    metrics: str
    metrics_token: str = field(repr=False)
    otlp_endpoint: str | None
    files: Path
    file_size: int
    user_files: int
    smtp: Smtp | None = field(repr=False)
    mail_from: Address | None
    mail_after_minutes: float
    public_url: str
    notices: tuple[str, ...]

    @property
    def production(self) -> bool:
        return self.env == PRODUCTION

    @property
    def sqlite_path(self) -> Path | None:
        """The database's file; None on MySQL."""
        return _sqlite_path(self.database_url)

    @property
    def database_label(self) -> str:
        """`database_url` for people and logs: without the password."""
        return re.sub(r"^(\w+://[^:@/]*):[^/]*@", rf"\1:{HIDDEN}@", self.database_url)


def load(
    environ: Mapping[str, str], env_file: Path | None, *, make_secret: bool = True
) -> Settings:
    """The settings in `environ` and, where `environ` is silent, in `env_file`.

    An empty value counts as not set, a missing file as empty. In development a missing
    `JWT_SECRET` is made and kept in a file, unless `make_secret` is False: then it is empty.
    Raises SettingsError with all problems.
    """
    reader = _Reader(environ, env_file)
    env = reader.choice("REGISTRO_ENV", DEVELOPMENT, PRODUCTION)
    jwt_secret = _read_secret(reader, env)
    previous = _read_previous_secrets(reader)
    if env == PRODUCTION:
        _check_production(reader, previous)
    database_url = _read_database_url(reader)
    settings = Settings(
        env=env,
        host=reader.host("HOST"),
        port=reader.whole("PORT", 0, 65535),
        jwt_secret=jwt_secret,
        jwt_secrets_previous=previous,
        database_url=database_url,
        redis_url=_read_redis_url(reader),
        message_rate=reader.number("REGISTRO_MESSAGE_RATE", 0),
        registration=reader.choice("REGISTRO_REGISTRATION", "on", "off") == "on",
        fixtures=reader.choice("REGISTRO_FIXTURES", "on", "off") == "on" and env != PRODUCTION,
        allowed_origins=_read_origins(reader),
        trusted_proxies=reader.whole("REGISTRO_TRUSTED_PROXIES", 0, 100),
        connection_rate=reader.number("REGISTRO_CONNECTION_RATE", 0),
        queue_limit=reader.whole("REGISTRO_QUEUE_LIMIT", 1, 10_000_000),
        store_timeout_seconds=reader.number("REGISTRO_STORE_TIMEOUT_SECONDS", 0.1),
        node_lease_seconds=reader.number("REGISTRO_NODE_LEASE_SECONDS", 1),
        drain_seconds=reader.number("REGISTRO_DRAIN_SECONDS", 1),
        checkpoint_key=reader.path("REGISTRO_CHECKPOINT_KEY"),
        checkpoint_to=reader.path("REGISTRO_CHECKPOINT_TO"),
        checkpoint_seconds=reader.number("REGISTRO_CHECKPOINT_SECONDS", 1),
        request_seconds=reader.number("REGISTRO_REQUEST_SECONDS", 1),
        max_connections=reader.whole("REGISTRO_MAX_CONNECTIONS", 0, 10_000_000),
        address_connections=reader.whole("REGISTRO_ADDRESS_CONNECTIONS", 0, 10_000_000),
        user_connections=reader.whole("REGISTRO_USER_CONNECTIONS", 0, 10_000_000),
        log_format=reader.choice("REGISTRO_LOG", "auto", "json", "text"),
        log_level=reader.choice("REGISTRO_LOG_LEVEL", "info", "debug", "warning", "error"),
        slow_request_seconds=reader.number("REGISTRO_SLOW_REQUEST_SECONDS", 0),
        metrics=reader.choice("REGISTRO_METRICS", "off", "loopback", "token"),
        metrics_token=_read_metrics_token(reader),
        otlp_endpoint=_read_otlp_endpoint(reader),
        files=reader.path("REGISTRO_FILES") or _default_files(database_url),
        file_size=reader.whole("REGISTRO_FILE_MIB", 0, 1024) * MIB,
        user_files=reader.whole("REGISTRO_USER_FILES_MIB", 0, 10_000_000) * MIB,
        smtp=_read_smtp(reader),
        mail_from=_read_mail_from(reader),
        mail_after_minutes=reader.number("REGISTRO_MAIL_AFTER_MINUTES", 0),
        public_url=_read_public_url(reader),
        notices=_weak_secret_notices(jwt_secret, previous) + _production_notices(reader, env),
    )
    if reader.problems:
        raise SettingsError(reader.problems)
    return settings if jwt_secret or not make_secret else _with_kept_secret(settings)


class _Reader:
    """Reads single values and collects what is wrong with them.

    A method that finds a problem returns something of the right type all the same,
    so that the other settings are read too.
    """

    def __init__(self, environ: Mapping[str, str], env_file: Path | None) -> None:
        self.problems: list[str] = []
        self._values = self._file_values(env_file) if env_file else {}
        self._values |= {name: value for name, value in environ.items() if value.strip()}
        self._read_secret_files()
        self._check_names()
        self._check_encoding()

    def problem(self, name: str, expected: str, *, shown: str | None = None) -> None:
        """Notes that `name` is wrong; `shown` replaces a value that may hold a secret."""
        value = self._values.get(name)
        if value is None:
            self.problems.append(f"{name} is not set: expected {expected}")
            return
        if shown is None:
            shown = HIDDEN if _BY_NAME[name].secret else repr(value[:80])
        self.problems.append(f"{name}={shown}: expected {expected}")

    def is_set(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str:
        """The value as it is written, or the default; without blanks around, but for secrets."""
        setting = _BY_NAME[name]
        value = self._values.get(name, setting.default)
        return value if setting.secret else value.strip()

    def choice(self, name: str, *options: str) -> str:
        text = self.text(name)
        if text not in options:
            self.problem(name, " or ".join(options))
        return text

    def whole(self, name: str, low: int, high: int) -> int:
        text = self.text(name)
        if re.fullmatch("[0-9]{1,9}", text) and low <= int(text) <= high:
            return int(text)
        self.problem(name, f"a whole number from {low} to {high}")
        return low

    def number(self, name: str, low: float) -> float:
        text = self.text(name)
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) and float(text) >= low:
            return float(text)
        self.problem(name, f"a number, {low:g} or more")
        return low

    def path(self, name: str) -> Path | None:
        """A file or folder in a folder that is there; None when it is not set."""
        text = self.text(name)
        if not text:
            return None
        path = Path(text)
        if not path.parent.is_dir():
            self.problem(name, "a path in a folder that exists")
        return path

    def host(self, name: str) -> str:
        text = self.text(name)
        if not _is_host(text):
            self.problem(name, "a host name or an IP address, without a port")
        return text

    def _file_values(self, env_file: Path) -> dict[str, str]:
        if not env_file.is_file():
            return {}
        try:
            text = env_file.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(
                f"{env_file}: expected a UTF-8 text file that can be read: {error}"
            )
            return {}
        bindings = list(parse_stream(StringIO(text)))
        self.problems += [
            f"{env_file}, line {binding.original.line}: expected NAME=value"
            for binding in bindings
            if binding.error or (binding.key and binding.value is None)
        ]
        return {b.key: b.value for b in bindings if b.key and b.value and b.value.strip()}

    def _read_secret_files(self) -> None:
        """`JWT_SECRET_FILE` and the like, as Docker and systemd hand secrets over."""
        for name in (setting.name for setting in SETTINGS if setting.secret):
            file = self._values.pop(name + FROM_FILE, None)
            if file is not None and name in self._values:
                self.problems.append(f"{name} and {name}{FROM_FILE}: expected one of them")
            elif file is not None:
                self._read_secret_file(name, Path(file.strip()))

    def _read_secret_file(self, name: str, path: Path) -> None:
        """A newline at the end is the editor's and not part of the secret."""
        try:
            value = path.read_text("utf-8").removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no UTF-8"
            self.problems.append(
                f"{name}{FROM_FILE}={str(path)!r}: expected a text file that can be read: {reason}"
            )
            return
        if value.strip():
            self._values[name] = value
        else:
            self.problems.append(f"{name}{FROM_FILE}={str(path)!r}: the file is empty")

    def _check_names(self) -> None:
        without_prefix = {name.removeprefix(PREFIX): name for name in _BY_NAME}
        for name in sorted(self._values):
            if name.startswith(PREFIX) and name not in _BY_NAME:
                near = difflib.get_close_matches(name.removeprefix(PREFIX), without_prefix, n=1)
                hint = f"; did you mean {without_prefix[near[0]]}?" if near else ""
                self.problems.append(f"{name}: there is no such setting{hint}")

    def _check_encoding(self) -> None:
        """Bytes that are no UTF-8 reach Python's environ as lone surrogates."""
        for name in _BY_NAME:
            if _LONE_SURROGATE.search(self._values.get(name, "")):
                self.problem(name, "UTF-8 text")


def _is_host(text: str) -> bool:
    with suppress(ValueError):
        return bool(ipaddress.ip_address(text))
    return re.fullmatch(r"[A-Za-z0-9_.-]{1,253}", text) is not None


def _read_secret(reader: _Reader, env: str) -> str:
    """The secret, empty where one is to be made."""
    secret = reader.text("JWT_SECRET")
    if env == PRODUCTION and not _is_strong(secret):
        reader.problem("JWT_SECRET", f"at least {MIN_SECRET_BYTES} bytes in production")
    return secret


def _read_previous_secrets(reader: _Reader) -> tuple[str, ...]:
    name = "REGISTRO_JWT_SECRETS_PREVIOUS"
    try:
        found = json.loads(reader.text(name) or "[]")
    except ValueError:
        found = None
    if isinstance(found, list) and all(map(_is_text, found)):
        return tuple(found)
    reader.problem(name, 'a JSON list of strings that are not empty, like ["older", "oldest"]')
    return ()


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != "" and not _LONE_SURROGATE.search(value)


def _is_strong(secret: str) -> bool:
    return len(secret.encode("utf-8", "replace")) >= MIN_SECRET_BYTES


def _check_production(reader: _Reader, previous: tuple[str, ...]) -> None:
    """Notes what is good enough to try Registro with, and unsafe in the world."""
    if not all(map(_is_strong, previous)):
        expected = f"at least {MIN_SECRET_BYTES} bytes for each in production"
        reader.problem("REGISTRO_JWT_SECRETS_PREVIOUS", expected)
    if reader.is_set("REGISTRO_FIXTURES") and reader.text("REGISTRO_FIXTURES") == "on":
        reader.problem("REGISTRO_FIXTURES", "off in production: its people share a password")
    origins = reader.text("REGISTRO_ALLOWED_ORIGINS").lower()
    if any(one.startswith("http://") for one in re.split(r"[,\s]+", origins)):
        reader.problem("REGISTRO_ALLOWED_ORIGINS", "https:// alone in production")


def _production_notices(reader: _Reader, env: str) -> tuple[str, ...]:
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


def _weak_secret_notices(secret: str, previous: tuple[str, ...]) -> tuple[str, ...]:
    weak = f"has fewer than {MIN_SECRET_BYTES} bytes and may be guessed."
    notices = []
    if secret and not _is_strong(secret):
        notices.append(f"JWT_SECRET {weak} Production refuses it.")
    if not all(map(_is_strong, previous)):
        notices.append(f"One of REGISTRO_JWT_SECRETS_PREVIOUS {weak}")
    return tuple(notices)


def _read_database_url(reader: _Reader) -> str:
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


def _mysql_url_from_parts(reader: _Reader) -> str:
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


def _sqlite_path(url: str) -> Path | None:
    if not url.startswith("sqlite:///"):
        return None
    return Path(unquote(url.removeprefix("sqlite:///")))


def _default_files(url: str) -> Path:
    """Beside the SQLite database, or in the working directory."""
    database = _sqlite_path(url)
    if database is None or not database.name:
        return FILES_ON_MYSQL
    return database.with_name(f"{database.name}.files")


def _is_sqlite_url(url: str) -> bool:
    path = _sqlite_path(url)
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


def _read_redis_url(reader: _Reader) -> str | None:
    url = reader.text("REDIS_URL").strip()
    if url and not re.fullmatch(r"rediss?://[^/\s]+(/[0-9]*)?(\?\S*)?|unix://\S+", url):
        expected = "redis://HOST:PORT/NUMBER, rediss://… or unix://PATH"
        reader.problem("REDIS_URL", expected, shown=_scheme_only(url))
    return url or None


def _read_metrics_token(reader: _Reader) -> str:
    token = reader.text("REGISTRO_METRICS_TOKEN")
    wanted = reader.text("REGISTRO_METRICS") == "token"
    if (token or wanted) and not re.fullmatch(rf"[!-~]{{{MIN_TOKEN_LENGTH},}}", token):
        expected = f"at least {MIN_TOKEN_LENGTH} ASCII characters without blanks"
        reader.problem("REGISTRO_METRICS_TOKEN", expected)
    return token


def _read_otlp_endpoint(reader: _Reader) -> str | None:
    name = "OTEL_EXPORTER_OTLP_ENDPOINT"
    url = reader.text(name)
    if url and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", url):
        reader.problem(name, "http://HOST:PORT or https://HOST:PORT", shown=_scheme_only(url))
    return url.rstrip("/") or None


def _read_origins(reader: _Reader) -> tuple[str, ...]:
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


def _read_smtp(reader: _Reader) -> Smtp | None:
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


def _read_mail_from(reader: _Reader) -> Address | None:
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


def _read_public_url(reader: _Reader) -> str:
    url = reader.text("REGISTRO_PUBLIC_URL").removesuffix("/")
    if url and _origin(url) is None:
        reader.problem("REGISTRO_PUBLIC_URL", "a URL like https://desk.example.org, without a path")
    return url


def _with_kept_secret(settings: Settings) -> Settings:
    database = settings.sqlite_path
    path = database.with_name(f"{database.name}.secret") if database else SECRET_FILE_ON_MYSQL
    notice = f"JWT_SECRET is not set: development uses the one kept in {path}."
    return replace(settings, jwt_secret=_kept_secret(path), notices=(*settings.notices, notice))


def _kept_secret(path: Path) -> str:
    """The secret in `path`; made first where there is no such file."""
    try:
        if not path.exists():
            _make_secret_file(path)
        secret = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            [f"JWT_SECRET is not set: expected it, or a secret in {path}, but: {error}"]
        ) from error
    if not _is_strong(secret):
        expected = f"expected at least {MIN_SECRET_BYTES} bytes in it; delete it for a new secret"
        raise SettingsError([f"JWT_SECRET is not set and {path} holds too little: {expected}"])
    return secret


def _make_secret_file(path: Path) -> None:
    """Of several processes at once one wins, and nobody reads a half-written file.

    So the file is written under another name first, and linked: that fails if `path` exists.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    draft.touch(0o600, exist_ok=False)
    try:
        draft.write_text(f"{secrets.token_urlsafe(48)}\n", "utf-8")
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()
