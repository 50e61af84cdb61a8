"""Lines of witnesses: which hold, which are kept, which notes go first (SPEC §10.9)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import spec
from ledger.errors import ProofInvalid
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.cosignatures import (
    bounded,
    cosigners,
    one_line_each,
    surplus,
    verify_lines,
    without_cosignatures,
)
from ledger.proofs.note import Note, NoteSignature, parse_note
from tests.test_proofs.witnesses import CHECKPOINT, LOG, ORIGIN, Cosigner, note

A, B, C = (Cosigner(f"witness.example/{name}") for name in "abc")
Q = Cosigner("witness.example/q", is_ml_dsa=True)


def parsed(*lines: str, checkpoint: Checkpoint = CHECKPOINT) -> Note:
    return parse_note(note(*lines, checkpoint=checkpoint))


def times(of: Note) -> dict[str, list[int]]:
    """By name, the times of the lines that are no log's, in their order."""
    found: dict[str, list[int]] = {}
    for line in of.signatures:
        if line.name != ORIGIN:
            found.setdefault(line.name, []).append(int.from_bytes(line.signature[:8], "big"))
    return found


# --- verified ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", [A, Q])
def test_lines_of_a_key_are_found_and_verified(who: Cosigner) -> None:
    made = parsed(B.line(CHECKPOINT, 3), who.line(CHECKPOINT, 5), who.line(CHECKPOINT, 4))
    found = verify_lines(made.text, made.signatures, who.vkey)
    assert found is not None
    assert [line.time_s for line in found] == [5, 4]
    assert [line.signature for line in found] == list(made.signatures[2:])
    assert verify_lines(made.text, made.signatures, C.vkey) == ()


@pytest.mark.parametrize("who", [A, Q])
def test_one_that_does_not_hold_spoils_them_all(who: Cosigner) -> None:
    good = NoteSignature.parse(who.line(CHECKPOINT, 5)[:-1])
    other = Checkpoint(ORIGIN, CHECKPOINT.size + 1, CHECKPOINT.root)
    of_another = NoteSignature.parse(who.line(other, 5)[:-1])
    for place in (0, 7, 8, 40, len(good.signature) - 1):
        flipped = bytearray(good.signature)
        flipped[place] ^= 1
        with pytest.raises(ProofInvalid):
            verify_lines(
                CHECKPOINT.body(), [good, NoteSignature(good.name, good.key_id, bytes(flipped))], who.vkey
            )
    for wrong in (of_another, NoteSignature(good.name, good.key_id, good.signature[:-3])):
        with pytest.raises(ProofInvalid):
            verify_lines(CHECKPOINT.body(), [wrong], who.vkey)


# --- kept ----------------------------------------------------------------------------------------------------------


def test_of_each_key_the_earliest_and_the_latest_stay() -> None:
    made = parsed(*(who.line(CHECKPOINT, time_s) for who in (A, Q, B) for time_s in (5, 3, 9, 7)))
    kept = bounded(made.text, made.signatures, LOG)
    assert times(kept) == {A.name: [3, 9], Q.name: [3, 9], B.name: [3, 9]}
    assert kept.signatures[0] == made.signatures[0]
    assert bounded(kept.text, kept.signatures * 2, LOG) == kept


def line_of(name: str, time_s: int) -> NoteSignature:
    """Of the form of a cosignature; it need not hold."""
    return NoteSignature(name, b"1234", time_s.to_bytes(8, "big") + bytes(64))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 20)), max_size=400))
def test_a_note_never_outgrows_itself(drawn: list[tuple[int, int]]) -> None:
    own = parsed().signatures[0]
    lines = [own, *(line_of(f"w{who}", time_s) for who, time_s in drawn)]
    kept = bounded(CHECKPOINT.body(), lines, LOG)
    assert len(kept.signatures) <= spec.NOTE_SIGNATURES_MAX
    assert kept.signatures[0] == own
    by_name: dict[str, list[int]] = {}
    for who, time_s in drawn:
        by_name.setdefault(f"w{who}", []).append(time_s)
    for name, found in times(kept).items():
        assert set(found) <= {min(by_name[name]), max(by_name[name])}
        assert min(by_name[name]) in found
    if 2 * len(by_name) < spec.NOTE_SIGNATURES_MAX:
        assert {name: set(found) for name, found in times(kept).items()} == {
            name: {min(found), max(found)} for name, found in by_name.items()
        }


