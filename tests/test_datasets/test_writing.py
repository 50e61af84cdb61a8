"""What is kept of a dataset: byte for byte where rows are bytes, with the same columns and metadata where they are not; in the same order, under the same names."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger import spec
from ledger.datasets import delimited, parquet_join, streams, writing
from ledger.datasets.crew import Crew
from ledger.datasets.dataset import Dataset, open_dataset
from ledger.datasets.looking import look
from ledger.datasets.staging import Staging
from ledger.datasets.streams import zstd
from ledger.errors import InvariantBroken, RefusedInput, StoreFault
from tests.test_datasets import naive_csv
from tests.test_datasets.carriers import STRINGS, arrow, pack, parquet
from tests.test_datasets.refusals import refused
from tests.test_datasets.test_formats_agree import one_by_one, portions


def kept_rows(dataset: Dataset, keep: list[bool], column: str | None, segment_bytes: int) -> dict[Any, bytes]:
    """The flags of each segment."""
    flags: dict[Any, bytearray] = {segment: bytearray() for segment in dataset.segments(segment_bytes)}
    with Crew(0) as crew:
        for run in look(crew, dataset, column, segments=list(flags)):
            at = run.row_index
            flags[run.segment] += bytes(keep[at : at + run.batch.row_count])
    return {segment: bytes(found) for segment, found in flags.items()}


def write(named: Path, out: Path, keep: list[bool], column: str | None = "text", size: int = 10**9) -> Path:
    dataset = open_dataset(named)
    flags = kept_rows(dataset, keep, column, size)
    staging = Staging(out, dataset, list(flags))
    for segment, found in flags.items():
        assert not staging.has(segment)
        assert staging.write(segment, found) == found.count(1)
        assert staging.has(segment)
    return staging.publish()


def unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(content)
    if path.suffix == ".zst":
        found: bytes = zstd().decompress(content)
        return found
    return content


lines = st.lists(
    st.tuples(st.binary(max_size=12).map(lambda data: data.replace(b"\n", b"")), st.booleans()),
    min_size=1,
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(lines, st.booleans(), st.sampled_from([5, 17, 10**9]), st.sampled_from([3, 1_000]))
@example([(b"", True)], True, 5, 3)
@example([(b"x" * 40, False), (b"a", True)], False, 5, 3)
def test_the_lines_that_are_kept_are_the_very_bytes(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[bytes, bool]],
    ended: bool,
    segment_bytes: int,
    size: int,
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    if not ended and not rows[-1][0]:
        rows = [*rows, (b"end", True)]
    ends = [b"\n"] * (len(rows) - 1) + [b"\n" if ended else b""]
    with pytest.MonkeyPatch.context() as patch, portions(size):
        patch.setattr(spec, "ROW_BYTES_MAX", 30)
        rows = [(line, flag and len(line) <= 30) for line, flag in rows]
        content = b"".join(line + end for (line, _), end in zip(rows, ends, strict=True))
        expected = b"".join(line + end for (line, flag), end in zip(rows, ends, strict=True) if flag)
        for name in ("rows.jsonl", "rows.txt", "rows.jsonl.gz", "rows.txt.zst"):
            (folder / name).write_bytes(pack(name, content))
            out = write(
                folder / name, folder / f"out.{name}", [flag for _, flag in rows], None, segment_bytes
            )
            assert unpacked(out) == expected, name


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.sampled_from([b"a", b'"', b'""', b",", b"\n", b"\r\n", b"\0", b"\xff", b'"c\nd"', b"x" * 40]),
        max_size=20,
    ),
    st.data(),
    st.sampled_from([7, 1_000]),
)
def test_the_records_that_are_kept_are_the_very_bytes(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], data: st.DataObject, size: int
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    header = b"\xef\xbb\xbftext,n\r\n"
    content = header + b"".join(pieces)
    with pytest.MonkeyPatch.context() as patch, portions(size):
        patch.setattr(spec, "ROW_BYTES_MAX", 30)
        records, ended = naive_csv.read(b"".join(pieces), b",", 30)
        if ended or not records:
            return
        keep = [data.draw(st.booleans()) and record.code != "too-large" for record in records]
        expected = header + b"".join(record.raw for record, flag in zip(records, keep, strict=True) if flag)
        for name in ("rows.csv", "rows.csv.gz"):
            (folder / name).write_bytes(pack(name, content))
            assert unpacked(write(folder / name, folder / f"out.{name}", keep)) == expected


@settings(max_examples=10, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=12), st.sampled_from([1, 40, 10**9]))
@example([False, False], 1)
@example([True] * 9, 1)
def test_what_is_kept_in_every_format_is_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, keep: list[bool], size: int
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    rows = [{"text": f"row {at}", "n": str(at)} for at in range(len(keep))]
    for name, put in STRINGS.items():
        put(folder / name, rows)
        out = write(folder / name, folder / f"out.{name}", keep, size=size)
        before, _ = one_by_one(open_dataset(folder / name).rows("text", ("n",)))
        expected = [row[1:] for row, flag in zip(before, keep, strict=True) if flag]
        if expected:
            after, ended = one_by_one(open_dataset(out).rows("text", ("n",)))
            assert ([row[1:] for row in after], ended) == (expected, None), name
        elif ".arrow" in name or "parquet" in name or "feather" in name:
            with refused("dataset-empty"):
                open_dataset(out)
        else:
            assert unpacked(out).count(b"\n") == (1 if "sv" in name else 0)


def odd_table() -> Any:
    schema = arrow.schema(
        [
            arrow.field("text", arrow.string(), nullable=False, metadata={"about": "text"}),
            arrow.field("kind", arrow.dictionary(arrow.int16(), arrow.string())),
            arrow.field("when", arrow.timestamp("us", tz="UTC")),
            arrow.field("tags", arrow.list_(arrow.field("item", arrow.large_string()))),
            arrow.field("blob", arrow.binary()),
        ],
        metadata={"huggingface": "{}", "own": "ü"},
    )
    rows = [
        {"text": f"row {at}", "kind": "ab"[at % 2], "when": at, "tags": ["x"] * (at % 3), "blob": bytes([at])}
        for at in range(20)
    ]
    return arrow.Table.from_pylist(rows, schema)


@pytest.mark.parametrize("size", [1, 10**9])
def test_a_parquet_file_keeps_its_columns_metadata_and_layout(tmp_path: Path, size: int) -> None:
    path = tmp_path / "rows.parquet"
    table = odd_table()
    parquet.write_table(
        table,
        path,
        row_group_size=6,
        compression={
            "text": "zstd",
            "kind": "none",
            "when": "snappy",
            "tags.list.element": "gzip",
            "blob": "none",
        },
        use_dictionary=["kind"],
    )
    keep = [at % 4 != 1 for at in range(20)]
    out = write(path, tmp_path / "out.parquet", keep, size=size)
    found = parquet.read_table(out)
    assert found.schema.equals(parquet.read_table(path).schema, check_metadata=True)
    assert found.equals(table.filter(arrow.array(keep)).cast(found.schema))
    before, after = (parquet.ParquetFile(each).metadata for each in (path, out))
    groups = [after.row_group(at).num_rows for at in range(after.num_row_groups)]
    assert groups == ([4, 5, 4, 2] if size == 1 else [6, 6, 3])
    for column in range(before.num_columns):
        one, other = before.row_group(0).column(column), after.row_group(0).column(column)
        assert (one.path_in_schema, one.compression, one.has_dictionary_page) == (
            other.path_in_schema,
            other.compression,
            other.has_dictionary_page,
        )
    assert {key: value for key, value in after.metadata.items() if key != b"ARROW:schema"} == {
        key: value for key, value in before.metadata.items() if key != b"ARROW:schema"
    }
    assert (b"ARROW:schema" in after.metadata) is (b"ARROW:schema" in before.metadata)


def test_parquet_pieces_are_joined_without_decoding(tmp_path: Path) -> None:
    rng = range(5)
    tables = [odd_table().slice(4 * at, 4) for at in rng]
    pieces = [tmp_path / f"{at}.parquet" for at in rng]
    for piece, table in zip(pieces, tables, strict=True):
        parquet.write_table(
            table, piece, row_group_size=3, write_page_index=True, use_dictionary=["text", "kind"]
        )
    out = tmp_path / "out.parquet"
    with out.open("wb") as file:
        assert parquet_join.join(pieces, file) == 20
    found = parquet.ParquetFile(out)
    assert found.read().equals(arrow.concat_tables([parquet.read_table(piece) for piece in pieces]))
    assert found.metadata.num_row_groups == 10
    assert [found.read_row_group(at).num_rows for at in range(10)] == [3, 1] * 5
    assert found.schema_arrow.equals(parquet.read_schema(pieces[0]), check_metadata=True)
    with out.open("wb") as file:
        assert parquet_join.join(pieces[:1], file) == 4
    assert out.read_bytes()[:-300] == pieces[0].read_bytes()[:-300]


def test_parquet_pieces_that_are_damaged_or_of_other_columns_are_told(tmp_path: Path) -> None:
    piece, other = tmp_path / "piece.parquet", tmp_path / "other.parquet"
    parquet.write_table(arrow.table({"text": ["a"] * 20}), piece)
    parquet.write_table(arrow.table({"words": ["a"] * 20}), other)
    whole = piece.read_bytes()

    def told(reason: str, *pieces: Path) -> None:
        with (tmp_path / "out").open("wb") as file, pytest.raises(StoreFault, match=reason) as caught:
            parquet_join.join(pieces, file)
        assert caught.value.code == "output-failed"

    told("other columns", piece, other)
    length = int.from_bytes(whole[-8:-4], "little")
    for content, reason in [
        (b"", "no footer"),
        (b"PAR1", "no footer"),
        (whole[:-1], "no footer"),
        (whole[:-8] + (len(whole)).to_bytes(4, "little") + b"PAR1", "no footer"),
        (whole[:-8] + (length - 1).to_bytes(4, "little") + b"PAR1", "cannot be read|behind"),
        (whole[:-8] + (length + 1).to_bytes(4, "little") + b"PAR1", "cannot be read|behind"),
        (whole[:-8] + b"\0" + (length + 1).to_bytes(4, "little") + b"PAR1", "behind it"),
    ]:
        piece.write_bytes(content)
        told(reason, piece)


def test_what_was_joined_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.parquet"
    parquet.write_table(arrow.table({"text": ["a", "b"]}), path, row_group_size=1)
    original = parquet_join.join
    monkeypatch.setattr(writing, "join", lambda pieces, out: original(pieces, out) + 1)
    with pytest.raises(InvariantBroken, match="3 rows were joined, and 2"):
        write(path, tmp_path / "out.parquet", [True, True], size=1)
    assert not (tmp_path / "out.parquet").exists()


def test_a_parquet_file_of_another_writer_stays_as_plain(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    table = arrow.table({"text": ["a", "b"], "when": arrow.array([1, 2], arrow.timestamp("ns"))})
    parquet.write_table(table, path, store_schema=False, use_deprecated_int96_timestamps=True, version="1.0")
    out = write(path, tmp_path / "out.parquet", [True, False])
    found = parquet.ParquetFile(out).metadata
    assert found.metadata is None
    assert found.format_version == "1.0"
    assert found.row_group(0).column(1).physical_type == "INT96"


def test_rows_of_many_bytes_make_smaller_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_GROUP_BYTES_MAX", 10_000)
    path = tmp_path / "rows.parquet"
    parquet.write_table(arrow.table({"text": [str(at) * 1_000 for at in range(100)]}), path)
    out = write(path, tmp_path / "out.parquet", [True] * 100)
    monkeypatch.undo()
    assert parquet.ParquetFile(out).metadata.num_row_groups >= 1
    assert parquet.read_table(out).equals(parquet.read_table(path))


@pytest.mark.parametrize("name", ["rows.arrow", "rows.arrows"])
@pytest.mark.parametrize("codec", [None, "lz4", "zstd"])
def test_an_arrow_file_keeps_its_columns_metadata_and_batches(
    tmp_path: Path, name: str, codec: str | None
) -> None:
    table = odd_table()
    opener = arrow.ipc.new_stream if name.endswith("s") else arrow.ipc.new_file
    reopen = arrow.ipc.open_stream if name.endswith("s") else arrow.ipc.open_file
    with opener(
        str(tmp_path / name), table.schema, options=arrow.ipc.IpcWriteOptions(compression=codec)
    ) as writer:
        writer.write_table(table, max_chunksize=5)
    keep = [at not in range(5, 10) for at in range(20)]
    out = write(tmp_path / name, tmp_path / f"out.{name}", keep)
    with arrow.memory_map(str(out)) as source:
        found = reopen(source).read_all()
        assert found.schema.equals(table.schema, check_metadata=True)
        assert found.equals(table.filter(arrow.array(keep)))
        assert [len(chunk) for chunk in found.column("text").chunks] == [5, 5, 5]
    with out.open("rb") as file:
        content = file.read()
    assert (b"\x04\x22\x4d\x18" in content or b"\x28\xb5\x2f\xfd" in content) is (codec is not None)


def test_a_stream_whose_dictionary_changes_is_kept(tmp_path: Path) -> None:
    schema = arrow.schema({"text": arrow.dictionary(arrow.int8(), arrow.string())})
    path = tmp_path / "rows.arrows"
    with arrow.ipc.new_stream(str(path), schema) as writer:
        for words in (["a", "b"], ["c"], ["d", "a"]):
            codes = arrow.array(range(len(words)), arrow.int8())
            array = arrow.DictionaryArray.from_arrays(codes, arrow.array(words))
            writer.write_batch(arrow.record_batch([array], schema=schema))
    out = write(path, tmp_path / "out.arrows", [True, False, True, False, True])
    assert [row[1] for row in one_by_one(open_dataset(out).rows("text"))[0]] == [
        row[1] for row in one_by_one(open_dataset(path).rows("text"))[0][::2]
    ]


def test_a_row_that_is_too_long_cannot_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "ROW_BYTES_MAX", 30)
    monkeypatch.setattr(streams, "PIECE_BYTES", 8)
    monkeypatch.setattr(delimited, "PIECE_BYTES", 8)
    for name in ("rows.jsonl", "rows.csv"):
        (tmp_path / name).write_bytes(b"text\n" * name.endswith("csv") + b"x" * 100 + b"\n")
        dataset = open_dataset(tmp_path / name)
        (segment,) = dataset.segments()
        staging = Staging(tmp_path / f"out.{name}", dataset)
        with refused("too-large"):
            staging.write(segment, b"\1")
        assert not staging.has(segment)


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz", "rows.csv", "rows.parquet", "rows.arrow"])
@pytest.mark.parametrize("flags", [1, 3])
def test_another_number_of_rows_than_was_looked_at_is_a_change(tmp_path: Path, name: str, flags: int) -> None:
    STRINGS[name](tmp_path / name, [{"text": "a"}, {"text": "b"}]) if name in STRINGS else (
        tmp_path / name
    ).write_bytes(pack(name, b'{"text":"a"}\n{"text":"b"}\n'))
    dataset = open_dataset(tmp_path / name)
    (segment,) = dataset.segments()
    staging = Staging(tmp_path / f"out.{name}", dataset)
    with refused("file-changed", name):
        staging.write(segment, bytes([1] * flags))
    assert not staging.has(segment)


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.parquet", "rows.arrows"])
def test_a_file_that_changed_since_it_was_looked_at_is_refused(tmp_path: Path, name: str) -> None:
    import os

    STRINGS[name](tmp_path / name, [{"text": "a"}])
    dataset = open_dataset(tmp_path / name)
    os.utime(tmp_path / name, ns=(1, 1))
    staging = Staging(tmp_path / f"out.{name}", dataset, [])
    with refused("file-changed", name):
        staging.write(open_dataset(tmp_path / name).segments()[0], b"\1")


def test_what_pyarrow_cannot_write_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.parquet"
    parquet.write_table(arrow.table({"text": ["a"]}), path)

    def refuse(*_: object, **__: object) -> None:
        raise arrow.ArrowNotImplementedError("no such type")

    monkeypatch.setattr(parquet.ParquetWriter, "write_table", refuse)
    with pytest.raises(StoreFault, match="no such type"):
        write(path, tmp_path / "out.parquet", [True])
    assert not (tmp_path / "out.parquet").exists()


def test_jsonl_is_kept_though_it_says_nothing_of_its_format(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_bytes(b'{"text":"a"}\n{"text":"b"}\n')
    out = write(path, tmp_path / "out", [False, True])
    assert json.loads(out.read_bytes()) == {"text": "b"}
    with pytest.raises(RefusedInput):
        open_dataset(tmp_path / "nothing")
