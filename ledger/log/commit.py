"""One commit: what it writes, and the second path that reads it back (SPEC §10.4).

`plan_commit` turns accepted entries into one batch. `check_stored` compares what the store gives back with what it was
handed. `recompute` then starts again from the stored bytes: leaf hashes from entries, record roots from records, the
log's root from the last signed frontier. A flipped bit between memory and disk, or a bug in the tiles, thus stops the
log before a checkpoint is signed over it. After a crash nothing remembers what was handed over, and `recompute` alone
decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.errors import InvariantBroken
from ledger.fold.state import FoldState
from ledger.log.candidate import Candidate
from ledger.merkle import tiles
from ledger.merkle.tree import hash_leaf, root_of
from ledger.proofs.checkpoint import Checkpoint
from ledger.statements.entry import decode_entry
from ledger.statements.statement import Statement
from ledger.store import reader as stored
from ledger.store.bundles import Erased
from ledger.store.contract import Batch, Snapshot, Space
from ledger.store.head import Head
from ledger.store.index import prefix, statement_position


@dataclass(frozen=True, slots=True)
class Planned:
    """A batch and the head that it leads to; the note is still the old one."""

    batch: Batch
    head: Head


def plan_commit(snapshot: Snapshot, head: Head, accepted: Sequence[Candidate], state: FoldState) -> Planned:
    """The batch that appends `accepted`, whose last is a `state` entry, behind `head`; `state` has taken them all."""
    reader = stored.StoreReader(snapshot)
    records = [record for candidate in accepted for record in candidate.records]
    leaf_hashes = [candidate.entry.leaf_hash for candidate in accepted]
    batch = Batch()
    batch.puts += stored.append_entries(reader, head.size, [c.entry.encoded for c in accepted])
    batch.puts += stored.append_records(reader, head.records, [record.encoded for record in records])
    starts, number = [], head.records
    for candidate in accepted:
        starts.append(number)
        number += len(candidate.records)
    batch.puts += stored.append_starts(reader, head.size, starts)
    for (level, tile_number), tile in tiles.append(reader.tile, head.size, leaf_hashes).items():
        batch.puts.append((Space.TILES, stored.tile_key(level, tile_number), tile))
    changes, nodes = state.take_changes()
    batch.puts += [(Space.FOLD, key, value) for key, value in changes.items()]
    batch.puts += [(Space.STATUS, key, value) for key, value in nodes.items()]
    for position, record in enumerate(records, head.records):
        batch.index.append((prefix(record.id), position))
        batch.index.append((prefix(record.content), position))
    for log_index, candidate in enumerate(accepted, head.size):
        batch.index.append((prefix(candidate.entry.statement.id), statement_position(log_index)))
    return Planned(batch, Head(head.size + len(accepted), number, head.note))


def check_stored(snapshot: Snapshot, batch: Batch) -> None:
    """Whether the store gives back what it was handed, byte for byte. Raises InvariantBroken `tree-differs`.

    This alone covers what `recompute` does not read: the fold's state, the status map, and the older part of
    bundles and tiles that were written anew. The index is left out: it only proposes, can be rebuilt, and an entry
    that it does not find again is refused by its lane, or as an enrolment that is known.
    """
    for space, key, value in batch.puts:
        found = snapshot.get(space, key)
        if found is None or bytes(found) != value:
            raise _differs(f"the store does not give back what it was handed ({space} {key.hex()})")


def recompute(snapshot: Snapshot, head: Head, signed: Checkpoint | None, origin: str) -> Checkpoint:
    """The second path: the checkpoint of what is stored, from the stored bytes alone.

    `signed` is the last signed checkpoint, None before the first. Raises InvariantBroken `tree-differs` if the stored
    tiles, entries and records do not agree with it and with each other, or no `state` stands last; StoreFault if
    something cannot be read. What was signed before is not read again, but for the tiles that have its root: later
    damage to it is for the audit to find.
    """
    reader = stored.StoreReader(snapshot, head.size, head.records)
    start = signed.size if signed else 0
    if start > head.size:
        raise _differs(f"a checkpoint of {start} entries is signed, the head says {head.size}")
    frontier = tiles.frontier(reader.tile, start)
    if signed is not None and frontier.root() != signed.root:
        raise _differs(f"the tiles up to {start} do not have the root that was signed")
    entries = list(reader.entries(start, head.size))
    root = frontier.append([hash_leaf(data) for data in entries]).root()
    if tiles.root(reader.tile, head.size) != root:
        raise _differs("tiles and entries have different roots")
    if entries:
        _check_records(reader, start, [decode_entry(data).statement for data in entries], head.records)
    return Checkpoint(origin, head.size, root)


def _check_records(
    reader: stored.StoreReader, start: int, statements: Sequence[Statement], records: int
) -> None:
    """Whether the statements from `start` on have the records that they sign, the last of all `records`."""
    counts = [item.body["count"] if item.type == "artifacts" else 0 for item in statements]
    number = records - sum(counts)
    for log_index, (statement, count) in enumerate(zip(statements, counts, strict=True), start):
        if reader.record_start(log_index) != number:
            raise _differs(f"the record start of entry {log_index} is not {number}")
        held = [item for item in reader.records(number, number + count) if not isinstance(item, Erased)]
        if count and (
            len(held) != count or root_of([hash_leaf(item) for item in held]) != statement.body["root"]
        ):
            raise _differs(f"the records of entry {log_index} do not have the root that it signs")
        number += count
    if statements[-1].type != "state" or statements[-1].body["records"] != records:
        raise _differs(f"the last entry is no state of {records} records")


def _differs(reason: str) -> InvariantBroken:
    return InvariantBroken(
        "tree-differs",
        "second path",
        reason,
        "Nothing was signed. Keep the folder as it is, check disk and memory, and run `lineage audit`.",
    )
