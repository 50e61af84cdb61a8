"""Scrubbing: of what was replaced or deleted nothing is left in the data file, and what is held is as it was (SPEC §10.10)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import LineageError, StoreFault
from ledger.store import scrub as scrubbing
from ledger.store.contract import Batch, Space, key_u64
from ledger.store.datafile import check_data_file
from ledger.store.files import destroy, dying_name, is_to_destroy
from ledger.store.lmdb import LmdbStore
from ledger.store.scrub import scrub

ROOT = Path(__file__).resolve().parents[2]
SECRET = b"this must not be found any more"


def replaced(folder: Path, before: bytes, after: bytes, others: int = 0) -> bytes:
    """A value is replaced by another; a commit later neither meta page reaches it."""
    store = LmdbStore.create(folder)
    rest = [(Space.FOLD, key_u64(number), b"other %d" % number * 30) for number in range(others)]
    store.commit(Batch([(Space.RECORDS, key_u64(0), before), *rest], index=[(1, 2), (1, 3)]), b"", b"one")
    store.commit(Batch([(Space.RECORDS, key_u64(0), after)], unindex=[(1, 2)]), b"one", b"two")
    store.commit(Batch(), b"two", b"three")
    store.close()
    return (folder / "data.mdb").read_bytes()


@pytest.mark.parametrize("size", [60, 1_500, 3_000, 9_000, 300_000])
def test_what_was_replaced_is_in_the_file_until_it_is_scrubbed(tmp_path: Path, size: int) -> None:
    """As LMDB leaves it: within the page, in a free page, in a run of free pages."""
    before = (SECRET * (size // len(SECRET) + 1))[:size]
    folder = tmp_path / "store"
    survived = SECRET in replaced(folder, before, b"gone")
    assert survived or size < 2_000  # of small values LMDB happens to overwrite some by itself
    scrub(folder)
    assert SECRET[:16] not in (folder / "data.mdb").read_bytes()
    check_data_file(folder / "data.mdb", is_distrusted=True)


def held(store: LmdbStore) -> dict[object, object]:
    with store.snapshot() as snapshot:
        found: dict[object, object] = {
            (space, key): bytes(value) for space in Space for key, value in snapshot.scan(space)
        }
        found["positions"] = [snapshot.positions(prefix) for prefix in range(4)]
        found["head"] = bytes(snapshot.head())
        return found


_VALUES = st.one_of(
    st.binary(max_size=40), st.integers(1_000, 20_000).map(lambda size: SECRET * (size // 31))
)
_STEPS = st.lists(
    st.tuples(
        st.dictionaries(
            st.tuples(st.sampled_from(Space), st.integers(0, 9).map(key_u64)), _VALUES, max_size=12
        ),
        st.sets(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=6),
        st.sets(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=3),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=40, deadline=None)
@given(_STEPS)
def test_what_is_held_stays_and_the_store_goes_on(
    tmp_path_factory: pytest.TempPathFactory, steps: object
) -> None:
    folder = tmp_path_factory.mktemp("scrub") / "store"
    store = LmdbStore.create(folder)
    for puts, index, unindex in steps:  # type: ignore[attr-defined]
        batch = Batch([(s, k, v) for (s, k), v in puts.items()], index=[*index], unindex=[*unindex])
        store.commit(batch, b"", b"")
    before = held(store)
    store.close()
    scrub(folder)
    assert scrub(folder) == 0
    store.reopen()
    assert held(store) == before
    for number in range(3):
        store.commit(Batch([(Space.TILES, b"later", b"%d" % number * 3_000)]), b"", b"")
    after = held(store)
    assert after.pop((Space.TILES, b"later")) == b"2" * 3_000
    before.pop((Space.TILES, b"later"), None)
    assert after == before
    store.close()
    check_data_file(folder / "data.mdb", is_distrusted=True)


def test_the_older_state_stays_for_a_crash_to_fall_back_on(tmp_path: Path) -> None:
    """Of two meta pages the newer may be lost: what the older one reaches is not touched."""
    folder = tmp_path / "store"
    store = LmdbStore.create(folder)
    for number in range(4):
        store.commit(Batch([(Space.RECORDS, key_u64(0), b"%d" % number * 9_000)]), b"", b"")
    store.close()
    scrub(folder)
    path = folder / "data.mdb"
    data = bytearray(path.read_bytes())
    places = [16 + 128, 4_096 + 16 + 128]  # of the transaction ids
    newest = max(places, key=lambda at: int.from_bytes(data[at : at + 8], sys.byteorder))
    data[newest : newest + 8] = bytes(8)
    path.write_bytes(data)
    check_data_file(path, is_distrusted=True)
    store = LmdbStore(folder)
    assert held(store)[Space.RECORDS, key_u64(0)] == b"2" * 9_000
    store.close()


def code(use: Callable[[], object]) -> str:
    with pytest.raises(LineageError) as raised:
        use()
    assert raised.value.fix
    return raised.value.code


def test_nothing_is_touched_while_another_process_has_it_open(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    replaced(folder, SECRET * 300, b"gone")
    before = (folder / "data.mdb").read_bytes()
    text = (
        "import sys\nfrom pathlib import Path\nfrom ledger.store.lmdb import LmdbStore\n"
        "store = LmdbStore(Path(sys.argv[1]), readonly=True)\nprint(1, flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", text, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        assert code(lambda: scrub(folder)) == "store-shared"
        assert (folder / "data.mdb").read_bytes() == before
        other.stdin.close()
        other.wait()
    assert scrub(folder) > 0


def test_who_would_open_it_waits_and_finds_it_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "store"
    replaced(folder, SECRET * 300, b"gone")
    text = (
        "import sys\nfrom pathlib import Path\nfrom ledger.store.contract import *\n"
        "from ledger.store.lmdb import LmdbStore\nprint(1, flush=True)\n"
        "store = LmdbStore(Path(sys.argv[1]))\nprint(2, flush=True)\n"
        "store.commit(Batch([(Space.FOLD, b'new', b'value')]), b'three', b'four')\n"
    )
    clear = scrubbing._clear
    others: list[subprocess.Popen[bytes]] = []

    def slowly(*arguments: object) -> int:
        if not others:
            command = [sys.executable, "-c", text, str(folder)]
            others.append(subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT))
            assert others[0].stdout is not None
            assert others[0].stdout.readline() == b"1\n"
        return clear(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(scrubbing, "_clear", slowly)
    scrub(folder)
    assert others[0].communicate(timeout=60)[0] == b"2\n"
    assert others[0].returncode == 0
    store = LmdbStore(folder)
    found = held(store)
    assert (found["head"], found[Space.FOLD, b"new"]) == (b"four", b"value")
    assert found[Space.RECORDS, key_u64(0)] == b"gone"
    store.close()


def test_a_damaged_file_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    replaced(folder, SECRET * 300, b"gone", others=200)
    path = folder / "data.mdb"
    data = bytearray(path.read_bytes())
    at = data.rfind(b"other 7other 7")
    page = at - at % 4096
    data[page : page + 16] = bytes(16)
    path.write_bytes(data)
    assert code(lambda: scrub(folder)) == "ledger-damaged"
    assert path.read_bytes() == data


# Files


def test_a_destroyed_file_is_overwritten_before_it_goes(tmp_path: Path) -> None:
    path, beside = tmp_path / "secret", tmp_path / "the same"
    path.write_bytes(SECRET * 50_000)
    os.link(path, beside)
    assert is_to_destroy(path)
    assert destroy(path)
    assert beside.read_bytes() == bytes(len(SECRET) * 50_000)
    assert [each.name for each in tmp_path.iterdir()] == ["the same"]
    assert not destroy(path)


def test_a_destruction_that_was_cut_short_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    path.write_bytes(SECRET)

    def fails(_descriptor: int) -> None:
        raise OSError(5, "the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr("ledger.store.files.os.fsync", fails)
        with pytest.raises(StoreFault):
            destroy(path)
    assert not path.exists()
    assert dying_name(path).exists()
    assert is_to_destroy(path)
    assert destroy(path)
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    target, path = tmp_path / "another's", tmp_path / "link"
    target.write_bytes(SECRET)
    path.symlink_to(target)
    assert destroy(path)
    assert target.read_bytes() == SECRET
    assert not os.path.lexists(path)
