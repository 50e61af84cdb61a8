"""A log with a human, a machine, two pairs and a few artifacts, the same in every test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ledger.errors import LineageError
from ledger.identity import ed25519
from ledger.identity.keyset import make_keyset, sign_entry_payload
from ledger.log.writer import Appended
from ledger.merkle.tree import hash_leaf, root_of
from ledger.statements import codec
from ledger.statements.entry import CURRENT, Entry, Signature, make_entry
from ledger.statements.record import Record
from ledger.statements.statement import make_statement
from ledger.store.contract import Store
from ledger.store.head import decode_head
from ledger.store.reader import StoreReader
from tests.world import Actor, World, seed_of

Submission = tuple[bytes, Sequence[bytes]]
ASIDE = b"B" * 16  # the lane of what is refused, so that the lane of what is not goes on

TOOL = {"tool": "t", "version": "1", "parameters": b"p" * 32}


@dataclass
class Scene:
    """A log with a human, a machine, two pairs and a few artifacts, the same in every test."""

    world: World
    ada: Actor
    mech: Actor
    duo: Actor
    bare: Actor  # a pair that was never delegated
    work: Record
    model: Record
    table: Record

    def bad(self, records: Sequence[Record], actor: Actor | None = None) -> Submission:
        """A statement in order, but for its records."""
        entry, encoded = (actor or self.ada).artifacts(records, ASIDE)
        return entry.encoded, encoded

    def raw(self, data: bytes, actor: Actor | None = None) -> Submission:
        """A statement in order over one record, whatever its bytes are."""
        body = {"count": 1, "root": root_of([hash_leaf(data)])}
        return (actor or self.ada).say("artifacts", body, ASIDE).encoded, [data]

    def changed(self, record: Record, **fields: Any) -> Submission:
        """A statement over a record whose fields no honest encoder lets through."""
        return self.raw(codec.encode(record.fields | fields))


def scene(store: Store | None = None) -> Scene:
    world = World(store)
    ada, mech = world.enrol("ada"), world.enrol("mech", "machine")
    duo = world.pair(
        ada, "duo", {"kinds": ["work", "output"], "count": 2, "human": 100_000, "until": 2_000_000}
    )
    bare = world.enrol("bare", "pair", ada.id)
    work = ada.record("a work")
    facts = {"name": "m", "version": "1"}
    model = ada.record("weights", "model", facts=facts)
    table = ada.record("rows", "dataset", form="rows", facts={"count": 3})
    world.must(*ada.artifacts([work, model, table]))
    return Scene(world, ada, mech, duo, bare, work, model, table)


def codes(results: Sequence[Appended | LineageError]) -> list[str]:
    return [result.code if isinstance(result, LineageError) else "" for result in results]


def two_key_actor(world: World, threshold: int) -> tuple[bytes, Entry, list[bytes]]:
    """An enrolment under two keys: its id, its entry, and the seeds in the order of the keyset."""
    seeds = {ed25519.public_key(seed_of(name)): seed_of(name) for name in ("first", "second")}
    keyset = make_keyset(list(seeds), threshold)
    body = {"role": "human", "keyset": keyset, "next": bytes([threshold]) * 32, "recovery": b"r" * 32}
    statement = make_statement("enrol", world.log, body)
    ordered = [seeds[key] for _algorithm, key in keyset["keys"]]
    return statement.id, make_entry(statement, signed(statement.payload, ordered[:threshold])), ordered


def signed(payload: bytes, seeds: Sequence[bytes], keyset: int = CURRENT) -> list[Signature]:
    return [Signature(keyset, n, sign_entry_payload(seed, payload)) for n, seed in enumerate(seeds)]


def last_entry(world: World) -> bytes:
    with world.store.snapshot() as snapshot:
        return StoreReader(snapshot).entry(decode_head(snapshot.head()).size - 1)


def entries_of(world: World) -> list[bytes]:
    with world.store.snapshot() as snapshot:
        head = decode_head(snapshot.head())
        return list(StoreReader(snapshot, head.size, head.records).entries(0, head.size))
