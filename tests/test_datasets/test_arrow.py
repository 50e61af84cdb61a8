"""Arrow files and streams: cut short and damaged wherever, made to exhaust their reader, and what no JSON value is."""

from __future__ import annotations

import hashlib
import io
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import spec
from ledger.datasets import arrow as arrow_module
from ledger.datasets.arrow_frames import Damaged, layout_of
from ledger.datasets.crew import Crew
from ledger.datasets.dataset import open_dataset
from ledger.datasets.files import RegularFile
from ledger.datasets.looking import look
from ledger.datasets.rows import Row
from ledger.datasets.wanted import FaultyRow
from ledger.errors import RefusedInput
from tests.test_datasets.carriers import arrow
from tests.test_datasets.refusals import refused

TABLE = arrow.table(
    {
        "text": ["a", "bb", None, "ccc", "d"],
        "kind": arrow.array(["x", "y", "x", "x", "y"]).dictionary_encode(),
        "tags": [["u"], [], None, ["v", "w"], ["u"]],
    }
)
KINDS = ["rows.arrow", "rows.arrows"]


def written(path: Path, table: Any = TABLE, codec: str | None = None, rows: int = 2) -> Path:
    opener = arrow.ipc.new_stream if path.suffix == ".arrows" else arrow.ipc.new_file
    with opener(str(path), table.schema, options=arrow.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(table, max_chunksize=rows)
    return path


def texts(path: Path, column: str | None = "text") -> list[bytes | str]:
    return [
        row.content if isinstance(row, Row) else row.error.code
        for row in open_dataset(path).rows(column, lenient=True)
        if isinstance(row, (Row, FaultyRow))
    ]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("codec", [None, "lz4", "zstd"])
def test_how_a_file_is_laid_out(tmp_path: Path, name: str, codec: str | None) -> None:
    path = written(tmp_path / name, codec=codec)
    with RegularFile(path) as file:
        layout = layout_of(file)
    assert (layout.is_stream, layout.ends, layout.codec) == (name.endswith("s"), [2, 4, 5], codec)
    assert texts(path) == [b"a", b"bb", "column-empty", b"ccc", b"d"]
    assert texts(path, "kind") == [b"x", b"y", b"x", b"x", b"y"]
    dataset = open_dataset(path)
    assert (dataset.row_count, dataset.parts[0].columns) == (5, ("text", "kind", "tags"))
    assert dataset.parts[0].is_cut is not layout.is_stream


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("codec", [None, "zstd"])
def test_cut_short_anywhere_it_is_refused(tmp_path: Path, name: str, codec: str | None) -> None:
    path = written(tmp_path / name, codec=codec)
    whole = path.read_bytes()
    for at in {*range(1, len(whole), 11), *range(len(whole) - 40, len(whole))}:
        path.write_bytes(whole[:at])
        with pytest.raises(RefusedInput) as caught:
            texts(path)
        assert caught.value.code == "not-arrow"
        assert caught.value.fix


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("codec", [None, "lz4"])
def test_a_flipped_byte_is_refused_or_changes_a_value_and_never_more(
    tmp_path: Path, name: str, codec: str | None
) -> None:
    """It carries no checksum: what can be asked is that nothing but a refusal is raised, and no row appears or goes."""
    path = written(tmp_path / name, codec=codec)
    whole = path.read_bytes()
    codes = []
    for at in range(0, len(whole), 2):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at // 2 % 8)]) + whole[at + 1 :])
        try:
            assert len(texts(path, "kind")) <= 5
        except RefusedInput as error:
            codes.append(error.code)
    assert set(codes) <= {
        "not-arrow",
        "format-unknown",
        "column-missing",
        "column-twice",
        "dataset-empty",
        "batch-too-large",
    }
    assert len(codes) > 100


def test_the_rows_of_a_batch_are_not_more_than_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "rows.arrow")
    dataset = open_dataset(path)
    original = arrow_module.ArrowReader._read
    monkeypatch.setattr(
        arrow_module.ArrowReader, "_read", lambda self, number: original(self, number).slice(1)
    )
    with refused("not-arrow", "rows.arrow, row 0", "not the rows that it says"):
        list(dataset.rows("text"))


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("arrow") / "rows.arrow"
    path.write_bytes(content)
    for head in (b"", b"ARROW1\0\0", b"\xff\xff\xff\xff"):
        path.write_bytes(head + content)
        with RegularFile(path) as file, pytest.raises((Damaged, RefusedInput)):
            layout_of(file)


