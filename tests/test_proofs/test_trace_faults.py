"""What a dishonest operator lets through: each fault is named by the trace, and nothing stands on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.identity.keyset import sign_entry_payload
from ledger.log.genesis import make_genesis
from ledger.merkle.tree import hash_leaf
from ledger.origin.levels import level_of
from ledger.proofs.facts import Presence, Status
from ledger.statements import codec
from ledger.statements.entry import CURRENT, NEXT, Signature, make_entry
from ledger.statements.record import Parent, Record
from ledger.statements.statement import make_statement
from tests.dishonest import DishonestLog
from tests.test_proofs.scene import (
    MODEL,
    Scene,
    delegate,
    level,
    signed_by,
    traced,
)
from tests.world import Actor, World, enrol, seed_of

Case = Callable[[Scene], Record | bytes]
FAULTS: list[tuple[str, Case]] = []


def fault(code: str) -> Callable[[Case], Case]:
    def keep(case: Case) -> Case:
        FAULTS.append((code, case))
        return case

    return keep


def put_pair(scene: Scene, *, name: str = "other pair", of: Actor | None = None) -> Actor:
    """A pair that is enrolled and names a delegation that there is not."""
    pair = enrol(name, scene.world.log, "pair", (of or scene.anna).id)
    scene.log.append(pair.enrolment.encoded)
    pair.delegation = bytes(32)
    return pair


@fault("signature-invalid")
def another_key_signed(scene: Scene) -> Record:
    record = scene.anna.record("forged")
    entry, records = scene.anna.artifacts([record], scene.lane())
    scene.log.append(signed_by("ben", entry).encoded, records)
    return record


@fault("signature-surplus")
def a_keyset_signed_that_was_not_asked(scene: Scene) -> Record:
    record = scene.anna.record("surplus")
    entry, records = scene.anna.artifacts([record], scene.lane())
    surplus = Signature(NEXT, 0, sign_entry_payload(seed_of("anna/next"), entry.statement.payload))
    scene.log.append(signed_by("anna", entry, surplus).encoded, records)
    return record


@fault("identity-unknown")
def nobody_was_enrolled(scene: Scene) -> Record:
    stranger = enrol("stranger", scene.world.log)
    record = stranger.record("from nowhere")
    scene.put(stranger, record)
    return record


@fault("identity-unknown")
def he_was_enrolled_later(scene: Scene) -> Record:
    record = nobody_was_enrolled(scene)
    assert isinstance(record, Record)
    scene.log.append(enrol("stranger", scene.world.log).enrolment.encoded)
    return record


@fault("identity-unknown")
def somebody_else_signed_the_enrolment(scene: Scene) -> Record:
    stranger = enrol("stranger", scene.world.log)
    scene.log.append(signed_by("anna", stranger.enrolment).encoded)
    record = stranger.record("from nowhere")
    scene.put(stranger, record)
    return record


@fault("key-not-in-force")
def under_a_key_event_that_has_no_effect(scene: Scene) -> Record:
    """A thief reveals a keyset that nobody committed to; what he signs under it has no effect either."""
    rotation = scene.anna.key_event("rotate", reveal="thief")
    scene.log.append(rotation.encoded)
    record = scene.anna.record("after the rotation")
    body = {"count": 1, "root": record.id}
    statement = make_statement(
        "artifacts",
        scene.world.log,
        body,
        by=scene.anna.id,
        key=rotation.statement.id,
        lane=scene.lane(),
        seq=0,
    )
    signature = sign_entry_payload(seed_of("thief"), statement.payload)
    scene.log.append(make_entry(statement, [Signature(CURRENT, 0, signature)]).encoded, [record.encoded])
    return record


@fault("not-delegated")
def its_anchor_never_delegated(scene: Scene) -> Record:
    pair = put_pair(scene)
    record = pair.record("undelegated")
    scene.put(pair, record)
    return record


@fault("not-delegated")
def its_anchor_delegated_later(scene: Scene) -> Record:
    pair = put_pair(scene)
    lane = scene.anna.say("delegate", {"pair": pair.id, "substrate": MODEL}, scene.lane())
    pair.delegation = lane.statement.id
    record = pair.record("too early")
    scene.put(pair, record)
    scene.log.append(lane.encoded)
    return record


@fault("not-delegated")
def another_human_delegated(scene: Scene) -> Record:
    pair = put_pair(scene)
    delegate(scene, scene.ben, pair)
    record = pair.record("of another anchor")
    scene.put(pair, record)
    return record


@fault("not-delegated")
def the_pair_delegated_itself(scene: Scene) -> Record:
    pair = put_pair(scene)
    delegate(scene, pair, pair)
    record = pair.record("of nobody")
    scene.put(pair, record)
    return record


@fault("not-delegated")
def under_a_delegation_replaced(scene: Scene) -> Record:
    former = scene.pair.delegation
    delegate(scene, scene.anna, scene.pair)
    scene.pair.delegation = former
    record = scene.pair.record("under the former")
    scene.put(scene.pair, record)
    return record


def an_old_delegation_slipped_in_again(scene: Scene, again: int) -> Record:
    """The operator repeats an earlier delegation of the anchor behind a later: its lane went on, so it has no effect."""
    pair, lane = put_pair(scene), scene.lane()
    said = [
        scene.anna.say("delegate", {"pair": pair.id, "substrate": {**MODEL, "version": version}}, lane)
        for version in ("1", "2", "3")
    ]
    for entry in (*said, said[again]):
        scene.log.append(entry.encoded)
    pair.delegation = said[again].statement.id
    record = pair.record("on the old substrate")
    scene.put(pair, record)
    return record


@fault("not-delegated")
def a_pair_that_names_none(scene: Scene) -> Record:
    scene.pair.delegation = None
    record = scene.pair.record("silent")
    scene.put(scene.pair, record)
    return record


@fault("schema")
def a_human_that_names_one(scene: Scene) -> Record:
    scene.ben.delegation = scene.pair.delegation
    record = scene.ben.record("as if a pair")
    scene.put(scene.ben, record)
    return record


@fault("identity-unknown")
def a_pair_of_a_machine(scene: Scene) -> Record:
    pair = put_pair(scene, of=scene.machine)
    delegate(scene, scene.machine, pair)
    record = pair.record("machine and machine")
    scene.put(pair, record)
    return record


@fault("identity-unknown")
def a_pair_of_a_pair(scene: Scene) -> Record:
    pair = put_pair(scene, of=scene.pair)
    delegate(scene, scene.pair, pair)
    record = pair.record("pair of pair")
    scene.put(pair, record)
    return record


@fault("identity-unknown")
def a_pair_older_than_its_anchor(scene: Scene) -> Record:
    anchor = enrol("late anchor", scene.world.log)
    pair = put_pair(scene, of=anchor)
    scene.log.append(anchor.enrolment.encoded)
    delegate(scene, anchor, pair)
    record = pair.record("before its human")
    scene.put(pair, record)
    return record


def scoped(scene: Scene, scope: dict[str, Any], *records: str, **fields: Any) -> Record:
    delegate(scene, scene.anna, scene.pair, scope)
    made = [scene.pair.record(text, **fields) for text in records]
    scene.put(scene.pair, *made)
    return made[0]


FAULTS += [
    ("not-delegated", lambda scene: an_old_delegation_slipped_in_again(scene, 0)),
    ("not-delegated", lambda scene: an_old_delegation_slipped_in_again(scene, 1)),
]
FAULTS += [
    ("scope-exceeded", lambda scene: scoped(scene, {"kinds": ["output"]}, "no output")),
    ("scope-exceeded", lambda scene: scoped(scene, {"human": 9}, "ten", human=10)),
    ("scope-exceeded", lambda scene: scoped(scene, {"count": 1}, "one", "two")),
    ("scope-exceeded", lambda scene: scoped(scene, {"until": scene.log.time_ms}, "too late")),
]


@fault("maker-differs")
def a_record_of_another(scene: Scene) -> Record:
    record = scene.anna.record("hers")
    scene.put(scene.ben, record)
    return record


@fault("role-illegal")
def a_work_by_a_machine(scene: Scene) -> Record:
    record = scene.machine.record("machine work")
    scene.put(scene.machine, record)
    return record


@fault("parent-unknown")
def a_parent_that_is_not_there(scene: Scene) -> Record:
    record = scene.anna.record("orphan", parents=[Parent("derived-from", bytes(32))])
    scene.put(scene.anna, record)
    return record


@fault("parent-unknown")
def a_parent_that_came_later(scene: Scene) -> Record:
    parent = scene.anna.record("later parent")
    record = scene.anna.record("early", parents=[Parent("derived-from", parent.id)])
    scene.put(scene.anna, record)
    scene.put(scene.anna, parent)
    return record


@fault("parent-unknown")
def a_parent_behind_it_in_the_statement(scene: Scene) -> Record:
    """A second copy of the child, behind the parent, is a duplicate and does not mend it."""
    parent = scene.anna.record("later parent")
    record = scene.anna.record("early", parents=[Parent("derived-from", parent.id)])
    scene.put(scene.anna, record, parent, record)
    return record


@fault("parent-unknown")
def a_parent_whose_entry_was_not_in_order(scene: Scene) -> Record:
    """That the parent is included rightly later does not mend it either."""
    parent = another_key_signed(scene)
    assert isinstance(parent, Record)
    record = scene.anna.record("child", parents=[Parent("derived-from", parent.id)])
    scene.put(scene.anna, record)
    scene.put(scene.anna, parent)
    return record


@fault("parent-kind")
def a_work_that_derives_from_a_model(scene: Scene) -> Record:
    model = scene.machine.record("model", "model", facts=MODEL)
    record = scene.anna.record("work", parents=[Parent("derived-from", model.id)])
    scene.put(scene.machine, model)
    scene.put(scene.anna, record)
    return record


@fault("parent-kind")
def a_row_that_is_not_there(scene: Scene) -> Record:
    rows = scene.anna.record("rows", "dataset", form="rows", facts={"count": 3})
    record = scene.anna.record("row 3", parents=[Parent("derived-from", rows.id, row=3)])
    scene.put(scene.anna, rows, record)
    return record


@fault("schema")
def a_foreign_parent_of_this_log(scene: Scene) -> Record:
    record = scene.anna.record("alien", parents=[Parent("derived-from", bytes(32), log=scene.world.log)])
    scene.put(scene.anna, record)
    return record


def put_raw(scene: Scene, data: bytes) -> bytes:
    body = {"count": 1, "root": hash_leaf(data)}
    scene.log.append(scene.anna.say("artifacts", body, scene.lane()).encoded, [data])
    return hash_leaf(data)


FAULTS += [
    ("not-canonical", lambda scene: put_raw(scene, b"no record")),
    ("schema", lambda scene: put_raw(scene, codec.encode(scene.anna.record("x").fields | {"more": 1}))),
    (
        "share-illegal",
        lambda scene: put_raw(scene, codec.encode(scene.anna.record("x").fields | {"machine": 1})),
    ),
]


@pytest.mark.parametrize(
    ("code", "case"), FAULTS, ids=[f"{code}-{case.__name__}-{n}" for n, (code, case) in enumerate(FAULTS)]
)
def test_a_fault_is_named_and_nothing_stands(code: str, case: Case) -> None:
    scene = Scene()
    before = scene.anna.record("before")
    scene.put(scene.anna, before)
    artifact = case(scene)
    scene.log.close_with_state()
    ancestry = traced(scene.world, artifact)
    node = ancestry.nodes[ancestry.root]
    assert node.fault is not None
    assert node.fault.code == code
    assert node.presence is Presence.FAULTY
    assert node.status is Status.UNKNOWN
    assert level_of(node) == 0
    assert (node.parents, ancestry.humans, ancestry.authors, set(ancestry.nodes)) == (
        (),
        (),
        (),
        {ancestry.root},
    )
    assert level(traced(scene.world, before), before) == 2


def test_the_faults_that_were_tried() -> None:
    assert len(FAULTS) == 34


def test_a_delegation_ends_by_the_clock_of_the_first_state_behind() -> None:
    scene = Scene()
    record = scoped(scene, {"until": scene.log.time_ms + 1}, "in time")
    scene.log.close_with_state()
    assert scene.log.faults == []
    scene.log.close_with_state(extra_states=2)
    assert level(traced(scene.world, record), record) == 2
    late = scene.pair.record("late")
    scene.put(scene.pair, late)
    scene.log.close_with_state()
    node = traced(scene.world, late).nodes[late.id]
    assert node.fault is not None
    assert node.fault.code == "scope-exceeded"


def test_the_limits_of_the_genesis_hold() -> None:
    world = World(begin=False)
    rules = {"mode": "open", "limits": {"records": 1}}
    seeds = [seed_of("operator"), seed_of("operator/next"), seed_of("operator/recovery")]
    log = DishonestLog.over(world)
    log.append(make_genesis(world.vkey, seeds, rules).encoded)
    anna = enrol("anna", world.log)
    log.append(anna.enrolment.encoded)
    one, two = anna.record("one"), anna.record("two")
    for records in ([one], [one, two]):
        entry, encoded = anna.artifacts(records)
        log.append(entry.encoded, encoded)
    log.close_with_state()
    assert level(traced(world, one), one) == 2
    found = traced(world, two).nodes[two.id].fault
    assert found is not None
    assert found.code == "rules-exceeded"


def test_the_first_place_without_fault_decides() -> None:
    scene = Scene()
    record = another_key_signed(scene)
    assert isinstance(record, Record)
    scene.log.close_with_state()
    assert level(traced(scene.world, record), record) == 0
    scene.put(scene.anna, record)
    good = scene.log.size - 1
    scene.put(scene.anna, record)
    scene.log.close_with_state()
    for order in (1, -1):  # whatever order a source tells them in
        told = traced(scene.world, record, find_artifact=lambda honest, asked, by=order: honest(asked)[::by])
        node = told.nodes[record.id]
        assert (node.log_index, node.fault, level_of(node)) == (good, None, 2)


def test_a_faulty_parent_is_a_fault_of_its_own() -> None:
    """A record at fault under an entry in order is a parent rightly named; what it claims leads nowhere."""
    scene = Scene()
    grandparent = scene.ben.record("grandparent")
    scene.put(scene.ben, grandparent)
    parent = scene.machine.record("machine work", parents=[Parent("derived-from", grandparent.id)])
    scene.put(scene.machine, parent)
    child = scene.anna.record("child", parents=[Parent("derived-from", parent.id)])
    scene.put(scene.anna, child)
    scene.log.close_with_state()
    ancestry = traced(scene.world, child)
    assert {item: level(ancestry, item) for item in ancestry.nodes} == {child.id: 2, parent.id: 0}
    assert ancestry.humans == (scene.anna.id,)
