"""The writer's lock: one holder, named to the next, gone with its process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ledger.errors import StoreFault, WriterBusy
from ledger.store.lock import WriterLock
from tests.store_suite import code_of
from tests.test_store.test_lmdb import child

HOLD = """
from ledger.store.lock import WriterLock
with WriterLock(path).acquire(0):
    print(os.getpid())
    sys.stdin.readline()
print("left")
"""


def test_second_writer_is_told_who_holds_it(tmp_path: Path) -> None:
    with child(HOLD, tmp_path) as holder:
        assert holder.stdin
        assert holder.stdout
        pid = int(holder.stdout.readline())
        with pytest.raises(WriterBusy) as error:
            WriterLock(tmp_path).acquire(0)
        assert code_of(error) == "writer-busy"
        assert pid == holder.pid
        assert f"process {pid})" in error.value.reason
        assert error.value.fix
        holder.stdin.write("\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "left\n"
        with WriterLock(tmp_path).acquire(0) as lock:
            assert lock.holder() == os.getpid()


def test_second_writer_waits(tmp_path: Path) -> None:
    text = """
    from ledger.store.lock import WriterLock
    print("waits")
    with WriterLock(path).acquire(30):
        print("holds")
    """
    first = WriterLock(tmp_path).acquire(0)
    with child(text, tmp_path) as second:
        assert second.stdout
        assert second.stdout.readline() == "waits\n"
        first.release()
        assert second.stdout.readline() == "holds\n"
    assert second.returncode == 0


def test_lock_ends_with_its_process(tmp_path: Path) -> None:
    with child(HOLD, tmp_path) as holder:
        assert holder.stdout
        assert int(holder.stdout.readline()) == holder.pid
        holder.kill()
    WriterLock(tmp_path).acquire(0).release()


def test_second_lock_of_one_process_is_refused_too(tmp_path: Path) -> None:
    lock = WriterLock(tmp_path)
    with lock.acquire(0), pytest.raises(WriterBusy):
        WriterLock(tmp_path).acquire(0)
    lock.release()  # harmless
    with WriterLock(tmp_path).acquire(0):
        pass


def test_holder_is_unknown_where_the_file_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "writer.pid").write_text("no number")
    assert WriterLock(tmp_path).holder() is None


def test_folder_that_cannot_be_locked_is_told(tmp_path: Path) -> None:
    (tmp_path / "writer.lock").mkdir()
    with pytest.raises(StoreFault) as error:
        WriterLock(tmp_path).acquire(0)
    assert code_of(error) == "not-a-regular-file"
