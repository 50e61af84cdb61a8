"""The memory of an import: a line a record, durable; and whatever a crash or a stranger leaves in its place."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import StoreFault
from ledger.store.import_journal import Done, hold_journal, unfinished

KEY = "ab" * 32
FIRST = Done("/data/a.jsonl", 5_000, 7, "01" * 32, 0, 10, 2_000, 4_096, "02" * 32, is_last=False)
SECOND = replace(FIRST, id="03" * 32, first_row=10, rows=4, offset=5_000, chain="", is_last=True)


def path_in(folder: Path) -> Path:
    return folder / "imports" / f"{KEY}.jsonl"


def held(folder: Path) -> list[Done]:
    with hold_journal(folder, KEY) as journal:
        return list(journal.done)


def write(folder: Path, *done: Done) -> Path:
    with hold_journal(folder, KEY) as journal:
        for item in done:
            journal.add(item)
    return path_in(folder)


def test_what_was_written_down_is_remembered_in_order(tmp_path: Path) -> None:
    path = write(tmp_path, FIRST)
    assert held(tmp_path) == [FIRST]
    write(tmp_path, SECOND)
    assert held(tmp_path) == [FIRST, SECOND]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert unfinished(tmp_path) == [[FIRST, SECOND]]
    with hold_journal(tmp_path, KEY) as journal:
        journal.forget()
        assert journal.done == []
    assert list(path.parent.iterdir()) == []
    assert unfinished(tmp_path) == []


def test_nothing_is_there_before_the_first_record(tmp_path: Path) -> None:
    assert unfinished(tmp_path) == []
    with hold_journal(tmp_path, KEY):
        assert not path_in(tmp_path).exists()
    assert list((tmp_path / "imports").iterdir()) == []


def test_every_cut_leaves_the_lines_before_it_and_the_next_one_is_whole(tmp_path: Path) -> None:
    path = write(tmp_path, FIRST, SECOND)
    whole = path.read_bytes()
    ends = [at + 1 for at, byte in enumerate(whole) if byte == 10]
    assert len(ends) == 3
    third = replace(SECOND, first_row=14)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        expected = [FIRST, SECOND][: max(0, sum(end <= length for end in ends) - 1)]
        assert held(tmp_path) == expected, length
        if length % 37 == 0:
            path.write_bytes(whole[:length])
            write(tmp_path, third)
            assert held(tmp_path) == [*expected, third]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shard", 7),
        ("size_bytes", "5"),
        ("rows", -1),
        ("rows", True),
        ("offset", 1.5),
        ("id", "01" * 31),
        ("id", "xy" * 32),
        ("chain", "01"),
        ("is_last", 1),
        ("more", 1),
        ("mtime_ns", None),
    ],
)
def test_a_line_that_is_none_ends_what_is_believed(tmp_path: Path, name: str, value: Any) -> None:
    path = write(tmp_path, FIRST)
    line = json.dumps(asdict(SECOND) | {name: value}).encode() + b"\n"
    path.write_bytes(path.read_bytes() + line + json.dumps(asdict(SECOND)).encode() + b"\n")
    assert held(tmp_path) == [FIRST]


def test_what_is_no_journal_is_taken_for_none(tmp_path: Path) -> None:
    path = write(tmp_path, FIRST)
    whole = path.read_bytes()
    for content in (
        b"",
        b"\n",
        b"x",
        whole.replace(b"-v1", b"-v9"),
        whole.replace(b"1048576", b"4096"),
        b"[" * 9_999,
    ):
        path.write_bytes(content)
        assert held(tmp_path) == []
    path.unlink()
    os.mkfifo(path)
    assert held(tmp_path) == []


def test_two_at_one_import_are_kept_apart(tmp_path: Path) -> None:
    with hold_journal(tmp_path, KEY), pytest.raises(StoreFault) as caught, hold_journal(tmp_path, KEY):
        pass
    assert caught.value.code == "import-busy"
    assert caught.value.fix
    with hold_journal(tmp_path, KEY), hold_journal(tmp_path, "cd" * 32):
        pass


@pytest.mark.parametrize("nth", [1, 2])
def test_a_full_disk_is_told_and_what_was_written_stands(
    tmp_path: Path, nth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    given = [FIRST, SECOND]
    with hold_journal(tmp_path, KEY) as journal:
        for item in given[: nth - 1]:
            journal.add(item)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(StoreFault) as caught:
                journal.add(given[nth - 1])
        assert caught.value.code == "store-failed"
        journal.add(given[nth - 1])
    assert held(tmp_path) == given[:nth]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "imports").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreFault) as caught, hold_journal(tmp_path, KEY):
        pass
    assert caught.value.code == "link-refused"
