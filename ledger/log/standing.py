"""What stands under an artifact id in a store, for children that name it as a parent (SPEC §9.1)."""

from __future__ import annotations

from ledger.errors import RefusedInput
from ledger.fold.records import UNREAD, Standing, standing_of
from ledger.fold.state import FoldState
from ledger.merkle.tree import hash_leaf
from ledger.statements.record import decode_record
from ledger.store import index
from ledger.store.bundles import Erased
from ledger.store.reader import StoreReader


def find_standing(reader: StoreReader, state: FoldState, artifact_id: bytes, stop: int) -> Standing | None:
    """What stands under an artifact id before record number `stop`, under an entry in order; None: nothing.

    `state` knows which entries are not in order. A record that is erased or cannot be read has no kind.
    """
    found: list[bytes | Erased] = []

    def same(position: int) -> bool:
        if index.statement_index(position) is not None or position >= stop:
            return False
        found[:] = [reader.record(position)]
        if _leaf_hash(found[0]) != artifact_id:
            return False
        return not state.header.faults or not state.is_faulty(reader.locate(position)[0])

    if index.find(reader.snapshot, artifact_id, same) is None:
        return None
    try:
        return UNREAD if isinstance(found[0], Erased) else standing_of(decode_record(found[0]))
    except RefusedInput:
        return UNREAD


def _leaf_hash(item: bytes | Erased) -> bytes:
    return item.leaf_hash if isinstance(item, Erased) else hash_leaf(item)
