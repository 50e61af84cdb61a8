"""Naive algorithms, written from their definitions: what the fast ones are held to. Slow on purpose."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Any, NamedTuple

import msgpack
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ledger.errors import LineageError
from ledger.statements.entry import decode_entry
from ledger.statements.record import decode_record

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


def ed25519_torsion() -> EdPoint:
    """A point of order 8: half of all points have a component of that order."""
    for y in range(2, 100):
        point = ed25519_decode(y.to_bytes(32, "little"))
        if point is None:
            continue
        torsion = ed25519_multiply(ED25519_L, point)
        if ed25519_encode(ed25519_multiply(4, torsion)) != ed25519_encode(ED25519_IDENTITY):
            return torsion
    raise ArithmeticError("there is a point of order 8")


def ed25519_is_prime_order(encoded: bytes) -> bool:
    """Whether `encoded` is a point of order L."""
    point = ed25519_decode(encoded)
    if point is None or ed25519_encode(point) == ed25519_encode(ED25519_IDENTITY):
        return False
    return ed25519_encode(ed25519_multiply(ED25519_L, point)) == ed25519_encode(ED25519_IDENTITY)


def ed25519_mixed_order_key(secret: int) -> bytes:
    """The key a·B + T, T of order 8: on the curve, of no low order, and outside the subgroup of order L."""
    return ed25519_encode(ed25519_add(ed25519_multiply(secret, ed25519_base()), ed25519_torsion()))


def ed25519_sign_mixed(secret: int, message: bytes) -> bytes:
    """A signature by `ed25519_mixed_order_key(secret)` that is valid: k is a multiple of 8, so that T falls out."""
    key = ed25519_mixed_order_key(secret)
    for nonce in range(1, 10_000):
        commitment = ed25519_encode(ed25519_multiply(nonce, ed25519_base()))
        k = ed25519_challenge(commitment, key, message)
        if k % 8 == 0:
            return commitment + ((nonce + k * secret) % ED25519_L).to_bytes(32, "little")
    raise ArithmeticError("every eighth challenge is a multiple of 8")


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


def manifest_root(rows: list[tuple[bytes, bytes | None, str]]) -> bytes:
    """The content of a manifest, SPEC §4.2: of each row its digest, its artifact id if it has one, its verdict."""
    codes = {"admitted": b"\0", "quarantined": b"\1", "rejected": b"\2"}
    return mth(
        [digest + (artifact_id or b"\0" * 32) + codes[verdict] for digest, artifact_id, verdict in rows]
    )


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


def prefix_multiproof(entries: dict[bytes, bytes], wanted: set[bytes]) -> bytes:
    """The status proof of SPEC §11.2 of `wanted` in the prefix tree over `entries`, or in one of its subtrees."""
    if not wanted:
        return prefix_root(entries)
    if not entries:
        return b"\x05"
    if len(entries) == 1:
        ((key, value),) = entries.items()
        return b"\x03" if key in wanted else b"\x04" + key + value
    depth, prefix, left, right = _prefix_node(entries)
    leading_on = {key for key in wanted if _bits(key)[:depth] == _bits(prefix)[:depth]}
    head = b"\x01" + bytes([depth]) if leading_on == wanted else b"\x02" + bytes([depth]) + prefix
    to_the_left = {key for key in leading_on if _bits(key)[depth] == "0"}
    return head + prefix_multiproof(left, to_the_left) + prefix_multiproof(right, leading_on - to_the_left)


# --- Canonical msgpack, SPEC §3, byte by byte from the msgpack format -------------------------------------------------


class Raw(bytes):
    """Encoded bytes that stand as they are, so that tests can write what no encoder would."""


def _header(length: int, fix: tuple[int, int] | None, wide: tuple[tuple[int, int], ...]) -> bytes:
    """The shortest header: `fix` is (first byte, room in it), `wide` pairs of (first byte, width in bytes)."""
    if fix is not None and length < fix[1]:
        return bytes([fix[0] | length])
    for first, width in wide:
        if length < 1 << 8 * width:
            return bytes([first]) + length.to_bytes(width, "big")
    raise ValueError("too long")


def pack(value: object) -> bytes:
    """The canonical encoding by SPEC §3, rules 2-4; rules 1, 5 and 6 are `is_canonical`'s."""
    match value:
        case Raw():
            return bytes(value)
        case int() if value >= 0:
            return _header(value, (0x00, 128), ((0xCC, 1), (0xCD, 2), (0xCE, 4), (0xCF, 8)))
        case int():
            for first, width in ((0xD0, 1), (0xD1, 2), (0xD2, 4), (0xD3, 8)):
                if value >= -32:
                    return bytes([256 + value])
                if value >= -(1 << 8 * width - 1):
                    return bytes([first]) + value.to_bytes(width, "big", signed=True)
            raise ValueError("beyond 64 bits")
        case str():
            text = value.encode("utf-8")
            return _header(len(text), (0xA0, 32), ((0xD9, 1), (0xDA, 2), (0xDB, 4))) + text
        case bytes():
            return _header(len(value), None, ((0xC4, 1), (0xC5, 2), (0xC6, 4))) + value
        case list():
            return _header(len(value), (0x90, 16), ((0xDC, 2), (0xDD, 4))) + b"".join(map(pack, value))
        case dict():
            items = sorted(value.items(), key=lambda item: str(item[0]).encode())
            body = b"".join(pack(name) + pack(item) for name, item in items)
            return _header(len(value), (0x80, 16), ((0xDE, 2), (0xDF, 4))) + body
    raise ValueError(f"no canonical msgpack: {type(value).__name__}")


def is_canonical(value: object, depth: int = 1, place: str = "") -> bool:
    """Whether SPEC §3, rules 1, 2, 5 and 6 allow the value; `place`: under which key it stands."""
    match value:
        case bool():
            return False
        case int():
            return abs(value) <= 2**53 - 1
        case str():
            return value != "" and not any(0xD800 <= ord(character) <= 0xDFFF for character in value)
        case bytes():
            return value != b""
        case list():
            if not value:
                return depth == 2 and place == "parents"
            return depth <= 8 and len(value) <= 512 and all(is_canonical(item, depth + 1) for item in value)
        case dict():
            return (
                depth <= 8
                and 1 <= len(value) <= 32
                and all(type(name) is str and is_canonical(name) for name in value)
                and all(is_canonical(item, depth + 1, name) for name, item in value.items())
            )
    return False


