"""Rebuilding: what a ledger keeps beside its log, made anew from the log (SPEC §9.1, §10.4).

The fold's state and the status map follow from the entries alone. So a ledger whose state is kept in the shapes of an
older version, or is damaged, is not lost: its entries are folded again from the first on, every signature verified, and
what is stored is replaced in one synced transaction, the head as it was. Entries, records, tiles and the note stay untouched.

The marker's version is written last. Whoever is stopped before has the old state under the old version, or the new one
under the old version; both are rebuilt once more, to the same bytes.

The rebuilt state speaks for the log as it is stored. Up to the signed checkpoint it must be the log that was signed, else
nothing is written; a commit in flight behind it is taken as it is, for recovery to judge (`ledger.log.recovery`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.errors import InvariantBroken, RefusedInput
from ledger.fold.segments import closing_state
from ledger.fold.state import FoldState
from ledger.fold.transition import fold
from ledger.identity.vkey import Vkey
from ledger.merkle.tree import Frontier, hash_leaf
from ledger.proofs.checkpoint import open_checkpoint
from ledger.spec import FOLDS_KNOWN, WRITER_WAIT_S
from ledger.store.contract import Batch, Snapshot, Space, Store
from ledger.store.folder import read_marker, renew_marker
from ledger.store.head import Head, decode_head
from ledger.store.lmdb import LmdbStore
from ledger.store.lock import WriterLock
from ledger.store.reader import StoreReader

_CHUNK: Final = 4_096  # entries whose hashes are held at a time


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """`entries` were folded; `changed` stored values were not what they lead to; `store_version` stood before."""

    entries: int
    changed: int
    store_version: int


def rebuild_state(folder: Path, wait_s: float = WRITER_WAIT_S) -> Rebuilt:
    """Rebuilds the fold's state and the status map of the ledger in `folder`; its store is then of this version.

    Waits `wait_s` seconds for another writer. Raises RefusedInput `not-a-ledger`, `ledger-newer`, `fold-unknown`,
    `genesis-illegal`; WriterBusy; ProofInvalid; InvariantBroken `tree-differs` (the entries are not those that were
    signed); StoreFault. Then nothing was changed.
    """
    marker, version = read_marker(folder)
    with WriterLock(folder).acquire(wait_s):
        store = LmdbStore(folder)
        try:
            entries, changed = rebuild_store(store, Vkey.parse(marker.vkey), marker.log_id)
        finally:
            store.close()
        renew_marker(folder)
    return Rebuilt(entries, changed, version)


def rebuild_store(store: Store, vkey: Vkey, log: bytes) -> tuple[int, int]:
    """The same of a store whose writer's lock the caller holds: how many entries it has, and values that were changed."""
    batch = Batch()
    with store.snapshot() as snapshot:
        raw = bytes(snapshot.head())
        head = decode_head(raw)
        if head.note:
            _check_signed(snapshot, head, vkey)
        pairs, nodes = _replay(StoreReader(snapshot, head.size, head.records), head, log)
        for space, wanted in ((Space.FOLD, pairs), (Space.STATUS, nodes)):
            _compare(snapshot, space, wanted, batch)
    changed = len(batch.puts) + len(batch.deletes)
    if changed:
        store.commit(batch, raw, raw)
    return head.size, changed


def _compare(snapshot: Snapshot, space: Space, wanted: Mapping[bytes, bytes], batch: Batch) -> None:
    """What has to be put and deleted so that a space holds what is wanted and nothing else."""
    right = set()
    for key, value in snapshot.scan(space):
        if wanted.get(key) == value:
            right.add(key)
        elif key not in wanted:
            batch.deletes.append((space, key))
    batch.puts += [(space, key, value) for key, value in wanted.items() if key not in right]


def _check_signed(snapshot: Snapshot, head: Head, vkey: Vkey) -> None:
    checkpoint = open_checkpoint(head.note, [vkey])
    frontier = Frontier()
    if checkpoint.size <= head.size:
        reader = StoreReader(snapshot, checkpoint.size)
        for start in range(0, checkpoint.size, _CHUNK):
            entries = reader.entries(start, min(start + _CHUNK, checkpoint.size))
            frontier = frontier.append([hash_leaf(data) for data in entries])
    if frontier.root() != checkpoint.root:
        raise InvariantBroken(
            "tree-differs",
            "rebuild",
            f"the stored entries are not those of the signed checkpoint of size {checkpoint.size}",
            "Nothing was changed. Run `lineage audit`, and restore a backup.",
        )


def _replay(reader: StoreReader, head: Head, log: bytes) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
    """What a fold over all stored entries leaves, as a log stores it after each of its commits."""
    pairs: dict[bytes, bytes] = {}
    nodes: dict[bytes, bytes] = {}
    state = FoldState(log, pairs.get, nodes.get)
    for start, stop, clock_ms, number in _segments(reader, head.size, log):
        if number not in FOLDS_KNOWN:
            raise RefusedInput(
                "fold-unknown",
                f"entries [{start}, {stop})",
                f"they are folded by number {number}, which this version does not know",
                "Upgrade lineage-ledger.",
            )
        for log_index in range(start, stop):
            clock = max(clock_ms, state.header.clock_ms)
            fold(state, log_index, reader.entry(log_index), clock, fold_number=number)
            if not state.header.operator:
                raise RefusedInput(
                    "genesis-illegal", "log", "no genesis in order stands at entry 0", "Restore a backup."
                )
        changed, made = state.take_changes()
        pairs.update(changed)
        nodes.update(made)
    return pairs, nodes


def _segments(reader: StoreReader, size: int, log: bytes) -> Iterator[tuple[int, int, int, int]]:
    """(start, stop, clock, fold number) of the segments of the log; the genesis and the first state are one commit."""
    start = 0
    while start < size:
        closing = closing_state(reader.entry, log, start, size)
        if closing is None:
            raise InvariantBroken(
                "tree-differs",
                f"entry {size - 1}",
                "no state stands last",
                "Nothing was changed. Run `lineage audit`, and restore a backup.",
            )
        yield start, closing.log_index + 1, closing.time_ms, closing.fold_number
        start = closing.log_index + 1
