"""What recovery signs: commits that admission would take, and no other, whoever left them there (SPEC §10.4, §15)."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace

import pytest

from ledger import spec
from ledger.errors import InvariantBroken, LineageError, StoreFault
from ledger.fold.records import UNREAD
from ledger.fold.topics import Topic, topic_key
from ledger.log.standing import find_standing
from ledger.merkle.tree import hash_leaf
from ledger.proofs.checkpoint import Checkpoint, open_checkpoint
from ledger.statements.entry import CURRENT, Signature, make_entry
from ledger.statements.record import Parent
from ledger.store.contract import Batch, Space
from ledger.store.head import decode_head
from ledger.store.memory import MemoryStore
from ledger.store.reader import StoreReader
from tests.dishonest import DishonestLog
from tests.faults import Fault, FaultyStore
from tests.test_audit.scenes import audit_world
from tests.test_log.scene import ASIDE, Scene, codes, scene
from tests.world import World, enrol, keyset_of

Plant = Callable[[Scene, DishonestLog], None]


def stored(world: World) -> dict[tuple[Space, bytes], bytes]:
    with world.store.snapshot() as snapshot:
        return {(space, key): bytes(value) for space in Space for key, value in snapshot.scan(space)}


def head_of(world: World) -> bytes:
    with world.store.snapshot() as snapshot:
        return bytes(snapshot.head())


def unsigned(_s: Scene, log: DishonestLog) -> None:
    """The commit ends as it should."""
    log.append_states()


def by_nobody(s: Scene, log: DishonestLog) -> None:
    entry, records = s.ada.artifacts([s.ada.record("forged")], ASIDE)
    log.append(make_entry(entry.statement, [Signature(CURRENT, 0, bytes(64))]).encoded, records)
    unsigned(s, log)


def by_planted_key(s: Scene, log: DishonestLog) -> None:
    """The stored state has another key under the victim's name."""
    known = log._state.identity(s.ada.id)
    assert known is not None
    log._state.put_identity(replace(known, last=replace(known.last, keyset=keyset_of("thief"))))
    thief = copy(s.ada)
    thief.current, thief.lanes = "thief", {}
    entry, records = thief.artifacts([s.ada.record("forged")], ASIDE)
    log.append(entry.encoded, records)
    unsigned(s, log)


def by_another_maker(s: Scene, log: DishonestLog) -> None:
    entry, records = s.ada.artifacts([s.mech.record("o", "output")], ASIDE)
    log.append(entry.encoded, records)
    unsigned(s, log)


def under_unknown_parent(s: Scene, log: DishonestLog) -> None:
    later = s.ada.record("later")
    child = s.ada.record("child", parents=[Parent("quotes", later.id)])
    for record in (child, later):
        entry, records = s.ada.artifacts([record])
        log.append(entry.encoded, records)
    unsigned(s, log)


def beyond_scope(s: Scene, log: DishonestLog) -> None:
    entry, records = s.duo.artifacts([s.duo.record(text, "output") for text in "abc"])
    log.append(entry.encoded, records)
    unsigned(s, log)


def over_other_records(s: Scene, log: DishonestLog) -> None:
    entry, _records = s.ada.artifacts([s.ada.record("a")], ASIDE)
    log.append(entry.encoded, [s.ada.record("b").encoded])
    unsigned(s, log)


def no_entry(s: Scene, log: DishonestLog) -> None:
    log.append(b"\xc1")
    unsigned(s, log)


def two_states(_s: Scene, log: DishonestLog) -> None:
    log.append_states(2)


def no_state(s: Scene, log: DishonestLog) -> None:
    log.append(enrol("bob", s.world.log).enrolment.encoded)


def forged_status(s: Scene, log: DishonestLog) -> None:
    """The closing state agrees with the stored status map, but an entry stands in a chain that is not its own."""
    log.forge_chain(b"t" * 32, 1, b"h" * 32)
    log.append(enrol("bob", s.world.log).enrolment.encoded)
    unsigned(s, log)


def forged_start_of_chain(s: Scene, log: DishonestLog) -> None:
    """What stood in the chain of the delegations before is another entry, in the stored state alone."""
    log._state._put(b"n" + topic_key(Topic.DELEGATIONS, s.ada.id) + bytes(8), 1)
    grant = s.ada.say("delegate", {"pair": s.bare.id, "substrate": {"name": "m", "version": "1"}})
    log.append(grant.encoded)
    unsigned(s, log)