# --- What a record may say, SPEC §4.1-§4.5: the tables as they stand there --------------------------------------------

ALL_KINDS = ("work", "experience", "abstract", "output", "derived", "model", "dataset")
ALL_ROLES = ("human", "pair", "machine", "registrar", "curator", "operator")
ALL_FORMS = ("raw", "jcs", "sealed", "rows", "manifest")

_SHARES_TABLE = """
             human pair machine registrar curator operator
work         h     hm   -       -         -       -
experience   h     hm   -       -         -       -
abstract     0     m    m       -         -       -
output       0     m    m       -         -       -
derived      0     0    0       0         0       0
model        0     0    0       0         0       0
dataset      0     m    m       0         0       0
"""

_RELATIONS_TABLE = """
derived-from    work        work,experience,abstract,output,derived,dataset  share
derived-from    experience  work,experience,derived                          share
derived-from    abstract    work,experience,abstract,output,derived,dataset  share
derived-from    output      work,experience,abstract,output,derived,dataset  share
derived-from    derived     work,experience,abstract,output,derived,dataset  share
derived-from    dataset     work,experience,abstract,output,derived,dataset  share
derived-from    model       model                                            share
generated-by    output      model                                            share
generated-by    dataset     model                                            share
trained-on      model       work,experience,abstract,output,derived,dataset  share
distilled-from  abstract    *                                                share
distilled-from  model       *                                                share
evidence        *           *                                                none
quotes          work        work,experience,abstract,output,derived,dataset  share
quotes          experience  work,experience,abstract,output,derived,dataset  share
quotes          abstract    work,experience,abstract,output,derived,dataset  share
quotes          output      work,experience,abstract,output,derived,dataset  share
quotes          derived     work,experience,abstract,output,derived,dataset  share
quotes          dataset     work,experience,abstract,output,derived,dataset  share
corrects        *           *                                                none
supersedes      *           *                                                none
"""


def own_shares(kind: str, role: str) -> str:
    """ "h", "m", "hm", "0" (none), or "-" (the kind is illegal there): SPEC §4.4."""
    header, *rows = [line.split() for line in _SHARES_TABLE.strip().splitlines()]
    (row,) = [cells for name, *cells in rows if name == kind]
    return row[header.index(role)]


def relation_allows(relation: str, child: str, parent: str | None = None) -> bool:
    """Whether a child of this kind may have such a parent (None: a parent of unknown kind): SPEC §4.3."""
    for line in _RELATIONS_TABLE.strip().splitlines():
        name, of, to, _share = line.split()
        if name == relation and of in ("*", child):
            return parent is None or to == "*" or parent in to.split(",")
    return False


def relation_shares(relation: str) -> bool:
    return any(
        line.split()[0] == relation and line.split()[3] == "share"
        for line in _RELATIONS_TABLE.strip().splitlines()
    )


def facts_rule(kind: str, form: str) -> str:
    """ "required", "optional" or "none": SPEC §4.5."""
    if kind in ("derived", "model") or (kind == "dataset" and form in ("rows", "manifest")):
        return "required"
    return "optional" if kind in ("experience", "output", "abstract") else "none"


def record_codes(fields: dict[str, Any]) -> set[str]:
    """The codes of all that a record with a sound schema says against SPEC §4.1-§4.5; empty: nothing."""
    kind, form, parents = fields["kind"], fields["form"], fields["parents"]
    human, machine = fields.get("human"), fields.get("machine")
    relations = {parent["rel"] for parent in parents}
    codes = set()
    if form in ("rows", "manifest") and kind != "dataset":
        codes.add("record-illegal")
    if (form == "sealed") == ("media" in fields):
        codes.add("record-illegal")
    if form == "sealed" and fields["size"] not in {2**exponent for exponent in range(5, 53)}:
        codes.add("record-illegal")
    rule = facts_rule(kind, form)
    if (rule == "required" and "facts" not in fields) or (rule == "none" and "facts" in fields):
        codes.add("record-illegal")
    if form == "manifest" and fields["size"] != 65 * fields.get("facts", {}).get("count", 0):
        codes.add("record-illegal")
    if "attributed" in fields and fields["stance"] != "reported":
        codes.add("record-illegal")
    if fields["stance"] == "reported" and (human is not None or machine is not None):
        codes.add("share-illegal")
    if kind in ("work", "experience") and machine is not None and not human:
        codes.add("share-illegal")
    if (human or 0) + (machine or 0) + sum(parent.get("ppm", 0) for parent in parents) > 1_000_000:
        codes.add("share-illegal")
    for parent in parents:
        if not relation_allows(parent["rel"], kind):
            codes.add("record-illegal")
        if "ppm" in parent and not relation_shares(parent["rel"]):
            codes.add("share-illegal")
    if kind == "abstract" and "distilled-from" not in relations:
        codes.add("record-illegal")
    if kind == "derived" and "derived-from" not in relations:
        codes.add("record-illegal")
    return codes


def maker_is_legal(fields: dict[str, Any], role: str) -> bool:
    """Whether the maker's role may make the record (SPEC §4.1, §4.4)."""
    if fields["stance"] == "reported":
        return True
    allowed = own_shares(fields["kind"], role)
    if allowed == "-":
        return False
    if ("human" in fields and "h" not in allowed) or ("machine" in fields and "m" not in allowed):
        return False
    named = any(parent["rel"] == "generated-by" for parent in fields["parents"])
    return fields["kind"] != "output" or named or role in ("machine", "pair")


# --- The fold, SPEC §9: dicts, one clause after the other; only the decoders of entries and records are shared --------


def tagged(tag: str, *parts: bytes) -> bytes:
    """A tagged hash of SPEC §2."""
    return hashlib.sha256(b"lineage/" + tag.encode() + b"/v1\n" + b"".join(parts)).digest()


