"""Keys that are rotated, recovered, cut and retired: what a trace says of what they signed (SPEC §7.2-§7.4, §12)."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import spec
from ledger.log.genesis import make_genesis
from ledger.origin.levels import level_of
from ledger.origin.people import humans_of_nodes
from ledger.proofs.facts import Disowning, Node, Presence, Status
from ledger.statements import codec
from ledger.statements.entry import CURRENT, Entry, Signature, make_entry
from ledger.statements.record import Parent, Record
from ledger.statements.statement import decode_statement
from tests.dishonest import DishonestLog
from tests.test_proofs.scene import (
    Scene,
    attest,
    change,
    delegate,
    level,
    node_of,
    thief_of,
    traced,
    wait_out,
)
from tests.world import Actor, World, enrol, seed_of

WEEK_MS = spec.RECOVERY_WAIT_S * 1_000


def code_of(node: Node) -> str | None:
    return None if node.fault is None else node.fault.code


def published(scene: Scene, actor: Actor, text: str, *parents: Parent) -> Record:
    record = actor.record(text, parents=parents)
    scene.put(actor, record)
    return record


def test_each_key_speaks_where_it_was_in_force() -> None:
    scene = Scene()
    thief = thief_of(scene, scene.anna)
    before = published(scene, scene.anna, "before")
    change(scene, scene.anna)
    after = published(scene, scene.anna, "after")
    late = published(scene, thief, "with the old key")
    scene.log.close_with_state()
    for record in (before, after):
        node = node_of(scene.world, record)
        assert (level_of(node), node.status, node.anchor) == (2, Status.RELEASED, scene.anna.id)
    assert node_of(scene.world, after).key == scene.anna.key != node_of(scene.world, before).key
    assert code_of(node_of(scene.world, late)) == "key-not-in-force"


def test_what_a_cut_disowns_is_shown_with_its_lateness() -> None:
    scene = Scene()
    ours = published(scene, scene.anna, "ours")
    scene.log.close_with_state()
    start, thief = scene.log.size, thief_of(scene, scene.anna)
    stolen = published(scene, thief, "stolen")
    stolen_at = scene.log.size - 1
    scene.log.close_with_state()
    scene.log.time_ms += 4_999
    clock_ms = scene.log.time_ms
    rotation = change(scene, scene.anna, cuts=[(scene.anna.public_key, start)])
    scene.log.close_with_state()
    node = node_of(scene.world, stolen)
    assert (node.presence, node.status, level_of(node)) == (Presence.DISOWNED, Status.DISOWNED, 1)
    assert node.disowned == Disowning(
        rotation.statement.id, stolen_at + 2, late_entries=2, late_ms=5_000, suspect=False
    )
    assert clock_ms == scene.log.time_ms - 1
    assert (node.maker, node.anchor, node.fault, node.log_index) == (
        scene.anna.id,
        scene.anna.id,
        None,
        stolen_at,
    )
    kept = node_of(scene.world, ours)
    assert (kept.presence, kept.disowned, level_of(kept)) == (Presence.STANDS, None, 2)


def test_who_lost_a_key_says_nothing_of_parents() -> None:
    """No descent goes on behind a disowned artifact; whoever is reached only behind it is told apart."""
    scene = Scene()
    essay = published(scene, scene.ben, "essay")
    carl = scene.enrol("carl")
    own = published(scene, carl, "own")
    stolen = published(scene, scene.anna, "stolen", Parent("derived-from", essay.id))
    answer = scene.pair.record(
        "answer", "output", [Parent("derived-from", stolen.id), Parent("quotes", own.id)]
    )
    scene.put(scene.pair, answer)
    change(scene, scene.anna, cuts=[(scene.anna.public_key, 0)])
    pair_of_carl = scene.enrol("pair of carl", "pair", carl)
    delegate(scene, carl, pair_of_carl)
    remark = pair_of_carl.record("remark", "output", [Parent("derived-from", stolen.id)])
    scene.put(pair_of_carl, remark)
    scene.log.close_with_state()
    told = traced(scene.world, remark)
    assert set(told.nodes) == {remark.id, stolen.id, essay.id}
    assert (told.humans, told.authors, told.humans_behind) == ((carl.id,), (), (scene.ben.id,))
    assert humans_of_nodes(told) == {
        remark.id: {carl.id},
        stolen.id: frozenset(),
        essay.id: {scene.ben.id},
    }
    # The pair's own delegation was signed by the key that was cut: it is suspect, and its answer too.
    suspect = traced(scene.world, answer)
    node = suspect.nodes[answer.id]
    assert node.disowned is not None
    assert (node.disowned.suspect, node.status) == (True, Status.DISOWNED)
    assert (suspect.humans, suspect.humans_behind) == ((), tuple(sorted([scene.ben.id, carl.id])))


def test_the_owner_signs_the_same_record_again() -> None:
    scene = Scene()
    thief = thief_of(scene, scene.anna)
    record = published(scene, thief, "mine after all")
    change(scene, scene.anna, cuts=[(scene.anna.public_key, 0)])
    scene.log.close_with_state()
    assert node_of(scene.world, record).presence is Presence.DISOWNED
    scene.put(scene.anna, record)
    again = scene.log.size - 1
    scene.log.close_with_state()
    node = node_of(scene.world, record)
    assert (node.presence, node.log_index, node.disowned, level_of(node)) == (Presence.STANDS, again, None, 2)
    assert [(place.stands, place.disowned is None) for place in node.places] == [(False, False), (True, True)]
    attest(scene, scene.ben, record.id)
    scene.log.close_with_state()
    node = node_of(scene.world, record, scene.ben)  # a place that stands comes before one that is rescued
    assert (node.log_index, node.places[0].is_rescued) == (again, True)


def stolen_scene() -> tuple[Scene, Record]:
    """Something of anna's that she disowned; behind it stands the operator's close."""
    scene = Scene()
    record = published(scene, scene.anna, "stolen")
    change(scene, scene.anna, cuts=[(scene.anna.public_key, 0)])
    return scene, record


def rescued_by(scene: Scene, record: Record, *accept: Actor) -> tuple[bytes, ...]:
    scene.log.close_with_state()
    node = node_of(scene.world, record, *accept)
    assert node.disowned is not None
    is_rescued = bool(node.disowned.rescued_by)
    assert (node.presence is Presence.STANDS) == is_rescued == (level_of(node) == 2)
    assert node.status is (Status.RELEASED if is_rescued else Status.DISOWNED)
    assert traced(scene.world, record, *accept).humans == ((scene.anna.id,) if is_rescued else ())
    return node.disowned.rescued_by


def test_whom_the_verifier_accepts_rescues_and_nobody_else() -> None:
    scene, record = stolen_scene()
    for number in range(3):
        attest(scene, scene.enrol(f"sybil {number}"), record.id)
    attest(scene, scene.ben, record.id)
    assert rescued_by(scene, record) == ()
    carl = scene.enrol("carl")
    assert rescued_by(scene, record, carl) == ()
    assert rescued_by(scene, record, scene.ben) == (scene.ben.id,)
    attest(scene, carl, record.id)
    assert rescued_by(scene, record, carl, scene.ben) == tuple(sorted([carl.id, scene.ben.id]))
    node = node_of(scene.world, record, carl)
    assert (node.attested_by_others, [found.by for found in node.attestations]) == (4, [carl.id])


@pytest.mark.parametrize(
    "said",
    [
        {"claim": "content"},
        {"claim": "origin"},
        {"result": "refuted"},
        {"result": "unclear"},
    ],
)
def test_only_a_confirmed_authorship_rescues(said: dict[str, Any]) -> None:
    scene, record = stolen_scene()
    attest(scene, scene.ben, record.id, **said)
    assert rescued_by(scene, record, scene.ben) == ()


def test_a_row_is_not_the_whole() -> None:
    scene = Scene()
    rows = scene.anna.record("rows", "dataset", form="rows", facts={"count": 3})
    scene.put(scene.anna, rows)
    change(scene, scene.anna, cuts=[(scene.anna.public_key, 0)])
    attest(scene, scene.ben, rows.id, 0)
    assert rescued_by(scene, rows, scene.ben) == ()


def test_the_latest_of_an_attestor_counts() -> None:
    scene, record = stolen_scene()
    attest(scene, scene.ben, record.id)
    attest(scene, scene.ben, record.id, claim="content", result="refuted")
    assert rescued_by(scene, record, scene.ben) == (scene.ben.id,)
    attest(scene, scene.ben, record.id, result="unclear")
    assert rescued_by(scene, record, scene.ben) == ()


def test_an_attestor_of_the_same_anchor_does_not_rescue() -> None:
    """Neither the maker, nor a pair of his, nor for a pair's work its anchor; whoever is accepted."""
    scene, record = stolen_scene()
    delegate(scene, scene.anna, scene.pair)
    attest(scene, scene.pair, record.id)
    attest(scene, scene.anna, record.id)
    assert rescued_by(scene, record, scene.pair, scene.anna) == ()
    other = scene.enrol("pair of ben", "pair", scene.ben)
    delegate(scene, scene.ben, other)
    attest(scene, other, record.id)
    assert rescued_by(scene, record, scene.ben) == ()  # by its own id alone
    assert rescued_by(scene, record, other) == (other.id,)


