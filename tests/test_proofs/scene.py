"""A small log to trace in, whose operator may turn dishonest. For tests only."""

from __future__ import annotations

from typing import Any

from ledger.identity.keyset import sign_entry_payload
from ledger.log.view import open_view
from ledger.origin.levels import level_of
from ledger.proofs.trace import Ancestry, trace
from ledger.statements import codec
from ledger.statements.entry import CURRENT, NEXT, Entry, Signature, make_entry
from ledger.statements.record import Record
from ledger.statements.statement import keyset_digest, make_statement
from ledger.store.contract import Store
from tests.dishonest import DishonestLog, Lie, liar
from tests.world import Actor, World, keyset_of, seed_of

MODEL = {"name": "family/model", "version": "1"}
TOOL = {"tool": "chunker", "version": "2", "parameters": bytes(32)}


def traced(world: World, artifact: Record | bytes, **lies: Lie) -> Ancestry:
    artifact_id = artifact if isinstance(artifact, bytes) else artifact.id
    with open_view(world.store, world.vkey) as view:
        return trace(liar(view, **lies), artifact_id, world.vkey)


def level(ancestry: Ancestry, artifact: Record | bytes) -> int:
    return level_of(ancestry.nodes[artifact if isinstance(artifact, bytes) else artifact.id])


class Scene:
    """Two humans, a machine, a pair of the first human with its whole scope, and an operator who may turn dishonest."""

    def __init__(self, store: Store | None = None) -> None:
        self.world = World(store)
        self.anna, self.ben = self.world.enrol("anna"), self.world.enrol("ben")
        self.machine = self.world.enrol("machine", "machine")
        self.pair = self.world.pair(self.anna, "pair", {"human": 1_000_000})
        self._lanes = 0
        self._log: DishonestLog | None = None

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


def rotate(scene: Scene, actor: Actor, to: str) -> Entry:
    body = {
        "keyset": keyset_of(to),
        "next": keyset_digest(keyset_of(to + "/next")),
        "recovery": keyset_digest(keyset_of(to + "/recovery")),
    }
    statement = make_statement("rotate", scene.world.log, body, by=actor.id, kseq=1, prev=actor.id)
    signature = sign_entry_payload(seed_of(to), statement.payload)
    entry = make_entry(statement, [Signature(NEXT, 0, signature)])
    scene.log.append(entry.encoded)
    return entry


def notice(scene: Scene, artifact: bytes, *row: int, act: str = "retract") -> None:
    scene.say(scene.ben, "notice", {"subjects": [[artifact, *row]], "act": act})


def evidence(scene: Scene, actor: Actor) -> None:
    lane = scene.lane()
    payloads = []
    for text in ("one", "two"):
        body = {"count": 1, "root": actor.record(text).id}
        statement = make_statement(
            "artifacts", scene.world.log, body, by=actor.id, key=actor.id, lane=lane, seq=0
        )
        entry = signed_by(actor.name, make_entry(statement, [Signature(CURRENT, 0, bytes(64))]))
        payloads.append([statement.payload, [list(item) for item in entry.signatures]])
    first, second = sorted(payloads, key=lambda item: codec.encode(item[0]))
    scene.say(scene.ben, "evidence", {"first": first, "second": second})
