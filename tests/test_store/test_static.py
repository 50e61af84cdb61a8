"""A published tree of files reads as the log does; what is missing or misshapen is named by its path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.errors import StoreFault
from ledger.store import static
from ledger.store.bundles import Erased, pack
from ledger.store.files import write_atomically
from tests.store_suite import code_of

ENTRIES = [b"entry %d" % n for n in range(600)]
RECORDS: list[bytes | Erased] = [Erased(bytes(32)) if n == 259 else b"record %d" % n for n in range(300)]


def publish(folder: Path, size: int, record_count: int) -> None:
    for items, total, path in (
        (ENTRIES, size, static.entries_path),
        (RECORDS, record_count, static.records_path),
    ):
        for number in range(-(-total // 256)):
            part = items[number * 256 : min(total, number * 256 + 256)]
            write_atomically(folder / path(number, len(part)), pack(part))


@pytest.mark.parametrize(
    ("number", "width", "path"),
    [
        (0, 256, "000"),
        (7, 1, "007.p/1"),
        (999, 256, "999"),
        (1000, 256, "x001/000"),
        (123456, 255, "x123/456.p/255"),
        (1234067, 256, "x001/x234/067"),
        (1234067, 9, "x001/x234/067.p/9"),
        (1000000, 256, "x001/x000/000"),
    ],
)
def test_paths_are_those_of_c2sp(number: int, width: int, path: str) -> None:
    assert static.number_path(number, width) == path
    assert static.entries_path(number, width) == f"tile/entries/{path}"
    assert static.records_path(number, width) == f"records/{path}"
    assert static.hashes_path(2, number, width) == f"tile/2/{path}"


@pytest.mark.parametrize(("size", "record_count"), [(1, 0), (255, 1), (256, 256), (257, 300), (600, 257)])
def test_reads_what_was_published(tmp_path: Path, size: int, record_count: int) -> None:
    publish(tmp_path, size, record_count)
    reader = static.StaticReader(tmp_path, size, record_count)
    assert list(reader.entries(0, size)) == ENTRIES[:size]
    assert list(reader.records(0, record_count)) == RECORDS[:record_count]
    assert [reader.entry(n) for n in (0, size - 1)] == [ENTRIES[0], ENTRIES[size - 1]]
    assert [reader.record(n) for n in range(record_count)] == RECORDS[:record_count]
    with pytest.raises(StoreFault) as error:
        reader.entry(size)
    assert code_of(error) == "entry-missing"
    with pytest.raises(StoreFault) as error:
        reader.record(record_count)
    assert code_of(error) == "record-missing"


def test_partial_bundle_that_was_deleted_is_found_in_the_full_one(tmp_path: Path) -> None:
    publish(tmp_path, 600, 256)
    reader = static.StaticReader(tmp_path, 300, 10)
    assert list(reader.entries(0, 300)) == ENTRIES[:300]
    assert list(reader.records(0, 10)) == RECORDS[:10]
    with pytest.raises(StoreFault) as error:
        reader.entry(300)
    assert code_of(error) == "entry-missing"


def test_missing_file_is_named(tmp_path: Path) -> None:
    publish(tmp_path, 300, 300)
    (tmp_path / "tile/entries/001.p/44").unlink()
    reader = static.StaticReader(tmp_path, 300, 300)
    assert reader.entry(255) == ENTRIES[255]
    for use, name in (
        (lambda: reader.entry(256), "tile/entries/001.p/44"),
        (lambda: list(reader.entries(0, 300)), "tile/entries/001.p/44"),
        (lambda: reader.hashes(0, 1), "tile/0/001.p/44"),
        (reader.checkpoint, "checkpoint"),
    ):
        with pytest.raises(StoreFault) as error:
            use()
        assert code_of(error) == "tile-missing"
        assert error.value.item == str(tmp_path / name)


def test_misshapen_file_is_named(tmp_path: Path) -> None:
    publish(tmp_path, 300, 300)
    (tmp_path / "tile/entries/000").write_bytes(pack(ENTRIES[:255]))
    (tmp_path / "records/001.p/44").write_bytes(pack(RECORDS[256:300]) + b"\0")
    (tmp_path / "tile/0").mkdir()
    (tmp_path / "tile/0/000").write_bytes(bytes(8191))
    reader = static.StaticReader(tmp_path, 300, 300)
    uses: list[Callable[[], object]] = [
        lambda: reader.entry(0),
        lambda: reader.record(299),
        lambda: reader.hashes(0, 0),
    ]
    for use in uses:
        with pytest.raises(StoreFault) as error:
            use()
        assert code_of(error) == "bundle-damaged"


def test_hashes_have_the_widths_of_c2sp(tmp_path: Path) -> None:
    """The example of tlog-tiles: a log of 70,000 has 273 full tiles and one of 112, then 1 and 17, then 1 of 1."""
    size = 70_000
    expected = {(0, 0): 256, (0, 272): 256, (0, 273): 112, (1, 0): 256, (1, 1): 17, (2, 0): 1}
    for (level, number), width in expected.items():
        write_atomically(tmp_path / static.hashes_path(level, number, width), bytes([level]) * 32 * width)
    reader = static.StaticReader(tmp_path, size, 0)
    for (level, number), width in expected.items():
        assert reader.hashes(level, number) == bytes([level]) * 32 * width
    smaller = static.StaticReader(tmp_path, 10, 0)
    assert smaller.hashes(0, 0) == bytes(32 * 10)  # the full tile stands in for the partial one
    for level, number in ((0, 274), (1, 2), (2, 1), (3, 0), (0, -1)):
        with pytest.raises(StoreFault) as error:
            reader.hashes(level, number)
        assert code_of(error) == "tile-missing"


def test_checkpoint_is_read_whole(tmp_path: Path) -> None:
    write_atomically(tmp_path / static.CHECKPOINT_PATH, b"origin\n2\nroot\n")
    assert static.StaticReader(tmp_path, 2, 0).checkpoint() == b"origin\n2\nroot\n"
