"""Of a dishonest log every fault is named with its place, and nothing else; what is honest in it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger.audit.replay import audit_folder
from ledger.audit.report import FAULTS_KEPT
from ledger.fold.topics import Topic, topic_key
from ledger.identity import ed25519
from ledger.identity.keyset import sign_entry_payload
from ledger.identity.vkey import Vkey
from ledger.log.genesis import make_genesis
from ledger.statements.entry import Entry, make_entry
from tests.dishonest import DishonestLog
from tests.test_audit import crimes_lives
from tests.test_audit.crimes import CRIMES, not_its_anchor, run, signed_by
from tests.test_audit.scenes import Crime, audit_world, named, published
from tests.world import World, enrol, keyset_of, seed_of

assert crimes_lives.rotated_out.__name__ in CRIMES  # each module adds its own


@pytest.mark.parametrize("name", CRIMES)
def test_each_crime_is_named_alone(name: str, tmp_path: Path) -> None:
    act, code, record_index = CRIMES[name]
    scene = Crime()
    at = run(act, scene)
    scene.honest()
    scene.log.close_with_state()
    scene.honest()
    scene.log.close_with_state()
    expected = [(at, code, record_index)]
    in_ledger = audit_world(scene.world)
    in_folder = audit_folder(published(scene.world, tmp_path), scene.world.vkey)
    for report in (in_ledger, in_folder):
        assert named(report) == expected
        assert report.size == scene.log.size  # to its end
        assert not report.ok
        assert report.incomplete == (code == "root-differs")


def test_all_crimes_in_one_log_are_named_and_what_is_honest_stands(tmp_path: Path) -> None:
    scene = Crime()
    expected = []
    children = []
    # Behind records that are missing nothing is said of parents and subjects; the list shuts out whoever comes.
    for act, code, record_index in sorted(
        CRIMES.values(), key=lambda item: item[1] in ("root-differs", "not-endorsed")
    ):
        expected.append((run(act, scene), code, record_index))
        children.append(scene.honest())
        scene.log.close_with_state(extra_states=len(children) % 2)
    for report in (
        audit_world(scene.world),
        audit_folder(published(scene.world, tmp_path), scene.world.vkey),
    ):
        assert named(report) == expected
        assert report.fault_count == len(CRIMES) == 58
        assert report.size == scene.log.size > children[-1]
    of_entries = [(fault.log_index, fault.code) for fault in scene.log.faults]
    assert of_entries == [place[:2] for place in expected if place[2] is None and place[1] != "root-differs"]


class TestState:
    @pytest.mark.parametrize(
        ("override", "code"),
        [
            ({"root": bytes(32)}, "state-wrong"),
            ({"records": 3}, "state-wrong"),
            ({"records": 0}, "state-wrong"),
            ({"time": 1}, "state-wrong"),
            ({"fold": 3}, "fold-unknown"),
            ({"fold": 1}, "state-wrong"),
        ],
    )
    def test_wrong(self, override: dict[str, Any], code: str, tmp_path: Path) -> None:
        scene = Crime()
        scene.honest()
        scene.log.close_with_state(**override)
        at = scene.log.size - 1
        scene.honest()
        scene.log.close_with_state()
        in_ledger = audit_world(scene.world)
        in_folder = audit_folder(published(scene.world, tmp_path), scene.world.vkey)
        for report in (in_ledger, in_folder):
            assert named(report) == [(at, code, None)]
            is_known = code != "fold-unknown"
            assert report.incomplete is not is_known
            assert report.size == (scene.log.size if is_known else at - 1)

    def test_none_stands_last(self, tmp_path: Path) -> None:
        """What no state closes is not folded, whatever it is, though the checkpoint signs it."""
        scene = Crime()
        before = scene.log.size
        scene.log.append(b"\xc1\x00")
        scene.honest()
        scene.log.close()
        for report in (
            audit_world(scene.world),
            audit_folder(published(scene.world, tmp_path), scene.world.vkey),
        ):
            assert (scene.log.size - 1, "state-wrong", None) in named(report)
            assert (report.ok, report.incomplete, report.size) == (False, True, before)

    def test_genesis_alone(self) -> None:
        world = World(begin=False)
        log = DishonestLog.over(world)
        log.append(world.genesis.encoded)
        log.close()
        assert (0, "state-wrong", None) in named(audit_world(world))

    def test_clock_is_that_of_the_closing_state(self) -> None:
        """A pair may speak until a time: the state that closes its entry decides, not one before or after."""
        for time_ms, is_in_time in ((1_999_999, True), (2_000_000, False)):
            world = World()
            ann = world.enrol("ann")
            pair = world.pair(ann, "pair", {"until": 2_000_000})
            log = DishonestLog.over(world)
            log.time_ms = time_ms
            entry, records = pair.artifacts([pair.record("x")])
            at = log.append(entry.encoded, records)
            log.close_with_state()
            log.time_ms = 3_000_000
            log.close_with_state()
            assert named(audit_world(world)) == ([] if is_in_time else [(at, "scope-exceeded", None)])


class TestGenesis:
    @pytest.mark.parametrize(
        "kind", ["enrol first", "forged", "another key's", "log key is operator's", "noise"]
    )
    def test_no_genesis_in_order_stops(self, kind: str, tmp_path: Path) -> None:
        world = World(begin=False)
        seeds = [seed_of("operator"), seed_of("operator/next"), seed_of("operator/recovery")]
        other = Vkey.make(world.vkey.name, ed25519.public_key(seed_of("other")))
        forged_genesis = make_entry(
            world.genesis.statement, [signed_by("thief", world.genesis.statement.payload)]
        )
        first: Entry | None = {
            "enrol first": enrol("ann", world.log).enrolment,
            "forged": forged_genesis,
            "another key's": make_genesis(other, seeds),
            "log key is operator's": make_genesis(world.vkey, [world.seed, *seeds[1:]]),
            "noise": None,
        }[kind]
        log = DishonestLog.over(world)
        log.append(first.encoded if first else b"\xc1")
        log.append(enrol("bob", world.log).enrolment.encoded)
        log.close_with_state()
        for report in (audit_world(world), audit_folder(published(world, tmp_path), world.vkey)):
            assert named(report) == [(0, "genesis-illegal", None)]
            assert (report.ok, report.incomplete) == (False, True)
        alone = audit_folder(tmp_path)
        assert not alone.ok
        assert alone.self_trusted
        if (
            kind != "another key's"
        ):  # a genesis in order, but the note and the other entries are another log's
            assert "genesis-illegal" in {fault.code for fault in alone.faults}


def test_status_chain_of_a_dishonest_entry_is_in_the_root() -> None:
    """An entry without effect is on its chain all the same (SPEC §9.4): the replay's roots hold it."""
    scene = Crime()
    run(not_its_anchor, scene)
    scene.log.close_with_state()
    (fault,) = audit_world(scene.world).faults
    key = topic_key(Topic.DELEGATIONS, scene.pair.id)
    assert scene.world.open().state.topic_entries(key)[-1] == fault.log_index


def test_faults_are_capped_and_counted() -> None:
    scene = Crime()
    for _ in range(FAULTS_KEPT + 5):
        scene.log.append(b"\xc1")
    scene.log.close_with_state()
    report = audit_world(scene.world)
    assert (len(report.faults), report.fault_count) == (FAULTS_KEPT, FAULTS_KEPT + 5)


def test_keys_of_the_world_are_what_the_crimes_need() -> None:
    """`signed_by` signs with an actor's own key, so that only what a crime names is wrong."""
    payload = b"payload"
    public = keyset_of("ann")["keys"][0][1]
    assert sign_entry_payload(seed_of("ann"), payload) == signed_by("ann", payload).signature
    assert public == ed25519.public_key(seed_of("ann"))
