"""Rows of a `rows` record for an ancestry proof (SPEC §11.2): the multiproof of some ranges, read from a sidecar.

The sidecar need not be believed: its groups have the root that was signed, and each group of which something is taken is
hashed before it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ledger.errors import RefusedInput
from ledger.merkle.groups import GROUP, leaf_hashes_of
from ledger.merkle.ranges import Range, Ranges, prove_ranges
from ledger.merkle.tree import levels_of
from ledger.proofs.ancestry_file import RowsHeader
from ledger.proofs.rows import RowsReader, checked_groups, rows_differ
from ledger.statements.record import Record

_GROUP_HEIGHT: Final = GROUP.bit_length() - 1
_PIECE_ROWS: Final = 64 * GROUP


def rows_header(record: Record, rows: RowsReader, ranges: Sequence[Range]) -> RowsHeader:
    """The header of rows of a record, which must be those of the sidecar.

    Raises ProofInvalid `rows-differ`; RefusedInput `index-out-of-range` for rows that the record does not have.
    """
    wanted = Ranges(ranges)
    if wanted.stop > record.row_count:
        raise RefusedInput(
            "index-out-of-range",
            f"row {wanted.stop - 1:,} of {record.id.hex()[:16]}",
            f"the dataset has {record.row_count:,} rows",
            "Rows count from 0.",
        )
    tree = _SidecarTree(record, rows)
    return RowsHeader(
        record.id, tuple(ranges), tuple(prove_ranges(tree.subtree_root, wanted, record.row_count))
    )


def row_digests(rows: RowsReader, ranges: Sequence[Range]) -> Iterator[bytes]:
    """The digests of the rows, in pieces."""
    for first, count in ranges:
        for start in range(first, first + count, _PIECE_ROWS):
            yield rows.digests(start, min(start + _PIECE_ROWS, first + count))


class _SidecarTree:
    """The tree over all rows, of which the part above the groups is held, and below it the last group that was asked for."""

    def __init__(self, record: Record, rows: RowsReader) -> None:
        self._id = record.id
        self._rows = rows
        self._upper = levels_of(checked_groups(record, rows))
        self._group = -1
        self._lower: list[Sequence[bytes]] = []

    def subtree_root(self, start: int, height: int) -> bytes:
        """As `ledger.merkle.ranges.prove_ranges` asks."""
        if height >= _GROUP_HEIGHT:
            return self._upper[height - _GROUP_HEIGHT][start >> height]
        number, place = divmod(start, GROUP)
        if number != self._group:
            self._open(number)
        return self._lower[height][place >> height]

    def _open(self, number: int) -> None:
        first = number * GROUP
        self._lower = levels_of(leaf_hashes_of(self._rows.digests(first, first + GROUP)))
        self._group = number
        if self._lower[-1][0] != self._upper[0][number]:
            raise rows_differ(self._id, f"the group of row {first} does not hash to what stands for it")
