"""The reports as values; `views` says what a view is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from registro.web.charts import Bars, Lines
from registro.web.views import View


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with the rows behind it (`href`) and how much more or less it is than in the period
    before, None where there was nothing then."""

    title: str
    value: str
    href: str
    delta: str | None
    before: str


@dataclass(frozen=True, slots=True)
class Linked:
    """A number in a table; `href` is empty for nothing."""

    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Day:
    """A row of the days' table, and what the charts say of the day (`messages`, `times`) and lead
    to (`link`: its messages, `waits`)."""

    name: str
    label: str
    cells: Sequence[Linked]
    messages: str
    link: str
    times: str
    waits: str


@dataclass(frozen=True, slots=True)
class Hour:
    """A cell of the heat map."""

    number: int
    level: int
    title: str
    href: str


@dataclass(frozen=True, slots=True)
class Weekday:
    name: str
    hours: Sequence[Hour]


@dataclass(frozen=True, slots=True)
class AdminLine:
    """A row of the admins' table; `name` is empty for somebody who was erased."""

    id: str
    name: str
    cells: Sequence[Linked]


@dataclass(frozen=True, slots=True)
class Preset:
    days: int
    title: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class ReportsView(View):
    """`since` and `until` are the first and the last day as fields of forms have them; `when` the
    period in words, `before` the one before. `label` is that of the conversations that are
    counted, None for all of them; `labels` can be chosen.
    `waiting_longest` is a duration and `behind_since` a time, in words."""

    template: ClassVar[str] = "reports.html"
    since: str
    until: str
    when: str
    before: str
    label: str | None
    labels: Sequence[str]
    presets: Sequence[Preset]
    figures: Sequence[Figure]
    days: Sequence[Day]
    columns: Sequence[str]
    bars: Bars
    lines: Lines
    heat: Sequence[Weekday]
    admins: Sequence[AdminLine]
    admin_columns: Sequence[str]
    waiting_longest: str | None
    csv: Sequence[tuple[str, str]]
    behind_since: str | None


@dataclass(frozen=True, slots=True)
class RowLine:
    """A thing that was counted. `user` and `admin` are names, empty for those who were erased;
    `by_admin` says whether there is an admin at all."""

    position: int
    href: str
    user: str
    admin: str
    by_admin: bool
    at: int
    asked_at: int | None
    waited: str
    text: str
    erased: bool


@dataclass(frozen=True, slots=True)
class ReportRowsView(View):
    """The rows behind a figure: `title` says which, `where` of whom and when. `back` leads to the
    report, `more` to the rows after these."""

    template: ClassVar[str] = "report_rows.html"
    what: str
    title: str
    where: Sequence[str]
    total: int
    lines: Sequence[RowLine]
    back: str
    more: str | None
