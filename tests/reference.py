"""Naive algorithms, written from their definitions: what the fast ones are held to. Slow on purpose."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from typing import Any

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


class NaiveFold:
    """`step` and `records` return codes; everything else is a dict or a list that a test may look at."""

    def __init__(self, log: bytes) -> None:
        self.log = log
        self.begun = False
        self.rules: dict[str, Any] = {}
        self.clock = 0
        self.sequence = 0
        self.identities: dict[bytes, dict[str, Any]] = {}
        self.delegations: dict[bytes, list[dict[str, Any]]] = {}
        self.lanes: dict[tuple[bytes, bytes, bytes], list[bytes]] = {}
        self.topics: dict[bytes, list[tuple[int, bytes]]] = {}

    def status_root(self) -> bytes:
        return prefix_root({key: self._chain_value(links) for key, links in self.topics.items()})

    def _chain_value(self, links: list[tuple[int, bytes]]) -> bytes:
        head = bytes(32)
        for index, leaf in links:
            head = tagged("chain", head, index.to_bytes(8, "big"), leaf)
        return tagged("chain-value", len(links).to_bytes(8, "big"), head)

    def step(self, index: int, data: bytes, clock: int, number: int = 1) -> str | None:
        """SPEC §9.2, steps 1 to 8: the code of the entry's fault, or None; `number` by SPEC §9.6."""
        try:
            entry = decode_entry(data)
        except LineageError as error:
            return error.code
        fields, payload = entry.statement.fields, entry.statement.payload
        if fields["log"] != self.log:
            return "wrong-log"
        own_id = tagged("statement", payload)
        if number != 1 and index > 0 and self.begun:
            code: str | None = "fold-unknown"
        else:
            code = self._judge(index, fields, own_id, clock)
        if code is None and fields["type"] != "state":
            code = self._signatures(fields, payload, [list(item) for item in entry.signatures])
            code = code or self._judge_signed(fields, clock)
        self._extend(index, data, fields, own_id)
        if code is None:
            self._effect(fields, own_id)
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

    def _judge(self, index: int, fields: dict[str, Any], own_id: bytes, clock: int) -> str | None:
        """Steps 3 to 5."""
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
            if body["fold"] != 1:
                return "fold-unknown"
            truth = (self.status_root(), self.sequence)
            return (
                "state-wrong"
                if (body["root"], body["records"]) != truth or body["time"] < self.clock
                else None
            )
        if kind not in ("genesis", "enrol", "artifacts", "delegate"):
            return "not-yet"
        if kind in ("genesis", "enrol"):
            return self._birth(kind, body, own_id)
        if fields["by"] not in self.identities:
            return "identity-unknown"
        return (
            None if fields["key"] == fields["by"] else "key-not-in-force"
        )  # no key event follows the first in fold 1

    def _genesis(self, body: dict[str, Any]) -> str | None:
        if body["fold"] != 1:
            return "fold-unknown"
        if tagged("log", body["vkeys"][0].encode()) != self.log:
            return "genesis-illegal"
        for text in body["vkeys"]:
            name, key, right = vkey_parts(text)
            if not right or not key_is_right(key):
                return "key-refused"
            if name != body["origin"] or key in [pair[1] for pair in body["keyset"]["keys"]]:
                return "genesis-illegal"
        return None

    def _birth(self, kind: str, body: dict[str, Any], own_id: bytes) -> str | None:
        if own_id in self.identities:
            return "identity-exists"
        for algorithm, key in body["keyset"]["keys"]:
            if algorithm != "ed25519":
                return "not-yet"
            if not key_is_right(key):
                return "key-refused"
        digest = tagged("keyset", pack(body["keyset"]))
        if digest in (body["next"], body["recovery"]) or body["next"] == body["recovery"]:
            return "keyset-illegal"
        if kind == "enrol" and body["role"] == "pair":
            anchor = self.identities.get(body["of"])
            if anchor is None or anchor["role"] != "human":
                return "delegation-illegal"
        return None

    def _signatures(self, fields: dict[str, Any], payload: bytes, signatures: list[Any]) -> str | None:
        """Step 6."""
        keyset = fields["body"]["keyset"] if "by" not in fields else self.identities[fields["by"]]["keyset"]
        for code, index, _signature in signatures:
            if code != 0:
                return "signature-surplus"
            if index >= len(keyset["keys"]):
                return "signature-invalid"
        if len(signatures) != keyset["thresholds"]["ed25519"]:
            few = len(signatures) < keyset["thresholds"]["ed25519"]
            return "signature-missing" if few else "signature-surplus"
        for _code, index, signature in signatures:
            if not signature_holds(keyset["keys"][index][1], pae(payload), signature):
                return "signature-invalid"
        return None

    def _judge_signed(self, fields: dict[str, Any], clock: int) -> str | None:
        """Steps 7 and 8."""
        body, kind = fields["body"], fields["type"]
        if "by" not in fields:
            return None
        lane = self.lanes.get((fields["by"], fields["key"], fields["lane"]), [])
        if fields["seq"] != len(lane) or (lane and fields["prev"] != lane[-1]):
            return "lane-broken"
        signer = self.identities[fields["by"]]
        if kind == "delegate":
            pair = self.identities.get(body["pair"])
            right = pair is not None and pair["of"] == fields["by"] and signer["role"] == "human"
            return None if right else "delegation-illegal"
        if body["count"] > self.rules.get("limits", {}).get("records", 65_536):
            return "rules-exceeded"
        if signer["role"] != "pair":
            return "schema" if "delegation" in body else None
        delegations = self.delegations.get(fields["by"], [])
        if not delegations or body.get("delegation") != delegations[-1]["id"]:
            return "not-delegated"
        scope = delegations[-1]["scope"]
        if clock >= scope.get("until", 2**60) or delegations[-1]["used"] + body["count"] > scope.get(
            "count", 2**60
        ):
            return "scope-exceeded"
        return None

    def _effect(self, fields: dict[str, Any], own_id: bytes) -> None:
        body, kind = fields["body"], fields["type"]
        if kind in ("genesis", "enrol"):
            role = body["role"] if kind == "enrol" else "operator"
            self.identities[own_id] = {"role": role, "keyset": body["keyset"], "of": body.get("of")}
        if kind == "genesis":
            self.begun, self.rules = True, body["rules"]
        if "lane" in fields:
            self.lanes.setdefault((fields["by"], fields["key"], fields["lane"]), []).append(own_id)
        if kind == "delegate":
            delegation = {"id": own_id, "scope": body.get("scope", {}), "used": 0}
            self.delegations.setdefault(body["pair"], []).append(delegation)
        if kind == "artifacts" and fields["by"] in self.delegations:
            self.delegations[fields["by"]][-1]["used"] += body["count"]

    def records(
        self,
        fields: dict[str, Any],
        records: list[bytes | None],
        leaves: list[bytes],
        held: dict[bytes, bytes | None],
    ) -> list[tuple[int | None, str]]:
        """Step 9, of an entry in order: (record_index, code) of each fault. `held`: what stands before, by artifact id."""
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
            scope = self.delegations[statement["by"]][-1]["scope"]
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
            try:
                other = decode_record(before[parent["id"]] or b"").fields
            except LineageError:
                continue  # erased or unreadable: of unknown kind
            rows = other["facts"]["count"] if other["form"] == "rows" else 0
            if (
                not relation_allows(parent["rel"], fields["kind"], other["kind"])
                or parent.get("row", -1) >= rows
            ):
                return "parent-kind"
        return None


