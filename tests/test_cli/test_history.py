"""The life of an identity as one time line: its facts, the terminal, the page."""

from __future__ import annotations

import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ledger.cli.timeline import page
from ledger.origin.history import History
from tests.test_cli.command import DAY_MS, RIGHT_NOW_MS, Cli, Clock

LONG = "long enough that nobody guesses it from its digest, as sixty-four bytes are. "


def sign(cli: Cli, by: str, text: str) -> int:
    """Signs one file; its log index."""
    document = cli.json("sign", cli.write("file.md", LONG + text), "--by", by)
    return int(document["artifacts"][0]["log_index"])


@pytest.fixture
def life(clock: Clock, ada: Cli) -> Cli:
    """A pair over 200 days: two substrates, a silence, a stolen key, a time without delegation, a pending recovery."""
    new = ("identity", "new", "p", "--role", "pair", "--of", "ada", "--substrate", "m@1", "--unencrypted")
    ada(*new)
    ada("identity", "new", "reg", "--role", "registrar", "--unencrypted")
    for day in range(3):
        clock.pass_days(10)
        sign(ada, "p", f"first {day}")
    ada("identity", "endorse", "p", "--grade", "known", "--method", "web", "--by", "reg")
    clock.pass_days(50)
    ada("identity", "delegate", "p", "--substrate", "m@2")
    stolen = sign(ada, "p", "stolen")
    clock.pass_days(20)
    ada("identity", "rotate", "p", "--compromised", str(stolen), "--unencrypted", "--yes")
    sign(ada, "p", "after")
    clock.pass_days(10)
    ada("identity", "undelegate", "p")
    clock.pass_days(15)
    ada("identity", "delegate", "p", "--substrate", "m@2")
    ada("identity", "recover", "p", "--unencrypted")
    clock.pass_days(5)
    ada("identity", "rotate", "p", "--unencrypted", "--yes")
    ada("identity", "recover", "p", "--unencrypted")
    clock.pass_days(70)
    ada("log", "checkpoint", "--fresh")
    return ada


def spans(document: dict[str, Any], kind: str) -> list[tuple[str, int, int | None, str]]:
    """(label, first day, last day, end) of the spans of one kind."""
    return [
        (
            span["label"],
            (span["from_ms"] - RIGHT_NOW_MS) // DAY_MS,
            None if span["until_ms"] is None else (span["until_ms"] - RIGHT_NOW_MS) // DAY_MS,
            span["end"],
        )
        for span in document["spans"]
        if span["kind"] == kind
    ]


def test_the_facts_of_a_life(life: Cli) -> None:
    document = life.json("identity", "history", "p")
    assert [item["what"] for item in document["moments"]] == [
        *("enrol", "delegate", "endorse", "delegate", "rotate", "undelegate", "delegate"),
        *("recover", "rotate", "vetoed", "recover", "recovered"),
    ]
    assert spans(document, "key") == [
        ("enrol", 0, 100, "rotate"),
        ("rotate", 100, 130, "rotate"),
        ("rotate", 130, 137, "recover"),
        ("recover", 137, None, ""),
    ]
    assert spans(document, "substrate") == [
        ("m@1", 0, 80, "replaced"),
        ("m@2", 80, 110, "undelegated"),
        ("m@2", 125, None, ""),
    ]
    assert spans(document, "undelegated") == [("undelegated", 110, 125, "")]
    assert spans(document, "silence") == [("", 30, 80, ""), ("", 130, None, "")]
    lanes = [
        (lane["statements"], lane["records"], lane["first_seq"], lane["last_seq"], lane["disowned"])
        for lane in document["lanes"]
    ]
    assert lanes == [(4, 4, 0, 3, 1), (1, 1, 0, 0, 0)]
    assert document["statements"] == {"enrol": 1, "artifacts": 5, "rotate": 2, "recover": 2}
    assert (document["records"], document["disowned"]) == (5, 1)
    assert life.json("identity", "history", document["id"]) == document


