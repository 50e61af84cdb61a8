"""An audit of lives: what it counts, which erasures it allows, and every value of the fold's state that was tampered with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgpack
import pytest

from ledger.audit.replay import audit_folder
from ledger.errors import LineageError
from ledger.spec import ERASE_WAIT_S
from ledger.statements import codec
from ledger.statements.record import Parent, Record
from ledger.store.contract import Batch, Space
from tests.dishonest import DishonestLog
from tests.test_audit.scenes import audit_world, named, published, put
from tests.test_log.lives import Town, fold_values
from tests.world import Actor, World

WAIT_MS = ERASE_WAIT_S * 1_000


def test_counts_of_a_town(tmp_path: Any) -> None:
    town = Town(World())
    quiet = audit_world(town.world)
    assert (quiet.ok, quiet.identities, quiet.key_events) == (True, 11, 4)
    disowned = quiet.disowned  # carl's first statement, by the recovery that is due by now
    assert disowned == 1
    town.world.append(*town.crowd())
    report = audit_world(town.world)
    assert (report.ok, report.identities, report.key_events) == (True, 12, 12)
    # All that ada and her pair said from the theft to her rotation.
    state = town.world.writer.state
    assert report.disowned > 5
    assert state.header.cuts > 0
    in_folder = audit_folder(published(town.world, tmp_path), town.world.vkey)
    assert (in_folder.ok, in_folder.key_events, in_folder.disowned) == (True, 12, report.disowned)


def test_disowned_are_counted_one_by_one() -> None:
    world = World()
    ada = world.enrol("ada")
    pair = world.pair(ada, "pair")
    world.publish(ada, ada.record("before"))
    stolen_at = world.delegate(ada, pair).log_index  # by the thief
    world.publish(pair, pair.record("of the pair"))
    world.publish(ada, ada.record("of the thief"))
    world.change(ada, cuts=[(ada.public_key, stolen_at)])
    world.publish(ada, ada.record("after"))
    report = audit_world(world)
    assert (report.ok, report.disowned) == (True, 3)


def test_recovery_disowns_once_its_time_has_come() -> None:
    world = World()
    ada = world.enrol("ada")
    world.publish(ada, ada.record("before"))
    world.change(ada, "recover", cuts=[(ada.public_key, 1)])
    assert audit_world(world).disowned == 0
    world.wait_out(ada)
    assert audit_world(world).disowned == 1


@dataclass
class Erasure:
    """A work by ada, a notice that may allow its erasure, and what happened besides."""

    world: World
    operator: Actor
    ada: Actor
    bob: Actor
    curator: Actor
    work: Record
    at: int
    record_number: int

    @classmethod
    def begin(cls) -> Erasure:
        world = World()
        ada, bob, curator = world.enrol("ada"), world.enrol("bob"), world.enrol("curator", "curator")
        operator = world.operator()
        world.rules(operator, curators=[curator])
        work = ada.record("a work", "dataset", form="rows", facts={"count": 3})
        world.publish(bob, bob.record("another"))
        placed = world.publish(ada, work)
        return cls(world, operator, ada, bob, curator, work, placed.log_index, placed.record_number)

    def passes(self, wait_ms: int = WAIT_MS) -> None:
        """So much of the log's clock, from the last entry on."""
        self.world.time_ms = self.world.writer.state.header.clock_ms + wait_ms - 1
        self.world.writer.tick()

    def outcome(self) -> list[tuple[int, str, int | None]]:
        """What an audit names once the record is erased."""
        DishonestLog.over(self.world).erase(self.record_number)
        report = audit_world(self.world)
        assert report.ok != bool(report.faults)
        assert report.incomplete == bool(report.faults)
        return named(report)


def by_its_maker(s: Erasure) -> None:
    s.world.notice(s.ada, "erase", [s.work.id])
    s.passes()


def by_who_is_listed(s: Erasure) -> None:
    s.world.notice(s.curator, "erase", [s.work.id])
    s.passes()


def disowned_later(s: Erasure) -> None:
    by_its_maker(s)
    s.world.change(s.ada, cuts=[(s.ada.public_key, s.at)])


def delisted_later(s: Erasure) -> None:
    by_who_is_listed(s)
    s.world.rules(s.operator)


def maker_was_delisted(s: Erasure) -> None:
    """Who made it needs no list."""
    s.world.rules(s.operator, curators=[s.curator])
    by_its_maker(s)


def rules_change_meanwhile(s: Erasure) -> None:
    """Who made it was never listed, and needs not be."""
    s.world.notice(s.ada, "erase", [s.work.id])
    s.world.rules(s.operator)
    s.passes()


def signed_again_by_its_maker(s: Erasure) -> None:
    by_its_maker(s)
    s.world.publish(s.ada, s.work)


ALLOWED = [
    by_its_maker,
    by_who_is_listed,
    disowned_later,
    delisted_later,
    maker_was_delisted,
    rules_change_meanwhile,
    signed_again_by_its_maker,
]


def no_notice(s: Erasure) -> None:
    s.passes()


def too_early(s: Erasure) -> None:
    s.world.notice(s.ada, "erase", [s.work.id])
    s.passes(WAIT_MS - 1)


def only_retracted(s: Erasure) -> None:
    s.world.notice(s.ada, "retract", [s.work.id])
    s.passes()


def only_a_row(s: Erasure) -> None:
    s.world.notice(s.ada, "erase", [s.work.id, 0])
    s.passes()


def disowned_before(s: Erasure) -> None:
    s.world.notice(s.ada, "erase", [s.work.id])
    s.world.change(s.ada, cuts=[(s.ada.public_key, s.at)])
    s.passes()


