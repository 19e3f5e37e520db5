"""The reference pages name what there is, no more and no less, and what they quote works."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from registro.cli import main
from registro.events import codec
from registro.projections import registry
from registro.web import access
from registro.web.app import create
from tests.conftest import settings_for

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def headings(page: str, level: str) -> list[str]:
    return re.findall(rf"^{level} (.+)$", (DOCS / page).read_text("utf-8"), re.MULTILINE)


def commands(group: click.Group, path: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}"


def test_every_event_type_has_its_heading() -> None:
    names = headings("events.md", "###")
    assert sorted(names) == sorted(codec.EVENT_TYPES)


def test_every_field_of_an_event_is_named_under_its_heading() -> None:
    text = (DOCS / "events.md").read_text("utf-8")
    for name, cls in codec.EVENT_TYPES.items():
        section = text.partition(f"### {name}\n")[2].partition("\n#")[0]
        missing = [f for f in cls.__struct_fields__ if f"`{f}`" not in section]
        assert missing == [], name


def test_every_command_has_its_heading() -> None:
    assert sorted(headings("cli.md", "##")) == sorted(commands(main, "registro"))


def test_every_route_has_its_heading() -> None:
    app = create(settings_for("sqlite:///routes-are-only-listed.db"), "documented")
    routes = {
        f"{method} /{re.sub('<([a-z]+):[a-z]+>', lambda name: name[1].upper(), route.path)}"
        for route, declared in access.declared(app)
        for method in route.methods - {"HEAD"}
        if declared.kind != "socket"
    }
    assert set(headings("http.md", "###")) == routes


def test_every_projection_is_in_the_architecture() -> None:
    text = (DOCS / "architecture.md").read_text("utf-8")
    tables = dict(re.findall(r"^\| (\w+) \| ((?:`\w+`(?:, )?)+) \|", text, re.MULTILINE))
    assert {name: re.findall(r"`(\w+)`", found) for name, found in tables.items()} == {
        p.name: [table.name for table in p.tables] for p in registry.ALL
    }


def test_the_checker_in_the_documentation_gives_the_root_of_the_sample_log(tmp_path: Path) -> None:
    text = (DOCS / "events.md").read_text("utf-8")
    [program] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "check.py").write_text(program, "utf-8")
    command = [sys.executable, "-X", "utf8", "-W", "ignore", str(tmp_path / "check.py")]
    command.append(str(ROOT / "fixtures/desk.jsonl"))
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert f'"{printed.strip()}"' in (ROOT / "fixtures/desk.expected.json").read_text("utf-8")


@pytest.mark.parametrize(
    "page", sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md"))
)
def test_files_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    quoted = re.findall(r"`((?:registro|docs|scripts|fixtures|tests|bench|deploy)/[\w./-]+)`", text)
    linked = re.findall(r"\]\((?!https?:)([\w./-]+)\)", text)
    missing = [p for p in quoted if not (ROOT / p).exists()]
    missing += [p for p in linked if not (ROOT / page).parent.joinpath(p).exists()]
    assert missing == []
