"""Statement files: whole or refused whole, cut short or changed at any byte; never over another file (SPEC §11.5)."""

from __future__ import annotations

import errno
import hashlib
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import spec
from ledger.errors import LineageError, RefusedInput, StoreFault
from ledger.signer import statement_file
from ledger.signer.statement_file import TAG, open_statements, writing_statements
from tests.hostile import PLANTS, within

Statements = list[tuple[bytes, list[bytes]]]
SMALL: Statements = [(b"entry one", [b"r1", b"", b"r3"]), (b"e", []), (b"entry three", [b"x" * 300])]


def write(path: Path, statements: Statements) -> None:
    with writing_statements(path) as file:
        assert [file.add(*statement) for statement in statements] == list(range(len(statements)))


def read(path: Path) -> Statements:
    with open_statements(path) as file:
        found = [(entry, list(records)) for entry, records in file]
        assert file.count == len(found)
        return found


def code_of(use: Callable[[], object]) -> str:
    with pytest.raises(LineageError) as raised:
        use()
    return raised.value.code


@given(
    st.lists(
        st.tuples(st.binary(min_size=1, max_size=99), st.lists(st.binary(max_size=99), max_size=9)),
        max_size=9,
    )
)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, statements: Statements) -> None:
    path = tmp_path_factory.mktemp("files") / "F.statement"
    write(path, statements)
    assert read(path) == statements


def test_bytes_are_those_of_the_specification(tmp_path: Path) -> None:
    path = tmp_path / "F.statement"
    write(path, [(b"entry", [b"rec"])])
    body = TAG + b"\0\0\0\5entry" + b"\0\0\0\1" + b"\0\3rec" + b"\0\0\0\0" + b"\0\0\0\1"
    assert path.read_bytes() == body + hashlib.sha256(body).digest()


def test_file_cut_short_anywhere_is_refused_whole(tmp_path: Path) -> None:
    path, cut = tmp_path / "F.statement", tmp_path / "cut"
    write(path, SMALL)
    data = path.read_bytes()
    codes = []
    for stop in range(len(data)):
        cut.write_bytes(data[:stop])
        codes.append(code_of(lambda: read(cut)))
    assert codes == ["not-a-statement-file"] + ["statement-file-damaged"] * (len(data) - 1)


def test_file_changed_anywhere_is_refused_whole(tmp_path: Path) -> None:
    path, changed = tmp_path / "F.statement", tmp_path / "changed"
    write(path, SMALL)
    data = path.read_bytes()
    for place in range(len(data)):
        for bit in (1, 0x80):
            changed.write_bytes(data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :])
            with pytest.raises(RefusedInput):
                read(changed)


def test_file_with_something_behind_its_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "F.statement"
    write(path, SMALL)
    path.write_bytes(path.read_bytes() + b"\0")
    assert code_of(lambda: read(path)) == "statement-file-damaged"


def test_file_of_a_newer_version_and_of_another_kind_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "F"
    path.write_bytes(TAG.replace(b"1", b"2") + b"whatever")
    assert code_of(lambda: read(path)) == "statement-file-newer"
    path.write_bytes(b"c2sp.org/tlog-proof@v1\n")
    assert code_of(lambda: read(path)) == "not-a-statement-file"
    assert code_of(lambda: read(tmp_path / "none")) == "file-not-found"


@pytest.mark.parametrize(
    ("entry", "records"),
    [(b"e" * (spec.ENTRY_BYTES_MAX + 1), []), (b"e", [b""] * (spec.STATEMENT_RECORDS_MAX + 1))],
)
def test_sizes_over_the_limits_are_refused(tmp_path: Path, entry: bytes, records: list[bytes]) -> None:
    path = tmp_path / "F"
    write(path, [(entry, records)])
    assert code_of(lambda: read(path)) == "statement-file-damaged"


def test_records_over_the_limit_together_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "F"
    write(path, [(b"e", [b"12345"] * 2)])
    monkeypatch.setattr(spec, "STATEMENT_RECORDS_BYTES_MAX", 9)
    assert code_of(lambda: read(path)) == "statement-file-damaged"


@pytest.mark.parametrize("plant", PLANTS)
def test_what_is_no_file_keeps_nobody(tmp_path: Path, plant: Callable[[Path], None]) -> None:
    plant(tmp_path / "F")
    with within():
        assert code_of(lambda: read(tmp_path / "F")) in ("not-a-regular-file", "not-a-statement-file")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "F"
    path.write_bytes(b"of somebody")
    assert code_of(lambda: write(path, SMALL)) == "file-exists"
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    assert code_of(lambda: write(path, SMALL)) == "file-exists"
    path.unlink()

    def write_late() -> None:
        with writing_statements(path) as file:
            file.add(b"e", [])
            path.write_bytes(b"of somebody")

    assert code_of(write_late) == "file-exists"
    assert path.read_bytes() == b"of somebody"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("has_links", [True, False])
def test_who_writes_the_same_name_at_the_same_time_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_links: bool
) -> None:
    """Two processes sign into one name: each is told that it is signed only if its own file is there."""
    path = tmp_path / "F"
    fsync = os.fsync

    def somebody_is_faster(descriptor: int) -> None:
        fsync(descriptor)
        path.write_bytes(b"of somebody")

    def no_links(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    if not has_links:
        monkeypatch.setattr(os, "link", no_links)
    write(path, SMALL)
    assert read(path) == SMALL
    path.unlink()
    monkeypatch.setattr(os, "fsync", somebody_is_faster)
    assert code_of(lambda: write(path, SMALL)) == "file-exists"
    assert path.read_bytes() == b"of somebody"
    assert list(tmp_path.iterdir()) == [path]


def test_block_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with writing_statements(tmp_path / "F") as file:
            file.add(b"e", [])
            raise KeyError("planned")

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", range(1, 6))
def test_full_disk_at_any_write_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The tag, three statements, the end: each is a write that fails in turn."""
    real = statement_file.StatementWriter._put
    calls: list[bytes] = []

    def put(self: Any, data: bytes) -> None:
        calls.append(data)
        if len(calls) == number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(self, data)

    monkeypatch.setattr(statement_file.StatementWriter, "_put", put)
    with pytest.raises(StoreFault, match="No space left") as raised:
        write(tmp_path / "F", SMALL)
    assert raised.value.code == "store-failed"
    assert len(calls) == number
    assert list(tmp_path.iterdir()) == []


def test_full_disk_at_the_last_moment_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert code_of(lambda: write(tmp_path / "F", SMALL)) == "store-failed"
    assert list(tmp_path.iterdir()) == []


def test_reading_holds_one_statement_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "F"
    write(path, [(b"e", [b"x" * 60_000] * 20)] * 40)  # 48 MB
    tracemalloc.start()
    try:
        with open_statements(path) as file:
            assert sum(len(records) for _entry, records in file) == 800
        assert tracemalloc.get_traced_memory()[1] < 6_000_000
    finally:
        tracemalloc.stop()
