"""What stands under an artifact id in a store, for children that name it as a parent and for what is said of it (SPEC §9.1)."""

from __future__ import annotations

from collections.abc import Iterator

from ledger.errors import RefusedInput
from ledger.fold.records import UNREAD, Standing, standing_of
from ledger.fold.state import FoldState
from ledger.fold.subjects import Subject
from ledger.merkle.tree import hash_leaf
from ledger.statements.entry import decode_entry
from ledger.statements.record import Record, decode_record
from ledger.store import index
from ledger.store.bundles import Erased
from ledger.store.reader import StoreReader


def find_standing(reader: StoreReader, state: FoldState, artifact_id: bytes, stop: int) -> Standing | None:
    """What stands under an artifact id before record number `stop`, under an entry in order; None: nothing.

    `state` knows which entries are not in order. A record that is erased or cannot be read has no kind.
    """
    is_there = False
    for _position, item in _places(reader, state, artifact_id, stop):
        record = _readable(item)
        if record is not None:
            return standing_of(record)
        is_there = True
    return UNREAD if is_there else None


def find_subject(reader: StoreReader, state: FoldState, artifact_id: bytes, stop: int) -> Subject | None:
    """The same for a subject of an attestation or a notice: its maker and its rows."""
    first: int | None = None
    for position, item in _places(reader, state, artifact_id, stop):
        record = _readable(item)
        if record is not None:
            return Subject(record.maker, record.row_count)
        first = position if first is None else first
    if first is None:
        return None
    return Subject(decode_entry(reader.entry(reader.locate(first)[0])).statement.by, None)


def leaf_hash_of(item: bytes | Erased) -> bytes:
    """The artifact id of a record, whatever is left of it."""
    return item.leaf_hash if isinstance(item, Erased) else hash_leaf(item)


def _places(
    reader: StoreReader, state: FoldState, artifact_id: bytes, stop: int
) -> Iterator[tuple[int, bytes | Erased]]:
    """The record numbers before `stop` at which the artifact stands, ascending, and what is held there."""
    for position in reader.snapshot.positions(index.prefix(artifact_id)):
        if position >= stop:  # a statement's place, too, is greater than that of any record
            return
        item = reader.record(position)
        if leaf_hash_of(item) == artifact_id and not (
            state.header.faults and state.is_faulty(reader.locate(position)[0])
        ):
            yield position, item


def _readable(item: bytes | Erased) -> Record | None:
    try:
        return None if isinstance(item, Erased) else decode_record(item)
    except RefusedInput:
        return None
