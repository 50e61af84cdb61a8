"""Datasets by their suffix: the same rows in JSON Lines, Parquet and text by line, and each refusal by its code."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import spec
from ledger.datasets.opened import by_line, read_rows
from ledger.datasets.rows import Row
from tests.test_datasets.carriers import STRINGS, pack
from tests.test_datasets.refusals import refused

arrow = pytest.importorskip("pyarrow", reason="Parquet is not read: pip install 'lineage-ledger[parquet]'")
parquet = pytest.importorskip("pyarrow.parquet", reason="as above")


def table(folder: Path, rows: Sequence[dict[str, Any]], **options: Any) -> Path:
    path = folder / "rows.parquet"
    parquet.write_table(arrow.Table.from_pylist(rows), path, **options)
    return path


def text(folder: Path, content: bytes) -> Path:
    path = folder / "rows.TXT"
    path.write_bytes(content)
    return path


ROWS: list[dict[str, Any]] = [
    {"text": "Straße", "n": 7, "lineage_id": None, "tags": ["a", "b"], "where": {"b": 1.0, "a": None}},
    {"text": "漢字", "n": None, "lineage_id": "ab" * 32, "tags": [], "where": {"b": -0.5, "a": "x"}},
]


@pytest.mark.parametrize("column", ["text", "tags", "where", None])
def test_a_row_is_the_same_whatever_file_carries_it(tmp_path: Path, column: str | None) -> None:
    lines = tmp_path / "rows.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    cells = ("n", "lineage_id", "absent")
    read = list(read_rows(table(tmp_path, ROWS), column, cells))
    assert read == list(read_rows(lines, column, cells))
    assert [row.cells for row in read] == [{"n": row["n"], "lineage_id": row["lineage_id"]} for row in ROWS]
    assert next(read_rows(lines, column)).cells == {}


def test_a_whole_row_is_signed_without_its_lineage(tmp_path: Path) -> None:
    rows = [{"text": "x", "lineage_id": "ab" * 32, "lineage_salt": "cd" * 32}, {"text": "x"}]
    lines = tmp_path / "rows.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [row.content for row in read_rows(lines, None)] == [b'{"text":"x"}'] * 2


def test_many_batches_come_in_order(tmp_path: Path) -> None:
    rows = [{"text": f"row {number}"} for number in range(5_000)]
    read = list(read_rows(table(tmp_path, rows, row_group_size=777), "text"))
    assert read == [Row(number, f"row {number}".encode(), "raw") for number in range(5_000)]


@pytest.mark.parametrize(
    ("rows", "column", "code", "reason"),
    [
        ([{"text": "x"}, {"text": None}], "text", "column-empty", "null"),
        ([{"text": "x"}, {"text": ""}], "text", "column-empty", "empty string"),
        ([{"text": "x"}, {"text": "y"}], "body", "column-missing", "'text'"),
        ([{"text": b"x"}, {"text": b"y"}], "text", "cell-not-json", "bytes"),
        ([{"text": datetime(2026, 1, 1, tzinfo=UTC)}], None, "cell-not-json", "datetime"),
        ([{"text": 2**60}], "text", "json-integer-too-big", "integer"),
        ([{"text": float("nan")}], "text", "json-number-not-finite", "number"),
    ],
)
def test_what_is_no_row_is_refused(
    tmp_path: Path, rows: list[dict[str, Any]], column: str, code: str, reason: str
) -> None:
    with refused(code, "rows.parquet", reason):
        list(read_rows(table(tmp_path, rows), column))


def test_a_parquet_file_that_is_none_cut_short_or_empty_is_refused(tmp_path: Path) -> None:
    whole = table(tmp_path, ROWS).read_bytes()
    path = tmp_path / "rows.parquet"
    for content in (b"", b"PAR1", whole[: len(whole) // 2], whole[:-1], b"x" * 1_000):
        path.write_bytes(content)
        with refused("not-parquet", "rows.parquet"):
            list(read_rows(path, "text"))
    parquet.write_table(arrow.table({"text": arrow.array([], arrow.string())}), path)
    with refused("dataset-empty", "rows.parquet"):
        list(read_rows(path, "text"))
    parquet.write_table(arrow.table([arrow.array(["a"])] * 2, names=["text", "text"]), path)
    with refused("column-twice", "rows.parquet"):
        list(read_rows(path, "text"))


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n")), min_size=1), st.booleans())
def test_lines_of_a_text(tmp_path_factory: Any, lines: list[str], ended: bool) -> None:
    folder = tmp_path_factory.mktemp("lines")
    lines = [line.lstrip("\ufeff") for line in lines]
    if not ended and not lines[-1]:
        lines.append("x")  # nothing behind the last end is no row
    path = text(folder, ("\n".join(lines) + "\n" * ended).encode())
    expected = [
        line.removesuffix("\r") if at + 1 < len(lines) or ended else line for at, line in enumerate(lines)
    ]
    assert list(read_rows(path, None)) == [Row(at, line.encode(), "raw") for at, line in enumerate(expected)]


@pytest.mark.parametrize(
    ("content", "code", "item"),
    [
        (b"", "dataset-empty", "rows.TXT"),
        (b"a\n\xff\n", "not-utf8", "row 1 (line 2)"),
        (b"\xef\xbb\xbfa\n", "byte-order-mark", "row 0 (line 1)"),
        (b"a\n" + b"x" * (spec.ROW_BYTES_MAX + 1), "too-large", "row 1 (line 2)"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes, code: str, item: str) -> None:
    with refused(code, item):
        list(read_rows(text(tmp_path, content), None))


def test_a_text_has_no_columns(tmp_path: Path) -> None:
    with refused("column-missing", "rows.TXT", "'text'"):
        list(read_rows(text(tmp_path, b"a\n"), "text"))


def test_values_and_forms_that_no_reader_has_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.parquet"
    for days in (10**9, 2**31 - 1):
        parquet.write_table(
            arrow.table({"text": arrow.array([days], arrow.int32()).cast(arrow.date32())}), path
        )
        with refused("not-parquet", "rows.parquet"):
            list(read_rows(path, None))

    def unknown(*_: Any, **__: Any) -> None:
        raise arrow.ArrowNotImplementedError("Integers with more than 64 bits not implemented")

    monkeypatch.setattr(parquet, "ParquetFile", unknown)
    with refused("not-parquet", "rows.parquet", "64 bits"):
        list(read_rows(path, None))


def test_a_small_parquet_file_of_great_rows_is_read_in_little_room(tmp_path: Path) -> None:
    """A thousand rows, each the same megabyte, take a thousand bytes in the file. They are not held together."""
    path = tmp_path / "rows.parquet"
    values = arrow.DictionaryArray.from_arrays(arrow.array([0] * 1_024, arrow.int32()), ["x" * 2**20])
    parquet.write_table(arrow.table({"text": values}), path, compression="zstd")
    assert path.stat().st_size < 10_000
    tracemalloc.start()
    try:
        assert next(read_rows(path, "text")).size_bytes == 2**20
        assert tracemalloc.get_traced_memory()[1] < 200 * 2**20
    finally:
        tracemalloc.stop()


def test_rows_are_signed_and_verified_in_every_format_that_a_name_says(tmp_path: Path) -> None:
    rows = [{"text": "a\nb", "n": "1"}, {"text": "ü", "n": ""}]
    expected = [Row(0, b"a\nb", "raw", {"n": "1"}), Row(1, "ü".encode(), "raw", {"n": ""})]
    for name, write in STRINGS.items():
        write(tmp_path / name, rows)
        assert list(read_rows(tmp_path / name, "text", ("n",))) == expected, name
        assert by_line(tmp_path / name) is ("json" in name)
    for name in ("rows.csv", "rows.arrow"):
        with refused("column-missing", name, "'text'"):
            list(read_rows(tmp_path / name, "body"))
    (tmp_path / "rows.parquet.gz").write_bytes(b"PAR1")
    with refused("format-unknown", "rows.parquet.gz"):
        list(read_rows(tmp_path / "rows.parquet.gz", "text"))
    (tmp_path / "rows.csv").write_bytes(b'text\n"a\nb"\n"c"d\n')
    with refused("quote-broken", "rows.csv, row 1 (line 4)"):
        list(read_rows(tmp_path / "rows.csv", "text"))
    (tmp_path / "rows.txt.gz").write_bytes(pack("rows.txt.gz", b"a\nb"))
    assert [row.content for row in read_rows(tmp_path / "rows.txt.gz", None)] == [b"a", b"b"]
