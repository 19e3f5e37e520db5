"""Tables as CSV that spreadsheets open as they are meant."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from sanic import HTTPResponse
from sanic.response import raw

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a text begins with that a spreadsheet may take for a formula; the last four are the
full-width forms of the first four."""

Cell = str | int | None


def response(name: str, rows: Iterable[Sequence[Cell]]) -> HTTPResponse:
    """A file to save: RFC 4180, UTF-8 with a byte order mark, without which Excel reads it as
    something else."""
    return raw(
        text(rows).encode("utf-8-sig"),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def text(rows: Iterable[Sequence[Cell]]) -> str:
    """Texts in quotes and numbers without; nothing for None."""
    file = io.StringIO()
    writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return file.getvalue()


def _cell(cell: Cell) -> str | int:
    """An apostrophe before what could be a formula: spreadsheets show the rest as text."""
    if isinstance(cell, str) and cell.lstrip(" ").startswith(_FORMULA):
        return f"'{cell}"
    return "" if cell is None else cell
