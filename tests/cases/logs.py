"""Logs, entry by entry, good and bad: written by naive code alone, so that the ledger is not its own witness."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.cases.samples import Fields, changed, keyset, payload, record, some, vkey
from tests.reference import (
    NaiveFold,
    ed25519_mixed_order_key,
    ed25519_sign_mixed,
    mth,
    pack,
    pae,
    tagged,
)

ORIGIN = "log.example/test"
LANE = b"L" * 16
MIXED_SECRET = 12345

Change = Callable[[Fields], Fields]


class Erased(NamedTuple):
    """A record of which only the leaf hash is left."""

    leaf_hash: bytes


@cache
def private_key(name: str) -> Ed25519PrivateKey:
    """The key of a made-up name; its seed is SHA-256("test seed " ‖ name)."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"test seed " + name.encode()).digest())


@cache
def public_key(name: str) -> bytes:
    return private_key(name).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def keys(*names: str, threshold: int = 1) -> Fields:
    return keyset(*[("ed25519", public_key(name)) for name in names], ed25519=threshold)


def commitments(name: str) -> Fields:
    """`next` and `recovery` beside the keyset of a name: those of the names "x/next" and "x/recovery"."""
    return {
        "next": tagged("keyset", pack(keys(name + "/next"))),
        "recovery": tagged("keyset", pack(keys(name + "/recovery"))),
    }


def signed(fields: Fields, *signers: str, keyset_number: int = 0, at: int | None = None) -> bytes:
    """An entry, signed by the named keys of one keyset; `at`: under another key index than theirs."""
    data = pack(fields)
    order = sorted(["ed25519", public_key(name)] for name in signers)
    signatures = [
        [
            keyset_number,
            order.index(["ed25519", public_key(name)]) if at is None else at,
            signature(name, data),
        ]
        for name in signers
    ]
    return pack([data, sorted(signatures)])


def joined(fields: Fields, signatures: list[list[Any]]) -> bytes:
    """An entry with these signatures."""
    return pack([pack(fields), sorted(signatures)])


def signature(name: str, data: bytes) -> bytes:
    return private_key(name).sign(pae(data))


@dataclass
class Actor:
    """Somebody who enrols; `lanes` holds (next seq, id of the last statement), `events` what followed the enrolment.

    `name` is that of the keyset in force; `spoken` the id of its key event, if that is not the enrolment.
    """

    name: str
    role: str
    enrolment: Fields
    lanes: dict[bytes, tuple[int, bytes | None]] = field(default_factory=dict)
    events: list[bytes] = field(default_factory=list)
    spoken: bytes | None = None

    @property
    def id(self) -> bytes:
        return tagged("statement", pack(self.enrolment))

    @property
    def key(self) -> bytes:
        return self.spoken or self.id

    def turn(self, name: str, event: bytes) -> None:
        """From now on a later key event is in force, whose keyset has this name."""
        self.name, self.spoken, self.lanes = name, event, {}


