"""A log in which everything happens that fold 2 builds, and a commit that holds all of it with what it affects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ledger.fold import objects, stored
from ledger.fold.state import FoldState
from ledger.fold.topics import Chain
from ledger.statements import codec
from ledger.statements.entry import Entry
from ledger.statements.record import Parent, Record
from ledger.store.contract import Space, Store
from tests.world import Actor, World, enrol, evidence

Said = tuple[Entry, Sequence[bytes]]

SHAPES: dict[bytes, tuple[Any, Callable[[Any], Any]]] = {
    b"i": (stored.IDENTITY, objects.identity_from),
    b"k": (stored.KEY_EVENT, objects.key_event_from),
    b"d": (stored.DELEGATION, objects.delegation_from),
    b"p": (stored.REVEALED, lambda value: objects.Revealed(**value)),
    b"l": (stored.LANE, lambda value: objects.Lane(**value)),
    b"t": (stored.CHAIN, lambda value: Chain(*value)),
    b"n": (stored.NUMBER, int),
    b"q": (stored.NUMBER, int),
    b"x": (stored.FAULT, bool),
    b"c": (stored.NUMBER, int),
    b"e": (stored.ENDORSEMENT, objects.endorsement_from),
    b"f": (stored.ENDORSEMENT, objects.endorsement_from),
    b"o": (stored.HOLD, objects.hold_from),
    b"u": (stored.CUT, lambda value: objects.Cut(**value)),
}


def fold_values(store: Store) -> dict[bytes, bytes]:
    """What the fold keeps, by key."""
    with store.snapshot() as snapshot:
        return {key: bytes(value) for key, value in snapshot.scan(Space.FOLD)}


def value_of(state: FoldState, key: bytes) -> Any:
    """What a state says at a key of its folder's."""
    return state._get(key, *SHAPES[key[:1]])


def decoded(key: bytes, value: bytes) -> Any:
    return stored.decoded(key, value, *SHAPES[key[:1]])