def forged_lane(s: Scene, log: DishonestLog) -> None:
    entry, records = s.ada.artifacts([s.ada.record("x")], ASIDE)
    log.append(entry.encoded, records)
    lane = log._state.lane(s.ada.id, s.ada.id, ASIDE)
    assert lane is not None
    log._state.put_lane(s.ada.id, s.ada.id, ASIDE, replace(lane, next_seq=7))
    unsigned(s, log)


PLANTS: dict[str, tuple[Plant, str, str]] = {
    plant.__name__: (plant, code, word)
    for plant, code, word in (
        (by_nobody, "commit-unadmitted", "signature-invalid"),
        (by_planted_key, "commit-unadmitted", "keys of identity"),
        (by_another_maker, "commit-unadmitted", "maker-differs"),
        (under_unknown_parent, "commit-unadmitted", "parent-unknown"),
        (beyond_scope, "commit-unadmitted", "scope-exceeded"),
        (over_other_records, "tree-differs", "root that it signs"),
        (no_entry, "tree-differs", "is none"),
        (two_states, "commit-unadmitted", "misplaced"),
        (no_state, "tree-differs", "no state"),
        (forged_status, "commit-unadmitted", "state-wrong"),
        (forged_start_of_chain, "commit-unadmitted", "do not begin"),
        (forged_lane, "commit-unadmitted", "not the one that it leads to"),
    )
}


@pytest.mark.parametrize("name", PLANTS)
def test_planted_commit_is_not_signed_and_left_as_it_is(name: str) -> None:
    plant, code, word = PLANTS[name]
    s = scene()
    log = DishonestLog.over(s.world)
    plant(s, log)
    log.store_unsigned()
    before, head = stored(s.world), head_of(s.world)
    asked: list[bytes] = []
    s.world.sign_note = asked.append  # type: ignore[assignment, method-assign]
    for _ in range(2):
        with pytest.raises(InvariantBroken, match=word) as error:
            s.world.open()
        assert error.value.code == code
        assert (asked, stored(s.world), head_of(s.world)) == ([], before, head)


def test_more_than_one_commit_is_not_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    s = scene()
    log = DishonestLog.over(s.world)
    for number in range(3):
        log.append(enrol(str(number), s.world.log).enrolment.encoded)
    log.append_states()
    log.store_unsigned()
    monkeypatch.setattr(spec, "COMMIT_ENTRIES_MAX", 2)
    with pytest.raises(InvariantBroken, match="more than one commit"):
        s.world.open()
    monkeypatch.setattr(spec, "COMMIT_ENTRIES_MAX", 3)
    assert s.world.open().checkpoint == Checkpoint(s.world.vkey.name, log.size, _root(s.world))


def _root(world: World) -> bytes:
    return open_checkpoint(decode_head(head_of(world)).note, [world.vkey]).root


def test_commit_that_spends_and_replaces_a_delegation_is_finished() -> None:
    """Everything that recovery has to undo in its mind: lanes, chains, counts, the delegation in force."""
    store = FaultyStore(MemoryStore(), {})
    s = scene(store)
    grant = s.ada.say(
        "delegate", {"pair": s.duo.id, "substrate": {"name": "m", "version": "2"}, "scope": {"count": 3}}
    )
    spent = s.duo.artifacts([s.duo.record("a", "output"), s.duo.record("b", "output")])
    s.duo.delegation = grant.statement.id
    again = s.duo.artifacts([s.duo.record("c", parents=[Parent("quotes", s.work.id)])])
    bob = enrol("bob", s.world.log)
    said = bob.artifacts([bob.record("x"), bob.record("y", parents=[Parent("quotes", s.work.id)])])
    store.plan = {store.commits + 1: Fault.PERSISTED}
    with pytest.raises(StoreFault):
        s.world.append(spent, (grant, ()), again, (bob.enrolment, ()), said)
    store.reopen()
    size = decode_head(head_of(s.world)).size
    s.world.writer = s.world.open()
    assert s.world.writer.checkpoint is not None
    assert s.world.writer.checkpoint.size == size
    assert audit_world(s.world).ok
    pair = s.world.writer.state.identity(s.duo.id)
    assert pair is not None
    assert [item.records_used for item in s.world.writer.state.delegations(pair)] == [2, 1]
    over = s.duo.artifacts([s.duo.record(text) for text in "def"], ASIDE)
    assert codes(s.world.append(over)) == ["scope-exceeded"]


