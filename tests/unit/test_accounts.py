"""What nobody's password is compared with (`Accounts.verify_password`)."""

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError

from registro.services.accounts import _hash_of_nothing


def test_an_unknown_name_costs_what_a_known_one_costs():
    hasher = PasswordHasher()
    nothing, real = _hash_of_nothing(hasher), hasher.hash("a password")
    assert extract_parameters(nothing) == extract_parameters(real)
    with pytest.raises(VerifyMismatchError):  # it was computed, not refused for its shape
        hasher.verify(nothing, "a password")


def test_the_hash_of_nothing_is_another_each_time():
    hasher = PasswordHasher()
    assert _hash_of_nothing(hasher) != _hash_of_nothing(hasher)
