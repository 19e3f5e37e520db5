"""The project's own files agree with each other."""

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def locked(name: str) -> dict[str, str]:
    """Package and what the lock file says of it: version, marker and hashes."""
    text = (ROOT / "requirements" / name).read_text("utf-8")
    return dict(re.findall(r"^([\w.-]+)(==.*(?:\n +--hash=.*)+)", text, flags=re.MULTILINE))


def test_every_test_file_is_where_pytest_looks():
    folders = [ROOT / path for path in PYPROJECT["tool"]["pytest"]["testpaths"]]
    files = list((ROOT / "tests").rglob("test_*.py"))
    assert files
    assert [file for file in files if not any(file.is_relative_to(one) for one in folders)] == []


@pytest.mark.parametrize(
    ("group", "name"), [("build", "runtime.txt"), ("dev", "dev.txt"), ("node", "node.txt")]
)
def test_what_pyproject_asks_for_is_locked(group, name):
    wanted = list(PYPROJECT["dependency-groups"][group])
    if group != "node":
        wanted += PYPROJECT["project"]["dependencies"]
    names = {re.split(r"[<>=\[; ]", requirement)[0] for requirement in wanted}
    assert names - locked(name).keys() == set()


def test_the_development_requirements_hold_the_runtime_ones():
    runtime, development = locked("runtime.txt"), locked("dev.txt")
    assert {name: development.get(name) for name in runtime} == runtime


def test_locked_requirements_have_hashes_and_no_addresses():
    for path in (ROOT / "requirements").iterdir():
        text = path.read_text("utf-8")
        assert "://" not in text
        assert len(re.findall("^[a-z].*==", text, re.MULTILINE)) == len(locked(path.name))


@pytest.mark.parametrize("folder", ["", "bench/loadgen", "bench/node"])
def test_the_package_lock_has_hashes_and_no_addresses(folder):
    packages = json.loads((ROOT / folder / "package-lock.json").read_text("utf-8"))["packages"]
    installed = {name: entry for name, entry in packages.items() if name}
    assert installed
    assert all("integrity" in entry for entry in installed.values())
    assert not any("resolved" in entry for entry in installed.values())


def test_paths_that_the_readme_quotes_exist():
    text = (ROOT / "README.md").read_text("utf-8")
    quoted = re.findall(r"`([\w.-]+/[\w./-]*)|\]\(([^)#:]+)\)|^(scripts/\w+)", text, re.MULTILINE)
    paths = {first or second or third for first, second, third in quoted}
    assert "scripts/serve" in paths
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