def test_a_stream_without_an_end_mark_or_with_more_behind_it_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.arrows")
    whole = path.read_bytes()
    assert whole.endswith(b"\xff\xff\xff\xff\0\0\0\0")
    path.write_bytes(whole[:-8])
    with refused("not-arrow", "rows.arrows", "end mark"):
        texts(path)
    path.write_bytes(whole + whole)
    with refused("not-arrow", "rows.arrows", "behind its end mark"):
        texts(path)


def test_a_batch_that_would_fill_the_memory_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spec, "ARROW_BATCH_BYTES_MAX", 1_048_576)
    values = arrow.array(["x" * 2**21])
    for table, what in (
        (arrow.table({"text": values}), "record batch 0"),
        (arrow.table({"text": values.dictionary_encode()}), "dictionaries"),
    ):
        for name in KINDS:
            for codec in (None, "zstd"):
                with refused("batch-too-large", name, what):
                    open_dataset(written(tmp_path / name, table, codec))


def test_a_length_that_a_packed_buffer_claims_is_not_believed(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.arrow", arrow.table({"text": ["x" * 5_000]}), "lz4")
    whole = path.read_bytes()
    claimed = struct.pack("<q", 5_000)
    at = whole.rindex(claimed)
    path.write_bytes(whole[:at] + struct.pack("<q", 2**40) + whole[at + 8 :])
    with refused("batch-too-large", "rows.arrow"):
        open_dataset(path)
    path.write_bytes(whole[:at] + struct.pack("<q", 2**20) + whole[at + 8 :])
    with refused("not-arrow", "rows.arrow, row 0"):
        texts(path)


def test_offsets_that_lead_outside_are_refused(tmp_path: Path) -> None:
    """pyarrow believes them, and would read what lies there."""
    path = written(tmp_path / "rows.arrow", arrow.table({"text": ["a", "bb"], "n": [1, 2]}), rows=9)
    whole = path.read_bytes()
    offsets = struct.pack("<iii", 0, 1, 3)
    assert whole.count(offsets) == 1
    for wrong in ((0, 1, 1_000_000), (0, 2, 1), (-5, 1, 3)):
        path.write_bytes(whole.replace(offsets, struct.pack("<iii", *wrong)))
        with refused("not-arrow", "rows.arrow, row 0"):
            texts(path)


def test_a_string_that_is_no_utf_8_is_one_faulty_row(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.arrow", arrow.table({"text": ["a", "bb", "c"]}), rows=9)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"abbc", b"ab\xffc"))
    assert texts(path) == [b"a", "not-utf8", b"c"]
    with Crew(0) as crew:
        (run,) = look(crew, open_dataset(path), "text")
        assert [(at, error.code) for at, error in run.errors()] == [(1, "not-utf8")]


def by_workers(path: Path) -> list[bytes | str]:
    """The digests of the rows, or the codes of those that are none."""
    with Crew(0) as crew:
        runs = list(look(crew, open_dataset(path), "text"))
    found: list[bytes | str] = [
        run.batch.digests[32 * at : 32 * at + 32] for run in runs for at in range(run.batch.row_count)
    ]
    for run in runs:
        for at, error in run.errors():
            found[run.row_index + at] = error.code
    return found


def test_a_null_is_no_row_whatever_stands_in_its_place(tmp_path: Path) -> None:
    offsets, content = arrow.py_buffer(struct.pack("<iii", 0, 1, 3)), arrow.py_buffer(b"abb")
    array = arrow.Array.from_buffers(arrow.string(), 2, [arrow.py_buffer(b"\x01"), offsets, content])
    assert array.to_pylist() == ["a", None]
    path = written(tmp_path / "rows.arrow", arrow.table({"text": array}))
    assert texts(path) == [b"a", "column-empty"]
    assert by_workers(path) == [hashlib.sha256(b"a").digest(), "column-empty"]


def test_a_string_that_is_longer_than_a_row_is_one_faulty_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spec, "ROW_BYTES_MAX", 3)
    path = written(tmp_path / "rows.arrow", arrow.table({"text": ["abc", "abcd", "c"]}), rows=9)
    assert texts(path) == [b"abc", "too-large", b"c"]
    assert by_workers(path)[1] == "too-large"


def repeated(kind: str) -> Any:
    """A few thousand rows, each the same mebibyte, that take little more than one."""
    one, count = "x" * 2**20, 3_000
    if kind == "dictionary":
        return arrow.DictionaryArray.from_arrays(arrow.array([0] * count, arrow.int32()), [one])
    if kind == "runs":
        return arrow.RunEndEncodedArray.from_arrays(arrow.array([count], arrow.int32()), arrow.array([one]))
    if kind == "views":
        views = struct.pack("<i4sii", len(one), b"xxxx", 0, 0) * count
        return arrow.Array.from_buffers(
            arrow.string_view(), count, [None, arrow.py_buffer(views), arrow.py_buffer(one.encode())]
        )
    values = arrow.array([one])
    offsets, sizes = arrow.array([0] * count, arrow.int32()), arrow.array([1] * count, arrow.int32())
    return arrow.ListViewArray.from_arrays(offsets, sizes, values)


@pytest.mark.parametrize("kind", ["dictionary", "runs", "views", "lists"])
@pytest.mark.parametrize("name", KINDS)
def test_rows_that_repeat_one_great_value_are_read_in_little_room(
    tmp_path: Path, name: str, kind: str
) -> None:
    path = written(tmp_path / name, arrow.table({"text": repeated(kind)}), "zstd", rows=10_000)
    assert path.stat().st_size < 1_000_000
    dataset = open_dataset(path)
    tracemalloc.start()
    try:
        rows = dataset.rows("text")
        assert [row.size_bytes for row in (next(rows), next(rows)) if isinstance(row, Row)] in (
            [2**20] * 2,
            [2**20 + 4] * 2,
        )
        rows.close()  # type: ignore[attr-defined]
        assert tracemalloc.get_traced_memory()[1] < 32 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["null", "dictionary", "bool"])
