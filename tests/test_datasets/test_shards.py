"""Shards: what is seen before anything is read, Parquet in parts, and what changes meanwhile."""

from __future__ import annotations

import hashlib
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import spec
from ledger.datasets import shards, tables
from ledger.datasets.crew import Crew
from ledger.datasets.dataset import open_dataset
from ledger.datasets.digests import JCS, RAW
from ledger.datasets.opened import read_rows
from ledger.datasets.shards import Progress, ShardReader, survey
from ledger.datasets.tasks import JSONL, PARQUET, TEXT
from ledger.errors import NotFound, RefusedInput
from tests.test_datasets.refusals import refused

arrow = pytest.importorskip("pyarrow", reason="Parquet is not read: pip install 'lineage-ledger[parquet]'")
parquet = pytest.importorskip("pyarrow.parquet", reason="as above")


def table(path: Path, rows: list[dict[str, Any]], **options: Any) -> Path:
    parquet.write_table(arrow.Table.from_pylist(rows), path, **options)
    return path


def taken(
    path: Path, column: str | None, rows_each: int = 100, start: int = 0, workers: int = 0
) -> list[bytes]:
    """The digests of a shard's rows from one on."""
    (shard,) = survey([path], column).shards
    digests = b""
    with Crew(workers) as crew:
        reader = ShardReader(crew, shard, column, Progress(start), rows_each)
        while not reader.is_at_end:
            digests += reader.take().digests
    return [digests[at : at + 32] for at in range(0, len(digests), 32)]


def test_shards_come_in_order_by_their_names_formats(tmp_path: Path) -> None:
    for name in (
        "b.jsonl",
        "a.NDJSON",
        "c.txt",
        "d.text",
        "notes.md",
        ".hidden.jsonl",
        "b.jsonl.receipts.parquet",
    ):
        (tmp_path / name).write_bytes(b'{"text":"x"}\n')
    table(tmp_path / "e.parquet", [{"text": "x"}])
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "b.jsonl").write_bytes(b'{"text":"x"}\n')
    with refused("column-missing", "c.txt"):
        survey([tmp_path], "text")
    found = survey([tmp_path], None)
    assert [(str(shard.path.relative_to(tmp_path)), shard.format) for shard in found.shards] == [
        ("a.NDJSON", JSONL),
        ("b.jsonl", JSONL),
        ("below/b.jsonl", JSONL),
        ("c.txt", TEXT),
        ("d.text", TEXT),
        ("e.parquet", PARQUET),
    ]
    assert (found.hidden, found.companions, found.foreign) == (1, 1, 1)
    named = survey([tmp_path / "notes.md", tmp_path / "b.jsonl", tmp_path / "b.jsonl"], "text")
    assert [(shard.path.name, shard.format) for shard in named.shards] == [
        ("notes.md", JSONL),
        ("b.jsonl", JSONL),
    ]


def test_what_is_wrong_with_a_shard_is_seen_before_the_first_is_read(tmp_path: Path) -> None:
    good = tmp_path / "a.jsonl"
    good.write_bytes(b'{"text":"x"}\n')
    cases: list[tuple[str, bytes, str]] = [
        ("b.jsonl", b"", "dataset-empty"),
        ("b.txt", b"", "dataset-empty"),
        ("b.parquet", b"", "not-parquet"),
        ("b.parquet", table(tmp_path / "x", [{"text": "x"}]).read_bytes()[:-9], "not-parquet"),
        ("b.parquet", table(tmp_path / "x", [{"n": 1}]).read_bytes(), "column-missing"),
    ]
    (tmp_path / "x").unlink()
    for name, content, code in cases:
        path = tmp_path / name
        path.write_bytes(content)
        column = None if name.endswith("txt") else "text"
        with refused(code, name):
            survey([good, path], column)
        path.unlink()
    empty = tmp_path / "empty.parquet"
    parquet.write_table(arrow.table({"text": arrow.array([], arrow.string())}), empty)
    with refused("dataset-empty", "empty.parquet"):
        survey([empty], "text")
    with pytest.raises(NotFound):
        survey([good, tmp_path / "absent"], "text")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "README").write_bytes(b"x")
    with refused("no-paths", "folder"):
        survey([tmp_path / "folder"], "text")
    (tmp_path / "folder" / "out.jsonl").symlink_to(good)
    with refused("link-leaves-folder", "out.jsonl"):
        survey([tmp_path / "folder"], "text")


