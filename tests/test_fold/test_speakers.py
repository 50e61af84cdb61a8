"""Who may speak, one condition at a time: anchors, registrars, whose key is whose (SPEC §5.3, §5.4, §7.2, §7.3)."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import RefusedInput
from ledger.fold.subjects import Subject, admit_subjects
from ledger.fold.transition import open_entry
from tests.cases.lives import digest, id_of
from tests.cases.logs import Actor, Script, keys, public_key, signed
from tests.cases.samples import changed, some
from tests.cases.voices import attestation, endorsement, notice
from tests.cases.worlds import WAIT_MS, people, town
from tests.reference import pack
from tests.test_fold.told import state_of, told


def unsaid(script: Script, by: Actor, fields: dict[str, Any]) -> int:
    """Appends a statement that will be a fault."""
    return script.add(signed(script.unsay(by, fields), by.name))


def test_a_human_speaks_of_his_own_pairs_alone() -> None:
    world = people(fold=2)
    other = world.script.actor("other")
    grant = unsaid(world.script, other, world.script.delegation(other, world.pair))
    ending = world.script.say(other, "undelegate", {"pair": world.pair.id})
    end = unsaid(world.script, other, ending)
    found = told(world.script)
    assert found.faults == [(grant, None, "delegation-illegal"), (end, None, "delegation-illegal")]
    assert found.delegated == {world.pair.id: world.delegation}


def test_each_listed_registrar_admits() -> None:
    world = town()
    script = world.script
    second = script.actor("second registrar", "registrar")
    script.tell(world.registrar, "endorse", endorsement(world.human.id))
    script.tell(second, "endorse", endorsement(world.other.id))
    listed = sorted([world.registrar.id, second.id])
    script.tell(script.operator, "rules", world.rules(registrars=listed))
    for admitted in (world.human, world.other):
        script.publish(admitted, script.work(admitted, "x"))
    out = unsaid(script, world.machine, script.artifacts(world.machine, [b"x"]))
    assert told(script).faults == [(out, None, "not-endorsed")]


def test_a_disowned_endorsement_uncovers_the_one_before_it() -> None:
    """Of each issuer the latest that stands counts, however many stand behind it; issuers are kept apart."""
    world = town()
    script = world.script
    cuts = {}
    for issuer, grades in ((world.registrar, "claimed known verified"), (world.other, "known documented")):
        for grade in grades.split():
            cuts[issuer.id] = len(script.entries)
            script.tell(issuer, "endorse", endorsement(world.human.id, grade=grade))
    before = told(script).grades
    assert before == {world.human.id: {world.registrar.id: "verified", world.other.id: "documented"}}
    for issuer in (world.registrar, world.other):
        script.turn(issuer, "rotate", compromised=[[public_key(issuer.name), cuts[issuer.id]]])
    found = told(script).grades
    assert found == {world.human.id: {world.registrar.id: "known", world.other.id: "known"}}


def test_what_is_said_while_a_recovery_is_pending_was_signed_by_the_former_key() -> None:
    """So it falls with that key, when the recovery is ended by a rotation that cuts it."""
    world = town()
    script, human = world.script, world.human
    script.turn(human, "recover")
    start = len(script.entries)
    script.tell(human, "endorse", endorsement(world.other.id))
    anew = script.delegate(human, world.pair)
    assert told(script).delegated == {world.pair.id: anew}
    script.turn(human, "rotate", compromised=[[public_key("human"), start]])
    found = told(script)
    assert (found.faults, found.grades, found.delegated) == ([], {}, {world.pair.id: None})


def test_a_recovery_silences_the_pairs_of_a_thief_as_soon_as_it_is_in_force() -> None:
    """No later event of the anchor is needed: the clock alone decides."""
    world = people(fold=2)
    script = world.script
    script.turn(world.human, "recover", compromised=[[public_key("human"), 4]])
    script.state()
    answers = [script.work(world.pair, text, "output") for text in ("while it is pending", "too late")]
    script.publish(world.pair, answers[0], delegation=world.delegation)
    script.state(tick=WAIT_MS - 1)
    fields = script.artifacts(world.pair, [answers[1]], world.delegation)
    index = unsaid(script, world.pair, fields)
    found = told(script, tick=1)
    assert found.faults == [(index, None, "not-delegated")]
    assert found.delegated == {world.pair.id: None}


def test_only_the_operator_may_not_turn_to_the_key_of_the_log() -> None:
    script = Script(fold=2).begin()
    enrolment = script.enrolment("second", next=digest(keys("log")))
    script.add(signed(enrolment, "second"))
    second = Actor("second", "human", enrolment)
    fields = script.key_event(second, "rotate", keyset=keys("log"))
    script.add(signed(fields, "log", keyset_number=1))
    assert told(script).speaks[second.id] == id_of(fields)


def test_a_keyset_that_another_revealed_may_be_committed_to() -> None:
    """What an identity revealed is asked of its own past; whose else the keys are proves nothing (SPEC §7.1)."""
    world = people(fold=2)
    world.script.turn(world.human, "rotate", recovery=digest(keys("machine")))
    assert told(world.script).faults == []


@pytest.mark.parametrize("wrong", [0, 1])
def test_every_key_that_is_named_as_compromised_was_revealed(wrong: int) -> None:
    """Whether the one that never was stands first or last."""
    world = people(fold=2)
    own = public_key("human")
    strangers = (some(f"key {number}") for number in range(100))
    other = next(key for key in strangers if (pack(key) < pack(own)) == (wrong == 0))
    cuts = sorted([[own, 3], [other, 3]], key=lambda item: pack(item[0]))
    fields = world.script.key_event(world.human, "rotate", compromised=cuts)
    index = world.script.add(signed(fields, "human/next", keyset_number=1))
    assert told(world.script).faults == [(index, None, "compromised-illegal")]


@pytest.mark.parametrize("change", [{"seq": 2}, {"prev": some("statement")}])
def test_a_lane_goes_on_by_number_and_by_name(change: dict[str, Any]) -> None:
    world = people(fold=2)
    script = world.script
    script.publish(world.human, script.work(world.human, "first"))
    fields = script.artifacts(world.human, [script.work(world.human, "second")])
    assert fields["seq"] == 2  # the delegation is the first of the lane
    skipped = changed(fields, seq=4) if "seq" in change else changed(fields, **change)
    index = script.add(signed(skipped, "human"))
    script.unsay(world.human, fields)
    script.publish(world.human, script.work(world.human, "second"))
    assert told(script).faults == [(index, None, "lane-broken")]


def test_admission_names_the_subject_that_may_not_be_named() -> None:
    """And refuses the whole statement for it; what the fold finds of each is in the scenarios."""
    world = town()
    script = world.script
    state = state_of(script)
    known = {world.text: Subject(world.human.id, 0), world.output: Subject(world.pair.id, 0)}

    def refused(by: Actor, type_: str, body: dict[str, Any]) -> tuple[str, str]:
        fields = script.unsay(by, script.say(by, type_, body))
        statement = open_entry(signed(fields, by.name), script.log).statement
        with pytest.raises(RefusedInput) as error:
            admit_subjects(state, statement, known.get)
        return error.value.code, error.value.item.split(":")[0]

    subjects = sorted([[world.text], [some("nothing")]], key=pack)
    place = subjects.index([some("nothing")])
    assert refused(world.other, "attest", attestation(*subjects)) == (
        "subject-unknown",
        f"subject {place}",
    )
    both = sorted([[world.text], [world.output]], key=pack)
    for by, denied in ((world.pair, 0), (world.other, 0)):
        assert refused(by, "notice", notice("erase", *both)) == ("not-authorised", f"subject {denied}")
    good = signed(script.say(world.human, "notice", notice("erase", *both)), "human")
    admit_subjects(state, open_entry(good, script.log).statement, known.get)
