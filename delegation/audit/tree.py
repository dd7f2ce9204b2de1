"""Merkle trees (RFC 9162 §2.1). Pure.

A tree is given by its complete subtrees: `node(level, index)` is the hash over the leaves
`index * 2**level` up to the next multiple; level 0 is the leaves' own hashes.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

Node = Callable[[int, int], bytes]
EMPTY: Final = hashlib.sha256(b"").digest()


def leaf_hash(content: bytes) -> bytes:
    """The hash of a leaf (§2.1.1)."""
    return hashlib.sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees (§2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Growing:
    """The head of a tree that grows leaf by leaf, from its complete subtrees alone."""

    def __init__(self) -> None:
        self._stack: list[tuple[int, bytes]] = []

    def add(self, hash_: bytes) -> None:
        """Add a leaf's hash."""
        level = 0
        while self._stack and self._stack[-1][0] == level:
            hash_, level = node_hash(self._stack.pop()[1], hash_), level + 1
        self._stack.append((level, hash_))

    def root(self) -> bytes:
        """The head of the tree so far."""
        if not self._stack:
            return EMPTY
        hash_ = self._stack[-1][1]
        for _, left in reversed(self._stack[:-1]):
            hash_ = node_hash(left, hash_)
        return hash_


def _split(size: int) -> int:
    """The largest power of two smaller than `size`."""
    return 1 << (size - 1).bit_length() - 1


def _range(node: Node, first: int, end: int) -> bytes:
    size = end - first
    if size & (size - 1) == 0 and first % size == 0:
        level = size.bit_length() - 1
        return node(level, first >> level)
    middle = first + _split(size)
    return node_hash(_range(node, first, middle), _range(node, middle, end))


def root(node: Node, size: int) -> bytes:
    """The head of the tree of the first `size` leaves."""
    return _range(node, 0, size) if size else EMPTY


def completed(index: int, hash_: bytes, node: Node) -> list[tuple[int, int, bytes]]:
    """The complete subtrees that a new leaf at `index` closes, from the bottom.

    :returns: level, index and hash of each.
    """
    made, level = list[tuple[int, int, bytes]](), 0
    while index >> level & 1:
        hash_ = node_hash(node(level, (index >> level) - 1), hash_)
        level += 1
        made.append((level, index >> level, hash_))
    return made


def inclusion(node: Node, index: int, size: int) -> list[bytes]:
    """The proof that a leaf is in a tree (§2.1.3.1)."""

    def path(first: int, end: int) -> list[bytes]:
        if end - first == 1:
            return []
        middle = first + _split(end - first)
        if index < middle:
            return [*path(first, middle), _range(node, middle, end)]
        return [*path(middle, end), _range(node, first, middle)]

    return path(0, size)


def includes(content_hash: bytes, index: int, size: int, proof: Sequence[bytes], head: bytes) -> bool:
    """Verify such a proof (§2.1.3.2)."""
    if not 0 <= index < size:
        return False
    last, hash_ = size - 1, content_hash
    for sibling in proof:
        if last == 0:
            return False
        if index & 1 or index == last:
            hash_ = node_hash(sibling, hash_)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            hash_ = node_hash(hash_, sibling)
        index, last = index >> 1, last >> 1
    return last == 0 and hash_ == head


def consistency(node: Node, old: int, size: int) -> list[bytes]:
    """The proof that a tree of `size` leaves continues one of `old` (§2.1.4.1)."""

    def path(first: int, end: int, *, whole: bool) -> list[bytes]:
        if old == end:
            return [] if whole else [_range(node, first, end)]
        middle = first + _split(end - first)
        if old <= middle:
            return [*path(first, middle, whole=whole), _range(node, middle, end)]
        return [*path(middle, end, whole=False), _range(node, first, middle)]

    return path(0, size, whole=True) if 0 < old < size else []


def continues(old: int, old_head: bytes, size: int, head: bytes, proof: Sequence[bytes]) -> bool:
    """Verify such a proof (§2.1.4.2)."""
    if old == size:
        return not proof and old_head == head
    if not 0 < old < size or not proof:
        return old == 0 and not proof
    path = [old_head, *proof] if old & (old - 1) == 0 else list(proof)
    position, last = old - 1, size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    of_old = of_new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            of_old, of_new = node_hash(sibling, of_old), node_hash(sibling, of_new)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            of_new = node_hash(of_new, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and of_old == old_head and of_new == head
