"""Status proofs (SPEC §11.2), written by hand, each with the root that it leads to: good ones, and one broken rule each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from tests.reference import prefix_multiproof, prefix_root

Wanted = dict[bytes, bytes | None]

ZERO = bytes(32)


class StatusCase(NamedTuple):
    """What is said of which keys under a root, and the proof. Of bad ones `code`."""

    name: str
    what: str
    root: bytes
    wanted: Wanted
    proof: bytes
    code: str = ""


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def key_of(*bits: int) -> bytes:
    """The key whose set bits are `bits`."""
    return sum(1 << (255 - bit) for bit in bits).to_bytes(32, "big")


def leads_to(wanted: Wanted, proof: bytes) -> bytes:
    """The root that `proof` leads to for a reader who asks nothing."""
    left_over = proof

    def take(count: int) -> bytes:
        nonlocal left_over
        taken, left_over = left_over[:count], left_over[count:]
        return taken

    def subtree(keys: list[bytes]) -> bytes:
        if not keys:
            return take(32)
        tag = take(1)
        if tag == b"\x03":
            valued = [key for key in keys if wanted[key]] or keys
            return sha(b"\x02" + valued[-1] + (wanted[valued[-1]] or b""))
        if tag == b"\x04":
            return sha(b"\x02" + take(64))
        if tag not in {b"\x01", b"\x02"}:
            return sha(b"\x04")
        depth = take(1)[0]
        whole = int.from_bytes(keys[0], "big") >> (256 - depth) << (256 - depth)
        shown = whole.to_bytes(32, "big") if tag == b"\x01" else take(32)
        low = int.from_bytes(shown, "big") >> (256 - depth) << (256 - depth)
        if tag == b"\x02":
            keys = [key for key in keys if low <= int.from_bytes(key, "big") < low + (1 << (256 - depth))]
        to_the_left = [key for key in keys if int.from_bytes(key, "big") < low + (1 << (255 - depth))]
        left = subtree(to_the_left)
        return sha(b"\x03" + bytes([depth]) + shown + left + subtree(keys[len(to_the_left) :]))

    return subtree(sorted(wanted))


def to_node(depth: int) -> bytes:
    return b"\x01" + bytes([depth])


def aside(depth: int, shown: bytes) -> bytes:
    return b"\x02" + bytes([depth]) + shown


def leaf(key: bytes) -> bytes:
    return b"\x04" + key + ZERO


A, B = key_of(1), key_of(1, 2)  # they share two bits: 01|0, 01|1
SIDE = b"\x55" * 32
UNSOUND: dict[str, tuple[Wanted, bytes]] = {
    "a depth twice": ({A: None}, to_node(3) + to_node(3) + leaf(key_of(1, 9)) + SIDE * 2),
    "a depth that descends": ({A: None}, to_node(3) + to_node(2) + leaf(key_of(1, 9)) + SIDE * 2),
    "a depth twice, of a node that the keys do not pass": (
        {A: None},
        to_node(3) + aside(3, key_of(1, 2)) + SIDE * 3,
    ),
    "a depth twice, of keys that go together": (
        {A: None, key_of(1, 9): None},
        to_node(2) + to_node(2) + leaf(key_of(1, 5)) + SIDE * 2,
    ),
    "keys that do not have the prefix that is not written": (
        {ZERO: None, key_of(0, 1): None},
        to_node(1) + leaf(key_of(9)) + leaf(key_of(0, 1, 9)),
    ),
    "a prefix with a bit at its depth": ({A: None}, aside(4, key_of(0, 4)) + SIDE * 2),
    "a prefix with a bit behind its depth": ({A: None}, aside(4, key_of(0, 255)) + SIDE * 2),
    "a prefix that differs only behind its depth": ({A: None}, aside(4, key_of(1, 255)) + SIDE * 2),
    "a prefix that differs before the last depth": (
        {A: None},
        to_node(3) + aside(6, key_of(2)) + SIDE * 3,
    ),
    "a prefix that differs in the last depth's bit": (
        {A: None},
        to_node(3) + aside(6, key_of(1, 3)) + SIDE * 3,
    ),
    "a prefix is written that the only key has": ({A: None}, aside(2, A) + leaf(key_of(1, 9)) + SIDE),
    "a prefix is written that all keys have": (
        {A: None, B: None},
        aside(2, A) + leaf(key_of(1, 9)) + leaf(key_of(1, 2, 9)),
    ),
    "a value beside a prefix": ({A: SIDE, B: None}, aside(4, B) + leaf(key_of(1, 2, 9)) + SIDE),
    "a value before a prefix": ({A: SIDE}, aside(4, B) + SIDE * 2),
    "no value on a leaf of a wanted key": ({A: None, B: None}, b"\x03"),
    "two values on one leaf": ({A: SIDE, B: SIDE}, b"\x03"),
    "a value on the leaf of another": ({A: SIDE}, leaf(key_of(1, 9))),
    "one of two has a value, on the leaf of another": ({A: None, B: SIDE}, leaf(key_of(1, 9))),
    "a value in the empty tree": ({A: SIDE}, b"\x05"),
    "a leaf outside the way": ({A: None}, to_node(3) + leaf(key_of(2)) + SIDE),
    "a leaf on the other side of the last depth": ({A: None}, to_node(3) + leaf(key_of(1, 3)) + SIDE),
    "a key is absent by its own leaf": ({A: None}, leaf(A)),
    "one of two keys is absent by its own leaf": ({A: None, B: None}, leaf(B)),
    "the empty tree below a node": ({A: None}, to_node(3) + b"\x05" + SIDE),
    "the empty tree to the right": ({A: None, B: None}, to_node(2) + leaf(key_of(1, 9)) + b"\x05"),
    "a tag of no subtree": ({A: None}, b"\x00"),
    "a tag behind the last": ({A: None, B: None}, b"\x06"),
    "a hash is cut short": ({A: None}, to_node(3) + leaf(key_of(1, 9)) + SIDE[1:]),
    "a hash to the left is cut short": ({key_of(0): None}, to_node(0) + SIDE[1:]),
    "a leaf is cut short": ({A: None}, leaf(key_of(1, 9))[:-1]),
    "a hash is cut short, where no key leads": ({A: None}, (aside(4, B) + SIDE * 2)[:-1]),
    "a hash is cut short beside two keys": (
        {A: None, B: None},
        (to_node(0) + to_node(2) + leaf(key_of(1, 9)) + leaf(key_of(1, 2, 9)) + SIDE)[:-1],
    ),
    "a byte too many": ({A: None}, leaf(key_of(1, 9)) + b"\x00"),
    "a byte too many behind a node": (
        {A: None, B: None},
        to_node(2) + leaf(key_of(1, 9)) + leaf(key_of(1, 2, 9)) + b"\x05",
    ),
}
SOUND: dict[str, tuple[Wanted, bytes]] = {
    "a key leads on alone to the leaf of another": (
        {A: None},
        to_node(2) + to_node(3) + leaf(key_of(1, 9)) + SIDE * 2,
    ),
    "a key ends beside a prefix": ({A: None}, to_node(3) + aside(6, key_of(1, 4)) + SIDE * 3),
    "one of two keys ends beside a prefix": ({A: SIDE, B: None}, aside(4, A) + b"\x03" + SIDE),
    "a leaf is that of one of two keys": ({A: SIDE, B: None}, b"\x03"),
    "two keys part at a node": ({A: None, B: None}, to_node(2) + leaf(key_of(1, 9)) + leaf(key_of(1, 2, 9))),
    "two keys part below a node": (
        {A: None, B: None},
        to_node(0) + to_node(2) + leaf(key_of(1, 9)) + leaf(key_of(1, 2, 9)) + SIDE,
    ),
    "the empty tree": ({A: None}, b"\x05"),
    "no key is asked for": ({}, SIDE),
}


def _name(what: str) -> str:
    return "-".join(what.replace(",", "").replace("'", "").split())


def legal() -> Iterator[StatusCase]:
    """By hand, of trees of which only a part is there; and of whole trees, by the definition."""
    for what, (wanted, proof) in SOUND.items():
        yield StatusCase(f"status/good-{_name(what)}", what, leads_to(wanted, proof), wanted, proof)
    for size in (1, 2, 7, 40):
        chosen = Random(size)
        entries = {sha(b"key %d" % number): sha(b"value %d" % number) for number in range(size)}
        present = chosen.sample(sorted(entries), (size + 1) // 2)
        asked = {*present, *(sha(b"absent %d" % number) for number in range(size))}
        wanted = {key: entries.get(key) for key in sorted(asked)}
        what = f"half of the keys of a tree of {size}, and as many that are not in it"
        proof = prefix_multiproof(entries, asked)
        yield StatusCase(f"status/good-tree-of-{size}", what, prefix_root(entries), wanted, proof)


def refused() -> Iterator[StatusCase]:
    """Each breaks one rule; but for that it leads to its root."""
    for what, (wanted, proof) in UNSOUND.items():
        root = leads_to(wanted, proof)
        yield StatusCase(f"status/bad-{_name(what)}", what, root, wanted, proof, "status-invalid")
    wanted, proof = SOUND["two keys part at a node"]
    yield StatusCase("status/bad-root", "another root", SIDE, wanted, proof, "status-invalid")
