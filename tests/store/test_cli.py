"""The command line, through its own door, over SQLite."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click.testing
import pytest

from registro.cli import main
from tests.conftest import SECRET

ROOT = Path(__file__).resolve().parents[2]


class Shell:
    """Runs commands in a folder with a database of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {"DATABASE_URL": f"sqlite:///{folder}/registro.db", "JWT_SECRET": SECRET}

    def run(self, *arguments: str, expect: int = 0, **environ: str) -> str:
        result = click.testing.CliRunner(env=self.environ | environ).invoke(
            main, list(arguments), catch_exceptions=False
        )
        assert result.exit_code == expect, result.output
        return result.output


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A database with the sample data, for tests that only read."""
    shell = Shell(tmp_path_factory.mktemp("desk"))
    shell.run("fixtures", "load")
    return shell


def test_the_sample_data_load_once(desk: Shell) -> None:
    assert "the log is not empty" in desk.run("fixtures", "load", expect=1)


def test_the_sample_log_verifies_to_its_root(desk: Shell) -> None:
    report = json.loads(desk.run("log", "verify", "--json"))
    expected = json.loads(Path("fixtures/desk.expected.json").read_text())
    assert report["ok"]
    assert report["root"] in json.dumps(expected)


def test_an_export_imports_into_an_empty_database_with_the_same_root(
    desk: Shell, tmp_path: Path
) -> None:
    desk.run("log", "export", "--to", f"{tmp_path}/log.jsonl")
    other = Shell(tmp_path)
    printed = other.run("log", "import", f"{tmp_path}/log.jsonl")
    assert json.loads(desk.run("log", "verify", "--json"))["root"] in printed
    assert "verified" in other.run("log", "verify")


def test_a_file_that_is_no_log_is_refused_with_its_line(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text("{}\n")
    assert "bad.jsonl, line 1" in shell.run("log", "import", "bad.jsonl", expect=2)


def test_the_log_is_shown_by_its_end_and_by_position(desk: Shell) -> None:
    lines = desk.run("log", "tail", "-n", "3", "--json").splitlines()
    positions = [json.loads(line)["position"] for line in lines]
    assert positions == sorted(positions)
    assert len(positions) == 3
    assert json.loads(desk.run("log", "show", "1"))["type"] == "user:registered"
    assert "there is no position" in desk.run("log", "show", "999999", expect=2)


def test_the_tail_is_filtered(desk: Shell) -> None:
    lines = desk.run("log", "tail", "--type", "user:disabled", "--json").splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["user:disabled"]
    assert "there is no user" in desk.run("log", "tail", "--user", "nadie", expect=2)
    assert "expected a time" in desk.run("log", "tail", "--since", "ayer", expect=2)


def test_the_tail_is_filtered_by_whom_events_concern(desk: Shell) -> None:
    def tail(*arguments: str) -> list[dict[str, object]]:
        lines = desk.run("log", "tail", "-n", "9999", "--json", *arguments).splitlines()
        return [json.loads(line) for line in lines]

    log = [json.loads(line) for line in desk.run("log", "export").splitlines()]
    user_id = next(e["stream"][5:] for e in log if e["payload"].get("user") == "flor.ba")
    concerned = [e for e in log if user_id in json.dumps(e)]
    assert tail("--user", "flor.ba") == tail("--user", user_id) == concerned
    message = next(e for e in concerned if e["type"] == "conversation:message:sent")
    conversation = message["stream"].partition("/")[2]
    assert tail("--conversation", conversation) == [e for e in log if conversation in e["stream"]]
    assert tail("--stream", message["stream"], "--type", "conversation:message") == [
        e for e in log if e["stream"] == message["stream"]
    ]
    key = next(e["payload"]["key"] for e in concerned if e["type"] == "session:started")
    assert {e["type"] for e in tail("--session", key)} >= {"session:started", "connection:opened"}
    assert tail("--stream", message["stream"], "--user", "flor.ba") == [
        e for e in concerned if e["stream"] == message["stream"]
    ]
    assert "one of them" in desk.run(
        "log", "tail", "--stream", "x", "--conversation", conversation, expect=2
    )


def test_accounts_are_made_listed_and_changed(shell: Shell) -> None:
    shell.run("user", "add", "ana", "--role", "admin", "--password", "correct horse")
    shell.run("user", "add", "eva", "--name", "Eva Ríos", "--password", "correct horse")
    shell.run("user", "role", "eva", "admin")
    shell.run("user", "disable", "eva")
    shell.run("user", "password", "ana", "--password", "battery staple")
    [ana, eva] = [json.loads(line) for line in shell.run("user", "list", "--json").splitlines()]
    assert (ana["role"], ana["disabled"]) == ("admin", False)
    assert (eva["name"], eva["role"], eva["disabled"]) == ("Eva Ríos", "admin", True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ana", "--password", "correct horse"], "exists already"),
        (["admin", "--password", "correct horse"], "'admin' is for admins"),
        ([" eva", "--password", "correct horse"], "without surrounding blanks"),
        (["eva", "--password", "short"], "8 to 1,024 characters"),
    ],
)
def test_accounts_that_cannot_be_are_refused(
    shell: Shell, arguments: list[str], message: str
) -> None:
    shell.run("user", "add", "ana", "--password", "correct horse")
    assert message in shell.run("user", "add", *arguments, expect=2)


def test_wrong_settings_are_all_named(shell: Shell) -> None:
    printed = shell.run("migrate", expect=2, PORT="x", REGISTRO_MESSAGE_RATE="fast")
    assert "PORT='x'" in printed
    assert "REGISTRO_MESSAGE_RATE='fast'" in printed


def test_an_erasure_is_shown_first_and_then_done(shell: Shell) -> None:
    shell.run("user", "add", "eva", "--password", "correct horse")
    assert "--yes does it" in shell.run("erase", "--user", "eva")
    assert '"user":"eva"' in shell.run("log", "export")
    assert "1 payloads erased" in shell.run("erase", "--user", "eva", "--reason", "asked", "--yes")
    assert '"user":"eva"' not in shell.run("log", "export")
    assert "1 erased" in shell.run("log", "verify")
    assert shell.run("user", "list") == ""
    assert "not given again" in shell.run(
        "user", "add", "eva", "--password", "correct horse", expect=2
    )


def test_retention_exports_first(shell: Shell) -> None:
    shell.run("fixtures", "load")
    assert "exported first" in shell.run("erase", "--older-than", "1d", "--yes", expect=2)
    shell.run(
        "erase", "--older-than", "1d", "--type", "connection", "--export", "old.jsonl", "--yes"
    )
    lines = (shell.folder / "old.jsonl").read_text().splitlines()
    assert {json.loads(line)["type"] for line in lines} == {
        "connection:opened",
        "connection:closed",
    }
    assert "verified" in shell.run("log", "verify")


@pytest.mark.parametrize("arguments", [[], ["--user", "a", "--event", "1"], ["--older-than", "2x"]])
def test_an_erasure_must_say_clearly_what(shell: Shell, arguments: list[str]) -> None:
    shell.run("erase", *arguments, expect=2)


def test_a_checkpoint_proves_what_the_log_was(shell: Shell) -> None:
    public = shell.run("checkpoint", "--new-key", "key", "--origin", "example.org/log").strip()
    shell.run("user", "add", "ana", "--password", "correct horse")
    shell.run("user", "add", "eva", "--password", "correct horse")
    shell.run("checkpoint", "--key", "key", "--to", "old.checkpoint")
    shell.run("user", "add", "leo", "--password", "correct horse")
    shell.run("checkpoint", "--key", "key", "--to", "new.checkpoint")

    verified = shell.run("log", "verify", "--checkpoint", "old.checkpoint", "--verifier", public)
    assert "1 checkpoints hold" in verified
    (shell.folder / "p.json").write_text(shell.run("prove", "1", "--against", "old.checkpoint"))
    proven = shell.run("prove", "--check", "p.json", "--verifier", public)
    assert proven.startswith("proven: position 1 (user:registered) is in the log example.org/log")
    proof = shell.run("prove", "--from", "old.checkpoint", "--against", "new.checkpoint")
    (shell.folder / "c.json").write_text(proof)
    assert "3 events continues the one of 2" in shell.run("prove", "--check", "c.json")
    (shell.folder / "p.json").write_text(
        (shell.folder / "p.json").read_text().replace("ana", "ona")
    )
    assert "not proven" in shell.run("prove", "--check", "p.json", "--verifier", public, expect=1)


def test_a_checkpoint_of_another_log_is_a_finding(shell: Shell, desk: Shell) -> None:
    shell.run("checkpoint", "--new-key", "key")
    shell.run("user", "add", "ana", "--password", "correct horse")
    shell.run("checkpoint", "--key", "key", "--to", "mine.checkpoint")
    path = str(shell.folder / "mine.checkpoint")
    assert "position 1: checkpoint" in desk.run("log", "verify", "--checkpoint", path, expect=1)


def test_the_tail_follows_what_another_process_appends(shell: Shell) -> None:
    shell.run("user", "add", "ana", "--password", "caballo correcto 7")
    command = [sys.executable, "-m", "registro", "log", "tail", "-n", "1", "--follow", "--json"]
    environ = {**os.environ, **shell.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environ, cwd=shell.folder) as tail:
        assert tail.stdout is not None
        assert json.loads(tail.stdout.readline())["payload"]["user"] == "ana"
        shell.run("user", "add", "eva", "--password", "caballo correcto 7")
        assert json.loads(tail.stdout.readline())["payload"]["user"] == "eva"
        tail.terminate()


def test_commands_do_not_load_what_servers_need() -> None:
    look = "import sys, registro.cli; print({'redis', 'sanic', 'socketio'} & set(sys.modules))"
    environ = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", look], env=environ, check=True, capture_output=True, text=True
    )
    assert done.stdout == "set()\n"