CELLS = st.one_of(
    st.text(min_size=1, max_size=5),
    st.text(min_size=1, max_size=5),
    st.sampled_from(["Straße", "漢字", "x" * 60]),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(CELLS, min_size=1, max_size=30),
    st.sampled_from([1, 3, 10, 1_000]),
    st.integers(1, 12),
    st.integers(1, 9),
    st.sampled_from(["plain", "dictionary", "large"]),
)
def test_parts_of_a_table_are_the_rows_of_the_slow_reader(
    tmp_path_factory: pytest.TempPathFactory,
    cells: list[str],
    group: int,
    rows_each: int,
    part: int,
    kind: str,
) -> None:
    path = tmp_path_factory.mktemp("table") / "rows.parquet"
    array = arrow.array(cells, arrow.large_string() if kind == "large" else arrow.string())
    if kind == "dictionary":
        array = array.dictionary_encode()
    parquet.write_table(arrow.table({"n": range(len(cells)), "text": array}), path, row_group_size=group)
    slow = [hashlib.sha256(row.content).digest() for row in read_rows(path, "text")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "_TABLE_ROWS_MAX", part)
        patch.setattr(tables, "BATCH_ROWS", 4)
        assert taken(path, "text", rows_each) == slow
        start = rows_each * (len(cells) // rows_each // 2)
        assert taken(path, "text", rows_each, start) == slow[start:]


ROWS: list[dict[str, Any]] = [
    {"text": f"row {n}", "n": n if n % 3 else None, "deep": {"b": [n], "a": "x"}} for n in range(50)
]


@pytest.mark.parametrize("column", ["text", "deep", None])
def test_tables_and_lines_have_the_same_rows(tmp_path: Path, column: str | None) -> None:
    lines = tmp_path / "rows.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    path = table(tmp_path / "rows.parquet", ROWS, row_group_size=7)
    assert taken(path, column) == taken(lines, column)


@pytest.mark.parametrize(
    ("bad", "column", "code", "item"),
    [
        (None, "text", "column-empty", "rows.parquet, row 33"),
        ("", "text", "column-empty", "rows.parquet, row 33"),
        ("x" * 90, "text", "too-large", "rows.parquet, row 33"),
    ],
)
def test_the_row_that_is_refused_is_named_and_those_before_are_given(
    tmp_path: Path, bad: object, column: str, code: str, item: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spec, "ROW_BYTES_MAX", 80)
    rows = [dict(row, text=bad if n == 33 else row["text"]) for n, row in enumerate(ROWS)]
    path = table(tmp_path / "rows.parquet", rows, row_group_size=20)
    with pytest.raises(RefusedInput) as slow:
        list(read_rows(path, column))
    (shard,) = survey([path], column).shards
    with Crew(0) as crew:
        reader = ShardReader(crew, shard, column, Progress(), 10)
        with refused(code, item, slow.value.reason):
            while not reader.is_at_end:
                reader.take()
        assert reader.progress.rows == 33


def test_cells_that_no_json_has_are_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "rows.parquet", [{"text": b"x"}, {"text": b"y"}])
    with refused("cell-not-json", "rows.parquet, row 0", "bytes"):
        taken(path, "text")


