"""What is said of artifacts and identities: notices, attestations, endorsements, forks, lists (SPEC §5.4, §7.5, §7.6, §12)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger import spec
from ledger.origin.levels import level_of
from ledger.proofs.facts import Presence, Status
from ledger.statements.record import Parent
from tests.test_proofs.scene import (
    Council,
    Scene,
    attest,
    change,
    delegate,
    disown,
    endorse,
    evidence_on,
    later,
    node_of,
    rules,
    thief_of,
    traced,
    wait_out,
)
from tests.world import Actor

WEEK_MS = spec.RECOVERY_WAIT_S * 1_000


@pytest.fixture
def council() -> Council:
    return Council()


SAID: dict[str, tuple[Status, int, Callable[[Council], object]]] = {
    # the own status of the work, how many notices count, and what was said
    "nothing": (Status.RELEASED, 0, lambda _: None),
    "a hold": (Status.QUARANTINED, 1, lambda c: c.say(c.curator, "hold", reason="rights")),
    "a hold of a registrar": (Status.QUARANTINED, 1, lambda c: c.say(c.registrar, "hold")),
    "a hold of who is not listed": (Status.RELEASED, 0, lambda c: c.say(c.scene.ben, "hold")),
    "a hold of its anchor": (Status.RELEASED, 0, lambda c: c.say(c.scene.anna, "hold")),
    "a dispute": (Status.CONDITIONAL, 1, lambda c: c.say(c.curator, "dispute")),
    "a dispute of its anchor": (Status.RELEASED, 0, lambda c: c.say(c.scene.anna, "dispute")),
    "a retraction by its anchor": (Status.RETRACTED, 1, lambda c: c.say(c.scene.anna, "retract")),
    "a retraction by the pair": (Status.RELEASED, 0, lambda c: c.say(c.scene.pair, "retract")),
    "a retraction by a stranger": (Status.RELEASED, 0, lambda c: c.say(c.scene.ben, "retract")),
    "a retraction by a curator": (Status.RETRACTED, 1, lambda c: c.say(c.curator, "retract")),
    "an erasure": (Status.RETRACTED, 1, lambda c: c.say(c.scene.anna, "erase", reason="privacy")),
    "an erasure by a stranger": (Status.RELEASED, 0, lambda c: c.say(c.scene.ben, "erase")),
    "a hold and a retraction": (
        Status.RETRACTED,
        2,
        lambda c: (c.say(c.curator, "hold"), c.say(c.scene.anna, "retract")),
    ),
    "a dispute and a hold": (
        Status.QUARANTINED,
        2,
        lambda c: (c.say(c.curator, "dispute"), c.say(c.registrar, "hold")),
    ),
    "a hold released": (
        Status.RELEASED,
        0,
        lambda c: c.say(c.curator, "release", cancels=c.say(c.curator, "hold")),
    ),
    "a hold released by another": (
        Status.QUARANTINED,
        1,
        lambda c: c.say(c.registrar, "release", cancels=c.say(c.curator, "hold")),
    ),
    "one of two holds released": (
        Status.QUARANTINED,
        1,
        lambda c: (c.say(c.curator, "hold"), c.say(c.curator, "release", cancels=c.say(c.curator, "hold"))),
    ),
    "a hold by who is listed no more": (
        Status.RELEASED,
        0,
        lambda c: (c.say(c.curator, "hold"), rules(c.scene, registrars=[c.registrar])),
    ),
    "a hold by who is listed again": (
        Status.QUARANTINED,
        1,
        lambda c: (c.say(c.curator, "hold"), rules(c.scene), rules(c.scene, curators=[c.curator])),
    ),
    "a retraction by who is listed no more": (
        Status.RELEASED,
        0,
        lambda c: (c.say(c.curator, "retract"), rules(c.scene)),
    ),
    "a retraction by its anchor, whatever the lists say": (
        Status.RETRACTED,
        1,
        lambda c: (c.say(c.scene.anna, "retract"), rules(c.scene)),
    ),
    "a hold that was disowned": (
        Status.RELEASED,
        0,
        lambda c: (c.say(c.curator, "hold"), change(c.scene, c.curator, cuts=[(c.curator.public_key, 0)])),
    ),
    "a release that was disowned": (
        Status.QUARANTINED,
        1,
        lambda c: (
            c.say(c.curator, "release", cancels=c.say(c.curator, "hold")),
            change(c.scene, c.curator, cuts=[(c.curator.public_key, c.scene.log.size - 1)]),
        ),
    ),
    "a hold by a key that was stolen later": (
        Status.QUARANTINED,
        1,
        lambda c: (
            c.say(c.curator, "hold"),
            change(c.scene, c.curator, cuts=[(c.curator.public_key, c.scene.log.size)]),
        ),
    ),
    "a hold that is forged": (
        Status.RELEASED,
        0,
        lambda c: c.scene.log.append(
            c.scene.ben.sign(
                c.curator.say("notice", {"subjects": [[c.work.id]], "act": "hold"}, c.scene.lane()).statement
            ).encoded
        ),
    ),
    "a hold on another": (Status.RELEASED, 0, lambda c: c.say(c.curator, "hold", c.rows)),
    "rules by a stranger": (
        Status.RELEASED,
        0,
        lambda c: (
            c.scene.say(c.scene.ben, "rules", {"mode": "open", "curators": [c.curator.id]}),
            c.say(c.scene.ben, "hold"),
        ),
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_which_notices_count(council: Council, case: str) -> None:
    status, count, say = SAID[case]
    say(council)
    node = council.node()
    assert (node.status, len(node.notices), node.presence) == (status, count, Presence.STANDS)
    assert level_of(node) == 2


def test_a_notice_is_told_as_it_was_said(council: Council) -> None:
    said = council.say(council.curator, "hold", council.rows, 1, reason="rights")
    log_index = council.scene.log.size - 1
    node = council.node(council.rows)
    (found,) = node.notices
    assert (found.id, found.log_index, found.by, found.act, found.reason, found.row) == (
        said,
        log_index,
        council.curator.id,
        "hold",
        "rights",
        1,
    )
    assert node.status is Status.CONDITIONAL  # a row is held, not the whole


@pytest.mark.parametrize("act", ["hold", "dispute", "retract", "erase"])
def test_a_notice_on_a_row_makes_conditional(council: Council, act: str) -> None:
    council.say(council.curator, act, council.rows, 0)
    council.say(council.curator, act, council.rows, 3)  # there is no row 3
    node = council.node(council.rows)
    assert (node.status, [found.row for found in node.notices]) == (Status.CONDITIONAL, [0])


def test_who_is_delisted_does_not_hold_his_own(council: Council) -> None:
    table = council.curator.record("table", "dataset")
    council.scene.put(council.curator, table)
    council.say(council.curator, "hold", table)
    assert council.node(table).status is Status.QUARANTINED
    rules(council.scene)
    assert council.node(table).status is Status.RELEASED


def test_whose_pair_made_it_retracts_it_whoever_signed(council: Council) -> None:
    scene = council.scene
    other = scene.enrol("pair of ben", "pair", scene.ben)
    theirs = other.record("theirs")
    scene.put(scene.machine, theirs)
    council.say(scene.ben, "retract", theirs)
    node = council.node(theirs)
    assert (node.presence, node.status) == (Presence.FAULTY, Status.RETRACTED)


def test_a_notice_on_many_artifacts_is_read_once(council: Council) -> None:
    """So that a few notices with all their subjects make no trace slow."""
    scene = council.scene
    records = [scene.ben.record(f"{number}") for number in range(100)]
    child = scene.anna.record("child", parents=[Parent("quotes", record.id) for record in records])
    scene.put(scene.ben, *records)
    scene.put(scene.anna, child)
    subjects = sorted([record.id] for record in records)
    for _ in range(10):
        scene.say(council.curator, "notice", {"subjects": subjects, "act": "dispute"})
    scene.log.close_with_state()
    asked: list[int] = []

    def entry(honest: Callable[[int], bytes], log_index: int) -> bytes:
        asked.append(log_index)
        return honest(log_index)

    told = traced(scene.world, child, entry=entry)
    assert {len(node.notices) for node in told.nodes.values()} == {0, 10}
    assert len(asked) == len(set(asked))
    assert len(asked) < 30


def test_a_release_releases_what_it_names(council: Council) -> None:
    scene = council.scene
    subjects = sorted([[council.work.id], [council.rows.id]])
    held = scene.say(council.curator, "notice", {"subjects": subjects, "act": "hold"})
    council.say(council.curator, "release", council.rows, cancels=held.statement.id)
    assert council.node().status is Status.QUARANTINED
    assert council.node(council.rows).status is Status.RELEASED


@pytest.mark.parametrize(
    ("act", "status"),
    [("hold", Status.QUARANTINED), ("dispute", Status.CONDITIONAL), ("retract", Status.RETRACTED)],
)
def test_what_is_said_against_an_artifact_before_its_first_place_counts(
    council: Council, act: str, status: Status
) -> None:
    """Nobody who lacks the rest of the log can tell whether it stood somewhere before (SPEC §12)."""
    later = council.scene.pair.record("later")
    council.say(council.curator, act, later)
    council.scene.put(council.scene.pair, later)
    assert council.node(later).status is status


def test_a_hold_before_its_artifact_counts_and_its_release_there_does_not(council: Council) -> None:
    """Who has not the whole log cannot know that the artifact did not stand before, at a place that was left out (SPEC §12)."""
    later = council.scene.pair.record("later")
    held = council.say(council.curator, "hold", later)
    council.say(council.curator, "release", later, cancels=held)
    council.scene.put(council.scene.pair, later)
    assert council.node(later).status is Status.QUARANTINED


def test_the_maker_retracts_what_is_at_fault_or_held_by_others(council: Council) -> None:
    """A notice speaks of the artifact, whatever is wrong with its places."""
    scene = council.scene
    faulty = scene.machine.record("machine work")
    scene.put(scene.machine, faulty)
    council.say(scene.machine, "retract", faulty)
    node = council.node(faulty)
    assert (node.presence, node.status, level_of(node)) == (Presence.FAULTY, Status.RETRACTED, 0)


def test_a_fork_quarantines_until_another_key_speaks() -> None:
    scene = Scene()
    forked, other = scene.anna.record("under the forked key"), scene.ben.record("other")
    scene.put(scene.anna, forked)
    scene.put(scene.ben, other)
    evidence_on(scene, scene.anna, scene.ben)
    at = scene.log.size - 1
    evidence_on(scene, scene.anna, scene.machine)
    scene.log.close_with_state()
    node = node_of(scene.world, forked)
    assert (node.status, node.contested, level_of(node)) == (Status.QUARANTINED, at, 2)
    assert node_of(scene.world, other).status is Status.RELEASED
    retired = scene.anna.key_event("retire")
    scene.log.append(retired.encoded)
    scene.log.close_with_state()
    assert node_of(scene.world, forked).status is Status.QUARANTINED  # a retire ends nothing there


def test_a_rotation_ends_being_contested() -> None:
    scene = Scene()
    forked = scene.anna.record("under the forked key")
    scene.put(scene.anna, forked)
    evidence_on(scene, scene.anna)
    change(scene, scene.anna)
    after = scene.anna.record("after")
    scene.put(scene.anna, after)
    scene.log.close_with_state()
    for record in (forked, after):
        node = node_of(scene.world, record)
        assert (node.status, node.contested) == (Status.RELEASED, None)


def test_a_retirement_that_ends_a_recovery_leaves_the_fork_as_it_was() -> None:
    scene = Scene()
    forked = scene.anna.record("under the forked key")
    scene.put(scene.anna, forked)
    evidence_on(scene, scene.anna)
    change(scene, scene.anna, "recover")
    change(scene, scene.anna, "retire")
    scene.log.close_with_state()
    assert scene.log.faults == []
    assert node_of(scene.world, forked).status is Status.QUARANTINED


def test_a_fork_under_a_recovery_that_is_in_force() -> None:
    """Which key event is in force, for the accused too, takes the clock."""
    scene = Scene()
    change(scene, scene.anna, "recover")
    wait_out(scene, scene.anna)
    forked = scene.anna.record("under the recovery")
    scene.put(scene.anna, forked)
    evidence_on(scene, scene.anna)
    scene.log.close_with_state()
    assert scene.log.faults == []
    assert node_of(scene.world, forked).status is Status.QUARANTINED


def test_evidence_that_does_not_hold_contests_nothing() -> None:
    scene = Scene()
    record = scene.anna.record("mine")
    scene.put(scene.anna, record)
    forger = thief_of(scene, scene.anna)
    forger.current = "thief"
    evidence_on(scene, forger)
    scene.log.close_with_state()
    assert [fault.code for fault in scene.log.faults] == ["evidence-invalid"]
    assert node_of(scene.world, record).status is Status.RELEASED


def test_attestations_of_whom_nobody_named_are_counted(council: Council) -> None:
    scene = council.scene
    attest(scene, scene.ben, council.work.id, claim="content")
    attest(scene, scene.ben, council.work.id, claim="content", result="refuted")
    attest(scene, scene.machine, council.work.id)
    attest(scene, council.curator, council.rows.id, 2, claim="content", result="unclear")
    node = council.node()
    assert (node.attestations, node.attested_by_others, node.status) == ((), 2, Status.RELEASED)
    node = node_of(scene.world, council.work, scene.ben)
    (found,) = node.attestations
    assert (found.by, found.claim, found.result, found.row) == (scene.ben.id, "content", "refuted", None)
    assert node.attested_by_others == 1
    (of_row,) = node_of(scene.world, council.rows).attestations  # of whom the rules list
    assert (of_row.by, of_row.row) == (council.curator.id, 2)


def test_who_is_listed_rescues_only_whom_accepts_him(council: Council) -> None:
    scene = council.scene
    disown(scene, scene.pair, 0)
    attest(scene, council.curator, council.work.id)
    node = council.node()
    assert ([found.by for found in node.attestations], node.presence) == (
        [council.curator.id],
        Presence.DISOWNED,
    )
    assert node_of(scene.world, council.work, council.curator).presence is Presence.STANDS


def test_grades_of_maker_and_anchor(council: Council) -> None:
    scene = council.scene
    endorse(scene, council.registrar, scene.anna, grade="verified")
    endorse(scene, council.registrar, scene.pair, grade="claimed")
    endorse(scene, scene.ben, scene.anna)
    node = council.node()
    assert [(item.subject, item.grade, item.listed) for item in node.endorsements] == [
        (scene.pair.id, "claimed", True),
        (scene.anna.id, "verified", True),
    ]
    assert node.endorsed_by_others == 1
    accepted = node_of(scene.world, council.work, scene.ben)
    assert {(item.issuer, item.listed) for item in accepted.endorsements} == {
        (council.registrar.id, True),
        (scene.ben.id, False),
    }
    rules(scene)
    assert {item.listed for item in council.node().endorsements} == {False}


def test_which_endorsement_counts(council: Council) -> None:
    scene, registrar = council.scene, council.registrar

    def grades() -> list[str]:
        return [item.grade for item in council.node().endorsements]

    endorse(scene, registrar, scene.anna, grade="claimed")
    endorse(scene, registrar, scene.anna, grade="documented")
    assert grades() == ["documented"]
    start, thief = scene.log.size, thief_of(scene, registrar)
    endorse(scene, thief, scene.anna, grade="known", until=0)
    assert grades() == []  # the latest has ended, and no other counts
    change(scene, registrar, cuts=[(registrar.public_key, start)])
    assert grades() == ["documented"]  # the latest that is not disowned
    endorse(scene, registrar, scene.anna, grade="verified", until=scene.log.time_ms + 1)
    scene.log.close_with_state()
    assert grades() == []
    endorse(scene, registrar, scene.anna, grade="known", log=bytes(32))
    assert grades() == []


def test_an_allow_list_admits_whom_a_registrar_endorses(council: Council) -> None:
    """Held by the trace as by the log: at each position by the rules and endorsements in force there."""
    scene, registrar = council.scene, council.registrar
    endorse(scene, registrar, scene.anna)
    rules(scene, "allow-list", registrars=[registrar])
    codes: list[str | None] = []

    def put(actor: Actor) -> None:
        record = actor.record(f"{scene.log.size}")
        scene.put(actor, record)
        scene.log.close_with_state()
        fault = node_of(scene.world, record).fault
        codes.append(None if fault is None else fault.code)

    put(scene.anna)
    put(scene.pair)  # by its anchor
    put(scene.ben)
    endorse(scene, scene.anna, scene.ben)  # no registrar
    put(scene.ben)
    endorse(scene, registrar, scene.ben, until=scene.log.time_ms + 2)
    put(scene.ben)
    put(scene.ben)
    put(scene.ben)
    change(scene, registrar, cuts=[(registrar.public_key, 0)])
    put(scene.anna)
    endorse(scene, registrar, scene.anna)
    put(scene.anna)
    rules(scene, "allow-list")
    put(scene.anna)
    put(scene.operator)
    rules(scene)
    put(scene.ben)
    shut = "not-endorsed"
    assert codes[:4] == [None, None, shut, shut]
    assert codes[4:7] == [None, None, shut]
    assert codes[7:] == [shut, None, shut, "role-illegal", None]


def test_an_earlier_endorsement_ends_though_a_later_one_was_disowned(council: Council) -> None:
    scene, registrar = council.scene, council.registrar
    endorse(scene, registrar, scene.ben, until=scene.log.time_ms + 5)
    start = scene.log.size
    endorse(scene, registrar, scene.ben)
    disown(scene, registrar, start)
    rules(scene, "allow-list", registrars=[registrar])
    early, late = scene.ben.record("early"), scene.ben.record("late")
    scene.put(scene.ben, early)
    later(scene, 1_000)
    scene.put(scene.ben, late)
    scene.log.close_with_state()
    faults = [node_of(scene.world, record).fault for record in (early, late)]
    assert [None if fault is None else fault.code for fault in faults] == [None, "not-endorsed"]


def test_an_allow_list_shuts_out_attestors_too(council: Council) -> None:
    scene, registrar = council.scene, council.registrar
    endorse(scene, registrar, scene.ben)
    rules(scene, "allow-list", registrars=[registrar])
    for actor in (scene.ben, scene.anna):
        attest(scene, actor, council.work.id)
    scene.log.close_with_state()
    node = node_of(scene.world, council.work, scene.ben, scene.anna)
    assert [found.by for found in node.attestations] == [scene.ben.id]


def test_who_is_listed_by_others_than_the_operator_is_a_stranger(council: Council) -> None:
    scene = council.scene
    second = scene.enrol("second", "curator")
    scene.say(scene.ben, "rules", {"mode": "open", "curators": [second.id]})
    attest(scene, second, council.work.id)
    node = council.node()
    assert (node.attestations, node.attested_by_others) == ((), 1)


def test_a_disowned_endorsement_by_recovery_admits_nobody_once_it_is_in_force(council: Council) -> None:
    scene, registrar = council.scene, council.registrar
    endorse(scene, registrar, scene.ben)
    rules(scene, "allow-list", registrars=[registrar])
    change(scene, registrar, "recover", cuts=[(registrar.public_key, 0)])
    scene.log.close_with_state()
    early, late = scene.ben.record("early"), scene.ben.record("late")
    scene.put(scene.ben, early)
    wait_out(scene)
    scene.put(scene.ben, late)
    scene.log.close_with_state()
    assert node_of(scene.world, early).fault is None
    fault = node_of(scene.world, late).fault
    assert fault is not None
    assert fault.code == "not-endorsed"


def test_a_suspect_delegation_by_recovery_lets_nobody_speak_once_it_is_in_force() -> None:
    scene = Scene()
    change(scene, scene.anna, "recover", cuts=[(scene.anna.public_key, 0)])
    scene.log.close_with_state()
    early, late = scene.pair.record("early"), scene.pair.record("late")
    scene.put(scene.pair, early)
    wait_out(scene, scene.anna)
    scene.put(scene.pair, late)
    delegate(scene, scene.anna, scene.pair)
    anew = scene.pair.record("anew")
    scene.put(scene.pair, anew)
    scene.log.close_with_state()
    faults = [node_of(scene.world, record).fault for record in (early, late, anew)]
    assert [None if fault is None else fault.code for fault in faults] == [None, "not-delegated", None]
    assert node_of(scene.world, early).status is Status.DISOWNED
