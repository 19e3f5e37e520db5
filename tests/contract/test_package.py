"""The wheel, in an environment with nothing but what is locked, as a user who may write nothing but
the data."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from registro import __version__
from tests.conftest import SECRET
from tests.support.clients import Clients, until
from tests.support.databases import free_port
from tests.support.server import ROOT

NOBODY = 65534
PASSWORD = "a password of the tests"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(["scripts/build", str(folder)], cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that other users may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="registro-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def requirements() -> list[str]:
    """What requirements/runtime.txt would install here."""
    text = (ROOT / "requirements/runtime.txt").read_text()
    names = re.findall(r"^([\w.-]+)==", text, re.MULTILINE)
    installed = {d.name.lower().replace("_", "-") for d in importlib.metadata.distributions()}
    return [name for name in names if name in installed]


def install(wheel: Path, environment: Path) -> None:
    """The wheel and copies of the locked requirements, without asking any index."""
    command = [sys.executable, "-m", "venv", "--without-pip", str(environment)]
    subprocess.run(command, check=True, capture_output=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    for name in requirements():
        distribution = importlib.metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or () if file.parts[0] != ".."}:
            source = Path(str(distribution.locate_file(top)))
            if source.is_dir():
                shutil.copytree(source, packages / top, dirs_exist_ok=True)
            else:
                shutil.copy(source, packages / top)
    command = [sys.executable, "-m", "pip", "--python", str(environment / "bin/python")]
    command += ["install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(command, check=True, capture_output=True)


def others_may_run(program: str) -> bool:
    path = Path(program).resolve()
    return all(one.stat().st_mode & 0o001 for one in (path, *path.parents))


def state(folder: Path) -> dict[Path, float]:
    """When each file of a tree was written."""
    return {path: path.stat().st_mtime for path in folder.rglob("*")}


def as_other_user() -> dict[str, object]:
    """How to start a process as somebody else; as ourselves where that cannot be."""
    other = os.geteuid() == 0 and others_may_run(sys.executable)
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if other else {}


class Installed:
    """The installed program: its tree is read-only, its data folder is not."""

    def __init__(self, place: Path, wheel: Path) -> None:
        self.data = place / "data"
        self.data.mkdir()
        install(wheel, place / "registro")
        subprocess.run(["chmod", "-R", "a-w,a+rX", str(place / "registro")], check=True)
        if as_other_user():
            os.chown(self.data, NOBODY, NOBODY)
        self.program = place / "registro/bin/registro"
        self.port = free_port()
        self.environ = {
            "JWT_SECRET": SECRET, "REGISTRO_ENV": "production", "PORT": str(self.port),
            "DATABASE_URL": f"sqlite:///{self.data}/registro.db", "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip

    def run(self, *arguments: str, **environ: str) -> str:
        return subprocess.run(
            [self.program, *arguments], cwd=self.data, env=self.environ | environ, check=True,
            capture_output=True, text=True, **as_other_user(),  # type: ignore[call-overload]
        ).stdout  # fmt: skip

    def serve(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [self.program, "serve"], cwd=self.data, env=self.environ,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            **as_other_user(),  # type: ignore[call-overload]
        )  # fmt: skip


def test_the_same_commit_gives_the_same_bytes(built: Path, tmp_path: Path) -> None:
    subprocess.run(["scripts/build", str(tmp_path)], cwd=ROOT, check=True, capture_output=True)
    first = {file.name: file.read_bytes() for file in built.iterdir()}
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == first
    assert set(first) == {
        f"registro-{__version__}.tar.gz",
        f"registro-{__version__}-py3-none-any.whl",
    }


def test_the_wheel_holds_every_file_of_the_program(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "registro"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    wanted = {file for file in tracked if not file.endswith("babel.cfg")}
    wanted |= {"registro/web/static/vendor/socket.io.min.js", "registro/fixtures/desk.jsonl"}
    assert wanted - inside == set()


def test_without_the_browsers_files_nothing_is_built(built: Path, tmp_path: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    shutil.unpack_archive(sdist, tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    shutil.rmtree(source / "registro/web/static/vendor")
    hook = "from setuptools import build_meta; build_meta.build_wheel('.')"
    done = subprocess.run(
        [sys.executable, "-c", hook], cwd=source, check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "scripts/browser-files" in done.stderr


def test_the_wheel_serves_as_another_user_from_a_tree_that_it_cannot_write(
    built: Path, place: Path, node: Clients
) -> None:
    (wheel,) = built.glob("*.whl")
    installed = Installed(place, wheel)
    before = state(place / "registro")
    assert installed.run("--version") == f"registro, version {__version__}\n"
    assert "events" in installed.run("fixtures", "load")  # the sample data are inside
    installed.run("user", "add", "eva", "--name", "Eva", "--password", PASSWORD)
    process = installed.serve()
    try:
        url = f"http://127.0.0.1:{installed.port}"
        with httpx.Client(base_url=url) as browser:
            until(lambda: answers(browser), "the server", 30)
            entered = browser.post("/auth", data={"user": "eva", "pass": PASSWORD})
            assert entered.headers["location"] == "/soporte"
            assert browser.get("/socket.io/socket.io.js").status_code == 200
            cookies = dict(entered.cookies)
            page = httpx.get(f"{url}/soporte", cookies=cookies)
            assert "Eva" in page.text
        headers = {"Cookie": f"token={cookies['token']}"}
        client = node.open(url, "websocket", extraHeaders=headers).connected()
        assert client.say("admin", "hola")["ok"]
        client.close()
    finally:
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=30)[1].decode()
    assert process.returncode == 0, said
    assert "Traceback" not in said
    report = json.loads(installed.run("log", "verify", "--json"))
    assert report["ok"]
    assert state(place / "registro") == before


def answers(browser: httpx.Client) -> bool:
    try:
        return browser.get("/salud/lista").status_code == 200
    except httpx.TransportError:
        return False
