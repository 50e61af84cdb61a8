"""Logs for the tests of the audit, honest ones and one to commit crimes in, and short words to ask about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ledger.audit.replay import audit_ledger
from ledger.audit.report import AuditReport
from ledger.errors import LineageError
from ledger.log.publish import publish
from ledger.statements.record import Parent, Record
from ledger.store.contract import Batch, Space, Store
from ledger.store.head import Head, decode_head
from tests.dishonest import DishonestLog
from tests.world import Actor, World, enrol

Named = tuple[int, str, int | None]


def named(report: AuditReport) -> list[Named]:
    return [(fault.log_index, fault.code, fault.record_index) for fault in report.faults]


def audit_world(world: World) -> AuditReport:
    return audit_ledger(world.store, world.vkey)


def published(world: World, folder: Path) -> Path:
    publish(world.store, world.vkey, folder)
    return folder


def begun(_world: World) -> None:
    """Genesis and state alone."""


def small_commits(world: World) -> None:
    ann, machine = world.enrol("ann"), world.enrol("machine", "machine")
    pair = world.pair(ann, "pair", {"human": 200_000, "count": 10, "until": 10**12})
    first, second = ann.record("first"), ann.record("second", human=700_000)
    world.must(*ann.artifacts([first, second]))
    child = pair.record("child", parents=[Parent("derived-from", first.id, 500_000)], human=100_000)
    world.must(*pair.artifacts([child]))
    model = machine.record("weights", "model", facts={"name": "m", "version": "1"})
    output = machine.record("words", "output", parents=[Parent("generated-by", model.id)])
    world.must(*machine.artifacts([model, output]))
    world.delegate(ann, pair)
    world.must(*pair.artifacts([pair.record("later")]))
    world.must(*ann.artifacts([first], lane=b"2" * 16))  # included again
    world.writer.tick()


def many_statements(world: World) -> None:
    """More than a bundle of entries and records, in segments of several sizes."""
    actors = [world.enrol(f"actor {n}") for n in range(5)]
    for commit in range(3):
        batch = [
            actor.artifacts([actor.record(f"{commit} {n} {m}") for m in range(n % 4 + 1)])
            for n in range(40)
            for actor in actors
        ]
        assert not any(isinstance(result, LineageError) for result in world.append(*batch))


def one_large_statement(world: World) -> None:
    ann = world.enrol("ann")
    world.must(*ann.artifacts([ann.record(str(n)) for n in range(2_000)]))


SHAPES = [begun, small_commits, many_statements, one_large_statement]


def replace_head(store: Store, change: Callable[[Head], Head]) -> None:
    with store.snapshot() as snapshot:
        raw = bytes(snapshot.head())
    store.commit(Batch(), raw, change(decode_head(raw)).encode())


def values_of(world: World, space: Space) -> dict[bytes, bytes]:
    with world.store.snapshot() as snapshot:
        return {key: bytes(value) for key, value in snapshot.scan(space)}


def put(store: Store, space: Space, key: bytes, value: bytes) -> None:
    with store.snapshot() as snapshot:
        head = bytes(snapshot.head())
    store.commit(Batch([(space, key, value)]), head, head)


@dataclass
class Crime:
    """A dishonest log with a few honest identities; each lane is used once, so that no crime touches another."""

    world: World = field(default_factory=World)
    lanes: int = 0

    def __post_init__(self) -> None:
        self.ann, self.bob = self.world.enrol("ann"), self.world.enrol("bob")
        self.machine = self.world.enrol("machine", "machine")
        self.pair = self.world.pair(self.ann, "pair", {"kinds": ["work"], "count": 3, "until": 10**12})
        self.late = self.world.pair(self.ann, "late", {"until": 1})
        self.mute = self.world.enrol("mute", "pair", self.ann.id)
        self.registrar = self.world.enrol("registrar", "registrar")
        self.curator = self.world.enrol("curator", "curator")
        self.operator = self.world.operator()
        self.world.rules(self.operator, registrars=[self.registrar], curators=[self.curator])
        self.rooted = self.ann.record("rooted")
        self.world.must(*self.ann.artifacts([self.rooted], self.lane()))
        self.log = DishonestLog.over(self.world)

    def lane(self) -> bytes:
        self.lanes += 1
        return self.lanes.to_bytes(16, "big")

    def over(self, actor: Actor, *records: Record) -> tuple[bytes, list[bytes]]:
        entry, encoded = actor.artifacts(records, self.lane())
        return entry.encoded, encoded

    def newcomer(self, name: str, role: str = "human", of: bytes | None = None) -> Actor:
        """An identity that enrols behind the crimes so far."""
        actor = enrol(name, self.world.log, role, of)
        self.log.append(actor.enrolment.encoded)
        return actor

    def event(self, actor: Actor, type_: str = "rotate", **arguments: Any) -> int:
        """A key event in order."""
        entry = actor.key_event(type_, **arguments)
        actor.took(entry)
        return self.log.append(entry.encoded)

    def honest(self) -> int:
        """A statement in order, whose record descends from the first."""
        record = self.ann.record(f"honest {self.lanes}", parents=[Parent("derived-from", self.rooted.id)])
        return self.log.append(*self.over(self.ann, record))