def test_the_anchor_does_not_rescue_its_pair() -> None:
    scene = Scene()
    record = published(scene, scene.pair, "of the pair")
    change(scene, scene.pair, cuts=[(scene.pair.public_key, 0)])
    attest(scene, scene.anna, record.id)
    scene.log.close_with_state()
    assert node_of(scene.world, record, scene.anna).presence is Presence.DISOWNED


def test_a_disowned_attestor_does_not_rescue() -> None:
    scene, record = stolen_scene()
    attest(scene, scene.ben, record.id)
    assert rescued_by(scene, record, scene.ben) == (scene.ben.id,)
    change(scene, scene.ben, cuts=[(scene.ben.public_key, 0)])
    assert rescued_by(scene, record, scene.ben) == ()
    attest(scene, scene.ben, record.id)
    assert rescued_by(scene, record, scene.ben) == (scene.ben.id,)


def test_a_suspect_pair_does_not_rescue() -> None:
    scene, record = stolen_scene()
    other = scene.enrol("pair of ben", "pair", scene.ben)
    delegate(scene, scene.ben, other)
    attest(scene, other, record.id)
    assert rescued_by(scene, record, other) == (other.id,)
    change(scene, scene.ben, cuts=[(scene.ben.public_key, 0)])
    assert rescued_by(scene, record, other) == ()