def test_an_anchor_sees_its_own_life_and_its_pairs(life: Cli) -> None:
    document = life.json("identity", "history", "ada", "--gap", "9")
    assert [item["what"] for item in document["moments"]] == [
        "enrol",
        "delegate",
        "delegate",
        "undelegate",
        "delegate",
    ]
    assert spans(document, "silence") == [
        ("", 0, 80, ""),
        ("", 80, 110, ""),
        ("", 110, 125, ""),
        ("", 125, None, ""),
    ]
    assert spans(document, "substrate") == []
    assert len(spans(life.json("identity", "history", "ada", "--gap", "40"), "silence")) == 2


def test_a_silence_of_just_the_gap_is_none(clock: Clock, ada: Cli) -> None:
    sign(ada, "ada", "one")
    clock.pass_days(30)
    sign(ada, "ada", "two")
    assert ada.json("identity", "history", "ada")["spans"][1:] == []
    assert len(ada.json("identity", "history", "ada", "--gap", "29")["spans"]) == 2


def test_two_devices_are_two_lanes_and_a_fork_is_contested(clock: Clock, ada: Cli, tmp_path: Path) -> None:
    sign(ada, "ada", "seed")
    backup = tmp_path / "backup"
    shutil.copytree(ada.ledger, backup / "ledger")
    shutil.copytree(ada.config, backup / "keys")
    clock.pass_days(1)
    sign(ada, "ada", "one")
    ada("log", "proof", "file.md", "-o", "one.tlog-proof")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LINEAGE_LEDGER", str(backup / "ledger"))
        patch.setenv("LINEAGE_CONFIG", str(backup / "keys"))
        sign(ada, "ada", "other")
        ada("log", "proof", "file.md", "-o", "other.tlog-proof")
    shutil.rmtree(ada.keys("ada") / "lanes")  # as on another device
    clock.pass_days(1)
    sign(ada, "ada", "elsewhere")
    clock.pass_days(1)
    ada("identity", "new", "bea", "--unencrypted")
    ada("identity", "contest", "one.tlog-proof", "other.tlog-proof", "--by", "bea")
    clock.pass_days(1)
    document = ada.json("identity", "history", "ada")
    assert [(lane["statements"], lane["first_seq"], lane["last_seq"]) for lane in document["lanes"]] == [
        (2, 0, 1),
        (1, 0, 0),
    ]
    assert spans(document, "contested") == [("artifacts", 3, None, "")]
    clock.pass_days(1)
    ada("identity", "rotate", "ada", "--unencrypted")
    document = ada.json("identity", "history", "ada")
    assert spans(document, "contested") == [("artifacts", 3, 5, "")]
    words = " ".join(ada("identity", "history", "ada").out.split())
    assert "contested: two statements of type 'artifacts' at one place, shown by bea" in words


def test_the_end_of_an_anchor_ends_its_pairs(clock: Clock, ada: Cli) -> None:
    ada("identity", "new", "p", "--role", "pair", "--of", "ada", "--substrate", "m@1", "--unencrypted")
    clock.pass_days(5)
    ada("identity", "retire", "ada", "--reason", "ended", "--yes")
    clock.pass_days(50)
    ada("log", "checkpoint", "--fresh")
    document = ada.json("identity", "history", "p")
    assert spans(document, "substrate") == [("m@1", 0, 5, "anchor-retired")]
    assert spans(document, "undelegated") == [("anchor-retired", 5, None, "")]
    assert spans(ada.json("identity", "history", "ada"), "silence") == [], "the dead are not silent"
    assert "retired (ended)" in ada("identity", "history", "ada").out


