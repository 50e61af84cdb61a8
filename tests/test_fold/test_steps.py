"""Single steps of the transition, where no whole log shows them: fold numbers, clocks, faults, segments (SPEC §9)."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import LineageError
from ledger.fold import state as state_module
from ledger.fold.segments import Closing, closing_state
from ledger.fold.state import FoldState
from ledger.fold.transition import advance, fold, judge, open_entry
from tests.cases.logs import Script, signed
from tests.cases.samples import payload, some
from tests.cases.worlds import people
from tests.reference import pack
from tests.test_fold.told import state_of, told


def refused(state: FoldState, log_index: int, data: bytes, clock_ms: int = 0) -> str:
    """The code for which an entry may not stand there; "" if it may."""
    try:
        judge(state, log_index, open_entry(data, state.header.log_id), clock_ms)
    except LineageError as error:
        return error.code
    return ""


def state_entry(script: Script, state: FoldState, **changes: Any) -> bytes:
    body = {
        "root": state.status_root(),
        "records": state.header.records,
        "time": state.header.clock_ms,
        "fold": state.header.fold_number,
    }
    return pack([pack(payload("state", log=script.log, body=body | changes))])


def test_a_genesis_gives_the_log_its_fold_number() -> None:
    for number, code in ((1, ""), (2, ""), (3, "fold-unknown")):
        script = Script(fold=number)
        state, data = FoldState(script.log), signed(script.operator.enrolment, "operator")
        assert refused(state, 0, data) == code
        if not code:
            advance(state, 0, open_entry(data, script.log), 0, in_order=True)
            assert state.header.fold_number == number


def test_a_state_may_raise_the_fold_number_to_one_that_is_known() -> None:
    script = Script(fold=1).begin()
    state = state_of(script)
    for number, code in ((1, ""), (2, ""), (3, "fold-unknown")):
        assert refused(state, 2, state_entry(script, state, fold=number)) == code
    advance(state, 2, open_entry(state_entry(script, state, fold=2), script.log), 0, in_order=True)
    assert state.header.fold_number == 2
    assert refused(state, 3, state_entry(script, state, fold=1)) == "state-wrong"


def test_neither_an_entry_nor_its_segment_lowers_the_fold_number() -> None:
    """A closing state says 1 after one that said 2: what is folded by it is folded by 2 (SPEC §9.6)."""
    world = people(fold=2)
    rotation = signed(world.script.key_event(world.human, "rotate"), "human/next", keyset_number=1)
    for wrong in (False, True):
        state = state_of(world.script)
        index = len(world.script.entries)
        if wrong:
            _, fault = fold(state, index, state_entry(world.script, state, fold=1), 0, fold_number=2)
            assert fault is not None
            assert (fault.code, state.header.fold_number) == ("state-wrong", 2)
            index += 1
        assert fold(state, index, rotation, 0, fold_number=1)[1] is None
        assert state.header.fold_number == 2


def test_two_states_may_tell_one_time() -> None:
    script = Script(fold=2).begin()
    script.state(tick=0)
    assert told(script, tick=0).faults == []


def test_a_state_that_went_back_does_not_turn_the_clock_back() -> None:
    script = Script(fold=2).begin()
    first = script.state(time=5)
    second = script.state(time=script.time - 1_500)  # behind the one at fault, before the one in order
    assert told(script).faults == [(first, None, "state-wrong"), (second, None, "state-wrong")]


def test_what_is_not_in_order_is_remembered_as_that() -> None:
    """Admission asks it of an artifact's places, a trace of a chain's entries."""
    world = people(fold=2)
    fields = world.script.artifacts(world.human, [b"x"])
    wrong = world.script.add(signed(world.script.unsay(world.human, fields), "thief"))
    junk = world.script.add(b"\xc1")
    world.script.publish(world.human, world.script.work(world.human, "good"))
    state = state_of(world.script)
    faulty = [index for index in range(len(world.script.entries)) if state.is_faulty(index)]
    assert faulty == [wrong, junk]
    assert state.header.faults == 2
    pairs, _ = state.take_changes()
    again = FoldState(world.script.log, pairs.get)
    assert [index for index in range(len(world.script.entries)) if again.is_faulty(index)] == faulty


def test_decoded_objects_are_kept_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is dropped is read again: the limit bounds memory and changes nothing."""
    world = people(fold=2)
    state = state_of(world.script)
    held = len(state._objects)
    assert held > 10
    monkeypatch.setattr(state_module, "OBJECTS_REMEMBERED", held)
    pairs, nodes = state.take_changes()
    assert len(state._objects) == held
    monkeypatch.setattr(state_module, "OBJECTS_REMEMBERED", held - 1)
    assert state.take_changes()[0].keys() == {b"h"}
    assert state._objects == {}
    assert FoldState(world.script.log, pairs.get, nodes.get).identity(world.human.id) is not None


def test_an_entry_is_in_the_segment_of_the_first_state_behind_it() -> None:
    script = Script(fold=2).begin()  # genesis 0, state 1
    script.add(b"\x91\xc4\x01x")  # 2: begins as a state does, and is none
    script.actor("human")  # 3
    other = payload("state", log=some("other log"))
    script.add(pack([pack(other)]))  # 4: a state of another log
    wrong = script.state(root=some("root"), time=7, fold=9)  # 5: well-formed, whatever else is wrong with it
    last = script.state()  # 6
    found = [
        closing_state(script.entries.__getitem__, script.log, at, len(script.entries)) for at in range(8)
    ]
    first, second = Closing(1, 1_001_000, 2), Closing(wrong, 7, 9)
    assert found == [first, first, *[second] * 4, Closing(last, script.time, 2), None]
    assert closing_state(script.entries.__getitem__, script.log, 2, wrong) is None
