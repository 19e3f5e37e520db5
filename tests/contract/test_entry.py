"""Who is let in, and what the others are told: exactly the contract's texts, then a closed line."""

import base64
import hmac
import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest
from websockets import Headers

from tests.conftest import SECRET
from tests.support.clients import until
from tests.support.raw import RAW, RawPolling, RawWebSocket
from tests.support.server import Server
from tests.support.world import name, stored, stored_texts

NOT_AUTHENTICATED = "No autenticado"
NO_TOKEN = "Token no proporcionado"
INVALID = "Token inválido"
REVOKED = "Sesión revocada"


def mint(secret=SECRET, algorithm="HS256", **claims):
    """A token with just these claims and those of somebody called `eva`; None leaves one out."""
    whole = {"user": "eva", "name": "Eva", "rol": "user", "exp": int(time.time()) + 60} | claims
    fields = {key: value for key, value in whole.items() if value is not None}
    return jwt.encode(fields, secret, algorithm=algorithm)


GOOD = b'{"user":"eva","name":"Eva","rol":"user","exp":9999999999}'


def signed(payload, digest="sha256"):
    """A token that no JWT library would write."""
    head = base64.urlsafe_b64encode(b'{"alg":"HS%b"}' % digest[3:].encode()).rstrip(b"=")
    body = base64.urlsafe_b64encode(payload).rstrip(b"=")
    mac = hmac.new(SECRET.encode(), head + b"." + body, digest).digest()
    return b".".join((head, body, base64.urlsafe_b64encode(mac).rstrip(b"="))).decode()