@pytest.mark.parametrize("columns", [40, 80, 100, 300])
def test_the_terminal_is_readable_at_any_width(
    life: Cli, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    words = life("identity", "history", "p").out
    assert max(map(len, words.splitlines())) <= max(80, min(columns, 120))
    words = " ".join(words.split())
    for told in (
        "pair p (",
        "of ada",
        "4 sets of keys, 3 substrates, 2 lanes, 5 statements (1 disowned), 5 records",
        "delegated by ada on m@2",
        "endorsed as known (web) by reg",
        "rotated to the next keys: what the keys before signed from log index",
        "delegation ended by ada",
        "recovery said: pending for a week",
        "was ended by a rotate",
        "came into force",
        "said nothing for 50 days",
        "could not speak for 15 days: not delegated",
        "4 statements (1 disowned)",
    ):
        assert told in words, told


class Page(HTMLParser):
    """The tags, attributes and text of a page; unclosed tags are told."""

    VOID = frozenset({"meta", "line", "rect", "path", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_stands_alone_and_tells_the_same(life: Cli) -> None:
    report = life.folder / "p.html"
    assert life.json("identity", "history", "p", "--report", report)["report"] == str(report)
    assert str(report) in life("identity", "history", "p", "--report", report).out
    text = report.read_text()
    read = Page(text)
    assert read.open == []
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(read.tags)
    assert not {name for name, _ in read.attributes} & {"src", "href", "onload", "onclick", "srcset"}
    assert not re.search(r"@import|url\((?!#)|https?:", text)
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in read.attributes
    assert ("name", "viewport") in read.attributes
    assert "prefers-color-scheme:dark" in text
    for told in (
        "m@2",
        "said nothing for 50 days",
        "endorsed as known (web) by reg",
        "delegation ended by ada",
    ):
        assert told in read.text
    assert read.tags.count("svg") == 1
    assert text.count('class="lane"') == 2
    assert text.count('class="lost"') == 1, "the disowned part of a lane is marked"


def test_whatever_stands_in_the_log_is_escaped_on_the_page(life: Cli) -> None:
    import ledger

    with ledger.open() as door:
        told = door.history("p", DAY_MS)
    bad = '"><script>alert(1)</script>&'
    hostile = History(
        **{name: getattr(told, name) for name in History.__slots__}
        | {
            "role": bad,
            "moments": tuple(
                type(item)(
                    item.clock_ms, item.log_index, item.what, item.about | {"substrate": bad, "role": bad}
                )
                for item in told.moments
            ),
            "spans": tuple(
                type(span)(span.kind, span.from_ms, span.until_ms, bad, span.log_index, span.end)
                for span in told.spans
            ),
        }
    )
    read = Page(page(hostile, lambda _id: bad, bad))
    assert "script" not in read.tags
    assert read.text.count(bad) > 5


def test_a_history_that_is_refused(life: Cli) -> None:
    life.refused("identity-unknown", "identity", "history", "nobody")
    life.refused("usage", "identity", "history", "p", "--gap", "-1")
    life.refused("not-a-regular-file", "identity", "history", "p", "--report", life.folder)
    assert life.json("identity", "history", "operator")["statements"]["genesis"] == 1


def test_a_page_replaces_nothing_but_a_page(ada: Cli) -> None:
    report = ("identity", "history", "ada", "--report")
    page_file = ada.folder / "new" / "ada.html"
    assert [ada(*report, page_file).code for _ in range(2)] == [0, 0]
    link = ada.folder / "link.html"
    link.symlink_to(page_file)
    loop = ada.folder / "loop"
    loop.symlink_to(loop)
    pipe = ada.folder / "pipe"
    os.mkfifo(pipe)
    for path in (link, loop, pipe, ada.folder):
        ada.refused("not-a-regular-file", *report, path)
    assert (link.is_symlink(), loop.is_symlink(), pipe.is_fifo()) == (True, True, True)
    for name, content in (
        ("notes.md", LONG),
        ("empty", ""),
        ("other.html", "<!doctype html>\n<html lang=en>"),
    ):
        file = ada.write(name, content)
        ada.refused("file-exists", *report, file)
        assert file.read_text() == content


def test_a_page_is_not_written_among_the_keys(ada: Cli) -> None:
    key = ada.keys("ada") / "next.key"
    before = key.read_bytes()
    aside = ada.folder / "aside"
    aside.symlink_to(ada.config)
    for path in (key, ada.config / "new.html", ada.keys("ada") / "new" / "a.html", aside / "a.html"):
        ada.refused("path-illegal", "identity", "history", "ada", "--report", path)
    assert key.read_bytes() == before
    assert ada("identity", "rotate", "ada", "--unencrypted").code == 0