def _mth_of_hashes(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    k = _largest_power_below(len(leaves))
    return hashlib.sha256(b"\x01" + _mth_of_hashes(leaves[:k]) + _mth_of_hashes(leaves[k:])).digest()


# --- The trace, SPEC §12: recursive, over what the naive fold says of a whole log; nothing is proved ------------------

DESCENT_RELATIONS = ("derived-from", "generated-by", "trained-on", "distilled-from", "quotes")


class NaiveLog:
    """A log folded naively; `places`: by artifact id, (fault code or None, role, anchor, scope) of each in log order."""

    def __init__(self, log: bytes) -> None:
        self.fold = NaiveFold(log)
        self.places: dict[bytes, list[tuple[str | None, str, bytes | None, dict[str, Any]]]] = {}
        self.held: dict[bytes, bytes | None] = {}

    def step(self, index: int, data: bytes, records: list[bytes], clock: int) -> None:
        code = self.fold.step(index, data, clock)
        if not records:
            return
        fields = decode_entry(data).statement.fields
        leaves = [hashlib.sha256(b"\x00" + record).digest() for record in records]
        faults = [] if code else self.fold.records(fields, list(records), leaves, self.held)
        signer = self.fold.identities.get(fields["by"], {"role": "", "of": None})
        anchor = fields["by"] if signer["role"] == "human" else signer["of"]
        scope = self.fold.delegations.get(fields["by"], [{"scope": {}}])[-1]["scope"]
        for position, leaf in enumerate(leaves):
            fault = code or next((what for at, what in faults if at == position), None)
            self.places.setdefault(leaf, []).append((fault, signer["role"], anchor, scope))
            if code is None:
                self.held[leaf] = records[position]

    def level(self, artifact: bytes) -> int:
        for fault, role, _anchor, _scope in self.places.get(artifact, []):
            if fault is None:
                made = self._fields(artifact)["stance"] == "made"
                return 2 if made and role in ("human", "pair") else 1
        return 0

    def reached(self, artifact: bytes, relations: tuple[str, ...] | None = None) -> set[bytes]:
        """The artifact and all that is reached from it over parents (of these relations), by recursion."""
        found = {artifact}
        if self.level(artifact) > 0:
            for parent in self._fields(artifact)["parents"]:
                if "log" not in parent and (relations is None or parent["rel"] in relations):
                    found |= self.reached(parent["id"], relations)
        return found

    def people(self, artifact: bytes) -> tuple[set[bytes], set[bytes]]:
        """`humans` and `authors` of an artifact."""
        humans, authors = set(), set()
        for ancestor in self.reached(artifact, DESCENT_RELATIONS):
            if self.level(ancestor) < 2:
                continue
            _fault, role, anchor, scope = next(place for place in self.places[ancestor] if place[0] is None)
            fields = self._fields(ancestor)
            if anchor is not None:
                humans.add(anchor)
                scoped = role == "human" or scope.get("human", 0) > 0
                if fields["kind"] in ("work", "experience") and fields.get("human") != 0 and scoped:
                    authors.add(anchor)
        return humans, authors

    def _fields(self, artifact: bytes) -> dict[str, Any]:
        fields: dict[str, Any] = msgpack.unpackb(self.held[artifact] or b"")
        return fields
