"""A small log to trace in, whose operator may turn dishonest. For tests only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ledger.identity.keyset import sign_entry_payload
from ledger.log.view import open_view
from ledger.origin.levels import level_of
from ledger.proofs.facts import Ancestry, Node
from ledger.proofs.trace import trace
from ledger.spec import RECOVERY_WAIT_S
from ledger.statements.entry import CURRENT, Entry, Signature, make_entry
from ledger.statements.record import Record
from ledger.statements.statement import make_statement
from ledger.store.contract import Store
from tests.dishonest import DishonestLog, Lie, liar
from tests.world import Actor, World, enrol, evidence, seed_of

MODEL = {"name": "family/model", "version": "1"}
TOOL = {"tool": "chunker", "version": "2", "parameters": bytes(32)}


def traced(world: World, artifact: Record | bytes, /, *accept: Actor, **lies: Lie) -> Ancestry:
    artifact_id = artifact if isinstance(artifact, bytes) else artifact.id
    with open_view(world.store, world.vkey) as view:
        return trace(liar(view, **lies), artifact_id, world.vkey, frozenset(actor.id for actor in accept))


def node_of(world: World, artifact: Record | bytes, /, *accept: Actor) -> Node:
    ancestry = traced(world, artifact, *accept)
    return ancestry.nodes[ancestry.root]


def level(ancestry: Ancestry, artifact: Record | bytes) -> int:
    return level_of(ancestry.nodes[artifact if isinstance(artifact, bytes) else artifact.id])


class Scene:
    """Two humans, a machine, a pair of the first human with its whole scope, and an operator who may turn dishonest."""

    def __init__(self, store: Store | None = None) -> None:
        self.world = World(store)
        self.anna, self.ben = self.world.enrol("anna"), self.world.enrol("ben")
        self.machine = self.world.enrol("machine", "machine")
        self.pair = self.world.pair(self.anna, "pair", {"human": 1_000_000})
        self.operator = self.world.operator()
        self._lanes = 0
        self._log: DishonestLog | None = None

    def enrol(self, name: str, role: str = "human", of: Actor | None = None) -> Actor:
        actor = enrol(name, self.world.log, role, of.id if of is not None else None)
        self.log.append(actor.enrolment.encoded)
        return actor

    @property
    def log(self) -> DishonestLog:
        """The honest writer is not used any more from here on."""
        self._log = self._log or DishonestLog.over(self.world)
        return self._log

    def lane(self) -> bytes:
        self._lanes += 1
        return b"lane%012d" % self._lanes

    def put(self, actor: Actor, *records: Record) -> None:
        """A statement over records, admitted by nobody but the operator."""
        entry, encoded = actor.artifacts(records, self.lane())
        self.log.append(entry.encoded, encoded)

    def say(self, actor: Actor, type_: str, body: dict[str, Any]) -> Entry:
        entry = actor.say(type_, body, self.lane())
        self.log.append(entry.encoded)
        return entry


def signed_by(name: str, entry: Entry, *more: Signature) -> Entry:
    signature = sign_entry_payload(seed_of(name), entry.statement.payload)
    return make_entry(entry.statement, [Signature(CURRENT, 0, signature), *more])


def delegate(scene: Scene, by: Actor, pair: Actor, scope: dict[str, Any] | None = None) -> Entry:
    body: dict[str, Any] = {"pair": pair.id, "substrate": MODEL}
    if scope is not None:
        body["scope"] = scope
    entry = scene.say(by, "delegate", body)
    pair.delegation = entry.statement.id
    return entry


def change(
    scene: Scene, actor: Actor, type_: str = "rotate", cuts: Iterable[tuple[bytes, int]] = ()
) -> Entry:
    """A key event as it should follow; the actor then speaks by it (a recover waits: `wait_out`)."""
    entry = actor.key_event(type_, cuts=list(cuts))
    scene.log.append(entry.encoded)
    actor.took(entry)
    return entry


def wait_out(scene: Scene, actor: Actor | None = None) -> None:
    """The log's clock passes a week. What was waiting stands before that."""
    scene.log.close_with_state()
    scene.log.time_ms += RECOVERY_WAIT_S * 1_000
    if actor is not None:
        actor.settle()


def thief_of(scene: Scene, actor: Actor) -> Actor:
    """Whoever holds what keys of an actor are in force now."""
    stolen = Actor(actor.name, actor.log, actor.role, actor.enrolment, actor.delegation)
    stolen.current, stolen.key = actor.current, actor.key
    return stolen


def rules(scene: Scene, mode: str = "open", **lists: list[Actor]) -> Entry:
    body: dict[str, Any] = {name: sorted(actor.id for actor in actors) for name, actors in lists.items()}
    return scene.say(scene.operator, "rules", {"mode": mode, **body})


def endorse(scene: Scene, by: Actor, subject: Actor, **body: Any) -> Entry:
    return scene.say(by, "endorse", {"subject": subject.id, "grade": "known", "method": "document", **body})


def attest(
    scene: Scene, by: Actor, artifact: bytes, *row: int, claim: str = "authorship", result: str = "confirmed"
) -> Entry:
    return scene.say(by, "attest", {"subjects": [[artifact, *row]], "claim": claim, "result": result})


def notice(scene: Scene, by: Actor, act: str, artifact: bytes, *row: int, **body: Any) -> Entry:
    return scene.say(by, "notice", {"subjects": [[artifact, *row]], "act": act, **body})


def evidence_on(scene: Scene, actor: Actor, by: Actor | None = None) -> Entry:
    """Two statements of an actor at one place, brought by somebody."""
    lane = scene.lane()
    halves = []
    for text in ("one", "two"):
        body = {"count": 1, "root": actor.record(text).id}
        statement = make_statement(
            "artifacts", scene.world.log, body, by=actor.id, key=actor.key, lane=lane, seq=0
        )
        halves.append(actor.sign(statement))
    return scene.say(by or scene.ben, "evidence", evidence(*halves))


def later(scene: Scene, ms: int = 0) -> None:
    scene.log.close_with_state()
    scene.log.time_ms += ms


def disown(scene: Scene, actor: Actor, start: int, type_: str = "rotate") -> Entry:
    return change(scene, actor, type_, cuts=[(actor.public_key, start)])


class Council:
    """A scene whose rules list a curator and a registrar, and a work of the pair and its rows."""

    def __init__(self) -> None:
        self.scene = scene = Scene()
        self.curator = scene.enrol("curator", "curator")
        self.registrar = scene.enrol("registrar", "registrar")
        rules(scene, curators=[self.curator], registrars=[self.registrar])
        self.work = scene.pair.record("work")
        self.rows = scene.pair.record("rows", "dataset", form="rows", facts={"count": 3})
        scene.put(scene.pair, self.work, self.rows)

    def say(self, by: Actor, act: str, artifact: Record | None = None, *row: int, **body: object) -> bytes:
        """A notice, its statement id."""
        return notice(self.scene, by, act, (artifact or self.work).id, *row, **body).statement.id

    def node(self, artifact: Record | None = None) -> Node:
        self.scene.log.close_with_state()
        return node_of(self.scene.world, artifact or self.work)
