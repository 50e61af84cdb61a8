"""Descendants, held to a naive search, and row by row (SPEC §12)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ledger.origin.descendants import Descendant, descendants
from ledger.proofs.facts import DESCENT
from ledger.statements.record import Parent, Record, make_record

MAKER = bytes(range(32))


def record(number: int, parents: Iterable[Parent] = (), **fields: Any) -> Record:
    return make_record(
        kind=fields.pop("kind", "work"),
        maker=MAKER,
        content=number.to_bytes(32, "big"),
        size_bytes=1,
        parents=parents,
        media="text/plain",
        **fields,
    )


def rows(number: int) -> Record:
    return record(number, kind="dataset", form="rows", facts={"count": 9})


def told(records: Sequence[Record | None], *subjects: Sequence[Any]) -> list[Descendant]:
    every = [(number, item.id if item else bytes(32), item) for number, item in enumerate(records)]
    return list(descendants(every, subjects))


def test_one_pass_meets_all_generations() -> None:
    root, stranger = record(0), record(1)
    child = record(2, [Parent("derived-from", root.id), Parent("quotes", stranger.id)])
    grandchild = record(3, [Parent("evidence", child.id)])
    great = record(4, [Parent("derived-from", grandchild.id)])
    found = told([root, stranger, child, None, grandchild, great], [root.id])
    assert [(item.record_number, item.id, item.descends) for item in found] == [
        (2, child.id, True),
        (4, grandchild.id, False),
        (5, great.id, False),
    ]
    assert found[0].through == (Parent("derived-from", root.id),)
    assert [item.record for item in found] == [child, grandchild, great]


def test_a_second_path_may_descend_where_the_first_only_refers() -> None:
    root = record(0)
    cites = record(1, [Parent("evidence", root.id)])
    both = record(2, [Parent("derived-from", cites.id), Parent("quotes", root.id)])
    assert [item.descends for item in told([root, cites, both], [root.id])] == [False, True]


def test_a_subject_that_refers_to_another_is_descended_from() -> None:
    root = record(0)
    cites = record(1, [Parent("evidence", root.id)])
    child = record(2, [Parent("derived-from", cites.id)])
    for subjects, expected in (([[root.id]], False), ([[root.id], [cites.id]], True)):
        assert [item.descends for item in told([root, cites, child], *subjects)] == [False, expected]


def test_a_row_touches_what_names_it_or_the_whole() -> None:
    table = rows(0)
    whole = record(1, [Parent("quotes", table.id)])
    third, fourth = (record(row, [Parent("derived-from", table.id, row=row)]) for row in (3, 4))
    records = [table, whole, third, fourth]
    assert [item.id for item in told(records, [table.id, 3])] == [whole.id, third.id]
    assert [item.id for item in told(records, [table.id, 3], [table.id, 4])] == [
        whole.id,
        third.id,
        fourth.id,
    ]
    assert [item.id for item in told(records, [table.id, 5])] == [whole.id]
    both: list[list[Any]] = [[table.id, 5], [table.id]]
    for subjects in (both, both[::-1]):
        assert [item.id for item in told(records, *subjects)] == [whole.id, third.id, fourth.id]


def test_a_table_that_descends_is_touched_in_every_row() -> None:
    root = record(0)
    table = record(1, [Parent("quotes", root.id)], kind="dataset", form="rows", facts={"count": 9})
    child = record(2, [Parent("derived-from", table.id, row=8)])
    assert [item.id for item in told([root, table, child], [root.id], [table.id, 1])] == [table.id, child.id]


def test_the_same_id_in_another_log_is_another_artifact() -> None:
    root = record(0)
    foreign = record(1, [Parent("derived-from", root.id, log=MAKER)])
    assert told([root, foreign], [root.id]) == []


def test_each_is_told_once_and_a_copy_that_stands_right_counts() -> None:
    root, middle = record(0), record(1, [Parent("quotes", record(0).id)])
    child = record(2, [Parent("quotes", middle.id)])
    found = told([child, root, middle, middle, child, child], [root.id])
    assert [(item.record_number, item.id) for item in found] == [(2, middle.id), (4, child.id)]


@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 20), st.sampled_from(["derived-from", "quotes", "evidence"])), max_size=3
        ),
        min_size=1,
        max_size=20,
    ),
    st.sets(st.integers(0, 20), min_size=1, max_size=3),
)
def test_it_is_what_a_search_from_each_record_finds(
    plan: list[list[tuple[int, str]]], roots: set[int]
) -> None:
    records: list[Record] = []
    for number, edges in enumerate(plan):
        parents = {Parent(rel, records[place % number].id) for place, rel in edges if number}
        records.append(record(number, parents))
    subjects = [records[root % len(records)].id for root in roots]
    known = {item.id: item for item in records}

    def reaches(item: Record, relations: frozenset[str] | None) -> bool:
        return any(
            (relations is None or parent.rel in relations)
            and (parent.id in subjects or reaches(known[parent.id], relations))
            for parent in item.parents
        )

    found = {item.id: item.descends for item in told(records, *([subject] for subject in subjects))}
    assert found == {item.id: reaches(item, DESCENT) for item in records if reaches(item, None)}
