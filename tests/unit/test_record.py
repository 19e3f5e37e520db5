"""Rows of the log, and the lines that they are outside."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registro.errors import CorruptLog
from registro.events import record
from registro.events.record import Recorded

ROW = Recorded(
    1, "0b2e9a62-3a5d-4c42-8d0b-6b4cf2f1a001", "user/0b2e9a62-3a5d-4c42-8d0b-6b4cf2f1a002", 1,
    "user:disabled", 1, 1_772_546_400_123_456, b'{"by":"x"}', b"s" * 32, b"c" * 32, b"l" * 32,
)  # fmt: skip


def test_a_row_comes_back_from_its_line() -> None:
    assert record.from_line(record.to_line(ROW)) == ROW


def test_an_erased_row_comes_back_from_its_line() -> None:
    erased = ROW._replace(payload=None, salt=None)
    line = json.loads(record.to_line(erased))
    assert line["payload"] is None
    assert line["salt"] is None
    assert record.from_line(record.to_line(erased)) == erased


def test_the_line_has_the_fields_of_the_contract() -> None:
    assert json.loads(record.to_line(ROW)) == {
        "position": 1, "id": ROW.id, "stream": ROW.stream, "version": 1, "type": "user:disabled",
        "schema": 1, "recorded_at": "2026-03-03T14:00:00.123456Z", "payload": {"by": "x"},
        "salt": "73" * 32, "commitment": "63" * 32, "leaf": "6c" * 32,
    }  # fmt: skip


@given(st.integers(0, 4 * 10**15))
def test_times_come_back_from_their_text(microseconds: int) -> None:
    assert record.parse_rfc3339(record.rfc3339(microseconds)) == microseconds


def test_fewer_digits_are_cut_not_rounded() -> None:
    assert record.rfc3339(1_999_999, 3) == "1970-01-01T00:00:01.999Z"


@pytest.mark.parametrize("line", [b"", b"[]", b'{"position":1}', b"\xff", record.to_line(ROW)[:-9]])
def test_other_lines_are_refused(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each message is its own
        record.from_line(line)


def test_an_erased_event_cannot_be_read() -> None:
    with pytest.raises(CorruptLog, match="position 1: the payload was erased"):
        ROW._replace(payload=None, salt=None).event()
