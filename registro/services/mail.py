"""Mail to users who are offline when they are answered.

Any server process may send. Each mail has a row in `mail_job` that a process claims for as long as
sending may take. Before it hands the text over it says so in that row; a claim that somebody else
has taken over meanwhile sends nothing. If a process ends (or the connection does) between there and
the mail server's answer, nobody can know whether the mail was taken: it is not sent again, and an
event says that. So no two mails tell of the same answers. Mails that were refused for the moment,
or found no server, are tried again for a day.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, Literal, NamedTuple, Protocol

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
)

from registro.config import Settings, Smtp
from registro.db.connection import Connection, DatabaseConnection, Pool
from registro.db.migrations import MAIL_JOB
from registro.errors import Busy, ConstraintViolated, StoreError
from registro.events import ids
from registro.events.store import draft
from registro.events.types import MailDropped, MailReason, MailSent
from registro.events.writer import LogWriter
from registro.projections.messages import attachments_of, with_names
from registro.services import addresses
from registro.services.addresses import Addresses
from registro.services.directory import Directory
from registro.services.preferences import Store

log = logging.getLogger(__name__)

POLL = 2.0
"""Seconds between looks for mails that are due."""

PAGE = 20
"""Mails of one look; there is another at once when there were as many."""

SHOWN = 20
"""Answers that one mail shows: the newest of them."""

PATIENCE = 30.0
"""Seconds that one mail may take, from connecting to the mail server's last answer."""

CLAIM = 120
"""Seconds after which a claim counts as given up: much longer than `PATIENCE`."""

FIRST_PAUSE, LONGEST_PAUSE = 60, 3600
"""Seconds between attempts: they double from the first to the longest."""

TIDY = 3600
"""Seconds between looks for addresses that were not confirmed in time."""

AUTHENTICATION_REQUIRED = 530
"""A mail server's answer to who has to log in first (RFC 4954)."""

GIVE_UP = 86_400
"""Seconds after the first attempt after which there is no further one."""

Kind = Literal["digest", "confirm"]


class Answer(NamedTuple):
    """An answer of the desk: whose (the name that users see), and what: its text, and what its
    files are called."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Digest:
    """A mail about answers. `more` are those before the `answers` shown; `id` is the same however
    often it is tried."""

    id: str
    thread: str
    to: str
    name: str
    language: str
    answers: Sequence[Answer]
    more: int
    unsubscribe: str


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A mail that asks whether an address may be used."""

    id: str
    to: str
    language: str
    link: str
    unsubscribe: str


class Composer(Protocol):
    """Puts mails into words."""

    def digest(self, mail: Digest) -> EmailMessage: ...

    def confirmation(self, mail: Confirmation) -> EmailMessage: ...


