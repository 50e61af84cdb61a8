"""Commits in flight that hold key events and what is said about others: finished if admission would take them, else not signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ledger import spec
from ledger.errors import InvariantBroken, RefusedInput, StoreFault
from ledger.proofs.checkpoint import open_checkpoint
from ledger.statements.entry import decode_entry
from ledger.statements.statement import keyset_digest
from ledger.store.head import decode_head
from ledger.store.memory import MemoryStore
from tests.dishonest import DishonestLog
from tests.faults import Fault, FaultyStore
from tests.test_audit import crimes_lives
from tests.test_audit.crimes import CRIMES, run
from tests.test_audit.scenes import Crime, audit_world
from tests.test_log.lives import Said, Town, fold_values
from tests.test_log.scene import codes, entries_of
from tests.world import Actor, World, enrol

assert crimes_lives.rotated_out.__name__ in CRIMES  # each module adds its own

OF_BYTES = frozenset(
    {"not-canonical", "schema", "too-large", "root-differs"}
)  # the second path finds them first
NOT_READ = frozenset(
    {"noise", "longer_encoding", "no_entry", "unsigned", "large_payload", "records_under_another_root"}
)


@pytest.mark.parametrize("name", CRIMES)
def test_crime_in_flight_is_not_signed(name: str) -> None:
    """The honest statements that lead up to it are in the same commit."""
    act, code, _record_index = CRIMES[name]
    scene = Crime()
    run(act, scene)
    scene.honest()
    scene.log.append_states()
    scene.log.store_unsigned()
    asked: list[bytes] = []
    scene.world.sign_note = asked.append  # type: ignore[assignment, method-assign]
    before = fold_values(scene.world.store)
    with pytest.raises(InvariantBroken) as error:
        scene.world.open()
    expected = "tree-differs" if name in NOT_READ else "commit-unadmitted"
    assert error.value.code == expected
    if expected == "commit-unadmitted":
        assert error.value.reason.endswith(f"({code})")
    assert (asked, fold_values(scene.world.store)) == ([], before)


def test_honest_commit_like_the_crimes_is_signed() -> None:
    scene = Crime()
    scene.honest()
    anchor, _pair = crimes_lives.pair_of(scene, "anchor")
    scene.event(anchor, cuts=[(anchor.public_key, 3)])
    crimes_lives.told(scene, crimes_lives.noticed(scene, scene.curator, "hold"))
    scene.log.append_states()
    scene.log.store_unsigned()
    checkpoint = scene.world.open().checkpoint
    assert checkpoint is not None
    assert checkpoint.size == scene.log.size
    assert audit_world(scene.world).ok


def planted(town: Town, change: Callable[[DishonestLog], None], *said: Said) -> InvariantBroken:
    """What stops recovery when somebody changed the stored state before a commit in flight."""
    log = DishonestLog.over(town.world)
    change(log)
    for entry, records in said:
        log.append(entry.encoded, records)
    log.append_states()
    log.store_unsigned()
    with pytest.raises(InvariantBroken) as error:
        town.world.open()
    return error.value


def rewritten(actor: Actor, **changes: object) -> Callable[[DishonestLog], None]:
    """The last key event of an identity, in the stored state alone, is another."""

    def change(log: DishonestLog) -> None:
        known = log._state.identity(actor.id)
        assert known is not None
        log._state.put_identity(replace(known, last=replace(known.last, **changes)))  # type: ignore[arg-type]

    return change


def test_planted_commitment_lets_nobody_rotate() -> None:
    """The thief writes his own `next` under the victim's key event."""
    town = Town(World())
    victim = town.bob
    entry = victim.key_event("rotate", reveal="thief")
    committed = keyset_digest(entry.statement.body["keyset"])
    error = planted(town, rewritten(victim, next=committed), (entry, ()))
    assert error.code == "commit-unadmitted"
    assert "keys of identity" in error.reason


