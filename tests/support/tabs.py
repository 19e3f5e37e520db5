"""The browser's own chat client, driven from Python: `tabs.mjs` in one Node process."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, Thread
from types import TracebackType
from typing import Any, NamedTuple

from tests.support.clients import PATIENCE, TRANSPORTS

DRIVER = Path(__file__).with_name("tabs.mjs")


class Message(NamedTuple):
    """A message as a page shows it, and as the log has it."""

    conversation: str
    seq: int
    id: str
    sender: str
    recipient: str
    text: str


@dataclass
class Written:
    """What somebody wrote: `place` orders what was written in one browser; `seq` is what the
    acknowledgement said, None while none has come."""

    id: str
    recipient: str
    text: str
    place: int
    seq: int | None = None


@dataclass(eq=False)
class Browser:
    """Somebody's browser. `route` is its cookie of the proxy; `written` has its messages by id."""

    number: int
    user: str
    token: str
    route: str | None = None
    written: dict[str, Written] = field(default_factory=dict)


@dataclass(eq=False)
class Tab:
    """A page. `view` has the messages that it shows, by conversation; it is `closed` when nothing
    more comes into it."""

    number: int
    browser: Browser
    transport: str
    view: dict[str, list[Message]]
    open: bool = True
    closed: bool = False
    connections: list[str] = field(default_factory=list)
    presence: dict[str, bool] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def connects(self) -> int:
        """How often it was connected."""
        return self.connections.count("online")

    @property
    def texts(self) -> list[str]:
        """What it shows, conversation by conversation."""
        return [message.text for messages in self.view.values() for message in messages]


class Tabs:
    """The Node process. Not for use by several threads."""

    def __init__(self) -> None:
        node = shutil.which("node") or str(Path(sys.executable).with_name("node"))
        self._process = subprocess.Popen(
            [node, str(DRIVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._numbers = itertools.count(1)
        self._states: dict[int, Mapping[str, Any]] = {}
        self._changed = Condition()
        self.browsers: list[Browser] = []
        self.all: dict[int, Tab] = {}
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Tabs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._reader.join(10)
        self._process.stdout.close()

    # What people do

    def browser(self, user: str, token: str, route: str | None = None) -> Browser:
        browser = Browser(next(self._numbers), user, token, route)
        self.browsers.append(browser)
        return browser

    def open(
        self,
        browser: Browser,
        url: str,
        transport: str = "upgrade",
        *,
        view: dict[str, list[Message]] | None = None,
    ) -> Tab:
        """Opens a page that shows what is in `view` already, and starts to connect."""
        view = {} if view is None else view
        tab = Tab(next(self._numbers), browser, transport, view)
        self.all[tab.number] = tab
        self._command(
            "open", tab, browser=browser.number, url=url, me=browser.user, token=browser.token,
            route=browser.route, transports=TRANSPORTS[transport],
            seen={name: len(messages) for name, messages in view.items()},
        )  # fmt: skip
        return tab

    def send(self, tab: Tab, para: str, text: str, upon: str | None = None) -> None:
        """Writes a message; `upon` names a conversation nothing unseen of which may come first."""
        self._command("send", tab, para=para, mensaje=text, conversacion=upon)

    def retry(self, tab: Tab) -> None:
        """Sends again what had failed."""
        self._command("retry", tab)

    def close(self, tab: Tab) -> None:
        tab.open = False
        self._command("close", tab)

    def vanish(self, tab: Tab) -> None:
        """Closes it without a word to the server."""
        tab.open = False
        self._command("vanish", tab)

    def leave(self, tab: Tab) -> dict[str, list[Message]]:
        """What a page showed when it was closed, for another that takes its place."""
        self.wait(lambda: tab.closed, "a page to be closed")
        view, tab.view = tab.view, {}
        return view

    # What happened

    @property
    def opened(self) -> list[Tab]:
        return [tab for tab in self.all.values() if tab.open]

    def idle(self) -> bool:
        """Whether all open tabs are connected, and nothing of what was written waits."""
        states = [self._state(tab) for tab in self.opened]
        return all(state["connected"] and not state["outbox"] for state in states)

    def wait(self, met: Callable[[], object], what: str, within: float = PATIENCE) -> None:
        """Waits for a condition on what was reported."""
        with self._changed:
            happened = self._changed.wait_for(met, within)
        assert happened, f"waited {within} s for {what}"

    def _state(self, tab: Tab) -> Mapping[str, Any]:
        number = next(self._numbers)
        self._command("state", tab, number=number)
        self.wait(lambda: number in self._states, "the state of a tab")
        return self._states.pop(number)

    def _command(self, op: str, tab: Tab, **more: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"op": op, "tab": tab.number} | more) + "\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            fields = json.loads(line)
            with self._changed:
                tab = self.all[fields["tab"]]
                getattr(self, f"_{fields['what']}_came")(tab, fields.get("data"))
                self._changed.notify_all()

    def _message_came(self, tab: Tab, data: Mapping[str, Any]) -> None:
        conversation = data["conversacion"]
        message = Message(
            conversation, data["seq"], data["id"], data["de"], data["para"], data["mensaje"]
        )
        tab.view.setdefault(conversation, []).append(message)

    def _outgoing_came(self, tab: Tab, data: Mapping[str, Any]) -> None:
        """Several tabs tell of the same message: the last place counts."""
        written = tab.browser.written.setdefault(
            data["id"], Written(data["id"], data["para"], data["mensaje"], data["at"])
        )
        written.place = max(written.place, data["at"])
        if data["state"] == "sent":
            written.seq = data["seq"]
        elif data["state"] == "failed" and data["codigo"] != "hay_novedades":
            tab.failures.append(data["codigo"])

    def _connection_came(self, tab: Tab, data: str) -> None:
        tab.connections.append(data)

    def _presence_came(self, tab: Tab, data: Mapping[str, Any]) -> None:
        tab.presence[data["user"]] = data["conectado"]

    def _ended_came(self, tab: Tab, data: str) -> None:
        tab.failures.append(f"ended: {data}")

    def _closed_came(self, tab: Tab, _: None) -> None:
        tab.closed = True

    def _state_came(self, _: Tab, data: Mapping[str, Any]) -> None:
        self._states[data["number"]] = data