def recovered_in_time(s: Erasure) -> None:
    """A recovery that stood before the notice is in force before that is due."""
    s.world.change(s.ada, "recover", cuts=[(s.ada.public_key, 1)])
    s.world.notice(s.ada, "erase", [s.work.id])
    s.passes()


def delisted_before(s: Erasure) -> None:
    s.world.notice(s.curator, "erase", [s.work.id])
    s.world.rules(s.operator)
    s.world.rules(s.operator, curators=[s.curator])
    s.passes()


REFUSED = [
    no_notice,
    too_early,
    only_retracted,
    only_a_row,
    disowned_before,
    recovered_in_time,
    delisted_before,
]


@pytest.mark.parametrize("story", ALLOWED)
def test_erasure_that_is_allowed(story: Callable[[Erasure], None]) -> None:
    scene = Erasure.begin()
    story(scene)
    assert scene.outcome() == []


@pytest.mark.parametrize("story", REFUSED)
def test_erasure_that_is_not_allowed(story: Callable[[Erasure], None]) -> None:
    scene = Erasure.begin()
    story(scene)
    assert scene.outcome() == [(scene.at, "record-missing", 0)]


def test_notice_of_anybody_allows_nothing() -> None:
    """A dishonest operator lets it in; it is a fault itself."""
    scene = Erasure.begin()
    log = DishonestLog.over(scene.world)
    at = log.append(scene.bob.say("notice", {"subjects": [[scene.work.id]], "act": "erase"}).encoded)
    log.close_with_state()
    log.time_ms += WAIT_MS
    log.close_with_state()
    log.erase(scene.record_number)
    assert named(audit_world(scene.world)) == [
        (at, "not-authorised", 0),
        (scene.at, "record-missing", 0),
    ]


def test_of_an_erased_record_who_signed_it_first_is_the_maker() -> None:
    scene = Erasure.begin()
    by_its_maker(scene)
    world, work = scene.world, scene.work
    log = DishonestLog.over(world)
    log.erase(scene.record_number)
    world.writer = world.open()
    world.notice(scene.ada, "retract", [work.id, 7])  # an erased record has every row
    with pytest.raises(LineageError) as error:
        world.must(scene.bob.say("notice", {"subjects": [[work.id]], "act": "retract"}))
    assert error.value.code == "not-authorised"
    child = scene.bob.record("child", parents=[Parent("quotes", work.id)])
    world.must(*scene.bob.artifacts([child], b"2" * 16))
    assert audit_world(world).ok


def test_every_value_of_the_kept_state_that_is_lost_or_changed_is_named() -> None:
    """Of each kind one: a cut, a contested mark, a former delegation, a hold, an endorsement ... (SPEC §10.4)."""
    town = Town(World())
    town.world.append(*town.crowd())
    store = town.world.store
    values = fold_values(store)
    kinds = {key[:1]: key for key in sorted(values)}
    assert sorted(kinds) == [bytes([kind]) for kind in b"cdefhiklnopqtu"]
    with store.snapshot() as snapshot:
        head = bytes(snapshot.head())
    for key in kinds.values():
        store.commit(Batch(deletes=[(Space.FOLD, key)]), head, head)
        assert {fault.code for fault in audit_world(town.world).faults} == {"ledger-damaged"}, key
        put(store, Space.FOLD, key, values[key])
    assert audit_world(town.world).ok


def test_cut_that_was_taken_back_in_the_kept_state_is_named() -> None:
    town = Town(World())
    town.world.append(*town.crowd())
    store = town.world.store
    cuts = {
        key: msgpack.unpackb(value)
        for key, value in fold_values(store).items()
        if key[:1] == b"p" and msgpack.unpackb(value)["cut"] is not None
    }
    assert len(cuts) == 5
    for key, value in cuts.items():
        good = fold_values(store)[key]
        for change in ({"cut": None, "cut_at": None}, {"cut": value["cut"] + 1}):
            put(store, Space.FOLD, key, msgpack.packb(value | change))
            (fault,) = audit_world(town.world).faults
            assert fault.code == "ledger-damaged"
            assert key.hex() in fault.what
        put(store, Space.FOLD, key, good)


def test_town_of_which_records_are_not_held_is_incomplete_and_nothing_worse() -> None:
    """Who lacks records reaches the same state: subjects are then taken to stand."""
    town = Town(World())
    town.world.append(*town.crowd())
    store = town.world.store
    with store.snapshot() as snapshot:
        head = bytes(snapshot.head())
        keys = [key for key, _value in snapshot.scan(Space.RECORDS)]
    store.commit(Batch(deletes=[(Space.RECORDS, key) for key in keys]), head, head)
    report = audit_world(town.world)
    assert report.incomplete
    assert {fault.code for fault in report.faults} <= {"record-missing", "ledger-damaged"}
    assert report.size == town.world.writer.state.header.size


def test_subject_faults_do_not_touch_each_other() -> None:
    town = Town(World())
    log = DishonestLog.over(town.world)
    named_ones: list[list[Any]] = [[town.work.id], [b"\xff" * 32], [town.table.id, 9]]
    subjects = sorted(named_ones, key=codec.encode)
    body = {"subjects": subjects, "claim": "content", "result": "unclear"}
    at = log.append(town.bob.say("attest", body).encoded)
    log.close_with_state()
    wrong = [place for place, subject in enumerate(subjects) if subject != [town.work.id]]
    assert named(audit_world(town.world)) == [(at, "subject-unknown", place) for place in wrong]
