"""Records that are missing: where an erasure was asked for and stood for its week, and where not (SPEC §8.2)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger import spec
from ledger.origin.levels import level_of
from ledger.proofs.facts import Node, Presence, Status
from ledger.statements.record import Parent
from tests.test_proofs.scene import Council, disown, later, node_of, rules, traced, wait_out

WEEK_MS = spec.ERASE_WAIT_S * 1_000


@pytest.fixture
def council() -> Council:
    return Council()


def erased_after(council: Council, say: Callable[[Council], object]) -> Node:
    """The work, erased by the operator a week after something was said of it."""
    number = council.scene.log.record_count - 2
    say(council)
    wait_out(council.scene)
    council.scene.log.close_with_state()
    council.scene.log.erase(number)
    return node_of(council.scene.world, council.work)


def recovery_in_time(council: Council) -> None:
    """It is in force one millisecond before the erasure is due, and there is a state just then."""
    scene = council.scene
    disown(scene, scene.anna, scene.log.size - 1, "recover")
    later(scene)
    council.say(scene.anna, "erase")
    later(scene, WEEK_MS - 2)
    scene.log.close_with_state()


def recovery_at_once(council: Council) -> None:
    """Recovery and erasure fall due at one index: who lost the key is not obeyed."""
    scene = council.scene
    disown(scene, scene.anna, scene.log.size - 1, "recover")
    council.say(scene.anna, "erase")


def recovery_too_late(council: Council) -> None:
    scene = council.scene
    council.say(scene.anna, "erase")
    later(scene)
    disown(scene, scene.anna, scene.log.size - 2, "recover")
    later(scene, WEEK_MS - 2)
    scene.log.close_with_state()


def disowned_too_late(council: Council) -> None:
    scene = council.scene
    council.say(scene.anna, "erase")
    start = scene.log.size - 1
    later(scene, WEEK_MS)
    disown(scene, scene.anna, start)


def delisted_too_late(council: Council) -> None:
    council.say(council.curator, "erase")
    later(council.scene, WEEK_MS)
    rules(council.scene)


ERASED: dict[str, tuple[bool, Callable[[Council], object]]] = {
    # whether the record may be missing, and what was said
    "nothing": (False, lambda _: None),
    "by its anchor": (True, lambda c: c.say(c.scene.anna, "erase")),
    "by a curator": (True, lambda c: c.say(c.curator, "erase")),
    "by the pair": (False, lambda c: c.say(c.scene.pair, "erase")),
    "by a stranger": (False, lambda c: c.say(c.scene.ben, "erase")),
    "a row": (False, lambda c: c.say(c.curator, "erase", None, 0)),
    "a retraction": (False, lambda c: c.say(c.scene.anna, "retract")),
    "disowned in time": (
        False,
        lambda c: (c.say(c.scene.anna, "erase"), disown(c.scene, c.scene.anna, c.scene.log.size - 1)),
    ),
    "disowned too late": (True, disowned_too_late),
    "delisted in time": (False, lambda c: (c.say(c.curator, "erase"), rules(c.scene))),
    "delisted too late": (True, delisted_too_late),
    "listed again before it": (
        True,
        lambda c: (rules(c.scene), rules(c.scene, curators=[c.curator]), c.say(c.curator, "erase")),
    ),
    "delisted by rules at fault": (
        True,
        lambda c: (c.say(c.curator, "erase"), rules(c.scene, registrars=[c.scene.ben])),
    ),
    "its anchor is listed nowhere": (True, lambda c: (c.say(c.scene.anna, "erase"), rules(c.scene))),
    "a recovery that disowns in time": (False, recovery_in_time),
    "a recovery that disowns just then": (False, recovery_at_once),
    "a recovery that disowns too late": (True, recovery_too_late),
}


@pytest.mark.parametrize("case", ERASED)
def test_a_record_may_be_missing_where_an_erasure_stood_for_a_week(council: Council, case: str) -> None:
    expected, say = ERASED[case]
    node = erased_after(council, say)
    assert (node.presence, node.kind, level_of(node)) == (Presence.ERASED, "", 0)
    assert (None if node.fault is None else node.fault.code) == (None if expected else "record-missing")


def test_the_fault_of_the_entry_comes_first(council: Council) -> None:
    scene = council.scene
    forged = scene.anna.record("forged")
    number = scene.log.record_count
    entry, encoded = scene.anna.artifacts([forged], scene.lane())
    scene.log.append(scene.ben.sign(entry.statement).encoded, encoded)
    scene.log.close_with_state()
    scene.log.erase(number)
    node = node_of(scene.world, forged)
    assert node.presence is Presence.ERASED
    assert node.fault is not None
    assert node.fault.code == "signature-invalid"


def test_an_erasure_waits_for_its_week(council: Council) -> None:
    number = council.scene.log.record_count - 2
    council.say(council.scene.anna, "erase")
    later(council.scene, WEEK_MS - 2)
    council.scene.log.erase(number)
    codes = []
    for _ in range(2):
        fault = council.node().fault
        codes.append(None if fault is None else fault.code)
    assert codes == ["record-missing", None]


@pytest.mark.parametrize("is_allowed", [False, True])
def test_a_child_of_a_record_that_is_kept_back_is_unknown(council: Council, is_allowed: bool) -> None:
    """Else a source that holds a parent back would hide what is wrong between it and its child."""
    scene = council.scene
    child = scene.ben.record("child", parents=[Parent("derived-from", council.work.id)])
    number = scene.log.record_count - 2
    scene.put(scene.ben, child)
    if is_allowed:
        council.say(scene.anna, "erase")
        later(scene, WEEK_MS)
    scene.log.close_with_state()
    scene.log.erase(number)
    told = traced(scene.world, child)
    lost = told.nodes[council.work.id]
    assert (lost.presence, lost.status) == (
        Presence.ERASED,
        Status.RETRACTED if is_allowed else Status.UNKNOWN,
    )
    expected = Status.RELEASED if is_allowed else Status.UNKNOWN
    assert (told.nodes[child.id].status, told.humans) == (expected, (scene.ben.id,))
