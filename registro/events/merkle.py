"""Hashes of the log: commitments, leaves, and the RFC 6962 Merkle tree over them.

Sources: RFC 6962 section 2.1 (tree hash, domain separation by 0x00 and 0x01), RFC 8785 for the
bytes that are hashed. `0x02` keeps payload commitments apart from both kinds of tree hash.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import NamedTuple

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()


def commitment(salt: bytes, payload: bytes) -> bytes:
    """SHA-256(0x02 || salt || payload): binds a payload, and reveals nothing of an erased one."""
    return sha256(b"\x02" + salt + payload).digest()


def leaf(
    *,
    position: int,
    id: str,
    stream: str,
    version: int,
    type: str,
    schema: int,
    recorded_at: str,
    commitment: bytes,
) -> bytes:
    """SHA-256(0x00 || canonical(envelope)).

    The strings may hold only characters that JSON does not escape, which the log guarantees for
    what it stores; so the canonical object (keys in order) can be written directly.
    """
    return sha256(
        f'\0{{"commitment":"{commitment.hex()}","id":"{id}","position":{position},'
        f'"recorded_at":"{recorded_at}","schema":{schema},"stream":"{stream}",'
        f'"type":"{type}","version":{version}}}'.encode()
    ).digest()


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Node(NamedTuple):
    """The root of a complete subtree: the `number`-th (from 0) of those with 2^height leaves."""

    height: int
    number: int
    hash: bytes


class Frontier:
    """What has to be remembered of a growing tree: the roots of its complete subtrees.

    They are kept from the largest to the smallest, one for each bit that is set in `size`, so
    at most 64.
    """

    __slots__ = ("peaks", "size")
    __hash__ = None  # type: ignore[assignment]  # it changes

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size = size
        self.peaks = list(peaks)
        if len(self.peaks) != size.bit_count():
            raise ValueError(
                f"a tree of {size} leaves has {size.bit_count()} peaks, not {len(self.peaks)}"
            )

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> Frontier:
        """The inverse of `bytes(frontier)`; raises ValueError when the length does not fit."""
        if len(data) % HASH_SIZE:
            raise ValueError(f"a frontier is a multiple of {HASH_SIZE} bytes, not {len(data)}")
        return cls(size, (data[i : i + HASH_SIZE] for i in range(0, len(data), HASH_SIZE)))

    def __bytes__(self) -> bytes:
        return b"".join(self.peaks)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Frontier) and (self.size, self.peaks) == (other.size, other.peaks)

    def copy(self) -> Frontier:
        return Frontier(self.size, self.peaks)

    def append(self, hash_: bytes, height: int = 0) -> list[Node]:
        """Adds the next leaf, or a complete subtree of 2^height leaves where one fits.

        Returns the subtrees that it completes, from the lowest to the highest, itself among them.
        Raises ValueError where a subtree of that height cannot begin.
        """
        if self.size & ((1 << height) - 1):
            raise ValueError(f"a subtree of height {height} cannot begin at leaf {self.size}")
        completed = [Node(height, self.size >> height, hash_)]
        carry = self.size >> height
        while carry & 1:  # trailing ones are subtrees that it completes
            hash_ = node(self.peaks.pop(), hash_)
            height += 1
            carry >>= 1
            completed.append(Node(height, carry, hash_))
        self.peaks.append(hash_)
        self.size += 1 << completed[0].height
        return completed

    def root(self) -> bytes:
        """RFC 6962's MTH of all leaves so far."""
        if not self.peaks:
            return EMPTY_ROOT
        right_to_left: Iterator[bytes] = reversed(self.peaks)
        root = next(right_to_left)
        for peak in right_to_left:
            root = node(peak, root)
        return root


def tree_hash(leaves: Iterable[bytes]) -> bytes:
    """RFC 6962's MTH of a list of leaf hashes."""
    frontier = Frontier()
    for leaf_hash in leaves:
        frontier.append(leaf_hash)
    return frontier.root()
