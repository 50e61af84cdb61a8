"""The state as it stood before a position, told from a later one, value by value (SPEC §9.1, §10.4)."""

from __future__ import annotations

from dataclasses import replace

from tests.cases.logs import Script, public_key
from tests.cases.worlds import WAIT_MS, people
from tests.test_fold.told import state_of


def long_life() -> tuple[Script, list[bytes]]:
    """A log, and who is enrolled in it.

    The pair is delegated, spends, is ended and delegated anew, twice; its anchor recovers, and is in force by that;
    rotates; recovers, and vetoes it; the pair rotates; the anchor retires.
    """
    world = people({"count": 9}, fold=2)
    script, human, pair = world.script, world.human, world.pair
    script.publish(pair, script.work(pair, "x", "output"), delegation=world.delegation)
    for _ in range(2):
        script.tell(human, "undelegate", {"pair": pair.id})
        script.delegate(human, pair)
    script.turn(human, "recover", compromised=[[public_key("human"), 8]])
    script.state()
    script.state(tick=WAIT_MS)
    human.turn("human/recovery", human.events[-1])
    script.turn(human, "rotate")
    script.turn(human, "recover", compromised=[[public_key("human"), 4]])
    script.state()
    script.turn(human, "rotate")
    script.turn(pair, "rotate")
    script.turn(human, "retire")
    script.state()
    return script, [script.operator.id, human.id, pair.id, world.machine.id]


def test_an_identity_before_any_position_is_the_one_that_stood() -> None:
    """All of it, but for what was spent of its delegation."""
    script, ids = long_life()
    latest, size = state_of(script), len(script.entries)
    known = 0
    for log_index in range(size + 1):
        state = state_of(script, log_index)
        for identity_id in ids:
            expected, found = state.identity(identity_id), latest.identity_before(identity_id, log_index)
            if found is not None and found.delegation is not None:
                assert expected is not None
                assert expected.delegation is not None
                used = expected.delegation.records_used
                found = replace(found, delegation=replace(found.delegation, records_used=used))
            assert found == expected, (log_index, identity_id.hex())
            known += found is not None
    assert known == sum(size - born for born in (0, 2, 3, 5))


def test_every_event_and_every_delegation_is_kept() -> None:
    script, (_operator, human, pair, _machine) = long_life()
    state = state_of(script)
    one, other = state.identity(human), state.identity(pair)
    assert one is not None
    assert other is not None
    told = [(event.type, event.vetoed) for event in state.key_events(one)]
    assert told == [
        ("enrol", False),
        ("recover", False),
        ("rotate", False),
        ("recover", True),
        ("rotate", False),
        ("retire", False),
    ]
    assert [event.type for event in state.key_events(other)] == ["enrol", "rotate"]
    assert [(each.log_index, each.ended) for each in state.delegations(other)] == [(4, 7), (8, 9), (10, None)]