def get(server, path, headers):
    """One HTTP request: the response and its body."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def registrations(server, user):
    return [e for e in stored(server, "user:registered") if e["user"] == user]


def registered(server, user):
    (event,) = registrations(server, user)
    return event


def test_without_a_cookie_header_nobody_is_authenticated(world):
    assert world.open(None).refusal() == NOT_AUTHENTICATED


@pytest.mark.parametrize("cookie", ["lang=es", "xtoken={}", "token_={}", "Token={}", "a=token"])
def test_cookies_without_a_token_are_told_so(world, cookie):
    assert world.open(cookie.format(mint())).refusal() == NO_TOKEN


@pytest.mark.parametrize(
    "token",
    [
        "x", "a.b.c", mint(secret="another secret that is long enough, too"),
        mint(algorithm="none", secret=None), signed(GOOD, "sha512"),
        mint(exp=int(time.time()) - 1), mint(exp=None), mint(exp="9999999999"), mint(exp=True),
        mint(exp=[1]), mint(user=None), mint(user=7), mint(user=["a"]), mint(user=""),
        mint(user=" a"), mint(user="a\n"), mint(user="a\0b"), mint(user="x" * 65), mint(rol="root"),
        mint(rol=None), mint(rol=["admin"]), mint(rol={}), mint(name=None), mint(name=1),
        mint(user="admin"), signed(b"[]"), signed(b"{"), signed(b'"x"'), signed(b"[" * 5000),
        signed(b'{"user":"a","name":"a","rol":"user","exp":1e999}'),
        signed(b'{"user":"a","name":"a","rol":"user","exp":NaN}'),
        signed(b'{"user":"\\ud800","name":"a","rol":"user","exp":9999999999}'),
    ],
)  # fmt: skip
def test_a_token_that_is_worth_nothing_is_refused(websockets, token):
    before = len(stored(websockets.server))
    assert websockets.open(f"token={token}").refusal() == INVALID
    assert len(stored(websockets.server)) == before


def test_an_invalid_token_is_refused_over_each_transport(world):
    assert world.open(f"token={mint(exp=1)}").refusal() == INVALID


def test_two_token_cookies_are_refused_even_if_both_are_good(world):
    assert world.open(f"token={mint()}; token={mint()}").refusal() == INVALID


def refusal(server, *headers):
    """What a websocket that sends just these headers is told."""
    with RawWebSocket(server.url, Headers(headers)) as raw:
        raw.send("40")
        return json.loads(str(raw.receive())[2:])["message"]


def test_cookies_in_two_headers_are_cookies_of_one_request(server):
    token, other = f"token={mint()}", f"token={mint(user=name())}"
    assert refusal(server, ("Cookie", token), ("Cookie", other)) == INVALID
    assert refusal(server, ("Cookie", "lang=es"), ("Cookie", "xtoken=1")) == NO_TOKEN
    with RawWebSocket(server.url, Headers([("Cookie", "lang=es"), ("Cookie", other)])) as raw:
        assert raw.join().call("mensaje_privado", {"para": "admin", "mensaje": "hola"})["ok"]


def test_an_empty_cookie_header_is_as_good_as_none(server):
    assert refusal(server, ("Cookie", "")) == NOT_AUTHENTICATED
    assert refusal(server) == NOT_AUTHENTICATED


def test_a_token_in_quotes_is_a_token(world):
    cookie = f'token="{world.server.token(name())}"'
    assert world.open(cookie).connected().say("admin", "hola")["ok"]


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "elsewhere"}, {"aud": 7}, {"sub": 7}, {"jti": {}}, {"iat": "yesterday"},
        {"iat": 1e12}, {"nbf": 9999999999}, {"iss": []}, {"extra": {"deep": [1, None]}},
        {"exp": 10**400}, {"exp": 9999999999.5},
    ],
)  # fmt: skip
def test_other_claims_are_ignored_whatever_they_hold(websockets, claims):
    token = signed(json.dumps(
        {"user": name(), "name": "x", "rol": "user", "exp": 9999999999} | claims
    ).encode())  # fmt: skip
    assert websockets.open(f"token={token}").connected().say("admin", "hola")["ok"]


def test_the_token_may_stand_among_other_cookies(world):
    cookie = f"lang=es; xtoken=1; token={world.server.token(name())}; other=a=b"
    assert world.open(cookie).connected().say("admin", "hola")["ok"]


def test_the_token_may_come_in_auth(world):
    client = world.open(None, auth={"token": world.server.token(name())}).connected()
    assert client.say("admin", "hola")["ok"]


@pytest.mark.parametrize("token", ["x", 1, {}, [], True, mint(exp=1)])
def test_a_bad_token_in_auth_is_refused(websockets, token):
    assert websockets.open(None, auth={"token": token}).refusal() == INVALID


def test_an_auth_without_a_token_leaves_it_to_the_cookies(world):
    assert world.open(None, auth={"other": "x"}).refusal() == NOT_AUTHENTICATED
    cookie = f"token={world.server.token(name())}"
    assert world.open(cookie, auth={"other": "x"}).connected().say("admin", "hola")["ok"]


@pytest.mark.parametrize("other", ["somebody else", None, 1, ["eva"]])
def test_a_page_that_was_made_for_another_user_is_refused(websockets, other):
    cookie = f"token={mint()}"
    assert websockets.open(cookie, auth={"user": other}).refusal() == INVALID
    assert websockets.open(cookie, auth={"user": "eva"}).connected().say("admin", "hola")["ok"]


# What happens to the transport


@pytest.fixture(scope="module", autouse=True)
def silent(server):
    """Transports that say nothing while the other tests run: whether and when each was closed."""

    def keep_silent(transport):
        with RAW[transport](server.url) as raw:
            begin = time.monotonic()
            return raw.closed(within=14), time.monotonic() - begin

    with ThreadPoolExecutor() as threads:
        yield [threads.submit(keep_silent, transport) for transport in RAW]


@pytest.mark.parametrize("transport", RAW)
def test_a_refused_client_that_does_not_leave_is_closed(server, transport):
    with RAW[transport](server.url) as raw:
        raw.send("40")
        answer = raw.receive()
        assert answer.startswith("44")
        assert json.loads(answer[2:])["message"] == NOT_AUTHENTICATED
        assert raw.closed(within=5)


@pytest.mark.parametrize("transport", RAW)
def test_a_refused_client_may_not_speak(server, transport):
    with RAW[transport](server.url) as raw:
        raw.send("40")
        raw.receive()
        raw.send('42["mensaje_privado",{"para":"admin","mensaje":"intruso"}]')
        assert raw.closed(within=5)
    assert "intruso" not in [e["text"] for e in stored(server, "conversation:message:sent")]


# Who they are


def test_somebody_never_seen_is_registered_at_the_first_connection(world):
    user = name("nuevo")
    world.user(user, name="Nuevo Ñ")
    world.user(user)
    event = registered(world.server, user)
    assert (event["name"], event["role"], event["origin"]) == ("Nuevo Ñ", "user", "token")


def test_two_sockets_of_somebody_never_seen_register_them_once(world):
    user = name("gemelos")
    clients = [world.arrive(user, "user") for _ in range(5)]
    for client in clients:
        assert client.connected().say("admin", "hola")["ok"]
    assert registered(world.server, user)


def test_the_stored_role_wins_over_the_claim(world):
    user, admin = name(), name("admin")
    world.user(user)
    world.admin(admin)
    pretender, modest = world.admin(user), world.user(admin)
    writer = world.user()
    writer.say("admin", "para el servicio")
    assert modest.next("mensaje_recibido")["mensaje"] == "para el servicio"
    world.settle(pretender)
    assert "para el servicio" not in [m["mensaje"] for m in pretender.got("mensaje_recibido")]


def test_an_admin_may_be_called_admin(websockets):
    desk = websockets.admin("admin")
    websockets.user().say("admin", "al servicio")
    websockets.settle()
    assert desk.next("mensaje_recibido")["mensaje"] == "al servicio"


def test_names_are_compared_exactly(websockets):
    stem = name("Ñandú")
    for user in (stem, stem.lower(), stem.upper()):
        websockets.user(user)
        assert registered(websockets.server, user)


# Connections are events


def test_a_connection_and_its_end_are_events(world):
    user = world.user()
    user.say("admin", "hola")
    id_ = registered(world.server, user.user)["stream"].partition("/")[2]
    (opened,) = [e for e in stored(world.server, "connection:opened") if e["user"] == id_]
    first = "websocket" if world.transport == "websocket" else "polling"
    assert (opened["role"], opened["transport"]) == ("user", first)
    user.close()

    def closings():
        ended = stored(world.server, "connection:closed")
        return [e for e in ended if e["stream"] == opened["stream"]]

    until(closings, "the closing to be stored")
    (closed,) = closings()
    assert closed["milliseconds"] >= 0
    # The goodbye and the end of a websocket may come in one piece: then only the end is seen.
    assert closed["reason"] in ("client disconnect", "transport close")


def test_a_lost_network_ends_a_connection(websockets):
    user = websockets.user()
    id_ = registered(websockets.server, user.user)["stream"].partition("/")[2]
    user.drop()
    until(
        lambda: [e for e in stored(websockets.server, "connection:closed") if e["user"] == id_],
        "the closing to be stored",
    )


# How a session ends


def test_a_socket_is_told_and_closed_when_its_token_expires(world):
    user = world.user(exp=time.time() + 2)
    assert user.say("admin", "a tiempo")["ok"]
    assert user.next("sesion_termina") == {"motivo": "caducada"}
    user.closed()


def test_who_has_been_told_to_go_is_not_heard_any_more(server):
    expires = time.time() + 1
    cookie = {"Cookie": f"token={server.token(name(), exp=expires)}"}
    with RawPolling(server.url, cookie) as raw:
        raw.join()
        time.sleep(expires + 0.2 - time.time())  # the goodbye waits to be fetched
        raw.post('421["mensaje_privado",{"para":"admin","mensaje":"una cosa más"}]')
        assert raw.receive() == '42["sesion_termina",{"motivo":"caducada"}]'
        assert raw.acknowledgement(1)["error"]["codigo"] == "no_autorizado"
        assert raw.closed(within=5)
    assert "una cosa más" not in stored_texts(server)


def test_a_disabled_user_is_put_out_within_two_seconds_and_not_let_in_again(world):
    user, other = world.user(), world.user()
    tab = world.user(user.user)
    world.server.registro("user", "disable", user.user)
    for client in (user, tab):
        client.closed(within=2)
        assert client.got("sesion_termina") == [{"motivo": "deshabilitado"}]
    assert world.arrive(user.user, "user").refusal() == REVOKED
    assert other.say("admin", "sigo aquí")["ok"]


def test_logging_out_ends_the_sessions_sockets_and_no_others(world):
    user = name()
    token, other = world.server.token(user), world.server.token(user, jti="other")
    sockets = [world.open(f"token={token}").connected() for _ in range(2)]
    elsewhere = world.open(f"token={other}").connected()
    get(world.server, "/logout", {"Cookie": f"token={token}", "Sec-Fetch-Site": "same-origin"})
    for client in sockets:
        client.closed(within=2)
        assert client.got("sesion_termina") == [{"motivo": "revocada"}]
    assert world.open(f"token={token}").refusal() == REVOKED
    assert elsewhere.say("admin", "sigo aquí")["ok"]


def test_a_change_of_role_reaches_live_sockets(world):
    user, writer = world.user(), world.user()
    world.server.registro("user", "role", user.user, "admin")
    until(lambda: writer.say("admin", "¿quién lo ve?")["ok"] and user.got("mensaje_recibido"),
          "a message to the desk to reach the new admin")  # fmt: skip
    world.server.registro("user", "role", user.user, "user")
    until(lambda: user.say("admin", "vuelvo a ser yo")["ok"], "the role to be taken back")


# Where they come from


@pytest.mark.parametrize("transport", RAW)
def test_a_strange_origin_is_refused(server, transport):
    cookie = f"token={server.token(name())}"
    for origin in (
        "https://evil.example",
        "null",
        f"{server.url}.evil.example",
        "http://127.0.0.1",
        "http://[",
        "x",
    ):
        with pytest.raises(Exception, match=r"400|403"):
            RAW[transport](server.url, {"Cookie": cookie, "Origin": origin})


@pytest.mark.parametrize("transport", RAW)
def test_the_own_origin_and_none_at_all_are_welcome(server, transport):
    cookie = f"token={server.token(name())}"
    for headers in ({"Origin": server.url}, {}):
        with RAW[transport](server.url, {"Cookie": cookie} | headers) as raw:
            assert raw.join().call("mensaje_privado", {"para": "admin", "mensaje": "hola"})["ok"]


def test_a_configured_origin_is_welcome(tmp_path):
    environ = {"JWT_SECRET": SECRET, "REGISTRO_ALLOWED_ORIGINS": "https://shop.example"}
    with Server(tmp_path, environ) as server:
        headers = {"Cookie": f"token={server.token(name())}", "Origin": "https://shop.example"}
        for transport in RAW.values():
            with transport(server.url, headers) as raw:
                assert raw.join().call("escribiendo", {"para": "admin"}) == {"ok": True}


def test_the_browser_client_is_served(server):
    response, body = get(server, "/socket.io/socket.io.js", {})
    assert response.status == 200
    assert "javascript" in response.headers["content-type"]
    assert b"Socket.IO v4" in body[:200]


# Last, because it takes ten seconds from the beginning of this module


def test_a_transport_without_a_connect_is_closed_after_ten_seconds(silent):
    for closed, seconds in (future.result() for future in silent):
        assert closed
        assert 9 < seconds < 13
