"""Evidence of a fork, where it has a meaning and where not, one condition at a time (SPEC §7.5)."""

from __future__ import annotations

import pytest

from ledger.fold.transition import fold
from tests.cases.lives import digest, id_of
from tests.cases.logs import MIXED_SECRET, Actor, signature, signed
from tests.cases.samples import Fields, changed, some
from tests.cases.samples import keyset as keyset_of
from tests.cases.voices import (
    by_current,
    by_next,
    fork,
    half,
    pair_of_works,
    rotation_of,
    said,
)
from tests.cases.worlds import WAIT_MS, Town, town
from tests.reference import ed25519_mixed_order_key, ed25519_sign_mixed, pack, pae
from tests.test_fold.told import state_of, told


def rotations(world: Town, by: Actor) -> list[Fields]:
    """Two rotations at one place, ascending as in an `evidence`."""
    return sorted((rotation_of(world, by, text) for text in ("one", "two")), key=pack)


def log_event(world: Town, by: Actor, fields: Fields, name: str, number: int) -> None:
    """Appends a key event in order; but for a recovery, it speaks from here."""
    world.script.add(signed(fields, name, keyset_number=number))
    by.events.append(id_of(fields))
    if number == 1:
        by.turn(name, id_of(fields))


def recovered(world: Town, by: Actor) -> None:
    """The last event of `by`, a recovery, is in force from here."""
    world.script.state()
    world.script.state(tick=WAIT_MS)
    by.turn(by.name + "/recovery", by.events[-1])


def test_a_fork_is_told_once_also_while_a_recovery_is_pending() -> None:
    world = town()
    one, other = pair_of_works(world, world.human)
    world.script.turn(world.human, "recover")
    body = fork(by_current(one, "human"), by_current(other, "human"))
    world.script.tell(world.other, "evidence", body)
    again = said(world, world.machine, "evidence", body)
    found = told(world.script)
    assert found.faults == [(again, None, "evidence-invalid")]
    assert found.contested == [world.human.id]


@pytest.mark.parametrize("place", [0, 1])
def test_each_of_two_key_events_names_the_event_before(place: int) -> None:
    world = town()
    made = rotations(world, world.human)
    made[place] = changed(made[place], prev=some("event"))
    halves = [by_next(fields, "human/next") for fields in made]
    index = said(world, world.other, "evidence", fork(*halves))
    assert told(world.script).faults == [(index, None, "key-event-broken")]


@pytest.mark.parametrize("place", [0, 1])
def test_either_of_two_key_events_may_be_the_one_that_stands(place: int) -> None:
    world = town()
    made = rotations(world, world.human)
    log_event(world, world.human, made[place], "human/next", 1)
    halves = [by_next(fields, "human/next") for fields in made]
    world.script.tell(world.other, "evidence", fork(*halves))
    found = told(world.script)
    assert (found.faults, found.contested) == ([], [world.human.id])


def test_two_vetoes_of_which_none_stands_are_a_fork() -> None:
    """They follow the pending recovery, and are asked as the event asks that is in force."""
    world = town()
    world.script.turn(world.human, "recover")
    halves = [by_next(fields, "human/next") for fields in rotations(world, world.human)]
    world.script.tell(world.other, "evidence", fork(*halves))
    found = told(world.script)
    assert (found.faults, found.contested) == ([], [world.human.id])


@pytest.mark.parametrize("type_", ["rotate", "recover"])
def test_forks_behind_a_recovery_in_force_are_asked_as_it_asks(type_: str) -> None:
    """Both commitments of the recovery count from then on, whichever the logged one follows."""
    world = town()
    script, human = world.script, world.human
    script.turn(human, "recover")
    recovered(world, human)
    name, number = ("human/recovery/recovery", 2) if type_ == "recover" else ("human/recovery/next", 1)
    made = [script.key_event(human, type_, recovery=some(text)) for text in ("one", "two")]
    log_event(world, human, made[0], name, number)
    halves = [half(fields, [[number, 0, signature(name, pack(fields))]]) for fields in made]
    script.tell(world.other, "evidence", fork(*halves))
    found = told(script)
    assert (found.faults, found.contested) == ([], [human.id])


def test_a_late_veto_is_asked_as_the_event_before_the_recovery_asks() -> None:
    """Not as the one before that, which asked for another keyset."""
    world = town()
    script, human = world.script, world.human
    for type_ in ("rotate", "rotate", "recover"):
        script.turn(human, type_)
    made, name = rotations(world, human), human.name + "/next"
    log_event(world, human, made[0], name, 1)
    script.tell(world.other, "evidence", fork(*(by_next(fields, name) for fields in made)))
    found = told(script)
    assert (found.faults, found.contested) == ([], [human.id])


def test_two_rotations_to_a_key_that_is_refused_are_no_fork() -> None:
    """Nobody could have logged either, though both signatures hold: the key has a part of order 8."""
    world = town()
    script = world.script
    mixed = keyset_of(("ed25519", ed25519_mixed_order_key(MIXED_SECRET)), ed25519=1)
    enrolment = script.enrolment("second", next=digest(mixed))
    script.add(signed(enrolment, "second"))
    second = Actor("second", "human", enrolment)
    made = [script.key_event(second, "rotate", keyset=mixed, recovery=some(text)) for text in ("1", "2")]
    halves = [half(fields, [[1, 0, ed25519_sign_mixed(MIXED_SECRET, pae(pack(fields)))]]) for fields in made]
    index = said(world, world.other, "evidence", fork(*halves))
    found = told(script)
    assert (found.faults, found.contested) == ([(index, None, "evidence-invalid")], [])


def test_the_first_payload_is_judged_before_the_second() -> None:
    world = town()
    one, other = sorted(pair_of_works(world, world.human), key=pack)
    body = fork(by_current(one, "thief"), by_current(other, "thief"))
    data = signed(world.script.say(world.other, "evidence", body), "other")
    _, fault = fold(state_of(world.script), len(world.script.entries), data, world.script.time, fold_number=2)
    assert fault is not None
    assert fault.code == "evidence-invalid"
    assert fault.what.startswith(f"payload {id_of(one).hex()[:16]}:")
