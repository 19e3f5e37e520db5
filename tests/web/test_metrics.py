"""`/metrics`: who may read it, what it counts; dashboard and alerts ask for what is there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import SECRET
from tests.support.raw import RawPolling, RawWebSocket
from tests.support.redis import RedisServer
from tests.support.server import Server

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-for-prometheus"
NAME = "zacarias.quebranto"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Watched:
    """A server with everything that is measured turned on."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def scrape(self, **headers: str) -> httpx.Response:
        headers = headers or {"Authorization": f"Bearer {TOKEN}"}
        return httpx.get(f"{self.server.url}/metrics", headers=headers)

    def samples(self) -> Samples:
        families = text_string_to_metric_families(self.scrape().text)
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        return self.samples().get((f"registro_{name}", frozenset(labels.items())), 0)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    with RedisServer(folder) as redis:
        environ = {
            "JWT_SECRET": SECRET,
            "REGISTRO_METRICS": "token",
            "REGISTRO_METRICS_TOKEN": TOKEN,
            "REGISTRO_CHECKPOINT_KEY": str(folder / "key"),
            "REGISTRO_CHECKPOINT_TO": str(folder),
            "REDIS_URL": redis.url,
            "REGISTRO_SMTP_URL": "smtp://127.0.0.1:9?tls=no",  # nobody has an address
            "REGISTRO_MAIL_FROM": "desk@example.org",
            "REGISTRO_PUBLIC_URL": "https://desk.example.org",
        }
        server = Server(folder, environ)
        server.registro("checkpoint", "--new-key", str(folder / "key"), "--origin", "example.org/x")
        with server:
            yield Watched(server)


def cookie(watched: Watched, user: str = NAME, rol: str = "user") -> dict[str, str]:
    return {"Cookie": f"token={watched.server.token(user, rol)}"}


def test_metrics_are_for_whoever_has_the_token(watched: Watched) -> None:
    assert watched.scrape().status_code == 200
    refused = watched.scrape(Authorization="Bearer something else")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert watched.scrape(Accept="*/*").status_code == 401
    assert watched.value("denials_total", kind="unauthenticated") >= 2


def test_a_message_is_counted_on_its_whole_way(watched: Watched) -> None:
    before = watched.samples()
    with RawWebSocket(watched.server.url, cookie(watched)) as raw:
        raw.join()
        for number in range(3):
            raw.call("mensaje_privado", {"para": "admin", "mensaje": "hola"}, number=number)
        assert watched.value("connections", transport="websocket") == 1
    after = watched.samples()

    def grown(name: str, **labels: str) -> float:
        key = (f"registro_{name}", frozenset(labels.items()))
        return after.get(key, 0) - before.get(key, 0)

    assert grown("events_appended_total", type="conversation:message:sent") == 3
    assert grown("socket_event_seconds_count", event="mensaje_privado") == 3
    assert grown("append_seconds_count") >= 4
    assert grown("commit_seconds_count") >= 1
    assert grown("commit_events_sum") >= 4
    assert grown("delivery_seconds_count", origin="here") >= 1
    assert grown("socket_packets_total", direction="in") == 4
    assert grown("log_position") >= 4


def test_refusals_limits_and_endings_are_counted_by_reason(watched: Watched) -> None:
    with RawPolling(watched.server.url, cookie(watched)) as raw:
        raw.join()
        raw.call("mensaje_privado", {"para": "admin", "mensaje": " "})
        raw.call("borrar todo", {})
        for _ in range(60):
            raw.post('42["escribiendo",{"para":"admin"}]')
    assert watched.value("refusals_total", code="mensaje_vacio") == 1
    assert watched.value("socket_event_seconds_count", event="other") == 1
    assert watched.value("rate_limited_total", what="typing") > 0
    assert watched.value("connections_ended_total", reason="client disconnect") == 1


def test_the_parts_tell_how_they_are(watched: Watched) -> None:
    assert watched.value("database_up") == 1
    assert watched.value("store_away") == 0
    assert watched.value("redis_up") == 1
    assert (
        "registro_mail_attempts_total",
        frozenset({("outcome", "unknown")}),
    ) in watched.samples()
    assert watched.value("checkpoint_success_timestamp_seconds") > 1.7e9
    assert watched.value("event_loop_lag_seconds_count") > 0
    assert watched.value("queue_limit") == 10000


def test_nothing_that_a_client_chooses_becomes_a_label(watched: Watched) -> None:
    httpx.get(f"{watched.server.url}/{NAME}?{NAME}", headers={"X-Request-Id": NAME})
    httpx.request("BREW", f"{watched.server.url}/login")
    text = watched.scrape().text
    assert NAME not in text
    assert "BREW" not in text
    assert 'route="(none)"' in text


def test_metrics_are_off_unless_they_are_asked_for_and_loopback_is_this_machine(
    tmp_path: Path,
) -> None:
    with Server(tmp_path, {"JWT_SECRET": SECRET}) as server:
        assert httpx.get(f"{server.url}/metrics").status_code == 404
        server.stop()
        server.environ["REGISTRO_METRICS"] = "loopback"
        server.start()
        assert httpx.get(f"{server.url}/metrics").status_code == 200
        proxied = {"X-Forwarded-For": "192.0.2.7"}
        assert httpx.get(f"{server.url}/metrics", headers=proxied).status_code == 403


def named(text: str) -> set[str]:
    return set(re.findall(r"\b(?:registro|process)_[a-z_]+\b", text))


def exposed(watched: Watched) -> set[str]:
    """The names of all metrics, those without a value yet, too."""
    names: set[str] = set()
    kinds = re.findall(r"^# TYPE (\S+) (\S+)$", watched.scrape().text, re.MULTILINE)
    for name, kind in kinds:
        names |= (
            {f"{name}_{end}" for end in ("bucket", "count", "sum")}
            if kind == "histogram"
            else {name}
        )
    return names


def test_the_dashboard_asks_for_metrics_that_are_there(watched: Watched) -> None:
    dashboard = json.loads((ROOT / "deploy/grafana/registro.json").read_text("utf-8"))
    asked = named(" ".join(t["expr"] for panel in dashboard["panels"] for t in panel["targets"]))
    assert len(asked) > 25
    assert asked - exposed(watched) == set()


def test_the_alerts_ask_for_metrics_that_are_there(watched: Watched) -> None:
    rules = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text("utf-8"))
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    assert all({"summary", "description"} == rule["annotations"].keys() for rule in alerts)
    asked = named(" ".join(rule["expr"] for rule in alerts))
    assert len(asked) > 12
    assert asked - exposed(watched) == set()


def test_every_metric_is_in_the_documentation_and_no_other(watched: Watched) -> None:
    page = (ROOT / "docs/observability.md").read_text("utf-8")
    documented = set(re.findall(r"`(registro_[a-z_]+)`", page))
    families = re.findall(r"^# TYPE (registro_\S+) ", watched.scrape().text, re.MULTILINE)
    assert documented == set(families)


def test_the_example_for_prometheus_is_one() -> None:
    example = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text("utf-8"))
    [job] = example["scrape_configs"]
    assert job["job_name"] == "registro"
    assert all(":" in target for target in job["static_configs"][0]["targets"])
