"""Passwords that are too easy to guess."""

import pytest

from registro.services import passwords


@pytest.mark.parametrize(
    "password",
    ["password", "12345678", "87654321", "contraseña", "Contraseña2026", "P4ssw0rd!", "qwertyuiop",
     "iloveyou2", "realmadrid1", "aaaaaaaa", "abababab", "24122000", "  PASSWORD  "],
)  # fmt: skip
def test_what_many_people_choose_is_refused(password):
    assert passwords.weakness(password) == "common"


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "tres tristes tigres",
        "hx7-Kp2w",
        "🚲🚲🚲🧰🧰🔧🔩🛞",
        "ñandú volador",
    ],
)
def test_what_few_people_choose_is_good(password):
    assert passwords.weakness(password, "eva", "Eva Ruiz") is None


@pytest.mark.parametrize(
    "password", ["carmen.vidal", "CarmenVidal", "carmenvidal99", "lativ.nemrac"]
)
def test_the_own_name_is_refused(password):
    expected = None if password == "lativ.nemrac" else "name"
    assert passwords.weakness(password, "carmen.vidal", "Carmen Vidal") == expected


def test_length_is_counted_in_characters():
    assert passwords.weakness("1234567") == "short"
    assert passwords.weakness("contra7") == "short"
    assert passwords.weakness("abc xyz " * 128) is None
    assert passwords.weakness("abc xyz " * 128 + "!") == "long"


def test_the_list_is_longer_than_the_standard_asks_for():
    assert len(passwords.common()) > 3000
    assert all(len(password) >= passwords.MIN_PASSWORD for password in passwords.common())
