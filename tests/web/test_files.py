"""Files over HTTP: what is taken, who gets it, and that nothing in it is active."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import httpx
import pytest

from registro.services import running
from tests.conftest import SECRET, settings_for
from tests.support.server import Server

PNG = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (40).to_bytes(4, "big") + (30).to_bytes(4, "big") + bytes(9)
)
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"


class Site:
    def __init__(self, server: Server) -> None:
        self.server = server

    def as_(self, user: str, rol: str = "user") -> httpx.Client:
        cookies = {"token": self.server.token(user, rol)}
        return httpx.Client(base_url=self.server.url, cookies=cookies, timeout=20)

    def upload(self, user: str, name: str, content: bytes, type_: str = "") -> httpx.Response:
        with self.as_(user) as client:
            return client.post(
                "/api/archivos",
                params={"nombre": name},
                content=content,
                headers={"content-type": type_},
            )

    def send(self, user: str, *ids: str, para: str = "admin") -> int:
        """Sends a message that is nothing but files; returns its position in the log."""

        async def go() -> int:
            settings = settings_for(self.server.environ["DATABASE_URL"])
            async with running(settings) as services:
                person = await services.directory.by_user(user)
                assert person is not None
                sending = await services.chat.send(person, para, "", None, None, None, ids)
                return (await sending.stored()).position

        return asyncio.run(go())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("files")
    with Server(folder, {"JWT_SECRET": SECRET, "REGISTRO_FILE_MIB": "1"}) as server:
        for user, role in (("ana", "admin"), ("eva", "user"), ("teo", "user")):
            server.registro("user", "add", user, "--role", role, typed="correct horse\n" * 2)
        yield Site(server)
        assert "Traceback" not in server.output()


def test_an_image_is_shown_with_its_size_and_headers_that_let_nothing_run(site: Site) -> None:
    file = site.upload("eva", "foto.png", PNG, "text/html").json()
    assert (file["tipo"], file["ancho"], file["alto"], file["bytes"]) == ("image/png", 40, 30, 33)
    with site.as_("eva") as eva:
        answer = eva.get(file["url"])
        again = eva.get(file["url"], headers={"If-None-Match": answer.headers["etag"]})
    assert (answer.content, answer.headers["content-type"]) == (PNG, "image/png")
    assert answer.headers["content-disposition"].startswith("inline; ")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("name", "content", "type_"),
    [
        ("x.svg", SVG, "image/svg+xml"),
        ("x.html", b"<script>alert(1)</script>", "text/html"),
        ("x.png", SVG, "image/png"),
        ("x.pdf", b"%PDF-1.7", "application/pdf"),
    ],
)
def test_anything_else_is_a_download_without_a_type(
    site: Site, name: str, content: bytes, type_: str
) -> None:
    file = site.upload("eva", name, content, type_).json()
    assert "ancho" not in file
    with site.as_("eva") as eva:
        answer = eva.get(file["url"])
    assert answer.content == content
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment; ")


def test_only_who_sees_the_conversation_gets_a_file(site: Site) -> None:
    file = site.upload("eva", "carta.txt", b"hola").json()
    site.send("eva", file["id"])
    for user, role, status in (("eva", "user", 200), ("ana", "admin", 200), ("teo", "user", 404)):
        with site.as_(user, role) as client:
            assert client.get(file["url"]).status_code == status, user
    stranger = httpx.get(site.server.url + file["url"])
    assert (stranger.status_code, stranger.headers["location"][:7]) == (302, "/login?")
    with site.as_("ana", "admin") as ana:
        [row] = ana.get("/api/mensajes", params={"con": "eva"}).json()
    assert row["adjuntos"] == [file]


def test_names_lead_nowhere(site: Site) -> None:
    file = site.upload("eva", "../../etc/pass wd\r\nX: y", b"hola").json()
    assert file["nombre"] == "pass wdX: y"
    with site.as_("eva") as eva:
        assert eva.get(file["url"]).headers["content-disposition"] == (
            "attachment; filename=\"pass wdX_ y\"; filename*=UTF-8''pass%20wdX%3A%20y"
        )
        for id_, name in (
            (file["id"], "otro.txt"),
            (file["id"], quote("../" * 5 + "etc/passwd", safe="")),
            (quote("../" * 5 + "etc/passwd", safe=""), file["nombre"]),
            ("x", "x"),
        ):
            assert eva.get(f"/archivos/{id_}/{name}").status_code == 404


def test_a_part_of_a_file_can_be_asked_for(site: Site) -> None:
    file = site.upload("eva", "diez.txt", b"0123456789").json()
    with site.as_("eva") as eva:
        got = {
            asked: eva.get(file["url"], headers={"Range": asked})
            for asked in ("bytes=2-4", "bytes=-3", "bytes=8-", "bytes=10-", "lines=1-2")
        }
        head = eva.head(file["url"])
    assert [(one.status_code, one.text) for one in got.values()] == [
        (206, "234"), (206, "789"), (206, "89"), (416, ""), (200, "0123456789"),
    ]  # fmt: skip
    assert got["bytes=2-4"].headers["content-range"] == "bytes 2-4/10"
    assert (head.headers["content-length"], head.content) == ("10", b"")


def test_what_is_too_large_empty_or_from_nobody_is_refused(site: Site) -> None:
    for content, status, code in (
        (b"x" * (1024 * 1024 + 1), 413, "archivo_grande"),
        (b"", 400, "archivo_vacio"),
    ):
        answer = site.upload("eva", "x", content)
        assert (answer.status_code, answer.json()["error"]["codigo"]) == (status, code)
    assert site.upload("eva", "x", b"x" * 1024 * 1024).status_code == 200
    assert site.upload("nobody-yet", "x", b"x").status_code == 403
    assert httpx.post(f"{site.server.url}/api/archivos?nombre=x", content=b"x").status_code == 401
    elsewhere = {"sec-fetch-site": "cross-site"}
    with site.as_("eva") as eva:
        forged = eva.post("/api/archivos?nombre=x", content=b"x", headers=elsewhere)
    assert forged.status_code == 403


def test_a_body_that_breaks_off_leaves_nothing(site: Site) -> None:
    folder = site.server.folder / "registro.db.files"
    before = {path for path in folder.rglob("*") if path.is_file()}
    host, port = urlsplit(site.server.url).netloc.split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            f"POST /api/archivos?nombre=x HTTP/1.1\r\nHost: {host}:{port}\r\n"
            f"Cookie: token={site.server.token('teo')}\r\nContent-Length: 500000\r\n\r\n".encode()
            + b"x" * 300_000
        )
        deadline = time.monotonic() + 10
        while not list(folder.rglob("*.part")) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert list(folder.rglob("*.part"))
    while list(folder.rglob("*.part")) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert {path for path in folder.rglob("*") if path.is_file()} == before


def test_one_user_uploads_so_many_at_once(site: Site) -> None:
    answers = [site.upload("teo", f"{n}.txt", b"x") for n in range(25)]
    refused = [one.json()["error"]["codigo"] for one in answers if one.status_code == 429]
    assert refused
    assert set(refused) == {"limite_superado"}


def test_an_erased_message_takes_its_file_with_it_and_the_files_can_be_proved(site: Site) -> None:
    file, other = (site.upload("eva", "dni.txt", content).json() for content in (b"1", b"2"))
    position = site.send("eva", file["id"])
    site.send("eva", other["id"], para="teo")
    site.server.registro("erase", "--event", str(position), "--yes")
    with site.as_("ana", "admin") as ana:
        assert ana.get(file["url"]).status_code == 404
        assert ana.get(other["url"]).status_code == 200
        page = ana.get(f"/admin/registro/{position + 1}").text
    assert other["sha256"] in page
    assert site.server.registro("files", "verify").endswith(" files\n")
    (site.server.folder / "registro.db.files" / other["id"][:2] / other["id"]).write_bytes(b"3")
    found = site.server.registro("files", "verify", "--json", check=False)
    assert f'"id": "{other["id"]}", "kind": "altered"' in found
