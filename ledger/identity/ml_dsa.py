"""ML-DSA-44 signatures (FIPS 204, pure, empty context), verified where the installed library can (SPEC §6, §12.1).

A keyset of this algorithm is refused by this version; cosignatures of witnesses are verified, so that a quorum may rest on
keys that a quantum computer does not break. A library that cannot is no reason to believe: what it cannot verify is
not counted.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

SIGNATURE_BYTES = 2_420


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool | None:
    """Whether `signature` (2,420 bytes) over `message` is by `public_key` (1,312 bytes); None: no library at hand can tell."""
    try:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey  # noqa: PLC0415

        key = MLDSA44PublicKey.from_public_bytes(public_key)
    except (ImportError, UnsupportedAlgorithm):
        return None
    except ValueError:
        return False
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True
