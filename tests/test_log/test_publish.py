"""What is published is C2SP tlog-tiles to others' readers, byte for byte; a kill at any file leaves a sound folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import metamorphic_log
import pytest
import tlog_scales.backend
import tlog_scales.reader
import tlog_scales.signing

from ledger.audit.replay import audit_folder
from ledger.errors import InvariantBroken, LineageError, ProofInvalid, RefusedInput, StoreFault
from ledger.log import publish as publication
from ledger.log.publish import publish
from ledger.merkle import tiles
from ledger.merkle.proofs import PathReader
from ledger.merkle.tree import hash_leaf
from ledger.proofs.checkpoint import Checkpoint, open_checkpoint
from ledger.proofs.note import parse_note
from ledger.proofs.tlog_proof import TlogProof
from ledger.store.bundles import offsets
from ledger.store.contract import Batch, Space, key_u64
from ledger.store.files import write_atomically
from ledger.store.head import decode_head
from ledger.store.reader import StoreReader, tile_key
from tests.hostile import PLANTS, within
from tests.world import World

LARGE = 70_000  # the example of C2SP tlog-tiles: three levels, 273 full tiles


def grown(size: int) -> World:
    """A log of exactly `size` entries, its last a state; statements of one record each, in large commits."""
    world = World()
    if size == 2:
        return world
    ann = world.enrol("ann")
    while (left := size - checkpoint_of(world).size) > 0:
        batch = [ann.artifacts([ann.record(f"{left} {n}")]) for n in range(min(left - 1, 4_000))]
        for result in world.append(*batch):
            assert not isinstance(result, LineageError)
        if not batch:
            world.writer.tick()
    return world


def checkpoint_of(world: World) -> Checkpoint:
    assert world.writer.checkpoint is not None
    return world.writer.checkpoint


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names_of_size(size: int, records: int) -> set[str]:
    """The files of one publication, by C2SP tlog-tiles' rule written out: ⌊size / 256^level⌋ hashes a level."""
    names = {"checkpoint"}
    kinds = [("tile/entries", size), ("records", records)]
    level = 0
    while size >> 8 * level:
        kinds.append((f"tile/{level}", size >> 8 * level))
        level += 1
    for kind, count in kinds:
        full, rest = divmod(count, 256)
        names |= {f"{kind}/{n:03d}" for n in range(full)}
        if rest:
            names.add(f"{kind}/{full:03d}.p/{rest}")
    return names


def note_text(world: World) -> str:
    return world.writer.note.decode()


def paths_of(world: World, note: bytes) -> PathReader:
    with world.store.snapshot() as snapshot:
        held = {key: bytes(value) for key, value in snapshot.scan(Space.TILES)}
    size = open_checkpoint(note, [world.vkey]).size
    return PathReader(lambda level, number: held[tile_key(level, number)], size)


@pytest.fixture(scope="module")
def large() -> World:
    return grown(LARGE)


@pytest.fixture(params=[2, 255, 256, 257, pytest.param(LARGE, marks=pytest.mark.slow)])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == LARGE:
        found = request.getfixturevalue("large")
        assert isinstance(found, World)
        return found
    return grown(request.param)