class Refusal(Exception):
    """The mail server wants this mail neither now nor later."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(str(code))


class Doubtful(Exception):
    """The connection ended after the text was handed over and before there was an answer."""


class Lost(Exception):
    """Somebody else has taken the claim over: nothing was sent."""


class Job(NamedTuple):
    """A row of `mail_job`. `settled` is the last seq that a mail told of, or never will; `first`
    and `last` are those that are being handed over."""

    state: str
    claim: str
    until: int
    tries: int
    began_at: int
    settled: int
    first: int
    last: int


class Mail:
    """Sends what is due, in every server process, where there is a mail server."""

    def __init__(
        self,
        settings: Settings,
        writer: LogWriter,
        readers: Pool,
        directory: Directory,
        preferences: Store,
        addresses: Addresses,
        connect: Callable[[], DatabaseConnection],
        now: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._settings = settings
        self._writer = writer
        self._readers = readers
        self._directory = directory
        self._preferences = preferences
        self._addresses = addresses
        self._connect = connect
        self.now = now
        self._connection: DatabaseConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._tidy_at = 0
        self.composer: Composer | None = None
        """Who writes the mails; without one, none are sent."""
        self.outcomes: Counter[str] = Counter()
        """Attempts by what came of them: `sent`, `later`, or why a mail was given up."""

    @property
    def on(self) -> bool:
        return self._settings.smtp is not None

    async def start(self) -> None:
        if self.on and self.composer is not None:
            self._task = asyncio.create_task(self._run(), name="mail")

    async def stop(self) -> None:
        """Waits a moment for a mail that is being handed over."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=self._settings.drain_seconds / 4)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._connection is not None:
            await self._connection.close()

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                done = await self.send_due()
            except StoreError as error:
                log.warning("mails cannot be looked for: %s", error)
                done = 0
            except Exception:
                log.exception("a mail could not be dealt with")
                done = 0
            if done < PAGE:
                try:
                    async with asyncio.timeout(POLL):
                        await self._stopping.wait()
                except TimeoutError:
                    continue

    async def send_due(self) -> int:
        """Attempts what is due now, at most a page of each kind; returns how many that were.
        Raises Unavailable."""
        await self._forget_old()
        work: list[tuple[Kind, str]] = [("confirm", one) for one in await self._confirmations()]
        work += [("digest", one) for one in await self._digests()]
        for kind, user_id in work:
            if self._stopping.is_set():
                break
            await self._attempt(kind, user_id)
        return len(work)

    async def _forget_old(self) -> None:
        """Addresses that nobody confirmed in time, once in a while."""
        now = self.now()
        if now < self._tidy_at:
            return
        self._tidy_at = now + TIDY * 1_000_000
        connection = await self.connection()
        await connection.execute(
            "DELETE FROM mail_pending WHERE expires_at <= :now AND asked_at <= :before",
            now=now,
            before=now - addresses.GOOD_FOR * 1_000_000,
        )

    async def _confirmations(self) -> list[str]:
        async with self._readers.connection() as connection:
            rows = await connection.fetch_all(
                "SELECT user_id FROM mail_job WHERE kind = 'confirm'"
                " AND state IN ('waiting', 'claimed', 'handing') AND until <= :now"
                " ORDER BY until LIMIT :limit",
                now=self.now(),
                limit=PAGE,
            )
        return [row[0] for row in rows]

    async def _digests(self) -> list[str]:
        """Users who are away, have not read answers for long enough, and were not mailed yet."""
        now = self.now()
        async with self._readers.connection() as connection:
            rows = await connection.fetch_all(
                "SELECT d.user_id FROM mail_due d"
                " JOIN users u ON u.id = d.user_id AND u.disabled = 0 AND u.role = 'user'"
                " LEFT JOIN presence p ON p.user_id = d.user_id"
                " LEFT JOIN mail_job j ON j.user_id = d.user_id AND j.kind = 'digest'"
                " WHERE d.since <= :before"
                " AND (p.user_id IS NULL OR (p.sockets = 0 AND p.since <= :before))"
                " AND (j.user_id IS NULL OR (j.until <= :now AND d.last > j.settled))"
                " ORDER BY d.since LIMIT :limit",
                before=now - int(self._settings.mail_after_minutes * 60e6),
                now=now,
                limit=PAGE,
            )
        return [row[0] for row in rows]

    async def _attempt(self, kind: Kind, user_id: str) -> None:
        claimed = await self._claim(kind, user_id)
        if claimed is None:
            return
        claim = _Claim(self, kind, user_id, claimed)
        if claimed.state == "handing":
            await self._give_up(claim, claimed.first, claimed.last, "unknown")
        elif kind == "digest":
            await self._send_digest(claim)
        else:
            await self._send_confirmation(claim)

    async def _send_digest(self, claim: _Claim) -> None:
        conversation = ids.desk_conversation(claim.user_id)
        async with self._readers.connection() as connection:
            found = await _unread(connection, conversation, claim.job.settled)
            address = await addresses.confirmed(connection, claim.user_id)
        person = await self._directory.by_id(claim.user_id)
        if found is None or address is None or person is None:
            await claim.release(claim.job.settled)  # read, or removed, meanwhile
            return
        first, last = found
        async with self._readers.connection() as connection:
            answers, count = await _answers(connection, conversation, person.id, first, last)
        if not answers:
            await self._give_up(claim, first, last, "erased")
            return
        names = await self._directory.by_ids({sender for sender, _ in answers})
        chosen = await self._preferences.of(person.id)
        digest = Digest(
            id=ids.mail_end(conversation, last),
            thread=conversation,
            to=address[0],
            name=person.name,
            language=(chosen.language if chosen else "") or address[1],
            answers=[Answer(names[s].name if s in names else "", text) for s, text in answers],
            more=count - len(answers),
            unsubscribe=await self._addresses.unsubscribe_link(person.id),
        )
        assert self.composer is not None  # noqa: S101 - it does not start without
        await self._send(claim, self.composer.digest(digest), first, last)

    async def _send_confirmation(self, claim: _Claim) -> None:
        async with self._readers.connection() as connection:
            waiting = await addresses.pending(connection, claim.user_id)
        if waiting is None:
            await claim.forget()
            return
        mail = Confirmation(
            id=ids.mail_end(claim.user_id, waiting.expires_at),
            to=waiting.address,
            language=waiting.language,
            link=await self._addresses.confirm_link(claim.user_id, waiting),
            unsubscribe=await self._addresses.unsubscribe_link(claim.user_id),
        )
        assert self.composer is not None  # noqa: S101
        await self._send(claim, self.composer.confirmation(mail), 0, 0)

    async def _send(self, claim: _Claim, mail: EmailMessage, first: int, last: int) -> None:
        """Hands a mail over and records what came of it."""
        assert self._settings.smtp is not None  # noqa: S101
        try:
            await hand_over(self._settings.smtp, mail, lambda: claim.hand_over(first, last))
        except Lost:
            return
        except Refusal as refusal:
            await self._give_up(claim, first, last, "refused", refusal.code)
        except Doubtful:
            await self._give_up(claim, first, last, "unknown")
        except (SMTPException, OSError, TimeoutError, ValueError) as error:
            await self._try_later(claim, first, last, error)
        else:
            await self._sent(claim, first, last)

    async def _sent(self, claim: _Claim, first: int, last: int) -> None:
        self.outcomes["sent"] += 1
        if claim.kind == "confirm":
            await claim.forget()
            return
        conversation = ids.desk_conversation(claim.user_id)
        event = MailSent(conversation, claim.user_id, first, last)
        await self._record(conversation, event)
        await claim.release(last)

    async def _try_later(self, claim: _Claim, first: int, last: int, error: Exception) -> None:
        if self.now() - claim.job.began_at > GIVE_UP * 1_000_000:
            await self._give_up(claim, first, last, "unreachable")
            return
        self.outcomes["later"] += 1
        pause = min(FIRST_PAUSE * 2 ** min(claim.job.tries, 10), LONGEST_PAUSE)
        # Without its words: mail servers repeat addresses in them.
        log.warning("a mail is tried again in %d s: %s", pause, type(error).__name__)
        await claim.wait(pause)

    async def _give_up(
        self,
        claim: _Claim,
        first: int,
        last: int,
        reason: MailReason,
        code: int = 0,
    ) -> None:
        self.outcomes[reason] += 1
        if reason != "erased":
            log.error("a mail to user %s is given up: %s %s", claim.user_id, reason, code or "")
        if claim.kind == "confirm":
            await claim.mark("refused")
            return
        conversation = ids.desk_conversation(claim.user_id)
        event = MailDropped(conversation, claim.user_id, first, last, reason, code)
        await self._record(conversation, event)
        await claim.release(last)

    async def _record(self, conversation: str, event: MailSent | MailDropped) -> None:
        """The event's id follows from the answers: there is one end for them."""
        id_ = ids.mail_end(conversation, event.last)
        await self._writer.append(draft(f"desk/{conversation}", event, id=id_))

    # Claims

    async def connection(self) -> DatabaseConnection:
        """The one for claims."""
        if self._connection is None or self._connection.broken:
            if self._connection is not None:
                await self._connection.close()
            self._connection = await self._connect().open()
        return self._connection

    async def _claim(self, kind: Kind, user_id: str) -> Job | None:
        """The job as it stood, now ours under a new claim; None when somebody else has it."""
        connection = await self.connection()
        now = self.now()
        try:
            async with connection.transaction():
                known = await job(connection, kind, user_id)
                if known is not None and known.until > now:
                    return None
                before = known or Job("waiting", "", 0, 0, now, 0, 0, 0)
                began = before.began_at if before.tries else now
                ours = before._replace(
                    claim=secrets.token_hex(8), until=now + CLAIM * 1_000_000, began_at=began
                )
                stored = ours if before.state == "handing" else ours._replace(state="claimed")
                await keep(connection, kind, user_id, stored)
        except (ConstraintViolated, Busy):  # who is quicker makes the row
            return None
        return ours


