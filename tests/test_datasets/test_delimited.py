"""CSV and TSV: the grammar against the slow reader, whatever a file holds and however it is read; each refusal by its code."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger import spec
from ledger.datasets import delimited
from ledger.datasets.dataset import open_dataset
from ledger.datasets.delimited import blocks_of_records, cells_of_record, grammar_of, records_of
from ledger.datasets.formats import CSV, TSV
from ledger.datasets.rows import Row
from ledger.errors import RefusedInput
from tests.test_datasets import naive_csv
from tests.test_datasets.refusals import refused

SMALL = 20  # bytes of a row, in the tests of every boundary
PIECES = st.lists(
    st.sampled_from(
        [b"a", b"b", b'"', b'"', b'""', b",", b"\t", b"\n", b"\r\n", b"\r", b"\0", b"\xff", b"\xc3\xbc"]
    ),
    max_size=40,
)


def at_once(data: bytes, format_: str, piece: int) -> tuple[list[naive_csv.Record], str]:
    """What the fast reader says of all records, the header among them."""
    grammar = grammar_of(format_)
    records: list[naive_csv.Record] = []
    stream = io.BytesIO(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "PIECE_BYTES", piece)
        try:
            for block in blocks_of_records(stream.read, grammar):
                if not isinstance(block, bytes):
                    if not block:
                        records.append(naive_csv.Record(b"", None, "too-large"))
                    continue
                records += [judged(raw, format_) for raw in records_of(block, grammar)]
        except RefusedInput as error:
            return records, error.code
    return records, ""


def judged(raw: bytes, format_: str) -> naive_csv.Record:
    try:
        return naive_csv.Record(raw, cells_of_record(raw, grammar_of(format_)))
    except RefusedInput as error:
        return naive_csv.Record(raw, None, error.code)


def comparable(records: list[naive_csv.Record]) -> list[naive_csv.Record]:
    """The bytes of a record that is too long are not kept."""
    return [record._replace(raw=b"") if record.code == "too-large" else record for record in records]


@settings(max_examples=600, deadline=None)
@given(PIECES, st.sampled_from([CSV, TSV]), st.sampled_from([1, 2, 3, 7, 100, 1_000]))
@example([b"a" * 80, b"\n", b"a" * 40, b'"c\nd"'], CSV, 1_000)
@example([b'"', b"a" * 18, b'"', b"\n"], CSV, 7)
@example([b'"', b"a" * 19, b'"', b"\n", b"b\n"], CSV, 7)
@example([b'"', b"a" * 21, b'"', b"\n", b"b\n"], CSV, 100)
@example([b'"a"', b"b" * 30, b'\n"', b"c\n"], CSV, 7)
@example([b"a" * 30, b"\n", b"b\n"], CSV, 1)
@example([b'a,"', b"\n" * 30], CSV, 7)
@example([b'"a""', b'"\n'], CSV, 1)
@example([b'"a"', b"\r"], CSV, 1)
@example([b"a" * 19, b"\r\n", b"b"], CSV, 3)
@example([b"a" * 22, b"\r\n", b"b"], CSV, 3)
def test_the_fast_reader_is_the_slow_one(pieces: list[bytes], format_: str, piece: int) -> None:
    data = b"".join(pieces)
    separator = b"," if format_ == CSV else b"\t"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spec, "ROW_BYTES_MAX", SMALL)
        slow, ended = naive_csv.read(data, separator, SMALL)
        fast, fast_ended = at_once(data, format_, piece)
    assert (comparable(fast), fast_ended) == (comparable(slow), ended)


def test_the_slow_reader_meets_every_refusal() -> None:
    """Else the comparison might compare two readers that take everything."""
    for data, code in [
        (b"\n", "row-blank"),
        (b'a"b\n', "quote-broken"),
        (b'"a"b\n', "quote-broken"),
        (b"a\rb\n", "quote-broken"),
        (b"\0\n", "zero-byte"),
        (b"\xff\n", "not-utf8"),
        (b"a" * 21 + b"\n", "too-large"),
    ]:
        (record,), ended = naive_csv.read(data, b",", SMALL)
        assert (record.cells, record.code, ended) == (None, code, "")
    assert naive_csv.read(b'"a', b",", SMALL) == ([], "quote-broken")
    (record,), _ = naive_csv.read(b'a,"b ""c"" \n,",\r\n', b",", SMALL)
    assert record.cells == ["a", 'b "c" \n,', ""]


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@given(
    st.integers(1, 3).flatmap(
        lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=6)
    ),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([CSV, TSV]),
)
def test_what_pythons_own_writer_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], ends: str, format_: str
) -> None:
    names = [f"column {at}" for at in range(len(rows[0]))]
    out = io.StringIO(newline="")
    writer = csv.writer(
        out, delimiter="," if format_ == CSV else "\t", lineterminator=ends, quoting=csv.QUOTE_ALL
    )
    writer.writerows([names, *rows])
    path = tmp_path_factory.mktemp("csv") / f"rows.{format_}"
    path.write_bytes(out.getvalue().encode())
    read = [json.loads(row.content) for row in open_dataset(path).rows(None) if isinstance(row, Row)]
    assert read == [dict(zip(names, row, strict=True)) for row in rows]


def rows_of(folder: Path, content: bytes, column: str | None = "text", name: str = "rows.csv") -> list[Row]:
    path = folder / name
    path.write_bytes(content)
    return [row for row in open_dataset(path).rows(column) if isinstance(row, Row)]


def test_a_cell_is_a_string_whatever_it_looks_like(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, b'text,n\n007,1\n"1e5",null\n true ,\n')
    assert rows == [Row(0, b"007", "raw"), Row(1, b"1e5", "raw"), Row(2, b" true ", "raw")]
    (whole, *_) = rows_of(tmp_path, b"text,n\n007,\n", None)
    assert whole == Row(0, b'{"n":"","text":"007"}', "jcs")


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    assert rows_of(tmp_path, b"\xef\xbb\xbftext\na\n") == [Row(0, b"a", "raw")]
    assert rows_of(tmp_path, b'\xef\xbb\xbf"text"\na\n') == [Row(0, b"a", "raw")]


def test_line_ends_inside_quotes_are_kept(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, b'text,n\r\n"a\r\nb\nc\rd",1\r\n"""",2')
    assert [row.content for row in rows] == [b"a\r\nb\nc\rd", b'"']


