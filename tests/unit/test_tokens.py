"""The `token` cookie: what is minted, what is believed, where it is looked for."""

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registro.events.decide import Person
from registro.web import tokens
from registro.web.tokens import TokenError

SECRET = "a secret of the tests that is long enough"
OLDER = "an older secret that is long enough as well"
ADA = Person("00000000-0000-4000-8000-000000000001", "ada", "Ada", "user")
NOW = 1_800_000_000


def signed(**claims):
    whole = {"user": "ada", "name": "Ada", "rol": "user", "exp": NOW + 60} | claims
    return jwt.encode(whole, SECRET, algorithm="HS256")


def test_what_is_minted_is_believed_for_an_hour():
    token = tokens.mint(ADA, SECRET, now=NOW)
    claims = tokens.verify(token.text, [SECRET], now=NOW + 3599)
    assert claims == ("ada", "Ada", "user", NOW + 3600, token.key)
    with pytest.raises(TokenError, match=r"^Token inválido$"):
        tokens.verify(token.text, [SECRET], now=NOW + 3600)


def test_two_tokens_of_one_moment_are_two_sessions():
    one, other = (tokens.mint(ADA, SECRET, now=NOW) for _ in range(2))
    assert one.key != other.key


def test_an_older_secret_still_verifies_and_a_foreign_one_does_not():
    text = tokens.mint(ADA, OLDER, now=NOW).text
    assert tokens.verify(text, [SECRET, OLDER], now=NOW).user == "ada"
    with pytest.raises(TokenError, match=r"^Token inválido$"):
        tokens.verify(text, [SECRET], now=NOW)


def test_the_key_of_a_session_does_not_depend_on_the_signature():
    head, _, _ = tokens.mint(ADA, SECRET, now=NOW).text.rpartition(".")
    assert tokens.session_key(f"{head}.x") == tokens.session_key(f"{head}.y")
    assert len(tokens.session_key(f"{head}.x")) == 64


@pytest.mark.parametrize(
    "claims",
    [
        {"user": 1}, {"user": ""}, {"user": "a\0"}, {"name": None}, {"rol": "root"}, {"rol": []},
        {"exp": NOW}, {"exp": None}, {"exp": str(NOW + 60)}, {"exp": True}, {"user": "admin"},
        {"exp": float("inf")}, {"exp": float("nan")},
    ],
)  # fmt: skip
def test_claims_of_wrong_types_are_not_believed(claims):
    with pytest.raises(TokenError, match=r"^Token inválido$"):
        tokens.verify(signed(**claims), [SECRET], now=NOW)


@given(st.text(max_size=80))
def test_any_other_string_is_no_token(text):
    with pytest.raises(TokenError, match=r"^Token inválido$"):
        tokens.verify(text, [SECRET], now=NOW)


def test_an_admin_may_be_called_admin():
    assert tokens.verify(signed(user="admin", rol="admin"), [SECRET], now=NOW).role == "admin"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, "No autenticado"), ("", "No autenticado"), ("lang=es", "Token no proporcionado"),
        ("xtoken=a", "Token no proporcionado"), ("token=", "Token no proporcionado"),
        ("token", "Token no proporcionado"), ("token=a; token=b", "Token inválido"),
        ("token=a; token=a", "Token inválido"),
    ],
)  # fmt: skip
def test_a_cookie_header_without_one_token_is_refused(header, message):
    with pytest.raises(TokenError, match=rf"^{message}$"):
        tokens.from_cookies(header)


@given(st.text('token=; "x\u00f1\ud800', max_size=40) | st.text(max_size=40))
def test_any_cookie_header_has_one_token_or_is_refused(header):
    try:
        assert tokens.from_cookies(header)
    except TokenError as error:
        assert str(error) in ("No autenticado", "Token no proporcionado", "Token inválido")  # noqa: PT017 - any other error is a failure


@given(st.recursive(st.none() | st.integers() | st.floats() | st.text() | st.booleans(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_any_auth_has_a_token_or_none_or_is_refused(auth):
    for value in (auth, {"token": auth}):
        try:
            assert tokens.from_auth(value) is None or isinstance(value["token"], str)
        except TokenError as error:
            assert str(error) == "Token inválido"  # noqa: PT017 - any other error is a failure


@given(st.dictionaries(st.sampled_from(["user", "name", "rol", "exp", "iat", "nbf", "aud"]),
                       st.none() | st.integers() | st.text() | st.lists(st.integers(), max_size=2),
                       max_size=7))  # fmt: skip
def test_any_claims_that_are_signed_are_believed_or_refused(claims):
    try:
        assert tokens.verify(signed(**claims), [SECRET], now=NOW).user
    except TokenError as error:
        assert str(error) == "Token inválido"  # noqa: PT017 - any other error is a failure


def test_a_time_too_far_away_for_any_clock_is_for_ever():
    assert tokens.verify(signed(exp=10**400), [SECRET], now=NOW).expires == 2**53


@pytest.mark.parametrize("header", ["token=a.b=c", "x=1;token=a.b=c", ' token="a.b=c" ; xtoken=2'])
def test_the_token_is_found_among_cookies(header):
    assert tokens.from_cookies(header) == "a.b=c"


@pytest.mark.parametrize("auth", [None, [], "x", 1, {}, {"token": None}, {"xtoken": "a"}])
def test_an_auth_without_a_token_says_nothing(auth):
    assert tokens.from_auth(auth) is None


def test_the_token_of_an_auth_is_a_string():
    assert tokens.from_auth({"token": "a"}) == "a"
    with pytest.raises(TokenError, match=r"^Token inválido$"):
        tokens.from_auth({"token": 1})
