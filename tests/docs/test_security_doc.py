"""docs/security.md has every requirement, and the tests that it names exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text("utf-8")
ITEMS = """1.2.10 2.4.1 3.2.2 3.3.1 3.3.2 3.3.3 3.3.4 3.4.3 3.4.6 3.5.1 3.5.3 3.7.2 4.4.1 4.4.2
6.1.1 6.2.1 6.2.4 6.3.1 7.2.4 7.4.1 7.4.2 7.4.5 8.2.1 8.2.2 8.3.2 15.3.3 16.3.1 16.3.2 16.4.2"""


def rows() -> dict[str, str]:
    return dict(re.findall(r"^\| (\d+\.\d+\.\d+) \|(.+)$", PAGE, re.MULTILINE))


def test_every_requirement_has_its_row_and_tests() -> None:
    assert list(rows()) == ITEMS.split()
    assert [item for item, row in rows().items() if "`test" not in row.rpartition(" | ")[2]] == []


def test_every_test_that_is_named_exists() -> None:
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    there = set(re.findall(r"def (test_\w+)\(", code))
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert named - there == set()
    assert len(named) > 40
