"""Numbers, marks, bars, layers: the pieces of a report, each by itself."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InvariantBroken
from ledger.exports.report_charts import MARKS, bar, field, shared_out
from ledger.exports.report_layout import lay_out, path_to, way_past
from ledger.exports.report_markup import Tag, cut, escaped
from ledger.exports.report_numbers import moment, percent, share, size
from ledger.exports.report_words import VERDICTS
from ledger.origin.tally import SampleNode
from tests.test_exports.scenes import chain, id_of, machine_made, wide


@pytest.mark.parametrize(
    ("part", "whole", "told"),
    [
        (0, 0, "0 %"),
        (0, 7, "0 %"),
        (7, 7, "100 %"),
        (1, 3, "33.3 %"),
        (2, 3, "66.7 %"),
        (1, 2, "50.0 %"),
        (1, 1_000_000, "< 0.1 %"),
        (999_999, 1_000_000, "> 99.9 %"),
        (9_996, 10_000, "> 99.9 %"),
        (9_994, 10_000, "99.9 %"),
        (1, 1_000, "0.1 %"),
        (5, 10_000, "0.1 %"),
        (4, 10_000, "< 0.1 %"),
    ],
)
def test_percentages_never_round_to_all_or_nothing(part: int, whole: int, told: str) -> None:
    assert percent(part, whole).replace("\u00a0", " ") == told


@given(st.integers(1, 10**15).flatmap(lambda whole: st.tuples(st.integers(0, whole), st.just(whole))))
def test_a_percentage_is_near_the_truth(numbers: tuple[int, int]) -> None:
    part, whole = numbers
    told = percent(part, whole).replace("\u00a0", " ").removesuffix(" %")
    exact = Fraction(100 * part, whole)
    assert (told == "100") == (part == whole)
    assert (told == "0") == (part == 0)
    if told.startswith("< "):
        assert 0 < exact < Fraction("0.1")
    elif told.startswith("> "):
        assert Fraction("99.9") < exact < 100
    else:
        assert abs(Fraction(told) - exact) <= Fraction("0.05")


@pytest.mark.parametrize(
    ("ppm", "told"),
    [(1_000_000, "100"), (0, "0"), (1, "0.0001"), (120_000, "12"), (999_999, "99.9999"), (125_000, "12.5")],
)
def test_shares_are_exact(ppm: int, told: str) -> None:
    assert share(ppm) == f"{told}\u00a0%"


@pytest.mark.parametrize(
    ("size_bytes", "told"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (753_000_000, "753.0 MB"),
        (10**12, "1.0 TB"),
        (10**22, "10,000.0 EB"),
    ],
)
def test_sizes(size_bytes: int, told: str) -> None:
    assert size(size_bytes).replace("\u00a0", " ") == told


def test_times_are_utc_and_any_number_is_told() -> None:
    assert moment(0) == "1970-01-01 00:00:00 UTC"
    assert moment(1_795_789_385_999) == "2026-11-27 14:23:05 UTC"
    assert moment(2**53) == "9,007,199,254,740,992 ms"


counts = st.dictionaries(st.sampled_from(VERDICTS), st.integers(0, 10**12), max_size=4)


@given(counts, st.integers(0, 300))
def test_marks_are_in_proportion_and_none_is_lost(given_counts: dict[str, int], marks: int) -> None:
    there = {verdict: count for verdict, count in given_counts.items() if count}
    found = shared_out(given_counts, marks)
    if marks < len(there) or not there:
        assert found == {}
        return
    assert list(found) == [verdict for verdict in VERDICTS if verdict in there]
    assert sum(found.values()) == marks
    whole = sum(there.values())
    for verdict, count in there.items():
        assert found[verdict] >= 1
        exact = Fraction(count * marks, whole)
        assert abs(found[verdict] - exact) <= len(VERDICTS)
        if all(each * marks >= whole for each in there.values()):  # nobody was given a mark for being rare
            assert abs(found[verdict] - exact) < 1
    assert (marks in found.values()) == (len(there) == 1)


def test_small_datasets_have_a_mark_a_row() -> None:
    for rows in (1, 7, 40, 41, MARKS):
        drawn = str(field({"admitted": rows - 1, "rejected": 1}, rows, 40))
        assert len(re.findall("M", drawn)) == rows
    assert len(re.findall("M", str(field({"admitted": MARKS, "rejected": 1}, MARKS + 1, 20)))) == MARKS


@given(counts)
def test_a_bar_stays_in_its_track_and_shows_the_smallest_part(given_counts: dict[str, int]) -> None:
    whole = sum(given_counts.values())
    drawn = bar(given_counts, whole)
    parts = [each.attributes for each in drawn.children if isinstance(each, Tag)][1:]
    assert len(parts) == sum(count > 0 for count in given_counts.values())
    for part in parts:
        x, width = float(part["x"].removesuffix("%")), float(part["width"].removesuffix("%"))
        assert x >= 0
        assert width >= 0.5
        assert x + width <= 100 + 1e-9


def test_the_builder_takes_nothing_but_what_is_listed() -> None:
    assert str(Tag("p", "<b>&", Tag("strong", "\"'"), None, "", class_="a b")) == (
        '<p class="a b">&lt;b&gt;&amp;<strong>&quot;&#x27;</strong></p>'
    )
    for name in ("script", "style", "img", "a onclick", "p>", "iframe", "use", "foreignObject", ""):
        with pytest.raises(InvariantBroken):
            Tag(name)
    for attributes in (
        {"onclick": "x"},
        {"style": "color:red"},
        {"src": "x"},
        {"href": "https://x.example"},
        {"href": "javascript:x"},
        {"href": "#A b"},
        {"class_": 'a"b'},
        {"class_": "a>b"},
        {"d": "url(#x)"},
        {"width": "1;x"},
    ):
        with pytest.raises(InvariantBroken):
            Tag("p", **attributes)
    assert str(Tag("p", aria_label='"<')) == '<p aria-label="&quot;&lt;"></p>'


@given(st.text(st.characters()))
def test_escaped_text_has_no_markup_and_can_be_written(text: str) -> None:
    found = escaped(text)
    assert not re.search("[<>\"']|&(?!(lt|gt|amp|quot|#x27);)", found)
    assert found.encode("utf-8").decode() == found


def test_cutting_says_so() -> None:
    assert cut("abcd", 4) == "abcd"
    assert cut("abcde", 4) == "abc\u2026"


def nodes_of(edges: list[tuple[int, int]], count: int) -> list[SampleNode]:
    return [
        SampleNode(
            id_of(str(place)),
            "work",
            "made",
            None,
            "",
            "",
            "",
            "",
            tuple(("quotes", id_of(str(parent)), None) for child, parent in edges if child == place),
        )
        for place in range(count)
    ]


ancestries = st.integers(1, 40).flatmap(
    lambda count: st.tuples(
        st.lists(
            st.tuples(st.integers(0, count), st.integers(0, count)).map(lambda pair: (min(pair), max(pair))),
            max_size=80,
        ),
        st.just(count),
    )
)


@given(ancestries)
def test_origins_stand_below_and_nothing_stands_on_another(
    given_ancestry: tuple[list[tuple[int, int]], int],
) -> None:
    edges, count = given_ancestry
    layout = lay_out(nodes_of(edges, count))
    assert len(set(layout.spots)) == len(layout.nodes) == count
    for edge in layout.edges:
        assert layout.lines[edge.child] < layout.lines[edge.parent]
        assert layout.spots[edge.child][1] < layout.spots[edge.parent][1]
    for x, y in layout.spots:
        assert 20 <= x <= layout.width - 20
        assert 20 <= y <= layout.height - 20
    assert layout == lay_out(nodes_of(edges, count))
    below = {(edge.child, edge.parent) for edge in layout.edges}
    assert below == {(child, parent) for child, parent in edges if child < parent < count}


@given(ancestries)
def test_the_way_to_what_decides_is_a_shortest_one(given_ancestry: tuple[list[tuple[int, int]], int]) -> None:
    layout = lay_out(nodes_of(*given_ancestry))
    far = {0: 0}
    for edge in sorted(layout.edges, key=lambda each: each.child):  # parents have greater numbers here
        if edge.child in far:
            far[edge.parent] = min(far.get(edge.parent, 99), far[edge.child] + 1)
    for place in range(len(layout.nodes)):
        way = path_to(layout, place)
        assert len(way) == far.get(place, 0)
        ends = [layout.edges[number].parent for number in way]
        assert len(set(ends)) == len(ends)
        assert place in ends or not way


@pytest.mark.parametrize("sample", [chain(), machine_made(), wide(), wide(12)], ids=str)
def test_long_edges_pass_beside_what_stands_between(sample: object) -> None:
    layout = lay_out(sample.nodes)  # type: ignore[attr-defined]
    longer = 0
    for edge in layout.edges:
        x = way_past(layout, edge)
        between = range(layout.lines[edge.child] + 1, layout.lines[edge.parent])
        assert (x is None) == (not between)
        if x is not None and len(layout.nodes) <= 12:
            longer += 1
            for spot, line in zip(layout.spots, layout.lines, strict=True):
                assert line not in between or abs(spot[0] - x) >= 20
    assert longer or len(layout.nodes) > 12
