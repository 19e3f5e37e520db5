"""The web application: puts the parts together and runs them."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterable, Sequence
from typing import Any

import click
from sanic.models.handler_types import RouteHandler
from sanic_ext import Extend

from registro.config import Settings
from registro.errors import SettingsError
from registro.services import Services, fixtures, running
from registro.services.replay import Replay
from registro.web import (
    access,
    answers,
    api,
    assets,
    audit,
    desk,
    files,
    health,
    hours,
    i18n,
    login,
    mail,
    metrics,
    pages,
    people,
    preferences,
    problems,
    protocol,
    replay,
    reports,
    requests,
    saved_views,
    search,
    security,
    several,
    views,
    watch,
    widget,
)
from registro.web.sockets import Sockets
from registro.web.transport import MAX_FRAME
from registro.web.typing import App

log = logging.getLogger(__name__)

EXIT_UNFINISHED = 3
"""The exit code of a server that could not finish within REGISTRO_DRAIN_SECONDS."""


class _Application(App):
    """An application that answers HEAD wherever it answers GET, and whose server can be stopped
    while it starts."""

    def add_route(
        self,
        handler: RouteHandler,
        uri: str,
        methods: Iterable[str] = ("GET",),
        *more: Any,
        **named: Any,
    ) -> RouteHandler:
        # sanic-ext would add these routes to a server that starts, which makes all signals and
        # routes anew for each: three of the four seconds that a start took.
        methods = frozenset(methods)
        if "GET" in methods:
            methods |= {"HEAD"}
        return super().add_route(handler, uri, methods, *more, **named)

    def stop(self, terminate: bool = True, unregister: bool = False) -> None:
        # Sanic handles SIGTERM and SIGINT by stopping the event loop. While the listeners of
        # `after_server_start` run, that is lost: the loop runs for each, and then again for good.
        if self.state.is_running:
            super().stop(terminate, unregister)
        else:
            self.loop.call_later(0.05, self.stop, terminate, unregister)


def create(settings: Settings, name: str = "registro") -> App:
    """The application; it opens the database when the server starts."""
    app = _new(settings, name)
    services: Services = app.ctx.services
    app.ctx.sockets = sockets = Sockets(services, app.ctx.watch)
    sockets.server.attach(app)
    if app.ctx.metrics is not None:
        app.ctx.metrics.bind(services, sockets)
    for part in (
        requests,
        security,
        views,
        problems,
        assets,
        login,
        pages,
        people,
        preferences,
        audit,
        search,
        reports,
        api,
        desk,
        several,
        saved_views,
        files,
        answers,
        health,
        metrics,
        hours,
        mail,
        widget,
    ):
        part.add_to(app)

    @app.before_server_start
    async def start(_: App) -> None:
        access.check(app)
        i18n.load()
        await services.start()
        await sockets.start()
        if app.ctx.metrics is not None:
            await app.ctx.metrics.start()

    @app.before_server_stop
    async def drain(_: App) -> None:
        _exit_after(settings.drain_seconds)
        await sockets.drain(settings.drain_seconds / 2)

    @app.after_server_stop
    async def stop(_: App) -> None:
        if app.ctx.metrics is not None:
            await app.ctx.metrics.stop()
        await services.stop()
        if app.ctx.tracing is not None:
            await asyncio.to_thread(app.ctx.tracing.stop)

    return app


def create_replay(settings: Settings, shown: Replay, name: str = "registro-replay") -> App:
    """The application that shows a replay: the pages that read, without sockets or a writer."""
    app = _new(settings, name)
    app.ctx.replay = replay.Viewer(shown)
    services: Services = app.ctx.services
    for part in (
        requests,
        replay,
        security,
        views,
        problems,
        assets,
        pages,
        people,
        audit,
        search,
        reports,
        api,
        files,
        answers,
        health,
    ):
        part.add_to(app)

    @app.before_server_start
    async def start(_: App) -> None:
        access.check(app)
        i18n.load()

    @app.after_server_stop
    async def stop(_: App) -> None:
        await services.readers.close()

    return app


def _new(settings: Settings, name: str) -> App:
    app: App = _Application(name, configure_logging=False)
    app.config.update(
        REQUEST_MAX_SIZE=MAX_FRAME + 65_536,
        REQUEST_TIMEOUT=settings.request_seconds,
        REQUEST_MAX_HEADER_SIZE=protocol.MAX_HEADERS,
        # A long poll is answered within ping interval and timeout, 45 s.
        RESPONSE_TIMEOUT=60,
        KEEP_ALIVE_TIMEOUT=60,
        GRACEFUL_SHUTDOWN_TIMEOUT=settings.drain_seconds / 4,
        WEBSOCKET_MAX_SIZE=MAX_FRAME,
        WEBSOCKET_PING_INTERVAL=None,  # Engine.IO has pings of its own
        WEBSOCKET_PING_TIMEOUT=None,
        PROXIES_COUNT=settings.trusted_proxies or None,
    )
    Extend(
        app,
        config={
            "cors": False,
            "http_all_methods": False,
            "http_auto_head": False,
            "http_auto_options": False,
            "oas": False,
            "templating_enable_async": False,  # nothing in a template waits
            "templating_path_to_templates": str(views.TEMPLATES),
        },
    )
    app.ctx.settings = settings
    app.ctx.metrics = metrics.Metrics() if settings.metrics != "off" else None
    app.ctx.tracing = None if settings.otlp_endpoint is None else _tracing(settings.otlp_endpoint)
    app.ctx.watch = watch.of([one for one in (app.ctx.metrics, app.ctx.tracing) if one is not None])
    app.ctx.services = Services(settings, app.ctx.watch)
    app.ctx.sockets = app.ctx.replay = None
    app.ctx.connection_limit = protocol.connection_limit(settings.max_connections)
    return app


def _tracing(endpoint: str) -> watch.Watch:
    """Raises SettingsError where OpenTelemetry is not installed."""
    try:
        module = importlib.import_module("registro.web.tracing")
    except ImportError:
        problem = (
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry is not installed: "
            'expected `pip install "registro[otel]"`, or the setting not to be there'
        )
        raise SettingsError([problem]) from None
    tracing: watch.Watch = module.Tracing(endpoint)
    return tracing


def run(settings: Settings, listener: socket.socket) -> None:
    """Serves on a bound socket until SIGTERM or SIGINT."""
    app = create(settings)

    @app.after_server_start
    async def welcome(_: App) -> None:
        app.add_task(_say(app, await _welcome(app.ctx.services, [listener])))

    _serve(app, listener)


async def prepare(settings: Settings, listeners: Sequence[socket.socket]) -> None:
    """What has to be done once before several workers start."""
    async with running(settings) as services:
        click.echo(await _welcome(services, listeners))
    notices = ["put a sticky proxy in front of the workers (docs/scaling.md)"]
    if settings.redis_url is None:
        notices.append("without REDIS_URL the workers hear of each other twice a second")
    for notice in notices:
        click.echo(f"Notice: {notice}", err=True)


def work(settings: Settings, listener: socket.socket) -> None:
    """Serves as one of several workers, while the process that started it is there."""
    app = create(settings)

    @app.after_server_start
    async def end_with_parent(_: App) -> None:
        loop = asyncio.get_running_loop()

        def gone() -> None:
            loop.remove_reader(sys.stdin)
            os.kill(os.getpid(), signal.SIGTERM)

        loop.add_reader(sys.stdin, gone)

    _serve(app, listener)


def _serve(app: App, listener: socket.socket) -> None:
    app.run(
        sock=listener,
        protocol=protocol.Protocol,
        single_process=True,
        motd=False,
        access_log=False,
    )


def run_replay(settings: Settings, shown: Replay, listener: socket.socket) -> None:
    """Serves a replay on a bound socket until SIGTERM or SIGINT."""
    app = create_replay(settings, shown)

    @app.after_server_start
    async def welcome(_: App) -> None:
        viewer: replay.Viewer = app.ctx.replay
        text = (
            f"The replay is at {_address(listener)}{viewer.link}  (Ctrl+C stops it)\n"
            "This link opens it once, within ten minutes."
        )
        app.add_task(_say(app, text))

    _serve(app, listener)


def _exit_after(seconds: float) -> None:
    """Ends the process if its proper end takes longer; others see to what it leaves behind."""
    timer = threading.Timer(seconds, os._exit, (EXIT_UNFINISHED,))
    timer.daemon = True
    timer.start()


async def _say(app: App, text: str) -> None:
    """Prints it once the server runs: whoever waits for it may stop the server from then on.
    (Between its start and its run uvloop hears no signals.)"""
    while not app.state.is_running:  # noqa: ASYNC110 (Sanic has no event for it)
        await asyncio.sleep(0.005)
    click.echo(text)


async def _welcome(services: Services, listeners: Sequence[socket.socket]) -> str:
    """Where the server is and, in development, who can log in; loads the sample data first."""
    settings = services.settings
    password = None
    if settings.fixtures and fixtures.LOG.is_file() and await fixtures.is_empty(services):
        _, password = await fixtures.load(services)
    for notice in settings.notices:
        click.echo(f"Notice: {notice}", err=True)
    lines = [f"Registro is at {_address(listener)}/  (Ctrl+C stops it)" for listener in listeners]
    # Beside an SQLite file it is kept; on a server it is told once.
    password = password or fixtures.demo_password(services)
    if password is not None and not settings.production:
        lines.append(f"Demo logins, on this machine only, all with the password {password}")
        lines += [f"  {role:5}  {user}" for user, role in await fixtures.demo_logins(services)]
    return "\n".join(lines)


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
