"""`--map`: cells are a stranger's data. Whatever they hold is refused by row and column, in few words, or read exactly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger.errors import RefusedInput
from ledger.signer.written import parse_date_ms, parse_share
from tests.test_cli.command import Cli

TEXT = (
    "The pump was louder than the day before, number {}, and nobody had written down since when it was so.\n"
)
LONG = "9" * 5_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("what", "cell", "code"),
    [
        ("kind", [], "cell-illegal"),
        ("kind", {"a": 1}, "cell-illegal"),
        ("kind", True, "cell-illegal"),
        ("kind", 7, "cell-illegal"),
        ("kind", "model", "record-illegal"),  # it is one, and says nothing that a model has to
        ("kind", "abstract", "record-illegal"),
        ("parents", f"row:{LONG}", "cell-illegal"),
        ("parents", "row:1", "cell-illegal"),  # the row itself
        ("parents", "row:2", "cell-illegal"),
        ("parents", "row:-1", "cell-illegal"),
        ("parents", "row:٠", "cell-illegal"),  # noqa: RUF001 - a digit, and not one of ours
        ("parents", f"row:0@{LONG}%", "cell-illegal"),
        ("parents", f"{LONG}=row:0", "cell-illegal"),
        ("parents", "z" * 5_000, "cell-illegal"),
        ("parents", [["row:0"]], "cell-illegal"),
        ("parents", ["row:0", "row:0"], "schema"),
        ("human", 10**4_000, "cell-illegal"),
        ("human", "1e999999999", "cell-illegal"),
        ("human", "1e-999999999", "cell-illegal"),
        ("human", "NaN", "cell-illegal"),
        ("human", True, "cell-illegal"),
        ("made_at", 10**4_000, "cell-illegal"),
        ("made_at", LONG, "cell-illegal"),
        ("made_at", "0001-01-01", "cell-illegal"),
        ("license", "\x1b[31mred", "cell-illegal"),
        ("source", LONG, "cell-illegal"),
    ],
)
def test_cell_that_cannot_be_read_is_refused_by_its_row(ada: Cli, what: str, cell: Any, code: str) -> None:
    rows = [{"text": TEXT.format(0), "c": None}, {"text": TEXT.format(1), "c": cell}]
    path = ada.rows("rows.jsonl", *rows)
    error = ada.refused(code, "sign", path, "--rows", "text", "--map", f"{what}=c")
    assert "row 1 (line 2)" in error["item"]
    assert len(str(error)) < 1_000
    ran = ada("sign", path, "--rows", "text", "--map", f"{what}=c")
    assert (ran.code, ran.err.isprintable() or ran.err.replace("\n", "").isprintable()) == (2, True)


def test_more_parents_than_a_record_has_are_refused_by_their_row(ada: Cli) -> None:
    rows = [{"text": TEXT.format(number), "p": None} for number in range(300)]
    path = ada.rows("rows.jsonl", *rows, {"text": "last", "p": [f"row:{number}" for number in range(300)]})
    error = ada.refused("too-large", "sign", path, "--rows", "text", "--map", "parents=p")
    assert "row 300 (line 301)" in error["item"]


@pytest.mark.parametrize("author", ["\ud800", "a\udfff"])
def test_author_that_is_no_text_is_refused(ada: Cli, author: str) -> None:
    path = ada.rows("rows.jsonl", {"text": TEXT.format(0), "a": "ben"}, {"text": TEXT.format(1), "a": author})
    said = ("--rows", "text", "--map", "attributed=a", "--reported")
    assert "row 1 (line 2)" in ada.refused("author-not-text", "sign", path, *said)["item"]
    file = ada.write("note.md", TEXT.format(2))
    assert ada.refused("author-not-text", "sign", file, "--reported", author)[
        "fix"
    ]  # as bytes come that are no UTF-8


@settings(deadline=None)
@given(st.integers(0, 253_402_300_799_999))
@example(1_098_844_121_251)  # whose seconds times a thousand are a little less, in floating point
def test_dates_are_read_to_the_millisecond(time_ms: int) -> None:
    text = (EPOCH + timedelta(milliseconds=time_ms)).isoformat()
    assert parse_date_ms(text) == time_ms


@pytest.mark.parametrize(
    "text", ["0.7000000000000000000000000000000000001", "1e-7", "0.0000001", "1e999999999", "1e-999999999"]
)
def test_share_is_never_rounded(text: str) -> None:
    with pytest.raises(RefusedInput) as refusal:
        parse_share(text)
    assert refusal.value.code == "share-illegal"


@pytest.mark.parametrize(
    ("text", "ppm"), [("70%", 700_000), ("0.7", 700_000), ("0.000001", 1), ("1", 10**6), ("1e-06", 1)]
)
def test_share_is_read_as_it_is_written(text: str, ppm: int) -> None:
    assert parse_share(text) == ppm