def test_planted_clock_brings_no_recovery_into_force() -> None:
    town = Town(World())
    town.world.change(town.ada, "recover")
    town.ada.settle()  # the thief does not wait
    said = town.publishes(town.ada, "too early")
    error = planted(town, rewritten(town.ada, clock_ms=0), said)
    assert error.code == "commit-unadmitted"
    assert "keys of identity" in error.reason


def test_key_event_of_another_is_no_ones() -> None:
    """The victim's stored life goes on by a rotation that the thief signed for himself."""
    town = Town(World())
    thief = town.world.enrol("thief")
    town.world.change(thief)

    def change(log: DishonestLog) -> None:
        state = log._state
        victim, other = state.identity(town.bob.id), state.identity(thief.id)
        assert victim is not None
        assert other is not None
        state.put_key_event(victim, other.last, state.header.clock_ms)

    victim = town.bob
    victim.key, victim.current = thief.key, thief.current
    error = planted(town, change, town.publishes(victim, "by the thief"))
    assert error.code == "commit-unadmitted"
    assert "keys of identity" in error.reason


def test_planted_rules_are_not_those_that_were_signed() -> None:
    """Which rules are in force is told by the entries of their topic, which the signed root holds."""
    town = Town(World())

    def change(log: DishonestLog) -> None:
        log._state.header.rules = {"mode": "open", "curators": [town.bob.id]}

    said = town.notices(town.bob, "hold", [town.work.id])
    assert planted(town, change, said).reason.endswith("(not-authorised)")


def test_first_commit_of_fold_2_in_flight_is_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    store = FaultyStore(MemoryStore(), {})
    with monkeypatch.context() as patched:
        patched.setattr(spec, "FOLD_VERSION", 1)
        world = World(store)
        ada = world.enrol("ada")
        world.publish(ada, ada.record("of fold 1"))
        early = ada.key_event("rotate")
        assert codes(world.append((early, ()))) == ["not-yet"]
    world.writer = world.open()
    store.plan = {store.commits + 1: Fault.PERSISTED}
    old = ada.artifacts([ada.record("by the old key")])
    ada.took(early)
    with pytest.raises(StoreFault):
        world.append(old, (early, ()), ada.artifacts([ada.record("by the new key")]))
    store.reopen()
    world.writer = world.open()
    assert audit_world(world).ok
    assert folds_of(world) == [1, 1, 1, 2]
    world.publish(ada, ada.record("goes on"))
    assert audit_world(world).ok


def test_commit_of_fold_1_in_flight_is_finished_by_its_own_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    for type_, is_finished in (("enrol", True), ("rotate", False)):
        with monkeypatch.context() as patched:
            patched.setattr(spec, "FOLD_VERSION", 1)
            world = World()
            ada = world.enrol("ada")
            log = DishonestLog.over(world)
            said = enrol("bob", world.log).enrolment if type_ == "enrol" else ada.key_event("rotate")
            log.append(said.encoded)
            log.append_states()
            log.store_unsigned()
        if is_finished:
            world.writer = world.open()
            assert folds_of(world) == [1, 1, 1]
            world.change(ada)
            assert folds_of(world) == [1, 1, 1, 2]
            assert audit_world(world).ok
            continue
        with pytest.raises(InvariantBroken) as error:
            world.open()
        assert error.value.reason.endswith("(not-yet)")


def folds_of(world: World) -> list[int]:
    statements = [decode_entry(data).statement for data in entries_of(world)]
    return [item.body["fold"] for item in statements if item.type == "state"]


def test_log_of_unknown_rules_is_not_led_on() -> None:
    world = World()
    DishonestLog.over(world).close_with_state(fold=3)
    note = decode_head(head_of(world)).note
    with pytest.raises(RefusedInput) as error:
        world.open()
    assert error.value.code == "fold-unknown"
    assert decode_head(head_of(world)).note == note
    assert open_checkpoint(note, [world.vkey]).size == 3


def head_of(world: World) -> bytes:
    with world.store.snapshot() as snapshot:
        return bytes(snapshot.head())
