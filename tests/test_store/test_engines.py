"""Every engine passes the one suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.errors import StoreFault
from ledger.store.contract import Batch, Space, Store
from ledger.store.lmdb import LmdbStore
from ledger.store.memory import MemoryStore
from tests.faults import Fault, FaultyStore, fault_pairs
from tests.store_suite import StoreSuite, code_of


class TestMemory(StoreSuite):
    def make(self, folder: Path) -> Store:
        return MemoryStore()

    def test_failed_commit_poisons(self, monkeypatch: pytest.MonkeyPatch) -> None:
        store = MemoryStore()
        with monkeypatch.context() as patch:
            patch.setattr(store, "_apply", lambda *_: 1 // 0)
            with pytest.raises(ZeroDivisionError):
                store.commit(Batch(), b"", b"1")
        with pytest.raises(StoreFault) as error:
            store.commit(Batch(), b"", b"1")
        assert code_of(error) == "writer-poisoned"
        store.reopen()
        store.commit(Batch(), b"", b"1")


class TestLmdb(StoreSuite):
    def make(self, folder: Path) -> Store:
        return LmdbStore.create(folder)


class TestFaultless(StoreSuite):
    def make(self, folder: Path) -> Store:
        return FaultyStore(LmdbStore.create(folder), {})


@pytest.mark.parametrize("plan", fault_pairs(2), ids=lambda plan: "-".join(plan.values()))
def test_planned_faults_fall_in_pairs(plan: dict[int, Fault]) -> None:
    store = FaultyStore(MemoryStore(), plan)
    store.commit(Batch(), b"", b"1")
    head = b"1"
    for number in (2, 3):
        batch = Batch([(Space.FOLD, b"%d" % number, b"x")])
        with pytest.raises(StoreFault) as error:
            store.commit(batch, head, b"%d" % number)
        assert code_of(error) == "store-failed"
        with pytest.raises(StoreFault) as error:
            store.commit(batch, head, b"never")
        assert code_of(error) == "writer-poisoned"
        store.reopen()
        persisted = plan[number] is Fault.PERSISTED
        with store.snapshot() as snapshot:
            assert snapshot.head() == (b"%d" % number if persisted else head)
            assert (snapshot.get(Space.FOLD, b"%d" % number) is not None) is persisted
            head = snapshot.head()
    store.commit(Batch(), head, b"4")
    assert store.commits == 4


def test_fault_pairs_are_all_four() -> None:
    plans = fault_pairs(5)
    assert {tuple(plan.items()) for plan in plans} == {((5, a), (6, b)) for a in Fault for b in Fault}
