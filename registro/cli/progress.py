"""How long work goes on: a bar on a terminal, a line every few seconds otherwise."""

from __future__ import annotations

import sys
import time

import click

BAR = 24
"""Characters."""

BETWEEN_BARS = 0.1
BETWEEN_LINES = 5.0
"""Seconds."""


class Bar:
    """Shows positions of the log on standard error. Use it as a context, and call it with what is
    done and how much there is."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._terminal = sys.stderr.isatty()
        self._started = self._shown = time.monotonic()
        self._drawn = False

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawn and self._terminal:
            click.echo(err=True)

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        pause = BETWEEN_BARS if self._terminal else BETWEEN_LINES
        if now - self._shown < pause and done < total:
            return
        if not self._terminal and done >= total and not self._drawn:
            return  # it was quick: what was done is said at the end anyhow
        self._shown, self._drawn = now, True
        rate = done / max(now - self._started, 1e-3)
        text = (
            f"{self._what}: {done:,} of {total:,} events, {rate:,.0f}/s, {_left(done, total, rate)}"
        )
        if self._terminal:
            full = BAR * done // max(total, 1)
            click.echo(f"\r[{'#' * full}{'.' * (BAR - full)}] {text}\x1b[K", nl=False, err=True)
        else:
            click.echo(text, err=True)


def _left(done: int, total: int, rate: float) -> str:
    seconds = round((total - done) / max(rate, 1e-3))
    return f"{seconds // 60}:{seconds % 60:02} left"
