"""What a cut of a key disowns, one condition at a time: which event, which key, from where, for how long (SPEC §7.4)."""

from __future__ import annotations

import pytest

from tests.cases.lives import THREE, digest, id_of
from tests.cases.logs import Actor, Script, keys, public_key
from tests.cases.voices import endorsement
from tests.cases.worlds import WAIT_MS, People, Town, people, signed_of, town
from tests.test_fold.told import state_of, told

OWN = public_key("human")


def works(world: People, *texts: str) -> None:
    for text in texts:
        world.script.publish(world.human, world.script.work(world.human, text))


def recovered(script: Script, actor: Actor) -> None:
    """The last event of an actor, a recovery, is in force from here."""
    script.state()
    script.state(tick=WAIT_MS)
    actor.turn(actor.name + "/recovery", actor.events[-1])


def test_a_recovery_goes_on_cutting_when_another_event_follows_it() -> None:
    world = people(fold=2)
    works(world, "a", "b")  # 6, 7
    world.script.turn(world.human, "recover", compromised=[[OWN, 7]])
    recovered(world.script, world.human)
    recovery = world.human.events[0]
    assert told(world.script).disowned == [(7, recovery, False)]
    world.script.turn(world.human, "rotate")
    assert told(world.script).disowned == [(7, recovery, False)]


def test_a_retirement_cuts() -> None:
    """Whoever ends an identity for a stolen key says from where its word is in doubt."""
    world = people(fold=2)
    works(world, "a", "b")  # 6, 7
    world.script.turn(world.human, "retire", reason="compromised", compromised=[[OWN, 7]])
    assert told(world.script).disowned == [(7, world.human.events[0], False)]


def test_a_later_event_disowns_no_less() -> None:
    world = people(fold=2)
    works(world, "a", "b")  # 6, 7
    world.script.turn(world.human, "rotate", compromised=[[OWN, 6]])
    world.script.turn(world.human, "rotate", compromised=[[OWN, 7]])
    first = world.human.events[0]
    assert told(world.script).disowned == [(6, first, False), (7, first, False)]
    known = state_of(world.script).revealed(world.human.id, OWN)
    assert known is not None
    assert (known.log_index, known.cut, known.cut_at) == (2, 6, 8)


def test_the_first_to_cut_is_told_where_two_cut_alike() -> None:
    world = people(fold=2)
    works(world, "a")  # 6
    for _ in range(2):
        world.script.turn(world.human, "rotate", compromised=[[OWN, 6]])
    assert told(world.script).disowned == [(6, world.human.events[0], False)]
    state = state_of(world.script)
    known = state.revealed(world.human.id, OWN)
    assert known is not None
    assert (known.cut, known.cut_at, state.header.cuts) == (6, 7, 1)


def test_what_a_vetoed_recovery_names_is_not_told_of_its_veto() -> None:
    """The veto cuts from a later position: what the recovery alone would have cut stands, the rest falls by the veto."""
    world = people(fold=2)
    works(world, "a", "b")  # 6, 7
    world.script.turn(world.human, "recover", compromised=[[OWN, 6]])
    world.script.turn(world.human, "rotate", compromised=[[OWN, 7]])
    assert told(world.script).disowned == [(7, world.human.events[1], False)]


def voices(world: Town) -> None:
    """14: the human endorses the curator, 15: the registrar."""
    for subject in (world.curator, world.registrar):
        world.script.tell(world.human, "endorse", endorsement(subject.id))


def test_a_vetoed_recovery_cuts_no_voice() -> None:
    world = town()
    voices(world)
    world.script.turn(world.human, "recover", compromised=[[OWN, 0]])
    world.script.turn(world.human, "rotate")
    world.script.state()
    assert told(world.script, tick=2 * WAIT_MS).grades == {
        world.curator.id: {world.human.id: "known"},
        world.registrar.id: {world.human.id: "known"},
    }
    assert state_of(world.script).header.cuts == 0


@pytest.mark.parametrize("starts", [(14, 15), (15, 14)])
def test_a_recovery_in_force_and_an_earlier_event_cut_both(starts: tuple[int, int]) -> None:
    """Whichever of them goes further back: before another event follows, the recovery's cut is told by the clock alone."""
    world = town()
    voices(world)
    world.script.turn(world.human, "rotate", compromised=[[OWN, starts[0]]])
    world.script.turn(world.human, "recover", compromised=[[OWN, starts[1]]])
    world.script.state()
    found = told(world.script, tick=WAIT_MS)
    assert found.grades == {}
    told_by = {index: event for index, event, _ in found.disowned if index in (14, 15)}
    rotation, recovery = world.human.events
    assert told_by == {14: rotation if starts[0] == 14 else recovery, 15: rotation}


def test_a_recovery_in_force_cuts_the_keys_that_it_names_alone() -> None:
    """Of three keys, two of which sign: what the lost one did not sign stands. Nothing follows the recovery."""
    world = town()
    script = world.script
    fields = script.enrolment(
        "three", "curator", keyset=keys(*THREE, threshold=2), recovery=digest(keys("three/recovery"))
    )
    script.add(signed_of(fields, THREE, "a1", "a2"))
    three = Actor("three", "curator", fields)
    for subject, signers in ((world.human, ("a1", "a2")), (world.other, ("a2", "a3"))):
        said = script.say(three, "endorse", endorsement(subject.id))
        script.add(signed_of(said, THREE, *signers))
    script.turn(three, "recover", compromised=[[public_key("a1"), 0]])
    script.state()
    found = told(script, tick=WAIT_MS)
    assert found.grades == {world.other.id: {three.id: "known"}}


def test_a_key_that_a_veto_shares_with_the_recovery_was_revealed_by_the_recovery() -> None:
    """Where it was revealed first is kept: so the state between the two is told from a later one."""
    script = Script(fold=2).begin()
    heirs, others = ("second/next", "shared"), ("shared", "second/recovery")
    fields = script.enrolment("second", next=digest(keys(*heirs)), recovery=digest(keys(*others)))
    script.add(signed_of(fields, ("second",), "second"))
    second = Actor("second", "human", fields)
    recovery = script.key_event(second, "recover", keyset=keys(*others))
    revealed_at = script.add(signed_of(recovery, others, "shared", number=2))
    second.events.append(id_of(recovery))
    veto = script.key_event(second, "rotate", keyset=keys(*heirs))
    script.add(signed_of(veto, heirs, "shared", number=1))
    assert told(script).speaks[second.id] == id_of(veto)
    known = state_of(script).revealed(second.id, public_key("shared"))
    assert known is not None
    assert known.log_index == revealed_at


@pytest.mark.parametrize("lost", [("a1", "a2"), ("a2", "a1")])
def test_the_first_of_two_cuts_is_told_of_what_both_keys_signed(lost: tuple[str, str]) -> None:
    """Whichever of the two keys stands first in the keyset."""
    script = Script(fold=2).begin()
    fields = script.enrolment("three", keyset=keys(*THREE, threshold=2), next=digest(keys("three/next")))
    script.add(signed_of(fields, THREE, "a1", "a2"))
    three = Actor("three", "human", fields)
    data = script.work(three, "by both")
    index = script.add(signed_of(script.artifacts(three, [data]), THREE, "a1", "a2"), [data])
    for name in lost:
        script.turn(three, "rotate", compromised=[[public_key(name), 0]])
        assert told(script).disowned == [(index, three.events[0], False)]
