"""Naive algorithms, written from their definitions: what the fast ones are held to. Slow on purpose."""

from __future__ import annotations

import hashlib
from functools import lru_cache

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


# --- RFC 6962 §2.1, over the leaves' data, recursive as the RFC writes it ------------------------------------------


def _largest_power_below(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def mth(data: list[bytes]) -> bytes:
    """Merkle tree hash, RFC 6962 §2.1."""
    if not data:
        return hashlib.sha256(b"").digest()
    if len(data) == 1:
        return hashlib.sha256(b"\x00" + data[0]).digest()
    k = _largest_power_below(len(data))
    return hashlib.sha256(b"\x01" + mth(data[:k]) + mth(data[k:])).digest()


def path(m: int, data: list[bytes]) -> list[bytes]:
    """PATH(m, D[n]), RFC 6962 §2.1.1."""
    if len(data) == 1:
        return []
    k = _largest_power_below(len(data))
    if m < k:
        return [*path(m, data[:k]), mth(data[k:])]
    return [*path(m - k, data[k:]), mth(data[:k])]


def proof(m: int, data: list[bytes]) -> list[bytes]:
    """PROOF(m, D[n]), RFC 6962 §2.1.2, for 0 < m ≤ n."""
    return _subproof(m, data, known=True)


def _subproof(m: int, data: list[bytes], *, known: bool) -> list[bytes]:
    if m == len(data):
        return [] if known else [mth(data)]
    k = _largest_power_below(len(data))
    if m <= k:
        return [*_subproof(m, data[:k], known=known), mth(data[k:])]
    return [*_subproof(m - k, data[k:], known=False), mth(data[:k])]


def multiproof(wanted: set[int], data: list[bytes], start: int = 0) -> list[bytes]:
    """Hashes of the maximal subtrees without a wanted leaf, in the order of RFC 6962's split, left before right."""
    if not wanted & set(range(start, start + len(data))):
        return [mth(data)]
    if len(data) == 1:
        return []
    k = _largest_power_below(len(data))
    return multiproof(wanted, data[:k], start) + multiproof(wanted, data[k:], start + k)


def expanded_tile(data: list[bytes], span: int) -> bytes:
    """A tile over complete subtrees of `span` leaves: its row, then every complete node above, row by row."""
    tile = b""
    while len(data) >= span:
        complete = len(data) // span
        tile += b"".join(mth(data[at * span : (at + 1) * span]) for at in range(complete))
        span *= 2
    return tile


# --- The prefix tree of SPEC §9.3, over a dict -----------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _bits(key: bytes) -> str:
    return "".join(f"{octet:08b}" for octet in key)


def _prefix_node(entries: dict[bytes, bytes]) -> tuple[int, bytes, dict[bytes, bytes], dict[bytes, bytes]]:
    """Depth, padded prefix, and the entries left and right, of at least two entries."""
    depth = 0
    while len({_bits(key)[depth] for key in entries}) == 1:
        depth += 1
    padded = (_bits(min(entries))[:depth]).ljust(256, "0")
    left = {key: value for key, value in entries.items() if _bits(key)[depth] == "0"}
    right = {key: value for key, value in entries.items() if _bits(key)[depth] == "1"}
    return depth, int(padded, 2).to_bytes(32, "big"), left, right


def prefix_preimage(entries: dict[bytes, bytes]) -> bytes:
    """Preimage of the root node of the prefix tree over `entries`."""
    if not entries:
        return b"\x04"
    if len(entries) == 1:
        ((key, value),) = entries.items()
        return b"\x02" + key + value
    depth, prefix, left, right = _prefix_node(entries)
    return b"\x03" + bytes([depth]) + prefix + prefix_root(left) + prefix_root(right)


def prefix_root(entries: dict[bytes, bytes]) -> bytes:
    return hashlib.sha256(prefix_preimage(entries)).digest()


def prefix_proof(entries: dict[bytes, bytes], key: bytes) -> list[bytes]:
    """Steps from the root down, and for an absent key the preimage at which the descent ends."""
    if set(entries) == {key}:
        return []
    if len(entries) < 2:
        return [prefix_preimage(entries)]
    depth, _, left, right = _prefix_node(entries)
    if _bits(key)[:depth] != _bits(min(entries))[:depth]:
        return [prefix_preimage(entries)]
    taken, other = (right, left) if _bits(key)[depth] == "1" else (left, right)
    return [bytes([depth]) + prefix_root(other), *prefix_proof(taken, key)]
