"""The Merkle tree against published vectors, and against RFC 6962's own recursive definition."""

from __future__ import annotations

from hashlib import sha256

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from registro.events import merkle
from registro.events.merkle import Frontier

# Certificate Transparency's test data (google/certificate-transparency, merkle_tree_test):
# the inputs of eight leaves, and the roots of the trees of the first n of them.
INPUTS = [
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [sha256(b"\x00" + bytes.fromhex(data)).digest() for data in INPUTS]
HASHES = st.lists(st.binary(min_size=32, max_size=32), max_size=70)


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_certificate_transparency(size: int) -> None:
    assert merkle.tree_hash(LEAVES[:size]).hex() == ROOTS[size - 1]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert merkle.tree_hash([]).hex() == sha256().hexdigest()


def _mth(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + _mth(leaves[:k]) + _mth(leaves[k:])).digest()


@given(HASHES)
def test_the_frontier_grows_the_tree_of_the_definition(leaves: list[bytes]) -> None:
    assert merkle.tree_hash(leaves) == _mth(leaves)


@given(HASHES, st.integers(0, 70))
def test_a_frontier_goes_on_from_its_bytes(leaves: list[bytes], cut: int) -> None:
    first = Frontier()
    for leaf in leaves[:cut]:
        first.append(leaf)
    resumed = Frontier.from_bytes(first.size, bytes(first))
    for leaf in leaves[cut:]:
        resumed.append(leaf)
    assert resumed.root() == _mth(leaves)


def test_a_frontier_that_does_not_fit_its_size_is_refused() -> None:
    with pytest.raises(ValueError, match="a tree of 3 leaves has 2 peaks, not 1"):
        Frontier.from_bytes(3, b"x" * 32)


def test_the_leaf_is_the_hash_of_the_canonical_envelope() -> None:
    envelope = {
        "position": 7,
        "id": "0b2e9a62-3a5d-4c42-8d0b-6b4cf2f1a001",
        "stream": "conversation/968c783f-1a6b-5485-993e-b8e19151dc54",
        "version": 3,
        "type": "conversation:message:sent",
        "schema": 1,
        "recorded_at": "2026-03-03T14:00:00.123456Z",
        "commitment": (b"\xab" * 32).hex(),
    }
    expected = sha256(b"\x00" + rfc8785.dumps(envelope)).digest()
    assert merkle.leaf(**{**envelope, "commitment": b"\xab" * 32}) == expected  # type: ignore[arg-type]


def test_the_commitment_binds_salt_and_payload() -> None:
    assert merkle.commitment(b"s" * 32, b"{}") == sha256(b"\x02" + b"s" * 32 + b"{}").digest()
