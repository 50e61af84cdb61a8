"""Ed25519 under one rule, whatever library verifies (SPEC §6.1).

A signature (R, S) by A over M is valid if and only if

    encode(S·B - k·A) = R, byte for byte, with k = SHA-512(R ‖ A ‖ M)        (no cofactor)

and A is the canonical encoding of a point that is not of low order, R is canonical and not of low
order, and S < L. RFC 8032 §5.1.7 leaves the first three open, so that libraries differ on edge cases; two
verifiers that differ could be shown two histories. A low-order A signs any message; S ≥ L and other encodings
of R give a second signature for the same words; a cofactor lets the batch and the single verifier disagree.

The library's own checks may change with its version. What can be read off the bytes is therefore checked
here, before the library is asked, and what cannot be (the missing cofactor) is asked of the library once, with
a signature that only a cofactored verifier accepts. A batch verifier never decides.

libsodium runs without the interpreter lock, so verification scales with threads.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Final

from nacl.bindings import (
    crypto_core_ed25519_is_valid_point,
    crypto_sign,
    crypto_sign_open,
    crypto_sign_seed_keypair,
)
from nacl.exceptions import BadSignatureError

from ledger.errors import InvariantBroken, RefusedInput
from ledger.spec import KEY_BYTES, SIGNATURE_BYTES

SEED_BYTES: Final = 32  # an RFC 8032 private key

_P: Final = 2**255 - 19  # the field
_L: Final = 2**252 + 27742317777372353535851937790883648493  # order of the base point
_D: Final = -121665 * pow(121666, -1, _P) % _P  # curve: -x² + y² = 1 + d·x²·y²
_SIGN_BIT: Final = 1 << 255
_Y_MASK: Final = _SIGN_BIT - 1
_Y_OF_ORDER_8: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7

# Every encoding below p of a point whose order divides 8, with either sign bit; so the two that no canonical
# encoder writes (x = 0, sign set) are here too. Encodings with y ≥ p are refused by comparison.
_LOW_ORDER: Final = frozenset(
    (y | sign).to_bytes(KEY_BYTES, "little")
    for y in (0, 1, _P - 1, _Y_OF_ORDER_8, _P - _Y_OF_ORDER_8)
    for sign in (0, _SIGN_BIT)
)

# A = a·B + T with T of order 8, R = r·B, S = r + k·a: S·B - k·A differs from R by -k·T, which a cofactor hides.
_PROBE_KEY: Final = bytes.fromhex("bf11b49e1d1dfbc52997e409f3c04b22442f603052005eda8716c9e4a5b2bd66")
_PROBE_MESSAGE: Final = b"lineage ledger: a cofactored verifier accepts this"
_PROBE_SIGNATURE: Final = bytes.fromhex(
    "1e3a41dcfb67a834f6fcd5ca31f8c7de3cfa151efb9bdff98f64025f8062d71d"
    "099c8ba2a66665b8afbfab8e40fd25200dcb81f85bb77125270ab6169fc90f01"
)

_KEYS_REMEMBERED: Final = 65_536  # verdicts on keys, about 200 bytes each


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """True if and only if `signature` (64 bytes) by `public_key` (32 bytes) over `message` is valid by the rule.

    Wrong sizes and refused keys are False: these bytes come from strangers. Raises InvariantBroken if the
    installed library applies the cofactor.
    """
    if len(signature) != SIGNATURE_BYTES or _key_fault(public_key):
        return False
    commitment = signature[:32]
    # The last byte of each number tells most often that it lies below: y below 127 · 2^248, S below 2^252.
    if (
        commitment in _LOW_ORDER
        or (signature[31] & 0x7F == 0x7F and int.from_bytes(commitment, "little") & _Y_MASK >= _P)
        or (signature[63] >= 0x10 and int.from_bytes(signature[32:], "little") >= _L)
    ):
        return False
    return _library_accepts(public_key, message, signature)


def check_public_key(key: bytes) -> None:
    """Refuse a key that may not be revealed: wrong size, non-canonical, no point of the curve, or of low order.

    Raises RefusedInput "key-refused". The verdict is remembered, so that `verify` does not work it out again.
    """
    fault = _key_fault(key)
    if fault:
        raise RefusedInput(
            "key-refused",
            f"Ed25519 public key {key.hex()[:64]}",
            fault,
            "Make a new key pair; this one is unsafe.",
        )


def check_prime_order(key: bytes) -> None:
    """Refuse a key outside the subgroup of order L, where it is revealed (SPEC §6.1). Raises RefusedInput "key-refused"."""
    if not crypto_core_ed25519_is_valid_point(key):
        raise RefusedInput(
            "key-refused",
            f"Ed25519 public key {key.hex()[:64]}",
            "it does not lie in the subgroup of prime order",
            "Make a new key pair; this one is unsafe.",
        )


def public_key(seed: bytes) -> bytes:
    """The public key (32 bytes) of an RFC 8032 private key (32 bytes). Raises RefusedInput on another size."""
    return _key_pair(seed)[0]


def sign(seed: bytes, message: bytes) -> bytes:
    """The one signature (64 bytes) of `seed` (32 bytes) over `message`. Raises RefusedInput on another size.

    The public key is derived each time: a signer that takes it from its caller can be made to give its secret away.
    """
    return crypto_sign(message, _key_pair(seed)[1])[:SIGNATURE_BYTES]


def _key_pair(seed: bytes) -> tuple[bytes, bytes]:
    if len(seed) != SEED_BYTES:
        raise RefusedInput("key-refused", "Ed25519 seed", f"has {len(seed)} bytes, not {SEED_BYTES}")
    return crypto_sign_seed_keypair(seed)


@lru_cache(maxsize=_KEYS_REMEMBERED)
def _key_fault(key: bytes) -> str:
    """Why the key is refused; empty if it is not."""
    _require_cofactorless_library()
    if len(key) != KEY_BYTES:
        return f"has {len(key)} bytes, not {KEY_BYTES}"
    y = int.from_bytes(key, "little") & _Y_MASK
    if y >= _P:
        return "is not canonical: its y is not below 2^255 - 19"
    if key in _LOW_ORDER:
        return "is of low order: it would verify signatures that nobody made"
    # x² = (y² - 1) / (d·y² + 1) is a square if and only if numerator times denominator is (Euler's criterion).
    if pow((y * y - 1) * (_D * y * y + 1), (_P - 1) // 2, _P) != 1:
        return "is no point of the curve"
    return ""


def _library_accepts(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        crypto_sign_open(signature + message, key)
    except BadSignatureError:
        return False
    return True


@cache
def _require_cofactorless_library() -> None:
    if _library_accepts(_PROBE_KEY, _PROBE_MESSAGE, _PROBE_SIGNATURE):
        raise InvariantBroken(
            "ed25519-cofactor",
            "libsodium",
            "the installed version verifies with the cofactor, so that verifiers would disagree",
            "Install the PyNaCl version that constraints.txt names.",
        )
