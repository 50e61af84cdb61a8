"""Ancestry proofs by which somebody wants more work done, or more said, than an honest reader owes him."""

from __future__ import annotations

from collections.abc import Callable, Collection

import pytest

from ledger.log.view import open_view
from ledger.origin.lattice import Standing, Verdict
from ledger.origin.levels import Level
from ledger.origin.proved import Proved, verify
from ledger.proofs.replay import Spoken
from ledger.proofs.traced import TracedLog
from ledger.proofs.voices import Voices
from ledger.statements import codec
from ledger.statements.record import Parent, Record
from tests.test_origin.facts import BALANCED
from tests.test_proofs.proving import file_of, part_of
from tests.test_proofs.scene import MODEL, change, later, notice, rules, thief_of, wait_out
from tests.test_proofs.shapes import WEEK_MS, Play
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


def only(play: Play, data: bytes) -> tuple[Level, Standing, Verdict | None]:
    """What the one subject of a file comes to."""
    world = play.scene.world
    (log,) = verify(data, [world.vkey], at_ms=play.scene.log.time_ms, policy=BALANCED).logs
    (subject,) = log.subjects
    return subject.level, subject.standing, subject.verdict


def test_a_record_that_was_due_to_be_erased_may_be_shown_so_and_its_kind_is_not_seen() -> None:
    """As where it was erased. Only an operator who admits what he may not brings such a child into the log (SPEC §11.2)."""
    play = Play()
    model = play.work(play.anna, "a model", "model", stance="reported", facts=MODEL)
    child = play.work(play.ben, "child", "work", Parent("quotes", model.id), human=1_000_000)
    faulty = Level.UNLOGGED, Standing.UNKNOWN, Verdict.REJECTED
    assert only(play, all_of_it(play, [child])) == faulty
    assert only(play, all_of_it(play, [child], [model]))[1:] == faulty[1:]  # nobody asked for it
    notice(play.scene, play.anna, "erase", model.id)
    later(play.scene, WEEK_MS - 1_000)
    assert only(play, all_of_it(play, [child], [model]))[1:] == faulty[1:]  # nor is it due
    later(play.scene, 2_000)
    assert only(play, all_of_it(play, [child])) == faulty
    told = Level.ANCHORED, Standing.RELEASED, Verdict.ADMITTED
    assert only(play, all_of_it(play, [child], [model])) == told


def test_what_descends_from_a_record_that_is_said_to_be_erased_is_unknown_though_it_was_due() -> None:
    play = Play()
    parent = play.work(play.anna, "parent")
    child = play.work(play.ben, "child", "work", Parent("derived-from", parent.id, 900_000), human=100_000)
    notice(play.scene, play.anna, "erase", parent.id)
    later(play.scene, WEEK_MS)
    assert only(play, all_of_it(play, [child], [parent]))[1:] == (Standing.UNKNOWN, Verdict.REJECTED)


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


def test_the_rules_behind_an_erasure_are_looked_at_once_for_all_that_it_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    play = Play()
    curator = play.scene.enrol("curator", "curator")
    rules(play.scene, curators=[curator])
    records = [play.anna.record(f"number {number}", human=1) for number in range(60)]
    play.scene.put(play.anna, *records)
    subjects = sorted(([record.id] for record in records), key=codec.encode)
    for _ in range(3):
        play.scene.say(curator, "notice", {"subjects": subjects, "act": "erase"})
    rules(play.scene)  # taken off the lists before they were due
    later(play.scene, WEEK_MS + 1_000)
    data = all_of_it(play, records, records)
    asked = []
    delisted_at = Voices._delisted_at

    def counting(voices: Voices, spoken: Spoken) -> int | None:
        asked.append(spoken.log_index)
        return delisted_at(voices, spoken)

    monkeypatch.setattr(Voices, "_delisted_at", counting)
    found = verify(data, [play.scene.world.vkey], at_ms=play.scene.log.time_ms)
    assert {subject.code for subject in found.logs[0].subjects} == {"withheld"}
    assert len(asked) == 3


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
