"""What others put into a ledger's folder: pipes do not keep us waiting, links lead nowhere, modes are what they must be."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger.errors import StoreFault
from ledger.store.content import ContentStore
from ledger.store.datafile import check_data_file
from ledger.store.files import write_atomically
from ledger.store.folder import open_folder
from ledger.store.lmdb import LmdbStore
from ledger.store.lock import LOCK_FILE, PID_FILE, WriterLock
from tests.store_suite import code_of

TEXT = b"what its owner holds dear\n" * 20
CONTENT = b"content"
NAME = hashlib.sha256(CONTENT).hexdigest()


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


READS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "marker": ("ledger.json", open_folder),
    "data file": ("data.mdb", lambda folder: check_data_file(folder / "data.mdb")),
    "lock": (LOCK_FILE, lambda folder: WriterLock(folder).acquire(0)),
    "probe": (LOCK_FILE, lambda folder: WriterLock(folder).is_held()),
    "content": (
        f"content/{NAME[:2]}/{NAME[2:]}",
        lambda folder: ContentStore(folder).get(bytes.fromhex(NAME)),
    ),
    "keeping": (f"content/{NAME[:2]}/{NAME[2:]}", lambda folder: ContentStore(folder).put(CONTENT)),
    "anything": ("any", lambda folder: write_atomically(folder / "any", b"bytes")),
}


@pytest.mark.parametrize("use", READS)
@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_only_regular_files_are_opened(tmp_path: Path, use: str, kind: str) -> None:
    name, read = READS[use]
    path, victim = tmp_path / name, tmp_path / "victim"
    path.parent.mkdir(parents=True, exist_ok=True)
    victim.write_bytes(TEXT)
    {"pipe": os.mkfifo, "link": lambda at: at.symlink_to(victim), "folder": Path.mkdir}[kind](path)
    with pytest.raises(StoreFault) as error:
        read(tmp_path)
    assert code_of(error) == "not-a-regular-file"
    assert victim.read_bytes() == TEXT


@pytest.mark.parametrize("name", ["lock.mdb", "data.mdb"])
@pytest.mark.parametrize("readonly", [False, True])
def test_a_link_in_place_of_a_file_of_the_store_is_not_followed(
    tmp_path: Path, name: str, readonly: bool
) -> None:
    LmdbStore.create(tmp_path / "s").close()
    file, victim = tmp_path / "s" / name, tmp_path / "victim"
    victim.write_bytes(TEXT)
    file.unlink(missing_ok=True)
    file.symlink_to(victim)
    with pytest.raises(StoreFault) as error:
        LmdbStore(tmp_path / "s", readonly=readonly)
    assert code_of(error) == "not-a-regular-file"
    assert victim.read_bytes() == TEXT


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_the_process_id_is_written_to_a_file_only(tmp_path: Path, kind: str) -> None:
    path, victim = tmp_path / PID_FILE, tmp_path / "victim"
    victim.write_bytes(TEXT)
    os.mkfifo(path) if kind == "pipe" else path.symlink_to(victim)
    with WriterLock(tmp_path).acquire(0) as lock:  # it is advice: whoever put that there keeps no writer out
        assert lock.holder() is None
    assert victim.read_bytes() == TEXT


def test_a_look_at_the_lock_writes_nothing(tmp_path: Path) -> None:
    lock = WriterLock(tmp_path)
    assert not lock.is_held()
    assert list(tmp_path.iterdir()) == []
    with lock.acquire(0):
        before = (tmp_path / PID_FILE).stat()
        assert WriterLock(tmp_path).is_held()
        assert (tmp_path / PID_FILE).stat() == before
    (tmp_path / PID_FILE).unlink()
    assert not WriterLock(tmp_path).is_held()
    assert [path.name for path in tmp_path.iterdir()] == [LOCK_FILE]


def test_nobody_else_may_open_the_lock(tmp_path: Path, umask: int) -> None:
    """flock asks for no right but to open the file."""
    for before in (None, 0o644):
        if before is not None:
            (tmp_path / LOCK_FILE).chmod(before)
            (tmp_path / PID_FILE).chmod(0o666)
        WriterLock(tmp_path).acquire(0).release()
        assert mode_of(tmp_path / LOCK_FILE) == 0o600, umask
        assert mode_of(tmp_path / PID_FILE) == 0o644, umask


def test_kept_content_is_its_owners(tmp_path: Path, umask: int) -> None:
    store = ContentStore(tmp_path)
    path = store.path(store.put(CONTENT))
    modes = [mode_of(each) for each in (path, path.parent, path.parent.parent)]
    assert modes == [0o600, 0o700, 0o700], umask
