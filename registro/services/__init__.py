"""Wires the parts together; used by the web server, the command line and the tests."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from registro.config import Settings
from registro.db import migrations
from registro.db.connection import DatabaseConnection, Pool
from registro.db.sql import in_list
from registro.errors import MigrationError, StoreError
from registro.events import reader
from registro.events.observer import Observer
from registro.events.store import Memory
from registro.events.writer import Committed, LogWriter
from registro.projections import generations, registry, runner
from registro.services import preferences
from registro.services.accounts import Accounts
from registro.services.addresses import Addresses
from registro.services.administration import Administration
from registro.services.answers import Answers
from registro.services.audit import Audit
from registro.services.chat import Chat
from registro.services.checkpoints import Checkpoints
from registro.services.denials import Denials
from registro.services.desk import Desk, Snoozes
from registro.services.directory import Directory
from registro.services.dossier import Dossiers
from registro.services.erasure import Erasures
from registro.services.evidence import Evidence
from registro.services.feed import Feed
from registro.services.files import Files, Limits
from registro.services.following import Following
from registro.services.hours import Hours
from registro.services.inbox import Inbox
from registro.services.links import PasswordLinks
from registro.services.mail import Mail
from registro.services.nodes import Nodes
from registro.services.people import People
from registro.services.reports import Reports
from registro.services.saved_views import SavedViews
from registro.services.search import Search
from registro.services.sessions import Sessions

log = logging.getLogger(__name__)


class Services:
    """Everything that runs in one process, apart from the web server."""

    def __init__(self, settings: Settings, observer: Observer | None = None) -> None:
        self.settings = settings
        observer = observer or Observer()
        self.readers = Pool(settings.database_url, on_error=observer.read_failed)
        self.feed = Feed(self.readers, self._origin)
        folding = runner.Folding()
        self.writer = LogWriter(
            self.connection,
            folding,
            folds=registry.FOLDED,
            memory=Memory(folding.forget),
            on_commit=self.feed.committed,
            limit=settings.queue_limit,
            timeout=settings.store_timeout_seconds,
        )
        self.writer.observer = observer
        self.directory = Directory(self.readers)
        limits = Limits(settings.file_size, settings.user_files)
        self.files = Files(self.readers, settings.files, limits)
        self.erasures = Erasures(self.writer, self.readers, self.files)
        self.accounts = Accounts(
            self.writer, self.readers, self.directory, self.connection, self.erasures
        )
        self.sessions = Sessions(self.writer, self.readers)
        self.links = PasswordLinks(
            self.writer, self.readers, self.directory, self.accounts, self.connection
        )
        self.administration = Administration(
            self.writer, self.readers, self.accounts, self.sessions, self.links
        )
        self.preferences = preferences.Store(self.readers, self.connection)
        self.chat = Chat(self.writer, self.readers, self.directory, self.files)
        self.desk = Desk(self.writer, self.readers, self.directory)
        self.snoozes = Snoozes(self.writer, self.readers)
        self.inbox = Inbox(self.readers, self.directory)
        self.dossiers = Dossiers(self.readers, self.directory)
        self.views = SavedViews(self.writer, self.readers)
        self.answers = Answers(self.writer, self.readers)
        self.people = People(self.readers)
        self.search = Search(self.readers, self.directory)
        self.reports = Reports(self.readers, self.directory)
        self.audit = Audit(self.readers)
        self.checkpoints = Checkpoints(
            self.readers,
            settings.checkpoint_key,
            settings.checkpoint_to,
            settings.checkpoint_seconds,
        )
        self.evidence = Evidence(
            self.readers, self.writer, settings.checkpoint_key, settings.checkpoint_to
        )
        self.nodes = Nodes(self.writer, self.readers, self.connection, settings.node_lease_seconds)
        self.following = Following(self.connection)
        self.denials = Denials(self.writer, self.nodes.id)
        self.hours = Hours(self.writer, self.readers)
        self.addresses = Addresses(
            self.writer, self.readers, self.directory, self.erasures, self.connection
        )
        self.mail = Mail(
            settings,
            self.writer,
            self.readers,
            self.directory,
            self.preferences,
            self.addresses,
            self.connection,
        )
        self.feed.subscribers += [
            self._forget_changed_people,
            self.files.committed,
            self.hours.committed,
        ]
        self.waiting: str | None = None
        """Why a server process does nothing yet; None once everything is started."""
        self._waiting_task: asyncio.Task[None] | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What may have signed a token: the secret of today first."""
        return (self.settings.jwt_secret, *self.settings.jwt_secrets_previous)

    async def presence(self, user_ids: Collection[str]) -> dict[str, tuple[bool, int]]:
        """Whether people are connected, and since when (microseconds since 1970)."""
        names, values = in_list(list(user_ids))
        async with self.readers.connection() as connection:
            rows = await connection.fetch_all(
                f"SELECT user_id, sockets, since FROM presence WHERE user_id IN ({names})",
                **values,
            )
        return {user_id: (sockets > 0, since) for user_id, sockets, since in rows}

    async def channel(self) -> str:
        """The name under which the processes of this database, and no others, meet in Redis."""
        async with self.readers.connection() as connection:
            key = await connection.fetch_value("SELECT value FROM secret WHERE name = 'erasure'")
        return f"registro:{hmac.digest(key, b'redis channel', 'sha256').hex()[:32]}"

    def connection(self) -> DatabaseConnection:
        """A connection that is not open yet, for whoever needs one of their own."""
        return DatabaseConnection(self.settings.database_url)

    def _origin(self, event_id: str) -> object:
        return self.writer.origin(event_id)

    async def _forget_changed_people(self, batch: Sequence[Committed]) -> None:
        self.directory.committed(one.row for one in batch)

    async def migrate(self) -> int:
        """Brings the database to this program's version; returns how many migrations that took."""
        connection = await self.connection().open()
        try:
            return await migrations.migrate(connection, runner.ensure)
        finally:
            await connection.close()

    async def start(self, *, serve: bool = True) -> None:
        """Opens what is needed; with `serve` also what a server process needs (lease and feed)."""
        await self.migrate()
        self.waiting = await self._outdated()
        if self.waiting is None:
            await self._start(serve)
        elif serve:
            log.error("nothing is served until then: %s", self.waiting)
            self._waiting_task = asyncio.create_task(self._start_later(), name="late start")
        else:
            await self.readers.close()
            raise MigrationError(self.waiting)

    async def _outdated(self) -> str | None:
        """Which projections have to be built before anything else, as a sentence."""
        async with self.readers.connection() as connection:
            if (await reader.head(connection)).folded == reader.READ_ONLY:
                return None  # a replay shows what it has
            outdated = await generations.outdated(connection)
        names = [projection.name for projection in outdated if projection in registry.INLINE]
        if not names:
            return None
        return (
            f"this version of Registro has to build projections first ({', '.join(names)}): "
            "run `registro migrate`"
        )

    async def _start(self, serve: bool) -> None:
        await self.writer.start()
        if serve:
            await self.feed.start()
            await self.nodes.start()
            await self.denials.start()
            await self.checkpoints.start()
            await self.following.start()
            await self.snoozes.start()
            await self.files.start()
            await self.mail.start()

    async def _start_later(self) -> None:
        while self.waiting is not None:
            await asyncio.sleep(1)
            try:
                outdated = await self._outdated()
                if outdated is None:
                    await self._start(serve=True)
                    log.warning("the projections were built: serving")
                self.waiting = outdated
            except StoreError as error:
                log.warning("the projections cannot be looked at: %s", error)

    async def stop(self, *, serve: bool = True) -> None:
        """The reverse, so that everything that was accepted is stored."""
        if self._waiting_task is not None:
            self._waiting_task.cancel()
            await asyncio.gather(self._waiting_task, return_exceptions=True)
        async with AsyncExitStack() as last:  # one that fails does not keep the others open
            last.push_async_callback(self.readers.close)
            if serve:
                last.push_async_callback(self.feed.stop)
            last.push_async_callback(self.writer.stop)
            if serve:
                for part in (
                    self.nodes,
                    self.denials,
                    self.checkpoints,
                    self.following,
                    self.snoozes,
                    self.files,
                    self.mail,
                ):
                    last.push_async_callback(part.stop)


@asynccontextmanager
async def running(settings: Settings, *, serve: bool = False) -> AsyncIterator[Services]:
    """Services for the length of a command or a test."""
    services = Services(settings)
    await services.start(serve=serve)
    try:
        yield services
    finally:
        await services.stop(serve=serve)
