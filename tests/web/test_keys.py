"""The keys of the inbox: how the palette finds things (`fuzzy.test.mjs`), and that the
documentation lists what the pages do."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.web.conftest import ADMIN, USER, Site
from tests.web.test_chat_client import ROOT, node

TABLE = """
globalThis.document = { getElementById: () => null };
Object.defineProperty(globalThis, "navigator", { value: {} });
const { GROUPS, nameOf } = await import("./registro/web/static/keys.js");
console.log(JSON.stringify(GROUPS.map(({ title, commands }) => [title(), commands.map(
  ({ keys, words }) => [keys.flatMap((way) => way.split(" ")).map(nameOf), words()])])));
"""


def table() -> list[tuple[str, list[tuple[list[str], str]]]]:
    """Groups of keys: their titles, and for each command its keys and its words."""
    found: list[tuple[str, list[tuple[list[str], str]]]] = json.loads(
        node("--input-type=module", program=TABLE)
    )
    return found


def test_the_palette_finds_what_is_meant() -> None:
    tests = Path(__file__).with_name("fuzzy.test.mjs")
    assert "# fail 0" in node("--test", "--test-reporter=tap", str(tests))


def test_every_key_is_documented() -> None:
    text = (ROOT / "docs/inbox.md").read_text("utf-8")
    rows = re.findall(r"^\| ((?:`[^|]+` ?)+) \| ([^|]+) \|$", text, re.MULTILINE)
    documented = [(re.findall(r"`([^`]+)`", keys), words) for keys, words in rows]
    commands = [(keys, words) for _, group in table() for keys, words in group]
    assert documented == commands


def test_no_key_does_two_things() -> None:
    ways = [" ".join(keys) for _, group in table() for keys, _ in group]
    assert len(ways) == len(set(ways)) > 20
    second = {way.split()[0] for way in ways if way.startswith("g ")}
    assert second == {"g"}
    assert "g" not in ways


def test_users_are_found_by_a_part_of_their_names(site: Site) -> None:
    admin = site.as_(ADMIN, "admin")
    found = admin.get("/api/personas", params={"nombre": "belm"}).json()
    assert found == []  # Ana Belmonte is an admin, and has no conversation
    found = admin.get("/api/personas", params={"nombre": USER}).json()
    assert USER in [one["user"] for one in found]
    assert set(found[0]) == {"user", "name"}
    assert len(admin.get("/api/personas", params={"nombre": "a"}).json()) == 8
    for wrong in ("", "  ", "x" * 65, "a\x00b"):
        assert admin.get("/api/personas", params={"nombre": wrong}).status_code == 400
    assert site.as_(USER).get("/api/personas", params={"nombre": "a"}).status_code == 403
