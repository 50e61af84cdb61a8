"""The documents say what the code does; and each check of tools/check_docs.py finds what it is for."""

from __future__ import annotations

import re

import pytest

from tools import check_docs
from tools.check_docs import (
    ROOT,
    check_citations,
    check_codes,
    check_limits,
    cited,
    codes_listed,
    codes_raised,
    local_table,
    problems,
    read,
    rewritten,
    sections,
)

SPEC_TEXT = (ROOT / "SPEC.md").read_text()
SOURCES = read(("ledger",))


def test_the_documents_say_what_the_code_does() -> None:
    assert problems() == []


def test_the_command_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["check_docs.py"])
    assert check_docs.main() == 0
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(check_docs, "problems", lambda: ["one", "two"])
    assert check_docs.main() == 1
    assert capsys.readouterr().out == "one\ntwo\n"


def test_sections_are_read_from_headings() -> None:
    found = sections(SPEC_TEXT)
    assert {"1", "1.1", "4", "4.5", "9.6", "14", "14.1", "16.7"} <= found
    assert "9.7" not in found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(SPEC §4.1-§4.5)", {"4.1", "4.5"}),
        ("SPEC §3, rule 5", {"3"}),
        ("SPEC §4, §5 and §7 list", {"4", "5", "7"}),
        ("RFC 6962 §2.1 and SPEC §9.3.", {"9.3"}),
        ("RFC 6962 §2.1", set()),
        ("SPEC.md §12", {"12"}),
    ],
)
def test_citations_are_read(text: str, expected: set[str]) -> None:
    assert cited(text) == expected


def test_a_citation_of_nothing_is_found() -> None:
    nowhere = "9.7"  # written apart from its sign, so that this file cites nothing wrong
    found = list(check_citations(SPEC_TEXT, {"a.py": f"SPEC §{nowhere}"}))
    assert found == [f"a.py cites SPEC §{nowhere}, which does not exist"]
    broken = SPEC_TEXT.replace("(§9.3)", f"(§{nowhere})", 1)
    found = list(check_citations(broken, {"SPEC.md": broken}))
    assert found == [f"SPEC.md cites SPEC §{nowhere}, which does not exist"]


RAISES = """
def refuse(where, code="by-default"):
    return RefusedInput(code, where, "reason")

def deeper(reason, *, kind):
    raise refuse("x", kind)

def use():
    raise StoreFault("plain-code", "x", "y")
    raise errors.NotYet("one-way" if x else "or-another", "x", "y")
    raise refuse("x", "given-code")
    raise deeper("why", kind="deep-code")
    Fault(3, "fault-code", "what")
    RefusedInput(code="named-code", item="x", reason="y")
    RefusedInput(error.code, "x", "y")
    unrelated("no-code", "x")
"""


def test_codes_are_read_off_the_source() -> None:
    assert set(codes_raised({"a.py": RAISES})) == {
        "by-default",
        "plain-code",
        "one-way",
        "or-another",
        "given-code",
        "deep-code",
        "fault-code",
        "named-code",
    }


def test_every_error_class_is_scanned() -> None:
    assert {"RefusedInput", "NotYet", "ProofInvalid", "StoreFault", "InvariantBroken", "LineageError"} <= (
        check_docs.ERROR_CLASSES
    )
    shared, local = codes_listed(SPEC_TEXT)
    assert len(shared) >= 40
    assert shared | local == set(codes_raised(SOURCES))


def test_codes_that_differ_are_found() -> None:
    more = {**SOURCES, "ledger/x.py": 'raise StoreFault("fire-in-the-room", "x", "y")'}
    found = list(check_codes(SPEC_TEXT, more))
    assert found[0] == "ledger/x.py raises `fire-in-the-room`, which SPEC §14 does not list"
    assert "is not what the code raises" in found[1]
    listed = SPEC_TEXT.replace("| `wrong-log` |", "| `wrong-log`, `never-raised` |")
    assert list(check_codes(listed, SOURCES)) == [
        "SPEC §14 lists `never-raised`, which nothing in ledger/ raises"
    ]
    stale = SPEC_TEXT.replace("`writer-busy`", "`writer-gone`")
    assert len(list(check_codes(stale, SOURCES))) == 2


def test_the_local_table_is_made_from_the_source() -> None:
    table = local_table(SPEC_TEXT, SOURCES)
    assert table in SPEC_TEXT
    assert "`wrong-log`" not in table
    emptied = re.sub(
        rf"{check_docs.BEGIN}.*?{check_docs.END}",
        check_docs.BEGIN + check_docs.END,
        SPEC_TEXT,
        flags=re.DOTALL,
    )
    assert emptied != SPEC_TEXT
    assert rewritten(emptied, SOURCES) == SPEC_TEXT


def test_limits_that_differ_are_found() -> None:
    assert list(check_limits(SPEC_TEXT)) == []
    for one, other in (
        ("16,384, 24,576", "16,384, 24,577"),
        ("| 2⁴⁸ |", "| 2⁴ |"),
        ("1 MiB; 64", "2 MiB; 64"),
    ):
        assert len(list(check_limits(SPEC_TEXT.replace(one, other)))) == 1, one
    more = SPEC_TEXT.replace("| tree size |", "| wishes | 3 |\n| tree size |")
    assert list(check_limits(more)) == [
        "SPEC §13 limits 'wishes', which tools/check_docs.py does not compare"
    ]