def test_a_cell_that_says_more_than_a_row_may_have_is_too_large(tmp_path: Path, kind: str) -> None:
    count = 5_000_000
    if kind == "null":
        values = arrow.nulls(count)
    elif kind == "bool":
        values = (
            arrow.array([True]).take(arrow.nulls(0, arrow.int32()))
            if not count
            else arrow.repeat(True, count)
        )
    else:
        one = arrow.array(["x" * 100_000])
        values = arrow.DictionaryArray.from_arrays(arrow.repeat(arrow.scalar(0, arrow.int32()), 1_000), one)
    lists = arrow.ListArray.from_arrays([0, len(values)], values)
    path = written(tmp_path / "rows.arrow", arrow.table({"text": lists}), "zstd")
    tracemalloc.start()
    try:
        assert texts(path) == ["too-large"]
        assert tracemalloc.get_traced_memory()[1] < 32 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ([b"x"], "binary"),
        (arrow.array([0], arrow.timestamp("s")), "timestamp"),
        (arrow.array([2**31 - 1], arrow.date32()), "date32"),
        (arrow.array([1], arrow.decimal128(5, 2)), "decimal"),
        (arrow.array([[("k", 1)]], arrow.map_(arrow.string(), arrow.int8())), "map"),
        (arrow.array([b"0" * 16], arrow.uuid()), "binary"),
        ([[{"a": [b"x"]}]], "binary"),
    ],
)
def test_what_no_json_value_is_is_refused_by_row_and_column(tmp_path: Path, values: Any, what: str) -> None:
    path = written(tmp_path / "rows.arrow", arrow.table({"text": values}))
    for column in ("text", None):
        with refused("cell-not-json", "rows.arrow, row 0", what):
            list(open_dataset(path).rows(column))


def test_names_that_stand_twice_are_refused(tmp_path: Path) -> None:
    array = arrow.array(["a"])
    path = written(tmp_path / "rows.arrow", arrow.table([array] * 2, names=["text", "text"]))
    with refused("column-twice", "rows.arrow"):
        open_dataset(path)
    struct_ = arrow.StructArray.from_arrays([array, array], names=["a", "a"])
    path = written(tmp_path / "rows.arrow", arrow.table({"text": struct_}))
    with refused("json-duplicate-key", "rows.arrow, row 0"):
        list(open_dataset(path).rows("text"))


def test_feathers_first_version_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "rows.feather"
    path.write_bytes(b"FEA1" + bytes(100))
    with refused("not-arrow", "rows.feather"):
        open_dataset(path)


def test_a_table_without_columns_or_rows(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.arrow", arrow.table({"text": arrow.array([], arrow.string())}))
    with refused("dataset-empty", "rows.arrow"):
        open_dataset(path)


def test_a_file_is_read_from_wherever(tmp_path: Path) -> None:
    out = io.BytesIO()
    with arrow.ipc.new_file(out, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=2)
    for name in KINDS:
        path = written(tmp_path / name)
        with RegularFile(path) as file:
            known = file.fingerprint
        reader = arrow_module.ArrowReader(str(path), known, list)
        try:
            for first in (3, 0, 4, 1):
                for stop in range(first + 1, 6):
                    found = [row for batch in reader.batches(first, stop) for row in batch.to_pylist()]
                    assert found == TABLE.slice(first, stop - first).to_pylist()
        finally:
            reader.close()
