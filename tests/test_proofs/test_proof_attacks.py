"""Ancestry proofs by which somebody wants more work done, or more said, than an honest reader owes him."""

from __future__ import annotations

from collections.abc import Callable, Collection

import pytest

from ledger.log.view import open_view
from ledger.origin.lattice import Standing
from ledger.origin.proved import Proved, verify
from ledger.proofs.traced import TracedLog
from ledger.statements import codec
from ledger.statements.record import Record
from tests.test_proofs.proving import file_of, part_of
from tests.test_proofs.scene import change, thief_of, wait_out
from tests.test_proofs.shapes import Play
from tests.test_proofs.test_proof_omissions import prove_anew

STATES = 200


def all_of_it(play: Play, subjects: Collection[Record], erased: Collection[Record] = ()) -> bytes:
    """A file with every entry of the log, in which some records are said to be erased."""
    world = play.scene.world
    play.scene.log.close_with_state()
    gone = {record.id for record in erased}
    with open_view(world.store, world.vkey) as view:
        part = part_of(view, world.vkey, [record.id for record in subjects])
        part.entries = [(index, view.entry(index)) for index in range(view.checkpoint.size)]
        part.statements = [
            each._replace(
                records=tuple(
                    held._replace(data=None) if held.artifact_id in gone else held for held in each.records
                )
            )
            for each in part.statements
        ]
        prove_anew(view, part)
    return file_of(part)


def many_erasures(play: Play) -> bytes:
    """Sixty artifacts, all of which are to be erased by each of five notices, none of which is due."""
    records = [play.anna.record(f"number {number}", human=1) for number in range(60)]
    play.scene.put(play.anna, *records)
    subjects = sorted(([record.id] for record in records), key=codec.encode)
    for _ in range(5):
        play.scene.say(play.anna, "notice", {"subjects": subjects, "act": "erase"})
    play.scene.log.append_states(STATES)
    return all_of_it(play, records, records)


def many_disowned(play: Play) -> bytes:
    """Sixty artifacts, all disowned by a `recover`, which comes in force behind many states."""
    thief = thief_of(play.scene, play.anna)
    records = [play.anna.record(f"number {number}", human=1) for number in range(60)]
    play.scene.put(play.anna, *records)
    change(play.scene, play.anna, "recover", cuts=[(thief.public_key, 0)])
    play.scene.log.append_states(STATES)
    wait_out(play.scene, play.anna)
    return all_of_it(play, records)


@pytest.mark.parametrize("make", [many_erasures, many_disowned])
def test_the_states_behind_something_are_walked_once_for_all_that_hangs_on_it(
    make: Callable[[Play], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    play = Play()
    data = make(play)
    asked = []
    state_at = TracedLog.state_at

    def counting(log: TracedLog, log_index: int) -> object:
        asked.append(log_index)
        return state_at(log, log_index)

    monkeypatch.setattr(TracedLog, "state_at", counting)
    found: Proved = verify(data, [play.scene.world.vkey], at_ms=play.scene.log.time_ms)
    assert {subject.standing for subject in found.logs[0].subjects} == {Standing.UNKNOWN}
    assert len(asked) < 8 * STATES  # and not 60 or 300 times as many