def test_pair_costs_the_same_however_often_it_was_delegated() -> None:
    world = World()
    ada = world.enrol("ada")
    pair = world.pair(ada, "pair")

    def largest() -> int:
        return max(len(value) for (space, _), value in stored(world).items() if space is Space.FOLD)

    before = largest()
    body = {"pair": pair.id, "substrate": {"name": "m", "version": "1"}}
    grants = [ada.say("delegate", body) for _ in range(100)]
    assert codes(world.append(*((grant, ()) for grant in grants))) == [""] * 100
    assert largest() < before + 16
    world.writer = world.open()
    state = world.writer.state
    known = state.identity(pair.id)
    assert known is not None
    assert [item.id for item in state.delegations(known)][1:] == [grant.statement.id for grant in grants]
    for item in state.delegations(known):
        then = state.identity_before(pair.id, item.log_index + 1)
        assert then is not None
        assert then.delegation == item
    first = state.identity_before(pair.id, state.delegations(known)[0].log_index)
    assert first is not None
    assert first.delegation is None
    assert audit_world(world).ok


def test_record_under_an_entry_not_in_order_is_no_parent() -> None:
    """Behind a log that was dishonest once: admission and audit agree on what stands."""
    world = World()
    ada, bob = world.enrol("ada"), world.enrol("bob")
    log = DishonestLog.over(world)
    ghost = ada.record("ghost")
    entry, records = ada.artifacts([ghost])
    faulty = log.append(make_entry(entry.statement, [Signature(CURRENT, 0, bytes(64))]).encoded, records)
    log.close_with_state()
    world.writer = world.open()
    assert [world.writer.state.is_faulty(at) for at in range(log.size)].index(True) == faulty
    child = bob.record("child", parents=[Parent("derived-from", ghost.id)])
    assert codes(world.append(bob.artifacts([child], ASIDE))) == ["parent-unknown"]
    world.must(*ada.artifacts([ghost], ASIDE))  # its second place is in order
    world.must(*bob.artifacts([child]))
    assert [(fault.log_index, fault.code) for fault in audit_world(world).faults] == [
        (faulty, "signature-invalid")
    ]


def test_stored_record_that_cannot_be_read_has_no_kind() -> None:
    s = scene()
    log = DishonestLog.over(s.world)
    entry, records = s.raw(b"\xc1")
    log.append(entry, records)
    log.close_with_state()
    with s.world.store.snapshot() as snapshot:
        from_log = find_standing(StoreReader(snapshot), log._state, hash_leaf(records[0]), log.record_count)
    assert from_log is UNREAD


@pytest.mark.parametrize("form", [memoryview, bytearray, str])
def test_what_is_not_bytes_is_refused_and_holds_up_nobody(form: Callable[..., object]) -> None:
    s = scene()
    entry, records = s.ada.artifacts([s.ada.record("x")])
    odd = form(records[0]) if form is not str else "x"
    group = [(entry.encoded, [odd]), (form(entry.encoded) if form is not str else "x", records)]
    results = s.world.writer.append([*group, (entry.encoded, records)])  # type: ignore[list-item]
    assert codes(results) == ["schema", "schema", ""]
    assert not isinstance(results[2], LineageError)
    assert audit_world(s.world).ok


def test_stored_state_is_held_to_the_entries_only_where_a_commit_is_unsigned() -> None:
    """A writer that has nothing to sign does not fold again: the rest is for the audit."""
    s = scene()
    raw = head_of(s.world)
    key = next(key for (space, key) in stored(s.world) if space is Space.FOLD and key[:1] == b"l")
    s.world.store.commit(Batch([(Space.FOLD, key, b"\x82")]), raw, raw)
    assert s.world.open().checkpoint == s.world.writer.checkpoint
    assert not audit_world(s.world).ok
