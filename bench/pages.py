"""Pages a second: login, a user's chat and the inbox of the sample desk, beside a bare template.

One server process with the sample data, one connection with keep-alive, one request after another.
The bare server is Sanic with sanic-ext and a template of the size of the login page, without
headers, sessions or a database; it runs in a process of its own, in the same run.
"""

from __future__ import annotations

import http.client
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.server import Server  # noqa: E402

PAGES = 1000
WARM_UP = 100
SECRET = "a secret of the benchmark that is long enough"
ADMIN, USER = "ana", "toni.rius"

BARE = """
import sys, socket
from sanic import Sanic
from sanic_ext import Extend, render

app = Sanic("bare", configure_logging=False)
Extend(app, config={"oas": False, "cors": False, "templating_enable_async": False,
                    "templating_path_to_templates": sys.argv[1]})

@app.get("/")
async def page(request):
    return await render("bare.html", context={"title": "Bare", "items": range(20)}, app=app)

listener = socket.socket()
listener.bind(("127.0.0.1", int(sys.argv[2])))
app.run(sock=listener, single_process=True, motd=False, access_log=False)
"""

TEMPLATE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>
</head><body><h1>{{ title }}</h1><ul>{% for item in items %}<li>item {{ item }}, as one of many
on a page of some 2 kB</li>{% endfor %}</ul></body></html>"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        with bare(Path(folder)) as url:
            base = measure("bare template", url, "/", None)
        with Server(Path(folder), {"JWT_SECRET": SECRET}, fixtures=True) as server:
            for title, path, token in (
                ("login", "/login", None),
                ("a user's chat", "/soporte", server.token(USER)),
                ("inbox", "/soporte", server.token(ADMIN, "admin")),
                ("inbox, one open", f"/soporte?con={USER}", server.token(ADMIN, "admin")),
            ):
                rate = measure(title, server.url, path, token)
                print(f"{'':18}{rate / base:8.2f} of the bare template's rate")


def measure(title: str, url: str, path: str, token: str | None) -> float:
    """Asks for one page again and again; prints and returns pages a second."""
    headers = {} if token is None else {"Cookie": f"token={token}"}
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    times = []
    size = 0
    for number in range(WARM_UP + PAGES):
        begin = time.perf_counter()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        size = len(answer.read())
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status}")
        if number >= WARM_UP:
            times.append(time.perf_counter() - begin)
    connection.close()
    rate = PAGES / sum(times)
    p50, p99 = (1000 * statistics.quantiles(times, n=100)[at] for at in (49, 98))
    print(f"{title:18}{rate:8.0f} pages/s   p50 {p50:6.2f} ms   p99 {p99:6.2f} ms   {size:7} bytes")
    return rate


@contextmanager
def bare(folder: Path) -> Iterator[str]:
    """The bare server, for the length of a measurement."""
    (folder / "bare.html").write_text(TEMPLATE)
    (folder / "bare.py").write_text(BARE)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, folder / "bare.py", folder, str(port)])
    try:
        wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("the bare server did not start")


if __name__ == "__main__":
    main()
