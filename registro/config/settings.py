"""The settings as the program uses them: typed, checked, read once at start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.headerregistry import Address
from pathlib import Path
from typing import Final

from registro.config import production, secret, servers
from registro.config.reader import HIDDEN, Reader
from registro.config.servers import Smtp
from registro.config.table import DEVELOPMENT, PRODUCTION
from registro.errors import SettingsError

SECRET_FILE_ON_MYSQL: Final = Path(".registro-secret")
MIB: Final = 1024 * 1024


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
        return servers.sqlite_path(self.database_url)

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
    reader = Reader(environ, env_file)
    env = reader.choice("REGISTRO_ENV", DEVELOPMENT, PRODUCTION)
    jwt_secret = secret.read(reader, env)
    previous = secret.read_previous(reader)
    if env == PRODUCTION:
        production.check(reader, previous)
    database_url = servers.read_database_url(reader)
    settings = Settings(
        env=env,
        host=reader.host("HOST"),
        port=reader.whole("PORT", 0, 65535),
        jwt_secret=jwt_secret,
        jwt_secrets_previous=previous,
        database_url=database_url,
        redis_url=servers.read_redis_url(reader),
        message_rate=reader.number("REGISTRO_MESSAGE_RATE", 0),
        registration=reader.choice("REGISTRO_REGISTRATION", "on", "off") == "on",
        fixtures=reader.choice("REGISTRO_FIXTURES", "on", "off") == "on" and env != PRODUCTION,
        allowed_origins=servers.read_origins(reader),
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
        metrics_token=secret.read_metrics_token(reader),
        otlp_endpoint=servers.read_otlp_endpoint(reader),
        files=reader.path("REGISTRO_FILES") or servers.default_files(database_url),
        file_size=reader.whole("REGISTRO_FILE_MIB", 0, 1024) * MIB,
        user_files=reader.whole("REGISTRO_USER_FILES_MIB", 0, 10_000_000) * MIB,
        smtp=servers.read_smtp(reader),
        mail_from=servers.read_mail_from(reader),
        mail_after_minutes=reader.number("REGISTRO_MAIL_AFTER_MINUTES", 0),
        public_url=servers.read_public_url(reader),
        notices=secret.notices(jwt_secret, previous) + production.notices(reader, env),
    )
    if reader.problems:
        raise SettingsError(reader.problems)
    return settings if jwt_secret or not make_secret else _with_kept_secret(settings)


def _with_kept_secret(settings: Settings) -> Settings:
    database = settings.sqlite_path
    path = database.with_name(f"{database.name}.secret") if database else SECRET_FILE_ON_MYSQL
    notice = f"JWT_SECRET is not set: development uses the one kept in {path}."
    return replace(settings, jwt_secret=secret.kept(path), notices=(*settings.notices, notice))
