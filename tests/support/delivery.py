"""Whether everybody sees what the log has: the log as `registro log export` tells it, pages as
their clients show them, and what differs."""

from __future__ import annotations

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.server import Server
from tests.support.tabs import Browser, Message, Tab, Tabs


@dataclass(frozen=True)
class Log:
    """`messages` has every conversation's messages in log order, `positions` where in the log each
    is, by its sender's id; `connections` counts the open ones, by user."""

    events: list[dict[str, Any]]
    users: Mapping[str, str]
    admins: frozenset[str]
    messages: Mapping[str, list[Message]]
    positions: Mapping[str, int]
    connections: Counter[str]

    @classmethod
    def of(cls, server: Server) -> Log:
        lines = server.registro("log", "export").splitlines()
        events: list[dict[str, Any]] = [json.loads(line) for line in lines]
        people = {
            _name(event): event["payload"] for event in events if event["type"] == "user:registered"
        }
        users = {id_: person["user"] for id_, person in people.items()}
        admins = {person["user"] for person in people.values() if person["role"] == "admin"}
        messages: defaultdict[str, list[Message]] = defaultdict(list)
        positions: dict[str, int] = {}
        opened: dict[str, str] = {}
        for event in events:
            if event["type"] == "conversation:message:sent":
                message = _message(event, users)
                messages[message.conversation].append(message)
                positions[message.id] = event["position"]
            elif event["type"] == "connection:opened":
                opened[_name(event)] = users[event["payload"]["user"]]
            elif event["type"] == "connection:closed":
                del opened[_name(event)]
        connections = Counter(opened.values())
        return cls(events, users, frozenset(admins), messages, positions, connections)

    def payloads(self, type_: str) -> list[dict[str, Any]]:
        """The payloads of all events of a type, each with its stream."""
        return [
            event["payload"] | {"stream": event["stream"]}
            for event in self.events
            if event["type"] == type_
        ]

    @property
    def written(self) -> list[Message]:
        """All messages, in log order within their conversations."""
        return [message for some in self.messages.values() for message in some]

    def conversation(self, user: str, para: str) -> str:
        """The conversation in which `user` writes to `para`."""
        pairs = ((user, para), (para, user))
        return next(m.conversation for m in self.written if (m.sender, m.recipient) in pairs)

    def seen_by(self, user: str) -> dict[str, list[Message]]:
        """What a page of this user has to show: all conversations for an admin, else their own."""
        return {
            conversation: messages
            for conversation, messages in self.messages.items()
            if user in self.admins
            or any(user in (message.sender, message.recipient) for message in messages)
        }


def _name(event: Mapping[str, Any]) -> str:
    return str(event["stream"]).partition("/")[2]


def _message(event: Mapping[str, Any], users: Mapping[str, str]) -> Message:
    payload = event["payload"]
    recipient = users.get(payload["recipient"], "admin")
    id_ = payload.get("client_id") or event["id"]
    return Message(
        _name(event), event["version"], id_, users[payload["sender"]], recipient, payload["text"]
    )


def findings(log: Log, tabs: Tabs) -> list[str]:
    """What is not as it has to be, a sentence each, when everything has come to rest."""
    return [
        *_not_whole(log),
        *itertools.chain.from_iterable(_badly_sent(log, browser) for browser in tabs.browsers),
        *_never_written(log, tabs.browsers),
        *itertools.chain.from_iterable(_badly_shown(log, tab) for tab in tabs.all.values()),
        *(f"{_label(tab)}: {failure}" for tab in tabs.all.values() for failure in tab.failures),
    ]


def all_shown(log: Log, pages: Iterable[Tab]) -> bool:
    """Whether every page shows all that the log has for it."""
    return all(tab.view == log.seen_by(tab.browser.user) for tab in pages)


def _not_whole(log: Log) -> Iterator[str]:
    for conversation, messages in log.messages.items():
        if [message.seq for message in messages] != list(range(1, len(messages) + 1)):
            yield f"the log's conversation {conversation} has gaps or doubles"
    for id_, count in Counter((message.sender, message.id) for message in log.written).items():
        if count > 1:
            yield f"the log has {id_} {count} times"


def _badly_sent(log: Log, browser: Browser) -> Iterator[str]:
    """What is missing, what has another seq than was acknowledged, what was stored out of order."""
    stored = {message.id: message for message in log.written if message.sender == browser.user}
    last = 0, 0, ""
    for written in sorted(browser.written.values(), key=lambda written: written.place):
        message = stored.get(written.id)
        if message is None:
            yield f"{browser.user}'s message {written} is not stored"
            continue
        if (message.text, message.recipient) != (written.text, written.recipient):
            yield f"{browser.user}'s message {written} was stored as {message}"
        if written.seq not in (None, message.seq):
            yield f"{message} was acknowledged as {written.seq}"
        here = written.place, log.positions[written.id], written.text
        if last[0] < here[0] and here[1] < last[1]:
            yield f"{browser.user}'s messages {last} and {here} were stored in the other order"
        last = max(last, here, key=lambda one: one[1])


def _never_written(log: Log, browsers: Iterable[Browser]) -> Iterator[str]:
    written = {id_ for browser in browsers for id_ in browser.written}
    for message in log.written:
        if message.id not in written:
            yield f"nobody wrote {message}"


def _badly_shown(log: Log, tab: Tab) -> Iterator[str]:
    """An open page shows all; one that was closed shows the beginning of it."""
    expected = log.seen_by(tab.browser.user)
    for conversation, shown in tab.view.items():
        stored = expected.get(conversation, [])
        if shown != stored[: len(shown)]:
            got = [(message.seq, message.text) for message in shown]
            yield f"{_label(tab)} shows {got} where the log has {[m.text for m in stored]}"
    if tab.open:
        for conversation, stored in expected.items():
            missing = stored[len(tab.view.get(conversation, [])) :]
            if missing:
                yield f"{_label(tab)} does not show {[(m.seq, m.text) for m in missing]}"


def _label(tab: Tab) -> str:
    return f"tab {tab.number} of {tab.browser.user} (browser {tab.browser.number}, {tab.transport})"
