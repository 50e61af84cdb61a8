"""Counts of a gate: whatever way the pieces of a dataset are added up, the same comes out."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import spec
from ledger.errors import RefusedInput
from ledger.origin.tally import REST, ROW_REFUSED, Sample, SampleNode, Tally, Traits, unpacked

ENDLESS = ("makers", "anchors", "licenses", "sources")
SUBJECTS = 5  # a limit that random tallies reach

verdicts = st.sampled_from(["admitted", "quarantined", "rejected"])
letters = st.sampled_from(["", *"abcdefghi"])
traits = st.builds(
    Traits,
    verdicts,
    st.sampled_from(["clear", "held"]),
    st.sampled_from(["L0", "L2"]),
    letters,
    letters,
    letters,
    letters,
    letters,
    letters,
    letters,
    letters,
    letters,
    st.booleans(),
)
rows = st.lists(st.one_of(traits, st.sampled_from(["not-json", "row-blank"])), max_size=30)


@pytest.fixture(autouse=True, scope="module")
def _small_tables() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spec, "TALLY_KEYS_MAX", SUBJECTS)
        patch.setattr("ledger.origin.tally._FULL", 2 * SUBJECTS)
        yield


def sample_of(row_index: int, verdict: str, code: str, **more: Any) -> Sample:
    return Sample(row_index, bytes(32), None, verdict, code, "L0", "because", **more)


def count(numbered: list[tuple[int, Traits | str]]) -> Tally:
    tally = Tally()
    for row_index, row in numbered:
        if isinstance(row, str):
            tally.count_refused("rejected", "L0", row)
            continue
        tally.count(row, size_bytes=row_index)
        tally.keep(sample_of(row_index, row.verdict, row.code))
    return tally


def naive(numbered: list[tuple[int, Traits | str]]) -> dict[str, Any]:
    """Each table from its definition: all rows at once, then the limit."""
    all_rows = [Traits("rejected", ROW_REFUSED, "L0") if isinstance(row, str) else row for _, row in numbered]
    keys: dict[str, list[tuple[str, ...]]] = {
        "makers": [(row.maker, row.role, row.verdict) for row in all_rows],
        "anchors": [(row.anchor, row.verdict) for row in all_rows],
        "licenses": [(row.license, row.train, row.verdict) for row in all_rows],
        "sources": [(row.category, row.uri, row.verdict) for row in all_rows],
    }
    found: dict[str, Any] = {}
    for table, listed in keys.items():
        kept = sorted({key[:-1] for key in listed})[:SUBJECTS]
        found[table] = Counter(
            key if key[:-1] in kept else (REST, *[""] * (len(key) - 2), key[-1]) for key in listed
        )
    found["verdicts"] = Counter(row.verdict for row in all_rows)
    found["reasons"] = Counter((row.verdict, row.code) for row in all_rows)
    found["refused"] = Counter(row for _, row in numbered if isinstance(row, str))
    found["samples"] = []
    for row_index, row in numbered:
        if isinstance(row, Traits):
            alike = [(each.verdict, each.code) for each in found["samples"]]
            if alike.count((row.verdict, row.code)) < spec.TALLY_SAMPLES_MAX:
                found["samples"].append(sample_of(row_index, row.verdict, row.code))
    return found


@given(rows, st.randoms(use_true_random=False))
def test_any_cut_and_any_order_of_merging_gives_the_count_of_the_whole(given_rows: Any, random: Any) -> None:
    numbered = list(enumerate(given_rows))
    pieces = []
    while numbered:
        taken = random.randint(1, len(numbered))
        pieces.append(count(numbered[:taken]))
        numbered = numbered[taken:]
    while len(pieces) > 1:  # any two of them: associative and commutative
        random.shuffle(pieces)
        pieces[-2].merge(pieces.pop())
    merged = pieces[0] if pieces else Tally()
    whole = count(list(enumerate(given_rows)))
    assert merged.packed() == whole.packed()
    for name, value in naive(list(enumerate(given_rows))).items():
        assert getattr(merged, name) == value, name
    assert merged.rows == len(given_rows)
    assert merged.rivals == sum(isinstance(row, Traits) and row.has_rivals for row in given_rows)
    assert merged.levels.total() == merged.kinds.total() == merged.rows


@given(rows)
def test_it_travels_as_msgpack(given_rows: Any) -> None:
    tally = count(list(enumerate(given_rows)))
    tally.bound()
    data = msgpack.packb(tally.packed())
    assert unpacked(msgpack.unpackb(data)) == tally


def test_a_table_is_cut_back_while_it_is_counted() -> None:
    tally = Tally()
    for number in range(1_000):
        tally.count(Traits("admitted", "clear", "L1", uri=f"{number:04}"))
        assert len(tally.sources) <= 2 * SUBJECTS + 1
    tally.bound()
    assert tally.sources == {("", f"{number:04}", "admitted"): 1 for number in range(SUBJECTS)} | {
        (REST, "", "admitted"): 995
    }


def test_the_first_rows_stand_for_the_others_and_are_cut() -> None:
    tally = Tally()
    nodes = tuple(
        SampleNode(bytes(32), "work", "made", None, "", "L2", "released", "x" * 9_999) for _ in range(50)
    )
    for row_index in (9, 3, 7, 5, 1):
        assert tally.wants("admitted", "clear", row_index) is (row_index != 9 or not tally.samples)
        tally.keep(
            sample_of(row_index, "admitted", "clear", text="\ud800" + "y" * 9_999, nodes=nodes, nodes_left=2)
        )
    assert [each.row_index for each in tally.samples] == [1, 3, 5]
    assert not tally.wants("admitted", "clear", 7)
    first = tally.samples[0]
    assert first.text.startswith("\\ud800yy")
    assert first.text.endswith("y" + REST)
    assert (len(first.nodes), first.nodes_left) == (spec.TALLY_NODES_MAX, 12)
    assert len(first.nodes[0].says) == spec.TALLY_TEXT_CHARS_MAX
    assert unpacked(tally_of_rows(tally).packed()).samples == tally.samples


def tally_of_rows(tally: Tally) -> Tally:
    """With as many rows as its tables need."""
    for _ in tally.samples:
        tally.count(Traits("admitted", "clear", "L2"))
    return tally


def full() -> dict[str, Any]:
    tally = Tally()
    tally.count(Traits("admitted", "clear", "L2", maker="aa", role="human"), 2)
    tally.count_refused("rejected", "L0", "not-json")
    node = SampleNode(
        bytes(32), "work", "made", bytes(32), "human", "L2", "released", "", (("quotes", bytes(32), 5),)
    )
    tally.keep(sample_of(0, "admitted", "clear", nodes=(node,), decides=bytes(32)))
    return tally.packed()


def damages() -> list[tuple[Any, ...]]:
    """(path of keys, other value)."""
    found: list[tuple[Any, ...]] = [
        ("v", 2),
        ("rows", 4),
        ("rows", -1),
        ("rows", "3"),
        ("rows", True),
        ("rivals", 4),
        ("size_bytes", None),
        ("more", 1),
        ("samples", {}),
        ("samples", 0, 0, "0"),
        ("samples", 0, 0, -1),
        ("samples", 0, 1, b"short"),
        ("samples", 0, 1, None),
        ("samples", 0, 2, b"short"),
        ("samples", 0, 3, 1),
        ("samples", 0, 6, "x" * 10_000),
        ("samples", 0, 8, None),
        ("samples", 0, 8, 0, 0, None),
        ("samples", 0, 8, 0, 3, "maker"),
        ("samples", 0, 8, 0, 8, 0, 0, 5),
        ("samples", 0, 8, 0, 8, 0, 1, b""),
        ("samples", 0, 8, 0, 8, 0, 2, 1_000_001),
        ("samples", 0, 8, 0, 8, 0, []),
        ("samples", 0, []),
    ]
    for table in ("verdicts", "reasons", "levels", "kinds", *ENDLESS, "refused"):
        found += [(table, {}), (table, 0, []), (table, 0, 0, 7), (table, 0, -1, 0), (table, 0, -1, 4)]
    return found


@pytest.mark.parametrize("damage", damages(), ids=str)
def test_a_damaged_one_is_refused(damage: tuple[Any, ...]) -> None:
    value = deepcopy(full())
    assert unpacked(value).rows == 3
    place: Any = value
    *path, last, other = damage
    for step in path:
        place = place[step]
    place[last] = other
    with pytest.raises(RefusedInput) as refusal:
        unpacked(value)
    assert refusal.value.code == "tally-damaged"


@pytest.mark.parametrize("value", [None, [], {}, 5, "tally", b"", {"v": 1}])
def test_what_is_no_tally_is_refused(value: object) -> None:
    with pytest.raises(RefusedInput):
        unpacked(value)


def test_every_missing_key_too_many_subjects_and_another_order_are_refused() -> None:
    for name in full():
        value = full()
        del value[name]
        with pytest.raises(RefusedInput):
            unpacked(value)
    tally = Tally()
    for number in range(SUBJECTS + 1):
        tally.makers[str(number), "human", "admitted"] = 1
    over = {**full(), "rows": 6, "makers": [[*key, n] for key, n in tally.makers.items()]}
    for table in ("verdicts", "reasons", "levels", "kinds", "anchors", "licenses", "sources"):
        over[table] = [[*full()[table][0][:-1], 6]]
    with pytest.raises(RefusedInput, match="rows"):
        unpacked(over)
    turned = full()
    turned["verdicts"].reverse()
    with pytest.raises(RefusedInput, match="rows"):
        unpacked(turned)
