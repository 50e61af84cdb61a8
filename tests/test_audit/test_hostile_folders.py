"""A published folder made by a stranger: the audit neither waits nor swells, and believes no file that it did not check."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.audit.replay import audit_folder
from ledger.audit.report import AuditReport
from ledger.merkle.tree import hash_leaf
from ledger.proofs.checkpoint import Checkpoint, sign_checkpoint
from ledger.store.bundles import offsets, pack
from tests.hostile import PLANTS, within
from tests.test_audit.scenes import named, published, small_commits
from tests.world import World


@pytest.fixture
def world() -> World:
    world = World()
    small_commits(world)
    return world


@pytest.fixture
def copy(world: World, tmp_path: Path) -> Path:
    return published(world, tmp_path / "copy")


def partial(copy: Path, kind: str) -> Path:
    (path,) = (copy / kind / "000.p").iterdir()
    return path


def audited(copy: Path, world: World) -> AuditReport:
    with within():
        for_strangers = audit_folder(copy)
        assert not for_strangers.ok
        return audit_folder(copy, world.vkey)


@pytest.mark.parametrize("plant", PLANTS)
class TestPlanted:
    """In the place of a file, or beside it."""

    @pytest.mark.parametrize("kind", ["tile/entries", "tile/0", "records"])
    def test_for_a_file(self, world: World, copy: Path, plant: Callable[[Path], None], kind: str) -> None:
        path = partial(copy, kind)
        path.unlink()
        plant(path)
        report = audited(copy, world)
        codes = {fault.code for fault in report.faults}
        assert codes & {"not-a-regular-file", "too-large", "link-refused"}
        assert not report.ok

    @pytest.mark.parametrize("name", ["000", "000.p/1", "000.p/255"])
    def test_beside_a_file(self, world: World, copy: Path, plant: Callable[[Path], None], name: str) -> None:
        plant(copy / "tile/entries" / name)
        report = audited(copy, world)
        assert named(report) == [(0, "tile-differs", None)]
        assert f"tile/entries/{name}: " in report.faults[0].what

    def test_for_the_checkpoint(self, world: World, copy: Path, plant: Callable[[Path], None]) -> None:
        (copy / "checkpoint").unlink()
        plant(copy / "checkpoint")
        report = audited(copy, world)
        assert len(report.faults) == 1
        assert report.incomplete


class TestClaimedSize:
    """1,000 names that are one file, in a folder that holds itself under 1,000 names: 2^40 bundles and more."""

    CLAIMED = 2**48

    def loop(self, folder: Path, data: bytes) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "000").write_bytes(data)
        for number in range(1_000):
            if number:
                os.link(folder / "000", folder / f"{number:03}")
            (folder / f"x{number:03}").symlink_to(".")

    def test_unsigned(self, world: World, copy: Path) -> None:
        size = world.writer.state.header.size
        note = (copy / "checkpoint").read_text()
        (copy / "checkpoint").write_text(note.replace(f"\n{size}\n", f"\n{self.CLAIMED}\n", 1))
        entries = partial(copy, "tile/entries").read_bytes()
        genesis = entries[2 : offsets(entries)[1]]
        self.loop(copy / "tile/entries", pack([genesis] * 256))
        report = audited(copy, world)
        assert named(report) == [(0, "note-invalid", None)]
        assert (report.incomplete, report.size) == (True, 0)

    def test_signed_by_the_stranger(self, world: World, copy: Path) -> None:
        """Whose own genesis names his vkey: links do not multiply what he has to store."""
        checkpoint = Checkpoint(world.vkey.name, self.CLAIMED, bytes(32))
        (copy / "checkpoint").write_bytes(
            sign_checkpoint(checkpoint, world.sign_note, world.vkey.key).encode()
        )
        entries = partial(copy, "tile/entries").read_bytes()
        genesis = entries[2 : offsets(entries)[1]]
        self.loop(copy / "tile/entries", pack([genesis] * 256))
        self.loop(copy / "tile/0", hash_leaf(genesis) * 256)
        report = audited(copy, world)
        assert (256_000, "link-refused", None) in named(report)  # bundle 1000 is the first of x001
        assert report.incomplete


class TestOtherWidths:
    """Readers ask for a partial file, and fall back to the full one: whichever they are given must be the log's."""

    @pytest.mark.parametrize("kind", ["tile/entries", "tile/0", "records"])
    @pytest.mark.parametrize("width", [200, 256])
    def test_wider_files(self, world: World, copy: Path, kind: str, width: int) -> None:
        """One of a publication under way is no fault: all that was signed stands in it. Any other is one."""
        path = partial(copy, kind)
        sound, more = path.read_bytes(), width - int(path.name)
        filling = bytes(32 * more) if kind == "tile/0" else pack([b"not yet signed"] * more)
        wide = path.with_name("200") if width == 200 else copy / kind / "000"
        wide.write_bytes(sound + filling)
        assert audit_folder(copy, world.vkey).ok
        wrong = [
            b"garbage",
            b"",
            sound,
            sound + filling[: len(filling) - 1],
            sound + filling + filling[: len(filling) // more],
            sound[:40] + bytes([sound[40] ^ 1]) + sound[41:] + filling,
        ]
        for data in wrong:
            wide.write_bytes(data)
            report = audit_folder(copy, world.vkey)
            assert {fault.code for fault in report.faults} == {"tile-differs"}
            assert str(wide.relative_to(copy)) in report.faults[0].what
            assert not report.ok

    def test_names_of_no_file_are_not_looked_at(self, world: World, copy: Path) -> None:
        """No reader asks for them."""
        for name in ("0", "256", "007", "-1", "٣", "1.tmp", "9" * 200):
            (copy / "tile/entries/000.p" / name).write_bytes(b"whatever")
        assert audit_folder(copy, world.vkey).ok
