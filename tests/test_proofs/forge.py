"""Ancestry proofs as a dishonest operator makes them out of any entries, so many as he likes. For tests only.

A log of nothing but what stands in the file: its tree needs no proof, its status map holds the chains of these entries, and
whoever makes it may sign any of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ledger import spec
from ledger.errors import RefusedInput
from ledger.fold.topics import Chain, Topic, topic_key, topics_of
from ledger.fold.transition import open_entry
from ledger.identity import ed25519
from ledger.identity.vkey import Vkey
from ledger.log.genesis import make_genesis
from ledger.merkle.multiproof import multiproof_in_levels
from ledger.merkle.prefix import EMPTY_ROOT, update
from ledger.merkle.prefix_multiproof import prove_keys
from ledger.merkle.tree import hash_leaf, levels_of, root_of
from ledger.proofs.ancestry_file import HeldRecord, HeldStatement, LogPart
from ledger.proofs.checkpoint import Checkpoint, sign_checkpoint
from ledger.statements.entry import Entry, make_entry
from ledger.statements.record import Record
from ledger.statements.statement import log_id, make_statement
from tests.world import Actor, enrol, seed_of

ORIGIN = "log.example/forge"
SEED = seed_of("forge")
VKEY = Vkey.make(ORIGIN, ed25519.public_key(SEED))
TIME_MS = 1_000_000


class Forge:
    """A log that grows by what is said to stand in it. `part` ends it with a state."""

    def __init__(self) -> None:
        self.log = log_id(str(VKEY))
        genesis = make_genesis(
            VKEY, [seed_of("operator"), seed_of("operator/next"), seed_of("operator/recovery")]
        )
        self.operator = Actor("operator", self.log, "operator", genesis)
        self.entries: list[bytes] = [genesis.encoded]
        self.statements: list[HeldStatement] = []
        self.topics: set[tuple[int, bytes]] = set()
        self.time_ms = TIME_MS
        self._lanes = 0
        self._show(self.operator)

    def _show(self, actor: Actor) -> None:
        topics = (1, 3, 4) if actor.role != "pair" else (1, 2, 3, 4)
        self.topics |= {(topic, actor.id) for topic in topics}

    def put(self, data: bytes) -> int:
        self.entries.append(data)
        return len(self.entries) - 1

    def enrol(self, name: str, role: str = "human") -> Actor:
        actor = enrol(name, self.log, role)
        self.put(actor.enrolment.encoded)
        self._show(actor)
        return actor

    def lane(self) -> bytes:
        self._lanes += 1
        return b"lane%012d" % self._lanes

    def say(self, actor: Actor, type_: str, body: dict[str, Any]) -> Entry:
        entry = actor.say(type_, body, self.lane())
        self.put(entry.encoded)
        return entry

    def state(self, root: bytes = bytes(32)) -> None:
        self.time_ms += 1
        body = {"root": root, "records": 0, "time": self.time_ms, "fold": spec.FOLD_VERSION}
        self.put(make_entry(make_statement("state", self.log, body)).encoded)

    def publish(self, actor: Actor, records: Sequence[Record | bytes], *, valid: bool = True) -> None:
        """Records, or leaf hashes of erased ones, all in one statement."""
        ids = [record.id if isinstance(record, Record) else record for record in records]
        entry = actor.say("artifacts", {"count": len(ids), "root": root_of(ids)}, self.lane())
        if not valid:
            entry = make_entry(
                entry.statement, [each._replace(signature=bytes(64)) for each in entry.signatures]
            )
        held = [
            HeldRecord(index, artifact_id, record.encoded if isinstance(record, Record) else None)
            for index, (artifact_id, record) in enumerate(zip(ids, records, strict=True))
        ]
        self.statements.append(HeldStatement(self.put(entry.encoded), tuple(held), ()))

    def part(self, subjects: Iterable[bytes] = (), others: int = 0) -> LogPart:
        """`others`: so many keys more in the status map, of which nobody asks."""
        chains: dict[bytes, Chain] = {}
        for log_index, data in enumerate(self.entries):
            try:
                entry = open_entry(data, self.log)
            except RefusedInput:
                continue
            for key in topics_of(entry.statement):
                chains[key] = chains.get(key, Chain()).extend(log_index, entry.leaf_hash)
        values = {key: chain.value() for key, chain in chains.items()}
        values |= {hash_leaf(b"%d" % number): bytes(32) for number in range(others)}
        nodes: dict[bytes, bytes] = {}
        root, nodes = update(nodes.__getitem__, EMPTY_ROOT, values)
        self.state(root)
        levels = levels_of([hash_leaf(data) for data in self.entries])
        checkpoint = Checkpoint(ORIGIN, len(self.entries), levels[-1][0])
        note = sign_checkpoint(checkpoint, lambda message: ed25519.sign(SEED, message), VKEY.key).encode()
        keys = {topic_key(Topic(topic), subject) for topic, subject in self.topics}
        keys.add(topic_key(Topic.RULES, self.log))
        for statement in self.statements:
            for record in statement.records:
                keys |= {
                    topic_key(topic, record.artifact_id) for topic in (Topic.NOTICES, Topic.ATTESTATIONS)
                }
        return LogPart(
            self.log,
            note,
            (),
            list(enumerate(self.entries)),
            multiproof_in_levels(levels, range(len(self.entries))),
            sorted(self.topics),
            prove_keys(nodes.__getitem__, root, keys),
            self.statements,
            frozenset(subjects),
        )
