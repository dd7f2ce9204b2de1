"""RFC 9162's trees and C2SP's checkpoints."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from delegation.audit import tree
from delegation.audit.checkpoint import (
    CheckpointRefused,
    Head,
    LogKey,
    log_key,
    read_checkpoint,
    sign_checkpoint,
)
from tests.delegation.audit.log import (
    KEY,
)


def naive(hashes: list[bytes]) -> bytes:
    """MTH of RFC 9162 §2.1.1, word for word."""
    if not hashes:
        return hashlib.sha256().digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return hashlib.sha256(b"\x01" + naive(hashes[:k]) + naive(hashes[k:])).digest()


class Grown:
    """A tree in memory, grown leaf by leaf as the sequencer does."""

    def __init__(self, size: int) -> None:
        self.hashes = [tree.leaf_hash(str(number).encode()) for number in range(size)]
        self.nodes: dict[tuple[int, int], bytes] = {}
        for number, hash_ in enumerate(self.hashes):
            self.nodes[0, number] = hash_
            for level, place, made in tree.completed(number, hash_, self):
                self.nodes[level, place] = made

    def __call__(self, level: int, number: int) -> bytes:
        return self.nodes[level, number]


def test_rfc9162_2_1_1_known_heads() -> None:
    inputs = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ]
    hashes = [tree.leaf_hash(bytes.fromhex(text)) for text in inputs]
    assert naive(hashes).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert naive(hashes[:1]).hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


@given(st.integers(1, 70), st.data())
def test_rfc9162_2_1_3_every_leaf_is_proven_and_no_other(size: int, data: st.DataObject) -> None:
    grown, index = Grown(size), data.draw(st.integers(0, size - 1))
    head = tree.root(grown, size)
    growing = tree.Growing()
    for hash_ in grown.hashes:
        growing.add(hash_)
    assert head == growing.root() == naive(grown.hashes)
    proof = tree.inclusion(grown, index, size)
    assert tree.includes(grown.hashes[index], index, size, proof, head)
    assert not tree.includes(tree.leaf_hash(b"other"), index, size, proof, head)
    assert not tree.includes(grown.hashes[index], index, size, [*proof, head], head)
    other = data.draw(st.integers(0, size - 1))
    assert tree.includes(grown.hashes[index], other, size, proof, head) is (other == index)


@given(st.integers(1, 70), st.integers(1, 70))
def test_rfc9162_2_1_4_a_longer_tree_continues_a_shorter(first: int, second: int) -> None:
    old, size = sorted((first, second))
    grown = Grown(size)
    heads = [tree.root(grown, old), tree.root(grown, size)]
    proof = tree.consistency(grown, old, size)
    assert tree.continues(old, heads[0], size, heads[1], proof)
    if old < size:
        assert not tree.continues(old, tree.leaf_hash(b"x"), size, heads[1], proof)
        assert not tree.continues(old, heads[0], size, tree.leaf_hash(b"x"), proof)


def test_c2sp_tlog_checkpoint_is_three_lines_and_a_signature() -> None:
    head = Head("ward.example/audit", 7, b"r" * 32)
    text = sign_checkpoint(head, KEY)
    assert text.startswith("ward.example/audit\n7\n" + "cnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI=\n\n— ")
    known = LogKey.parse(log_key(head.origin, KEY).text)
    assert read_checkpoint(text, [known]) == head
    stranger = log_key(head.origin, Ed25519PrivateKey.generate())
    for wrong, keys in [
        (text, [stranger]),
        (text.replace("\n7\n", "\n8\n"), [known]),
        (text.partition("—")[0], [known]),
        ("nonsense", [known]),
        (text, [log_key("other.example/audit", KEY)]),
    ]:
        with pytest.raises(CheckpointRefused):
            read_checkpoint(wrong, keys)


def test_rfc9162_2_1_1_a_subtree_passes_for_no_leaf_and_a_leaf_for_no_subtree() -> None:
    """What a leaf holds is hashed under another prefix than what a node joins."""
    grown = Grown(8)
    head, pair = tree.root(grown, 8), grown.hashes[0] + grown.hashes[1]
    proof = tree.inclusion(grown, 0, 8)
    assert tree.includes(
        grown.nodes[1, 0], 0, 4, proof[1:], head
    )  # of a tree of four pairs, if one believed it
    assert not tree.includes(tree.leaf_hash(pair), 0, 4, proof[1:], head)
    assert not tree.includes(tree.leaf_hash(pair), 0, 8, proof[1:], head)
    assert not tree.includes(grown.nodes[1, 0], 0, 8, proof[1:], head)
    assert not tree.includes(grown.hashes[0], 0, 8, proof[1:], head)


@given(st.integers(1, 40))
def test_rfc9162_2_1_1_a_last_leaf_that_is_repeated_makes_another_tree(size: int) -> None:
    heads = set()
    for hashes in (Grown(size).hashes, [*Grown(size).hashes, Grown(size).hashes[-1]]):
        growing = tree.Growing()
        for hash_ in hashes:
            growing.add(hash_)
        heads.add(growing.root())
    assert len(heads) == 2


@given(st.integers(-2, 40), st.integers(-2, 40), st.integers(1, 33), st.lists(st.integers(0, 5), max_size=8))
def test_rfc9162_2_1_3_no_made_up_proof_convinces_or_crashes(
    index: int, size: int, true_size: int, picks: list[int]
) -> None:
    grown = Grown(true_size)
    head, other = tree.root(grown, true_size), tree.leaf_hash(b"not in it")
    made = [(grown.hashes * 6)[pick] for pick in picks]
    assert not tree.includes(other, index, size, made, head)
    assert not tree.continues(index, other, size, head, made) or index == 0
