"""Settings, files, limits of the process, Redis, mail: everything but the database."""

from __future__ import annotations

import asyncio
import importlib.util
import resource
import shutil
import stat
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from aiosmtplib import SMTPException
from redis.asyncio import Redis
from redis.exceptions import RedisError

from registro.config import Settings
from registro.errors import NoteError
from registro.services import checkpoints, mail
from registro.services.doctor.check import Check, failed, ok, warning

PATIENCE = 2
"""Seconds that Redis has for an answer."""

MAIL_PATIENCE = 5
"""Seconds that the mail server has to let us in."""

LITTLE_SPACE, NO_SPACE = 1 << 30, 100 << 20
"""Free bytes below which a disk is a warning, and a failure."""

MANY_FILES = 4096
"""Files that a process should be able to have open: one a client, and some."""


def of_settings(settings: Settings) -> Iterator[Check]:
    yield ok("settings", f"REGISTRO_ENV={settings.env}")
    for notice in settings.notices:
        yield warning("settings", notice, "docs/settings.md says what to set instead")
    public = not _is_loopback(settings.host)
    if not settings.jwt_secret:
        yield warning(
            "settings",
            "JWT_SECRET is not set: development makes one and keeps it in a file",
            "set it, the same for all processes (docs/settings.md)",
        )
    if public and not settings.production:
        yield warning(
            "settings",
            f"HOST={settings.host} lets others in, while the strict settings are off",
            "set REGISTRO_ENV=production",
        )
    if public and settings.trusted_proxies:
        yield warning(
            "proxies",
            f"X-Forwarded-* headers are believed, and HOST={settings.host} can be reached past the "
            "proxy",
            "set HOST=127.0.0.1, or let the firewall keep others than the proxy out",
        )
    elif settings.production and not settings.trusted_proxies:
        yield warning(
            "proxies",
            "REGISTRO_TRUSTED_PROXIES=0: behind a proxy everybody would have the proxy's address, "
            "and share its limits",
            "set it to the number of proxies in front, which also bring TLS",
        )
    if settings.otlp_endpoint and importlib.util.find_spec("opentelemetry") is None:
        yield failed(
            "settings",
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry is not installed",
            'pip install "registro[otel]", or unset it',
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def of_files(settings: Settings, env_file: Path) -> Iterator[Check]:
    """Who else may read what is secret, and whether checkpoints can be written."""
    secret = [env_file] if env_file.is_file() else []
    if settings.sqlite_path is not None and settings.sqlite_path.is_file():
        secret.append(settings.sqlite_path)
    if settings.checkpoint_key is not None and settings.checkpoint_key.is_file():
        secret.append(settings.checkpoint_key)
    for path in secret:
        if path.stat().st_mode & stat.S_IROTH:
            yield warning(
                "files", f"everybody on this machine may read {path}", f"chmod 600 {path}"
            )
    key, target = settings.checkpoint_key, settings.checkpoint_to
    if key is None or target is None:
        yield warning(
            "checkpoints",
            "no checkpoints are written: nobody could tell that the log's end was cut off",
            "set REGISTRO_CHECKPOINT_KEY and REGISTRO_CHECKPOINT_TO (docs/operations.md)",
        )
        return
    try:
        checkpoints.read_key(key)
    except NoteError as error:
        yield failed("checkpoints", str(error), "registro checkpoint --new-key makes a key")


def of_machine(settings: Settings) -> Iterator[Check]:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = f"{files} files may be open at once"
    if 0 <= files < MANY_FILES:
        advice = "raise it: `ulimit -n 65536`, or LimitNOFILE=65536 in the systemd unit"
        yield warning("open files", found, advice)
    else:
        yield ok("open files", found)
    if settings.sqlite_path is None:
        return
    free = shutil.disk_usage(settings.sqlite_path.absolute().parent).free
    found = f"{free / 2**30:,.1f} GiB free beside {settings.sqlite_path.name}"
    advice = "make room: a full disk refuses every message"
    if free < NO_SPACE:
        yield failed("disk", found, advice)
    elif free < LITTLE_SPACE:
        yield warning("disk", found, advice)
    else:
        yield ok("disk", found)


async def of_redis(settings: Settings) -> list[Check]:
    if settings.redis_url is None:
        return []
    client = Redis.from_url(
        settings.redis_url, socket_connect_timeout=PATIENCE, socket_timeout=PATIENCE
    )
    try:
        seconds, microseconds = await client.time()
    except (RedisError, OSError) as error:
        advice = "start it, or correct REDIS_URL; until then other processes are heard late"
        return [failed("redis", f"it does not answer: {type(error).__name__}", advice)]
    finally:
        await client.aclose()
    return [
        ok("redis", "it answers"),
        of_clock("clock of Redis", seconds + microseconds / 1e6 - time.time(), settings),
    ]


async def of_mail(settings: Settings) -> list[Check]:
    """Whether the mail server lets us in; it is sent no mail."""
    if settings.smtp is None:
        return []
    client = mail.client_of(settings.smtp, MAIL_PATIENCE)
    try:
        async with asyncio.timeout(MAIL_PATIENCE):
            await client.connect()
    except (SMTPException, OSError, TimeoutError, ValueError) as error:
        # Without its words, which may repeat what we log in with.
        found = f"it does not let us in: {type(error).__name__}"
        advice = "correct REGISTRO_SMTP_URL (docs/settings.md); mails wait for a day"
        return [failed("mail server", found, advice)]
    finally:
        client.close()
    return [ok("mail server", "it lets us in")]


def of_clock(name: str, ahead: float, settings: Settings) -> Check:
    """`ahead`: seconds that another clock is ahead of ours."""
    found = f"{abs(ahead):.1f} s {'ahead of' if ahead >= 0 else 'behind'} ours"
    advice = "let NTP set the clocks of all machines"
    if abs(ahead) > settings.node_lease_seconds / 2:
        return failed(name, found, advice)
    return warning(name, found, advice) if abs(ahead) > 2 else ok(name, found)
