"""Whatever byte of a ledger or of its published copy changes, the audit finds it and says where.

A small log is flipped byte by byte, a larger one at places drawn with a fixed seed. With LINEAGE_LONG=1 every byte is
also replaced by its complement.
"""

from __future__ import annotations

import functools
import os
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger.audit.replay import audit_folder, audit_ledger
from ledger.audit.report import AuditReport
from ledger.identity import ed25519
from ledger.log.publish import publish
from ledger.statements.entry import decode_entry
from ledger.statements.record import Parent
from ledger.store.bundles import offsets
from ledger.store.contract import Space
from ledger.store.memory import MemoryStore
from tests.world import World

SMALL_BYTES_MAX = 16_384
SAMPLED = 500
IS_LONG = os.environ.get("LINEAGE_LONG") == "1"

_RANGE = re.compile(r"entries \[(\d+), (\d+)\)|entry (\d+)\b")


@pytest.fixture(autouse=True, scope="module")
def remembered_signatures() -> Iterator[None]:
    """The same signatures are verified thousands of times; only their outcome is remembered, by all their bytes."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("verify", "check_prime_order", "check_public_key"):
            patch.setattr(ed25519, name, functools.cache(getattr(ed25519, name)))
        yield


def small() -> World:
    """Every kind of value, in few bytes: a human, a pair, records of both, and a commit of a state alone."""
    world = World()
    ann = world.enrol("ann")
    pair = world.pair(ann, "pair", {"human": 200_000})
    first = ann.record("first")
    world.must(*ann.artifacts([first, ann.record("second", human=700_000)]))
    world.must(*pair.artifacts([pair.record("child", parents=[Parent("derived-from", first.id, 500_000)])]))
    world.writer.tick()
    return world


def larger() -> World:
    """Two bundles of entries and of records, two levels of tiles."""
    world = World()
    actors = [world.enrol(f"actor {n}") for n in range(4)]
    for commit in range(4):
        world.append(*(a.artifacts([a.record(f"{commit} {n} {a.name}")]) for n in range(17) for a in actors))
    return world


@dataclass
class Place:
    """One byte: where it is, how to write it, and the entry that it belongs to, if it is one entry's alone."""

    name: str
    offset: int
    write: Callable[[bytes], None]
    value: bytes
    log_index: int | None

    def flip(self, mask: int) -> None:
        changed = bytearray(self.value)
        changed[self.offset] ^= mask
        self.write(bytes(changed))

    def restore(self) -> None:
        self.write(self.value)


def owners(world: World) -> list[int]:
    """The log index of each record."""
    with world.store.snapshot() as snapshot:
        bundles = [bytes(value) for _, value in snapshot.scan(Space.ENTRIES)]
    found: list[int] = []
    index = 0
    for bundle in bundles:
        starts = offsets(bundle)
        for start, stop in zip(starts, [*starts[1:], len(bundle)], strict=True):
            statement = decode_entry(bundle[start + 2 : stop]).statement
            if statement.type == "artifacts":
                found += [index] * statement.body["count"]
            index += 1
    return found


def owner_of(kind: str, number: int, value: bytes, offset: int, record_owners: list[int]) -> int | None:
    """The entry that a byte belongs to: of its bundle's item, or its record start."""
    if kind == "starts":
        return 256 * number + offset // 8
    if kind not in ("entries", "records"):
        return None
    item = sum(start <= offset for start in offsets(value)) - 1 + 256 * number
    return item if kind == "entries" else record_owners[item]


def store_places(world: World) -> list[Place]:
    store = world.store
    assert isinstance(store, MemoryStore)
    view, record_owners = store._view, owners(world)
    places = []
    for space, table in view.tables.items():
        for key, value in list(table.values.items()):

            def write(data: bytes, key: bytes = key, values: dict[bytes, bytes] = table.values) -> None:
                values[key] = data

            number = int.from_bytes(key, "big") if len(key) == 8 else 0
            places += [
                Place(
                    f"{space} {key.hex()}", n, write, value, owner_of(space, number, value, n, record_owners)
                )
                for n in range(len(value))
            ]

    def write_head(data: bytes) -> None:
        view.head = data

    return places + [Place("head", n, write_head, view.head, None) for n in range(len(view.head))]


