"""Which part of the inbox somebody looks at: every state of it is an address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

from sanic import Request

from registro.events.decide import Person, SavedView, is_label
from registro.services.inbox import STATUS_NAMES, Filter, Inbox, Order
from registro.web.i18n import NC_

ANY = "todas"
"""Of all statuses, or of everybody."""

Whose = Literal["todas", "mias", "libres"]

_STATUSES = {name: status for status, name in STATUS_NAMES.items()}
_ORDERS: Mapping[str, Order] = {"recientes": "newest", "espera": "waiting"}
_WHOSE: Mapping[str, Whose] = {"todas": "todas", "mias": "mias", "libres": "libres"}


@dataclass(frozen=True, slots=True)
class Queue:
    """A state of the inbox in the words of its address: `status` and `order` are `estado` and
    `orden`, `whose` is `de`: all, one's own, or nobody's."""

    status: str = STATUS_NAMES["open"]
    whose: Whose = "todas"
    unread: bool = False
    label: str | None = None
    order: str = "recientes"

    def filter(self, me: Person) -> Filter:
        """What the inbox is asked for."""
        assignees = {"todas": None, "mias": me.id, "libres": ""}
        return Filter(
            status=_STATUSES.get(self.status),
            assignee=assignees[self.whose],
            unread=self.unread,
            label=self.label,
            order=_ORDERS[self.order],
        )

    def but(self, **changes: Any) -> Queue:
        """The same with something else."""
        return replace(self, **changes)

    def wire(self) -> dict[str, object]:
        """What scripts need to know of it."""
        return {
            "estado": self.status,
            "de": self.whose,
            "no_leidas": self.unread,
            "etiqueta": self.label,
            "orden": self.order,
        }

    def query(self, **more: str | None) -> str:
        """The part of an address after the question mark, without what goes without saying."""
        words = {
            "estado": self.status if self.status != STATUS_NAMES["open"] else None,
            "de": self.whose if self.whose != ANY else None,
            "no_leidas": "1" if self.unread else None,
            "etiqueta": self.label,
            "orden": self.order if self.order != "recientes" else None,
        } | more
        return urlencode({name: word for name, word in words.items() if word is not None})

    def address(self, **more: str | None) -> str:
        """Where this state is, with `con` or `cursor` perhaps."""
        query = self.query(**more)
        return f"/soporte?{query}" if query else "/soporte"


def read(request: Request, status: str) -> Queue:
    """The state that an address asks for; of that status where it names none.

    Raises ValueError for words that are none of an address of ours.
    """
    return parse(request.args, status)


def parse(args: Mapping[str, Any], status: str = STATUS_NAMES["open"]) -> Queue:
    """The same of the fields of an address."""
    label = args.get("etiqueta") or None  # forms send empty fields, too
    queue = Queue(
        status=args.get("estado", status),
        whose=_WHOSE.get(args.get("de", ANY), "todas"),
        unread=args.get("no_leidas") == "1",
        label=label,
        order=args.get("orden", "recientes"),
    )
    if (
        queue.status not in (*_STATUSES, ANY)
        or args.get("de", ANY) not in _WHOSE
        or queue.order not in _ORDERS
        or (label is not None and not is_label(label))
    ):
        raise ValueError("there is no such list")
    return queue


STATUS_TITLES: Mapping[str, str] = {
    "abierta": NC_("conversations", "Open"),
    "pendiente": NC_("conversations", "Pending"),
    "resuelta": NC_("conversations", "Resolved"),
    "pospuesta": NC_("conversations", "Snoozed"),
    ANY: NC_("conversations", "All"),
}
"""What the lists are called: of many conversations, where a badge is about one."""

STATUS_ORDER = (*_STATUSES, ANY)
"""Statuses in the order in which they are offered."""


async def counts(inbox: Inbox, queue: Queue, me: Person) -> dict[str, dict[str, int]]:
    """How many conversations there would be with another status, or of others' (`estado`, `de`,
    `no_leidas`), each counted up to a bound."""
    choices = [
        *(("estado", name, queue.but(status=name)) for name in _STATUSES),
        *(("de", name, queue.but(whose=name)) for name in ("mias", "libres")),
        ("no_leidas", "1", queue.but(unread=True)),
    ]
    found = await inbox.counts([chosen.filter(me) for _, _, chosen in choices])
    counted: dict[str, dict[str, int]] = {}
    for (field, name, _), number in zip(choices, found, strict=True):
        counted.setdefault(field, {})[name] = number
    return counted


VIEWS_COUNTED = 10
"""Saved views of which it is counted how many conversations they list."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A saved view in the page: `count` how many conversations it lists (None: not counted),
    `current` whether it is the list that is shown."""

    view: SavedView
    queue: Queue
    count: int | None
    current: bool


async def saved(
    inbox: Inbox, views: Sequence[SavedView], queue: Queue, me: Person
) -> Sequence[Shown]:
    """Saved views as they stand above the list `queue`."""
    lists = [parse(dict(parse_qsl(view.address))) for view in views]
    filters = [one.filter(me) for one in lists[:VIEWS_COUNTED]]
    counts: list[int | None] = [*(await inbox.counts(filters) if filters else ())]
    counts += [None] * (len(views) - len(counts))
    return [
        Shown(view, one, number, one == queue)
        for view, one, number in zip(views, lists, counts, strict=True)
    ]
