"""The `eventsourcing` package on SQLite, for `bench/log.py`: appends/s one by one and in batches.

    python _eventsourcing.py FILE EVENTS BATCH TEXT_LENGTH

Runs in an environment of its own that has the package. Prints a JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from uuid import uuid4

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import StoredEvent
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore


class Conversation(Aggregate):
    @event("MessageSent")
    def send(self, sender: str, text: str) -> None:
        pass


def recorder_rate(file: str, events: int, batch: int, length: int) -> float:
    """Stored events handed to its recorder: no aggregate, no decoding; the least that it does."""
    recorder = SQLiteApplicationRecorder(SQLiteDatastore(file))
    recorder.create_table()
    stream, state = uuid4(), b'{"text":"' + b"x" * length + b'"}'
    started = time.perf_counter()
    for first in range(0, events, batch):
        numbers = range(first + 1, min(first + batch, events) + 1)
        recorder.insert_events([StoredEvent(stream, n, "MessageSent", state) for n in numbers])
    return events / (time.perf_counter() - started)


def application_rate(file: str, events: int, length: int) -> float:
    """The way its documentation shows: an aggregate is saved after each command."""
    environ = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": file}
    application = Application(env=environ)
    conversation, text = Conversation(), "x" * length
    started = time.perf_counter()
    for _ in range(events):
        conversation.send(sender="ana", text=text)
        application.save(conversation)
    rate = events / (time.perf_counter() - started)
    application.close()
    return rate


def main() -> None:
    file, events, batch, length = sys.argv[1], *map(int, sys.argv[2:])
    rates = {
        "recorder, one a transaction": recorder_rate(f"{file}-1", events, 1, length),
        f"recorder, {batch} a transaction": recorder_rate(f"{file}-2", events * 4, batch, length),
        "application, save after each": application_rate(f"{file}-3", events, length),
    }
    print(json.dumps(rates))


if __name__ == "__main__":
    main()
