"""One writer and many readers, each a process of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import StoreFault, WriterBusy
from ledger.store.lmdb import LmdbStore
from ledger.store.lock import WriterLock
from tests.test_store.test_lmdb import REPO
from tests.world import World

PRELUDE = """
import sys
from pathlib import Path
from ledger.merkle.tree import hash_leaf, root_of
from ledger.proofs.checkpoint import open_checkpoint
from ledger.store.head import decode_head
from ledger.store.lmdb import LmdbStore
from ledger.store.lock import WriterLock
from ledger.store.reader import StoreReader
from tests.world import World
path = Path(sys.argv[1])
"""

READER = """
last, heads, wanted = 0, 0, int(sys.argv[2])
store = LmdbStore(path / "store", readonly=True)
vkey = World(begin=False).vkey
while last < wanted:
    with store.snapshot() as snapshot:
        head = decode_head(snapshot.head())
        signed = open_checkpoint(head.note, [vkey])
        assert signed.size >= last, (signed.size, last)
        if signed.size > last:
            reader = StoreReader(snapshot, signed.size)
            hashes = [hash_leaf(entry) for entry in reader.entries(0, signed.size)]
            assert root_of(hashes) == signed.root
            heads += 1
            if not last:
                print("reads", flush=True)
            last = signed.size
print(heads, last, flush=True)
"""

WRITER = """
with WriterLock(path).acquire(30):
    print("holds", flush=True)
    sys.stdin.readline()
    world = World(LmdbStore(path / "store"))
    actor = world.enrol(sys.argv[2])
    for number in range(int(sys.argv[3])):
        world.must(*actor.artifacts([actor.record(f"{sys.argv[2]} {number}")]))
    print(world.writer.checkpoint.size, flush=True)
    world.store.close()
"""


def started(text: str, *arguments: object) -> subprocess.Popen[str]:
    pipe: Any = subprocess.PIPE
    command = [sys.executable, "-W", "error", "-c", PRELUDE + textwrap.dedent(text), *map(str, arguments)]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=REPO)


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def let_go(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()


def test_readers_see_only_signed_heads_that_grow(tmp_path: Path) -> None:
    world = World(LmdbStore.create(tmp_path / "store"))
    world.store.close()
    appended = 40
    size = 2 + 2 + 2 * appended  # genesis, enrolment, statements; a state with each
    processes = [started(READER, tmp_path, size) for _ in range(2)]
    processes.append(started(WRITER, tmp_path, "ada", appended))
    readers, writer = processes[:2], processes[2]
    try:
        assert [line_of(reader) for reader in readers] == ["reads", "reads"]  # at size 2
        assert line_of(writer) == "holds"
        let_go(writer)
        assert line_of(writer) == str(size)
        for reader in readers:
            heads, last = map(int, line_of(reader).split())
            assert last == size
            assert heads >= 2
        assert [process.wait(30) for process in processes] == [0, 0, 0]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def test_second_writer_waits_or_is_told(tmp_path: Path) -> None:
    world = World(LmdbStore.create(tmp_path / "store"))
    world.store.close()
    first = started(WRITER, tmp_path, "ada", 5)
    assert line_of(first) == "holds"
    second = started(WRITER, tmp_path, "bob", 5)
    try:
        with pytest.raises(WriterBusy) as error:
            WriterLock(tmp_path).acquire(0)
        assert f"process {first.pid})" in error.value.reason
        let_go(first)
        assert line_of(first) == "14"
        assert line_of(second) == "holds"  # waited for the first one's end
        let_go(second)
        assert line_of(second) == "26"
        assert [process.wait(30) for process in (first, second)] == [0, 0]
    finally:
        for process in (first, second):
            process.kill()
            process.communicate()
    world.store.reopen()
    world.writer = world.open()
    assert world.writer.checkpoint
    assert world.writer.checkpoint.size == 26
    world.store.close()


PAST_THE_LOCK = """
world = World(LmdbStore(path / "store"))
world.writer.tick()
print(world.writer.checkpoint.size, flush=True)
"""


def test_writer_past_the_lock_in_another_process_is_noticed(tmp_path: Path) -> None:
    world = World(LmdbStore.create(tmp_path / "store"))
    process = started(PAST_THE_LOCK, tmp_path)
    assert line_of(process) == "3"
    process.communicate()
    assert process.returncode == 0
    with pytest.raises(StoreFault) as error:
        world.enrol("ada")
    assert error.value.code == "head-moved"
    world.writer = world.open()
    world.enrol("ada")
    assert world.writer.checkpoint
    assert world.writer.checkpoint.size == 5
    world.store.close()
