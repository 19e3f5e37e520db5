"""E-mail over HTTP and a real mail server: from giving an address to taking it away again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import EmailMessage
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import SECRET
from tests.support.clients import Clients
from tests.support.mailserver import MailServer
from tests.support.server import Server
from tests.support.waiting import until
from tests.web.conftest import ADMIN, Site, events

PASSWORD = "caballo correcto 7"


@pytest.fixture(scope="module")
def post() -> Iterator[MailServer]:
    with MailServer() as post:
        yield post


@pytest.fixture(scope="module")
def site(post: MailServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    environ = {
        "JWT_SECRET": SECRET,
        "REGISTRO_SMTP_URL": f"smtp://127.0.0.1:{post.port}?tls=no",
        "REGISTRO_MAIL_FROM": "Soporte <desk@example.org>",
        "REGISTRO_PUBLIC_URL": "https://desk.example",
        "REGISTRO_MAIL_AFTER_MINUTES": "0.01",
    }
    with Server(tmp_path_factory.mktemp("mail"), environ, fixtures=True) as server:
        site = Site(server)
        yield site
        site.close()


def register(site: Site, user: str, **fields: str) -> httpx.Response:
    form = {"user": user, "name": user.title(), "pass": PASSWORD} | fields
    return site.client().post("/register", data=form)


def link(mail: EmailMessage, path: str) -> str:
    """The address of a link in a mail, on this server."""
    found = re.search(rf"https://desk\.example({path}\S+)", mail.get_content().replace("=\n", ""))
    assert found is not None
    return found[1]


async def mail_to(post: MailServer, address: str, number: int = 1) -> EmailMessage:
    def came() -> bool:
        return post.recipients.count(address) >= number

    await until(came)
    return [mail for mail in post.mails if mail["To"] == address][number - 1]


async def test_from_registering_to_unsubscribing(site: Site, post: MailServer) -> None:
    assert register(site, "rita", correo="rita@example.org").status_code == 303
    asked = await mail_to(post, "rita@example.org")
    confirm = link(asked, "/correo/confirmar")
    assert events(site, "user:email:confirmed") == []
    page = site.client().get(confirm)
    assert "rita@example.org" in page.text
    code = re.search(r'name="enlace" value="([^"]+)"', page.text)
    assert code is not None
    assert site.client().post("/correo/confirmado", data={"enlace": code[1]}).status_code == 200
    assert site.client().get(confirm).status_code == 404
    [event] = events(site, "user:email:confirmed")
    assert (event["address"], event["language"]) == ("rita@example.org", "es")

    answer(site, "rita", "Ya está <listo>.")
    told = await mail_to(post, "rita@example.org", 2)
    assert "Ya está <listo>." in told.get_content()
    stop = urlsplit(str(told["List-Unsubscribe"]).strip("<>"))
    client = site.client()
    assert client.get(f"{stop.path}?{stop.query}").status_code == 200
    done = client.post(f"{stop.path}?{stop.query}", data={"List-Unsubscribe": "One-Click"})
    assert done.status_code == 200
    assert events(site, "user:email:removed")[0]["reason"] == "unsubscribed"
    assert "rita@example.org" not in site.server.registro("log", "export")


def answer(site: Site, user: str, text: str) -> None:
    """An admin answers, as the socket does."""
    cookie = {"Cookie": f"token={site.server.token(ADMIN, 'admin')}"}
    with Clients() as clients:
        admin = clients.open(site.server.url, "websocket", extraHeaders=cookie)
        assert admin.connected().say(user, text)["ok"]


def test_the_page_of_preferences_asks_and_says_how_it_stands(site: Site) -> None:
    register(site, "olga")
    client = site.client()
    client.post("/auth", data={"user": "olga", "pass": PASSWORD})
    assert 'id="mail-waiting"' not in client.get("/preferencias").text
    asked = client.post("/preferencias/correo", data={"correo": "olga@example.org"})
    assert asked.headers["location"] == "/preferencias?correo=enviado#mail"
    assert "olga@example.org" in client.get("/preferencias").text
    client.post("/preferencias/correo/quitar")
    assert "olga@example.org" not in client.get("/preferencias").text
    wrong = client.post("/preferencias/correo", data={"correo": "olga"}).headers["location"]
    assert 'id="mail-problem"' in client.get(wrong).text


def test_admins_are_asked_for_no_address(site: Site) -> None:
    assert 'id="mail"' not in site.as_(ADMIN, "admin").get("/preferencias").text


def test_a_wrong_address_is_said_at_registration_and_makes_no_account(site: Site) -> None:
    answer = register(site, "pepe", correo="pepe@")
    assert (answer.status_code, 'id="correo-problem"' in answer.text) == (400, True)
    assert register(site, "pepe").status_code == 303


@pytest.mark.parametrize("path", ["/correo/confirmar", "/correo/baja"])
def test_links_that_are_none_lead_nowhere(site: Site, path: str) -> None:
    for wrong in ("", "?enlace=x", "?enlace=%00", "?enlace=11111111-1111-4111-8111-111111111111.x"):
        assert site.client().get(f"{path}{wrong}").status_code == 404
    assert site.client().post("/correo/baja?enlace=x").status_code == 404
    assert site.client().post("/correo/confirmado", data={"enlace": "x"}).status_code == 404
