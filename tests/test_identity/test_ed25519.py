"""One rule for Ed25519: three implementations agree on every published edge case, each defence alone matters."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import InvariantBroken, RefusedInput
from ledger.identity import ed25519
from tests import reference
from tests.shared import vectors

Library = Callable[[bytes, bytes, bytes], bool]
UseLibrary = Callable[[Library], None]

SEED = bytes(range(32))
Y_MASK = (1 << 255) - 1


class Case(NamedTuple):
    key: bytes
    message: bytes
    signature: bytes
    flags: frozenset[str]
    verdict: bool | None  # where the source gives one


@cache
def cctv() -> tuple[Case, ...]:
    rows = json.loads(vectors("C2SP-CCTV/ed25519vectors.json").read_text())
    return tuple(
        Case(
            bytes.fromhex(row["key"]),
            row["msg"].encode(),
            bytes.fromhex(row["sig"]),
            frozenset(row["flags"] or ()),
            None,
        )
        for row in rows
    )


@cache
def wycheproof() -> tuple[Case, ...]:
    groups = json.loads(vectors("wycheproof/ed25519_test.json").read_text())["testGroups"]
    return tuple(
        Case(
            bytes.fromhex(group["publicKey"]["pk"]),
            bytes.fromhex(test["msg"]),
            bytes.fromhex(test["sig"]),
            frozenset(test["flags"]),
            test["result"] == "valid",
        )
        for group in groups
        for test in group["tests"]
    )


def openssl(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def credulous(key: bytes, message: bytes, signature: bytes) -> bool:
    """A library without any check of its own: what is still refused, our own checks refused."""
    return True


@pytest.fixture
def use_library(monkeypatch: pytest.MonkeyPatch) -> UseLibrary:
    def use(library: Library) -> None:
        ed25519._require_cofactorless_library()  # else the stand-in would be asked
        monkeypatch.setattr(ed25519, "_library_accepts", library)

    return use


def valid(cases: tuple[Case, ...]) -> list[bool]:
    return [ed25519.verify(case.key, case.message, case.signature) for case in cases]


def test_three_implementations_agree_on_every_published_case(use_library: UseLibrary) -> None:
    assert (len(cctv()), len(wycheproof())) == (914, 151)
    cases = cctv() + wycheproof()
    by_sodium = valid(cases)
    by_definition = [reference.ed25519_verify(case.key, case.message, case.signature) for case in cases]
    use_library(openssl)
    by_openssl = valid(cases)
    assert by_sodium == by_definition
    assert by_openssl == by_definition
    assert (sum(by_sodium[:914]), sum(by_sodium[914:])) == (43, 88)


def test_wycheproof_verdicts_are_ours() -> None:
    assert valid(wycheproof()) == [case.verdict for case in wycheproof()]


def test_openssl_alone_has_another_rule() -> None:
    """Why the explicit checks exist: without them two libraries disagree on 165 published cases."""
    alone = [openssl(case.key, case.message, case.signature) for case in cctv()]
    assert sum(alone) == 208


def y_of(encoded: bytes) -> int:
    return int.from_bytes(encoded, "little") & Y_MASK


def is_low_order(encoded: bytes) -> bool:
    """By definition, of the point that a lenient decoder reads: y modulo p, the sign of zero ignored."""
    y = y_of(encoded) % reference.ED25519_P
    point = reference.ed25519_decode(y.to_bytes(32, "little"))
    return point is not None and reference.ed25519_is_low_order(point)


def only_fault(case: Case) -> str:
    """The one check of ours that refuses the case; empty if none or several do."""
    commitment, s = case.signature[:32], int.from_bytes(case.signature[32:], "little")
    faults = {
        "key not below p": y_of(case.key) >= reference.ED25519_P,
        "key of low order": y_of(case.key) < reference.ED25519_P and is_low_order(case.key),
        "R not below p": y_of(commitment) >= reference.ED25519_P,
        "R of low order": y_of(commitment) < reference.ED25519_P and is_low_order(commitment),
        "S not below L": s >= reference.ED25519_L,
    }
    found = [name for name, holds in faults.items() if holds]
    return found[0] if len(found) == 1 else ""


@pytest.mark.parametrize(
    ("fault", "published"),
    [
        ("key not below p", 80),
        ("key of low order", 142),
        ("R not below p", 120),
        ("R of low order", 174),
        ("S not below L", 11),
    ],
)
def test_each_defence_refuses_what_nothing_else_would(
    fault: str, published: int, use_library: UseLibrary
) -> None:
    use_library(credulous)
    cases = [
        case for case in cctv() + wycheproof() if len(case.signature) == 64 and only_fault(case) == fault
    ]
    assert len(cases) == published
    assert not any(valid(tuple(cases)))


def test_the_credulous_library_is_asked_when_no_check_refuses(use_library: UseLibrary) -> None:
    """The test above would pass if `verify` refused everything."""
    use_library(credulous)
    assert ed25519.verify(ed25519.public_key(SEED), b"anything", ed25519.sign(SEED, b"something else"))


def test_low_order_table_is_the_whole_torsion() -> None:
    """The 8 points with 8·P = 0, from a generator of them; two more encodings put a sign on x = 0."""
    torsion = torsion_generator()
    encodings = {
        reference.ed25519_encode(reference.ed25519_multiply(multiple, torsion)) for multiple in range(8)
    }
    assert len(encodings) == 8
    signed = {
        (y_of(encoding) | sign << 255).to_bytes(32, "little") for encoding in encodings for sign in (0, 1)
    }
    assert signed == ed25519._LOW_ORDER


def torsion_generator() -> reference.EdPoint:
    for y in range(2, 100):
        point = reference.ed25519_decode(y.to_bytes(32, "little"))
        if point is None:
            continue
        torsion = reference.ed25519_multiply(reference.ED25519_L, point)
        four = reference.ed25519_multiply(4, torsion)
        if reference.ed25519_encode(four) != reference.ed25519_encode(reference.ED25519_IDENTITY):
            return torsion
    raise ArithmeticError("half of all points have a component of order 8")


def non_canonical_keys() -> list[bytes]:
    p = reference.ED25519_P
    return [(y | sign << 255).to_bytes(32, "little") for y in range(p, 2**255) for sign in (0, 1)]


@pytest.mark.parametrize(
    ("keys", "count", "reason"),
    [
        (non_canonical_keys(), 38, "is not canonical"),
        (sorted(ed25519._LOW_ORDER), 10, "is of low order"),
        ([(2).to_bytes(32, "little")], 1, "is no point of the curve"),
        ([b"", bytes(31), bytes(33)], 3, "bytes, not 32"),
    ],
    ids=["non-canonical", "low order", "no point", "size"],
)
def test_a_bad_key_is_refused_where_it_is_revealed(keys: list[bytes], count: int, reason: str) -> None:
    assert len(keys) == count
    for key in keys:
        with pytest.raises(RefusedInput, match=reason) as refusal:
            ed25519.check_public_key(key)
        assert refusal.value.code == "key-refused"
        assert refusal.value.fix
        assert not ed25519.verify(key, b"", bytes(64))


@given(st.binary(min_size=32, max_size=32))
@settings(max_examples=300, deadline=None)
def test_keys_are_refused_by_the_definition(encoded: bytes) -> None:
    point = reference.ed25519_decode(encoded)
    refused = point is None or reference.ed25519_is_low_order(point)
    if refused:
        with pytest.raises(RefusedInput):
            ed25519.check_public_key(encoded)
    else:
        ed25519.check_public_key(encoded)


def test_a_key_of_mixed_order_is_not_refused() -> None:
    """The rule asks for no subgroup check; its own probe key has a component of order 8."""
    ed25519.check_public_key(ed25519._PROBE_KEY)


def test_a_key_is_judged_once() -> None:
    key = ed25519.public_key(b"\x07" * 32)
    ed25519.check_public_key(key)
    before = ed25519._key_fault.cache_info()
    assert ed25519.verify(key, b"words", ed25519.sign(b"\x07" * 32, b"words"))
    after = ed25519._key_fault.cache_info()
    assert (after.hits - before.hits, after.misses - before.misses) == (1, 0)


def test_a_library_with_a_cofactor_is_never_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def cofactored(key: bytes, message: bytes, signature: bytes) -> bool:
        return reference.ed25519_verify(key, message, signature, cofactor=8)

    probe = (ed25519._PROBE_KEY, ed25519._PROBE_MESSAGE, ed25519._PROBE_SIGNATURE)
    assert cofactored(*probe)
    assert not reference.ed25519_verify(*probe)
    good = ed25519.public_key(SEED), b"words", ed25519.sign(SEED, b"words")
    monkeypatch.setattr(ed25519, "_library_accepts", cofactored)
    ed25519._require_cofactorless_library.cache_clear()
    ed25519._key_fault.cache_clear()
    try:
        for _attempt in range(2):  # the refusal to work is not remembered as a pass
            with pytest.raises(InvariantBroken, match="cofactor"):
                ed25519.verify(*good)
    finally:
        ed25519._require_cofactorless_library.cache_clear()


@pytest.mark.parametrize("size", [0, 63, 65, 128])
def test_a_signature_of_another_size_is_invalid(size: int, use_library: UseLibrary) -> None:
    use_library(credulous)
    signature = (ed25519.sign(SEED, b"words") * 2)[:size]
    assert not ed25519.verify(ed25519.public_key(SEED), b"words", signature)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_seed_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(RefusedInput, match=f"has {size} bytes") as refusal:
        ed25519.public_key(bytes(size))
    assert refusal.value.code == "key-refused"
    with pytest.raises(RefusedInput, match=f"has {size} bytes"):
        ed25519.sign(bytes(size), b"")


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.integers(0, 8 * 64 - 1))
@settings(max_examples=100, deadline=None)
def test_signatures_are_those_of_rfc_8032_and_no_flipped_bit_passes(
    seed: bytes, message: bytes, bit: int
) -> None:
    key, signature = ed25519.public_key(seed), ed25519.sign(seed, message)
    other = Ed25519PrivateKey.from_private_bytes(seed)
    assert (key, signature) == (other.public_key().public_bytes_raw(), other.sign(message))
    assert ed25519.verify(key, message, signature)
    assert not ed25519.verify(key, message + b"\x00", signature)
    flipped = bytearray(signature)
    flipped[bit // 8] ^= 1 << bit % 8
    assert not ed25519.verify(key, message, bytes(flipped))


def test_s_plus_l_is_no_second_signature(use_library: UseLibrary) -> None:
    """The classic malleability: (R, S + L) satisfies the equation as (R, S) does."""
    signature = ed25519.sign(SEED, b"words")
    second = int.from_bytes(signature[32:], "little") + reference.ED25519_L
    use_library(credulous)
    assert not ed25519.verify(
        ed25519.public_key(SEED), b"words", signature[:32] + second.to_bytes(32, "little")
    )