class Town:
    """Identities with a past: works, a pair, a hold, endorsements, a recovery that waits, a key that was cut."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.operator = world.operator()
        self.ada, self.bob, self.carl, self.dora = map(world.enrol, ("ada", "bob", "carl", "dora"))
        self.machine = world.enrol("machine", "machine")
        self.registrar, self.curator = (
            world.enrol("registrar", "registrar"),
            world.enrol("curator", "curator"),
        )
        self.pair = world.pair(self.ada, "pair", {"count": 9, "human": 100_000})
        self.other = world.pair(self.dora, "other")
        world.rules(self.operator, registrars=[self.registrar], curators=[self.curator])
        self.eve = world.enrol("eve")
        self.eve_key = self.eve.public_key
        world.change(self.eve, "recover", cuts=[(self.eve_key, 9)])
        world.wait_out(self.eve)
        world.change(self.eve)  # it finds the recovery in force
        self.work = self.ada.record("a work")
        self.table = self.ada.record("rows", "dataset", form="rows", facts={"count": 3})
        self.work_at = world.publish(self.ada, self.work, self.table).log_index
        self.stolen_from = world.publish(self.pair, self.record(self.pair, "before", self.work)).log_index
        world.endorse(self.registrar, self.bob, "known")
        world.endorse(self.dora, self.bob, "claimed")
        self.hold = world.notice(self.curator, "hold", [self.work.id])
        world.publish(self.carl, self.carl.record("early"))
        self.carl_key = self.carl.public_key
        world.change(self.carl, cuts=[(self.carl_key, 3)])
        self.rotated_key = self.carl.public_key
        world.change(self.carl, "recover", cuts=[(self.carl_key, 2), (self.rotated_key, 4)])
        world.time_ms += 604_800_000
        self.carl.settle()

    def record(self, maker: Actor, text: str, *parents: Record) -> Record:
        return maker.record(
            text,
            "output" if maker.role == "machine" else "work",
            [Parent("derived-from", p.id) for p in parents],
        )

    def publishes(self, maker: Actor, text: str, *parents: Record, lane: bytes = b"L" * 16) -> Said:
        return maker.artifacts([self.record(maker, text, *parents)], lane)

    def event(self, actor: Actor, type_: str = "rotate", **arguments: Any) -> Said:
        entry = actor.key_event(type_, **arguments)
        actor.took(entry)
        return entry, ()

    def rules(self, mode: str, **body: Any) -> Said:
        return self.operator.say("rules", {"mode": mode, **body}), ()

    def grants(self, scope: dict[str, Any] | None = None) -> Said:
        body: dict[str, Any] = {"pair": self.pair.id, "substrate": {"name": "model", "version": "2"}}
        entry = self.ada.say("delegate", body if scope is None else {**body, "scope": scope})
        self.pair.delegation = entry.statement.id
        return entry, ()

    def says(self, actor: Actor, type_: str, **body: Any) -> Said:
        return actor.say(type_, body), ()

    def endorses(self, subject: Actor, grade: str, **body: Any) -> Said:
        return self.says(
            self.registrar, "endorse", subject=subject.id, grade=grade, method="document", **body
        )

    def notices(self, actor: Actor, act: str, *subjects: list[Any], **body: Any) -> Said:
        return self.says(actor, "notice", subjects=sorted(subjects, key=codec.encode), act=act, **body)

    def attests(self, actor: Actor, *subjects: list[Any]) -> Said:
        return self.says(
            actor,
            "attest",
            subjects=sorted(subjects, key=codec.encode),
            claim="authorship",
            result="confirmed",
        )

    def fork(self, actor: Actor) -> dict[str, Any]:
        """Two statements of one place; neither is in the log."""
        halves = []
        for text in ("one", "two"):
            before = dict(actor.lanes)
            halves.append(self.publishes(actor, text, lane=b"F" * 16)[0])
            actor.lanes = before
        return evidence(*halves)

    def crowd(self) -> list[Said]:
        """One commit: statements of every type, each beside what it affects."""
        retracted = self.record(self.ada, "regretted")
        newcomer = enrol("newcomer", self.world.log)
        said: list[Said] = [
            self.rules("allow-list", registrars=[self.registrar.id], curators=[self.curator.id]),
            self.endorses(self.ada, "claimed"),
            self.endorses(self.ada, "verified", until=10**15),
            self.endorses(self.bob, "documented"),
            self.endorses(self.carl, "known"),
            self.publishes(self.ada, "listed", self.work),
            self.publishes(self.pair, "spent", self.work),
            self.grants({"count": 2}),
            self.publishes(self.pair, "under the second"),
            self.says(self.ada, "undelegate", pair=self.pair.id),
            self.grants(),
            self.publishes(self.pair, "under the third", self.work),
            self.ada.artifacts([retracted]),
            self.notices(self.ada, "retract", [retracted.id]),
            self.attests(self.bob, [retracted.id], [self.table.id, 2]),
            self.notices(self.curator, "release", [self.work.id], cancels=self.hold.statement_id),
        ]
        hold = self.notices(self.curator, "hold", [self.work.id], [retracted.id])
        said += [
            hold,
            self.notices(self.curator, "release", [retracted.id], cancels=hold[0].statement.id),
            self.says(self.machine, "evidence", **self.fork(self.machine)),
            self.event(self.ada, cuts=[(self.ada.public_key, self.stolen_from)]),
            self.publishes(self.ada, "after the theft"),
            self.grants(),
            self.publishes(self.pair, "delegated anew"),
            self.event(self.bob, "recover"),
            self.publishes(self.bob, "while it waits"),
            self.event(self.bob),  # the veto
            self.publishes(self.bob, "after the veto"),
            self.publishes(self.carl, "by the recovered key"),
            self.event(self.carl, cuts=[(self.carl_key, 1)]),
            self.publishes(self.carl, "after that"),
            self.event(self.eve, cuts=[(self.eve_key, 8)]),
            self.event(self.dora, "retire"),
            (newcomer.enrolment, ()),
            self.event(newcomer),
            self.endorses(newcomer, "known"),
            self.publishes(newcomer, "first words"),
            self.event(newcomer, cuts=[(newcomer.public_key, 1)]),
            self.rules("open", limits={"bytes": 1_000_000}),
            self.publishes(self.machine, "open again"),
        ]
        return said
