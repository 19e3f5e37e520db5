"""The pages of docs/ hold together: links, anchors, the index; and what they say to do is done."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SECRET
from tests.support.server import Server

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
NAMES = [page.relative_to(DOCS).as_posix() for page in PAGES]


BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """The code of one language in a page."""
    return [code for found, code in BLOCK.findall(page.read_text("utf-8")) if found == language]


def without_blocks(page: Path) -> str:
    return BLOCK.sub("", page.read_text("utf-8"))


def prose(page: Path) -> str:
    """A page without its code."""
    return re.sub(r"`[^`\n]*`", "``", without_blocks(page))


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", without_blocks(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=[*NAMES, "the README"])
def test_every_link_leads_to_a_page_and_a_heading_that_exist(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", prose(page)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_index_leads_to_every_page() -> None:
    linked = set(re.findall(r"\]\(([^)]+)\)", (DOCS / "README.md").read_text("utf-8")))
    wanted = {name for name in NAMES if "/" not in name} | {"decisions/README.md", "asyncapi.yaml"}
    assert wanted - {"README.md"} - linked == set()


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_a_page_has_one_title_and_python_that_compiles(page: Path) -> None:
    assert len(re.findall(r"^# ", without_blocks(page), re.MULTILINE)) == 1
    for program in blocks(page, "python"):
        compile(program, page.name, "exec")


@pytest.mark.parametrize("page", ["erase.md", "audit-a-conversation.md"])
def test_a_guide_is_followed_word_for_word(page: str, tmp_path: Path) -> None:
    server = Server(tmp_path, {"JWT_SECRET": SECRET})
    server.registro("user", "add", "ana", "--role", "admin", "--password", "correct horse staple")
    server.registro("user", "add", "eva", "--password", "correct horse staple")
    program = tmp_path / "registro"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m registro "$@"\n')
    program.chmod(0o755)
    environ = server._environment()
    environ["PATH"] = f"{tmp_path}:{environ['PATH']}"
    script = "\n".join(blocks(DOCS / page, "sh"))
    done = subprocess.run(
        ["bash", "-euc", script], env=environ, cwd=tmp_path, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "verified" in done.stdout
