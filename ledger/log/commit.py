"""One commit: what it writes, and the second path that reads it back (SPEC §10.4).

`plan_commit` turns accepted entries into one batch. `recompute` starts again from the bytes as the store gives them
back: leaf hashes from entries, record roots from records, the log's root from the last signed frontier. A flipped bit
between memory and disk, or a bug in the tiles, thus stops the log before a checkpoint is signed over it.
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


def recompute(snapshot: Snapshot, head: Head, signed: Checkpoint | None, origin: str) -> Checkpoint:
    """The second path: the checkpoint of what is stored, from the stored bytes alone.

    `signed` is the last signed checkpoint, None before the first. Raises InvariantBroken `tree-differs` if the stored
    tiles, entries and records do not agree with it and with each other; StoreFault if something cannot be read.
    """
    reader = stored.StoreReader(snapshot, head.size, head.records)
    start = signed.size if signed else 0
    frontier = tiles.frontier(reader.tile, start)
    if signed is not None and frontier.root() != signed.root:
        raise _differs(f"the tiles up to {start} do not have the root that was signed")
    record_number = reader.record_start(start) if start < head.size else head.records
    leaf_hashes = []
    for log_index, data in enumerate(reader.entries(start, head.size), start):
        leaf_hashes.append(hash_leaf(data))
        statement = decode_entry(data).statement
        if reader.record_start(log_index) != record_number:
            raise _differs(f"the record start of entry {log_index} is not {record_number}")
        if statement.type == "artifacts":
            count = statement.body["count"]
            hashes = [
                item.leaf_hash if isinstance(item, Erased) else hash_leaf(item)
                for item in reader.records(record_number, record_number + count)
            ]
            if root_of(hashes) != statement.body["root"]:
                raise _differs(f"the records of entry {log_index} do not have the root that it signs")
            record_number += count
    root = frontier.append(leaf_hashes).root()
    if record_number != head.records:
        raise _differs(f"{record_number} records are signed for, the head says {head.records}")
    if tiles.root(reader.tile, head.size) != root:
        raise _differs("tiles and entries have different roots")
    return Checkpoint(origin, head.size, root)


def _differs(reason: str) -> InvariantBroken:
    return InvariantBroken(
        "tree-differs",
        "second path",
        reason,
        "Nothing was signed. Keep the folder as it is, check disk and memory, and run `lineage audit`.",
    )