@pytest.mark.parametrize(
    ("record", "code", "reason"),
    [
        (b"b", "row-ragged", "1 cells, and the header 2"),
        (b"b,2,3", "row-ragged", "3 cells"),
        (b"b,", "column-empty", "empty string"),
        (b"", "row-blank", "blank"),
        (b'1,b"c', "quote-broken", "does not begin with one"),
        (b'1,"b"c', "quote-broken", "behind the quote that closes"),
        (b"1,b\rc", "quote-broken", "CR stands alone"),
        (b"1,b\0c", "zero-byte", "zero byte"),
        (b"1,b\xff", "not-utf8", "byte 4"),
        (b"1," + b"b" * spec.ROW_BYTES_MAX, "too-large", "4,194,304"),
    ],
)
def test_a_faulty_row_is_named_by_row_and_line_and_the_next_is_read(
    tmp_path: Path, record: bytes, code: str, reason: str
) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b'n,text\n1,"two\nlines"\n' + record + b"\n3,z\n")
    strict = open_dataset(path).rows("text")
    assert next(strict).row_index == 0
    with refused(code, f"{path}, row 1 (line 4)", reason):
        next(strict)
    first, faulty, last = open_dataset(path).rows("text", lenient=True)
    assert not isinstance(faulty, Row)
    assert (faulty.row_index, faulty.error.code) == (1, code)  # type: ignore[union-attr]
    assert faulty.error.item == f"{path}, row 1 (line 4)"  # type: ignore[union-attr]
    assert (first.row_index, last) == (0, Row(2, b"z", "raw"))


@pytest.mark.parametrize(
    ("content", "code", "item"),
    [
        (b"", "dataset-empty", "rows.csv"),
        (b"\n", "row-blank", "header (line 1)"),
        (b"text,,n\na,b,c\n", "column-unnamed", "header (line 1)"),
        (b"text,text\na,b\n", "column-twice", "header (line 1)"),
        (b"te\xffxt\na\n", "not-utf8", "header (line 1)"),
        (b't"ext\na\n', "quote-broken", "header (line 1)"),
        (b'"text\na\n', "quote-broken", "header (line 1)"),
        ("text\na\n".encode("utf-16"), "not-utf8", "header (line 1)"),
        (b"x" * (spec.ROW_BYTES_MAX + 9), "too-large", "header (line 1)"),
    ],
)
def test_a_faulty_header_is_refused(tmp_path: Path, content: bytes, code: str, item: str) -> None:
    with refused(code, item):
        rows_of(tmp_path, content)


def test_a_header_alone_is_no_dataset(tmp_path: Path) -> None:
    for content in (b"text,n\n", b"text,n"):
        with refused("dataset-empty", "rows.csv"):
            rows_of(tmp_path, content)


def test_a_column_that_the_header_does_not_name_is_refused(tmp_path: Path) -> None:
    with refused("column-missing", "rows.csv", "'body'"):
        rows_of(tmp_path, b"text,n\na,1\n", "body")


@pytest.mark.parametrize("lenient", [True, False])
def test_a_quote_that_is_never_closed_ends_the_reading(tmp_path: Path, lenient: bool) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b'text,n\na,1\n"b,2\nc,3\nd,4\n')
    rows = open_dataset(path).rows("text", lenient=lenient)
    assert next(rows) == Row(0, b"a", "raw")
    with refused("quote-broken", "rows.csv, row 1", "never closed"):
        next(rows)


def test_separators_are_those_of_the_name(tmp_path: Path) -> None:
    assert rows_of(tmp_path, b"text\tn\na,b\t1\n", name="rows.tsv") == [Row(0, b"a,b", "raw")]
    assert rows_of(tmp_path, b"text\tn\na,b\t1\n", name="rows.TAB") == [Row(0, b"a,b", "raw")]
    with refused("column-missing"):
        rows_of(tmp_path, b"text;n\na;1\n")


def endless(first: bytes, then: bytes) -> Iterator[bytes]:
    yield first
    while True:
        yield then


@pytest.mark.parametrize(
    ("first", "then", "outcome"), [(b'"', b"x" * 65_536, "quote-broken"), (b"x", b"x" * 65_536, 0)]
)
def test_an_endless_row_is_told_within_what_a_row_may_have(
    first: bytes, then: bytes, outcome: str | int
) -> None:
    source = endless(first, then)
    asked = 0

    def read(size: int) -> bytes:
        nonlocal asked
        asked += 1
        return next(source)[:size]

    blocks = blocks_of_records(read, grammar_of(CSV))
    if isinstance(outcome, str):
        with refused(outcome):
            next(blocks)
    else:
        assert next(blocks) == outcome
    assert asked < 70
