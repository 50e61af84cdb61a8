"""What a view tells of identities, statements and records as of the checkpoint, and how it looks through all of them."""

from __future__ import annotations

import pytest

from ledger.errors import StoreFault
from ledger.fold.objects import Identity
from ledger.log.view import LogView, ScannedRecord, open_view
from ledger.merkle.tree import hash_leaf
from ledger.statements import words
from ledger.statements.entry import decode_entry
from ledger.store.contract import Batch, Space, key_u64
from ledger.store.memory import MemoryStore
from tests.dishonest import DishonestLog
from tests.faults import Fault, FaultyStore
from tests.test_log.lives import Town
from tests.test_log.scene import ASIDE
from tests.world import World, enrol


def test_town_as_of_its_checkpoint() -> None:
    town = Town(World())
    town.world.append(*town.crowd())
    with open_view(town.world.store, town.world.vkey) as view:
        ada, bob, carl, machine = (
            known(view, actor.id) for actor in (town.ada, town.bob, town.carl, town.machine)
        )
        assert [event.type for event in view.key_events(bob)] == ["enrol", "recover", "rotate"]
        assert [event.vetoed for event in view.key_events(bob)] == [False, True, False]
        assert view.key_events(ada)[-1] == ada.in_force(view.clock_ms)
        assert known(view, town.dora.id).retired
        grades = [(issuer, found.grade) for issuer, found in view.endorsements(bob.id)]
        assert grades == [(town.dora.id, "claimed"), (town.registrar.id, "documented")]
        assert [found.until for _issuer, found in view.endorsements(ada.id)] == [10**15]
        assert view.endorsements(machine.id) == []
        assert view.state.contested(machine.in_force(view.clock_ms).id) is not None
        assert view.state.contested(ada.in_force(view.clock_ms).id) is None
        assert len(view.delegations(known(view, town.pair.id))) == 4
        assert view.state.header.rules == {"mode": "open", "limits": {"bytes": 1_000_000}}
        assert len(view.key_events(carl)) == 4


def known(view: LogView, identity_id: bytes) -> Identity:
    identity = view.identity(identity_id)
    assert identity is not None
    return identity


def test_disowned_statements_and_who_signed_them() -> None:
    """Told for every entry of the log, once from the cuts as they were said."""
    town = Town(World())
    town.world.append(*town.crowd())
    with open_view(town.world.store, town.world.vkey) as view:
        statements = [view.statement(log_index) for log_index in range(view.checkpoint.size)]
        rotated_at = next(
            index for index, item in enumerate(statements) if item.type == "rotate" and item.by == town.ada.id
        )
        stolen = statements[rotated_at].body["compromised"][0][0]
        expected = {
            index
            for index, item in enumerate(statements[:rotated_at])
            if item.type in words.TYPES_ORDINARY
            and index >= town.stolen_from
            and (item.by == town.ada.id or (item.by == town.pair.id and index > town.stolen_from))
        }
        # The pair stood under its first delegation until the thief gave it another.
        first_grant = next(i for i in sorted(expected) if statements[i].type == "delegate")
        expected -= {i for i in expected if statements[i].by == town.pair.id and i < first_grant}
        found = {i for i in range(view.checkpoint.size) if view.disowned_by(i) is not None}
        of_ada = {i for i in found if statements[i].by in (town.ada.id, town.pair.id)}
        assert of_ada == expected
        for index in expected:
            event = view.disowned_by(index)
            assert event is not None
            assert event.log_index == rotated_at
            assert (view.signed_by(index) == (stolen,)) == (statements[index].by == town.ada.id)
        of_carl = {i for i in found if statements[i].by == town.carl.id}
        assert [statements[i].type for i in sorted(of_carl)] == ["artifacts"]
        assert all(view.signed_by(i) == () for i, s in enumerate(statements) if s.type in ("enrol", "rotate"))