def pae(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding (SPEC §6)."""
    kind = b"application/vnd.lineage.statement+msgpack"
    return b" ".join([b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload])


@lru_cache(maxsize=65_536)
def signature_holds(key: bytes, message: bytes, signature: bytes) -> bool:
    """By the library that the ledger does not verify with. Its rule is ours for keys of prime order (SPEC §6.1)."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=4096)
def key_is_right(key: bytes) -> bool:
    return len(key) == 32 and ed25519_is_prime_order(key)


def vkey_parts(text: str) -> tuple[str, bytes, bool]:
    """Name and key of a vkey, and whether its key id is right (C2SP signed-note)."""
    name, key_id, encoded = text.split("+", 2)
    material = base64.b64decode(encoded)
    right = hashlib.sha256(name.encode() + b"\n" + material).digest()[:4].hex() == key_id
    return name, material[1:], right


RECOVERY_WAIT_MS = 604_800_000
OLD_TYPES = ("genesis", "enrol", "state", "artifacts", "delegate")
NEW_TYPES = ("rotate", "recover", "retire", "undelegate", "endorse", "attest", "notice", "rules", "evidence")
TYPES_BUILT = {1: OLD_TYPES, 2: OLD_TYPES + NEW_TYPES}  # by fold number, SPEC §5.5


class NaiveFold:
    """`step`, `records` and `subjects` return codes; what was said is kept in two lists, all else is asked of them anew.

    `events` holds every key event in order of an identity, `said` every ordinary statement in order. A question that
    depends on the position takes `index` (what stands before it counts) and `clock` (ms); left out, they are those
    behind the last entry.
    """

    def __init__(self, log: bytes) -> None:
        self.log = log
        self.begun = False
        self.rules: dict[str, Any] = {}
        self.log_keys: list[bytes] = []
        self.clock = 0  # greatest time, greatest fold number of a well-formed state
        self.number = 1
        self.index, self.now = 0, 0
        self.sequence = 0
        self.identities: dict[bytes, dict[str, Any]] = {}
        self.events: dict[bytes, list[dict[str, Any]]] = {}
        self.said: list[dict[str, Any]] = []
        self.places: dict[bytes, list[bytes]] = {}  # by artifact id, who signed each of its places in order
        self.topics: dict[bytes, list[tuple[int, bytes]]] = {}

    def status_root(self) -> bytes:
        return prefix_root({key: self._chain_value(links) for key, links in self.topics.items()})

    def _chain_value(self, links: list[tuple[int, bytes]]) -> bytes:
        head = bytes(32)
        for index, leaf in links:
            head = tagged("chain", head, index.to_bytes(8, "big"), leaf)
        return tagged("chain-value", len(links).to_bytes(8, "big"), head)

    def step(self, index: int, data: bytes, clock: int, number: int = 2) -> str | None:
        """SPEC §9.2, steps 1 to 8: the code of the entry's fault, or None; `number` by SPEC §9.6."""
        self.index, self.now = index, clock
        code = self._step(index, data, number)
        self.index = index + 1
        return code

    def _step(self, index: int, data: bytes, number: int) -> str | None:
        try:
            entry = decode_entry(data)
        except LineageError as error:
            return error.code
        fields, payload = entry.statement.fields, entry.statement.payload
        if fields["log"] != self.log:
            return "wrong-log"
        own_id = tagged("statement", payload)
        signatures = [list(item) for item in entry.signatures]
        if number not in TYPES_BUILT and index > 0 and self.begun:
            code: str | None = "fold-unknown"
        else:
            code = self._judge(index, fields, own_id, number)
        if code is None and fields["type"] != "state":
            code = self._signatures(self._asked(fields), payload, signatures)
            code = code or self._judge_signed(fields)
        self._extend(index, data, fields, own_id)
        if code is None:
            self._effect(fields, own_id, signatures)
        return code

    def _extend(self, index: int, data: bytes, fields: dict[str, Any], own_id: bytes) -> None:
        """Step 2 and the rest that follows from bytes alone; done last here, for no later step looks at it."""
        body, kind = fields["body"], fields["type"]
        subjects: list[tuple[int, bytes]] = []
        if kind in ("genesis", "enrol", "rotate", "recover", "retire"):
            subjects.append((1, fields.get("by", own_id)))
        if kind in ("delegate", "undelegate"):
            subjects += [(2, body["pair"]), (2, fields["by"])]
        if kind == "endorse":
            subjects.append((3, body["subject"]))
        if kind == "evidence":
            subjects.append((4, msgpack.unpackb(body["first"][0])["by"]))
        if kind == "notice":
            subjects += [(5, subject[0]) for subject in body["subjects"]]
        if kind in ("genesis", "rules"):
            subjects.append((6, self.log))
        if kind == "attest":
            subjects += [(7, subject[0]) for subject in body["subjects"]]
        leaf = hashlib.sha256(b"\x00" + data).digest()
        for topic, subject in sorted(set(subjects)):
            self.topics.setdefault(tagged("topic", bytes([topic]), subject), []).append((index, leaf))
        if kind == "artifacts":
            self.sequence += body["count"]
        if kind == "state":
            self.clock = max(self.clock, body["time"])
        if kind == "state" or (kind == "genesis" and index == 0):
            self.number = max(self.number, body["fold"])

    # Steps 3 to 5: places, births, key events, who signs.

    def _judge(self, index: int, fields: dict[str, Any], own_id: bytes, number: int) -> str | None:
        body, kind = fields["body"], fields["type"]
        if index > 0 and not self.begun:
            return "genesis-illegal"
        if (index == 0) != (kind == "genesis"):
            return "misplaced"
        if kind == "genesis":
            code = self._genesis(body)
            if code:
                return code
        if kind == "state":
            if body["fold"] not in TYPES_BUILT:
                return "fold-unknown"
            right = (body["root"], body["records"]) == (self.status_root(), self.sequence)
            right = right and body["time"] >= self.clock and body["fold"] >= self.number
            return None if right else "state-wrong"
        if kind not in TYPES_BUILT.get(number, TYPES_BUILT[2]):
            return "not-yet"
        if kind in ("genesis", "enrol"):
            return self._birth(kind, body, own_id)
        if fields["by"] not in self.identities:
            return "identity-unknown"
        if self.events[fields["by"]][-1]["type"] == "retire":
            return "identity-retired"
        if "kseq" in fields:
            return self._key_event(kind, fields)
        return None if fields["key"] == self.in_force(fields["by"])["id"] else "key-not-in-force"

    def _genesis(self, body: dict[str, Any]) -> str | None:
        if body["fold"] not in TYPES_BUILT:
            return "fold-unknown"
        if tagged("log", body["vkeys"][0].encode()) != self.log:
            return "genesis-illegal"
        for text in body["vkeys"]:
            name, key, right = vkey_parts(text)
            if not right or not key_is_right(key):
                return "key-refused"
            if name != body["origin"] or key in keys_of(body["keyset"]):
                return "genesis-illegal"
        return None

    def _birth(self, kind: str, body: dict[str, Any], own_id: bytes) -> str | None:
        if own_id in self.identities:
            return "identity-exists"
        code = revealed_wrongly(body["keyset"])
        if code:
            return code
        digest = tagged("keyset", pack(body["keyset"]))
        if digest in (body["next"], body["recovery"]) or body["next"] == body["recovery"]:
            return "keyset-illegal"
        if kind == "enrol" and body["role"] == "pair":
            anchor = self.identities.get(body["of"])
            if anchor is None or anchor["role"] != "human":
                return "delegation-illegal"
            if self.is_retired(body["of"]):
                return "identity-retired"
        return None

    def _key_event(self, kind: str, fields: dict[str, Any]) -> str | None:
        body, by = fields["body"], fields["by"]
        chain, force = self.events[by], self.in_force(by)
        if fields["kseq"] != len(chain) or fields["prev"] != chain[-1]["id"]:
            return "key-event-broken"
        if kind == "recover" and force is not chain[-1]:
            return "recovery-pending"
        digest = tagged("keyset", pack(body["keyset"]))
        if digest != force["recovery" if kind == "recover" else "next"]:
            return "commitment-differs"
        code = revealed_wrongly(body["keyset"])
        if code:
            return code
        revealed = [event["keyset"] for event in chain]
        commitments = [body[name] for name in ("next", "recovery") if name in body]
        worn = [key for keyset in revealed for key in keys_of(keyset)]
        ending = kind != "recover" and force is not chain[-1]  # the keys of what it ends are not barred
        barred = [key for keyset in (revealed[:-1] if ending else revealed) for key in keys_of(keyset)]
        barred += self.log_keys if self.identities[by]["role"] == "operator" else []
        if (
            len({digest, *commitments}) < 1 + len(commitments)
            or any(tagged("keyset", pack(keyset)) in commitments for keyset in revealed)
            or (kind == "recover" and body["next"] == force["next"])
            or any(key in barred for key in keys_of(body["keyset"]))
        ):
            return "keyset-illegal"
        for key, start in body.get("compromised", []):
            if key not in worn or start >= self.index:
                return "compromised-illegal"
        return None

    # Step 6: signatures.

    def _asked(self, fields: dict[str, Any]) -> dict[int, dict[str, Any]]:
        """The keysets to whose thresholds a statement must be signed, by their number in a signature."""
        if "by" not in fields:
            return {0: fields["body"]["keyset"]}
        current = self.in_force(fields["by"])["keyset"]
        return asked_of(fields, current)

    def _signatures(
        self, asked: dict[int, dict[str, Any]], payload: bytes, signatures: list[Any]
    ) -> str | None:
        for code, index, _signature in signatures:
            if code not in asked:
                return "signature-surplus"
            if index >= len(asked[code]["keys"]):
                return "signature-invalid"
        for code, keyset in sorted(asked.items()):
            for algorithm, threshold in keyset["thresholds"].items():
                used = [item for item in signatures if item[0] == code]
                number = sum(keyset["keys"][index][0] == algorithm for _code, index, _signature in used)
                if number != threshold:
                    return "signature-missing" if number < threshold else "signature-surplus"
        for code, index, signature in signatures:
            if not signature_holds(asked[code]["keys"][index][1], pae(payload), signature):
                return "signature-invalid"
        return None

    # Steps 7 and 8: lanes, the mode, and what each type asks.

    def _judge_signed(self, fields: dict[str, Any]) -> str | None:
        if "lane" not in fields:
            return None
        place = [fields[name] for name in ("by", "key", "lane")]
        lane = [one["id"] for one in self.said if [one[name] for name in ("by", "key", "lane")] == place]
        if fields["seq"] != len(lane) or (lane and fields["prev"] != lane[-1]):
            return "lane-broken"
        kind, by = fields["type"], fields["by"]
        if not self._mode_lets_in(kind, by):
            return "not-endorsed"
        if kind == "artifacts":
            return self._artifacts(by, fields["body"])
        if self.identities[by]["role"] == "pair":
            delegation = self.delegate_in_force(by)
            if delegation is None:
                return "not-delegated"
            if self.now >= delegation["body"].get("scope", {}).get("until", 2**60):
                return "scope-exceeded"
        judge = {
            "delegate": self._delegate,
            "undelegate": self._undelegate,
            "endorse": self._endorse,
            "attest": self._attest,
            "notice": self._notice,
            "rules": self._rules,
            "evidence": self._evidence,
        }
        return judge[kind](by, fields["body"])

    def is_listed(self, by: bytes) -> bool:
        return by in self.rules.get("registrars", []) + self.rules.get("curators", [])

    def _mode_lets_in(self, kind: str, by: bytes) -> bool:
        role = self.identities[by]["role"]
        if self.rules["mode"] == "open" or kind == "evidence" or role == "operator" or self.is_listed(by):
            return True
        subject = self.identities[by]["of"] if role == "pair" else by
        return any(issuer in self.rules.get("registrars", []) for issuer in self.grades(subject))

    def _artifacts(self, by: bytes, body: dict[str, Any]) -> str | None:
        if body["count"] > self.rules.get("limits", {}).get("records", 65_536):
            return "rules-exceeded"
        if self.identities[by]["role"] != "pair":
            return "schema" if "delegation" in body else None
        delegation = self.delegate_in_force(by)
        if delegation is None or body.get("delegation") != delegation["id"]:
            return "not-delegated"
        scope = delegation["body"].get("scope", {})
        used = sum(
            one["body"]["count"]
            for one in self.said
            if (one["type"], one["by"]) == ("artifacts", by) and one["index"] > delegation["index"]
        )
        over = self.now >= scope.get("until", 2**60) or used + body["count"] > scope.get("count", 2**60)
        return "scope-exceeded" if over else None

    def _is_of(self, by: bytes, pair: bytes) -> bool:
        known = self.identities.get(pair)
        return known is not None and known["of"] == by and self.identities[by]["role"] == "human"

    def _delegate(self, by: bytes, body: dict[str, Any]) -> str | None:
        if not self._is_of(by, body["pair"]):
            return "delegation-illegal"
        return "identity-retired" if self.is_retired(body["pair"]) else None

    def _undelegate(self, by: bytes, body: dict[str, Any]) -> str | None:
        right = self._is_of(by, body["pair"]) and self._last_delegate(body["pair"], self.index)
        return None if right else "delegation-illegal"

    def _endorse(self, by: bytes, body: dict[str, Any]) -> str | None:
        if self.identities[by]["role"] in ("machine", "pair"):
            return "not-authorised"
        if "log" in body:
            return "endorsement-illegal" if body["log"] == self.log else None
        if body["subject"] not in self.identities:
            return "identity-unknown"
        own = by in (body["subject"], self.identities[body["subject"]]["of"])
        return "endorsement-illegal" if own else None

    def _attest(self, by: bytes, _body: dict[str, Any]) -> str | None:
        return "not-authorised" if self.identities[by]["role"] == "machine" else None

    def _notice(self, by: bytes, body: dict[str, Any]) -> str | None:
        if body["act"] in ("hold", "dispute"):
            return None if self.is_listed(by) else "not-authorised"
        if body["act"] == "release":
            holds = [one for one in self.said if one["id"] == body["cancels"] and one["by"] == by]
            holds = [one for one in holds if one["type"] == "notice" and one["body"]["act"] == "hold"]
            named = holds[0]["body"]["subjects"] if holds else []
            if any(subject not in named for subject in body["subjects"]):
                return "notice-illegal"
        return None

    def _rules(self, by: bytes, body: dict[str, Any]) -> str | None:
        if self.identities[by]["role"] != "operator":
            return "not-authorised"
        if "vkeys" in body:
            return "not-yet"
        for name, role in (("registrars", "registrar"), ("curators", "curator")):
            for identity in body.get(name, []):
                if identity not in self.identities:
                    return "identity-unknown"
                if self.identities[identity]["role"] != role:
                    return "role-illegal"
        return None

    def _evidence(self, _by: bytes, body: dict[str, Any]) -> str | None:
        """SPEC §7.5."""
        halves = [body["first"], body["second"]]
        first, second = (msgpack.unpackb(payload) for payload, _signatures in halves)
        accused = first["by"]
        if accused not in self.identities:
            return "identity-unknown"
        if self.is_retired(accused):
            return "identity-retired"
        chain, ground = self.events[accused], self.in_force(accused)
        speaks = ground["id"]
        if "lane" in first:
            if first["key"] != speaks:
                return "key-not-in-force"
        else:
            before = chain[: first["kseq"]]
            ids = [tagged("statement", payload) for payload, _signatures in halves]
            if len(before) < first["kseq"] or {first["prev"], second["prev"]} != {before[-1]["id"]}:
                return "key-event-broken"
            if chain[-1]["id"] not in (before[-1]["id"], *ids):
                return "key-event-broken"
            if first["body"]["keyset"] != second["body"]["keyset"]:
                return "evidence-invalid"
            ground = in_force_of(before, self.now if chain[-1] is before[-1] else chain[-1]["clock"])
        if any(key == speaks for _index, key in self.forks(accused)):
            return "evidence-invalid"
        for fields, (payload, signatures) in zip((first, second), halves, strict=True):
            if "kseq" in fields:
                revealed = fields["body"]["keyset"]
                committed = ground["recovery" if fields["type"] == "recover" else "next"]
                if tagged("keyset", pack(revealed)) != committed or revealed_wrongly(revealed):
                    return "evidence-invalid"
            if self._signatures(asked_of(fields, ground["keyset"]), payload, signatures):
                return "evidence-invalid"
        return None

    def _effect(self, fields: dict[str, Any], own_id: bytes, signatures: list[Any]) -> None:
        body, kind = fields["body"], fields["type"]
        if kind in ("genesis", "enrol"):
            role = body["role"] if kind == "enrol" else "operator"
            self.identities[own_id] = {"role": role, "keyset": body["keyset"], "of": body.get("of")}
        if kind in ("genesis", "rules"):
            self.begun, self.rules = True, body
        if kind == "genesis":
            self.rules = body["rules"]
            self.log_keys = [vkey_parts(text)[1] for text in body["vkeys"]]
        if kind in ("genesis", "enrol", "rotate", "recover", "retire"):
            event = {"next": b"", "recovery": b"", "compromised": [], **body}
            event |= {"id": own_id, "type": kind, "index": self.index, "clock": self.now}
            self.events.setdefault(fields.get("by", own_id), []).append(event)
        if "lane" in fields:
            keys = keys_of(self.in_force(fields["by"])["keyset"])
            delegation = self.delegate_in_force(fields["by"])
            one = {name: fields[name] for name in ("type", "by", "key", "lane", "body")}
            one |= {"id": own_id, "index": self.index, "clock": self.now, "void": set()}
            one |= {"signers": [keys[item[1]] for item in signatures], "delegation": delegation}
            self.said.append(one)

    # What a log says at a position.

    def in_force(self, identity: bytes, index: int | None = None, clock: int | None = None) -> dict[str, Any]:
        """The key event in force of an identity that is enrolled there (SPEC §7.2); a `retire` stays the last."""
        index, clock = self._position(index, clock)
        return in_force_of([event for event in self.events[identity] if event["index"] < index], clock)

    def _position(self, index: int | None, clock: int | None) -> tuple[int, int]:
        return (self.index if index is None else index), (self.now if clock is None else clock)

    def is_retired(self, identity: bytes, index: int | None = None) -> bool:
        index, _ = self._position(index, None)
        return any(event["type"] == "retire" and event["index"] < index for event in self.events[identity])

    def who_speaks(self, identity: bytes, index: int | None = None, clock: int | None = None) -> bytes | None:
        """The id of the key event by which the identity speaks; None: not enrolled before, or retired."""
        index, clock = self._position(index, clock)
        if identity not in self.events or self.events[identity][0]["index"] >= index:
            return None
        found: bytes = self.in_force(identity, index, clock)["id"]
        return None if self.is_retired(identity, index) else found

    def disowned(
        self,
        by: bytes,
        key: bytes,
        at: int,
        signers: list[bytes],
        index: int | None = None,
        clock: int | None = None,
    ) -> bytes | None:
        """The first key event of `by` that disowns what these keys signed at log index `at`, naming `key` (SPEC §7.4)."""
        index, clock = self._position(index, clock)
        chain = [event for event in self.events[by] if event["index"] < index]
        ids = [event["id"] for event in chain]
        for number, event in enumerate(chain):
            until = chain[number + 1]["clock"] if number + 1 < len(chain) else clock
            pending = event["type"] == "recover" and until < event["clock"] + RECOVERY_WAIT_MS
            if key in ids[:number] and not pending:
                for lost, start in event["compromised"]:
                    if lost in signers and at >= start:
                        found: bytes = event["id"]
                        return found
        return None

    def disowning(
        self, one: dict[str, Any], index: int | None = None, clock: int | None = None
    ) -> tuple[bytes, bool] | None:
        """Which event disowns a statement in order, and whether by its delegation (*suspect*) rather than itself."""
        own = self.disowned(one["by"], one["key"], one["index"], one["signers"], index, clock)
        if own is not None:
            return own, False
        if one["delegation"] is None:
            return None
        found = self.disowning(one["delegation"], index, clock)
        return (found[0], True) if found else None

    def delegate_in_force(
        self, pair: bytes, index: int | None = None, clock: int | None = None
    ) -> dict[str, Any] | None:
        """The `delegate` by which a pair may speak; None if there is none, or it ended, whatever ended it (SPEC §7.3)."""
        index, clock = self._position(index, clock)
        found = self._last_delegate(pair, index)
        if found and (self.disowning(found, index, clock) or self.is_retired(found["by"], index)):
            return None
        return found

    def _last_delegate(self, pair: bytes, index: int) -> dict[str, Any] | None:
        """The last of a pair's `delegate` and `undelegate` before an index, if it is a `delegate`."""
        found: dict[str, Any] | None = None
        for one in self.said:
            if one["type"] in ("delegate", "undelegate") and one["body"]["pair"] == pair:
                found = (one if one["type"] == "delegate" else None) if one["index"] < index else found
        return found

    def delegation_of(self, pair: bytes, index: int | None = None, clock: int | None = None) -> bytes | None:
        found = self.delegate_in_force(pair, index, clock)
        return None if found is None else found["id"]

    def grades(self, identity: bytes, index: int | None = None, clock: int | None = None) -> dict[bytes, str]:
        """The endorsements that count: by issuer, the grade of his latest that is not disowned, unless it has ended."""
        index, clock = self._position(index, clock)
        latest = {
            one["by"]: one
            for one in self.said
            if one["type"] == "endorse" and one["index"] < index
            if one["body"]["subject"] == identity and "log" not in one["body"]
            if self.disowning(one, index, clock) is None
        }
        return {
            issuer: one["body"]["grade"]
            for issuer, one in latest.items()
            if one["body"].get("until", 2**60) > clock
        }

    def forks(self, identity: bytes) -> list[tuple[int, bytes]]:
        """(log index, key event then in force) of each `evidence` in order about an identity."""
        return [
            (one["index"], self.in_force(identity, one["index"], one["clock"])["id"])
            for one in self.said
            if one["type"] == "evidence" and msgpack.unpackb(one["body"]["first"][0])["by"] == identity
        ]

    def contested_key(
        self, identity: bytes, index: int | None = None, clock: int | None = None
    ) -> bytes | None:
        """The key event under which a fork is proved, until another than a `retire` is in force (SPEC §7.5)."""
        index, clock = self._position(index, clock)
        chain = [event for event in self.events[identity] if event["index"] < index]
        if chain[-1]["type"] == "retire":
            clock = chain.pop()["clock"]
        force: bytes = in_force_of(chain, clock)["id"]
        return force if any(at < index and key == force for at, key in self.forks(identity)) else None

    def is_contested(self, identity: bytes, index: int | None = None, clock: int | None = None) -> bool:
        return self.contested_key(identity, index, clock) is not None

    # Step 9: each record, each subject.

    def records(
        self,
        fields: dict[str, Any],
        records: list[bytes | None],
        leaves: list[bytes],
        held: dict[bytes, bytes | None],
    ) -> list[tuple[int | None, str]]:
        """Of an entry in order, behind its step: (record_index, code) of each fault. `held`: what stands before, by id."""
        if len(leaves) != fields["body"]["count"] or _mth_of_hashes(leaves) != fields["body"]["root"]:
            return [(None, "root-differs")]
        faults: list[tuple[int | None, str]] = []
        before = dict(held)
        for position, (data, leaf) in enumerate(zip(records, leaves, strict=True)):
            code = "record-duplicate" if leaf in leaves[:position] else None
            if code is None and data is not None:
                code = self._record(fields, data, before)
            if code is not None:
                faults.append((position, code))
            before[leaf] = data
            self.places.setdefault(leaf, []).append(fields["by"])
        return faults

    def _record(
        self, statement: dict[str, Any], data: bytes, before: dict[bytes, bytes | None]
    ) -> str | None:
        try:
            fields = decode_record(data).fields
        except LineageError as error:
            return error.code
        signer = self.identities[statement["by"]]
        if fields["maker"] != statement["by"]:
            return "maker-differs"
        if not maker_is_legal(fields, signer["role"]):
            return "role-illegal"
        if signer["role"] == "pair":
            named = statement["body"]["delegation"]
            (delegate,) = [one for one in self.said if one["id"] == named]
            scope = delegate["body"].get("scope", {})
            if fields["kind"] not in scope.get("kinds", ALL_KINDS) or fields.get("human", 0) > scope.get(
                "human", 0
            ):
                return "scope-exceeded"
        for parent in fields["parents"]:
            if "log" in parent:
                if parent["log"] == self.log:
                    return "schema"
                continue
            if parent["id"] not in before:
                return "parent-unknown"
            other = _fields_of(before[parent["id"]])
            if other is None:
                continue  # erased or unreadable: of unknown kind
            if not relation_allows(parent["rel"], fields["kind"], other["kind"]) or parent.get(
                "row", -1
            ) >= _rows_of(other):
                return "parent-kind"
        return None

    def subjects(
        self, fields: dict[str, Any], held: dict[bytes, bytes | None]
    ) -> list[tuple[int | None, str]]:
        """Of an `attest` or `notice` in order, behind its step: (place among the subjects, code) of each fault."""
        faults: list[tuple[int | None, str]] = []
        by, body = fields["by"], fields["body"]
        self.said[-1] |= {"early": set(), "listed": self.is_listed(by)}
        for position, (artifact, *row) in enumerate(body["subjects"]):
            if artifact not in held:
                self.said[-1]["early"].add(position)
                faults.append((position, "subject-unknown"))
                continue
            record = _fields_of(held[artifact])
            if row and record is not None and row[0] >= _rows_of(record):
                faults.append((position, "subject-unknown"))
            elif body.get("act") in ("retract", "erase") and not (
                self.answers_for(by, artifact, record) or self.is_listed(by)
            ):
                faults.append((position, "not-authorised"))
        self.said[-1]["void"] = {position for position, _code in faults}
        return faults

    def answers_for(self, by: bytes, artifact: bytes, record: dict[str, Any] | None) -> bool:
        """Whether somebody is an artifact's maker and no pair, or the anchor of the pair that made it."""
        maker = self.places[artifact][0] if record is None else record["maker"]
        known = self.identities.get(maker, {"role": "", "of": None})
        return by == (known["of"] if known["role"] == "pair" else maker)


def in_force_of(chain: list[dict[str, Any]], clock: int) -> dict[str, Any]:
    """Of key events in order the one in force (SPEC §7.2)."""
    last = chain[-1]
    pending = last["type"] == "recover" and clock < last["clock"] + RECOVERY_WAIT_MS
    return chain[-2] if pending else last


def asked_of(fields: dict[str, Any], current: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """The keysets that a statement with a signer is signed by, by number (SPEC §7.2, §8.1)."""
    if "kseq" not in fields:
        return {0: current}
    revealed = fields["body"]["keyset"]
    if fields["type"] == "recover":
        return {2: revealed}
    dropped = set(current["thresholds"]) - set(revealed["thresholds"])
    return {0: current, 1: revealed} if dropped else {1: revealed}


def keys_of(keyset: dict[str, Any]) -> list[bytes]:
    return [key for _algorithm, key in keyset["keys"]]


def revealed_wrongly(keyset: dict[str, Any]) -> str | None:
    """The code of the first key that may not be revealed (SPEC §6.1)."""
    for algorithm, key in keyset["keys"]:
        if algorithm != "ed25519":
            return "not-yet"
        if not key_is_right(key):
            return "key-refused"
    return None


def _fields_of(record: bytes | None) -> dict[str, Any] | None:
    """What a record says; None if it is erased, or cannot be read by itself (SPEC §9.1)."""
    try:
        return decode_record(record or b"").fields
    except LineageError:
        return None


def _rows_of(record: dict[str, Any]) -> int:
    rows: int = record["facts"]["count"] if record["form"] == "rows" else 0
    return rows


def _mth_of_hashes(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    k = _largest_power_below(len(leaves))
    return hashlib.sha256(b"\x01" + _mth_of_hashes(leaves[:k]) + _mth_of_hashes(leaves[k:])).digest()


# --- The trace, SPEC §12: recursive, over what the naive fold says of a whole log; nothing is proved ------------------

DESCENT_RELATIONS = ("derived-from", "generated-by", "trained-on", "distilled-from", "quotes")


class NaivePlace(NamedTuple):
    """Where a record stands: the code of its fault there, and of the statement in order above it (else None) what it says."""

    fault: str | None
    statement: dict[str, Any] | None
    role: str
    anchor: bytes | None


class NaiveLog:
    """A log folded naively, and what it says of artifacts behind its last entry.

    `places`: by artifact id, in log order. `accepted`: the identities whose attestations the verifier takes.
    """

    def __init__(self, log: bytes) -> None:
        self.fold = NaiveFold(log)
        self.places: dict[bytes, list[NaivePlace]] = {}
        self.held: dict[bytes, bytes | None] = {}  # under entries in order

    def step(
        self, index: int, data: bytes, records: list[bytes], clock: int, number: int = 2
    ) -> list[tuple[int | None, str]]:
        """The faults of an entry: its own, or those of its records and subjects."""
        code = self.fold.step(index, data, clock, number)
        if code is not None and not records:
            return [(None, code)]
        fields = decode_entry(data).statement.fields
        if fields["type"] in ("attest", "notice"):
            return self.fold.subjects(fields, self.held)
        if fields["type"] != "artifacts":
            return []
        leaves = [hashlib.sha256(b"\x00" + record).digest() for record in records]
        faults = [] if code else self.fold.records(fields, list(records), leaves, self.held)
        code = code or next((what for at, what in faults if at is None), None)
        signer = self.fold.identities.get(fields["by"], {"role": "", "of": None})
        anchor = fields["by"] if signer["role"] == "human" else signer["of"]
        statement = None if code else self.fold.said[-1]
        for position, leaf in enumerate(leaves):
            fault = code or next((what for at, what in faults if at == position), None)
            self.places.setdefault(leaf, []).append(NaivePlace(fault, statement, signer["role"], anchor))
            if code is None:
                self.held[leaf] = records[position]
        return faults or ([(None, code)] if code else [])

    def rescuers(self, artifact: bytes, accepted: Collection[bytes]) -> set[bytes]:
        """The accepted issuers whose attestation of authorship counts and rescues a disowned place (SPEC §7.4)."""
        latest: dict[bytes, str] = {}
        for one in self.fold.said:
            if one["type"] == "attest" and one["body"]["claim"] == "authorship":
                named = _named(one, [artifact]) and self.fold.disowning(one) is None
                if named:
                    latest[one["by"]] = one["body"]["result"]
        maker = self._anchor(self.fold.places[artifact][0])
        return {
            issuer
            for issuer, result in latest.items()
            if result == "confirmed" and issuer in accepted and self._anchor(issuer) != maker
        }

    def _anchor(self, identity: bytes) -> bytes:
        of: bytes | None = self.fold.identities[identity]["of"]
        return identity if of is None else of

    def place(self, artifact: bytes, accepted: Collection[bytes] = ()) -> NaivePlace | None:
        """The place by which an artifact stands: the earliest that is not disowned, else the earliest rescued one."""
        sound = [place for place in self.places.get(artifact, []) if place.statement and not place.fault]
        for place in sound:
            if place.statement and self.fold.disowning(place.statement) is None:
                return place
        return sound[0] if sound and self.rescuers(artifact, accepted) else None

    def level(self, artifact: bytes, accepted: Collection[bytes] = ()) -> int:
        if all(place.fault for place in self.places.get(artifact, [])):
            return 0
        standing = self.place(artifact, accepted)
        made = self._fields(artifact)["stance"] == "made"
        return 2 if standing and made and standing.role in ("human", "pair") else 1

    def reached(self, artifact: bytes, relations: tuple[str, ...] | None = None) -> set[bytes]:
        """The artifact and all that is reached from it over parents (of these relations), by recursion."""
        return self._reached(artifact, relations, lambda found: self.level(found) > 0)

    def _reached(
        self, artifact: bytes, relations: tuple[str, ...] | None, goes_on: Callable[[bytes], bool]
    ) -> set[bytes]:
        found = {artifact}
        if goes_on(artifact):
            for parent in self._fields(artifact)["parents"]:
                if "log" not in parent and (relations is None or parent["rel"] in relations):
                    found |= self._reached(parent["id"], relations, goes_on)
        return found

    def people(self, artifact: bytes, accepted: Collection[bytes] = ()) -> tuple[set[bytes], set[bytes]]:
        """`humans` and `authors` of an artifact; nothing is reached behind a disowned one that nobody rescued."""
        return self._people(artifact, accepted, lambda found: self.place(found, accepted) is not None)

    def humans_behind(self, artifact: bytes, accepted: Collection[bytes] = ()) -> set[bytes]:
        """Who is reached only behind an artifact that is disowned."""
        all_humans, _authors = self._people(artifact, accepted, lambda found: self.level(found) > 0)
        return all_humans - self.people(artifact, accepted)[0]

    def _people(
        self, artifact: bytes, accepted: Collection[bytes], goes_on: Callable[[bytes], bool]
    ) -> tuple[set[bytes], set[bytes]]:
        humans, authors = set(), set()
        for ancestor in self._reached(artifact, DESCENT_RELATIONS, goes_on):
            place = self.place(ancestor, accepted)
            if place is None or place.statement is None or self.level(ancestor, accepted) < 2:
                continue
            if place.anchor is not None:
                humans.add(place.anchor)
                fields, delegation = self._fields(ancestor), place.statement["delegation"]
                scope = delegation["body"].get("scope", {}) if delegation else {"human": 1}
                if (
                    fields["kind"] in ("work", "experience")
                    and fields.get("human") != 0
                    and scope.get("human")
                ):
                    authors.add(place.anchor)
        return humans, authors

    def notices(self, artifact: bytes) -> list[tuple[str, bool]]:
        """(act, whether of the whole artifact) of each hold, retraction, erasure and dispute that counts (SPEC §7.6)."""
        heard = [one for one in self.fold.said if one["type"] == "notice" and not self.fold.disowning(one)]
        record = _fields_of(self.held.get(artifact))
        found = []
        for one in heard:
            act, by = one["body"]["act"], one["by"]
            for subject in one["body"]["subjects"]:
                if subject[0] != artifact or act == "release":
                    continue
                if not (_named(one, subject) or self._named_early(one, subject)):
                    continue
                if any(each["body"].get("cancels") == one["id"] and _named(each, subject) for each in heard):
                    continue
                own = act in ("retract", "erase") and self.fold.answers_for(by, artifact, record)
                if own or self.fold.is_listed(by):  # what he could say only while listed ends with that
                    found.append((act, len(subject) == 1))
        return found

    def _named_early(self, notice: dict[str, Any], subject: list[Any]) -> bool:
        """Whether a notice in order is about an artifact that came only later, and may count for who lacks a place (SPEC §12)."""
        artifact, *row = subject
        record = _fields_of(self.held.get(artifact))
        if notice["body"]["subjects"].index(subject) not in notice["early"] or record is None:
            return False
        is_entitled = notice["listed"] or self.fold.answers_for(notice["by"], artifact, record)
        return is_entitled and (not row or row[0] < _rows_of(record))

    def standing(self, artifact: bytes, accepted: Collection[bytes] = ()) -> str:
        """The own status of SPEC §12."""
        sound = [place for place in self.places.get(artifact, []) if not place.fault]
        place = self.place(artifact, accepted)
        notices = self.notices(artifact)
        if ("retract", True) in notices or ("erase", True) in notices:
            return "retracted"
        if sound and place is None:
            return "disowned"
        statement = place.statement if place else None
        if ("hold", True) in notices:
            return "quarantined"
        if statement is not None and self.fold.contested_key(statement["by"]) == statement["key"]:
            return "quarantined"
        if place is None or self.held.get(artifact) is None:
            return "unknown"
        if ("dispute", True) in notices or any(not whole for _act, whole in notices):
            return "conditional"
        return "released"

    def _fields(self, artifact: bytes) -> dict[str, Any]:
        fields: dict[str, Any] = msgpack.unpackb(self.held[artifact] or b"")
        return fields


def _named(statement: dict[str, Any], subject: list[Any]) -> bool:
    """Whether a notice or attestation in order is about the subject, and without fault."""
    subjects = statement["body"]["subjects"]
    return subject in subjects and subjects.index(subject) not in statement["void"]


# Rows sidecars, from SPEC §10.7 and §11.6


def sidecar(record: bytes, digests: list[bytes]) -> bytes:
    """The whole file, from its table."""
    order = sorted(range(len(digests)), key=lambda row: (digests[row], row))
    groups = [mth(digests[at : at + 256]) for at in range(0, len(digests), 256)]
    head = b"lineage/rows/v1\n" + len(digests).to_bytes(4, "big") + len(record).to_bytes(4, "big")
    places = b"".join(row.to_bytes(4, "big") for row in order)
    return head + record + b"".join(digests) + places + b"".join(groups)
