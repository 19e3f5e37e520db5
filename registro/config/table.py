"""The settings: their names, defaults and meanings. `docs/settings.md` describes each, and a test
holds the two together."""

from __future__ import annotations

from typing import Final, NamedTuple

PRODUCTION: Final = "production"
DEVELOPMENT: Final = "development"


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
