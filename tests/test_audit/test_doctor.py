"""The doctor finds what a quick look can find, says how to mend it, and looks on when one thing is broken."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger.audit import doctor as room
from ledger.audit.doctor import ENTRIES_SAMPLED, RECORDS_SAMPLED, doctor
from ledger.audit.finding import Finding
from ledger.errors import RefusedInput
from ledger.store.contract import Batch, Space, Store, key_u64
from ledger.store.folder import MARKER_FILE, Marker, creating_folder
from ledger.store.head import Head, decode_head
from ledger.store.lmdb import LmdbStore
from ledger.store.lock import WriterLock
from ledger.store.reader import tile_key
from tests.world import World

NAMES = [
    "marker",
    "data file",
    "file system",
    "disk space",
    "writer",
    "head",
    "clock",
    "digest index",
    "inclusion",
]
LATE_MS = 10**12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A ledger on disk with 600 records in 300 statements, its store closed."""
    path = tmp_path / "ledger"
    world = World(begin=False)
    with creating_folder(path, Marker(world.vkey.name, str(world.vkey), world.log)):
        store = LmdbStore.create(path)
        world = World(store)
        ann = world.enrol("ann")
        world.append(*(ann.artifacts([ann.record(f"{n}"), ann.record(f"{n} b")]) for n in range(300)))
        store.close()
    return path


def look(folder: Path, now_ms: int = LATE_MS, *extra: Finding) -> dict[str, Finding]:
    found = doctor(folder, lambda: LmdbStore(folder, readonly=True), now_ms, extra)
    assert len({finding.name for finding in found}) == len(found)
    assert all(finding.ok or finding.fix for finding in found)
    return {finding.name: finding for finding in found}


def failed(folder: Path, now_ms: int = LATE_MS) -> list[str]:
    return [name for name, finding in look(folder, now_ms).items() if not finding.ok]


def change(folder: Path, alter: Callable[[Store, Head], tuple[Batch, Head]]) -> None:
    store = LmdbStore(folder)
    with store.snapshot() as snapshot:
        raw = bytes(snapshot.head())
    batch, head = alter(store, decode_head(raw))
    store.commit(batch, raw, head.encode())
    store.close()


def flip(folder: Path, space: Space, key: bytes, at: int) -> None:
    def alter(store: Store, head: Head) -> tuple[Batch, Head]:
        with store.snapshot() as snapshot:
            value = bytearray(snapshot.get(space, key) or b"")
        value[at] ^= 1
        return Batch([(space, key, bytes(value))]), head

    change(folder, alter)


def test_healthy(folder: Path) -> None:
    found = look(folder)
    assert list(found) == NAMES
    assert failed(folder) == []
    assert found["marker"].what == f"log {World().vkey.name}"
    assert found["digest index"].what == f"{RECORDS_SAMPLED} of 600 records are found by it"
    assert found["inclusion"].what == f"{ENTRIES_SAMPLED} of 305 entries are under the signed root"
    assert found["writer"].what == "none has written yet"


def test_findings_of_the_caller_come_last(folder: Path) -> None:
    own = Finding("key files", ok=False, what="readable by all", fix="chmod 600")
    found = doctor(folder, lambda: LmdbStore(folder, readonly=True), LATE_MS, iter([own]))
    assert found[-1] is own


def test_no_marker(folder: Path) -> None:
    (folder / MARKER_FILE).unlink()
    assert failed(folder) == ["marker"]
    assert "head" not in look(folder)


def test_marker_of_another_log(folder: Path) -> None:
    marker = folder / MARKER_FILE
    other = World(origin="other.example/log").vkey
    marker.write_text(marker.read_text().replace(str(World().vkey), str(other)))
    assert failed(folder) == ["head"]


def test_data_file_that_was_cut(folder: Path) -> None:
    data = folder / room.DATA_FILE
    data.write_bytes(data.read_bytes()[:12_288])
    assert failed(folder) == ["data file"]
    assert "head" not in look(folder)


def test_data_file_that_is_gone(folder: Path) -> None:
    (folder / room.DATA_FILE).unlink()
    assert failed(folder) == ["data file"]
    assert "head" not in look(folder)


