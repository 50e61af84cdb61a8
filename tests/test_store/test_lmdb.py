"""What only an engine on disk can get wrong: processes, forks, full disks, cut files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import lmdb
import pytest

from ledger.errors import LineageError, RefusedInput, StoreFault
from ledger.store.contract import Batch, Space, key_u64
from ledger.store.datafile import check_data_file
from ledger.store.lmdb import LmdbStore
from tests.store_suite import code_of

REPO = Path(__file__).resolve().parents[2]
PRELUDE = """
import os, sys
from pathlib import Path
from ledger.errors import LineageError, StoreFault
from ledger.store.contract import Batch, Space, key_u64
from ledger.store.lmdb import LmdbStore
path = Path(sys.argv[1])
def code(use):
    try:
        use()
    except LineageError as error:
        return error.code
"""


def script(text: str) -> str:
    return PRELUDE + textwrap.dedent(text)


def run(text: str, *arguments: object, **surroundings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", script(text), *map(str, arguments)]
    env = os.environ | surroundings
    return subprocess.run(command, capture_output=True, text=True, cwd=REPO, timeout=60, check=False, env=env)


def child(text: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-u", "-W", "error", "-c", script(text), *map(str, arguments)]
    pipe: Any = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=REPO)


def ok(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def filled(path: Path, items: int = 40) -> None:
    """A store of `items` values over several pages each, and an index of more than one page."""
    store = LmdbStore.create(path)
    head = b""
    for number in range(0, items, 10):
        puts = [(Space.ENTRIES, key_u64(n), b"%d" % n * 3_000) for n in range(number, number + 10)]
        puts += [(Space.STATUS, bytes([n]) * 32, b"node") for n in range(number, number + 10)]
        store.commit(
            Batch(puts, [], [(n * 31 % 97, n) for n in range(number * 100, number * 100 + 900)]), head, b"h"
        )
        head = b"h"
    store.close()


def test_snapshot_is_isolated_from_a_writer_in_another_process(tmp_path: Path) -> None:
    store = LmdbStore.create(tmp_path / "s")
    store.commit(Batch([(Space.FOLD, b"k", b"old")]), b"", b"1")
    text = """
    store = LmdbStore(path, readonly=True)
    with store.snapshot() as snapshot:
        for _ in range(2):
            print(snapshot.head().decode(), bytes(snapshot.get(Space.FOLD, b"k")).decode())
            sys.stdin.readline()
    with store.snapshot() as snapshot:
        print(snapshot.head().decode(), bytes(snapshot.get(Space.FOLD, b"k")).decode())
    """
    with child(text, tmp_path / "s") as reader:
        assert reader.stdin
        assert reader.stdout
        assert reader.stdout.readline() == "1 old\n"
        for number in range(1, 30):
            store.commit(Batch([(Space.FOLD, b"k", b"new")]), b"%d" % number, b"%d" % (number + 1))
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == "1 old\n"
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == "30 new\n"
    assert reader.returncode == 0
    store.close()


def test_two_processes_cannot_commit_over_the_same_head(tmp_path: Path) -> None:
    store = LmdbStore.create(tmp_path / "s")
    assert ok(run('LmdbStore(path).commit(Batch(), b"", b"theirs")', tmp_path / "s")) == ""
    with pytest.raises(StoreFault) as error:
        store.commit(Batch(), b"", b"ours")
    assert code_of(error) == "head-moved"
    with store.snapshot() as snapshot:
        assert snapshot.head() == b"theirs"
    store.close()


def test_forked_child_reads_and_leaves_its_parent_alone(tmp_path: Path) -> None:
    filled(tmp_path / "s")
    text = """
    store = LmdbStore(path)
    with store.snapshot() as snapshot:
        scan = snapshot.scan(Space.ENTRIES)
        keys = [next(scan)[0]]
        pid = os.fork()
        if not pid:
            assert code(snapshot.head) == "snapshot-ended"
            assert code(lambda: next(scan)) == "snapshot-ended"
            with store.snapshot() as fresh:
                assert fresh.head() == b"h"
                assert len(list(fresh.scan(Space.ENTRIES))) == 40
            assert code(lambda: store.commit(Batch(), b"h", b"x")) == "store-readonly"
            assert code(snapshot.head) == "snapshot-ended"
            store.close()
            sys.exit(7)  # with the interpreter's finalisation, which frees what the child inherited
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        pid = os.fork()
        if not pid:
            snapshot.__exit__(None, None, None)  # without a use of the store before
            os._exit(8)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 8
        assert store._env.readers().split()[-1] != "-", store._env.readers()
        head = b"h"
        for number in range(20):  # would reuse the snapshot's pages, had the child freed its slot
            batch = Batch([(Space.ENTRIES, key_u64(n), b"later" * 999) for n in range(40)])
            store.commit(batch, head, b"%d" % number)
            head = b"%d" % number
        rest = [(key, bytes(value)) for key, value in scan]
        assert rest == [(key_u64(n), b"%d" % n * 3000) for n in range(1, 40)], len(rest)
        assert snapshot.head() == b"h"
    pid = os.fork()
    if not pid:
        store.close()  # without a use before
        os._exit(0 if code(lambda: store.commit(Batch(), head, b"x")) == "store-closed" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    store.commit(Batch(), head, b"end")
    store.close()
    print("done")
    """
    assert ok(run(text, tmp_path / "s")) == "done\n"


def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path) -> None:
    LmdbStore.create(tmp_path / "s").close()
    text = """
    store = LmdbStore(path)
    for n in range(10**6):
        store.commit(Batch([(Space.ENTRIES, key_u64(n), b"x" * 9000)], [], [(n % 7, n)]), b"%d" % n if n else b"", b"%d" % (n + 1))
        print(n + 1)
    """
    with child(text, tmp_path / "s") as writer:
        assert writer.stdout
        acknowledged = [int(writer.stdout.readline()) for _ in range(30)][-1]
        writer.kill()
    with LmdbStore(tmp_path / "s").snapshot() as snapshot:
        count = int(snapshot.head())
        assert count >= acknowledged == 30
        assert [key for key, _ in snapshot.scan(Space.ENTRIES)] == [key_u64(n) for n in range(count)]
        assert sorted(p for prefix in range(7) for p in snapshot.positions(prefix)) == list(range(count))


def test_full_map_is_told_and_poisons(tmp_path: Path) -> None:
    store = LmdbStore.create(tmp_path / "s", map_size=2**20)
    store.commit(Batch([(Space.FOLD, b"k", b"kept")]), b"", b"1")
    big = Batch([(Space.ENTRIES, key_u64(n), bytes(60_000)) for n in range(30)])
    with pytest.raises(StoreFault) as error:
        store.commit(big, b"1", b"2")
    assert code_of(error) == "store-full"
    assert error.value.fix
    with pytest.raises(StoreFault) as error:
        store.commit(Batch(), b"1", b"2")
    assert code_of(error) == "writer-poisoned"
    with store.snapshot() as snapshot:
        assert snapshot.head() == b"1"
        assert bytes(snapshot.get(Space.FOLD, b"k") or b"") == b"kept"
        assert snapshot.last_key(Space.ENTRIES) is None
    store.close()
    roomy = LmdbStore(tmp_path / "s")
    roomy.commit(big, b"1", b"2")
    roomy.close()


def test_disk_that_refuses_a_write_poisons_until_reopened(tmp_path: Path) -> None:
    LmdbStore.create(tmp_path / "s").close()
    text = """
    import resource
    store = LmdbStore(path)
    store.commit(Batch([(Space.FOLD, b"k", b"kept")]), b"", b"1")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    big = Batch([(Space.ENTRIES, key_u64(n), bytes(60_000)) for n in range(30)])
    print(code(lambda: store.commit(big, b"1", b"2")))
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    print(code(lambda: store.commit(Batch(), b"1", b"2")))
    store.reopen()
    with store.snapshot() as snapshot:
        print(snapshot.head(), bytes(snapshot.get(Space.FOLD, b"k")), snapshot.last_key(Space.ENTRIES))
    store.commit(big, b"1", b"2")
    """
    assert ok(run(text, tmp_path / "s")).splitlines() == [
        "store-failed",
        "writer-poisoned",
        "b'1' b'kept' None",
    ]


def test_small_address_space_is_granted_a_smaller_map(tmp_path: Path) -> None:
    filled(tmp_path / "s")
    text = """
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))
    store = LmdbStore(path)
    store.commit(Batch(), b"h", b"i")
    print(0 < store._env.info()["map_size"] <= 2**33)
    """
    assert ok(run(text, tmp_path / "s")) == "True\n"


def test_cut_file_is_damaged_or_whole_and_never_a_bus_error(tmp_path: Path) -> None:
    filled(tmp_path / "s")
    data = (tmp_path / "s" / "data.mdb").read_bytes()
    pages = len(data) // 4096
    assert pages > 100
    sizes = [n * 4096 for n in range(0, pages, 3)] + [pages * 4096 - 1, 100, 4096 + 50]
    for size in sizes:
        copy = tmp_path / str(size)
        copy.mkdir()
        (copy / "data.mdb").write_bytes(data[:size])
    text = """
    for folder in path.iterdir():
        try:
            store = LmdbStore(folder)
            with store.snapshot() as snapshot:
                rows = [len(v) for space in Space for _, v in snapshot.scan(space) if bytes(v)]
                positions = [p for n in range(97) for p in snapshot.positions(n)]
            store.close()
            print("whole", len(rows), len(positions))
        except LineageError as error:
            print(error.code)
    """
    shutil.move(tmp_path / "s", tmp_path.parent / f"{tmp_path.name}-whole")
    found = ok(run(text, tmp_path)).splitlines()
    assert len(found) == len(sizes)
    assert set(found) <= {"ledger-damaged", "whole 80 3600"}
    assert found.count("ledger-damaged") > pages // 4


def test_short_file_whose_tail_was_never_used_is_whole(tmp_path: Path) -> None:
    """LMDB does not write what one transaction allocates and frees, so a whole file may end before its last page."""
    size = 4_000_000
    with lmdb.open(str(tmp_path), map_size=2**30, max_dbs=2) as environment:
        for value in (bytes(800_000), b"", b"", b""):
            with environment.begin(write=True) as txn:
                txn.put(b"kept", b"value" * 9_000)
                txn.put(b"k", value)
        with environment.begin(write=True) as txn:
            txn.put(b"big", bytes(size))
            txn.delete(b"big")
    file = tmp_path / "data.mdb"
    actual = file.stat().st_size
    assert check_data_file(file) > actual + size // 2  # the case is the one meant
    data = file.read_bytes()
    outcomes = []
    for pages in range(2, actual // 4096 + 1):
        file.write_bytes(data[: pages * 4096])
        try:
            check_data_file(file)
            outcomes.append("whole")
        except StoreFault as error:
            outcomes.append(error.code)
    whole = outcomes.count("whole")
    damaged = len(outcomes) - whole
    assert min(whole, damaged) > 5
    assert outcomes == ["ledger-damaged"] * damaged + ["whole"] * whole


@pytest.mark.parametrize(
    ("place", "data", "code"),
    [
        (0, bytes(8192), "ledger-damaged"),
        (16, b"junk", "ledger-damaged"),
        (4096 + 16, b"junk", "ledger-damaged"),
        (10, b"\0\0", "ledger-damaged"),
        (40, b"\x01\0\0\0", "ledger-damaged"),
        (20, b"\x03\0\0\0", "ledger-newer"),
    ],
)
def test_spoilt_meta_page_is_told(tmp_path: Path, place: int, data: bytes, code: str) -> None:
    filled(tmp_path / "s", 10)
    with (tmp_path / "s" / "data.mdb").open("r+b") as file:
        file.seek(place)
        file.write(data)
    with pytest.raises(LineageError) as error:
        LmdbStore(tmp_path / "s")
    assert code_of(error) == code


def test_absent_foreign_and_existing_stores_are_told(tmp_path: Path) -> None:
    with pytest.raises(RefusedInput) as refused:
        LmdbStore(tmp_path / "absent")
    assert code_of(refused) == "not-a-ledger"
    with (
        lmdb.open(str(tmp_path / "foreign"), map_size=2**20) as environment,
        environment.begin(write=True) as txn,
    ):
        txn.put(b"k", b"v")
    with pytest.raises(StoreFault) as fault:
        LmdbStore(tmp_path / "foreign")
    assert code_of(fault) == "ledger-damaged"
    store = LmdbStore.create(tmp_path / "s")
    with pytest.raises(RefusedInput) as refused:
        LmdbStore.create(tmp_path / "s")
    assert code_of(refused) == "ledger-exists"
    with pytest.raises(StoreFault) as fault:
        LmdbStore(tmp_path / "s")
    assert code_of(fault) == "already-open"
    assert (tmp_path / "s" / "data.mdb").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o755
    store.close()


def test_readonly_store_refuses_commits_without_poison(tmp_path: Path) -> None:
    filled(tmp_path / "s", 10)
    store = LmdbStore(tmp_path / "s", readonly=True)
    for _ in range(2):
        with pytest.raises(StoreFault) as error:
            store.commit(Batch(), b"h", b"i")
        assert code_of(error) == "store-readonly"
    store.close()


@pytest.mark.parametrize(
    ("readonly", "reason", "fix"),
    [
        (True, "lock.mdb, in which readers register", "write permission to lock.mdb"),
        (False, "may not write", "for reading"),
    ],
)
def test_folder_without_the_right_to_write_says_whom_to_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, readonly: bool, reason: str, fix: str
) -> None:
    """The error is made: to the superuser, who may run this, everything is permitted."""

    def refuse(*_arguments: object, **_options: object) -> None:
        raise lmdb.ReadonlyError(f"{tmp_path}: Permission denied")

    LmdbStore.create(tmp_path).close()
    monkeypatch.setattr(lmdb, "open", refuse)
    with pytest.raises(StoreFault) as error:
        LmdbStore(tmp_path, readonly=readonly)
    assert code_of(error) == "store-failed"
    assert reason in error.value.reason
    assert fix in error.value.fix


def test_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LmdbStore.create(tmp_path / "s")
    store.close()
    monkeypatch.setattr("ledger.store.mounts.filesystem_type", lambda *_: "nfs4")
    for use in (store.reopen, lambda: LmdbStore.create(tmp_path / "t")):
        with pytest.raises(RefusedInput) as error:
            use()
        assert code_of(error) == "network-filesystem"
    assert not (tmp_path / "t").exists()


def test_readers_that_died_do_not_fill_the_table(tmp_path: Path) -> None:
    text = """
    store = LmdbStore(path)
    snapshots = [store.snapshot() for _ in range(int(sys.argv[2]))]
    print([code(snapshot.__enter__) for snapshot in snapshots].count(None))
    sys.stdout.flush()
    os._exit(0)
    """
    readers = "print(LmdbStore(path)._env.readers())"
    store = LmdbStore.create(tmp_path / "s")  # open throughout, or else LMDB would begin a new table
    assert ok(run(text, tmp_path / "s", 10)) == "10\n"
    assert ok(run(readers, tmp_path / "s")).strip() == "(no active readers)"
    assert ok(run(text, tmp_path / "s", 1025)) == "1024\n"
    with store.snapshot() as snapshot:
        assert snapshot.head() == b""
    assert ok(run(text, tmp_path / "s", 1024)) == "1024\n"
    store.commit(Batch(), b"", b"1")
    assert ok(run(readers, tmp_path / "s")).strip() == "(no active readers)"
    store.close()


def test_new_store_has_the_older_format_whatever_the_surroundings_ask(tmp_path: Path) -> None:
    text = "LmdbStore.create(path).close()"
    assert ok(run(text, tmp_path / "s", LMDB_DEFAULT_LIB_VERSION="1")) == ""
    assert check_data_file(tmp_path / "s" / "data.mdb") > 0


def test_file_cut_within_a_long_value_is_damaged(tmp_path: Path) -> None:
    """The last pages are those of one value, so no page of a tree tells that they are gone."""
    with lmdb.open(str(tmp_path), map_size=2**30) as environment:
        for key, value in (
            (b"k", bytes(80_000)),
            (b"k", b""),
            (b"big", bytes(4_000_000)),
            *[(b"k", b"")] * 6,
        ):
            with environment.begin(write=True) as txn:
                txn.put(key, value)
    file = tmp_path / "data.mdb"
    data = file.read_bytes()
    for pages in range(900, 10, -10):
        file.write_bytes(data[: -4096 * pages])
        with pytest.raises(StoreFault) as error:
            check_data_file(file)
        assert code_of(error) == "ledger-damaged"