def test_text_that_is_no_utf8_is_no_parquet_as_for_the_slow_reader(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    binary = arrow.array([b"good", b"\xff\xfe"])
    text = arrow.Array.from_buffers(arrow.string(), 2, binary.buffers())
    parquet.write_table(arrow.table({"text": text}), path)
    with refused("not-parquet", "rows.parquet"):
        list(read_rows(path, "text"))
    with refused("not-parquet", "rows.parquet"):
        taken(path, "text")


def test_a_table_whose_pages_are_damaged_is_refused(tmp_path: Path) -> None:
    path = table(
        tmp_path / "rows.parquet", [{"text": str(n) * 50} for n in range(5_000)], compression="snappy"
    )
    content = bytearray(path.read_bytes())
    content[4_000:9_000] = bytes(5_000)
    path.write_bytes(content)
    with refused("not-parquet", "rows.parquet"):
        taken(path, "text")


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
@pytest.mark.parametrize("change", ["grow", "replace", "touch", "remove"])
def test_a_shard_that_changes_between_two_parts_is_refused(tmp_path: Path, name: str, change: str) -> None:
    path = tmp_path / name
    if name.endswith("parquet"):
        table(path, ROWS, row_group_size=5)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (shard,) = survey([path], "text").shards
    with pytest.MonkeyPatch.context() as patch, Crew(0) as crew:
        patch.setattr(spec, "STRETCH_BYTES", 100)
        patch.setattr(shards, "_PARTS_LEAST", 1)
        patch.setattr(shards, "_PARTS_MAX", 1)
        patch.setattr(shards, "_TABLE_PARTS_MAX", 1)
        reader = ShardReader(crew, shard, "text", Progress(), 10)
        reader.take()
        reader.check_unchanged()
        if change == "grow":
            with path.open("ab") as file:
                file.write(b'{"text":"more"}\n')
        elif change == "replace":
            copy = tmp_path / "copy"
            copy.write_bytes(path.read_bytes())
            os.utime(copy, ns=(0, shard.fingerprint.mtime_ns))
            copy.replace(path)
        elif change == "touch":
            os.utime(path, ns=(0, shard.fingerprint.mtime_ns + 1))
        else:
            path.unlink()
        code = "file-not-found" if change == "remove" else "file-changed"
        with refused(code, name):
            reader.check_unchanged()
        if change != "replace" or name.endswith(
            "jsonl"
        ):  # an open table is read on; `check_unchanged` sees it
            if change == "remove" and name.endswith("parquet"):
                return
            with refused(code, name):
                while not reader.is_at_end:
                    reader.take()


def test_few_digests_are_out_at_a_time_however_short_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.txt"
    path.write_bytes(b"a\n" * 40_000)
    (shard,) = survey([path], None).shards
    monkeypatch.setattr(spec, "STRETCH_BYTES", 500)
    monkeypatch.setattr(spec, "ROWS_MAX", 5_000)
    with Crew(0) as crew:
        reader = ShardReader(crew, shard, None, Progress(), 5_000)
        out = 0
        while not reader.is_at_end:
            assert reader.take().forms == RAW
            out = max(out, len(reader._out))
    assert 8 <= out <= 256
    assert len(reader._out) == 0
    assert reader._parts_max() == 20, "5,000 rows at 250 in a stretch"


def test_great_rows_of_a_small_table_are_not_held_together(tmp_path: Path) -> None:
    """Each row is the same megabyte, which stands in the file once."""
    values = arrow.DictionaryArray.from_arrays(arrow.array([0] * 256, arrow.int32()), ["x" * 2**20])
    path = tmp_path / "rows.parquet"
    parquet.write_table(arrow.table({"text": values}), path, compression="zstd")
    tracemalloc.start()
    try:
        assert taken(path, "text") == [hashlib.sha256(b"x" * 2**20).digest()] * 256
        assert tracemalloc.get_traced_memory()[1] < 200 * 2**20
    finally:
        tracemalloc.stop()


def test_forms_are_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"text":"x"}\n{"text":1}\n')
    (shard,) = survey([path], "text").shards
    with Crew(0) as crew:
        assert ShardReader(crew, shard, "text", Progress(), 10).take().forms == RAW | JCS
        assert ShardReader(crew, shard, None, Progress(), 10).take().forms == JCS


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
@pytest.mark.parametrize("column", ["text", "lang", None])
def test_the_cells_that_folders_tell_are_cells_for_an_import_too(
    tmp_path: Path, name: str, column: str | None
) -> None:
    for lang in ("de", "en"):
        path = tmp_path / f"lang={lang}" / name
        path.parent.mkdir()
        rows = [{"text": f"{lang} {at}", "n": at} for at in range(30)]
        if name.endswith("parquet"):
            table(path, rows, row_group_size=7)
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    expected = [row.digest for row in open_dataset(tmp_path).rows(column)]  # type: ignore[union-attr]
    assert len(expected) == 60
    found = b""
    with Crew(0) as crew:
        for shard in survey([tmp_path], column).shards:
            reader = ShardReader(crew, shard, column, Progress(), 11)
            while not reader.is_at_end:
                found += reader.take().digests
    assert found == b"".join(expected)
    named = survey([tmp_path / "lang=de" / name], "text").shards  # what is named is no part of it
    assert named[0].partition == {}


def test_formats_that_an_import_does_not_take_are_refused_by_name(tmp_path: Path) -> None:
    for name in ("rows.csv", "rows.jsonl.gz", "rows.arrow"):
        (tmp_path / name).write_bytes(b'{"text":"x"}\n')
        with refused("format-unknown", name):
            survey([tmp_path / name], "text")