def test_one_line_of_each_key_for_others_to_read() -> None:
    made = parsed(*(who.line(CHECKPOINT, time_s) for who in (A, B) for time_s in (5, 3, 9)))
    assert times(one_line_each(made, LOG, latest=True)) == {A.name: [9], B.name: [9]}
    assert times(one_line_each(made, LOG, latest=False)) == {A.name: [3], B.name: [3]}
    plain = without_cosignatures(made, LOG)
    assert plain == parsed()
    assert cosigners(plain, LOG) == frozenset()
    assert cosigners(made, LOG) == {(who.name, who.vkey.key_id) for who in (A, B)}


# --- which go ------------------------------------------------------------------------------------------------------


def noted(size: int, *lines: tuple[str, int]) -> Note:
    own = parsed().signatures[0]
    return Note(f"{ORIGIN}\n{size}\nroot\n", (own, *(line_of(name, time_s) for name, time_s in lines)))


def kept_ages(notes: Mapping[int, Note], size: int) -> int | None:
    """By when something behind which `size` entries stood is known to have existed; None: nobody tells."""
    return min((min(min(found) for found in times(each).values()) for at, each in notes.items() if at >= size), default=None)  # fmt: skip


def test_the_middle_goes_whose_loss_makes_nothing_much_younger() -> None:
    """A day, then a hundred days; two within a minute, then now: the first of these two goes."""
    day = 86_400
    notes = {
        n: noted(n, ("a", time_s))
        for n, time_s in enumerate((day, 2 * day, 102 * day, 102 * day + 60, 365 * day))
    }
    assert surplus(notes, LOG, 4) == [2]
    assert surplus(notes, LOG, 3) == [2, 1]
    assert surplus(notes, LOG, 5) == []


def test_the_oldest_and_the_newest_of_the_same_witnesses_stay() -> None:
    notes = {
        1: noted(1, ("a", 10)),
        2: noted(2, ("a", 20), ("b", 20)),
        3: noted(3, ("a", 21)),
        4: noted(4, ("a", 22)),
        5: noted(5, ("a", 90), ("b", 90)),
        6: noted(6, ("a", 91)),
    }
    assert set(surplus(notes, LOG, 4)) == {3, 4}
    assert not {1, 6} & set(surplus(notes, LOG, 2))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 10_000), st.sets(st.sampled_from("abc"), min_size=1)),
        min_size=3,
        max_size=30,
    ),
    st.integers(2, 12),
)
def test_what_is_left_tells_no_age_too_old(drawn: list[tuple[int, set[str]]], most: int) -> None:
    """The newest and the oldest stay; of each age that is asked for the answer is the same, or younger, and never none."""
    ascending = sorted(time_s for time_s, _who in drawn)
    notes = {
        2 * place + 2: noted(2 * place + 2, *((name, time_s) for name in sorted(who)))
        for place, (time_s, (_time, who)) in enumerate(zip(ascending, drawn, strict=True))
    }
    gone = surplus(notes, LOG, most)
    left = {size: each for size, each in notes.items() if size not in gone}
    assert len(left) == min(most, len(notes))
    assert {min(notes), max(notes)} <= set(left)
    for size in range(max(notes) + 2):
        before, after = kept_ages(notes, size), kept_ages(left, size)
        assert (before is None) == (after is None)
        assert before is None or (after is not None and before <= after)
    sets = [cosigners(each, LOG) for each in notes.values()]
    if most >= 2 * len(set(sets)) + 2:
        ends = {list(notes)[sets.index(each)] for each in sets}
        assert ends <= set(left)
