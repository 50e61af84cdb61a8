"""A ledger of an older store version, or with a damaged state, goes on from its log alone (SPEC §10.4).

`store_version_1.tar.xz` holds two ledgers as the last program of store version 1 left them, on a 64-bit machine of
little-endian byte order: `signed`, with a human, a machine, two pairs and what they published, and `in-flight`, the same
with a commit behind its first transaction.
"""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path

import pytest

from ledger.errors import InvariantBroken, LineageError, RefusedInput, StoreFault, WriterBusy
from ledger.fold.state import FoldState
from ledger.log import rebuild
from ledger.log.rebuild import Rebuilt, rebuild_state, rebuild_store
from ledger.proofs.checkpoint import open_checkpoint
from ledger.statements.entry import decode_entry
from ledger.store.contract import Batch, Space, Store, key_u64
from ledger.store.folder import Marker, creating_folder, open_folder
from ledger.store.head import decode_head
from ledger.store.lmdb import LmdbStore
from ledger.store.lock import WriterLock
from tests.dishonest import DishonestLog
from tests.faults import Fault, FaultyStore
from tests.test_audit.scenes import audit_world, put
from tests.test_log.lives import Town, fold_values
from tests.test_log.scene import entries_of
from tests.world import World, enrol

OLD = Path(__file__).parent / "store_version_1.tar.xz"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    if sys.maxsize < 2**32 or sys.byteorder != "little":
        pytest.skip("the old ledger's data file is of a 64-bit little-endian machine: run the test on one")
    with tarfile.open(OLD) as packed:
        packed.extractall(tmp_path, filter="data")
    return tmp_path


def code_of(error: pytest.ExceptionInfo[LineageError]) -> str:
    return error.value.code


def everything(store: Store) -> dict[tuple[Space, bytes], bytes]:
    with store.snapshot() as snapshot:
        return {(space, key): bytes(value) for space in Space for key, value in snapshot.scan(space)}


def raw_head(store: Store) -> bytes:
    with store.snapshot() as snapshot:
        return bytes(snapshot.head())


def contents(folder: Path) -> dict[tuple[Space, bytes], bytes]:
    store = LmdbStore(folder, readonly=True)
    try:
        return everything(store)
    finally:
        store.close()


def test_older_ledger_is_not_misread(old: Path) -> None:
    with pytest.raises(RefusedInput, match="doctor --rebuild") as error:
        open_folder(old / "signed")
    assert code_of(error) == "ledger-older"
    store = LmdbStore(old / "signed")
    with pytest.raises(StoreFault) as fault:
        World(store)
    assert code_of(fault) == "ledger-damaged"
    store.close()


def test_older_ledger_is_rebuilt_and_goes_on_as_fold_2(old: Path) -> None:
    folder = old / "signed"
    before = contents(folder)
    first = rebuild_state(folder)
    assert (first.entries, first.store_version) == (20, 1)
    assert first.changed > 0
    assert rebuild_state(folder) == Rebuilt(first.entries, 0, 2)
    open_folder(folder)
    kept = {place: value for place, value in before.items() if place[0] is not Space.FOLD}
    assert {place: value for place, value in contents(folder).items() if place[0] is not Space.FOLD} == kept
    world = World(LmdbStore(folder))
    world.time_ms = world.writer.state.header.clock_ms
    assert audit_world(world).ok
    ada = enrol("ada", world.log)
    lane = world.writer.state.lane(ada.id, ada.id, b"L" * 16)
    assert lane is not None
    ada.lanes[ada.id, b"L" * 16] = (lane.next_seq, lane.last)
    world.change(ada, cuts=[(ada.public_key, 3)])
    world.publish(ada, ada.record("of fold 2"))
    report = audit_world(world)
    assert report.ok, report.faults
    numbers = [
        statement.body["fold"]
        for statement in (decode_entry(data).statement for data in entries_of(world))
        if statement.type == "state"
    ]
    assert numbers == sorted(numbers)
    assert set(numbers) == {1, 2}
    world.store.close()


def test_commit_in_flight_of_an_older_ledger_is_finished(old: Path) -> None:
    folder = old / "in-flight"
    rebuilt = rebuild_state(folder)
    world = World(LmdbStore(folder))
    head = decode_head(raw_head(world.store))
    assert rebuilt.entries == head.size == open_checkpoint(head.note, [world.vkey]).size == 24
    assert audit_world(world).ok
    assert world.writer.state.identity(enrol("bob", world.log).id) is not None
    world.store.close()


