"""Ancestry proofs: what one costs to make, to verify and to carry (SPEC §11.2).

1,000 ancestors in statements of one record each, by many people, stand scattered in a log of many more; one artifact descends from all of
them. The limit verifies the signatures of those statements over the same bytes, in the same thread, and does nothing else. A file's size is compared with
what it cannot do without: entries, records, and 32 bytes for each node of the log's and the status map's multiproof.
"""

from __future__ import annotations

import gc
import hashlib
import random
from functools import partial
from typing import Final

from nacl.bindings import crypto_sign_open

from ledger.errors import InvariantBroken
from ledger.log.view import LogView, open_view
from ledger.log.writer import Submission
from ledger.merkle import prefix
from ledger.merkle.groups import joined_groups, leaf_hashes_of
from ledger.merkle.prefix_multiproof import prove_keys
from ledger.merkle.tree import hash_leaf, root_of
from ledger.origin.proved import Proved, verify
from ledger.proofs.ancestry_file import LogPart, RowsToWrite, write_file
from ledger.proofs.recorded import record_ancestry
from ledger.proofs.row_sets import row_digests, rows_header
from ledger.spec import HASH_BYTES
from ledger.statements.record import Parent, Record, make_record
from tests.world import World
from tools.bench.measure import Row, Settings, seconds, spread
from tools.bench.scene import disk_log, require_appended, signed_messages

_AT_MS: Final = 4_000_000_000_000
_CHILDREN: Final = 4  # parents of each ancestor, in a tree
_MAKE_MS: Final = 150
_VERIFY_RATIO: Final = 2.0
_SIZE_RATIO: Final = 1.3
_STATUS_BYTES: Final = 1_024
_ROW_BYTES: Final = 40


def bench_ancestry(settings: Settings) -> list[Row]:
    """A file of 1,000 ancestors made, verified and weighed; a diamond; a status proof; rows of a dataset."""
    ancestors = settings.pick(1_000, 30)
    with disk_log(settings.folder, "ancestry") as world:
        root, signed = _publish(world, ancestors, settings.pick(20_000, 60), settings.pick(20, 7))
        turns = settings.pick(7, 1)
        name = f"ancestry proof, {ancestors:,} ancestors in statements of 1 record"
        with open_view(world.store, world.vkey) as view:
            part = _part(view, world, root)
            data = b"".join(write_file([(part, [])]))
            made = spread([1_000 * seconds(partial(_make, world, root)) for _ in range(turns)])
        gc.collect()
        gc.freeze()  # who verifies has not made this log: what that left in memory is not his to walk
        ours, raw = [], []
        for _ in range(turns):
            ours.append(1_000 * seconds(partial(_verified, data, world)))
            raw.append(1_000 * seconds(partial(_verify_signatures, signed)))
        gc.unfreeze()
        times = spread([one / other for one, other in zip(ours, raw, strict=True)])
        rows = [
            Row(f"{name}: made", f"{made} ms", "-", None, f"≤ {_MAKE_MS} ms", made.middle <= _MAKE_MS),
            Row(
                f"{name}: verified",
                f"{spread(ours)} ms",
                f"{spread(raw)} ms of signatures",
                times,
                f"ratio ≤ {_VERIFY_RATIO:g}",
                times.middle <= _VERIFY_RATIO,
            ),
            _size_row(f"{name}: size", part, data),
            _diamond_row(world, settings.pick(40, 5)),
        ]
        rows.append(_rows_row(world, settings.pick(100_000, 500)))
    rows.append(_status_row(settings.pick(1_000_000, 1_000)))
    return rows


def _publish(
    world: World, ancestors: int, others: int, people: int
) -> tuple[Record, list[tuple[bytes, bytes]]]:
    """The last of the ancestors' children, and what was signed over it and its ancestors."""
    actors = [world.enrol(f"person {number}") for number in range(people)]
    born: list[Submission] = [(actor.enrolment.encoded, []) for actor in actors]
    chosen = random.Random(0)
    is_ancestor = sorted(chosen.sample(range(ancestors + others), ancestors))
    wanted, made = set(is_ancestor), list[Record]()
    signed = list(zip(signed_messages(born), [actor.public_key for actor in actors], strict=True))
    batch: list[Submission] = []
    for number in range(ancestors + others):
        actor = actors[number % people]
        parents = []
        if number in wanted:
            place = ancestors - 1 - len(made)  # in a tree that is numbered from its root, which is made last
            below = range(_CHILDREN * place + 1, min(_CHILDREN * (place + 1) + 1, ancestors))
            parents = [Parent("derived-from", made[ancestors - 1 - each].id) for each in below]
        record = actor.record(f"text {number}", parents=parents)
        entry, records = actor.artifacts([record])
        batch.append((entry.encoded, records))
        if number in wanted:
            made.append(record)
            signed += zip(signed_messages(batch[-1:]), [actor.public_key], strict=True)
        if len(batch) == 256:
            require_appended(world.writer.append(batch))
            batch = []
    last = actors[0].record("the last", parents=[Parent("derived-from", made[-1].id)])
    entry, records = actors[0].artifacts([last])
    batch.append((entry.encoded, records))
    signed += zip(signed_messages(batch[-1:]), [actors[0].public_key], strict=True)
    require_appended(world.writer.append(batch))
    return last, signed


