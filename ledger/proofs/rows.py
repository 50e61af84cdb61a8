"""Rows of a `rows` record: one of them proved, all of them checked (SPEC §10.7, §11.6).

The record is signed, and its content is the root over all row digests. So a row is proved by its digest, its index and a path
of at most 20 hashes; the sidecar that they are read from need not be believed. It may hide a row; it cannot add one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple, Protocol

from ledger import spec
from ledger.errors import ProofInvalid, RefusedInput
from ledger.merkle.groups import GROUP, group_count, group_hashes, leaf_hashes_of, path_in_groups
from ledger.merkle.order import POSITION_BYTES, find_in_order
from ledger.merkle.tree import hash_leaf, root_of, verify_inclusion
from ledger.statements import codec
from ledger.statements.record import Record, decode_record

MARK: Final = codec.encode("form") + codec.encode(
    "rows"
)  # occurs in the bytes of every record of form `rows`
_CHUNK: Final = 64 * GROUP  # rows that are looked at together


class RowsReader(Protocol):
    """A sidecar as it is read; `count` and the record's bytes stand in it. Methods raise StoreFault."""

    @property
    def count(self) -> int: ...

    @property
    def record(self) -> bytes: ...

    @property
    def order(self) -> Sequence[int]:
        """The row indices by (digest, row)."""
        ...

    def digests(self, start: int, stop: int) -> bytes:
        """The digests of rows [start, stop), 32 bytes each."""
        ...

    def digest(self, row: int) -> bytes:
        """The digest of one row, or b""."""
        ...

    def groups(self) -> bytes:
        """The hashes of all groups, 32 bytes each."""
        ...


class FoundRow(NamedTuple):
    """A row that has the digest sought: the first of `copies` in its dataset; `path` leads to the record's content."""

    row: int
    copies: int
    path: list[bytes]


def rows_record_of(data: bytes) -> Record | None:
    """The record in these bytes, if it is one of form `rows`; None also for bytes that are no record."""
    if MARK not in data:
        return None
    try:
        record = decode_record(data)
    except RefusedInput:
        return None
    return record if record.form == "rows" else None


def check_row(record: Record, row: int, digest: bytes, path: Sequence[bytes]) -> None:
    """Checks that a row with this digest (32 bytes) stands at index `row` of a `rows` record (SPEC §11.6).

    Raises ProofInvalid `inclusion-invalid`.
    """
    if record.form != "rows":
        raise ProofInvalid("inclusion-invalid", f"row {row}", "the record is of no rows")
    if len(digest) != spec.HASH_BYTES:
        raise ProofInvalid("inclusion-invalid", f"row {row}", "its digest does not have 32 bytes")
    verify_inclusion(hash_leaf(digest), row, record.row_count, path, record.content)


def open_rows(artifact_id: bytes, rows: RowsReader) -> Record:
    """The record in a sidecar, which must be that of this artifact. Raises ProofInvalid `rows-differ`."""
    if hash_leaf(rows.record) != artifact_id:
        raise rows_differ(artifact_id, "the record in it is another")
    try:
        record = decode_record(rows.record)
    except RefusedInput as error:
        raise rows_differ(artifact_id, f"its record is none: {error.reason}") from error
    if record.form != "rows" or record.row_count != rows.count:
        raise rows_differ(artifact_id, f"its record is not of {rows.count} rows")
    return record


def checked_groups(record: Record, rows: RowsReader) -> list[bytes]:
    """The hashes of all groups, which have the root that was signed. Raises ProofInvalid `rows-differ`."""
    groups = _split(rows.groups())
    if len(groups) != group_count(record.row_count) or root_of(groups) != record.content:
        raise rows_differ(record.id, "its groups do not have the root in the record")
    return groups


def prove_row(record: Record, rows: RowsReader, row: int) -> tuple[bytes, list[bytes]]:
    """The digest of a row, and the path that proves it; both checked. Raises ProofInvalid, RefusedInput `index-out-of-range`."""
    if not 0 <= row < record.row_count:
        raise RefusedInput(
            "index-out-of-range",
            f"row {row}",
            f"the dataset has {record.row_count} rows",
            "Rows count from 0.",
        )
    groups = checked_groups(record, rows)
    start = row - row % GROUP
    digests = rows.digests(start, start + GROUP)
    path = path_in_groups(leaf_hashes_of(digests), groups, row)
    at = (row - start) * spec.HASH_BYTES
    digest = digests[at : at + spec.HASH_BYTES]
    try:
        check_row(record, row, digest, path)
    except ProofInvalid as error:
        raise rows_differ(record.id, f"the group of row {row} does not hash to what stands for it") from error
    return digest, path


def find_row(record: Record, rows: RowsReader, digest: bytes) -> FoundRow | None:
    """The first row with this digest, proved; None: the order names none. Raises ProofInvalid `rows-differ`.

    How many copies it has is the order's word.
    """
    places = find_in_order(digest, rows.order, rows.digest)
    if not places:
        return None
    row = rows.order[places.start]
    found, path = prove_row(record, rows, row)
    if found != digest:
        raise rows_differ(record.id, f"row {row} was read in two ways")
    return FoundRow(row, len(places), path)


def check_rows(artifact_id: bytes, rows: RowsReader) -> Record:
    """Checks all of a sidecar: record, every digest up to the root, and the order. About 3 µs a row.

    Raises ProofInvalid `rows-differ`.
    """
    record = open_rows(artifact_id, rows)
    groups = checked_groups(record, rows)
    for start in range(0, rows.count, _CHUNK):
        hashes = group_hashes(leaf_hashes_of(rows.digests(start, start + _CHUNK)))
        if hashes != groups[start // GROUP : start // GROUP + len(hashes)]:
            raise rows_differ(
                artifact_id, f"its digests from row {start} on do not have the hashes of their groups"
            )
    check_order(artifact_id, rows)
    return record


def check_order(artifact_id: bytes, rows: RowsReader) -> None:
    """Whether the order names every row once, ascending by (digest, row). Raises ProofInvalid `rows-differ`.

    Ascending strictly, it names none twice; and it has as many places as there are rows.
    """
    digests = rows.digests(0, rows.count)
    size = spec.HASH_BYTES
    before = b""
    for start in range(0, rows.count, _CHUNK):
        positions = rows.order[start : start + _CHUNK]
        if max(positions) >= rows.count:
            raise rows_differ(artifact_id, f"its order names row {max(positions)}")
        keys = [
            digests[row * size : (row + 1) * size] + row.to_bytes(POSITION_BYTES, "big") for row in positions
        ]
        if not all(one < other for one, other in pairwise([before, *keys])):
            raise rows_differ(artifact_id, f"its order does not ascend near place {start}")
        before = keys[-1]


def _split(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + spec.HASH_BYTES] for at in range(0, len(hashes), spec.HASH_BYTES)]


def rows_differ(artifact_id: bytes, reason: str) -> ProofInvalid:
    """The refusal of a sidecar that is not that of its record."""
    return ProofInvalid(
        "rows-differ",
        f"rows sidecar of {artifact_id.hex()[:16]}",
        reason,
        "Bring it from a published copy of the log, or make it anew from the dataset: lineage import --rebuild",
    )
