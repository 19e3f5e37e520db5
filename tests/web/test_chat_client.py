"""The browser's chat client, in Node: `chat_client.test.mjs`."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.server import Server
from tests.support.world import stored_texts

ROOT = Path(__file__).parents[2]
TESTS = Path(__file__).with_name("chat_client.test.mjs")
CLIENT = ROOT / "registro/web/static/chat-client.js"
DOCUMENTATION = (ROOT / "docs/client.md").read_text("utf-8")


def node(*arguments: str, program: str = "", **environ: str) -> str:
    """Runs Node in the project's folder and returns what it printed."""
    command = [shutil.which("node") or str(Path(sys.executable).with_name("node")), *arguments]
    done = subprocess.run(
        command, input=program, env=environ or None, cwd=ROOT, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_chat_client_keeps_its_promises() -> None:
    assert "# fail 0" in node("--test", "--test-reporter=tap", str(TESTS))


def test_the_program_in_the_documentation_runs(server: Server) -> None:
    [program] = re.findall(r"```javascript\n(.*?)```", DOCUMENTATION, re.DOTALL)
    environ = {"URL": server.url, "USER": "eva", "TOKEN": server.token("eva")}
    assert node("--input-type=module", program=program, **environ) == "1 eva: hola\n"
    assert stored_texts(server) == ["hola"]


def test_every_event_and_option_of_the_client_is_documented() -> None:
    text = CLIENT.read_text("utf-8")
    told = set(re.findall(r'#tell\("(\w+)"', text))
    [options] = re.findall(r"constructor\(\{ (.*?), \.\.\.browser \}\)", text)
    [browser] = re.findall(r"const \{ (.*) \} = browser;", text)
    given = set(re.findall(r"(?:^|, )(\w+)", f"{options}, {browser}"))
    rows = set(re.findall(r"^\| `(\w+)", DOCUMENTATION, re.MULTILINE))
    assert {"message", "ended", "io", "storage"} <= told | given <= rows