def test_network_file_system(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise RefusedInput("network-filesystem", str(path), "it lies on nfs", "keep it local")

    monkeypatch.setattr(room, "refuse_network", refuse)
    assert failed(folder) == ["file system"]


def test_full_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, is_low in ((room.DISK_FREE_LEAST_BYTES - 1, True), (room.DISK_FREE_LEAST_BYTES, False)):
        usage = shutil._ntuple_diskusage(2 * free, free, free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _path, usage=usage: usage)
        assert failed(folder) == (["disk space"] if is_low else [])


@pytest.fixture
def held(folder: Path) -> Iterator[WriterLock]:
    with WriterLock(folder).acquire(0) as lock:
        yield lock


def test_writer_at_work_is_named(folder: Path, held: WriterLock) -> None:
    assert failed(folder) == []
    assert look(folder)["writer"].what == f"process {held.holder()} is writing"


def test_writer_that_ended(folder: Path) -> None:
    WriterLock(folder).acquire(0).release()
    assert look(folder)["writer"].what == "none is writing"
    WriterLock(folder).acquire(0).release()  # the doctor let go


def test_clock_behind_the_log(folder: Path) -> None:
    world_time_ms = 1_000_000
    assert failed(folder, world_time_ms) == ["clock"]
    assert "behind" in look(folder, world_time_ms)["clock"].what


@pytest.mark.parametrize("has_note", [True, False])
def test_unfinished_commit(folder: Path, has_note: bool) -> None:
    def alter(_store: Store, head: Head) -> tuple[Batch, Head]:
        return Batch(), Head(head.size + 1, head.records, head.note) if has_note else Head(2, 0)

    change(folder, alter)
    assert failed(folder) == ["head"]
    assert look(folder)["head"].fix.startswith("Open the ledger for writing")


def test_head_that_fell_behind(folder: Path) -> None:
    change(folder, lambda _store, head: (Batch(), Head(head.size - 1, head.records, head.note)))
    assert failed(folder) == ["head"]


def test_damaged_entry(folder: Path) -> None:
    flip(folder, Space.ENTRIES, key_u64(0), 100)  # the genesis, which every sample holds
    assert failed(folder) == ["inclusion"]
    assert "lineage audit" in look(folder)["inclusion"].fix


@pytest.mark.parametrize(("level", "number", "node"), [(0, 0, 508), (0, 1, 48), (1, 0, 0)])
def test_damaged_tile(folder: Path, level: int, number: int, node: int) -> None:
    """Nodes on the way of many entries: half of a full tile, the last peak, the first hash of level 1."""
    flip(folder, Space.TILES, tile_key(level, number), 32 * node)
    assert failed(folder) == ["inclusion"]


def test_tile_of_no_width(folder: Path) -> None:
    change(folder, lambda _store, head: (Batch([(Space.TILES, tile_key(0, 1), bytes(33))]), head))
    assert failed(folder) == ["inclusion"]
    assert "33 bytes are no tile" in look(folder)["inclusion"].what


def test_damaged_records(folder: Path) -> None:
    flip(folder, Space.RECORDS, key_u64(0), 40)
    assert failed(folder) == ["digest index"]


def test_last_entry_that_is_no_state(folder: Path) -> None:
    def alter(store: Store, head: Head) -> tuple[Batch, Head]:
        with store.snapshot() as snapshot:
            bundle = bytes(snapshot.get(Space.ENTRIES, key_u64(1)) or b"")
            first = int.from_bytes(bundle[:2], "big") + 2
        return Batch([(Space.ENTRIES, key_u64(1), bundle[:first] * (head.size - 256))]), head

    change(folder, alter)
    assert failed(folder) == ["clock", "digest index", "inclusion", "rows"]


def test_the_doctor_writes_nothing(folder: Path) -> None:
    WriterLock(folder).acquire(0).release()
    (folder / "writer.pid").unlink()
    victim = folder.parent / "victim"
    victim.write_text("precious")
    (folder / "writer.pid").symlink_to(victim)
    assert failed(folder) == []
    assert victim.read_text() == "precious"


@pytest.mark.parametrize(
    ("name", "finding"),
    [("ledger.json", "marker"), ("data.mdb", "data file"), ("writer.lock", "writer"), ("lock.mdb", "store")],
)
def test_a_pipe_does_not_keep_the_doctor_waiting(folder: Path, name: str, finding: str) -> None:
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    assert finding in failed(folder)


def test_a_data_file_that_another_made_is_looked_at_before_it_is_mapped(folder: Path) -> None:
    data = folder / room.DATA_FILE
    raw = data.read_bytes()
    outcomes = []
    for page in range(2, len(raw) // 4096):
        changed = bytearray(raw)
        changed[page * 4096 + 12 : page * 4096 + 14] = b"\xfe\xff"
        data.write_bytes(changed)
        outcomes.append("data file" in failed(folder))
        data.write_bytes(raw)
    assert True in outcomes
