"""One commit with everything in it: admitted, left in flight, finished by recovery, and told apart from the state before it."""

from __future__ import annotations

import msgpack
import pytest

from ledger.errors import StoreFault
from ledger.fold.before import StateBefore
from ledger.fold.state import FoldState
from ledger.fold.topics import Chain, Topic, topic_key
from ledger.log.view import open_view
from ledger.statements import words
from ledger.statements.entry import decode_entry
from ledger.store.memory import MemoryStore
from tests.faults import Fault, FaultyStore
from tests.test_audit.scenes import audit_world
from tests.test_log.lives import Town, decoded, fold_values, value_of
from tests.test_log.scene import codes, entries_of
from tests.world import World


def in_flight(town: Town, store: FaultyStore) -> None:
    """Leaves a crowd behind the first transaction of its commit."""
    store.plan = {store.commits + 1: Fault.PERSISTED}
    with pytest.raises(StoreFault):
        town.world.append(*town.crowd())
    store.reopen()


def test_crowd_is_taken_whole_and_audited() -> None:
    town = Town(World())
    before = len(entries_of(town.world))
    said = town.crowd()
    assert codes(town.world.append(*said)) == [""] * len(said)
    types = {decode_entry(data).statement.type for data in entries_of(town.world)[before:]}
    assert types == words.TYPES - {"genesis"}
    report = audit_world(town.world)
    assert report.ok, report.faults
    assert report.size == before + len(said) + 1


def test_crowd_in_flight_is_finished_as_it_was_meant() -> None:
    """Every identity, chain and rule as of before is told from what the first transaction stored."""
    straight = Town(World())
    straight.world.append(*straight.crowd())
    store = FaultyStore(MemoryStore(), {})
    town = Town(World(store))
    in_flight(town, store)
    assert town.world.open().note == straight.world.writer.note
    assert fold_values(store) == fold_values(straight.world.store)
    assert audit_world(town.world).ok
    town.world.writer = town.world.open()
    town.world.publish(town.ada, town.ada.record("goes on"))


def test_state_before_a_crowd_is_the_one_that_stood() -> None:
    """Value by value, through a view of the signed log: what came is not seen, what it replaced is."""
    store = FaultyStore(MemoryStore(), {})
    town = Town(World(store))
    before = fold_values(store)
    in_flight(town, store)
    after = fold_values(store)
    changed = {key for key, value in after.items() if before.get(key) != value}
    assert {key[:1] for key in changed - before.keys()} == {bytes([kind]) for kind in b"cdefiklnopqtu"}
    assert {key[:1] for key in changed & before.keys()} == {bytes([kind]) for kind in b"ehilpt"}
    with open_view(store, town.world.vkey) as view:
        state = view.state
        assert isinstance(state, StateBefore)
        for key in (before | after).keys() - {b"h"}:
            nothing = Chain() if key[:1] == b"t" else None
            expected = decoded(key, before[key]) if key in before else nothing
            assert value_of(state, key) == expected, key
        assert state.header == FoldState(town.world.log, before.get).header
        assert all(state.begins_as_signed(key[1:]) for key in before if key[:1] == b"t")
        assert state.topic_entries(topic_key(Topic.NOTICES, town.work.id)) == [town.hold.log_index]


def test_former_key_event_that_was_tampered_with_is_damage() -> None:
    """A search for the key event of a position reads of most nothing but where they stand; that is checked, too."""
    town = Town(World())
    for _ in range(4):
        town.world.change(town.ada)
    key = b"k" + town.ada.id + (2).to_bytes(8, "big")
    good = msgpack.unpackb(fold_values(town.world.store)[key])
    for bad in (b"", b"\xc1", b"\x80", *(msgpack.packb(good | {"log_index": at}) for at in (-1, "1", None))):
        state = FoldState(town.world.log, (fold_values(town.world.store) | {key: bad}).get)
        with pytest.raises(StoreFault) as error:
            state.identity_before(town.ada.id, town.work_at)
        assert error.value.code == "ledger-damaged"
    state = FoldState(town.world.log, fold_values(town.world.store).get)
    found = state.identity_before(town.ada.id, town.work_at)
    assert found is not None
    assert (found.kseq, found.last.type) == (0, "enrol")
