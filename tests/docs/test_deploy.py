"""What deploy/ and the Dockerfile say agrees with the program, as far as this can be told without
a Docker engine."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from registro import config
from registro.db import migrations
from registro.db.schema import Table
from registro.services import grants

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SERVICES = COMPOSE["services"]
SECRET = "a secret of more than thirty-two bytes"


def instructions() -> list[tuple[str, str]]:
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    return re.findall(r"^([A-Z]+) (.+)$", text, re.MULTILINE)


def environment(text: str) -> dict[str, str]:
    return dict(re.findall(r"(\w+)=(\S+)", text))


def test_the_image_copies_files_that_exist_and_that_dockerignore_lets_through() -> None:
    let_through = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    copied = [text.split()[:-1] for name, text in instructions() if name == "COPY"]
    files = {file for one in copied if "--from" not in one[0] for file in one}
    assert files == let_through
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_every_base_image_is_pinned() -> None:
    images = [text.split()[0] for name, text in instructions() if name == "FROM"]
    images += [service["image"] for service in SERVICES.values() if "image" in service]
    assert [i for i in images if not re.search(r":\d+\.\d+\.\d+|:local$", i)] == []


def test_the_image_runs_as_nobody_else_but_a_user_of_its_own() -> None:
    last = dict(instructions())
    assert last["USER"] == "10001"
    assert last["CMD"] == '["registro", "serve"]'


def test_the_images_settings_are_accepted(tmp_path: Path) -> None:
    (settings,) = [environment(text) for name, text in instructions() if "REGISTRO_ENV" in text]
    data = settings["DATABASE_URL"].replace("/data", str(tmp_path))
    loaded = config.load(settings | {"JWT_SECRET": SECRET, "DATABASE_URL": data}, None)
    assert (loaded.production, loaded.host) == (True, "0.0.0.0")


@pytest.mark.parametrize("name", ["migrate", "registro"])
def test_the_settings_of_a_compose_service_are_accepted(name: str, tmp_path: Path) -> None:
    environ = dict(SERVICES[name]["environment"])
    for secret in SERVICES[name]["secrets"]:
        (tmp_path / secret).write_text(f"{SECRET}\n")
    moved = {key: value.replace("/run/secrets", str(tmp_path)) for key, value in environ.items()}
    settings = config.load(moved, None)
    assert settings.production
    assert settings.database_url.startswith("mysql://registro")
    assert settings.database_url.endswith("@mysql:3306/registro")


def test_compose_hardens_every_container_and_publishes_nginx_alone() -> None:
    for name, service in SERVICES.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["nginx"]
    assert COMPOSE["networks"]["inside"]["internal"]
    assert SERVICES["mysql"]["networks"] == SERVICES["redis"]["networks"] == ["inside"]


def test_compose_names_files_secrets_and_services_that_exist() -> None:
    for service in SERVICES.values():
        mounted = [v.split(":")[0] for v in service.get("volumes", []) if v.startswith(".")]
        assert [file for file in mounted if not (DEPLOY / file).is_file()] == []
        assert set(service.get("secrets", [])) <= COMPOSE["secrets"].keys()
        assert set(service.get("depends_on", {})) <= SERVICES.keys()


def test_nginx_in_compose_asks_the_processes_that_are_there(tmp_path: Path) -> None:
    script = SERVICES["nginx"]["command"][2].partition(" && ")[0]
    script = script.replace("/etc/registro.conf", str(DEPLOY / "nginx/registro.conf"))
    script = script.replace("/etc/nginx/conf.d", str(tmp_path))
    subprocess.run(["sh", "-euc", script], check=True)
    servers = re.findall(r"^ +server (\S+)", (tmp_path / "registro.conf").read_text(), re.MULTILINE)
    assert servers == ["registro:3000", "registro:3001", "registro:3002"]
    assert SERVICES["registro"]["command"] == ["registro", "serve", "--workers", "3"]


def test_the_example_of_an_environment_file_is_accepted(tmp_path: Path) -> None:
    text = (
        (DEPLOY / "env.example").read_text("utf-8").replace("JWT_SECRET=", f"JWT_SECRET={SECRET}")
    )
    env_file = tmp_path / "registro.env"
    env_file.write_text(text.replace("/var/lib/registro", str(tmp_path)))
    settings = config.load({}, env_file)
    assert settings.production
    assert settings.trusted_proxies == 1


def unit() -> Iterator[tuple[str, str]]:
    text = (DEPLOY / "systemd/registro.service").read_text("utf-8")
    return iter(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


def test_the_unit_waits_longer_than_the_server_drains() -> None:
    directives = dict(unit())
    drain = next(s.default for s in config.SETTINGS if s.name == "REGISTRO_DRAIN_SECONDS")
    assert int(directives["TimeoutStopSec"]) > int(drain)
    assert directives["ExecStart"] == "/opt/registro/bin/registro serve"
    assert directives["EnvironmentFile"] == "/etc/registro.env"


def test_the_scripts_of_deploy_are_shell_that_may_be_run() -> None:
    for script in DEPLOY.rglob("*.sh"):
        subprocess.run(["sh", "-n", str(script)], check=True)
        assert os.access(script, os.X_OK), script


def test_the_operations_page_names_the_privileges_that_are_granted() -> None:
    text = (ROOT / "docs/operations.md").read_text("utf-8")
    rows = re.findall(r"^\| (`.+?) \| (SELECT.*?) \|$", text, re.MULTILINE)
    told = {
        table: privileges.replace("`", "")
        for tables, privileges in rows
        for table in re.findall(r"`(\w+)`", tables)
    }
    kept = [one for one in vars(migrations).values() if isinstance(one, Table)]
    names = {table.name for table in kept if not table.name.startswith("replay")}
    others = names - grants.NARROW.keys()
    assert told == grants.NARROW | dict.fromkeys(others, grants.ALL)
