"""One commit: what it writes, and the second path that reads it back (SPEC §10.4).

`plan_commit` turns accepted entries into one batch. `check_stored` compares what the store gives back with what it was
handed. `recompute` then starts again from the stored bytes: leaf hashes from entries, record roots from records, the
log's root from the last signed frontier. A flipped bit between memory and disk, or a bug in the tiles, thus stops the
log before a checkpoint is signed over it. After a crash nothing remembers what was handed over, and `recompute` alone
decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from ledger import spec
from ledger.errors import InvariantBroken, RefusedInput
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
    batch.index += [(prefix(record.id), position) for position, record in enumerate(records, head.records)]
    batch.index += [
        (prefix(record.content), position) for position, record in enumerate(records, head.records)
    ]
    for log_index, candidate in enumerate(accepted, head.size):
        batch.index.append((prefix(candidate.entry.statement.id), statement_position(log_index)))
    return Planned(batch, Head(head.size + len(accepted), number, head.note))


def check_stored(snapshot: Snapshot, batch: Batch) -> None:
    """Whether the store gives back what it was handed, byte for byte. Raises InvariantBroken `tree-differs`.

    This alone covers what `recompute` does not read: the fold's state, the status map, and the older part of
    bundles that were written anew. The index is left out: it only proposes, can be rebuilt, and an entry
    that it does not find again is refused by its lane, or as an enrolment that is known.
    """
    for space, key, value in batch.puts:
        found = snapshot.get(space, key)
        if found is None or bytes(found) != value:
            raise _differs(f"the store does not give back what it was handed ({space} {key.hex()})")


def recompute(
    snapshot: Snapshot,
    head: Head,
    signed: Checkpoint | None,
    origin: str,
    decoded: Mapping[bytes, Statement] | None = None,
) -> Checkpoint:
    """The second path: the checkpoint of what is stored, from the stored bytes alone.

    `signed` is the last signed checkpoint, None before the first. `decoded` holds statements by the bytes of their
    entries: where the stored bytes are those to the letter, they are not decoded again.

    Raises InvariantBroken `tree-differs` if the stored tiles, entries and records do not agree with it and with each
    other, or no `state` stands last; StoreFault if something cannot be read. What was signed before is not read
    again, but for the tiles that have its root: later damage to it is for the audit to find.
    """
    reader = stored.StoreReader(snapshot, head.size, head.records)
    start = signed.size if signed else 0
    if head.size - start > spec.COMMIT_ENTRIES_MAX + 1:
        raise _differs(f"{head.size - start} entries are unsigned, more than one commit has")
    frontier = tiles.frontier(reader.tile, start)
    if signed is not None and frontier.root() != signed.root:
        raise _differs(f"the tiles up to {start} do not have the root that was signed")
    entries = list(reader.entries(start, head.size))
    root = frontier.append([hash_leaf(data) for data in entries]).root()
    if tiles.root(reader.tile, head.size) != root:
        raise _differs("tiles and entries have different roots")
    _check_tiles(reader, start, head.size)
    if entries:
        known = decoded or {}
        statements = [known.get(data) or _statement(data) for data in entries]
        _check_records(reader, start, statements, head.records)
    return Checkpoint(origin, head.size, root)


def _statement(data: bytes) -> Statement:
    try:
        return decode_entry(data).statement
    except RefusedInput as error:
        raise _differs(f"what is stored as an entry is none ({error})") from error


def _check_tiles(reader: stored.StoreReader, start: int, size: int) -> None:
    """Whether every tile that grew from `start` to `size` is whole: the root of the tree then holds all its nodes.

    The root takes in the peaks of the last tile of each level, these the rest of that tile if its inner nodes follow
    from its row, and the row of a tile the roots of the full tiles below.
    """
    level = 0
    while (old := start >> spec.TILE_HEIGHT * level) < (new := size >> spec.TILE_HEIGHT * level):
        for number in range(old // spec.TILE_WIDTH, (new - 1) // spec.TILE_WIDTH + 1):
            tile, name = reader.tile(level, number), f"tile {level}/{number}"
            row = tiles.row(tile)
            hashes = [row[at : at + spec.HASH_BYTES] for at in range(0, len(row), spec.HASH_BYTES)]
            if tiles.expand(hashes) != tile:
                raise _differs(f"the inner nodes of {name} do not follow from its row")
            if len(hashes) == spec.TILE_WIDTH:
                above, place = divmod(number, spec.TILE_WIDTH)
                if tiles.node(reader.tile(level + 1, above), 0, place) != tile[-spec.HASH_BYTES :]:
                    raise _differs(f"the root of {name} is not in the tile above it")
        level += 1


def _check_records(
    reader: stored.StoreReader, start: int, statements: Sequence[Statement], records: int
) -> None:
    """Whether the statements from `start` on have the records that they sign, the last of all `records`."""
    counts = [item.body["count"] if item.type == "artifacts" else 0 for item in statements]
    number = records - sum(counts)
    items = reader.records(max(number, 0), records)  # many statements share a bundle: one walk for all
    for log_index, (statement, count) in enumerate(zip(statements, counts, strict=True), start):
        if reader.record_start(log_index) != number:
            raise _differs(f"the record start of entry {log_index} is not {number}")
        held = [item for item in islice(items, count) if not isinstance(item, Erased)]
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
