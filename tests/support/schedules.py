"""What happens in a randomised delivery test, and when: made from a seed before anything runs."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any, NamedTuple

PEOPLE_PAUSE = 0.12
"""Seconds between two things that people do, on average."""
FAULT_PAUSE = 0.7
"""Seconds between two faults of the network, on average."""
OUTAGE_PAUSE = 12.0
"""Seconds between two ends of one server process, on average."""

NEW = 60
"""Seconds in which every other page is new; later fewer are, for a new page reads all there is."""


class Action(NamedTuple):
    """`what` is the name of a method of the test's world; `at` is in seconds from the start."""

    at: float
    what: str
    arguments: tuple[Any, ...]


class Stage(NamedTuple):
    """What there is: people by browser, whom each writes to, and what may fail."""

    browsers: Sequence[str]
    recipients: dict[str, Sequence[str]]
    links: int
    servers: int
    outages: Sequence[str]
    """Other things that are away for a while: `redis`, `store`."""


def schedule(seed: int, seconds: float, stage: Stage) -> list[Action]:
    """All actions, in the order of their times. The same seed gives the same ones."""
    dice = random.Random(seed)
    actions = [*_people(dice, seconds, stage), *_network(dice, seconds, stage)]
    actions += _processes(dice, seconds, stage)
    for outage in stage.outages:
        actions += _outages(dice, seconds, outage)
    return sorted(actions, key=lambda action: action.at)


def _people(dice: random.Random, seconds: float, stage: Stage) -> list[Action]:
    """They write most of the time, and open, close and lose pages."""
    actions: list[Action] = []
    tabs: dict[int, int] = {}
    numbers = itertools.count()
    at = 0.0

    def open_tab(browser: int) -> None:
        tab = next(numbers)
        tabs[tab] = browser
        transport = dice.choice(["upgrade", "upgrade", "websocket", "polling"])
        where = dice.randrange(stage.links), f"{dice.getrandbits(128):032x}"
        again = dice.random() > 0.5 * min(1, NEW / max(at, 1))
        actions.append(Action(at, "open", (tab, browser, transport, *where, again)))

    def end_tab(what: str) -> int:
        tab = dice.choice(sorted(tabs))
        actions.append(Action(at, what, (tab,)))
        return tabs.pop(tab)

    def send() -> None:
        tab = dice.choice(sorted(tabs))
        recipient = dice.choice(stage.recipients[stage.browsers[tabs[tab]]])
        count = dice.choice([1, 1, 1, 2, 5])
        actions.append(Action(at, "send", (tab, recipient, count, dice.random() < 0.1)))

    for browser in range(len(stage.browsers)):
        open_tab(browser)
    while (at := at + dice.expovariate(1 / PEOPLE_PAUSE)) < seconds:
        choice = dice.choices(["send", "open", "close", "vanish", "move"], [75, 6, 5, 6, 8])[0]
        if not tabs or (choice == "open" and len(tabs) < 2 * len(stage.browsers)):
            open_tab(dice.randrange(len(stage.browsers)))
        elif choice == "move":  # to another network, and perhaps another process
            open_tab(end_tab("close"))
        elif choice in ("close", "vanish"):
            end_tab(choice)
        else:
            send()
    return actions


def _network(dice: random.Random, seconds: float, stage: Stage) -> list[Action]:
    """One link at a time gets worse, and most faults end after a while."""
    actions: list[Action] = []
    at = 0.0
    while (at := at + dice.expovariate(1 / FAULT_PAUSE)) < seconds:
        link = dice.randrange(stage.links)
        fault = dice.choices(
            ["lose", "cut", "swallow", "freeze", "delay", "slow", "refuse"],
            [35, 15, 5, 15, 10, 10, 10],
        )[0]
        more = {"delay": (dice.uniform(0.02, 0.3),), "slow": (dice.randrange(500, 5000),)}
        actions.append(Action(at, fault, (link, *more.get(fault, ()))))
        if fault not in ("lose", "cut", "swallow"):
            actions.append(Action(at + dice.uniform(0.5, 3), "heal", (link,)))
    return actions


def _processes(dice: random.Random, seconds: float, stage: Stage) -> list[Action]:
    """Processes are killed and stopped in turn, and started again."""
    actions: list[Action] = []
    pause = OUTAGE_PAUSE / stage.servers
    at, number = dice.uniform(0.3, 0.6) * pause, dice.randrange(2)
    while at < seconds:
        server = dice.randrange(stage.servers)
        actions.append(Action(at, ("kill", "stop")[number % 2], (server,)))
        actions.append(Action(at + dice.uniform(0.1, 2), "start", (server,)))
        at, number = at + dice.uniform(0.6, 1.4) * pause, number + 1
    return actions


def _outages(dice: random.Random, seconds: float, what: str) -> list[Action]:
    actions: list[Action] = []
    at = dice.uniform(3, 8)
    while at < seconds:
        actions.append(Action(at, f"{what}_away", ()))
        actions.append(Action(at + dice.uniform(0.5, 3), f"{what}_back", ()))
        at += dice.uniform(8, 20)
    return actions
