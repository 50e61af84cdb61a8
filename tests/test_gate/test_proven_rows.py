"""Rows that a file proves: where each lies in it, and which claims a digest makes (SPEC §11.2, §12.6)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.api.gate import rows_sets
from ledger.api.gate.block import RowDigests
from ledger.api.gate.proven_rows import ProvenRows, RowsInFile
from ledger.api.gate.shown import Said
from ledger.proofs.proven import ProvenLog, RowsHeld
from ledger.statements.record import Record
from tests.test_gate.town import digest, rows_record

COUNT = 40
DIGESTS = [digest(str(number % 30)) for number in range(COUNT)]  # rows 30 to 39 are copies of the first ten
RECORD: Record = rows_record(cast("Any", SimpleNamespace(id=bytes(32))), [str(n % 30) for n in range(COUNT)])
held_rows = st.sets(st.integers(0, COUNT - 1), min_size=1)


def ranges_of(rows: set[int]) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    for row in sorted(rows):
        if found and sum(found[-1]) == row:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((row, 1))
    return tuple(found)


@given(held_rows)
def test_rows_lie_where_they_are_counted(rows: set[int]) -> None:
    listed = sorted(rows)
    held = RowsInFile(ranges_of(rows), b"".join(DIGESTS[row] for row in listed))
    assert held.count == len(listed)
    assert [held.place_of(row) for row in range(-1, COUNT + 2)] == [
        listed.index(row) if row in rows else None for row in range(-1, COUNT + 2)
    ]
    assert [held.digest(at) for at in range(-1, held.count + 1)] == [
        b"",
        *(DIGESTS[row] for row in listed),
        b"",
    ]
    for wanted in {*DIGESTS, digest("none")}:
        at = held.seek(wanted)
        assert at == next((at for at, row in enumerate(listed) if DIGESTS[row] == wanted), None)
    assert held.digests(1, 3) == b"".join(DIGESTS[row] for row in listed[1:3])


def claims(
    rows: set[int], said: set[int], wanted: list[bytes], *, is_against: bool = False
) -> list[set[Any]]:
    """Of each digest its claims, however they were found."""
    held = RowsHeld(ranges_of(rows), b"".join(DIGESTS[row] for row in sorted(rows)))
    log = SimpleNamespace(rows={RECORD.id: held}, record=lambda _id: RECORD)
    sets = ProvenRows(cast("ProvenLog", log), lambda _id: Said(frozenset(said), is_against))
    assert sets.unsearched == []
    assert sets.columns == {"text"}
    stretches, by_digest = sets.find(RowDigests(b"".join(wanted)))
    found = [set(by_digest.get(each, ())) for each in wanted]
    for stretch in stretches:
        for at in range(stretch.start, stretch.stop):
            found[at].add(stretch.claim)
    return found


@pytest.mark.parametrize("least", [1, 64])
@given(
    rows=held_rows,
    said=st.sets(st.integers(0, COUNT - 1), max_size=6),
    wanted=st.lists(st.integers(0, COUNT + 3), min_size=1, max_size=60),
    is_against=st.booleans(),
)
def test_each_row_of_which_something_is_said_is_a_claim_and_all_others_are_one(
    least: int, rows: set[int], said: set[int], wanted: list[int], is_against: bool
) -> None:
    digests = [digest(str(number % 30)) if number < COUNT else digest(f"none {number}") for number in wanted]
    quiet = (RECORD.id, next(row for row in range(COUNT) if row not in said))
    expected = [
        {(RECORD.id, row) if row in said else quiet for row in rows if DIGESTS[row] == each}
        for each in digests
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows_sets, "_ALIGNED_LEAST", least)
        assert claims(rows, said, digests, is_against=is_against) == expected


def test_a_digest_is_found_though_the_bytes_around_it_look_like_it() -> None:
    """Whoever chooses the leaves of his tree can make every row hold a stranger's digest, across two rows."""
    wanted = digest("wanted")
    turned = wanted[5:] + wanted[:5]
    held = RowsHeld(((0, 101),), turned * 100 + wanted)
    record = rows_record(cast("Any", SimpleNamespace(id=bytes(32))), ["x"] * 101)
    assert RowsInFile(held.ranges, held.digests or b"").seek(wanted) is None
    log = SimpleNamespace(rows={record.id: held}, record=lambda _id: record)
    sets = ProvenRows(cast("ProvenLog", log), lambda _id: Said(frozenset(), False))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows_sets, "_SEEK_ROWS", 0)
        assert sets.find(RowDigests(wanted)) == ([], {wanted: [(record.id, 0)]})


def test_rows_that_nobody_kept_make_no_claim() -> None:
    log = SimpleNamespace(rows={RECORD.id: RowsHeld(((0, 1),), None)}, record=lambda _id: RECORD)
    sets = ProvenRows(cast("ProvenLog", log), lambda _id: Said(frozenset(), False))
    assert sets.find(RowDigests(DIGESTS[0])) == ([], {})
