"""Naive algorithms, written from their definitions: what the fast ones are held to. Slow on purpose."""

from __future__ import annotations

import hashlib

# --- Ed25519 by RFC 8032 §5.1: projective points, definitions instead of tables -------------------------------------

ED25519_P = 2**255 - 19
ED25519_L = 2**252 + 27742317777372353535851937790883648493
ED25519_D = -121665 * pow(121666, -1, ED25519_P) % ED25519_P

EdPoint = tuple[int, int, int]  # projective X : Y : Z with x = X/Z, y = Y/Z

ED25519_IDENTITY: EdPoint = (0, 1, 1)


def ed25519_add(p: EdPoint, q: EdPoint) -> EdPoint:
    """The complete addition law of the twisted Edwards curve a = -1 (RFC 8032 §5.1), projective."""
    prime = ED25519_P
    z = p[2] * q[2] % prime
    xx, yy = p[0] * q[0] % prime, p[1] * q[1] % prime
    e = ED25519_D * xx * yy % prime
    zz = z * z % prime
    f, g = (zz - e) % prime, (zz + e) % prime
    cross = (p[0] * q[1] + p[1] * q[0]) % prime
    return (z * f * cross % prime, z * g * (yy + xx) % prime, f * g % prime)


def ed25519_multiply(scalar: int, point: EdPoint) -> EdPoint:
    result = ED25519_IDENTITY
    while scalar:
        if scalar & 1:
            result = ed25519_add(result, point)
        point = ed25519_add(point, point)
        scalar >>= 1
    return result


def ed25519_encode(point: EdPoint) -> bytes:
    inverse = pow(point[2], -1, ED25519_P)
    x, y = point[0] * inverse % ED25519_P, point[1] * inverse % ED25519_P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def ed25519_decode(encoded: bytes) -> EdPoint | None:
    """RFC 8032 §5.1.3, strict: None for y ≥ p, for no point, and for x = 0 with the sign bit set."""
    prime = ED25519_P
    number = int.from_bytes(encoded, "little")
    y, sign = number & ((1 << 255) - 1), number >> 255
    if y >= prime:
        return None
    square = (y * y - 1) * pow(ED25519_D * y * y + 1, -1, prime) % prime
    x = pow(square, (prime + 3) // 8, prime)
    if x * x % prime != square:
        x = x * pow(2, (prime - 1) // 4, prime) % prime
    if x * x % prime != square or (x == 0 and sign):
        return None
    return (prime - x if x & 1 != sign else x, y, 1)


def ed25519_is_low_order(point: EdPoint) -> bool:
    x, y, z = ed25519_multiply(8, point)
    return x == 0 and y == z


def ed25519_base() -> EdPoint:
    base = ed25519_decode((4 * pow(5, -1, ED25519_P) % ED25519_P).to_bytes(32, "little"))
    if base is None:
        raise ArithmeticError("the base point is on the curve")
    return base


def ed25519_challenge(commitment: bytes, key: bytes, message: bytes) -> int:
    return int.from_bytes(hashlib.sha512(commitment + key + message).digest(), "little") % ED25519_L


def ed25519_verify(key: bytes, message: bytes, signature: bytes, *, cofactor: int = 1) -> bool:
    """The ledger's rule from its definition; with `cofactor=8` the equation that it does not use."""
    if len(key) != 32 or len(signature) != 64:
        return False
    a, r = ed25519_decode(key), ed25519_decode(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= ED25519_L or ed25519_is_low_order(a) or ed25519_is_low_order(r):
        return False
    k = ed25519_challenge(signature[:32], key, message)
    minus_a = (ED25519_P - a[0], a[1], a[2])
    expected = ed25519_add(ed25519_multiply(s, ed25519_base()), ed25519_multiply(k, minus_a))
    if cofactor == 1:
        return ed25519_encode(expected) == signature[:32]
    return ed25519_encode(ed25519_multiply(cofactor, expected)) == ed25519_encode(
        ed25519_multiply(cofactor, r)
    )
