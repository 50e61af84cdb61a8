"""Keysets: which keys must have signed (SPEC §7.1), and whether they did (SPEC §6, §8.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ledger.errors import NotYet, RefusedInput
from ledger.identity import ed25519
from ledger.statements import codec, words
from ledger.statements.entry import CURRENT, Entry, Signature
from ledger.statements.statement import pre_authentication_encoding

Keyset = dict[str, Any]  # {"keys": [[algorithm, public key], ...], "thresholds": {algorithm: number}}

KEYSET_NAMES = ("current", "next", "recovery")


def make_keyset(public_keys: list[bytes], threshold: int = 1) -> Keyset:
    """A keyset of Ed25519 keys of which `threshold` must sign."""
    keys = sorted((["ed25519", key] for key in public_keys), key=codec.encode)
    return {"keys": keys, "thresholds": {"ed25519": threshold}}


def check_revealed(keyset: Keyset) -> None:
    """Whether every key of a keyset may be used, asked once, where it is revealed (SPEC §6.1).

    Raises NotYet for an algorithm that is specified only, RefusedInput `key-refused` for a bad key.
    A key of mixed order signs what two right verifiers read differently, so it is refused here for good.
    """
    for algorithm, key in keyset["keys"]:
        if algorithm not in words.ALGORITHMS_BUILT:
            raise NotYet("not-yet", algorithm, "this version does not verify it", "Use ed25519.")
        ed25519.check_public_key(key)
        ed25519.check_prime_order(key)


def check_signatures(entry: Entry, asked: Mapping[int, Keyset]) -> None:
    """Whether `entry` is signed to the thresholds of every keyset asked for, and by nobody else.

    `asked` maps CURRENT, NEXT, RECOVERY to a keyset whose keys were checked when they were revealed.
    Raises RefusedInput `signature-missing`, `signature-surplus` or `signature-invalid`.
    """
    signatures = entry.signatures
    message = pre_authentication_encoding(entry.statement.payload)
    if len(signatures) == 1 == len(asked):  # most often, and one that is asked for alone needs no count
        (alone,) = signatures
        algorithm, key = _key_of(alone, asked)
        if asked[alone.keyset]["thresholds"] == {algorithm: 1}:
            _check_signature(alone, key, message)
            return
    named = [_key_of(signature, asked) for signature in signatures]
    _check_counts(entry, [algorithm for algorithm, _ in named], asked)
    for signature, (_, key) in zip(signatures, named, strict=True):
        _check_signature(signature, key, message)


def _check_signature(signature: Signature, key: bytes, message: bytes) -> None:
    if not ed25519.verify(key, message, signature.signature):
        raise RefusedInput(
            "signature-invalid",
            f"signature of {KEYSET_NAMES[signature.keyset]} key {signature.key_index}",
            "it does not hold over this payload",
            "Sign the same bytes again with the key of that index.",
        )


def _check_counts(entry: Entry, algorithms: list[str], asked: Mapping[int, Keyset]) -> None:
    """Whether there are as many signatures by each keyset and algorithm as are asked for."""
    counts: dict[tuple[int, str], int] = {}
    for signature, algorithm in zip(entry.signatures, algorithms, strict=True):
        counts[signature.keyset, algorithm] = counts.get((signature.keyset, algorithm), 0) + 1
    for code, keyset in asked.items():
        for algorithm, threshold in keyset["thresholds"].items():
            _check_count(code, algorithm, counts.get((code, algorithm), 0), threshold)


def signing_keys(entry: Entry, current: Keyset) -> tuple[bytes, ...]:
    """The public keys of the current keyset that signed an entry in order."""
    keys = current["keys"]
    if len(entry.signatures) == 1:  # most often
        (alone,) = entry.signatures
        return (bytes(keys[alone.key_index][1]),) if alone.keyset == CURRENT else ()
    return tuple(bytes(keys[item.key_index][1]) for item in entry.signatures if item.keyset == CURRENT)


def _key_of(signature: Signature, asked: Mapping[int, Keyset]) -> tuple[str, bytes]:
    if signature.keyset not in asked:
        raise RefusedInput(
            "signature-surplus",
            f"signature of a {KEYSET_NAMES[signature.keyset]} key",
            "this statement asks for no signature of that keyset",
            "Leave it out.",
        )
    keys = asked[signature.keyset]["keys"]
    if signature.key_index >= len(keys):
        raise RefusedInput(
            "signature-invalid",
            f"signature of {KEYSET_NAMES[signature.keyset]} key {signature.key_index}",
            f"the keyset has {len(keys)} keys",
            "Name the index of the key that signed.",
        )
    algorithm, key = keys[signature.key_index]
    return str(algorithm), bytes(key)


def _check_count(code: int, algorithm: str, count: int, threshold: int) -> None:
    where = f"{algorithm} signatures of the {KEYSET_NAMES[code]} keyset"
    if count < threshold:
        raise RefusedInput(
            "signature-missing", where, f"{count} of {threshold} are there", "Let more of its keys sign."
        )
    if count > threshold:
        raise RefusedInput(
            "signature-surplus", where, f"{count} are there, {threshold} are asked for", "Leave the rest out."
        )


def sign_entry_payload(seed: bytes, payload: bytes) -> bytes:
    """The Ed25519 signature of a payload (SPEC §6); `seed` has 32 bytes."""
    return ed25519.sign(seed, pre_authentication_encoding(payload))


def position_of(keyset: Keyset, public_key: bytes) -> int:
    """The index of an Ed25519 key in its keyset. Raises RefusedInput if it is not there."""
    for position, (_algorithm, key) in enumerate(keyset["keys"]):
        if key == public_key:
            return position
    raise RefusedInput(
        "signature-invalid", "key", "it is not in the keyset in force", "Sign with a current key."
    )
