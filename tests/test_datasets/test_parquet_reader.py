"""Parquet in batches: the rows of the slow reader from wherever they are read; faults row by row; damage; dictionaries made to fill the memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.datasets import parquet_reader
from ledger.datasets.crew import Crew
from ledger.datasets.dataset import open_dataset
from ledger.datasets.files import RegularFile
from ledger.datasets.looking import look
from ledger.datasets.opened import read_rows
from ledger.datasets.parquet_reader import ParquetReader
from ledger.datasets.rows import Row
from ledger.datasets.wanted import FaultyRow
from ledger.errors import RefusedInput
from tests.test_datasets.carriers import arrow, parquet
from tests.test_datasets.refusals import refused
from tests.test_datasets.test_formats_agree import by_workers, one_by_one


def reader(path: Path) -> ParquetReader:
    with RegularFile(path) as file:
        known = file.fingerprint
    return ParquetReader(str(path), known, list)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.none() | st.text(max_size=3), min_size=1, max_size=30),
    st.integers(1, 7),
    st.integers(1, 5),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=4),
)
def test_rows_from_wherever_are_the_rows_of_the_file(
    tmp_path_factory: pytest.TempPathFactory,
    values: list[str | None],
    group: int,
    batch: int,
    parts: list[tuple[int, int]],
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    parquet.write_table(
        arrow.table({"text": arrow.array(values, arrow.string())}), path, row_group_size=group
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet_reader, "_BATCH_ROWS_MAX", batch)
        table = reader(path)
        try:
            assert (table.row_count, table.group_rows) == (len(values), min(group, len(values)))
            for ends in parts:
                first, stop = (min(end, len(values)) for end in sorted(ends))
                found = [row["text"] for part in table.batches(first, stop) for row in part.to_pylist()]
                assert found == values[first:stop]
        finally:
            table.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | st.text(max_size=3), min_size=1, max_size=12), st.sampled_from([1, 2, 1_000]))
def test_nulls_and_empty_cells_are_faulty_rows(
    tmp_path_factory: pytest.TempPathFactory, values: list[str | None], size: int
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    parquet.write_table(arrow.table({"text": arrow.array(values, arrow.string())}), path, row_group_size=4)
    dataset = open_dataset(path)
    told, ended = one_by_one(dataset.rows("text", lenient=True))
    assert ended is None
    assert [row.error is None for row in told] == [bool(value) for value in values]
    assert {row.error[0] for row in told if row.error} <= {"column-empty"}
    assert by_workers(dataset, "text", size) == (told, ended)
    slow, slow_ended = one_by_one(read_rows(path, "text"))  # strict, and by another reader
    sound = [bool(value) for value in [*values, None]].index(False)
    assert (slow, slow_ended) == (told[:sound], told[sound].error if sound < len(told) else None)


def test_a_string_that_is_no_utf_8_is_one_faulty_row(tmp_path: Path) -> None:
    binary = arrow.array([b"good", b"\xff\xfe", b"too"])
    text = arrow.Array.from_buffers(arrow.string(), 3, binary.buffers())
    path = tmp_path / "rows.parquet"
    parquet.write_table(arrow.table({"text": text, "m": [1, 2, 3]}), path)
    dataset = open_dataset(path)
    for column in ("text", None):
        told, _ = one_by_one(dataset.rows(column, lenient=True))
        assert [row.error and row.error[0] for row in told] == [None, "not-utf8", None]
        assert by_workers(dataset, column, 5) == (told, None)
    assert [row.error for row in one_by_one(dataset.rows("m", lenient=True))[0]] == [None] * 3


def test_cut_short_it_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    parquet.write_table(arrow.table({"text": ["a", "b"]}), path)
    whole = path.read_bytes()
    for at in (1, 4, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:at])
        with refused("not-parquet", "rows.parquet"):
            open_dataset(path)


def test_damaged_pages_end_the_rows_where_they_are_reached(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    table = arrow.table({"text": [str(at) * 50 for at in range(9_000)]})
    parquet.write_table(table, path, row_group_size=3_000, use_dictionary=False, compression="snappy")
    content = bytearray(path.read_bytes())
    at = parquet.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    content[at + 40 : at + 4_000] = bytes(3_960)
    path.write_bytes(content)
    dataset = open_dataset(path)
    told, ended = one_by_one(dataset.rows("text", lenient=True))
    assert len(told) >= 3_000
    assert ended is not None
    assert ended[:2] == ("not-parquet", f"{path}, row {len(told)}")
    assert f"{len(told):,} rows stand before it" in ended[2]
    runs: list[int] = []
    with refused("not-parquet", "rows.parquet, row "), Crew(0) as crew:
        runs.extend(run.batch.row_count for run in look(crew, dataset, "text"))
    assert sum(runs) == len(told)


@pytest.mark.parametrize("nested", [False, True])
def test_a_dictionary_that_would_fill_the_memory_is_read_in_little_room(
    tmp_path: Path, nested: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand rows, each the same mebibyte, take a few kilobytes in the file. They are not decoded together."""
    monkeypatch.setattr(parquet_reader, "_REPEATED_BYTES", 8 * 2**20)
    values = arrow.repeat("x" * 2**20, 1_000)
    if nested:
        values = arrow.StructArray.from_arrays([values], names=["a"])
    path = tmp_path / "rows.parquet"
    parquet.write_table(arrow.table({"text": values}), path, compression="zstd")
    assert path.stat().st_size < 10_000
    table = reader(path)
    try:
        assert max(batch.num_rows for batch in table.batches(0, table.row_count)) <= 8
    finally:
        table.close()
    tracemalloc.start()
    try:
        rows = open_dataset(path).rows("text")
        assert isinstance(next(rows), Row)
        assert tracemalloc.get_traced_memory()[1] < 40 * 2**20
    finally:
        tracemalloc.stop()


def test_the_size_of_a_page_is_read_from_its_header(tmp_path: Path) -> None:
    for size in (1, 100, 10_000, 2**20):
        path = tmp_path / "rows.parquet"
        parquet.write_table(arrow.table({"text": ["y" * size] * 3}), path)
        table = reader(path)
        try:
            chunk = table._table.metadata.row_group(0)
            assert table._dictionary_bytes(chunk) == size + 4
        finally:
            table.close()


def test_other_columns_are_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    parquet.write_table(arrow.table({"text": ["a"], "image": [b"\xff"]}), path)
    dataset = open_dataset(path)
    assert [row.content for row in dataset.rows("text") if isinstance(row, Row)] == [b"a"]
    (row,) = dataset.rows(None, lenient=True)
    assert isinstance(row, FaultyRow)
    assert row.error.code == "cell-not-json"
    with refused("column-missing", "rows.parquet", "'text'"):
        dataset.rows("body")


def test_a_table_with_fewer_rows_than_it_says_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    parquet.write_table(arrow.table({"text": ["a", "b"]}), path)
    table = reader(path)
    try:
        table.ends = (3,)
        with pytest.raises(RefusedInput, match="fewer rows than it says"):
            list(table.batches(0, 3))
    finally:
        table.close()
