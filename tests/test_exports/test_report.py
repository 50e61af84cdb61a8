"""The report: it says what the tally says, the same each time, and whatever a row says stays text."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import spec
from ledger.errors import StoreFault
from ledger.exports.report_page import render_report, write_report
from ledger.exports.report_style import COLOURS
from ledger.exports.report_words import KINDS, LEVELS, REASONS, VERDICT_WORDS, VERDICTS
from ledger.origin.lattice import Verdict
from ledger.origin.levels import Level
from ledger.origin.reasons import Code
from ledger.origin.tally import ROW_REFUSED, Sample, SampleNode, Tally, Traits
from ledger.statements import words
from tests.test_exports.pages import Page
from tests.test_exports.scenes import HOSTILE, SCENES, about, chain, hex_of, id_of, realistic, wide, worded

BYTES_MAX = 300_000


@pytest.mark.parametrize("name", SCENES)
def test_a_page_is_well_formed_and_needs_nothing_else(name: str) -> None:
    given_about, tally = SCENES[name]()
    text = render_report(given_about, tally)
    page = Page(text)
    assert page.faults == []
    assert len(text.encode()) < BYTES_MAX
    assert text == render_report(*SCENES[name]())
    assert "default-src 'none'" in text
    assert [tag for tag, _ in page.structure].count("h1") == 1


def test_faults_of_a_page_are_found() -> None:
    """The test above would pass if the checker found nothing."""
    for text in (
        "<p>",
        "<p><b></p></b>",
        "<script></script>",
        '<p onclick="x"></p>',
        '<a href="https://x"></a>',
        '<a href="#none"></a>',
        '<p id="a"></p><p id="a"></p>',
        '<p class="url(x)"></p>',
        "<style>@import 'x'</style>",
        "<!-- x -->",
        "<?x>",
        '<p style="a"></p>',
    ):
        assert Page(text).faults, text


def test_the_answer_comes_first_with_its_numbers() -> None:
    page = Page(render_report(*realistic()))
    assert page.text.index("812,341 of 1,000,000 rows may enter training") < page.text.index("Why")
    for told in (
        "81.2\u00a0%",
        "121,736",
        "65,923",
        "balanced",
        "2026-11-27 14:23:05 UTC",
        "48,211",
        "changelogs-2026.jsonl",
    ):
        assert told in page.text, told
    order = [
        page.text.index(part)
        for part in (
            "Before you rely on it",
            "Each row counts once",
            "The first row of each",
            "A level is a fact",
            "Who answers for it",
            "Under which licence",
            "rival claims:",
            "A signature proves",
            "To compute it again",
        )
    ]
    assert order == sorted(order)


def test_every_table_of_the_tally_is_shown() -> None:
    given_about, tally = realistic()
    text = Page(render_report(given_about, tally)).text
    for (_, code), count in tally.reasons.items():
        assert code in text
        assert f"{count:,}" in text
    for level, (name, meaning) in LEVELS.items():
        assert f"{level} {name}" in text
        assert meaning in text
    assert "88 rows" in text
    assert "14 rows that no reader takes" in text
    for told in (
        "not-json",
        "Anna Lindqvist",
        "Cara Nakamura",
        "GPL-2.0-or-later",
        "training denied",
        "crawled",
        "https://archive.example.net/mirror/2025/",
        "a person with a machine",
        "only reported",
        given_about.policy_sha256,
        given_about.trust_sha256,
        given_about.checkpoint_root,
        given_about.log_id,
        str(given_about.at_ms),
    ):
        assert told in text, told


def test_each_reason_is_explained_in_words() -> None:
    assert set(REASONS) == {*Code, ROW_REFUSED}
    assert all(len(each.means) > 20 and len(each.do) > 10 for each in REASONS.values())
    assert len({each.means for each in REASONS.values()}) == len(REASONS)
    tally = Tally()
    for code in REASONS:
        tally.count(Traits("rejected", code, "L0"))
    written = render_report(about(), tally)
    text = Page(written).text
    for code, (means, do) in REASONS.items():
        assert f">{code}</bdi>" in written
        assert means.replace("`", "") in text
        assert do.replace("`", "") in text


def test_verdicts_levels_and_kinds_are_all_explained() -> None:
    assert set(VERDICTS) == set(VERDICT_WORDS) == {each.label for each in Verdict}
    assert {level: name for level, (name, _) in LEVELS.items()} == {each.code: each.label for each in Level}
    assert set(KINDS) == {*words.KINDS, ""}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"trust": ""}, "Self-trusted: no trust file was given"),
        ({"trust": "mine.toml"}, "Trusted by the file mine.toml."),
        ({"time_by": "a quorum of 3 witnesses"}, "The time is told by a quorum of 3 witnesses."),
        ({"column": None}, "whole rows"),
        ({"manifest": hex_of("manifest")}, hex_of("manifest")),
        ({"manifest": ""}, "not signed"),
    ],
)
def test_what_it_rests_on_is_told(changes: dict[str, object], told: str) -> None:
    assert told in Page(render_report(about(**changes), realistic()[1])).text


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({}, "The dataset has no rows"),
        ({"admitted": 1}, "The row may enter training"),
        ({"admitted": 1_200}, "All 1,200 rows may enter training"),
        ({"rejected": 1}, "The row may not enter training"),
        ({"rejected": 3, "quarantined": 2}, "None of 5 rows may enter training"),
        ({"admitted": 2, "quarantined": 2}, "2 of 4 rows may enter training"),
        ({"undecided": 4}, "Nothing was decided about 4 rows"),
    ],
)
def test_the_headline(counts: dict[str, int], told: str) -> None:
    tally = Tally()
    for verdict, count in counts.items():
        tally.count(Traits(verdict, "clear", "L2"), count)
    page = render_report(about(), tally)
    assert Page(page).faults == []
    assert f"<h1>{told}</h1>" in page


def test_an_ancestry_is_drawn_and_listed() -> None:
    tally = Tally()
    tally.count(Traits("quarantined", "held", "L2"))
    tally.keep(chain())
    text = render_report(about(), tally)
    page = Page(text)
    assert page.faults == []
    for told in (
        "derived-from 90\u00a0%",
        "by Ben Okafor",
        "derived-from\u00a05 (55\u00a0%), 6 (25\u00a0%)",
        "decides: is held since entry 1,204",
    ):
        assert told in page.text, told
    assert text.count("edge on line-quarantined") == 3  # the way to what decides
    assert text.count("ring line-quarantined") == 1
    assert [number for number in range(1, 9) if f">{number}</text>" in text] == [1, 2, 3, 4, 5, 6]


def test_what_found_no_room_is_counted() -> None:
    tally = Tally()
    for number in range(spec.TALLY_KEYS_MAX + 50):
        tally.count(Traits("admitted", "clear", "L2", uri=f"https://x.example/{number:05}"))
    tally.keep(Sample(0, id_of("r"), None, "admitted", "clear", "L2", "", "", wide().nodes, 17))
    tally.bound()
    text = Page(render_report(about(), tally)).text
    assert f"{spec.TALLY_KEYS_MAX - 15:,} more, and all others, together" in text
    assert "17 more artifacts of this ancestry are not drawn" in text


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_stays_text(text: str) -> None:
    """Where a harmless word can stand any text can, and not one tag or attribute is there more or less."""
    page = Page(render_report(*worded(text)))
    assert page.faults == []
    assert Counter(page.structure) == Counter(Page(render_report(*worded("word"))).structure)


FIRST = "x"  # before each text, so that no order and no known word depends on it
STRUCTURE = Page(render_report(*worded(FIRST))).structure


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.text(st.characters()),
        st.text("<>\"'&;/=-! \n\x00\x1b`scriptonx:()#\u202e\u2028\ud800"),
        st.lists(st.sampled_from(HOSTILE), max_size=4).map("".join),
    )
)
def test_any_text_stays_text(text: str) -> None:
    page = Page(render_report(*worded(FIRST + text)))
    assert page.faults == []
    assert page.structure == STRUCTURE


def test_what_no_eye_sees_is_written_out() -> None:
    text = render_report(
        about(dataset="a\u202eb\u2066c\u200bd\ufeffe\x1bf\x85g\x7fh\ud800i\U000e0041j"), Tally()
    )
    assert "a[U+202E]b[U+2066]c[U+200B]d[U+FEFF]e\u241bf[U+0085]g\u2421h[U+D800]i[U+E0041]j" in text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]", text)
    assert not re.search("[\u0300-\u036f]{5}", render_report(about(dataset=HOSTILE[9]), Tally()))
    assert '<bdi class="f">' in text


def test_text_of_a_row_keeps_its_lines_and_is_cut() -> None:
    tally = Tally()
    tally.count(Traits("admitted", "clear", "L2"))
    tally.keep(
        Sample(0, id_of("r"), None, "admitted", "clear", "L2", "", "one\r\ntwo\n" + "\n" * 50 + "the end")
    )
    text = render_report(about(), tally)
    assert "one\ntwo\n" in text
    assert "the end" not in text


def _luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("place", [1, 2], ids=["light", "dark"])
def test_contrast(place: int) -> None:
    """WCAG 2.2: 4.5 for text, 3 for what is drawn."""
    colours = {colour[0]: colour[place] for colour in COLOURS}
    for ground in ("paper", "card"):
        for name in ("ink", "soft", *VERDICTS):
            assert _contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
        for name in VERDICTS:
            assert _contrast(colours[f"{name}-fill"], colours[ground]) >= 3, (name, ground)
    assert _contrast("#000000", "#ffffff") == pytest.approx(21)


def test_it_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "folder" / "report.html"
    write_report(path, *realistic())
    assert path.read_text(encoding="utf-8") == render_report(*realistic())
    with pytest.raises(StoreFault) as refusal:
        write_report(path, about(), Tally())
    assert refusal.value.code == "file-exists"
    assert path.read_text(encoding="utf-8") == render_report(*realistic())
    write_report(path, about(), Tally(), replace=True)
    assert path.read_text(encoding="utf-8") == render_report(about(), Tally())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    for replace in (True, False):
        with pytest.raises(StoreFault) as fault:
            write_report(path if replace else path.with_name("other.html"), *realistic(), replace=replace)
        assert fault.value.code == "store-failed"
    assert [each.name for each in path.parent.iterdir()] == ["report.html"]
    assert path.read_text(encoding="utf-8") == render_report(about(), Tally())


def test_a_link_or_a_file_in_the_way_is_no_place(tmp_path: Path) -> None:
    link = tmp_path / "link.html"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(StoreFault, match="exists already"):
        write_report(link, about(), Tally())
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreFault) as fault:
        write_report(tmp_path / "file" / "report.html", about(), Tally())
    assert fault.value.code == "store-failed"


def test_an_ancestry_with_circles_and_doubles_hangs_nothing() -> None:
    """An id is a hash, so there is none; a file may say so all the same."""
    tally = Tally()
    tally.count(Traits("rejected", "held", "L2"))
    one, two = id_of("1"), id_of("2")

    def node(identifier: bytes, *parents: bytes) -> SampleNode:
        return SampleNode(
            identifier,
            "work",
            "made",
            None,
            "",
            "L2",
            "",
            "",
            tuple(("quotes", each, None) for each in parents),
        )

    nodes = (node(one, two, one, two), node(two, one, id_of("3")), node(one), node(id_of("4"), id_of("4")))
    tally.keep(Sample(0, one, one, "rejected", "held", "L2", "", "", nodes, 0, two))
    assert Page(render_report(about(), tally)).faults == []
