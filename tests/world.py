"""A small world in memory: a log, its operator, and identities that sign. For tests only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger.errors import LineageError
from ledger.identity import ed25519
from ledger.identity.keyset import Keyset, make_keyset, sign_entry_payload
from ledger.identity.vkey import Vkey
from ledger.log.genesis import make_genesis
from ledger.log.writer import Appended, LogWriter
from ledger.merkle.tree import root_of
from ledger.statements.entry import CURRENT, Entry, Signature, make_entry
from ledger.statements.record import Parent, Record, make_record
from ledger.statements.statement import Statement, keyset_digest, make_statement
from ledger.store.contract import Store
from ledger.store.memory import MemoryStore

ORIGIN = "log.example/test"


def seed_of(name: str) -> bytes:
    """A fixed seed for a made-up name."""
    return hashlib.sha256(b"test seed " + name.encode()).digest()


def keyset_of(name: str) -> Keyset:
    return make_keyset([ed25519.public_key(seed_of(name))])


@dataclass
class Actor:
    """An identity whose three keysets follow from its name; `lanes` remembers (next seq, last id) by lane."""

    name: str
    log: bytes
    role: str
    enrolment: Entry
    delegation: bytes | None = None
    lanes: dict[bytes, tuple[int, bytes | None]] = field(default_factory=dict)

    @property
    def id(self) -> bytes:
        return self.enrolment.statement.id

    def sign(self, statement: Statement) -> Entry:
        signature = sign_entry_payload(seed_of(self.name), statement.payload)
        return make_entry(statement, [Signature(CURRENT, 0, signature)])

    def say(self, type_: str, body: dict[str, Any], lane: bytes = b"L" * 16) -> Entry:
        """An ordinary statement, next in its lane."""
        seq, prev = self.lanes.get(lane, (0, None))
        statement = make_statement(
            type_, self.log, body, by=self.id, key=self.id, lane=lane, seq=seq, prev=prev
        )
        self.lanes[lane] = (seq + 1, statement.id)
        return self.sign(statement)

    def artifacts(self, records: Sequence[Record], lane: bytes = b"L" * 16) -> tuple[Entry, list[bytes]]:
        """A statement over records, ready to be appended."""
        body: dict[str, Any] = {"count": len(records), "root": root_of([record.id for record in records])}
        if self.delegation is not None:
            body["delegation"] = self.delegation
        return self.say("artifacts", body, lane), [record.encoded for record in records]

    def record(self, text: str, kind: str = "work", parents: Iterable[Parent] = (), **fields: Any) -> Record:
        """A record over a short text."""
        content = text.encode()
        fields.setdefault("media", "text/plain")
        return make_record(
            kind=kind,
            maker=self.id,
            content=hashlib.sha256(content).digest(),
            size_bytes=len(content),
            parents=parents,
            **fields,
        )


def enrol(name: str, log: bytes, role: str = "human", of: bytes | None = None) -> Actor:
    """Keys and a signed enrolment; not yet appended."""
    body: dict[str, Any] = {
        "role": role,
        "keyset": keyset_of(name),
        "next": keyset_digest(keyset_of(name + "/next")),
        "recovery": keyset_digest(keyset_of(name + "/recovery")),
    }
    if of is not None:
        body["of"] = of
    statement = make_statement("enrol", log, body)
    signature = sign_entry_payload(seed_of(name), statement.payload)
    return Actor(name, log, role, make_entry(statement, [Signature(CURRENT, 0, signature)]))


class World:
    """A log with its writer over a store, begun."""

    def __init__(self, store: Store | None = None, origin: str = ORIGIN, *, begin: bool = True) -> None:
        self.store: Store = store if store is not None else MemoryStore()
        self.seed = seed_of("log key of " + origin)
        self.vkey = Vkey.make(origin, ed25519.public_key(self.seed))
        self.time_ms = 1_000_000
        self.writer = self.open()
        self.log = self.writer.log_id
        self.genesis = make_genesis(
            self.vkey, [seed_of("operator"), seed_of("operator/next"), seed_of("operator/recovery")]
        )
        if begin and self.writer.checkpoint is None:
            self.writer.begin(self.genesis)

    def open(self) -> LogWriter:
        """A writer over what the store holds: recovery runs here."""
        return LogWriter(self.store, self.vkey, self.sign_note, self.clock)

    def sign_note(self, message: bytes) -> bytes:
        return ed25519.sign(self.seed, message)

    def clock(self) -> int:
        self.time_ms += 1
        return self.time_ms

    def append(self, *submissions: tuple[Entry, Sequence[bytes]]) -> list[Appended | LineageError]:
        return self.writer.append([(entry.encoded, list(records)) for entry, records in submissions])

    def must(self, entry: Entry, records: Sequence[bytes] = ()) -> Appended:
        """Appends one statement that is not refused."""
        (result,) = self.append((entry, records))
        if isinstance(result, LineageError):
            raise result
        return result

    def enrol(self, name: str, role: str = "human", of: bytes | None = None) -> Actor:
        """An enrolled identity."""
        actor = enrol(name, self.log, role, of)
        self.must(actor.enrolment)
        return actor

    def pair(self, anchor: Actor, name: str, scope: dict[str, Any] | None = None) -> Actor:
        """A pair of `anchor`, enrolled and delegated."""
        pair = self.enrol(name, "pair", anchor.id)
        self.delegate(anchor, pair, scope)
        return pair

    def delegate(self, anchor: Actor, pair: Actor, scope: dict[str, Any] | None = None) -> Appended:
        body: dict[str, Any] = {"pair": pair.id, "substrate": {"name": "model", "version": "1"}}
        if scope is not None:
            body["scope"] = scope
        appended = self.must(anchor.say("delegate", body))
        pair.delegation = appended.statement_id
        return appended
