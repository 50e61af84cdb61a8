"""Parts of a Parquet file digested, the same as its rows one by one (`ledger.datasets.parquet`), for import (SPEC §10.7)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from ledger import spec
from ledger.datasets.digests import RAW, Digested, Digests, Fault
from ledger.datasets.files import Fingerprint, RegularFile, printable
from ledger.datasets.parquet import BATCH_ROWS, Table, check_json, not_parquet, open_table
from ledger.datasets.rows import dataset_empty
from ledger.datasets.wanted import Wanted
from ledger.errors import RefusedInput


class RowGroups(NamedTuple):
    """How a Parquet file is laid out: where each of its row groups ends, in rows."""

    ends: tuple[int, ...]

    @property
    def row_count(self) -> int:
        """All rows."""
        return self.ends[-1] if self.ends else 0


def look_into(path: str | os.PathLike[str], column: str | None) -> RowGroups:
    """What the footer of a Parquet file says of its rows. Raises RefusedInput as `read_parquet`, but for its rows."""
    item = printable(path)
    with RegularFile(path) as file:
        groups = _row_groups(open_table(file, item, column))
    if not groups.row_count:
        raise dataset_empty(item)
    return groups


def _row_groups(table: Table) -> RowGroups:
    metadata = table.file.metadata
    ends, row_count = [], 0
    for number in range(metadata.num_row_groups):
        row_count += metadata.row_group(number).num_rows
        ends.append(row_count)
    return RowGroups(tuple(ends))


class TableDigester:
    """Digests parts of one Parquet file, one behind the other: what was decoded behind the last part is kept for the next.

    A part that begins in a later row group is gone to directly; within a row group all rows before it are decoded. Close it.
    """

    def __init__(self, path: str, fingerprint: Fingerprint, wanted: Wanted) -> None:
        """`wanted`: a column, or whole rows, and the cells that the folders tell. Raises RefusedInput as `look_into`, and `file-changed` if the file has another fingerprint."""
        self._wanted = wanted
        self._column = column = None if wanted.is_partition_needed else wanted.column
        self._item = printable(path)
        self._fingerprint = fingerprint
        self._file = RegularFile(path)
        try:
            self._file.check_is(fingerprint)
            self._table = open_table(self._file, self._item, column)
            self._groups = _row_groups(self._table)
        except BaseException:
            self._file.close()
            raise
        self._batches: Iterator[Any] = iter(())
        self._batch: Any = None  # the one that holds row `_at`, from there on
        self._at = self._groups.row_count  # the next row

    def digest(self, first: int, stop: int) -> Digested:
        """The digests of rows [first, stop), which the file has. Raises RefusedInput of the file itself.

        As for `read_parquet`, a column that cannot be decoded is a fault of the file, told as the fault of its row.
        """
        self._go_to(first)
        found, fault = Digests(), None
        self._file.check_is(self._fingerprint)
        try:
            while self._at < stop:
                batch = self._next(stop - self._at)
                self._digest_batch(batch, found)
                self._at += batch.num_rows
        except RefusedInput as error:
            if error.item == self._item:
                raise
            fault = Fault.of(error)
            self._at = self._groups.row_count
            self._batches, self._batch = iter(()), None
        self._file.check_is(self._fingerprint)
        return Digested(b"".join(found.hashes), found.size_bytes, found.forms, fault)

    def close(self) -> None:
        """Lets go of the file."""
        self._batches, self._batch = iter(()), None
        self._file.close()

    def _go_to(self, row: int) -> None:
        number = next(at for at, end in enumerate(self._groups.ends) if row < end)
        begin = self._groups.ends[number - 1] if number else 0
        if not begin <= self._at <= row:
            later = range(number, len(self._groups.ends))
            self._batch, self._at = None, begin
            self._batches = self._table.file.iter_batches(
                batch_size=BATCH_ROWS,
                row_groups=list(later),
                columns=self._table.names if self._column is None else [self._column],
                use_threads=False,
            )
        while self._at < row:
            self._at += self._next(row - self._at).num_rows

    def _next(self, rows_max: int) -> Any:
        """The next rows, at most so many; what is left of their batch is kept."""
        try:
            batch = self._batch if self._batch is not None else next(self._batches)
        except StopIteration:
            raise not_parquet(self._item, ValueError("it has fewer rows than it says")) from None
        except self._table.failures as error:
            raise not_parquet(self._item, error) from error
        self._batch = batch.slice(rows_max) if batch.num_rows > rows_max else None
        return batch.slice(0, rows_max)

    def _digest_batch(self, batch: Any, found: Digests) -> None:
        """Adds the rows of a batch. Raises RefusedInput at the first that is refused."""
        try:
            if self._column is not None and _add_strings(batch.column(0).to_pylist(), found):
                return
            rows = batch.to_pylist()
        except self._table.failures as error:
            raise not_parquet(self._item, error) from error
        needed = self._wanted.needed(tuple(self._table.names))
        for row in rows:
            cells = {name: row[name] for name in needed}
            check_json(cells)
            found.add(*self._wanted.take(cells)[:2])


def _add_strings(values: list[Any], found: Digests) -> bool:
    """Adds the cells of a column if all are strings that are not empty; else False, and nothing is added."""
    if not all(type(value) is str and value for value in values):
        return False
    contents = [value.encode() for value in values]
    if max(map(len, contents)) > spec.ROW_BYTES_MAX:
        return False
    found.hashes += [hashlib.sha256(content).digest() for content in contents]
    found.size_bytes += sum(map(len, contents))
    found.forms |= RAW
    return True
