"""Packed files: what they unpack to, damage wherever it is, memory that nothing packed can buy; and a row of 100 MB."""

from __future__ import annotations

import gzip
import os
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import extras
from ledger.datasets import streams
from ledger.datasets.crew import Crew
from ledger.datasets.dataset import open_dataset
from ledger.datasets.looking import look
from ledger.datasets.rows import Row
from ledger.datasets.wanted import FaultyRow
from ledger.errors import RefusedInput
from tests.test_datasets.carriers import NO_ZSTD, has_zstd, pack
from tests.test_datasets.refusals import refused

MIB = 1_048_576
LINES = b"".join(b'{"text":"row %d"}\n' % at for at in range(2_000))
PACKED = [
    "rows.jsonl.gz",
    pytest.param("rows.jsonl.zst", marks=pytest.mark.skipif(not has_zstd(), reason=NO_ZSTD)),
]


def contents(path: Path) -> list[bytes]:
    return [row.content for row in open_dataset(path).rows("text") if isinstance(row, Row)]


EXPECTED = [b"row %d" % at for at in range(2_000)]


@pytest.mark.parametrize("name", PACKED)
def test_members_one_behind_the_other_are_one_file(tmp_path: Path, name: str) -> None:
    """As `cat a.gz b.gz` makes it; a line may begin in one and end in the next."""
    path = tmp_path / name
    path.write_bytes(pack(name, LINES[:1_003]) + pack(name, b"") + pack(name, LINES[1_003:]))
    assert contents(path) == EXPECTED


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("workers", [False, True])
def test_a_file_that_is_cut_short_or_damaged_ends_with_the_row_reached(
    tmp_path: Path, name: str, workers: bool
) -> None:
    whole = pack(name, LINES)
    path = tmp_path / name
    cuts = [whole[:at] for at in (1, 10, len(whole) // 2, len(whole) - 1)]
    flips = [
        whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :]
        for at in (0, len(whole) // 2, len(whole) - 2)
    ]
    for content in [*cuts, *flips, whole + b"junk"]:
        path.write_bytes(content)
        found: list[bytes] = []
        with pytest.raises(RefusedInput) as caught:
            found.extend(told(path, workers))
        assert caught.value.code == "compressed-damaged"
        assert caught.value.item == f"{path}, row {len(found)}"
        assert caught.value.fix
        if found:
            assert f"; {len(found):,} rows stand before it" in caught.value.reason
        if content in (whole[:-1], whole + b"junk"):
            assert len(found) in (len(EXPECTED), 0 if ".zst" in name else -1)
        if content in cuts and not workers:
            assert found == EXPECTED[: len(found)]


def told(path: Path, workers: bool) -> Iterator[bytes]:
    if not workers:
        for row in open_dataset(path).rows("text", lenient=True):
            yield row.content if isinstance(row, Row) else b""
        return
    with Crew(0) as crew:
        for run in look(crew, open_dataset(path), "text"):
            yield from [b""] * run.batch.row_count


@pytest.mark.parametrize("name", PACKED)
def test_what_unpacks_to_nothing_is_no_dataset(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(pack(name, b""))
    with refused("dataset-empty", name):
        contents(path)
    with refused("dataset-empty", name), Crew(0) as crew:
        list(look(crew, open_dataset(path), "text"))


def bomb(name: str, size_bytes: int, tail: bytes = b"") -> bytes:
    """A file of a few kilobytes that unpacks to one endless line."""
    unpacked = b'{"text":"' + b"x" * size_bytes + tail
    return pack(name, unpacked)


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("lenient", [True, False])
def test_a_packed_line_of_100_mb_takes_no_memory(tmp_path: Path, name: str, lenient: bool) -> None:
    path = tmp_path / name
    path.write_bytes(bomb(name, 100 * MIB, b'"}\n{"text":"after"}\n'))
    assert path.stat().st_size < MIB
    dataset = open_dataset(path)
    tracemalloc.start()
    try:
        if lenient:
            faulty, after = dataset.rows("text", lenient=True)
            assert isinstance(faulty, FaultyRow)
            assert faulty.error.code == "too-large"
            assert after == Row(1, b"after", "raw")
            with Crew(0) as crew:
                assert sum(run.batch.row_count for run in look(crew, dataset, "text")) == 2
        else:
            with refused("too-large", f"{name}, row 0 (line 1)"):
                next(dataset.rows("text"))
        assert tracemalloc.get_traced_memory()[1] < 40 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.txt"])
def test_a_row_of_100_mb_takes_no_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        file.write(b"text\n" if name.endswith("csv") else b"")
        for _ in range(100):
            file.write(b"x" * MIB)
        file.write(b'\n{"text":"after"}\n')
    column = None if name.endswith("txt") else "text"
    tracemalloc.start()
    try:
        dataset = open_dataset(path)
        faulty, *_ = dataset.rows(column, lenient=True)
        assert isinstance(faulty, FaultyRow)
        assert (faulty.row_index, faulty.error.code) == (0, "too-large")
        with refused("too-large", "row 0"):
            next(dataset.rows(column))
        with Crew(0) as crew:
            assert sum(run.batch.row_count for run in look(crew, dataset, column)) == 2
        assert tracemalloc.get_traced_memory()[1] < 40 * MIB
    finally:
        tracemalloc.stop()


def test_many_packed_rows_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    line = b'{"text":"' + b"x" * 60_000 + b'"}\n'
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(1_000):  # 60 MB
            file.write(line)
    dataset = open_dataset(path)
    tracemalloc.start()
    try:
        assert sum(1 for _ in dataset.rows("text")) == 1_000
        with Crew(0) as crew:
            assert sum(run.batch.row_count for run in look(crew, dataset, "text")) == 1_000
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(not has_zstd(), reason=NO_ZSTD)
def test_a_window_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    library = streams.zstd()
    path = tmp_path / "rows.jsonl.zst"
    parameter = library.CompressionParameter
    compressor = library.ZstdCompressor(options={parameter.window_log: 30, parameter.content_size_flag: 0})
    packed = compressor.compress(LINES) + compressor.flush()
    path.write_bytes(packed)
    with refused("compressed-damaged", "rows.jsonl.zst"):
        contents(path)


def test_zstd_without_its_library_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.jsonl.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd")

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(extras, "import_module", missing)
    with pytest.raises(RefusedInput) as caught:
        contents(path)
    assert caught.value.code == "extra-missing"
    assert "lineage-ledger[zstd]" in caught.value.fix
    assert caught.value.item == ("compression" if sys.version_info >= (3, 14) else "backports")


@pytest.mark.parametrize("name", ["rows.jsonl.gz", "rows.jsonl", "rows.csv"])
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(pack(name, b"text\n" * 3 if name.endswith("csv") else LINES))
    dataset = open_dataset(path)
    rows = dataset.rows("text")
    next(rows)
    os.utime(path, ns=(1, 1))
    with refused("file-changed", name):
        list(rows)
    with refused("file-changed", name):  # since it was opened
        list(dataset.rows("text"))
    with refused("file-changed", name), Crew(0) as crew:
        list(look(crew, dataset, "text"))
