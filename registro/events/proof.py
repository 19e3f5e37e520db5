"""Proofs over the Merkle tree: that a leaf is in it, and that one tree continues another.

Source: RFC 9162 sections 2.1.3 and 2.1.4 (the same proofs as RFC 6962's, with the algorithms to
verify them). Leaves are counted from 0 here, as there; position p of the log is leaf p - 1.
"""

from __future__ import annotations

from collections.abc import Sequence

from registro.events.merkle import Frontier, Node, node

Range = tuple[int, int]
"""Leaves from the first number up to, not including, the second."""


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_ranges(leaf: int, size: int) -> list[Range]:
    """The subtrees whose hashes prove that a leaf is in a tree of `size`, from the leaf upwards."""
    if not 0 <= leaf < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {leaf}")
    ranges: list[Range] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if leaf < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(old: int, size: int) -> list[Range]:
    """The subtrees whose hashes prove that a tree of `size` begins with the tree of `old`."""
    if not 0 < old <= size:
        raise ValueError(f"a tree of {size} leaves does not begin with one of {old}")
    ranges: list[Range] = []
    start, end, whole = 0, size, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start, whole = middle, False
    if not whole:
        ranges.append((start, end))
    return ranges[::-1]


def verify_inclusion(
    leaf_hash: bytes, leaf: int, size: int, path: Sequence[bytes], root: bytes
) -> bool:
    """RFC 9162, 2.1.3.2."""
    if not 0 <= leaf < size:
        return False
    fn, sn, computed = leaf, size - 1, leaf_hash
    for sibling in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            computed = node(sibling, computed)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            computed = node(computed, sibling)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and computed == root


def verify_consistency(
    old: int, size: int, path: Sequence[bytes], old_root: bytes, root: bytes
) -> bool:
    """RFC 9162, 2.1.4.2."""
    if old == size:
        return not path and old_root == root
    if not 0 < old < size:
        return False
    hashes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    fn, sn = old - 1, size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    if not hashes:
        return False
    of_old = of_new = hashes[0]
    for sibling in hashes[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            of_old, of_new = node(sibling, of_old), node(sibling, of_new)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            of_new = node(of_new, sibling)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and of_old == old_root and of_new == root


def range_hash(start: int, end: int, parts: Sequence[Node]) -> bytes:
    """The hash of a range of a tree from its complete subtrees, given from left to right.

    The range is one that the functions above name: it begins where a subtree of its size may.
    """
    frontier = Frontier()
    for part in parts:
        if (part.number << part.height) - start != frontier.size:
            raise ValueError(f"subtree {part.number} of height {part.height} does not come next")
        frontier.append(part.hash, part.height)
    if frontier.size != end - start:
        raise ValueError(f"the parts hold {frontier.size} leaves of {end - start}")
    return frontier.root()
