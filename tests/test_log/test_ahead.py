"""What a view reads ahead is what it answers else, whatever lies in the store; and it is read once for many."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger.errors import StoreFault
from ledger.log import ahead
from ledger.log.view import LogView, open_view
from ledger.store import index
from ledger.store.contract import Batch, Space, key_u64
from ledger.store.lmdb import LmdbStore
from ledger.store.memory import MemoryStore
from ledger.store.reader import StoreReader
from tests.dishonest import DishonestLog
from tests.faults import Fault, FaultyStore
from tests.test_log.test_view import fill
from tests.world import World


@pytest.fixture(params=["memory", "lmdb"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    store = MemoryStore() if request.param == "memory" else LmdbStore.create(tmp_path / "store")
    return World(FaultyStore(store, {}))


def answers(view: LogView, artifact_id: bytes) -> list[Any]:
    """All that a trace asks of an artifact."""
    found: list[Any] = [view.find_artifact(artifact_id)]
    for number in found[0]:
        place = view.locate(number)
        path = view.record_path(number)
        found.append((number, place, view.record(number), path, view.entry(place[0])))
    return found


def alone(world: World, ids: list[bytes]) -> list[list[Any]]:
    with open_view(world.store, world.vkey) as view:
        return [answers(view, artifact_id) for artifact_id in ids]


def expected(world: World, ids: list[bytes]) -> list[list[Any]]:
    """The same by a view that was told before; and then once more, since each is given away once."""
    with open_view(world.store, world.vkey) as view:
        view.expect(ids)
        found = [answers(view, artifact_id) for artifact_id in ids]
        assert [answers(view, artifact_id) for artifact_id in ids] == found
        return found


def propose(world: World, digest: bytes, positions: list[int]) -> None:
    """What somebody may bring about in the index: it names these positions under the first bytes of a digest."""
    with world.store.snapshot() as snapshot:
        head = snapshot.head()
    pairs = [(index.prefix(digest), position) for position in positions]
    world.store.commit(Batch(index=pairs), head, head)


def test_a_hint_changes_no_answer(world: World) -> None:
    ids = fill(world)
    anna = world.enrol("again")
    often = [anna.record("twice"), anna.record("thrice")]
    for count in (2, 2, 1):
        world.must(*anna.artifacts(often[-count:]))
    ids += [bytes(32), *(record.id for record in often)]
    asked = ids[::-1] + ids[:3]
    assert expected(world, asked) == alone(world, asked)
    assert [len(alone(world, [record.id])[0]) for record in often] == [3, 4]


@pytest.mark.parametrize("places_max", [2, 100])
def test_the_index_only_proposes(world: World, monkeypatch: pytest.MonkeyPatch, places_max: int) -> None:
    monkeypatch.setattr(ahead, "_PLACES_MAX", places_max)
    anna = world.enrol("anna")
    records = [anna.record("one"), anna.record("two")]
    world.must(*anna.artifacts(records))
    far = [9_999, *map(index.statement_position, (0, 1, 9_999))]
    propose(world, records[0].id, [1, *far])
    propose(world, anna.id, [0])  # something stands there, and it is another
    ids = [records[0].id, records[1].id, anna.id]
    assert expected(world, ids) == alone(world, ids)
    assert [found[0] for found in expected(world, ids)] == [[0], [1], []]
    with open_view(world.store, world.vkey) as view:  # nor do they keep the others from being read ahead
        view.expect(ids)
        assert view._ahead.numbers.keys() >= {records[1].id, anna.id}


def test_of_an_erased_record_the_place_is_read_ahead(world: World) -> None:
    anna = world.enrol("anna")
    records = [anna.record(text) for text in ("one", "two", "three")]
    world.must(*anna.artifacts(records))
    DishonestLog.over(world).erase(1)
    ids = [record.id for record in records]
    assert expected(world, ids) == alone(world, ids)
    assert expected(world, ids)[1][1][2] is None


@pytest.mark.parametrize("fault", list(Fault))
def test_a_commit_in_flight_is_not_read_ahead(world: World, fault: Fault) -> None:
    fill(world)
    store = world.store
    assert isinstance(store, FaultyStore)
    anna = world.enrol("later")
    record = anna.record("unsigned")
    store.plan = {store.commits + 2: fault}
    with pytest.raises(StoreFault):
        world.append(anna.artifacts([record]))
    found = expected(world, [record.id, bytes(32)])
    assert found == alone(world, [record.id, bytes(32)])
    assert found[0][0] == ([600] if fault is Fault.PERSISTED else [])


def test_a_damaged_store_is_told_by_the_question(world: World) -> None:
    ids = fill(world)
    with world.store.snapshot() as snapshot:
        head = snapshot.head()
    world.store.commit(Batch([(Space.RECORDS, key_u64(1), b"\0\5abc")]), head, head)
    with open_view(world.store, world.vkey) as view:
        view.expect(ids)
        assert answers(view, ids[3]) == alone(world, ids[3:4])[0]
        with pytest.raises(StoreFault, match="bundle"):
            view.find_artifact(ids[300])


def test_what_was_told_of_is_read_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [artifact_id for number, artifact_id in enumerate(fill(world)) if not 7 <= number < 303]
    read: list[Space] = []
    with open_view(world.store, world.vkey) as view:
        honest = StoreReader._bundle

        def counted(self: StoreReader, space: Space, number: int) -> Any:
            read.append(space)
            return honest(self, space, number)

        monkeypatch.setattr(StoreReader, "_bundle", counted)
        view.expect(ids)
        for artifact_id in ids:
            (number,) = view.find_artifact(artifact_id)
            view.entry(view.locate(number)[0])
            assert view.record(number) is not None
    assert (read.count(Space.RECORDS), read.count(Space.ENTRIES)) == (3, 2)


def test_what_is_not_asked_for_is_let_go_of(world: World) -> None:
    ids = fill(world)
    with open_view(world.store, world.vkey) as view:
        view.expect(ids)
        view.expect(ids[:1])
        held = view._ahead
        assert (len(held.numbers), len(held.records), len(held.entries), len(held.places)) == (1, 1, 1, 1)