class TestOthersReadIt:
    """Two implementations that share nothing with this one."""

    def test_tlog_scales_reads_and_verifies(self, world: World, tmp_path: Path) -> None:
        published = publish(world.store, world.vkey, tmp_path / "log")
        size = published.size
        reader = tlog_scales.reader.TilesReader(tlog_scales.backend.LocalBackend(tmp_path / "log"))
        checkpoint = reader.get_checkpoint()
        keys = tlog_scales.signing.VkeySet(tlog_scales.signing.Vkey.from_string(str(world.vkey)))
        assert len(keys.verify(checkpoint.signatures, checkpoint)) == 1
        assert (checkpoint.size, checkpoint.root_hash) == (size, checkpoint_of(world).root)
        assert reader.calculate_root_hash() == checkpoint.root_hash
        with world.store.snapshot() as snapshot:
            ours = StoreReader(snapshot)
            for index in sampled(size):
                entry = reader.get_entry(index)
                assert entry == ours.entry(index)
                reader.get_inclusion_proof(index, size).check(hash_leaf(entry), checkpoint.root_hash)

    def test_bare_proof_is_what_tlog_tiles_prints(self, world: World, tmp_path: Path) -> None:
        size = publish(world.store, world.vkey, tmp_path / "log").size
        note = note_text(world)
        paths = paths_of(world, note.encode())
        for index in (0, size // 2, size - 1):
            command = [
                sys.executable,
                "-m",
                "tlog_scales.cli",
                "gen-proof",
                str(tmp_path / "log"),
                str(index),
            ]
            printed = subprocess.run(command, capture_output=True, check=True).stdout
            assert TlogProof(index, tuple(paths.inclusion_path(index)), note).format().encode() == printed

    def test_files_are_exactly_those_of_the_size(self, world: World, tmp_path: Path) -> None:
        published = publish(world.store, world.vkey, tmp_path / "log")
        found = files_of(tmp_path / "log")
        assert found.keys() == names_of_size(published.size, published.records)
        assert len(found) == published.files_written
        assert found["checkpoint"] == world.writer.note
        if published.size == LARGE:
            assert len([name for name in found if name.startswith("tile/0/")]) == 273 + 1
            assert {name for name in found if name.startswith(("tile/1", "tile/2", "tile/3"))} == {
                "tile/1/000",
                "tile/1/001.p/17",
                "tile/2/000.p/1",
            }

    def test_metamorphic_log_verifies(self, world: World, tmp_path: Path) -> None:
        older = publish(world.store, world.vkey, tmp_path / "log").size
        older_note, vkeys = note_text(world), [str(world.vkey)]
        head = metamorphic_log.checkpoint_verify(older_note, vkeys)
        assert (head.origin, head.size, head.root) == (world.vkey.name, older, checkpoint_of(world).root)
        assert head.extensions == []
        world.writer.tick()
        assert publish(world.store, world.vkey, tmp_path / "log").size == older + 1
        newer_note = (tmp_path / "log" / "checkpoint").read_text()
        paths = paths_of(world, newer_note.encode())
        metamorphic_log.checkpoint_verify_consistency(
            older_note, newer_note, vkeys, paths.consistency_path(older)
        )
        with world.store.snapshot() as snapshot:
            for index in sampled(older + 1):
                leaf_hash = hash_leaf(StoreReader(snapshot).entry(index))
                path = paths.inclusion_path(index)
                metamorphic_log.checkpoint_verify_inclusion(newer_note, vkeys, index, leaf_hash, path)
                with pytest.raises(metamorphic_log.VerifyError):
                    metamorphic_log.checkpoint_verify_inclusion(newer_note, vkeys, index, bytes(32), path)


def sampled(size: int) -> list[int]:
    return sorted(
        {0, 1, size - 1, size // 2, size // 3, *(n for n in (254, 255, 256, 65_535, 65_536) if n < size)}
    )


@pytest.fixture
def begun() -> World:
    return grown(250)


class TestIncremental:
    def test_grows_to_what_a_fresh_publication_is(self, begun: World, tmp_path: Path) -> None:
        ann = begun.enrol("bob")
        sizes = []
        for step in range(12):
            published = publish(begun.store, begun.vkey, tmp_path / "log")
            sizes.append(published.size)
            assert audit_folder(tmp_path / "log", begun.vkey).ok
            begun.must(*ann.artifacts([ann.record(f"{step} {n}") for n in range(3 + step)]))
        assert sizes[0] < 256 < sizes[-1]
        publish(begun.store, begun.vkey, tmp_path / "log")
        fresh = publish(begun.store, begun.vkey, tmp_path / "fresh")
        found, wanted = files_of(tmp_path / "log"), files_of(tmp_path / "fresh")
        assert wanted.items() <= found.items()
        # beside it only partial files of earlier sizes, of tiles that are not full yet
        for name in found.keys() - wanted.keys():
            full, _, width = name.partition(".p/")
            assert full not in wanted
            assert int(width) < 256
        assert len(found) > len(wanted) == fresh.files_written

    def test_again_at_the_same_size_writes_nothing(self, begun: World, tmp_path: Path) -> None:
        publish(begun.store, begun.vkey, tmp_path)
        before = files_of(tmp_path)
        assert publish(begun.store, begun.vkey, tmp_path).files_written == 0
        assert files_of(tmp_path) == before

    def test_never_beyond_the_signed_checkpoint(self, begun: World, tmp_path: Path) -> None:
        """A commit whose note was not stored yet is in the store and not in the folder."""
        signed = begun.writer.note
        size = checkpoint_of(begun).size
        ann = begun.enrol("bob")
        begun.must(*ann.artifacts([ann.record("in flight")]))
        with begun.store.snapshot() as snapshot:
            raw = bytes(snapshot.head())
        head = decode_head(raw)
        begun.store.commit(Batch(), raw, type(head)(head.size, head.records, signed).encode())
        published = publish(begun.store, begun.vkey, tmp_path)
        assert published.size == size < head.size
        assert published.records < head.records
        assert files_of(tmp_path).keys() == names_of_size(size, published.records)
        assert audit_folder(tmp_path, begun.vkey).ok


class TestRefuses:
    def test_nothing_signed(self, tmp_path: Path) -> None:
        with pytest.raises(RefusedInput) as error:
            publish(World(begin=False).store, World().vkey, tmp_path)
        assert error.value.code == "checkpoint-missing"

    def test_another_logs_folder(self, begun: World, tmp_path: Path) -> None:
        other = World(origin="other.example/log")
        publish(other.store, other.vkey, tmp_path)
        self.refused(begun, tmp_path, RefusedInput, "wrong-log")

    def test_another_logs_folder_without_checkpoint(self, begun: World, tmp_path: Path) -> None:
        other = World(origin="other.example/log")
        publish(other.store, other.vkey, tmp_path)
        (tmp_path / "checkpoint").unlink()
        self.refused(begun, tmp_path, RefusedInput, "folder-not-empty")

    def test_a_folder_of_other_files(self, begun: World, tmp_path: Path) -> None:
        (tmp_path / "thesis.txt").write_text("years of work")
        self.refused(begun, tmp_path, RefusedInput, "folder-not-empty")

    def test_a_folder_that_is_ahead(self, begun: World, tmp_path: Path) -> None:
        longer = grown(251)
        publish(longer.store, longer.vkey, tmp_path)
        self.refused(begun, tmp_path, RefusedInput, "published-ahead")

    def test_another_history_under_the_same_key(self, begun: World, tmp_path: Path) -> None:
        fork = World()
        fork.enrol("mallory")
        publish(fork.store, fork.vkey, tmp_path)
        self.refused(begun, tmp_path, ProofInvalid, "consistency-invalid")

    def test_a_file_with_other_bytes(self, begun: World, tmp_path: Path) -> None:
        publish(begun.store, begun.vkey, tmp_path)
        (tmp_path / "checkpoint").unlink()
        (tmp_path / "tile/0/000.p/250").write_bytes(bytes(250 * 32))
        self.refused(begun, tmp_path, StoreFault, "tile-differs")

    @pytest.mark.parametrize("space", [Space.ENTRIES, Space.TILES])
    def test_a_store_that_does_not_hash_to_its_checkpoint(self, space: Space, tmp_path: Path) -> None:
        """Entries against their tile, each full tile against the one above, the last tiles against the root."""
        world = grown(300)
        keys = (
            [key_u64(0), key_u64(1)]
            if space is Space.ENTRIES
            else [tile_key(0, 0), tile_key(0, 1), tile_key(1, 0)]
        )
        for key in keys:
            values = world.store._view.tables[space].values  # type: ignore[attr-defined]
            sound = values[key]
            values[key] = sound[:20] + bytes([sound[20] ^ 1]) + sound[21:]
            with pytest.raises(InvariantBroken) as error:
                publish(world.store, world.vkey, tmp_path)
            values[key] = sound
            assert error.value.code == "tree-differs"
            assert not (tmp_path / "checkpoint").exists()
        publish(world.store, world.vkey, tmp_path)
        assert audit_folder(tmp_path, world.vkey).ok

    @pytest.mark.parametrize("log_index", [10, 260])
    def test_an_entry_that_was_changed_together_with_its_hash(self, log_index: int, tmp_path: Path) -> None:
        """A full tile is held to the level above, the last one to the root."""
        world = grown(300)
        entries, hashes = (world.store._view.tables[s].values for s in (Space.ENTRIES, Space.TILES))  # type: ignore[attr-defined]
        number, position = divmod(log_index, 256)
        bundle, tile = entries[key_u64(number)], hashes[tile_key(0, number)]
        starts = [*offsets(bundle), len(bundle)]
        end = starts[position + 1]
        bundle = bundle[: end - 1] + bytes([bundle[end - 1] ^ 1]) + bundle[end:]
        leaf_hash = hash_leaf(bundle[starts[position] + 2 : end])
        entries[key_u64(number)] = bundle
        hashes[tile_key(0, number)] = tile[: 32 * position] + leaf_hash + tile[32 * position + 32 :]
        with pytest.raises(InvariantBroken) as error:
            publish(world.store, world.vkey, tmp_path)
        assert error.value.code == "tree-differs"
        assert not (tmp_path / f"tile/entries/{number:03d}").exists()
        assert not (tmp_path / "checkpoint").exists()

    def refused(self, world: World, folder: Path, kind: type[LineageError], code: str) -> None:
        before = files_of(folder)
        with pytest.raises(kind) as error:
            publish(world.store, world.vkey, folder)
        assert error.value.code == code
        assert files_of(folder) == before


class TestHostileFolder:
    """Who can write into the published folder must not have the operator write, delete or wait."""

    @pytest.fixture
    def elsewhere(self, tmp_path: Path) -> Path:
        """What a publication would remove: partial files, half-written ones."""
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        for name in ("5", "250", "precious", ".x.tmp"):
            (folder / name).write_text(name)
        return folder

    @pytest.mark.parametrize("name", ["tile", "tile/0", "tile/entries", "tile/entries/000.p", "records"])
    @pytest.mark.parametrize("is_begun", [False, True])
    def test_nothing_is_done_through_links(
        self, begun: World, tmp_path: Path, elsewhere: Path, name: str, is_begun: bool
    ) -> None:
        folder = tmp_path / "log"
        publish(begun.store, begun.vkey, folder)
        before = files_of(elsewhere)
        bob = begun.enrol("bob")
        begun.append(*(bob.artifacts([bob.record(str(n))]) for n in range(300)))
        shutil.rmtree(folder / name)
        (folder / name).symlink_to(elsewhere)
        if not is_begun:
            (folder / "checkpoint").unlink()
        with pytest.raises(StoreFault) as error:
            publish(begun.store, begun.vkey, folder)
        assert error.value.code == "link-refused"
        assert error.value.item == str(folder / name)
        assert files_of(elsewhere) == before

    def test_only_partial_files_are_removed(self, begun: World, tmp_path: Path, elsewhere: Path) -> None:
        publish(begun.store, begun.vkey, tmp_path / "log")
        partials = tmp_path / "log/tile/entries/000.p"
        for name in ("precious", "256", "007"):
            (partials / name).write_text(name)
        (partials / "9").symlink_to(elsewhere / "precious")
        (partials / "10").mkdir()
        (partials / "10" / "precious").write_text("too")
        bob = begun.enrol("bob")
        begun.append(*(bob.artifacts([bob.record(str(n))]) for n in range(300)))
        publish(begun.store, begun.vkey, tmp_path / "log")
        assert {path.name for path in partials.iterdir()} == {"precious", "256", "007", "9", "10"}
        assert (partials / "10" / "precious").exists()
        assert not (tmp_path / "log/tile/0/000.p").exists()
        assert len(files_of(elsewhere)) == 4

    @pytest.mark.parametrize("plant", PLANTS)
    @pytest.mark.parametrize("name", ["checkpoint", "tile/entries/000.p/250", "tile/0/000.p/250"])
    def test_what_is_no_file_of_ours(
        self, begun: World, tmp_path: Path, plant: Callable[[Path], None], name: str
    ) -> None:
        """The partial files of a publication that was stopped are looked at; the checkpoint always is."""
        folder = tmp_path / "log"
        publish(begun.store, begun.vkey, folder)
        (folder / "checkpoint").unlink()
        (folder / name).unlink(missing_ok=True)
        plant(folder / name)
        with within(), pytest.raises(StoreFault) as error:
            publish(begun.store, begun.vkey, folder)
        assert error.value.code in {"not-a-regular-file", "too-large", "link-refused", "tile-differs"}


class KilledError(Exception):
    """The process ends here."""


class FaultyFiles:
    """`write_atomically` that dies at its n-th call (from 1): before it writes, or with a half-written file left behind."""

    def __init__(self, at: int, *, is_half_written: bool) -> None:
        self.calls = 0
        self._at = at
        self._is_half_written = is_half_written

    def __call__(self, path: Path, data: bytes, *, replace: bool = False) -> None:
        self.calls += 1
        if self.calls == self._at:
            if self._is_half_written:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.with_name(f".{path.name}.0.tmp").write_bytes(data[: len(data) // 2])
            raise KilledError
        write_atomically(path, data, replace=replace)


def kills(monkeypatch: pytest.MonkeyPatch, world: World, folder: Path) -> Iterator[int]:
    """Publishes again and again, killed at the first file, at the second, …, until a publication comes to its end."""
    at = 0
    while True:
        at += 1
        faulty = FaultyFiles(at, is_half_written=bool(at % 2))
        monkeypatch.setattr(publication, "write_atomically", faulty)
        try:
            publish(world.store, world.vkey, folder)
        except KilledError:
            yield at
            continue
        finally:
            monkeypatch.undo()
        assert faulty.calls == at - 1
        return


class TestKilled:
    def test_a_first_publication(self, begun: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for _ in kills(monkeypatch, begun, tmp_path / "log"):
            assert not (tmp_path / "log" / "checkpoint").exists()
        publish(begun.store, begun.vkey, tmp_path / "fresh")
        assert files_of(tmp_path / "log") == files_of(tmp_path / "fresh")

    def test_a_later_one_leaves_the_old_checkpoint_sound(
        self, begun: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        publish(begun.store, begun.vkey, tmp_path)
        old_note = begun.writer.note
        old_partials = files_of(tmp_path).keys() - {"checkpoint"}
        bob = begun.enrol("bob")
        for n in range(6):
            begun.must(*bob.artifacts([bob.record(f"{n} {m}") for m in range(40)]))
        killed = 0
        for _ in kills(monkeypatch, begun, tmp_path):
            killed += 1
            report = audit_folder(tmp_path, begun.vkey)
            assert (report.ok, report.faults) == (True, [])
            assert report.note == old_note
            reader = tlog_scales.reader.TilesReader(tlog_scales.backend.LocalBackend(tmp_path))
            assert reader.get_checkpoint().size == report.size == 250
            assert reader.calculate_root_hash() == parse_root(old_note)
        assert killed == 2 + 2 + 1 + 2 + 1  # entries and their tiles, level 1, records, checkpoint
        published = publish(begun.store, begun.vkey, tmp_path)
        assert published.files_written == 0
        assert files_of(tmp_path).keys() == names_of_size(published.size, published.records)
        assert not old_partials & files_of(tmp_path).keys()


def parse_root(note: bytes) -> bytes:
    return Checkpoint.parse(parse_note(note).text).root


def test_names_by_rule_are_those_of_the_tiles_module() -> None:
    for size in (1, 255, 256, 257, 70_000):
        by_rule = {
            name for name in names_of_size(size, 0) if not name.startswith(("checkpoint", "tile/entries"))
        }
        assert by_rule == {tiles.tile_path(*place) for place in tiles.tiles_of_size(size)}
