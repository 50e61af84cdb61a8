"""Who must have signed: thresholds of one keyset and of several, keys that may be revealed, and each refusal."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import NotYet, RefusedInput
from ledger.identity import ed25519
from ledger.identity.keyset import (
    Keyset,
    check_revealed,
    check_signatures,
    make_keyset,
    position_of,
    sign_entry_payload,
)
from ledger.identity.vkey import Vkey
from ledger.statements.entry import CURRENT, NEXT, RECOVERY, Entry, Signature, decode_entry, make_entry
from ledger.statements.statement import decode_statement, keyset_digest
from tests import reference
from tests.cases import logs
from tests.cases.samples import body_with, keyset, payload, some
from tests.reference import pack, pae, tagged

NAMES = ("k0", "k1", "k2", "k3")
STATEMENT = decode_statement(pack(payload("artifacts")))
OTHER = decode_statement(pack(payload("artifacts", seq=4)))


def of(threshold: int, *names: str) -> Keyset:
    return make_keyset([logs.public_key(name) for name in names], threshold)


def entry(*signatures: tuple[int, Keyset, str]) -> Entry:
    """STATEMENT with signatures of (keyset number, keyset, name of the key)."""
    made = [
        Signature(number, position_of(keys, logs.public_key(name)), logs.signature(name, STATEMENT.payload))
        for number, keys, name in signatures
    ]
    return make_entry(STATEMENT, made)


def code_of(signed: Entry, asked: dict[int, Keyset]) -> str:
    try:
        check_signatures(signed, asked)
    except RefusedInput as error:
        return error.code
    return ""


def test_a_made_keyset_is_canonical_and_its_digest_is_that_of_the_text() -> None:
    keys = of(2, *NAMES)
    decode_statement(pack(body_with("enrol", keyset=keys)))
    assert keys == logs.keys(*NAMES, threshold=2)
    assert keyset_digest(keys) == tagged("keyset", pack(keys))
    assert [position_of(keys, bytes(key)) for _algorithm, key in keys["keys"]] == [0, 1, 2, 3]


def test_a_key_that_is_not_in_the_keyset_has_no_position() -> None:
    with pytest.raises(RefusedInput) as caught:
        position_of(of(1, "k0"), logs.public_key("k1"))
    assert caught.value.code == "signature-invalid"


def test_signing_is_over_the_pre_authentication_encoding() -> None:
    seed = bytes(range(32))
    assert sign_entry_payload(seed, b"payload") == ed25519.sign(seed, pae(b"payload"))
    assert sign_entry_payload(seed, b"payload") != ed25519.sign(seed, b"payload")


@pytest.mark.parametrize("threshold", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_exactly_the_threshold_signs(threshold: int, count: int) -> None:
    """Every choice of `count` keys out of four."""
    keys = of(threshold, *NAMES)
    expected = "" if count == threshold else "signature-missing" if count < threshold else "signature-surplus"
    for chosen in combinations(NAMES, count):
        assert code_of(entry(*[(CURRENT, keys, name) for name in chosen]), {CURRENT: keys}) == expected


def test_nobody_signed() -> None:
    state = decode_entry(pack([pack(payload("state"))]))
    assert code_of(state, {CURRENT: of(1, "k0")}) == "signature-missing"


@given(st.integers(0, 63), st.integers(0, 7))
def test_every_bit_of_a_signature_counts(at: int, bit: int) -> None:
    keys = of(1, "k0")
    signature = bytearray(logs.signature("k0", STATEMENT.payload))
    signature[at] ^= 1 << bit
    broken = make_entry(STATEMENT, [Signature(CURRENT, 0, bytes(signature))])
    assert code_of(broken, {CURRENT: keys}) == "signature-invalid"


def test_a_signature_of_something_else() -> None:
    keys = of(1, "k0", "k1")
    of_other = Signature(
        CURRENT, position_of(keys, logs.public_key("k0")), logs.signature("k0", OTHER.payload)
    )
    assert code_of(make_entry(STATEMENT, [of_other]), {CURRENT: keys}) == "signature-invalid"
    bare = ed25519.sign(logs.private_key("k0").private_bytes_raw(), STATEMENT.payload)
    assert (
        code_of(make_entry(STATEMENT, [of_other._replace(signature=bare)]), {CURRENT: keys})
        == "signature-invalid"
    )
    exchanged = of_other._replace(
        key_index=1 - of_other.key_index, signature=logs.signature("k0", STATEMENT.payload)
    )
    assert code_of(make_entry(STATEMENT, [exchanged]), {CURRENT: keys}) == "signature-invalid"


def test_one_bad_signature_among_good_ones() -> None:
    keys = of(3, "k0", "k1", "k2")
    good = [(CURRENT, keys, name) for name in ("k0", "k1", "k2")]
    assert code_of(entry(*good), {CURRENT: keys}) == ""
    for position in range(3):
        signatures = list(entry(*good).signatures)
        signatures[position] = signatures[position]._replace(signature=bytes(64))
        assert code_of(make_entry(STATEMENT, signatures), {CURRENT: keys}) == "signature-invalid"


def test_an_unknown_key_index() -> None:
    keys = of(1, "k0")
    for index in range(1, 8):
        signed = make_entry(STATEMENT, [Signature(CURRENT, index, logs.signature("k0", STATEMENT.payload))])
        assert code_of(signed, {CURRENT: keys}) == "signature-invalid"


def test_a_keyset_that_is_not_asked_for() -> None:
    keys = of(1, "k0")
    for number in (NEXT, RECOVERY):
        assert code_of(entry((number, keys, "k0")), {CURRENT: keys}) == "signature-surplus"
        assert (
            code_of(entry((CURRENT, keys, "k0"), (number, keys, "k0")), {CURRENT: keys})
            == "signature-surplus"
        )


def test_several_keysets_are_each_asked_for_their_threshold() -> None:
    """As `rotate` asks when an algorithm is dropped (SPEC §7.2)."""
    now, then = of(1, "k0"), of(2, "k1", "k2", "k3")
    asked = {CURRENT: now, NEXT: then}
    both = [(CURRENT, now, "k0"), (NEXT, then, "k1"), (NEXT, then, "k3")]
    assert code_of(entry(*both), asked) == ""
    assert code_of(entry(*both[:2]), asked) == "signature-missing"
    assert code_of(entry(*both[1:]), asked) == "signature-missing"
    assert code_of(entry(*both, (NEXT, then, "k2")), asked) == "signature-surplus"
    assert code_of(entry(*both), {NEXT: then}) == "signature-surplus"


def test_a_signature_for_another_algorithm_than_the_keys() -> None:
    """2,420 bytes under an index whose key is ed25519."""
    signed = make_entry(STATEMENT, [Signature(CURRENT, 0, bytes(2420))])
    assert code_of(signed, {CURRENT: of(1, "k0")}) == "signature-invalid"


def test_thresholds_count_by_algorithm() -> None:
    """A keyset of both algorithms is well-formed; whoever asks for it needs signatures of both."""
    both = keyset(
        ("ed25519", logs.public_key("k0")), ("ml-dsa-44", some("ml-dsa") * 41), ed25519=1, ml_dsa_44=1
    )
    one = make_entry(STATEMENT, [Signature(CURRENT, 0, logs.signature("k0", STATEMENT.payload))])
    assert code_of(one, {CURRENT: both}) == "signature-missing"


def test_ml_dsa_is_not_yet() -> None:
    for keys in (
        keyset(("ml-dsa-44", some("ml-dsa") * 41), ml_dsa_44=1),
        keyset(
            ("ed25519", logs.public_key("k0")), ("ml-dsa-44", some("ml-dsa") * 41), ed25519=1, ml_dsa_44=1
        ),
    ):
        with pytest.raises(NotYet) as caught:
            check_revealed(keys)
        assert caught.value.code == "not-yet"


def refused_key(key: bytes) -> None:
    with pytest.raises(RefusedInput) as caught:
        check_revealed(keyset(("ed25519", key), ed25519=1))
    assert caught.value.code == "key-refused"
    assert caught.value.fix


def test_good_keys_may_be_revealed() -> None:
    check_revealed(of(1, *NAMES))
    assert all(reference.ed25519_is_prime_order(logs.public_key(name)) for name in NAMES)


def test_keys_of_low_or_mixed_order_and_no_keys_at_all() -> None:
    torsion, base = reference.ed25519_torsion(), reference.ed25519_base()
    for multiple in range(8):
        component = reference.ed25519_multiply(multiple, torsion)
        refused_key(reference.ed25519_encode(component))
        if multiple:
            mixed = reference.ed25519_encode(reference.ed25519_add(base, component))
            assert not reference.ed25519_is_prime_order(mixed)
            ed25519.check_public_key(mixed)  # no other check refuses it: the subgroup alone does
            refused_key(mixed)
    check_revealed(keyset(("ed25519", reference.ed25519_encode(base)), ed25519=1))
    refused_key((2).to_bytes(32, "little"))
    refused_key((2**255 - 19).to_bytes(32, "little"))


def test_a_mixed_key_signs_what_the_equation_accepts() -> None:
    """So the refusal where it is revealed is the only defence: its signatures hold."""
    key = reference.ed25519_mixed_order_key(logs.MIXED_SECRET)
    signature = reference.ed25519_sign_mixed(logs.MIXED_SECRET, b"words")
    assert reference.ed25519_verify(key, b"words", signature)
    assert ed25519.verify(key, b"words", signature)
    refused_key(key)


@given(st.binary(min_size=32, max_size=32))
def test_keys_are_refused_by_the_definition(key: bytes) -> None:
    if reference.ed25519_is_prime_order(key):
        check_revealed(keyset(("ed25519", key), ed25519=1))
    else:
        refused_key(key)


def test_a_vkey_has_one_spelling() -> None:
    """Each other spelling of one vkey is refused (SPEC §3.1); the sample is read and written as it stands."""
    text = logs.Script().vkey
    assert str(Vkey.parse(text)) == text
    name, key_id, encoded = text.split("+", 2)
    wrong = [
        f"{name}+{key_id.upper()}+{encoded}",
        f"{name}+{key_id}+{encoded}\n",
        f"{name}+{key_id}+{encoded}=",
        f" {text}",
        f"{name}+00000000+{encoded}",
        f"{name}x+{key_id}+{encoded}",
        f"{name}+{key_id[1:]}+{encoded}",
        f"{name}+{key_id}+{encoded[:-4]}",
        f"{name}+{key_id}",
    ]
    for other in wrong:
        with pytest.raises(RefusedInput) as caught:
            Vkey.parse(other)
        assert caught.value.code == "key-refused"
