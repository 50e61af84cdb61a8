"""What comes out of a log: inclusion paths, an audit of all of it, and the trace of a deep ancestry."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Final

from ledger.audit.replay import audit_ledger
from ledger.errors import InvariantBroken
from ledger.log.view import open_view
from ledger.log.writer import Submission
from ledger.merkle import tiles
from ledger.merkle.proofs import PathReader
from ledger.merkle.tree import hash_leaf
from ledger.proofs.trace import trace
from ledger.statements.record import Parent
from ledger.store.contract import Batch, Snapshot, Space
from ledger.store.lmdb import LmdbStore
from ledger.store.reader import StoreReader, tile_key
from tests.world import Actor, World
from tools.bench.measure import Row, Settings, rate_row, seconds, take_turns
from tools.bench.scene import Maker, disk_log, empty_folder, require_appended, signed_messages, verify_all

NODES_TARGET: Final = 0.7
PROOFS_TARGET: Final = 20_000  # inclusion proofs a second
_CHUNK: Final = 65_536  # leaves a commit


def bench_proofs(settings: Settings) -> list[Row]:
    """Paths from a store of 1,000,000 leaves against one of 10,000, and against the bare read of one tile a path."""
    small, large = settings.pick(10_000, 1_000), settings.pick(1_000_000, 20_000)
    count = settings.pick(20_000, 500)
    with _tile_store(settings, small) as few, _tile_store(settings, large) as many:
        nodes = take_turns(
            settings.pick(7, 1), partial(_paths, many, large, count), partial(_paths, few, small, count)
        )
        tiles_read = take_turns(
            settings.pick(7, 1),
            partial(_paths, many, large, count, whole=True),
            partial(_gets, many, large, count),
        )
    units = ("nodes/s", f"nodes/s at {small:,} leaves")
    proofs = rate_row("proofs, each", tiles_read, ("paths/s", "tile reads/s"))
    met = tiles_read.ours.middle >= PROOFS_TARGET
    return [
        rate_row(f"proofs, {large:,} leaves", nodes, units, NODES_TARGET),
        replace(proofs, target=f"≥ {PROOFS_TARGET:,} paths/s", met=met),
    ]


@contextmanager
def _tile_store(settings: Settings, leaves: int) -> Iterator[Snapshot]:
    """The tiles of a tree over made-up leaf hashes, written as a log writes them."""
    store = LmdbStore.create(empty_folder(settings.folder, f"tiles-{leaves}"))
    head = b""
    for start in range(0, leaves, _CHUNK):
        stop = min(start + _CHUNK, leaves)
        hashes = [hashlib.sha256(b"%d" % number).digest() for number in range(start, stop)]
        with store.snapshot() as snapshot:
            grown = tiles.append(StoreReader(snapshot).tile, start, hashes)
        puts = [(Space.TILES, tile_key(*place), tile) for place, tile in grown.items()]
        store.commit(Batch(puts=puts), head, b"%d" % stop)
        head = b"%d" % stop
    with store.snapshot() as snapshot:
        yield snapshot
    store.close()


def _places(leaves: int, count: int) -> list[int]:
    chosen = random.Random(leaves)
    return [chosen.randrange(leaves) for _ in range(count)]


def _paths(snapshot: Snapshot, leaves: int, count: int, *, whole: bool = False) -> float:
    """Nodes a second of `count` inclusion paths at random places, or with `whole` paths a second."""
    reader = PathReader(StoreReader(snapshot).tile, leaves)
    places = _places(leaves, count)
    found: list[int] = []
    took_s = seconds(lambda: found.extend(len(reader.inclusion_path(place)) for place in places))
    return (count if whole else sum(found)) / took_s


def _gets(snapshot: Snapshot, leaves: int, count: int) -> float:
    """Reads a second of the one tile that no path can do without."""
    keys = [tile_key(0, place // 256) for place in _places(leaves, count)]
    return count / seconds(lambda: [bytes(snapshot.get(Space.TILES, key) or b"") for key in keys])


def bench_audit(settings: Settings) -> list[Row]:
    """A replay of a log of statements with one record and with many, against raw verification and hashing."""
    singles, bulk, each = settings.pick(2_000, 20), settings.pick(4, 1), settings.pick(4_096, 100)
    with disk_log(settings.folder, "audit") as world:
        maker = Maker(world)
        one, many = maker.submissions(singles, 1), maker.submissions(bulk, each)
        for group in (one, many):
            require_appended(world.writer.append(group))
        messages = signed_messages(one + many)
        records = [record for _entry, held in one + many for record in held]
        count = len(records)

        def limit() -> None:
            verify_all(messages, maker.public_key)
            for record in records:
                hash_leaf(record)

        turns = take_turns(
            settings.pick(5, 1),
            lambda: count / seconds(lambda: audit_all(world)),
            lambda: count / seconds(limit),
        )
    name = f"audit, {singles:,} x 1 and {bulk} x {each:,} records"
    return [rate_row(name, turns, ("records/s", "records/s, only verified and hashed"))]


def audit_all(world: World) -> None:
    """Audits a log that has no fault; raises if one is found."""
    report = audit_ledger(world.store, world.vkey)
    if not report.ok:
        raise InvariantBroken("audit", "bench", "an honest log has faults")


def bench_trace(settings: Settings) -> list[Row]:
    """The trace of a line of ancestors, each a statement of its own, against verifying their signatures alone."""
    depth = settings.pick(1_000, 20)
    with disk_log(settings.folder, "trace") as world:
        maker = Maker(world)
        last, messages = _line_of_descent(world, maker.actor, depth)
        public_key = maker.public_key

        def ours() -> float:
            return depth / seconds(lambda: _trace(world, last, depth))

        def limit() -> float:
            return depth / seconds(lambda: verify_all(messages, public_key))

        turns = take_turns(settings.pick(7, 1), ours, limit)
    return [rate_row(f"trace, {depth:,} ancestors", turns, ("nodes/s", "verifications/s"))]


def _line_of_descent(world: World, actor: Actor, depth: int) -> tuple[bytes, list[bytes]]:
    """`depth` works, each derived from the one before; the last one's id, and the messages that were signed."""
    submissions: list[Submission] = []
    parents: list[Parent] = []
    for number in range(depth):
        record = actor.record(f"generation {number}", parents=parents)
        entry, records = actor.artifacts([record])
        submissions.append((entry.encoded, records))
        parents = [Parent("derived-from", record.id)]
    require_appended(world.writer.append(submissions))
    return parents[0].id, signed_messages(submissions)


def _trace(world: World, artifact_id: bytes, depth: int) -> None:
    with open_view(world.store, world.vkey) as view:
        ancestry = trace(view, artifact_id, world.vkey)
    if len(ancestry.nodes) != depth:
        raise InvariantBroken("trace", "bench", f"{len(ancestry.nodes)} nodes were found, not {depth}")