def test_rebuild_that_is_stopped_before_the_marker_is_done_again(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_folder: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(rebuild, "renew_marker", stop)
        with pytest.raises(KeyboardInterrupt):
            rebuild_state(old / "signed")
    with pytest.raises(RefusedInput):
        open_folder(old / "signed")
    after = contents(old / "signed")
    assert rebuild_state(old / "signed") == Rebuilt(20, 0, 1)
    assert contents(old / "signed") == after
    open_folder(old / "signed")


def test_rebuild_waits_for_the_writer(old: Path) -> None:
    with WriterLock(old / "signed").acquire(0), pytest.raises(WriterBusy):
        rebuild_state(old / "signed", wait_s=0)
    rebuild_state(old / "signed", wait_s=0)


@pytest.mark.parametrize("fault", Fault)
def test_rebuild_whose_commit_fails_changes_all_or_nothing(fault: Fault) -> None:
    store = FaultyStore(Town(World()).world.store, {1: fault})
    wanted = everything(store)
    for key in list(fold_values(store))[::3]:
        put(store.inner, Space.FOLD, key, b"\x80")
    damaged = everything(store)
    with pytest.raises(StoreFault):
        rebuild_store(store, World(begin=False).vkey, World(begin=False).log)
    store.reopen()
    assert everything(store) == (wanted if fault is Fault.PERSISTED else damaged)
    rebuild_store(store, World(begin=False).vkey, World(begin=False).log)
    assert everything(store) == wanted


def test_damaged_state_is_what_the_log_says_again() -> None:
    """Each value of the fold and of the status map: changed, lost, and such as do not belong there."""
    town = Town(World())
    town.world.append(*town.crowd())
    store, world = town.world.store, town.world
    wanted, head = everything(store), raw_head(store)
    keys = [place for place in wanted if place[0] in (Space.FOLD, Space.STATUS)]
    batch = Batch(
        puts=[(space, key, b"other") for space, key in keys[::3]] + [(Space.FOLD, b"zz", b"x")],
        deletes=keys[1::3],
    )
    store.commit(batch, head, head)
    entries, changed = rebuild_store(store, world.vkey, world.log)
    assert entries == decode_head(head).size
    assert changed == len(keys[::3]) + len(keys[1::3]) + 1
    assert everything(store) == wanted
    assert raw_head(store) == head
    assert audit_world(world).ok


def test_log_that_is_not_the_signed_one_is_not_rebuilt() -> None:
    """A changed signature leaves every entry well-formed: only the hashes tell."""
    world = World()
    entry = world.enrol("ada").enrolment.encoded
    with world.store.snapshot() as snapshot:
        bundle = bytes(snapshot.get(Space.ENTRIES, key_u64(0)) or b"")
    assert bundle.count(entry) == 1
    put(world.store, Space.ENTRIES, key_u64(0), bundle.replace(entry, entry[:-1] + bytes([entry[-1] ^ 1])))
    put(world.store, Space.FOLD, b"h", b"\x80")
    before = everything(world.store)
    with pytest.raises(InvariantBroken) as error:
        rebuild_store(world.store, world.vkey, world.log)
    assert code_of(error) == "tree-differs"
    assert everything(world.store) == before


def test_log_of_unknown_rules_is_not_rebuilt() -> None:
    world = World()
    DishonestLog.over(world).close_with_state(fold=3)
    before = everything(world.store)
    with pytest.raises(RefusedInput) as error:
        rebuild_store(world.store, world.vkey, world.log)
    assert code_of(error) == "fold-unknown"
    assert everything(world.store) == before


def test_log_without_a_genesis_in_order_is_not_rebuilt() -> None:
    world = World(begin=False)
    log = DishonestLog.over(world)
    log.append(enrol("ada", world.log).enrolment.encoded)
    log.close_with_state()
    with pytest.raises(RefusedInput) as error:
        rebuild_store(world.store, world.vkey, world.log)
    assert code_of(error) == "genesis-illegal"


def test_ledger_that_has_not_begun_is_rebuilt_to_nothing(tmp_path: Path) -> None:
    world = World(begin=False)
    with creating_folder(tmp_path / "ledger", Marker(world.vkey.name, str(world.vkey), world.log)) as folder:
        LmdbStore.create(folder).close()
    assert rebuild_state(tmp_path / "ledger") == Rebuilt(0, 0, 2)
    assert FoldState(world.log, fold_values(world.store).get).header.size == 0