def _part(view: LogView, world: World, root: Record) -> LogPart:
    return record_ancestry(view, world.vkey, [root.id]).part


def _make(world: World, root: Record) -> bytes:
    with open_view(world.store, world.vkey) as view:
        return b"".join(write_file([(_part(view, world, root), [])]))


def _verified(data: bytes, world: World) -> Proved:
    found = verify(data, [world.vkey], at_ms=_AT_MS)
    if not found.ok:
        raise InvariantBroken("ancestry", "bench", "an artifact of an honest log is not proved")
    return found


def _verify_signatures(signed: list[tuple[bytes, bytes]]) -> None:
    for message, public_key in signed:
        crypto_sign_open(message, public_key)


def _size_row(name: str, part: LogPart, data: bytes) -> Row:
    records = [record for statement in part.statements for record in statement.records]
    content = sum(len(entry) for _, entry in part.entries) + sum(
        len(record.data or b"") for record in records
    )
    nodes = len(part.hashes) + _status_nodes(part.status)
    least = content + HASH_BYTES * nodes
    ratio = len(data) / least
    limit = f"{least:,} bytes, {nodes:,} nodes among them"
    return Row(
        name,
        f"{len(data):,} bytes",
        limit,
        spread([ratio]),
        f"ratio ≤ {_SIZE_RATIO}",
        ratio <= _SIZE_RATIO,
    )


def _status_nodes(status: bytes) -> int:
    """Hashes in a status proof, those of the nodes at which it ends among them."""
    return len(status) // HASH_BYTES


def _diamond_row(world: World, depth: int) -> Row:
    actor = world.enrol("of the diamond")
    below = [actor.record("top left"), actor.record("top right")]
    world.publish(actor, *below)
    for level in range(depth):
        parents = [Parent("derived-from", record.id) for record in below]
        below = [actor.record(f"{side} {level}", parents=parents) for side in ("left", "right")]
        world.publish(actor, *below)
    made = seconds(partial(_make, world, below[0]))
    data = _make(world, below[0])
    verified = seconds(partial(_verified, data, world))
    figure = f"{len(data):,} bytes; made in {1_000 * made:.0f} ms, verified in {1_000 * verified:.0f} ms"
    return Row(f"ancestry proof, a diamond of depth {depth} (2^{depth} paths)", figure, "-", None)


class _Rows:
    """A sidecar in memory, of as many rows; it has no order."""

    order: tuple[int, ...] = ()
    record = b""

    def __init__(self, count: int) -> None:
        self.count = count
        self._digests = b"".join(hashlib.sha256(b"row %d" % row).digest() for row in range(count))

    def digests(self, start: int, stop: int) -> bytes:
        return self._digests[start * HASH_BYTES : min(stop, self.count) * HASH_BYTES]

    def digest(self, row: int) -> bytes:
        return self.digests(row, row + 1)

    def groups(self) -> bytes:
        return joined_groups(self._digests)


def _rows_row(world: World, count: int) -> Row:
    actor = world.enrol("of the rows")
    rows = _Rows(count)
    root = root_of(leaf_hashes_of(rows.digests(0, count)))
    record = make_record(
        kind="dataset",
        maker=actor.id,
        content=root,
        size_bytes=count,
        form="rows",
        facts={"count": count},
        stance="reported",
        media="text/plain",
    )
    world.publish(actor, record)
    sizes = []
    for ranges in ([(0, count)], [(count // 7, count // 2)]):
        with open_view(world.store, world.vkey) as view:
            part = _part(view, world, record)
        header = rows_header(record, rows, ranges)
        written = RowsToWrite(header, partial(row_digests, rows, ranges))
        data = b"".join(write_file([(part, [written])]))
        verified = 1e6 * seconds(partial(_verified, data, world)) / header.row_count
        sizes.append((len(data) / header.row_count, verified))
    each = max(size for size, _ in sizes)
    figure = ", ".join(f"{size:.2f} bytes and {micros:.2f} µs a row" for size, micros in sizes)
    name = f"ancestry proof, all of {count:,} rows, and half of them in one piece"
    return Row(name, figure, "-", None, f"≤ {_ROW_BYTES} bytes a row", each <= _ROW_BYTES)


def _status_row(count: int) -> Row:
    keys = {hash_leaf(b"subject %d" % number): hash_leaf(b"value") for number in range(count)}
    root, nodes = prefix.update(lambda _hash: b"", prefix.EMPTY_ROOT, keys)
    present, absent = next(iter(keys)), [hash_leaf(b"absent %d" % number) for number in range(200)]
    sizes = [len(prove_keys(nodes.__getitem__, root, [key])) for key in (present, *absent)]
    name = f"status proof of one subject of {count:,}"
    figure = f"{spread([float(size) for size in sizes])} bytes"
    return Row(name, figure, "-", None, f"≤ {_STATUS_BYTES:,} bytes", max(sizes) <= _STATUS_BYTES)