@pytest.mark.parametrize("flaw", ["forged", "before", "machine", "stranger"])
def test_an_attestation_at_fault_does_not_rescue(flaw: str) -> None:
    scene = Scene()
    record = scene.anna.record("stolen")
    body = {"subjects": [[record.id]], "claim": "authorship", "result": "confirmed"}
    attestor = {"machine": scene.machine, "stranger": enrol("stranger", scene.world.log)}.get(flaw, scene.ben)
    if flaw == "before":  # it names what does not stand yet
        scene.say(scene.ben, "attest", body)
    scene.put(scene.anna, record)
    change(scene, scene.anna, cuts=[(scene.anna.public_key, 0)])
    entry = attestor.say("attest", body, scene.lane())
    if flaw == "forged":
        entry = scene.anna.sign(entry.statement)
    if flaw != "before":
        scene.log.append(entry.encoded)
    scene.log.close_with_state()
    node = node_of(scene.world, record, attestor)
    assert (node.presence, node.attestations) == (Presence.DISOWNED, ())
    attest(scene, scene.ben, record.id)
    assert rescued_by(scene, record, scene.ben) == (scene.ben.id,)


def test_a_disowning_that_is_forged_disowns_nothing() -> None:
    scene = Scene()
    record = published(scene, scene.anna, "mine")
    cut = [(scene.anna.public_key, 0)]
    wrong = scene.anna.key_event("rotate", cuts=cut, reveal="thief")
    unsigned = scene.anna.key_event("rotate", cuts=cut)
    of_another = scene.ben.key_event("rotate", cuts=cut)
    ahead = scene.anna.key_event("rotate", cuts=[(scene.anna.public_key, 10**6)])
    for entry in (
        wrong,
        scene.ben.sign(unsigned.statement, 1, "thief"),
        of_another,
        ahead,
    ):
        scene.log.append(entry.encoded)
    scene.log.close_with_state()
    assert [fault.code for fault in scene.log.faults] == [
        "commitment-differs",
        "signature-invalid",
        "compromised-illegal",
        "compromised-illegal",
    ]
    node = node_of(scene.world, record)
    assert (node.presence, node.disowned) == (Presence.STANDS, None)


def test_a_recovery_speaks_from_its_week_on() -> None:
    scene = Scene()
    first, old = published(scene, scene.anna, "first"), thief_of(scene, scene.anna)
    recovery = change(scene, scene.anna, "recover", cuts=[(scene.anna.public_key, 0)])
    recovered_at = scene.log.size - 1
    scene.log.close_with_state()
    pending = published(scene, old, "while it is pending")
    scene.anna.settle()
    too_early = published(scene, scene.anna, "too early")
    scene.log.close_with_state()
    for record in (first, pending):
        assert node_of(scene.world, record).presence is Presence.STANDS
    assert code_of(node_of(scene.world, too_early)) == "key-not-in-force"
    scene.log.time_ms += WEEK_MS
    now, late = published(scene, scene.anna, "in force"), published(scene, old, "too late")
    scene.log.close_with_state()
    scene.log.close_with_state()
    assert node_of(scene.world, now).presence is Presence.STANDS
    assert code_of(node_of(scene.world, late)) == "key-not-in-force"
    for record, entries in ((first, 1), (pending, 0)):
        found = node_of(scene.world, record).disowned
        assert found is not None
        assert (found.event, found.log_index) == (recovery.statement.id, recovered_at)
        assert found.late_entries == entries
        assert found.late_ms >= WEEK_MS


