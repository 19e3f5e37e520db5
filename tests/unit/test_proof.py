"""Proofs against RFC 6962's own example and against every small tree."""

from __future__ import annotations

from hashlib import sha256

import pytest

from registro.events import merkle, proof
from registro.events.merkle import Frontier, Node

LEAVES = [sha256(bytes([n])).digest() for n in range(40)]


def parts(start: int, end: int) -> list[Node]:
    return [Node(0, n, LEAVES[n]) for n in range(start, end)]


def path(ranges: list[proof.Range]) -> list[bytes]:
    return [proof.range_hash(start, end, parts(start, end)) for start, end in ranges]


def root(size: int) -> bytes:
    return merkle.tree_hash(LEAVES[:size])


def test_the_audit_paths_are_those_of_the_example_in_rfc_6962() -> None:
    # Section 2.1.3: a tree of seven leaves d0 … d6.
    assert proof.inclusion_ranges(0, 7) == [(1, 2), (2, 4), (4, 7)]  # b, h, l
    assert proof.inclusion_ranges(3, 7) == [(2, 3), (0, 2), (4, 7)]  # c, g, l
    assert proof.inclusion_ranges(4, 7) == [(5, 6), (6, 7), (0, 4)]  # f, j, k
    assert proof.inclusion_ranges(6, 7) == [(4, 6), (0, 4)]  # i, k


def test_the_consistency_proofs_are_those_of_the_example_in_rfc_6962() -> None:
    assert proof.consistency_ranges(3, 7) == [(2, 3), (3, 4), (0, 2), (4, 7)]  # c, d, g, l
    assert proof.consistency_ranges(4, 7) == [(4, 7)]  # l
    assert proof.consistency_ranges(6, 7) == [(4, 6), (6, 7), (0, 4)]  # i, j, k


@pytest.mark.parametrize("size", range(1, 41))
def test_every_leaf_is_proven_to_be_where_it_is_and_nowhere_else(size: int) -> None:
    for leaf in range(size):
        found = path(proof.inclusion_ranges(leaf, size))
        assert proof.verify_inclusion(LEAVES[leaf], leaf, size, found, root(size))
        assert not proof.verify_inclusion(LEAVES[leaf], leaf, size, found, sha256().digest())
        assert not proof.verify_inclusion(sha256().digest(), leaf, size, found, root(size))
        assert not proof.verify_inclusion(LEAVES[leaf], leaf, size, [*found, LEAVES[0]], root(size))
        if size > 1:
            assert not proof.verify_inclusion(
                LEAVES[leaf], (leaf + 1) % size, size, found, root(size)
            )


@pytest.mark.parametrize("size", range(1, 41))
def test_every_tree_is_proven_to_continue_its_beginnings(size: int) -> None:
    for old in range(1, size + 1):
        found = path(proof.consistency_ranges(old, size))
        assert proof.verify_consistency(old, size, found, root(old), root(size))
        assert not proof.verify_consistency(old, size, found, sha256().digest(), root(size))
        assert not proof.verify_consistency(old, size, found, root(old), sha256().digest())
        if found:
            assert not proof.verify_consistency(old, size, found[:-1], root(old), root(size))


@pytest.mark.parametrize(("leaf", "size"), [(0, 0), (1, 1), (-1, 3)])
def test_a_leaf_that_is_not_there_has_no_proof(leaf: int, size: int) -> None:
    with pytest.raises(ValueError, match=f"a tree of {size} leaves has no leaf {leaf}"):
        proof.inclusion_ranges(leaf, size)
    assert not proof.verify_inclusion(LEAVES[0], leaf, size, [], LEAVES[0])


def test_completed_subtrees_stand_for_their_leaves() -> None:
    whole, frontier = Frontier(), Frontier()
    completed = [done for leaf in LEAVES[:22] for done in whole.append(leaf)]
    frontier.append(next(n.hash for n in completed if (n.height, n.number) == (4, 0)), 4)
    frontier.append(next(n.hash for n in completed if (n.height, n.number) == (2, 4)), 2)
    frontier.append(LEAVES[20])
    frontier.append(LEAVES[21])
    assert frontier == whole


def test_a_subtree_that_cannot_begin_there_is_refused() -> None:
    with pytest.raises(ValueError, match="a subtree of height 2 cannot begin at leaf 1"):
        Frontier(1, [LEAVES[0]]).append(LEAVES[1], 2)