def test_record_that_stands_and_one_that_does_not() -> None:
    world = World()
    ada = world.enrol("ada")
    before = world.publish(ada, ada.record("before"))
    twice = ada.record("twice")
    stolen = world.publish(ada, twice)
    log = DishonestLog.over(world)
    entry, records = ada.artifacts([ada.record("forged")], ASIDE)
    log.append(ada.sign(entry.statement, name="thief").encoded, records)
    log.close_with_state()
    world.writer = world.open()
    numbers = [before.record_number, stolen.record_number, stolen.record_number + 1]
    with open_view(world.store, world.vkey) as view:
        assert [view.stands(number) for number in numbers] == [True, True, False]
    world.change(ada, "recover", cuts=[(ada.public_key, stolen.log_index)])
    with open_view(world.store, world.vkey) as view:
        assert [view.stands(number) for number in numbers] == [True, True, False]
    world.wait_out(ada)  # no key event came since: the clock alone brings it into force
    with open_view(world.store, world.vkey) as view:
        assert [view.stands(number) for number in numbers] == [True, False, False]
    again = world.publish(ada, twice)
    with open_view(world.store, world.vkey) as view:
        assert view.find_artifact(twice.id) == [stolen.record_number, again.record_number]
        assert [view.stands(number) for number in view.find_artifact(twice.id)] == [False, True]


def test_nothing_of_a_crowd_in_flight_is_shown() -> None:
    store = FaultyStore(MemoryStore(), {})
    town = Town(World(store))
    with open_view(store, town.world.vkey) as view:
        before = told(view, town)
    store.plan = {store.commits + 1: Fault.PERSISTED}
    with pytest.raises(StoreFault):
        town.world.append(*town.crowd())
    store.reopen()
    with open_view(store, town.world.vkey) as view:
        assert told(view, town) == before
        newcomer = enrol("newcomer", town.world.log)
        assert view.identity(newcomer.id) is None
        with pytest.raises(StoreFault):
            view.disowned_by(view.checkpoint.size)


def told(view: LogView, town: Town) -> list[object]:
    """All that a view says of a town."""
    actors = (town.ada, town.bob, town.carl, town.dora, town.machine, town.pair, town.operator)
    found: list[object] = [view.state.header, view.note]
    for actor in actors:
        identity = view.identity(actor.id)
        assert identity is not None
        found += [identity, view.key_events(identity), view.delegations(identity)]
        found += [view.endorsements(actor.id), view.state.contested(actor.id)]
    found += [(view.disowned_by(i), view.signed_by(i)) for i in range(view.checkpoint.size)]
    found += [list(view.scan_statements()), list(view.scan_records())]
    return found


def large(world: World) -> None:
    """More than two bundles of entries and of records; in every 50th statement a child of `root`."""
    ada, bob = world.enrol("ada"), world.enrol("bob")
    said = []
    for number in range(700):
        actor = bob if number % 50 == 0 else ada
        said.append(
            actor.artifacts([actor.record(f"{number} {n}") for n in range(number % 3)] or [actor.record("x")])
        )
    world.append(*said)


def test_scans_find_what_a_walk_finds() -> None:
    world = World()
    large(world)
    bob = enrol("bob", world.log)
    with open_view(world.store, world.vkey) as view:
        entries = [(i, view.entry(i)) for i in range(view.checkpoint.size)]
        assert len(entries) > 2 * 256
        assert list(view.scan_statements()) == entries
        of_bob = [(i, data) for i, data in entries if bob.id in data]
        assert len(of_bob) == 14
        assert [decode_entry(data).statement.by for _i, data in of_bob] == [bob.id] * 14
        assert list(view.scan_statements(bob.id)) == of_bob
        assert list(view.scan_statements(b"?" * 32)) == []
        records = [
            ScannedRecord(number, *view.locate(number), view.record(number))
            for number in range(view.record_count)
        ]
        assert len(records) > 2 * 256
        assert list(view.scan_records()) == records
        assert list(view.scan_records(bob.id)) == [item for item in records if bob.id in (item.data or b"")]
        artifact = hash_leaf(records[300].data or b"")
        assert list(view.scan_records(artifact)) == []


def test_scan_tells_what_is_erased_and_that_a_bundle_is_missing() -> None:
    world = World()
    large(world)
    log = DishonestLog.over(world)
    log.erase(256)
    with open_view(world.store, world.vkey) as view:
        gone = [item.record_number for item in view.scan_records() if item.data is None]
        assert gone == [256]
        leaf = view.record_leaf(256)
        assert list(view.scan_records(leaf)) == []  # of an erased one nothing is said but its place
    with world.store.snapshot() as snapshot:
        head = bytes(snapshot.head())
    world.store.commit(Batch(deletes=[(Space.RECORDS, key_u64(1))]), head, head)
    with open_view(world.store, world.vkey) as view, pytest.raises(StoreFault) as error:
        list(view.scan_records())
    assert error.value.code == "ledger-damaged"