def folder_places(world: World, folder: Path) -> list[Place]:
    record_owners = owners(world)
    places = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        name, value = str(path.relative_to(folder)), path.read_bytes()
        kind = "entries" if name.startswith("tile/entries/") else name.partition("/")[0]
        number = int(name.partition(".p/")[0].rpartition("/")[2]) if "/" in name else 0

        def write(data: bytes, path: Path = path) -> None:
            path.write_bytes(data)

        places += [
            Place(name, n, write, value, owner_of(kind, number, value, n, record_owners))
            for n in range(len(value))
        ]
    return places


def names(report: AuditReport, log_index: int) -> bool:
    """Whether a fault names the entry, or a range that holds it."""
    for fault in report.faults:
        if fault.log_index == log_index:
            return True
        for start, stop, single in _RANGE.findall(fault.what):
            if (int(single) == log_index) if single else (int(start) <= log_index < int(stop)):
                return True
    return False


def check(place: Place, index: int, audit: Callable[[], AuditReport]) -> None:
    for mask in [1 << index % 8] + [0xFF] * IS_LONG:
        place.flip(mask)
        report = audit()
        place.restore()
        where = f"{place.name} byte {place.offset}"
        assert not report.ok, where
        assert report.faults, where
        if place.log_index is not None:
            assert names(report, place.log_index), f"{where}: entry {place.log_index} not in {report.faults}"


def test_every_byte_of_a_store() -> None:
    world = small()
    places = store_places(world)
    assert {place.name.split()[0] for place in places} == {*Space, "head"}
    assert 6_000 < len(places) <= SMALL_BYTES_MAX
    assert audit_ledger(world.store, world.vkey).ok
    for index, place in enumerate(places):
        check(place, index, lambda: audit_ledger(world.store, world.vkey))
    assert audit_ledger(world.store, world.vkey).ok


@pytest.mark.parametrize("is_self_trusted", [False, True])
def test_every_byte_of_a_published_folder(tmp_path: Path, is_self_trusted: bool) -> None:
    """Published twice, so that partial files of the earlier size stand beside the later ones."""
    world = World()
    ann = world.enrol("ann")
    first = ann.record("first")
    world.must(*ann.artifacts([first]))
    publish(world.store, world.vkey, tmp_path)
    child = ann.record("child", parents=[Parent("derived-from", first.id, 500_000)])
    world.must(*ann.artifacts([child]))
    publish(world.store, world.vkey, tmp_path)
    places = folder_places(world, tmp_path)
    assert len({place.name for place in places}) == 2 * 3 + 1
    assert 4_000 < len(places) <= SMALL_BYTES_MAX
    vkey = None if is_self_trusted else world.vkey
    assert audit_folder(tmp_path, vkey).ok
    for index, place in enumerate(places):
        check(place, index, lambda: audit_folder(tmp_path, vkey))
    assert audit_folder(tmp_path, vkey).ok


@pytest.mark.slow
def test_sampled_bytes_of_a_larger_log(tmp_path: Path) -> None:
    world = larger()
    publish(world.store, world.vkey, tmp_path)
    in_store, in_folder = store_places(world), folder_places(world, tmp_path)
    draw = random.Random(20_240_607)
    for index in range(SAMPLED // 2):
        check(draw.choice(in_store), index, lambda: audit_ledger(world.store, world.vkey))
        check(draw.choice(in_folder), index, lambda: audit_folder(tmp_path, world.vkey))
    assert audit_ledger(world.store, world.vkey).ok
    assert audit_folder(tmp_path, world.vkey).ok
