"""A folder holds a whole ledger or none; a file is whole or absent."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ledger import spec
from ledger.errors import LineageError, RefusedInput, StoreFault
from ledger.store.files import write_atomically
from ledger.store.folder import Marker, creating_folder, open_folder, read_marker, renew_marker
from tests.store_suite import code_of

MARKER = Marker("example.org/log", "example.org/log+01234567+AQID", bytes(range(32)))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("exists", [False, True])
def test_made_folder_opens(tmp_path: Path, exists: bool) -> None:
    folder = tmp_path / "ledger"
    if exists:
        folder.mkdir()
    with creating_folder(folder, MARKER) as path:
        (path / "data").write_bytes(b"x")
        with pytest.raises(RefusedInput) as error:
            open_folder(folder)
        assert code_of(error) == "not-a-ledger"
    assert open_folder(folder) == MARKER
    assert names(folder) == ["data", "ledger.json"]
    assert json.loads((folder / "ledger.json").read_bytes()) == {
        "format": "lineage-ledger",
        "store_version": spec.STORE_VERSION,
        "origin": MARKER.origin,
        "vkey": MARKER.vkey,
        "log_id": MARKER.log_id.hex(),
    }


def test_creation_refuses_what_is_not_empty(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    with pytest.raises(RefusedInput) as error, creating_folder(tmp_path, MARKER):
        pytest.fail("the block must not run")
    assert code_of(error) == "folder-not-empty"
    assert names(tmp_path) == ["letter"]
    with pytest.raises(RefusedInput) as error, creating_folder(tmp_path / "letter", MARKER):
        pytest.fail("the block must not run")
    assert code_of(error) == "folder-not-empty"
    with creating_folder(tmp_path / "made", MARKER):
        pass
    with pytest.raises(RefusedInput) as error, creating_folder(tmp_path / "made", MARKER):
        pytest.fail("the block must not run")
    assert code_of(error) == "ledger-exists"
    assert open_folder(tmp_path / "made") == MARKER


def test_second_maker_is_kept_out(tmp_path: Path) -> None:
    with creating_folder(tmp_path / "ledger", MARKER):
        with pytest.raises(RefusedInput) as error, creating_folder(tmp_path / "ledger", MARKER):
            pytest.fail("the block must not run")
        assert code_of(error) == "folder-not-empty"
    assert open_folder(tmp_path / "ledger") == MARKER


@pytest.mark.parametrize("exists", [False, True])
def test_creation_that_fails_leaves_nothing(tmp_path: Path, exists: bool) -> None:
    folder = tmp_path / "ledger"
    if exists:
        folder.mkdir()

    def fail() -> None:
        with creating_folder(folder, MARKER) as path:
            (path / "deep").mkdir()
            (path / "deep" / "data").write_bytes(b"x")
            (path / "data").write_bytes(b"x")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert folder.exists() is exists
    with creating_folder(folder, MARKER):
        pass
    assert open_folder(folder) == MARKER


def test_marker_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StoreFault("store-failed", "x", "y")

    monkeypatch.setattr("ledger.store.folder.write_atomically", fail)
    with pytest.raises(StoreFault), creating_folder(tmp_path / "ledger", MARKER) as path:
        (path / "data").write_bytes(b"x")
    assert names(tmp_path) == []


GOOD = {
    "format": "lineage-ledger",
    "store_version": spec.STORE_VERSION,
    "origin": "o",
    "vkey": "v",
    "log_id": "00" * 32,
}


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "ledger-damaged"),
        (b"\xff\xfe", "ledger-damaged"),
        (b"[]", "ledger-damaged"),
        (b"[" * 60_000, "ledger-damaged"),
        (json.dumps(GOOD).encode()[:-1], "ledger-damaged"),
        (json.dumps(GOOD | {"format": "other"}).encode(), "ledger-damaged"),
        (json.dumps(GOOD | {"store_version": True}).encode(), "ledger-damaged"),
        (json.dumps(GOOD | {"store_version": 0}).encode(), "ledger-damaged"),
        (json.dumps(GOOD | {"store_version": "1"}).encode(), "ledger-damaged"),
        (json.dumps(GOOD | {"log_id": "00"}).encode(), "ledger-damaged"),
        (json.dumps(GOOD | {"log_id": 7}).encode(), "ledger-damaged"),
        (json.dumps(GOOD | {"log_id": "zz" * 32}).encode(), "ledger-damaged"),
        (json.dumps(GOOD | {"origin": 7}).encode(), "ledger-damaged"),
        (json.dumps({k: v for k, v in GOOD.items() if k != "vkey"}).encode(), "ledger-damaged"),
        (json.dumps(GOOD).encode() + b" " * 70_000, "ledger-damaged"),
        (json.dumps(GOOD | {"store_version": spec.STORE_VERSION + 1}).encode(), "ledger-newer"),
        (json.dumps(GOOD | {"store_version": spec.STORE_VERSION - 1}).encode(), "ledger-older"),
        (b'{"format": "lineage-ledger", "store_version": 99, "other": {}}', "ledger-newer"),
    ],
)
def test_marker_is_read_strictly(tmp_path: Path, raw: bytes, code: str) -> None:
    (tmp_path / "ledger.json").write_bytes(raw)
    with pytest.raises(LineageError) as error:
        open_folder(tmp_path)
    assert code_of(error) == code
    assert error.value.fix


def test_marker_may_say_more(tmp_path: Path) -> None:
    (tmp_path / "ledger.json").write_text(json.dumps(GOOD | {"note": "x"}))
    assert open_folder(tmp_path) == Marker("o", "v", bytes(32))


def test_absent_folder_is_no_ledger(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "absent", tmp_path / "file"):
        with pytest.raises(RefusedInput) as error:
            open_folder(path)
        assert code_of(error) == "not-a-ledger"


def test_path_names_one_content_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    write_atomically(path, b"one")
    before = path.stat()
    write_atomically(path, b"one")
    assert path.stat().st_ino == before.st_ino
    with pytest.raises(StoreFault) as error:
        write_atomically(path, b"two")
    assert code_of(error) == "tile-differs"
    assert path.read_bytes() == b"one"
    assert before.st_mode & 0o777 == 0o644 & ~_umask()
    write_atomically(path, b"two", replace=True)
    assert path.read_bytes() == b"two"
    assert names(path.parent) == ["file"]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_file_and_folders_are_synced_before_they_are_relied_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def note_fsync(descriptor: int) -> None:
        events.append(f"sync {_name(descriptor)}")
        fsync(descriptor)

    def note_replace(path: Path, target: Path) -> None:
        events.append("rename")
        replace(path, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_replace)
    write_atomically(tmp_path / "new" / "file", b"x")
    assert events[0] == f"sync {tmp_path}"
    assert events[1].startswith(f"sync {tmp_path}/new/.file.")
    assert events[2:] == ["rename", f"sync {tmp_path}/new"]


def _name(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_failed_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "checkpoint"
    write_atomically(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os if call == "fsync" else Path, call, fail)
    with pytest.raises(StoreFault) as error:
        write_atomically(path, b"new", replace=True)
    assert code_of(error) == "store-failed"
    assert "No space left" in error.value.reason
    assert (path.read_bytes(), names(tmp_path)) == (b"old", ["checkpoint"])


def test_marker_of_an_older_version_is_renewed(tmp_path: Path) -> None:
    old = GOOD | {"store_version": 1}
    (tmp_path / "ledger.json").write_text(json.dumps(old))
    marker, version = read_marker(tmp_path)
    assert version == 1
    for _ in range(2):
        renew_marker(tmp_path)
        assert json.loads((tmp_path / "ledger.json").read_bytes()) == GOOD
    assert open_folder(tmp_path) == marker
    assert names(tmp_path) == ["ledger.json"]
    newer = json.dumps(GOOD | {"store_version": spec.STORE_VERSION + 1})
    (tmp_path / "ledger.json").write_text(newer)
    with pytest.raises(RefusedInput) as error:
        renew_marker(tmp_path)
    assert code_of(error) == "ledger-newer"
    assert (tmp_path / "ledger.json").read_text() == newer
