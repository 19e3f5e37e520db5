"""The log and what follows from it: its head, its end, its last checkpoint, the projections."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import pairwise

from registro.config import Settings
from registro.db.connection import Connection
from registro.errors import CorruptLog, NoteError, Outdated, StoreError
from registro.events import merkle, reader, store
from registro.events.reader import Head
from registro.events.record import Recorded, rfc3339
from registro.projections import generations, registry
from registro.services import checkpoints, evidence
from registro.services.doctor.check import Check, failed, ok, warning

SAMPLE = 500
"""Events at the log's end whose hashes are computed."""

BEHIND = 1000
"""Events that a following projection may be behind."""

VERIFY = "run `registro log verify`, which says what is wrong and where"

_STANDINGS = {
    "differs": "the log is not the one that the last checkpoint was made of",
    "shorter": "the log has fewer events than its last checkpoint says",
    "forged": "the last checkpoint was not signed with our key",
}


async def examine(connection: Connection, settings: Settings) -> AsyncIterator[Check]:
    try:
        head = await reader.head(connection)
    except (CorruptLog, ValueError) as error:
        yield failed("log", str(error), VERIFY)
        return
    yield await _end(connection, head)
    ahead = head.recorded_at / 1e6 - time.time()
    if ahead > 2:
        yield warning(
            "clock",
            f"the log's last event is of {rfc3339(head.recorded_at, 0)}, {ahead:.0f} s from now",
            "let NTP set the clock; until then events have that time",
        )
    async for check in _checkpoint(connection, settings):
        yield check
    async for check in _projections(connection, head):
        yield check


async def _end(connection: Connection, head: Head) -> Check:
    last = await connection.fetch_value("SELECT MAX(position) FROM log_event") or 0
    # Read after the head: a server may have appended meanwhile, but nothing may be missing.
    if last < head.position:
        return failed("log", f"the head is at {head.position}, the last row at {last}", VERIFY)
    rows = [
        row
        for row in await reader.read(connection, max(0, head.position - SAMPLE), SAMPLE)
        if row.position <= head.position
    ]
    problems = list(_problems(rows))
    if len(rows) != min(SAMPLE, head.position):
        problems.append("rows are missing at the end")
    try:
        if await checkpoints.root_at(connection, head.position) != head.frontier.root():
            problems.append("the head's root is not that of the rows")
    except StoreError as error:
        problems.append(str(error))
    if problems:
        return failed("log", problems[0], VERIFY)
    return ok("log", f"{head.position:,} events; the last {len(rows):,} and the root are intact")


def _problems(rows: Sequence[Recorded]) -> Iterator[str]:
    for row in rows:
        if row.computed_leaf() != row.leaf:
            yield f"position {row.position}: the envelope does not match its leaf"
        elif (row.payload is None) != (row.salt is None):
            yield f"position {row.position}: payload and salt belong together"
        elif (
            row.payload is not None
            and row.salt is not None
            and merkle.commitment(row.salt, row.payload) != row.commitment
        ):
            yield f"position {row.position}: the payload is not the one that was recorded"
    for before, after in pairwise(rows):
        if after.position != before.position + 1 or after.recorded_at < before.recorded_at:
            yield f"position {after.position}: out of order"


async def _checkpoint(connection: Connection, settings: Settings) -> AsyncIterator[Check]:
    if settings.checkpoint_to is None:
        return
    try:
        kept = evidence.newest(settings.checkpoint_to, settings.checkpoint_key)
    except NoteError as error:
        yield failed("checkpoints", str(error), "restore it from where they are copied to")
        return
    if kept is None:
        yield warning("checkpoints", "there is none yet", "the server writes one when it starts")
        return
    stands = await evidence.standing(connection, kept)
    found = f"the last one, of {rfc3339(kept.written_at, 0)}, has {kept.checkpoint.size:,} events"
    if stands in _STANDINGS:
        yield failed("checkpoints", f"{_STANDINGS[stands]} ({found})", VERIFY)
    else:
        yield ok("checkpoints", found)


async def _projections(connection: Connection, head: Head) -> AsyncIterator[Check]:
    outdated = await generations.outdated(connection)
    try:
        store.check_folded(head, registry.FOLDED)
    except Outdated as error:
        if not outdated:
            yield failed("projections", str(error), "run `registro migrate`")
    except StoreError as error:
        yield failed("projections", str(error), "run `registro migrate`")
    if outdated:
        names = ", ".join(one.name for one in outdated)
        yield failed("projections", f"built by other code: {names}", "run `registro migrate`")
        return
    rows = await connection.fetch_all("SELECT name, position FROM projection ORDER BY name")
    following = {projection.name for projection in registry.FOLLOWING}
    lags = {name: head.position - (at or 0) for name, at in rows if name in following}
    late = [f"{name} {lag:,}" for name, lag in lags.items() if lag > BEHIND]
    if late:
        yield warning(
            "projections",
            f"events behind the log: {', '.join(late)}",
            "a running server catches up; if this grows, its log says why it stands still",
        )
    else:
        yield ok("projections", f"{len(rows)} of this program's versions, none far behind")
