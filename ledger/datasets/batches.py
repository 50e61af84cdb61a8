"""Tables, that is Parquet and Arrow: what is wanted of each row of a record batch, the fast way and the slow way.

The fast way takes a column of strings by its bytes, which are the rows' contents already; of everything else `rows_of_batch` makes values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Protocol

from ledger import spec
from ledger.datasets.arrow import ArrowReader
from ledger.datasets.arrow_values import EXTRA, cells, check_cells, rows_of_batch
from ledger.datasets.files import Fingerprint, printable
from ledger.datasets.formats import PARQUET
from ledger.datasets.gathered import Gathered
from ledger.datasets.line_formats import Taken
from ledger.datasets.parquet_reader import ParquetReader
from ledger.datasets.rows import column_missing
from ledger.datasets.wanted import Wanted
from ledger.errors import RefusedInput
from ledger.extras import load


class Table(Protocol):
    """One open file of rows in record batches. `ends`: where its row groups or record batches end, in rows."""

    names: tuple[str, ...]
    ends: tuple[int, ...]
    row_count: int
    is_stream: bool

    @property
    def schema(self) -> Any: ...

    def batches(self, first: int, stop: int) -> Iterator[Any]: ...

    def forget(self) -> None: ...

    def close(self) -> None: ...


def open_table(path: str, fingerprint: Fingerprint, format_: str, wanted: Wanted | None) -> Table:
    """A Parquet or Arrow file, to read what is wanted, or with None every column as it is.

    Raises RefusedInput as `ParquetReader` and `ArrowReader`; column-missing.
    """
    kind = ParquetReader if format_ == PARQUET else ArrowReader
    table: Table = kind(path, fingerprint, list if wanted is None else wanted.needed)
    known = table.names if wanted is None else (*table.names, *wanted.partition)
    if wanted is not None and wanted.column is not None and wanted.column not in known:
        table.close()
        missing = column_missing(wanted.column, known)
        raise RefusedInput(missing.code, printable(path), missing.reason, missing.fix)
    return table


def take_batch(batch: Any, wanted: Wanted) -> Iterator[Taken | RefusedInput]:
    """What is wanted of each row, or why it is none: the slow way."""
    for row in rows_of_batch(batch, wanted.needed(tuple(batch.schema.names))):
        try:
            check_cells(row)
            yield wanted.take(row)
        except RefusedInput as error:
            yield error


def look_batch(batch: Any, wanted: Wanted, found: Gathered) -> None:
    """Adds the rows of a record batch, each with its fault if it has one."""
    if not _look_fast(batch, wanted, found):
        for taken in take_batch(batch, wanted):
            if isinstance(taken, RefusedInput):
                found.fault(taken)
            else:
                found.add(*taken)


def _look_fast(batch: Any, wanted: Wanted, found: Gathered) -> bool:
    """Adds a batch whose column holds strings that are all fit to be rows; else False, and nothing is added."""
    if wanted.column is None or wanted.is_partition_needed or wanted.contents or not batch.num_rows:
        return False
    at = batch.schema.get_field_index(wanted.column)
    if at < 0:
        return False
    column = batch.column(at)
    types = load("pyarrow", EXTRA).types
    is_large = types.is_large_string(column.type)
    if not (is_large or types.is_string(column.type)):
        return False
    if column.null_count or not _is_utf8(column):
        return False
    _, offsets, data = column.buffers()
    width = 8 if is_large else 4
    begin = column.offset * width
    taken = memoryview(offsets)[begin : begin + (len(column) + 1) * width]
    ends = (taken.cast("q") if is_large else taken.cast("i")).tolist()
    sizes = [stop - start for start, stop in pairwise(ends)]
    if min(sizes) <= 0 or max(sizes) > spec.ROW_BYTES_MAX:
        return False
    beside = _cells_beside(batch, wanted)
    if beside is None:
        return False
    content, sha256, offset = memoryview(data), hashlib.sha256, len(found.hashes)
    for at, row in beside:
        found.add_cells(offset + at, bytes(content[ends[at] : ends[at + 1]]), row)
    found.hashes += [sha256(content[start:stop]).digest() for start, stop in pairwise(ends)]
    found.size_bytes += ends[-1] - ends[0]
    return True


def _is_utf8(column: Any) -> bool:
    try:
        column.validate(full=True)
    except ValueError:
        return False
    return True


def _cells_beside(batch: Any, wanted: Wanted) -> list[tuple[int, dict[str, Any]]] | None:
    """Of the rows that have one of the cells asked for, their offsets and those cells; None if a cell has no value."""
    beside: dict[int, dict[str, Any]] = {}
    for name in wanted.cells:
        at = batch.schema.get_field_index(name)
        if at < 0 or batch.column(at).null_count == batch.num_rows:
            continue
        for row, value in enumerate(cells(batch.column(at), name)):
            if isinstance(value, RefusedInput):
                return None
            if value is not None:
                beside.setdefault(row, {})[name] = value
    return sorted(beside.items())