async def job(connection: Connection, kind: Kind, user_id: str) -> Job | None:
    """A job, locked until the transaction ends."""
    row = await connection.fetch_one(
        "SELECT state, claim, until, tries, began_at, settled, first, last FROM mail_job"
        f" WHERE user_id = :id AND kind = :kind{connection.dialect.for_update}",
        id=user_id,
        kind=kind,
    )
    return None if row is None else Job(*row)


async def keep(connection: Connection, kind: Kind, user_id: str, now: Job) -> None:
    await connection.upsert_many(MAIL_JOB, MAIL_JOB.name, [(user_id, kind, *now)])


class _Claim:
    """A job that is ours, as long as nobody took it over."""

    def __init__(self, mail: Mail, kind: Kind, user_id: str, claimed: Job) -> None:
        self._mail = mail
        self.kind = kind
        self.user_id = user_id
        self.job = claimed

    async def hand_over(self, first: int, last: int) -> None:
        """From here on nobody else may send it. Raises Lost."""
        if not await self._change(state="handing", first=first, last=last):
            raise Lost

    async def release(self, settled: int) -> None:
        await self._change(state="waiting", until=0, tries=0, settled=settled)

    async def wait(self, seconds: int) -> None:
        """Until the next attempt."""
        until = self._mail.now() + seconds * 1_000_000
        await self._change(state="waiting", until=until, tries=self.job.tries + 1)

    async def mark(self, state: str) -> None:
        await self._change(state=state)

    async def forget(self) -> None:
        connection = await self._mail.connection()
        await connection.execute(
            "DELETE FROM mail_job WHERE user_id = :id AND kind = :kind AND claim = :claim",
            id=self.user_id,
            kind=self.kind,
            claim=self.job.claim,
        )

    async def _change(self, **fields: Any) -> bool:
        connection = await self._mail.connection()
        async with connection.transaction():
            now = await job(connection, self.kind, self.user_id)
            if now is None or now.claim != self.job.claim:
                return False
            await keep(connection, self.kind, self.user_id, now._replace(**fields))
        return True


