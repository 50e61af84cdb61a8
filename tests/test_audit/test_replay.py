"""An honest log is found honest, whatever its shape; of a dishonest one every fault is named, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ledger.audit.replay import audit_folder, audit_ledger
from ledger.audit.report import FAULTS_KEPT, AuditReport
from ledger.errors import LineageError
from ledger.fold.topics import Topic, topic_key
from ledger.identity import ed25519
from ledger.identity.keyset import make_keyset, sign_entry_payload
from ledger.identity.vkey import Vkey
from ledger.log.genesis import make_genesis
from ledger.log.publish import publish
from ledger.merkle.tree import hash_leaf, root_of
from ledger.statements import codec
from ledger.statements.entry import CURRENT, NEXT, Entry, Signature, make_entry
from ledger.statements.record import Parent, Record
from ledger.statements.statement import keyset_digest, make_statement
from ledger.store.contract import Batch, Space, Store, key_u64
from ledger.store.head import Head, decode_head
from ledger.store.lmdb import LmdbStore
from ledger.store.memory import MemoryStore
from tests.dishonest import DishonestLog
from tests.world import Actor, World, enrol, keyset_of, seed_of

Named = tuple[int, str, int | None]


def named(report: AuditReport) -> list[Named]:
    return [(fault.log_index, fault.code, fault.record_index) for fault in report.faults]


def audit_world(world: World) -> AuditReport:
    return audit_ledger(world.store, world.vkey)


def published(world: World, folder: Path) -> Path:
    publish(world.store, world.vkey, folder)
    return folder


# ---- honest logs --------------------------------------------------------------------------------


def begun(_world: World) -> None:
    """Genesis and state alone."""


def small_commits(world: World) -> None:
    ann, machine = world.enrol("ann"), world.enrol("machine", "machine")
    pair = world.pair(ann, "pair", {"human": 200_000, "count": 10, "until": 10**12})
    first, second = ann.record("first"), ann.record("second", human=700_000)
    world.must(*ann.artifacts([first, second]))
    child = pair.record("child", parents=[Parent("derived-from", first.id, 500_000)], human=100_000)
    world.must(*pair.artifacts([child]))
    model = machine.record("weights", "model", facts={"name": "m", "version": "1"})
    output = machine.record("words", "output", parents=[Parent("generated-by", model.id)])
    world.must(*machine.artifacts([model, output]))
    world.delegate(ann, pair)
    world.must(*pair.artifacts([pair.record("later")]))
    world.must(*ann.artifacts([first], lane=b"2" * 16))  # included again
    world.writer.tick()


def many_statements(world: World) -> None:
    """More than a bundle of entries and records, in segments of several sizes."""
    actors = [world.enrol(f"actor {n}") for n in range(5)]
    for commit in range(3):
        batch = [
            actor.artifacts([actor.record(f"{commit} {n} {m}") for m in range(n % 4 + 1)])
            for n in range(40)
            for actor in actors
        ]
        assert not any(isinstance(result, LineageError) for result in world.append(*batch))


def one_large_statement(world: World) -> None:
    ann = world.enrol("ann")
    world.must(*ann.artifacts([ann.record(str(n)) for n in range(2_000)]))


SHAPES = [begun, small_commits, many_statements, one_large_statement]


@pytest.mark.parametrize("shape", SHAPES)
class TestHonest:
    def test_in_memory(self, shape: Callable[[World], None]) -> None:
        world = World()
        shape(world)
        self.is_ok(audit_world(world), world)

    def test_on_disk(self, shape: Callable[[World], None], tmp_path: Path) -> None:
        store = LmdbStore.create(tmp_path / "store")
        world = World(store)
        shape(world)
        self.is_ok(audit_world(world), world)
        store.reopen()
        self.is_ok(audit_world(world), world)
        store.close()

    def test_published(self, shape: Callable[[World], None], tmp_path: Path) -> None:
        world = World()
        published(world, tmp_path)
        shape(world)
        report = audit_folder(published(world, tmp_path), world.vkey)
        self.is_ok(report, world)
        assert not report.self_trusted

    def is_ok(self, report: AuditReport, world: World) -> None:
        header = world.writer.state.header
        assert (report.ok, report.faults, report.remarks) == (True, [], [])
        assert (report.size, report.records) == (header.size, header.records)
        assert (report.checkpoint, report.note) == (world.writer.checkpoint, world.writer.note)


def test_identities_and_progress_are_counted() -> None:
    world = World()
    small_commits(world)
    steps: list[tuple[int, int]] = []
    report = audit_ledger(world.store, world.vkey, lambda *step: steps.append(step))
    assert report.identities == 4  # the operator, a human, a machine, their pair
    assert steps == sorted(steps)
    assert steps[-1] == (2 * report.size, 2 * report.size)


def test_folder_without_vkey_is_self_trusted(tmp_path: Path) -> None:
    report = audit_folder(published(World(), tmp_path))
    assert report.ok
    assert report.self_trusted


def test_folder_under_another_vkey(tmp_path: Path) -> None:
    """A right log of somebody else is not the log that was asked for."""
    report = audit_folder(published(World(), tmp_path), World(origin="other.example/log").vkey)
    assert not report.ok
    assert named(report) == [(0, "note-invalid", None), (0, "genesis-illegal", None)]


class TestNothingSigned:
    def test_empty_store(self) -> None:
        report = audit_ledger(MemoryStore(), World().vkey)
        assert (report.ok, report.incomplete, report.size) == (False, True, 0)

    def test_empty_folder(self, tmp_path: Path) -> None:
        report = audit_folder(tmp_path)
        assert (report.ok, report.incomplete) == (False, True)
        assert named(report) == [(0, "tile-missing", None)]

    def test_first_commit_unfinished(self) -> None:
        world = World()
        replace_head(world.store, lambda head: Head(head.size, head.records))
        report = audit_world(world)
        assert (report.ok, report.incomplete, report.faults) == (False, True, [])


def replace_head(store: Store, change: Callable[[Head], Head]) -> None:
    with store.snapshot() as snapshot:
        raw = bytes(snapshot.head())
    store.commit(Batch(), raw, change(decode_head(raw)).encode())


def test_unfinished_commit_is_a_remark() -> None:
    world = World()
    many_statements(world)
    note, before = world.writer.note, world.writer.state.header.size
    ann = world.enrol("ann")
    world.must(*ann.artifacts([ann.record(str(n)) for n in range(300)]))
    replace_head(world.store, lambda head: Head(head.size, head.records, note))
    report = audit_world(world)
    assert (report.ok, report.faults) == (True, [])
    assert report.size == before
    assert len(report.remarks) == 1
    assert "open the ledger for writing to finish it" in report.remarks[0]


class TestHeadAhead:
    """What looks like an unfinished commit and is none."""

    @pytest.mark.parametrize("change", [(1, 0), (-1, 0), (0, 1), (0, -1), (255, 0), (2**40, 0)])
    def test_head_that_counts_wrongly(self, change: tuple[int, int]) -> None:
        world = World()
        small_commits(world)
        replace_head(world.store, lambda h: Head(h.size + change[0], h.records + change[1], h.note))
        report = audit_world(world)
        assert not report.ok
        assert {fault.code for fault in report.faults} == {"ledger-damaged"}


# ---- dishonest logs -----------------------------------------------------------------------------


@dataclass
class Crime:
    """A dishonest log with a few honest identities; each lane is used once, so that no crime touches another."""

    world: World = field(default_factory=World)
    lanes: int = 0

    def __post_init__(self) -> None:
        self.ann, self.bob = self.world.enrol("ann"), self.world.enrol("bob")
        self.machine = self.world.enrol("machine", "machine")
        self.pair = self.world.pair(self.ann, "pair", {"kinds": ["work"], "count": 3, "until": 10**12})
        self.late = self.world.pair(self.ann, "late", {"until": 1})
        self.mute = self.world.enrol("mute", "pair", self.ann.id)
        self.rooted = self.ann.record("rooted")
        self.world.must(*self.ann.artifacts([self.rooted], self.lane()))
        self.log = DishonestLog.over(self.world)

    def lane(self) -> bytes:
        self.lanes += 1
        return self.lanes.to_bytes(16, "big")

    def over(self, actor: Actor, *records: Record) -> tuple[bytes, list[bytes]]:
        entry, encoded = actor.artifacts(records, self.lane())
        return entry.encoded, encoded

    def honest(self) -> int:
        """A statement in order, whose record descends from the first."""
        record = self.ann.record(f"honest {self.lanes}", parents=[Parent("derived-from", self.rooted.id)])
        return self.log.append(*self.over(self.ann, record))


Act = tuple[bytes, list[bytes]]
CRIMES: dict[str, tuple[Callable[[Crime], Act], str, int | None]] = {}


def crime(
    code: str, record_index: int | None = None
) -> Callable[[Callable[[Crime], Act]], Callable[[Crime], Act]]:
    def register(act: Callable[[Crime], Act]) -> Callable[[Crime], Act]:
        CRIMES[act.__name__] = (act, code, record_index)
        return act

    return register


def forged(record: Record, **changes: Any) -> Record:
    """A record with fields changed past every check; None leaves one out."""
    fields = {name: value for name, value in (record.fields | changes).items() if value is not None}
    return Record(codec.encode(fields), fields)


def signed_by(name: str, payload: bytes, keyset: int = CURRENT) -> Signature:
    return Signature(keyset, 0, sign_entry_payload(seed_of(name), payload))


@crime("not-canonical")
def noise(_c: Crime) -> Act:
    return b"\xc1\x00", []


@crime("not-canonical")
def longer_encoding(c: Crime) -> Act:
    good = c.ann.artifacts([c.ann.record("x")], c.lane())[0].encoded
    assert good[0] == 0x92
    return b"\xdc\x00\x02" + good[1:], []


@crime("schema")
def no_entry(_c: Crime) -> Act:
    return codec.encode([b"x", b"y"]), []


@crime("schema")
def unsigned(c: Crime) -> Act:
    statement = c.ann.artifacts([c.ann.record("x")], c.lane())[0].statement
    return codec.encode([statement.payload]), []


@crime("too-large")
def large_payload(c: Crime) -> Act:
    return codec.encode(
        [
            codec.encode({"v": 1, "type": "enrol", "log": c.world.log, "body": {"x": bytes(25_000)}}),
            [[0, 0, bytes(64)]],
        ]
    ), []


@crime("wrong-log")
def another_logs_entry(_c: Crime) -> Act:
    return enrol("ann", World(origin="other.example/log", begin=False).log).enrolment.encoded, []


@crime("misplaced")
def genesis_again(c: Crime) -> Act:
    return c.world.genesis.encoded, []


@crime("misplaced")
def genesis_of_another_operator(c: Crime) -> Act:
    return make_genesis(c.world.vkey, [seed_of(f"thief{n}") for n in range(3)]).encoded, []


@crime("not-yet")
def type_not_built(c: Crime) -> Act:
    return c.ann.say("undelegate", {"pair": c.pair.id}, c.lane()).encoded, []


@crime("identity-exists")
def enrolled_again(c: Crime) -> Act:
    return c.ann.enrolment.encoded, []


@crime("identity-unknown")
def stranger(c: Crime) -> Act:
    nobody = enrol("nobody", c.world.log)
    return c.over(nobody, nobody.record("x"))


@crime("key-not-in-force")
def other_key_event(c: Crime) -> Act:
    record = c.ann.record("x")
    body = {"count": 1, "root": record.id}
    statement = make_statement(
        "artifacts", c.world.log, body, by=c.ann.id, key=c.bob.id, lane=c.lane(), seq=0
    )
    return c.ann.sign(statement).encoded, [record.encoded]


@crime("keyset-illegal")
def next_is_current(c: Crime) -> Act:
    body = enrol("carl", c.world.log).enrolment.statement.body
    statement = make_statement("enrol", c.world.log, body | {"next": keyset_digest(body["keyset"])})
    return make_entry(statement, [signed_by("carl", statement.payload)]).encoded, []


@crime("key-refused")
def key_of_small_order(c: Crime) -> Act:
    body = enrol("carl", c.world.log).enrolment.statement.body
    statement = make_statement("enrol", c.world.log, body | {"keyset": make_keyset([b"\x01" + bytes(31)])})
    return make_entry(statement, [signed_by("carl", statement.payload)]).encoded, []


@crime("signature-invalid")
def forged_signature(c: Crime) -> Act:
    record = c.bob.record("not mine")
    statement = c.bob.artifacts([record], c.lane())[0].statement
    return make_entry(statement, [signed_by("machine", statement.payload)]).encoded, [record.encoded]


@crime("signature-surplus")
def signature_nobody_asked_for(c: Crime) -> Act:
    record = c.bob.record("x")
    statement = c.bob.artifacts([record], c.lane())[0].statement
    both = [signed_by("bob", statement.payload), signed_by("bob/next", statement.payload, NEXT)]
    return make_entry(statement, both).encoded, [record.encoded]


@crime("lane-broken")
def said_twice(c: Crime) -> Act:
    act = c.over(c.bob, c.bob.record("twice"))
    c.log.append(*act)
    return act


@crime("lane-broken")
def one_dropped(c: Crime) -> Act:
    lane = c.lane()
    first, records = c.bob.artifacts([c.bob.record("kept")], lane)
    c.log.append(first.encoded, records)
    c.bob.artifacts([c.bob.record("dropped")], lane)
    third, records = c.bob.artifacts([c.bob.record("after the gap")], lane)
    return third.encoded, records


@crime("not-delegated")
def pair_without_delegation(c: Crime) -> Act:
    c.mute.delegation = c.pair.delegation
    return c.over(c.mute, c.mute.record("x"))


@crime("not-delegated")
def another_delegation(c: Crime) -> Act:
    c.pair.delegation, kept = c.late.delegation, c.pair.delegation
    act = c.over(c.pair, c.pair.record("x"))
    c.pair.delegation = kept
    return act


@crime("delegation-illegal")
def not_its_anchor(c: Crime) -> Act:
    body = {"pair": c.pair.id, "substrate": {"name": "model", "version": "2"}}
    return c.bob.say("delegate", body, c.lane()).encoded, []


@crime("scope-exceeded")
def too_many(c: Crime) -> Act:
    return c.over(c.pair, *(c.pair.record(str(n)) for n in range(4)))


@crime("scope-exceeded")
def too_late(c: Crime) -> Act:
    return c.over(c.late, c.late.record("x"))


@crime("scope-exceeded", 0)
def human_share_of_a_pair(c: Crime) -> Act:
    return c.over(c.pair, c.pair.record("x", human=1))


@crime("not-canonical", 1)
def record_that_is_none(c: Crime) -> Act:
    return c.over(c.ann, c.ann.record("good"), Record(b"\x81\xa1x\xc0", {}))


@crime("schema", 0)
def record_with_another_key(c: Crime) -> Act:
    return c.over(c.ann, forged(c.ann.record("x"), colour="red"))


@crime("record-illegal", 0)
def record_of_two_minds(c: Crime) -> Act:
    return c.over(c.ann, forged(c.ann.record("x"), form="sealed", size=32))


@crime("share-illegal", 1)
def more_than_the_whole(c: Crime) -> Act:
    parents = [{"id": c.rooted.id, "ppm": 600_000, "rel": "derived-from"}]
    return c.over(c.ann, c.ann.record("good too"), forged(c.ann.record("x"), human=500_000, parents=parents))


@crime("role-illegal", 0)
def work_of_a_machine(c: Crime) -> Act:
    return c.over(c.machine, c.machine.record("poem"))


@crime("maker-differs", 1)
def anothers_record(c: Crime) -> Act:
    return c.over(c.ann, c.ann.record("mine"), c.bob.record("not mine"), c.ann.record("mine too"))


@crime("parent-unknown", 0)
def parent_out_of_nowhere(c: Crime) -> Act:
    return c.over(c.ann, c.ann.record("x", parents=[Parent("derived-from", bytes(range(32)))]))


@crime("parent-unknown", 0)
def parent_behind_it(c: Crime) -> Act:
    parent = c.ann.record("parent that comes later")
    return c.over(c.ann, c.ann.record("child", parents=[Parent("derived-from", parent.id)]), parent)


@crime("parent-kind", 0)
def output_of_a_work(c: Crime) -> Act:
    return c.over(c.machine, c.machine.record("x", "output", parents=[Parent("generated-by", c.rooted.id)]))


@crime("parent-kind", 0)
def row_of_no_dataset(c: Crime) -> Act:
    return c.over(c.ann, c.ann.record("x", parents=[Parent("derived-from", c.rooted.id, row=0)]))


@crime("record-duplicate", 2)
def same_record_twice(c: Crime) -> Act:
    return c.over(c.ann, c.ann.record("same"), c.ann.record("other"), c.ann.record("same"))


@crime("root-differs")
def records_under_another_root(c: Crime) -> Act:
    body = {"count": 2, "root": root_of([hash_leaf(b"a"), hash_leaf(b"b")])}
    return c.ann.say("artifacts", body, c.lane()).encoded, [
        c.ann.record("c").encoded,
        c.ann.record("d").encoded,
    ]


def run(act: Callable[[Crime], Act], scene: Crime) -> int:
    entry, records = act(scene)
    return scene.log.append(entry, records)


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
    for act, code, record_index in CRIMES.values():
        expected.append((run(act, scene), code, record_index))
        children.append(scene.honest())
        scene.log.close_with_state(extra_states=len(children) % 2)
    for report in (
        audit_world(scene.world),
        audit_folder(published(scene.world, tmp_path), scene.world.vkey),
    ):
        assert named(report) == expected
        assert report.fault_count == len(CRIMES) == 36
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
            ({"fold": 2}, "fold-unknown"),
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


# ---- records that are not held ------------------------------------------------------------------


class TestMissingRecords:
    @pytest.fixture
    def world(self) -> World:
        world = World()
        ann = world.enrol("ann")
        first = ann.record("first")
        world.must(*ann.artifacts([first, *(ann.record(str(n)) for n in range(299))]))
        world.must(*ann.artifacts([ann.record("child", parents=[Parent("derived-from", first.id)])]))
        world.must(*ann.artifacts([ann.record(f"more {n}") for n in range(300)]))
        return world

    @pytest.mark.parametrize("bundle", [0, 1, 2])
    def test_file_that_is_gone(self, world: World, bundle: int, tmp_path: Path) -> None:
        path = next(
            path for path in published(world, tmp_path).glob(f"records/{bundle:03d}*") if path.exists()
        )
        (path if path.is_file() else next(path.iterdir())).unlink()
        self.is_incomplete(audit_folder(tmp_path, world.vkey), world, bundle)

    @pytest.mark.parametrize("bundle", [0, 1, 2])
    def test_bundle_that_is_gone(self, world: World, bundle: int) -> None:
        with world.store.snapshot() as snapshot:
            head = bytes(snapshot.head())
        world.store.commit(Batch(deletes=[(Space.RECORDS, key_u64(bundle))]), head, head)
        self.is_incomplete(audit_world(world), world, bundle)

    def is_incomplete(self, report: AuditReport, world: World, bundle: int) -> None:
        """The statements whose records are in the bundle are named; their children are not accused; all is replayed."""
        assert (report.ok, report.incomplete) == (False, True)
        assert report.size == world.writer.state.header.size
        wanted = {0: [(4, 0)], 1: [(4, 256), (6, 0), (8, 0)], 2: [(8, 211)]}[bundle]
        missing = [f for f in report.faults if f.code == "record-missing" and f.record_index is not None]
        assert [(fault.log_index, fault.record_index) for fault in missing] == wanted
        assert {f.code for f in report.faults} <= {"record-missing", "tile-missing", "ledger-damaged"}

    def test_erased_without_notice(self, world: World, tmp_path: Path) -> None:
        DishonestLog.over(world).erase(5)
        for report in (audit_world(world), audit_folder(published(world, tmp_path), world.vkey)):
            assert named(report) == [(4, "record-missing", 5)]
            assert (report.ok, report.incomplete) == (False, True)

    def test_operator_who_never_had_them(self) -> None:
        scene = Crime()
        entry, _records = scene.over(scene.ann, scene.ann.record("one"), scene.ann.record("two"))
        at = scene.log.append(entry)
        scene.log.close_with_state()
        report = audit_world(scene.world)
        assert (at, "record-missing", 0) in named(report)
        assert (report.ok, report.incomplete) == (False, True)


# ---- the store beside the log -------------------------------------------------------------------


def put(store: Store, space: Space, key: bytes, value: bytes) -> None:
    with store.snapshot() as snapshot:
        head = bytes(snapshot.head())
    store.commit(Batch([(space, key, value)]), head, head)


class TestStore:
    @pytest.fixture
    def world(self) -> World:
        world = World()
        small_commits(world)
        return world

    @pytest.mark.parametrize("space", Space)
    def test_a_key_too_many(self, world: World, space: Space) -> None:
        put(world.store, space, b"\xfe" * 9, b"\0\1x")
        report = audit_world(world)
        assert named(report) == [(0, "ledger-damaged", None)]

    def test_a_key_too_few(self, world: World) -> None:
        keys: Iterator[tuple[Space, bytes]] = iter(
            [
                (Space.FOLD, b"i" + world.writer.state.header.operator),
                (Space.STATUS, world.writer.state.header.status_root),
                (Space.STARTS, key_u64(0)),
            ]
        )
        for space, key in keys:
            with world.store.snapshot() as snapshot:
                head, value = bytes(snapshot.head()), bytes(snapshot.get(space, key) or b"")
            world.store.commit(Batch(deletes=[(space, key)]), head, head)
            report = audit_world(world)
            assert {fault.code for fault in report.faults} == {"ledger-damaged"}
            put(world.store, space, key, value)
            assert audit_world(world).ok

    def test_index_that_lacks_a_digest(self, world: World) -> None:
        """Ids, contents and statements: each is looked for."""
        index = world.store._view.index  # type: ignore[attr-defined]
        assert len(index) >= 2 * 6 + 10
        places = {}
        for prefix, positions in list(index.items()):
            del index[prefix]
            report = audit_world(world)
            assert {fault.code for fault in report.faults} == {"index-differs"}
            places[prefix] = named(report)
            index[prefix] = positions
        assert audit_world(world).ok
        assert {place[2] for found in places.values() for place in found} == {None, 0, 1}

    def test_index_that_finds_a_digest_elsewhere(self, world: World) -> None:
        with world.store.snapshot() as snapshot:
            head = bytes(snapshot.head())
        index = world.store._view.index  # type: ignore[attr-defined]
        prefix, positions = next((p, found) for p, found in index.items() if found == (2,))
        world.store.commit(Batch(index=[(prefix, 1)]), head, head)
        assert [fault.code for fault in audit_world(world).faults] == ["index-differs"]
        index[prefix] = positions
        world.store.commit(Batch(index=[(prefix, 2**63)]), head, head)
        assert named(audit_world(world)) == [(0, "index-differs", None)]


def test_status_chain_of_a_dishonest_entry_is_in_the_root() -> None:
    """An entry without effect is on its chain all the same (SPEC §9.4): the replay's roots hold it."""
    scene = Crime()
    run(type_not_built, scene)
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