def test_a_vetoed_recovery_disowns_nothing() -> None:
    scene = Scene()
    record = published(scene, scene.anna, "mine")
    thief = thief_of(scene, scene.anna)
    thief.next, thief.recovery = scene.anna.next, scene.anna.recovery
    recovery = change(scene, thief, "recover", cuts=[(scene.anna.public_key, 0)])
    scene.log.close_with_state()
    scene.anna.kseq, scene.anna.last = thief.kseq, recovery.statement.id
    change(scene, scene.anna)
    wait_out(scene)
    thief.settle()
    stolen = published(scene, thief, "by the thief's recovery")
    after = published(scene, scene.anna, "after the veto")
    scene.log.close_with_state()
    for kept in (record, after):
        assert node_of(scene.world, kept).presence is Presence.STANDS
    assert code_of(node_of(scene.world, stolen)) == "key-not-in-force"


def test_a_retired_identity_says_nothing_more_and_its_pairs_neither() -> None:
    scene = Scene()
    mine, ours = published(scene, scene.anna, "mine"), published(scene, scene.pair, "ours")
    thief = thief_of(scene, scene.anna)
    change(scene, scene.anna, "retire")
    late, pairs = published(scene, thief, "late"), published(scene, scene.pair, "late of the pair")
    scene.log.close_with_state()
    for record in (mine, ours):
        assert node_of(scene.world, record).status is Status.RELEASED
    assert code_of(node_of(scene.world, late)) == "identity-retired"
    assert code_of(node_of(scene.world, pairs)) == "not-delegated"


def test_a_delegation_ended_and_given_again() -> None:
    scene = Scene()
    before = published(scene, scene.pair, "before")
    scene.say(scene.anna, "undelegate", {"pair": scene.pair.id})
    ended = published(scene, scene.pair, "ended")
    delegate(scene, scene.anna, scene.pair)
    again = published(scene, scene.pair, "again")
    scene.log.close_with_state()
    assert [code_of(node_of(scene.world, item)) for item in (before, ended, again)] == [
        None,
        "not-delegated",
        None,
    ]


def test_a_disowned_delegation_lets_nobody_speak_from_the_cut_on() -> None:
    scene = Scene()
    before = published(scene, scene.pair, "before")
    change(scene, scene.anna, cuts=[(scene.anna.public_key, 0)])
    after = published(scene, scene.pair, "after")
    delegate(scene, scene.anna, scene.pair)
    anew = published(scene, scene.pair, "anew")
    scene.log.close_with_state()
    found = node_of(scene.world, before)
    assert (found.presence, found.disowned is not None and found.disowned.suspect) == (
        Presence.DISOWNED,
        True,
    )
    assert code_of(node_of(scene.world, after)) == "not-delegated"
    assert level(traced(scene.world, anew), anew) == 2


class OldLog:
    """A log begun in fold 1, whose operator lets anything in."""

    def __init__(self) -> None:
        self.world = World(begin=False)
        seeds = [seed_of("operator"), seed_of("operator/next"), seed_of("operator/recovery")]
        fields = decode_statement(make_genesis(self.world.vkey, seeds).statement.payload).fields
        statement = decode_statement(codec.encode(fields | {"body": fields["body"] | {"fold": 1}}))
        signed = Actor("operator", self.world.log, "operator", _unsigned(statement)).sign(statement)
        self.log = DishonestLog.over(self.world)
        self.log.append(signed.encoded)
        self.anna = enrol("anna", self.world.log)
        self.log.append(self.anna.enrolment.encoded)
        self.lanes = 0

    def publish(self, actor: Actor, text: str) -> Record:
        self.lanes += 1
        record = actor.record(text)
        entry, encoded = actor.artifacts([record], b"lane%012d" % self.lanes)
        self.log.append(entry.encoded, encoded)
        return record


def _unsigned(statement: Any) -> Entry:
    return make_entry(statement, [Signature(CURRENT, 0, bytes(64))])


def test_what_fold_1_does_not_build_has_no_effect_there() -> None:
    """A rotation where fold 1 was in force is none for ever, though the log came to fold 2 since."""
    old = OldLog()
    thief = Actor("anna", old.world.log, "human", old.anna.enrolment)
    rotation = thief.key_event("rotate", cuts=[(thief.public_key, 0)])
    before = old.publish(old.anna, "before")
    old.log.append(rotation.encoded)
    thief.took(rotation)
    stolen = old.publish(thief, "by the rotation that is none")
    after = old.publish(old.anna, "after")
    old.log.close_with_state(fold=1)
    for size in (1, 2):
        assert node_of(old.world, before).status is Status.RELEASED
        assert node_of(old.world, after).status is Status.RELEASED
        assert code_of(node_of(old.world, stolen)) == "key-not-in-force"
        old.log.close_with_state(fold=size)
    change = old.anna.key_event("rotate", cuts=[(old.anna.public_key, 0)])
    old.log.append(change.encoded)
    old.log.close_with_state()
    assert node_of(old.world, before).status is Status.DISOWNED
    assert node_of(old.world, after).status is Status.DISOWNED
