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
from ledger.spec import RECOVERY_WAIT_S
from ledger.statements import codec
from ledger.statements.entry import CURRENT, NEXT, RECOVERY, Entry, Signature, make_entry
from ledger.statements.record import Parent, Record, make_record
from ledger.statements.statement import Statement, keyset_digest, make_statement
from ledger.store.contract import Store
from ledger.store.memory import MemoryStore

ORIGIN = "log.example/test"


def seed_of(name: str) -> bytes:
    """A fixed seed for a made-up name."""
    return hashlib.sha256(b"test seed " + name.encode()).digest()


def keyset_of(*names: str, threshold: int = 1) -> Keyset:
    """A keyset of the keys of these names."""
    return make_keyset([ed25519.public_key(seed_of(name)) for name in names], threshold)


@dataclass
class Actor:
    """An identity whose keysets follow from names; `lanes` remembers (next seq, last id) by (key event, lane).

    `current`, `next` and `recovery` are the names of the keysets in force and committed to; `key` the key event in force,
    `last` the last one, number `kseq`.
    """

    name: str
    log: bytes
    role: str
    enrolment: Entry
    delegation: bytes | None = None
    lanes: dict[tuple[bytes, bytes], tuple[int, bytes | None]] = field(default_factory=dict)
    kseq: int = 0
    current: str = ""
    next: str = ""
    recovery: str = ""
    key: bytes = b""
    last: bytes = b""
    pending: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self.current, self.next, self.recovery = self.name, f"{self.name}/next", f"{self.name}/recovery"
        self.key = self.last = self.id

    @property
    def id(self) -> bytes:
        return self.enrolment.statement.id

    @property
    def public_key(self) -> bytes:
        """The one key of the keyset in force."""
        return ed25519.public_key(seed_of(self.current))

    def sign(self, statement: Statement, code: int = CURRENT, name: str | None = None) -> Entry:
        signature = sign_entry_payload(seed_of(name or self.current), statement.payload)
        return make_entry(statement, [Signature(code, 0, signature)])

    def say(self, type_: str, body: dict[str, Any], lane: bytes = b"L" * 16) -> Entry:
        """An ordinary statement, next in its lane."""
        seq, prev = self.lanes.get((self.key, lane), (0, None))
        statement = make_statement(
            type_, self.log, body, by=self.id, key=self.key, lane=lane, seq=seq, prev=prev
        )
        self.lanes[self.key, lane] = (seq + 1, statement.id)
        return self.sign(statement)

    def key_event(
        self,
        type_: str,
        *,
        cuts: Sequence[tuple[bytes, int]] = (),
        reveal: str | None = None,
        **overrides: Any,
    ) -> Entry:
        """A `rotate`, `recover` or `retire` as it should follow; `overrides` replace body keys, kseq and prev."""
        revealed = reveal or (self.recovery if type_ == "recover" else self.next)
        body: dict[str, Any] = {"keyset": keyset_of(revealed)}
        if type_ == "retire":
            body["reason"] = "ended"
        else:
            body["next"] = keyset_digest(keyset_of(f"{self.name}/next{self.kseq + 1}"))
            body["recovery"] = keyset_digest(keyset_of(f"{self.name}/recovery{self.kseq + 1}"))
        if cuts:
            body["compromised"] = sorted([key, start] for key, start in cuts)
        fields = {"by": self.id, "kseq": self.kseq + 1, "prev": self.last}
        fields |= {name: overrides.pop(name) for name in list(overrides) if name in fields}
        statement = make_statement(type_, self.log, body | overrides, **fields)
        return self.sign(statement, RECOVERY if type_ == "recover" else NEXT, revealed)

    def took(self, entry: Entry) -> None:
        """The log took a key event as `key_event` made it. A recover waits for `settle`."""
        kind, number = entry.statement.type, self.kseq + 1
        names = {"next": f"{self.name}/next{number}", "recovery": f"{self.name}/recovery{number}"}
        after = {
            "current": self.recovery if kind == "recover" else self.next,
            "key": entry.statement.id,
            **names,
        }
        self.kseq, self.last = number, entry.statement.id
        self.pending = after if kind == "recover" else None
        if kind != "recover":
            self._become(after)

    def settle(self) -> None:
        """The pending recover is in force."""
        if self.pending is not None:
            self._become(self.pending)
        self.pending = None

    def _become(self, after: dict[str, Any]) -> None:
        for name, value in after.items():
            setattr(self, name, value)

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

    def enrol_with(self, name: str, keyset: Keyset, next_: str, next_keyset: Keyset | None = None) -> Actor:
        """An enrolled human with a keyset of its own, signed by the first keys that its threshold asks for."""
        body = {
            "role": "human",
            "keyset": keyset,
            "next": keyset_digest(next_keyset or keyset_of(next_)),
            "recovery": keyset_digest(keyset_of(name + "/recovery")),
        }
        statement = make_statement("enrol", self.log, body)
        seeds = {ed25519.public_key(seed): seed for seed in map(seed_of, (name, "one", "two", "three"))}
        signatures = [
            Signature(
                CURRENT, position, sign_entry_payload(seeds[keyset["keys"][position][1]], statement.payload)
            )
            for position in range(keyset["thresholds"]["ed25519"])
        ]
        actor = Actor(name, self.log, "human", make_entry(statement, signatures))
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

    def undelegate(self, anchor: Actor, pair: Actor) -> Appended:
        return self.must(anchor.say("undelegate", {"pair": pair.id}))

    def change(self, actor: Actor, type_: str = "rotate", **arguments: Any) -> Appended:
        """A key event that is not refused; the actor then speaks by it (a recover waits: `wait_out`)."""
        entry = actor.key_event(type_, **arguments)
        appended = self.must(entry)
        actor.took(entry)
        return appended

    def wait_out(self, actor: Actor) -> None:
        """Lets the log's clock pass the time that a recover waits."""
        self.time_ms += RECOVERY_WAIT_S * 1_000
        self.writer.tick()
        actor.settle()

    def publish(self, actor: Actor, *records: Record) -> Appended:
        """The records of an actor in one statement."""
        return self.must(*actor.artifacts(records))

    def notice(self, actor: Actor, act: str, *subjects: list[Any], **body: Any) -> Appended:
        return self.must(actor.say("notice", {"subjects": sorted(subjects), "act": act, **body}))

    def attest(
        self, actor: Actor, *subjects: list[Any], claim: str = "authorship", result: str = "confirmed"
    ) -> Appended:
        body = {"subjects": sorted(subjects), "claim": claim, "result": result}
        return self.must(actor.say("attest", body))

    def endorse(self, actor: Actor, subject: Actor, grade: str = "verified", **body: Any) -> Appended:
        return self.must(
            actor.say("endorse", {"subject": subject.id, "grade": grade, "method": "document", **body})
        )

    def operator(self) -> Actor:
        """The operator, who speaks by the genesis."""
        return Actor("operator", self.log, "operator", self.genesis)

    def rules(self, operator: Actor, mode: str = "open", **body: Any) -> Appended:
        """New rules; `registrars` and `curators` are actors."""
        lists: dict[str, Any] = {
            name: sorted(actor.id for actor in body.pop(name))
            for name in ("registrars", "curators")
            if name in body
        }
        return self.must(operator.say("rules", {"mode": mode, **lists, **body}))


def evidence(first: Entry, second: Entry) -> dict[str, Any]:
    """The body of an `evidence` over two entries."""
    halves = sorted(
        [entry.statement.payload, [list(item) for item in entry.signatures]] for entry in (first, second)
    )
    halves.sort(key=lambda half: codec.encode(half[0]))
    return {"first": halves[0], "second": halves[1]}