@dataclass
class Script:
    """A log as it is written: raw entries, and by log index the records (encoded, or erased) of `artifacts` entries."""

    entries: list[bytes] = field(default_factory=list)
    records: dict[int, list[bytes | Erased]] = field(default_factory=dict)
    time: int = 1_000_000
    fold: int = 1

    def __post_init__(self) -> None:
        self.vkey = vkey(ORIGIN, public_key("log"))
        self.log = tagged("log", self.vkey.encode())
        self._roots = NaiveFold(
            self.log
        )  # for what follows from bytes alone: the status map and the record count
        self.operator = Actor("operator", "operator", self.genesis())

    def genesis(self, **changes: Any) -> Fields:
        body = {
            "origin": ORIGIN,
            "vkeys": [self.vkey],
            "keyset": keys("operator"),
            **commitments("operator"),
            "rules": {"mode": "open"},
            "fold": self.fold,
        }
        return payload("genesis", log=self.log, body=changed(body, **changes))

    def begin(self) -> Script:
        self.add(signed(self.operator.enrolment, "operator"))
        self.state()
        return self

    def add(self, data: bytes, records: Sequence[bytes | Erased] = ()) -> int:
        """Appends whatever bytes; returns their log index."""
        index = len(self.entries)
        self._roots.step(index, data, 0)
        self.entries.append(data)
        if records:
            self.records[index] = list(records)
        return index

    def state(self, *, tick: int = 1000, **changes: Any) -> int:
        """A state that is right but for `changes`; the clock goes on by `tick` ms."""
        self.time += tick
        body = {
            "root": self._roots.status_root(),
            "records": self._roots.sequence,
            "time": self.time,
            "fold": self.fold,
        }
        return self.add(pack([pack(payload("state", log=self.log, body=changed(body, **changes)))]))

    def enrolment(self, name: str, role: str = "human", of: bytes | None = None, **changes: Any) -> Fields:
        body = {"role": role, "keyset": keys(name), **commitments(name), "of": of}
        return payload("enrol", log=self.log, body=changed(body, **changes))

    def actor(self, name: str, role: str = "human", of: bytes | None = None) -> Actor:
        """Enrols somebody."""
        actor = Actor(name, role, self.enrolment(name, role, of))
        self.add(signed(actor.enrolment, name))
        return actor

    def say(self, by: Actor, type_: str, body: Fields, lane: bytes = LANE, **changes: Any) -> Fields:
        """The next statement in a lane; it is remembered as said, so call `unsay` if it will be a fault."""
        seq, prev = by.lanes.get(lane, (0, None))
        fields = payload(type_, log=self.log, body=body, by=by.id, key=by.key, lane=lane, seq=seq, prev=prev)
        fields = changed(fields, **changes)
        by.lanes[lane] = (seq + 1, tagged("statement", pack(fields)))
        return fields

    @staticmethod
    def unsay(by: Actor, fields: Fields) -> Fields:
        """The statement will be refused: its lane stays where it was."""
        by.lanes[fields["lane"]] = (fields["seq"], fields.get("prev"))
        return fields

    def tell(self, by: Actor, type_: str, body: Fields, **changes: Any) -> bytes:
        """Appends a statement in order; returns its id."""
        fields = self.say(by, type_, body, **changes)
        self.add(signed(fields, by.name))
        return tagged("statement", pack(fields))

    def key_event(self, by: Actor, type_: str, **changes: Any) -> Fields:
        """The next key event, to be signed by "x/next" or "x/recovery"; `changes` of its body."""
        name = by.name + ("/recovery" if type_ == "recover" else "/next")
        body: Fields = {"keyset": keys(name)}
        body |= {"reason": "ended"} if type_ == "retire" else commitments(name)
        prev = (by.events or [by.id])[-1]
        body = changed(body, **changes)
        return payload(type_, log=self.log, by=by.id, kseq=len(by.events) + 1, prev=prev, body=body)

    def turn(self, by: Actor, type_: str, **changes: Any) -> int:
        """Appends the next key event in order; of a `recover`, call `by.turn` when it is in force."""
        name = by.name + ("/recovery" if type_ == "recover" else "/next")
        fields = self.key_event(by, type_, **changes)
        by.events.append(tagged("statement", pack(fields)))
        if type_ != "recover":
            by.turn(name, by.events[-1])
        return self.add(signed(fields, name, keyset_number=2 if type_ == "recover" else 1))

    def delegation(self, by: Actor, pair: Actor, scope: Fields | None = None, **changes: Any) -> Fields:
        body: Fields = {"pair": pair.id, "substrate": {"name": "quill", "version": "2.0"}}
        return self.say(by, "delegate", body | ({"scope": scope} if scope else {}), **changes)

    def delegate(self, by: Actor, pair: Actor, scope: Fields | None = None) -> bytes:
        """Appends a delegation; returns its statement id."""
        fields = self.delegation(by, pair, scope)
        self.add(signed(fields, by.name))
        return tagged("statement", pack(fields))

    def artifacts(
        self, by: Actor, records: Sequence[bytes], delegation: bytes | None = None, **changes: Any
    ) -> Fields:
        """A statement over encoded records."""
        body = {"count": len(records), "root": mth(list(records)), "delegation": delegation}
        return self.say(by, "artifacts", changed(body), **changes)

    def publish(self, by: Actor, *records: bytes, delegation: bytes | None = None, **changes: Any) -> int:
        """Appends a statement with its records."""
        return self.add(signed(self.artifacts(by, records, delegation, **changes), by.name), records)

    def work(self, by: Actor, text: str, kind: str = "work", **changes: Any) -> bytes:
        """An encoded record by `by`."""
        data = text.encode()
        fields = record(kind, maker=by.id, content=hashlib.sha256(data).digest(), size=len(data), parents=[])
        if kind in ("experience", "output", "abstract"):
            fields.pop("facts")
        return pack(changed(fields, **changes))


def id_of(encoded: bytes) -> bytes:
    """The artifact id of an encoded record."""
    return hashlib.sha256(b"\x00" + encoded).digest()


def parent_of(encoded: bytes, rel: str = "quotes", **more: Any) -> Fields:
    return {"rel": rel, "id": id_of(encoded), **more}


def mixed_enrolment(script: Script) -> bytes:
    """An enrolment whose key has a component of order 8; the signature is valid by the equation."""
    bad = keyset(("ed25519", ed25519_mixed_order_key(MIXED_SECRET)), ed25519=1)
    data = pack(script.enrolment("mixed", keyset=bad))
    return pack([data, [[0, 0, ed25519_sign_mixed(MIXED_SECRET, pae(data))]]])


def low_order_enrolment(script: Script) -> bytes:
    """An enrolment whose key is the neutral point."""
    bad = keyset(("ed25519", b"\x01" + bytes(31)), ed25519=1)
    return pack([pack(script.enrolment("low", keyset=bad)), [[0, 0, bytes(64)]]])


def ml_dsa_enrolment(script: Script) -> bytes:
    """An enrolment that has a key of ml-dsa-44 beside one of ed25519."""
    both = keyset(("ed25519", public_key("both")), ("ml-dsa-44", some("ml-dsa") * 41), ed25519=1, ml_dsa_44=1)
    data = pack(script.enrolment("both", keyset=both))
    return pack([data, [[0, 0, signature("both", data)], [0, 1, bytes(2420)]]])
