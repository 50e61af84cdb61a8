"""An honest log is found honest, whatever its shape; what is damaged or missing is named, and never ok."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger.audit.replay import audit_folder, audit_ledger
from ledger.audit.report import AuditReport
from ledger.proofs.checkpoint import Checkpoint, sign_checkpoint
from ledger.statements.record import Parent
from ledger.store.bundles import offsets
from ledger.store.contract import Batch, Space, key_u64
from ledger.store.head import Head, decode_head
from ledger.store.index import statement_position
from ledger.store.lmdb import LmdbStore
from ledger.store.memory import MemoryStore
from ledger.store.reader import tile_key
from tests.dishonest import DishonestLog
from tests.test_audit.scenes import (
    SHAPES,
    Crime,
    audit_world,
    many_statements,
    named,
    published,
    put,
    replace_head,
    small_commits,
    values_of,
)
from tests.world import World, enrol


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
    assert named(report) == [(0, "note-invalid", None)]
    assert (report.incomplete, report.size) == (True, 0)


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


def test_unfinished_commit_is_a_remark() -> None:
    world = World()
    many_statements(world)
    note, before = world.writer.note, world.writer.state.header.size
    ann = world.enrol("ann")
    world.must(*ann.artifacts([ann.record(str(n)) for n in range(300)]))
    world.append(*(ann.artifacts([ann.record(f"more {n}")]) for n in range(300)))
    world.must(*ann.artifacts([ann.record("0 0 0")]))  # content that stands among what is signed, too
    replace_head(world.store, lambda head: Head(head.size, head.records, note))
    report = audit_world(world)
    assert (report.ok, report.faults) == (True, [])
    assert report.size == before
    assert len(report.remarks) == 1
    assert "open the ledger for writing to finish it" in report.remarks[0]
    with world.store.snapshot() as snapshot:
        head = bytes(snapshot.head())
    grown_key = tile_key(0, before // 256)
    grown = values_of(world, Space.TILES)[grown_key]
    for damaged in (
        grown[:-32] + bytes(32),
        bytes(32) + grown[32:],
    ):  # a node above the row, and a signed hash in it
        put(world.store, Space.TILES, grown_key, damaged)
        assert [fault.code for fault in audit_world(world).faults] == ["tile-differs"]
    put(world.store, Space.TILES, grown_key, grown)
    last_tile = tile_key(0, decode_head(head).size // 256)
    assert int.from_bytes(last_tile[1:], "big") * 256 > before
    world.store.commit(Batch(deletes=[(Space.TILES, last_tile)]), head, head)
    assert named(audit_world(world)) == [(0, "ledger-damaged", None)]


def test_unfinished_commit_without_records_is_a_remark() -> None:
    """The index knows a statement that is not yet signed for."""
    world = World()
    small_commits(world)
    note = world.writer.note
    world.enrol("late")
    replace_head(world.store, lambda head: Head(head.size, head.records, note))
    report = audit_world(world)
    assert (report.ok, report.faults, len(report.remarks)) == (True, [], 1)


class TestUnfinishedCommit:
    """What it wrote beside its entries is held to them, too: nobody has signed it, but the next commit builds on it."""

    @pytest.fixture
    def world(self) -> World:
        world = World()
        small_commits(world)
        note = world.writer.note
        ann = world.enrol("zoe")
        world.must(*ann.artifacts([ann.record("in flight")]))
        replace_head(world.store, lambda head: Head(head.size, head.records, note))
        assert audit_world(world).ok
        return world

    @pytest.mark.parametrize("space", [Space.FOLD, Space.STATUS])
    def test_what_the_fold_keeps(self, world: World, space: Space) -> None:
        values = values_of(world, space)
        assert len(values) > 5
        for key, value in values.items():
            put(world.store, space, key, value + b"\0")
            report = audit_world(world)
            assert {fault.code for fault in report.faults} == {"ledger-damaged"}
            assert len(report.remarks) == 1
            put(world.store, space, key, value)
        assert audit_world(world).ok

    def test_record_starts_and_index(self, world: World) -> None:
        starts = values_of(world, Space.STARTS)[key_u64(0)]
        put(world.store, Space.STARTS, key_u64(0), starts[:-1] + b"\x09")
        assert {fault.code for fault in audit_world(world).faults} == {"ledger-damaged"}
        put(world.store, Space.STARTS, key_u64(0), starts)
        with world.store.snapshot() as snapshot:
            head = bytes(snapshot.head())
        world.store.commit(Batch(index=[(1, 1)]), head, head)
        assert {fault.code for fault in audit_world(world).faults} == {"index-differs"}

    def test_entry_that_breaks_a_rule(self) -> None:
        """No honest writer leaves one there."""
        scene = Crime()
        note, size = decode_head(head_of(scene.world)).note, scene.log.size
        entry, records = scene.over(scene.ann, scene.ann.record("forged"))
        scene.log.append(entry[:-1] + bytes([entry[-1] ^ 1]), records)
        scene.log.close_with_state()
        replace_head(scene.world.store, lambda head: Head(head.size, head.records, note))
        report = audit_world(scene.world)
        assert named(report)[0] == (size, "signature-invalid", None)
        assert not report.ok

    def test_entry_that_cannot_be_read(self, world: World) -> None:
        """The layout is at fault, so that what follows is not looked at: that is never ok."""
        bundle = values_of(world, Space.ENTRIES)[key_u64(0)]
        last = offsets(bundle)[-1]
        put(world.store, Space.ENTRIES, key_u64(0), bundle[:last])
        report = audit_world(world)
        assert (report.ok, report.incomplete) == (False, True)


def head_of(world: World) -> bytes:
    with world.store.snapshot() as snapshot:
        return bytes(snapshot.head())


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

    @pytest.mark.parametrize("count", [256, 512])
    @pytest.mark.parametrize("what", ["entries", "records"])
    def test_head_that_says_full_bundles(self, count: int, what: str) -> None:
        world = World()
        small_commits(world)
        sizes = {"entries": (count, 0), "records": (1, count)}[what]
        replace_head(world.store, lambda h: Head(max(h.size + 1, sizes[0]), sizes[1] or h.records, h.note))
        report = audit_world(world)
        assert any(f"the head says {count} {what}" in fault.what for fault in report.faults)


class TestTree:
    """Who is wrong, entry, tile or checkpoint, follows from which of them agree."""

    @pytest.fixture
    def world(self) -> World:
        world = World()
        many_statements(world)
        return world

    def test_signed_root_of_another_tree(self, world: World, tmp_path: Path) -> None:
        published(world, tmp_path)
        checkpoint = Checkpoint(world.vkey.name, world.writer.state.header.size, bytes(32))
        note = sign_checkpoint(checkpoint, world.sign_note, world.vkey.key).encode()
        replace_head(world.store, lambda head: Head(head.size, head.records, note))
        (tmp_path / "checkpoint").write_bytes(note)
        for report in (audit_world(world), audit_folder(tmp_path, world.vkey)):
            assert named(report) == [(0, "tree-differs", None)]
            assert report.size == checkpoint.size  # replayed all the same
            assert not report.ok

    def test_damaged_entry_accuses_nobody_behind_it(self, world: World, tmp_path: Path) -> None:
        """What the entry said is not known, so what its lane said later is not judged."""
        at = 300
        bundle = values_of(world, Space.ENTRIES)[key_u64(1)]
        place = offsets(bundle)[at - 256 + 1] - 1  # the last byte of a signature
        damaged = bundle[:place] + bytes([bundle[place] ^ 1]) + bundle[place + 1 :]
        (path,) = published(world, tmp_path).glob("tile/entries/001")
        path.write_bytes(damaged)
        put(world.store, Space.ENTRIES, key_u64(1), damaged)
        for report in (audit_world(world), audit_folder(tmp_path, world.vkey)):
            assert named(report)[0] == (at, "tile-differs", None)
            assert named(report)[-1] == (at, "tree-differs", None)
            assert {fault.code for fault in report.faults} == {"tile-differs", "tree-differs"}
            assert (report.ok, report.incomplete) == (False, True)
            assert report.size <= at

    def test_damaged_tile_hinders_nothing(self, world: World) -> None:
        tile = values_of(world, Space.TILES)[tile_key(0, 1)]
        put(world.store, Space.TILES, tile_key(0, 1), tile[:320] + bytes(32) + tile[352:])
        report = audit_world(world)
        assert named(report) == [(256 + 10, "tile-differs", None)]
        assert (report.incomplete, report.size) == (False, world.writer.state.header.size)

    def test_bundle_that_is_gone(self, world: World, tmp_path: Path) -> None:
        """Its tile stands in for it: the root is still held to the rest."""
        (published(world, tmp_path) / "tile/entries/001").unlink()
        report = audit_folder(tmp_path, world.vkey)
        assert named(report) == [(256, "tile-missing", None)]
        assert (report.ok, report.incomplete) == (False, True)
        assert report.size <= 256


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

    @pytest.mark.parametrize("is_first", [True, False])
    def test_erased_in_one_of_two_places(self, is_first: bool) -> None:
        """Its kind is known from the other place, so a child that may not have such a parent is still at fault."""
        scene = Crime()
        twice = scene.ann.record("twice")
        places = [scene.log.record_count]
        first = scene.log.append(*scene.over(scene.ann, twice))
        places.append(scene.log.record_count)
        second = scene.log.append(*scene.over(scene.ann, twice))
        child = scene.machine.record("x", "output", parents=[Parent("generated-by", twice.id)])
        at = scene.log.append(*scene.over(scene.machine, child))
        scene.log.close_with_state()
        scene.log.erase(places[0 if is_first else 1])
        assert named(audit_world(scene.world)) == [
            (at, "parent-kind", 0),
            (first if is_first else second, "record-missing", 0),
        ]

    def test_operator_who_never_had_them(self) -> None:
        scene = Crime()
        entry, _records = scene.over(scene.ann, scene.ann.record("one"), scene.ann.record("two"))
        at = scene.log.append(entry)
        scene.log.close_with_state()
        report = audit_world(scene.world)
        assert (at, "record-missing", 0) in named(report)
        assert (report.ok, report.incomplete) == (False, True)


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

    def test_a_record_start_too_many(self, world: World) -> None:
        put(world.store, Space.STARTS, key_u64(0), values_of(world, Space.STARTS)[key_u64(0)] + key_u64(6))
        assert {fault.code for fault in audit_world(world).faults} == {"ledger-damaged"}

    def test_a_record_that_nobody_signed(self) -> None:
        scene = Crime()
        scene.log.append(
            enrol("carl", scene.world.log).enrolment.encoded, [scene.ann.record("slipped in").encoded]
        )
        scene.log.close_with_state()
        report = audit_world(scene.world)
        assert {fault.code for fault in report.faults} == {"ledger-damaged"}
        assert any("the head says 2 records" in fault.what for fault in report.faults)

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

    def test_index_that_has_pairs_of_nothing(self, world: World) -> None:
        """Under prefixes that no digest of the log has, behind its end or within: none can be looked for, all are counted."""
        with world.store.snapshot() as snapshot:
            head = bytes(snapshot.head())
        for count, pair in enumerate(((7, 0), (7, 2**62), (8, statement_position(1))), 1):
            world.store.commit(Batch(index=[pair]), head, head)
            (fault,) = audit_world(world).faults
            assert (fault.log_index, fault.code) == (0, "index-differs")
            assert f"has {count} pairs under digests" in fault.what

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