async def _unread(
    connection: Connection, conversation: str, settled: int
) -> tuple[int, int] | None:
    """From which seq to which there are answers that no mail told of; None when they are read. The
    conversation's row is newer than the projection that found it due."""
    row = await connection.fetch_one(
        "SELECT d.first, d.last, c.user_read FROM mail_due d"
        " JOIN conversations c ON c.id = d.conversation WHERE d.conversation = :id",
        id=conversation,
    )
    if row is None:
        return None
    first, last = max(row[0], row[2] + 1, settled + 1), row[1]
    return (first, last) if first <= last else None


async def _answers(
    connection: Connection, conversation: str, user_id: str, first: int, last: int
) -> tuple[list[tuple[str, str]], int]:
    """The newest answers in a part of a conversation (sender's id, what they say), and how many
    there are in it."""
    values = {"id": conversation, "user": user_id, "first": first, "last": last}
    among = (
        "FROM messages WHERE conversation = :id AND seq >= :first AND seq <= :last"
        " AND sender <> :user AND erased = 0"
    )
    rows = await connection.fetch_all(
        f"SELECT sender, text, attachments {among} ORDER BY seq DESC LIMIT :limit",
        **values,
        limit=SHOWN,
    )
    count = await connection.fetch_value(f"SELECT COUNT(*) {among}", **values)
    answers = [(row[0], with_names(row[1], attachments_of(row[2]))) for row in reversed(rows)]
    return answers, count


def client_of(server: Smtp, patience: float) -> SMTP:
    """A client that is not connected yet; each answer may take `patience` seconds."""
    return SMTP(
        hostname=server.host,
        port=server.port,
        use_tls=server.tls == "tls",
        start_tls=server.tls == "starttls",
        username=server.user or None,
        password=server.password or None,
        timeout=patience,
    )


async def hand_over(server: Smtp, mail: EmailMessage, ready: Callable[[], Awaitable[None]]) -> None:
    """Gives one mail to a mail server, within `PATIENCE`. `ready` is awaited before its text is.

    Raises Refusal when the server refuses the recipient or the text for good, Doubtful, whatever
    `ready` raises, and SMTPException, OSError or TimeoutError for what may be tried again: what is
    wrong with the server, or with us in its eyes, somebody may mend.
    """
    handed = False
    client = client_of(server, PATIENCE)
    try:
        async with asyncio.timeout(PATIENCE):
            await client.connect()
            await client.mail(mail["From"].addresses[0].addr_spec)
            await client.rcpt(mail["To"].addresses[0].addr_spec)
            await ready()
            handed = True
            await client.data(mail.as_bytes())
    except (SMTPRecipientRefused, SMTPDataError) as error:
        if error.code >= 500 and error.code != AUTHENTICATION_REQUIRED:
            raise Refusal(error.code) from error
        raise
    except (SMTPException, OSError, TimeoutError) as error:
        if handed:
            raise Doubtful from error
        raise
    finally:
        client.close()
