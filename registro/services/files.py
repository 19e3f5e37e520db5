"""The files that messages bring: kept in a folder, outside the log, which has their hashes.

A file's name on the disk is a random id, never what somebody called it. What was uploaded waits for
its message for a day. A row of `upload` is written before the file and goes after it, so that only
what this database knows is ever removed: a folder that was restored, or given to two databases by
mistake, loses nothing. Erasing a message removes its files after the commit; what a crash between
the two leaves is removed when a server starts, or hears of the erasure.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple
from urllib.parse import quote
from uuid import uuid4

from registro.db.connection import Connection, Pool
from registro.db.migrations import UPLOAD
from registro.db.sql import in_list, paged
from registro.errors import Refused, RegistroError, StoreError
from registro.events import reader
from registro.events.decide import Person
from registro.events.record import Recorded
from registro.events.types import Attachment, LogErased, MessageSent
from registro.events.writer import Committed
from registro.projections.messages import attachments_of
from registro.services import media

log = logging.getLogger(__name__)

WAITS = 24 * 3600
"""Seconds that a file waits for its message."""

SWEPT_AFTER = WAITS + 3600
"""Seconds after which one that was not sent is removed: no message with it is on its way then."""

SWEEP_EVERY = 600
"""Seconds between sweeps."""

PIECE = 256 * 1024
"""Bytes that are written or read at once."""


class Limits(NamedTuple):
    """In bytes. `file` 0: nobody sends any; `user` 0: as many as they like."""

    file: int
    user: int


@dataclass(frozen=True)
class Stored:
    """A file that somebody may have, and where it is."""

    attachment: Attachment
    path: Path


class Finding(NamedTuple):
    """A file that is not as the log says. `missing` and `altered` are of messages that are there,
    `left` is of an erased one."""

    position: int
    id: str
    kind: Literal["missing", "altered", "left"]


class Files:
    """Takes files in, hands them out, and removes them."""

    def __init__(self, readers: Pool, folder: Path, limits: Limits) -> None:
        self._readers = readers
        self._folder = folder
        self.limits = limits
        self._held: defaultdict[str, list[str]] = defaultdict(list)
        self._task: asyncio.Task[None] | None = None
        self._tidying: set[asyncio.Task[None]] = set()

    def path(self, id_: str) -> Path:
        return self._folder / id_[:2] / id_

    # Taking in

    @asynccontextmanager
    async def receive(
        self, owner: Person, name: str, declared: str, size: int
    ) -> AsyncIterator[Incoming]:
        """A file of `size` bytes that `owner` sends; what is not finished is removed.

        Raises Refused: `archivo_grande`, `archivo_vacio`, `sin_espacio`.
        """
        if size > self.limits.file:
            raise Refused("archivo_grande")
        if size < 1:
            raise Refused("archivo_vacio")
        incoming = Incoming(Attachment(str(uuid4()), size, media.file_name(name)), declared)
        await self._announce(owner, incoming.attachment)
        try:
            await asyncio.to_thread(incoming.open, self.path(incoming.attachment.id))
            yield incoming
            await asyncio.to_thread(incoming.close)
            await self._complete(incoming.attachment)
        except BaseException:
            incoming.abandon()
            # The one who asked may be gone, and this task with them.
            self._later(self._remove([incoming.attachment.id]))
            raise

    async def _announce(self, owner: Person, file: Attachment) -> None:
        async with self._readers.connection() as connection:
            if self.limits.user and not owner.is_admin:
                taken = await _taken_by(connection, owner.id)
                if taken + file.size > self.limits.user:
                    raise Refused("sin_espacio")
            row = (file.id, owner.id, file.name, "", file.size, "", 0, 0, _now())
            async with connection.transaction():
                await connection.insert_many(UPLOAD.name, UPLOAD.column_names, [row])

    async def _complete(self, file: Attachment) -> None:
        async with self._readers.connection() as connection, connection.transaction():
            await connection.execute(
                "UPDATE upload SET type = :type, sha256 = :sha256, width = :width,"
                " height = :height WHERE id = :id",
                id=file.id,
                type=file.type,
                sha256=file.sha256,
                width=file.width,
                height=file.height,
            )

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tidying.add(task)
        task.add_done_callback(self._tidying.discard)

    # Sending

    def hold(self, ids: Sequence[str], message: str) -> None:
        """Keeps files for a message that is on its way, until `let_go`.

        Raises Refused `adjunto_desconocido` when another message has one of them.
        """
        if any(other != message for id_ in ids for other in self._held.get(id_, ())):
            raise Refused("adjunto_desconocido")
        for id_ in ids:
            self._held[id_].append(message)

    def let_go(self, ids: Sequence[str], message: str) -> None:
        for id_ in ids:
            self._held[id_].remove(message)
            if not self._held[id_]:
                del self._held[id_]

    async def attachable(self, sender: Person, ids: Sequence[str]) -> list[Attachment]:
        """Files that somebody uploaded and did not send yet, in the order of `ids`.

        Raises Refused `adjunto_desconocido` for any other.
        """
        names, values = in_list(ids)
        async with self._readers.connection() as connection:
            rows = await connection.fetch_all(
                f"SELECT {_UPLOADED} FROM upload u LEFT JOIN attachments a ON a.id = u.id"
                f" WHERE u.id IN ({names}) AND u.user_id = :user AND u.sha256 <> ''"
                " AND u.created_at > :since AND a.id IS NULL",
                **values,
                user=sender.id,
                since=_now() - WAITS * 1_000_000,
            )
        found = {row[0]: Attachment(*row) for row in rows}
        if not found.keys() >= set(ids):
            raise Refused("adjunto_desconocido")
        return [found[id_] for id_ in ids]

    # Handing out

    async def visible(self, person: Person, id_: str) -> Stored | None:
        """A file that somebody may see: in a conversation of theirs, or uploaded by them and not
        sent yet; admins see those of all conversations. None for any other."""
        async with self._readers.connection() as connection:
            row = await connection.fetch_one(
                "SELECT m.attachments, c.user_id, c.peer_id FROM attachments a"
                " JOIN messages m ON m.conversation = a.conversation AND m.seq = a.seq"
                " JOIN conversations c ON c.id = a.conversation"
                " WHERE a.id = :id AND m.erased = 0",
                id=id_,
            )
            uploaded = None if row else await _uploaded_by(connection, person.id, id_)
        if row is not None and (person.is_admin or person.id in (row[1], row[2])):
            sent = attachments_of(row[0])
            return next((Stored(one, self.path(id_)) for one in sent if one.id == id_), None)
        return None if uploaded is None else Stored(uploaded, self.path(id_))

    # Removing

    async def erased(self, rows: Iterable[Recorded]) -> None:
        """Removes the files of messages that were erased; `rows` are as they were before."""
        ids = [
            one.id
            for row in rows
            if row.type == MessageSent.type and not row.erased
            if isinstance(event := row.event(), MessageSent)
            for one in event.attachments
        ]
        await self._remove(ids)

    async def erased_owner(self, user_id: str) -> None:
        """Removes what an erased person uploaded and did not send."""
        async with self._readers.connection() as connection:
            rows = await connection.fetch_all(
                "SELECT id FROM upload WHERE user_id = :id", id=user_id
            )
        await self._remove([row[0] for row in rows])

    async def committed(self, batch: Sequence[Committed]) -> None:
        """A subscriber of the feed: an erasure by the command line, or by a process that crashed,
        is finished here."""
        for row, _ in batch:
            if row.type == LogErased.type:
                await self._remove(_ids_of(reader.redactions_of([row]).values()))

    async def _remove(self, ids: Collection[str]) -> None:
        if not ids:
            return
        try:
            await asyncio.to_thread(_unlink, [self.path(id_) for id_ in ids])
            async with self._readers.connection() as connection:
                for chunk in paged(ids, 500):
                    names, values = in_list(chunk)
                    async with connection.transaction():
                        await connection.execute(
                            f"DELETE FROM upload WHERE id IN ({names})", **values
                        )
        except (OSError, StoreError) as error:
            log.warning("files could not be removed yet: %s", error)

    async def sweep(self) -> int:
        """Removes uploads whose time is over, and forgets those that were sent; returns how many
        files went."""
        async with self._readers.connection() as connection:
            rows = await connection.fetch_all(
                "SELECT u.id, m.seq FROM upload u LEFT JOIN attachments a ON a.id = u.id"
                " LEFT JOIN messages m ON m.conversation = a.conversation AND m.seq = a.seq"
                " AND m.erased = 0 WHERE u.created_at < :before",
                before=_now() - SWEPT_AFTER * 1_000_000,
            )
            sent = [id_ for id_, seq in rows if seq is not None]
            for chunk in paged(sent, 500):
                names, values = in_list(chunk)
                async with connection.transaction():
                    await connection.execute(f"DELETE FROM upload WHERE id IN ({names})", **values)
        unsent = [id_ for id_, seq in rows if seq is None]
        await self._remove(unsent)
        return len(unsent)

    async def finish_erasures(self) -> int:
        """Removes the files of erased messages that are still there; returns how many."""
        async with self._readers.connection() as connection:
            ids = _ids_of((await reader.redactions(connection)).values())
        left = await asyncio.to_thread(lambda: [id_ for id_ in ids if self.path(id_).exists()])
        await self._remove(left)
        return len(left)

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="files")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.gather(*self._tidying, return_exceptions=True)

    async def _run(self) -> None:
        finished = False
        while True:
            try:
                if not finished:
                    await self.finish_erasures()
                    finished = True
                await self.sweep()
            except (RegistroError, OSError) as error:
                log.error("files could not be swept: %s", error)
            await asyncio.sleep(SWEEP_EVERY)

    # Proving

    async def verify(self) -> tuple[int, list[Finding]]:
        """How many files the log names, and those that are not as it says: every one is read."""
        findings: list[Finding] = []
        count = 0
        async with self._readers.connection() as connection:
            redactions = await reader.redactions(connection)
            async for row in reader.stream_log(connection):
                if row.type != MessageSent.type:
                    continue
                event = redactions.get(row.position) if row.erased else row.event()
                attachments = event.attachments if isinstance(event, MessageSent) else ()
                count += len(attachments)
                for one in attachments:
                    kind = await asyncio.to_thread(self._check, one, erased=row.erased)
                    if kind is not None:
                        findings.append(Finding(row.position, one.id, kind))
        return count, findings

    def _check(
        self, file: Attachment, *, erased: bool
    ) -> Literal["missing", "altered", "left"] | None:
        path = self.path(file.id)
        if erased:
            return "left" if path.exists() else None
        try:
            with path.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
        except OSError:
            return "missing"
        return None if digest == file.sha256 else "altered"


class Incoming:
    """A file that is being written. `attachment` says all of it once it is whole."""

    def __init__(self, attachment: Attachment, declared: str) -> None:
        self.attachment = attachment
        self._declared = declared
        self._file: BinaryIO | None = None
        self._path = Path()
        self._hash = hashlib.sha256()
        self._head = b""
        self._size = 0
        self._buffer = bytearray()

    @property
    def _draft(self) -> Path:
        return self._path.with_name(f"{self._path.name}.part")

    def open(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = self._draft.open("xb")

    async def write(self, part: bytes) -> None:
        """Raises Refused `archivo_grande` for more than was announced."""
        self._size += len(part)
        if self._size > self.attachment.size:
            raise Refused("archivo_grande")
        self._buffer += part
        if len(self._buffer) >= PIECE:
            await asyncio.to_thread(self._flush)

    def _flush(self) -> None:
        if self._file is None:
            raise ValueError("the file is not open")
        data, self._buffer = bytes(self._buffer), bytearray()
        if len(self._head) < media.HEAD:
            self._head += data[: media.HEAD - len(self._head)]
        self._hash.update(data)
        self._file.write(data)

    def close(self) -> None:
        """Puts it in its place for good. Raises Refused `datos_invalidos` for less than was
        announced."""
        self._flush()
        if self._size != self.attachment.size:
            raise Refused("datos_invalidos")
        if self._file is None:
            raise ValueError("the file is not open")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._draft.rename(self._path)
        _sync_folder(self._path.parent)
        found = media.image(self._head)
        self.attachment = Attachment(
            id=self.attachment.id,
            size=self._size,
            name=self.attachment.name,
            type=media.type_of(self._declared, found),
            sha256=self._hash.hexdigest(),
            width=0 if found is None else found.width,
            height=0 if found is None else found.height,
        )

    def abandon(self) -> None:
        if self._file is not None:
            self._file.close()
            self._draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    for one in (folder, folder.parent):  # the folder may be new in its own
        descriptor = os.open(one, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _unlink(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
        path.with_name(f"{path.name}.part").unlink(missing_ok=True)


def _ids_of(events: Iterable[object]) -> list[str]:
    return [
        one.id for event in events if isinstance(event, MessageSent) for one in event.attachments
    ]


def _now() -> int:
    return time.time_ns() // 1000


_UPLOADED = "u.id, u.size, u.name, u.type, u.sha256, u.width, u.height"


async def _uploaded_by(connection: Connection, user_id: str, id_: str) -> Attachment | None:
    row = await connection.fetch_one(
        f"SELECT {_UPLOADED} FROM upload u WHERE u.id = :id AND u.user_id = :user"
        " AND u.sha256 <> ''",
        id=id_,
        user=user_id,
    )
    return None if row is None else Attachment(*row)


async def _taken_by(connection: Connection, user_id: str) -> int:
    """Bytes of somebody's files: in messages that are there, and not sent yet."""
    sent = await connection.fetch_value(
        "SELECT COALESCE(SUM(a.size), 0) FROM attachments a"
        " JOIN messages m ON m.conversation = a.conversation AND m.seq = a.seq"
        " WHERE a.sender = :id AND m.erased = 0",
        id=user_id,
    )
    waiting = await connection.fetch_value(
        "SELECT COALESCE(SUM(u.size), 0) FROM upload u LEFT JOIN attachments a ON a.id = u.id"
        " WHERE u.user_id = :id AND a.id IS NULL",
        id=user_id,
    )
    return int(sent) + int(waiting)


def wire(file: Attachment) -> Mapping[str, object]:
    """A file as JSON: in messages, and as the answer to an upload."""
    fields: dict[str, object] = {
        "id": file.id,
        "nombre": file.name,
        "tipo": file.type,
        "bytes": file.size,
        "sha256": file.sha256,
        "url": url(file),
    }
    return fields | {"ancho": file.width, "alto": file.height} if file.width else fields


def url(file: Attachment) -> str:
    """Where it is handed out."""
    return f"/archivos/{file.id}/{quote(file.name, safe='')}"
