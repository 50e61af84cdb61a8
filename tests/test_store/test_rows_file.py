"""Rows sidecars as files: the bytes that SPEC §10.7 says, whole or not at all; and whatever else may lie under their name."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import StoreFault
from ledger.store.rows_file import RowsFile, RowsFolder
from tests import reference

ID = hashlib.sha256(b"an artifact").digest()
RECORD = b"what a store does not understand"
DIGESTS = [hashlib.sha256(str(row % 290).encode()).digest() for row in range(300)]  # ten of them twice
WHOLE = reference.sidecar(RECORD, DIGESTS)


def parts() -> list[bytes]:
    """Digests, order and groups."""
    return [WHOLE[24 + len(RECORD) :]]


def put(folder: Path) -> Path:
    rows = RowsFolder(folder)
    assert rows.put(ID, RECORD, len(DIGESTS), parts())
    return rows.path(ID)


def fault(act: Callable[[], object]) -> str:
    with pytest.raises(StoreFault) as caught:
        act()
    assert caught.value.fix
    return caught.value.code


def test_the_bytes_are_those_of_the_table(tmp_path: Path) -> None:
    path = put(tmp_path)
    assert path == tmp_path / "rows" / ID.hex()
    assert path.read_bytes() == WHOLE
    assert path.stat().st_mode & 0o777 == 0o644 & ~_umask()
    with RowsFolder(tmp_path).open(ID) as rows:
        assert (rows.count, rows.record, rows.size_bytes) == (300, RECORD, len(WHOLE))
        assert rows.digests(0, 300) == b"".join(DIGESTS)
        assert rows.digests(298, 900) == b"".join(DIGESTS[298:])
        assert [rows.digest(row) for row in (0, 299, 300, -1)] == [DIGESTS[0], DIGESTS[299], b"", b""]
        order = sorted(range(300), key=lambda row: (DIGESTS[row], row))
        assert list(rows.order) == order
        assert rows.order[10:20] == tuple(order[10:20])
        assert rows.order[299:] == (order[299],)
        assert rows.groups() == reference.mth(DIGESTS[:256]) + reference.mth(DIGESTS[256:])
        assert b"".join(rows.pieces()) == WHOLE
        with pytest.raises(IndexError):
            _ = rows.order[300]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_the_same_again_is_no_work_and_what_was_damaged_is_replaced(tmp_path: Path) -> None:
    path = put(tmp_path)
    os.utime(path, (1, 1))
    inode = path.stat().st_ino
    assert not RowsFolder(tmp_path).put(ID, RECORD, 300, parts())
    assert path.stat().st_ino == inode
    assert RowsFolder(tmp_path).age_s(ID) < 1_000, "who takes it as his own makes it young"
    for damaged in (WHOLE[:-1], WHOLE + b"x", WHOLE[:50] + b"?" + WHOLE[51:], b""):
        path.write_bytes(damaged)
        assert RowsFolder(tmp_path).put(ID, RECORD, 300, parts())
        assert path.read_bytes() == WHOLE
    assert list(path.parent.iterdir()) == [path]


def test_every_cut_and_every_addition_is_seen(tmp_path: Path) -> None:
    path = put(tmp_path)
    for length in [*range(60), len(WHOLE) // 2, len(WHOLE) - 1]:
        path.write_bytes(WHOLE[:length])
        assert fault(lambda: RowsFile(path)) == "rows-damaged"
    path.write_bytes(WHOLE + b"x")
    assert fault(lambda: RowsFile(path)) == "rows-damaged"


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, b"L"),
        (16, b"\0\0\0\0"),  # no row
        (16, (1_048_577).to_bytes(4, "big")),
        (16, (301).to_bytes(4, "big")),
        (20, b"\0\0\0\0"),  # no record
        (20, (16_385).to_bytes(4, "big")),
        (20, b"\xff\xff\xff\xff"),
    ],
)
def test_a_head_that_lies_is_refused_before_anything_is_read(tmp_path: Path, at: int, value: bytes) -> None:
    path = put(tmp_path)
    path.write_bytes(WHOLE[:at] + value + WHOLE[at + len(value) :])
    assert fault(lambda: RowsFile(path)) == "rows-damaged"


def test_a_file_that_is_cut_while_it_is_read_is_a_fault_and_no_crash(tmp_path: Path) -> None:
    path = put(tmp_path)
    with RowsFile(path) as rows:
        os.truncate(path, 100)
        assert fault(lambda: rows.digests(0, 300)) == "rows-damaged"
        assert fault(rows.groups) == "rows-damaged"
        assert fault(lambda: rows.order[299]) == "rows-damaged"


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    rows = RowsFolder(tmp_path)
    assert fault(lambda: rows.open(ID)) == "rows-missing"
    assert not rows.is_there(ID)
    assert rows.ids() == []
    path = put(tmp_path)
    path.unlink()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(WHOLE)
    path.symlink_to(elsewhere)
    assert rows.is_there(ID)
    assert fault(lambda: rows.open(ID)) == "link-refused"
    assert fault(lambda: rows.put(ID, RECORD, 300, parts())) == "link-refused"
    assert elsewhere.read_bytes() == WHOLE
    path.unlink()
    path.mkdir()
    assert fault(lambda: rows.open(ID)) == "not-a-regular-file"
    path.rmdir()
    os.mkfifo(path)
    assert fault(lambda: rows.open(ID)) == "not-a-regular-file"


def test_a_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "rows").symlink_to(elsewhere)
    assert fault(lambda: RowsFolder(tmp_path).put(ID, RECORD, 300, parts())) == "link-refused"
    assert list(elsewhere.iterdir()) == []


class FullDisk(io.FileIO):
    """A file on a disk that takes no more after the first bytes."""

    def write(self, data: Any, /) -> int:
        if self.tell():
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data[:10])


@pytest.mark.parametrize("step", ["write", "fsync"])
def test_a_full_disk_leaves_nothing(tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(os, "fdopen", lambda descriptor, _mode: FullDisk(descriptor, "w"))
    with pytest.raises(StoreFault) as caught:
        RowsFolder(tmp_path).put(ID, RECORD, 300, parts())
    assert (caught.value.code, "No space" in caught.value.reason) == ("store-failed", True)
    monkeypatch.undo()
    assert list((tmp_path / "rows").iterdir()) == []
    assert put(tmp_path).read_bytes() == WHOLE


def test_listing_sweeping_removing(tmp_path: Path) -> None:
    path = put(tmp_path)
    for name in ("README", "AB" * 32, "ab" * 31):
        (path.parent / name).write_bytes(b"not ours")
    half = path.with_name(f".{path.name}.0123.tmp")
    half.write_bytes(b"half")
    rows = RowsFolder(tmp_path)
    assert rows.ids() == [ID]
    assert rows.sweep(1_000) == 0
    assert rows.sweep(0) == 1
    assert not half.exists()
    rows.remove(ID)
    rows.remove(ID)
    assert rows.ids() == []
    assert rows.age_s(ID) == 0
