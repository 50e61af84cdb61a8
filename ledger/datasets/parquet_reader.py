"""Parquet in record batches: rows from any place on, read once where they are read in order, in bounded memory (extra `parquet`).

Beside it stands the slow reader, `ledger.datasets.parquet`. This one decodes as many rows at once as make about a mebibyte. What makes much of little
is a dictionary, of which each row may repeat the longest word: so a column's dictionaries are looked at first, and where they could fill the memory fewer rows are
decoded together.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import accumulate, pairwise
from typing import Any, Final

from ledger.datasets.files import Fingerprint, RegularFile, printable
from ledger.datasets.parquet import not_parquet, open_table
from ledger.errors import RefusedInput

_BATCH_BYTES: Final = 1_048_576  # about so much of a row group is decoded at once
_BATCH_ROWS_MAX: Final = 8_192
_REPEATED_BYTES: Final = 268_435_456  # that a batch may have when each of its cells is a dictionary's longest
_PAGE_HEAD_BYTES: Final = 16  # of a page's header, for its first two fields
_ARROW_SCHEMA: Final = (
    b"ARROW:schema"  # metadata in which Arrow's writers keep what Parquet's types do not say
)


class ParquetReader:
    """Reads parts of one Parquet file, one behind the other: what was decoded behind the last part is kept for the next.

    A part that begins in another row group is gone to directly; within a row group all rows before it are decoded. Close it.
    """

    is_stream = False

    def __init__(
        self, path: str, fingerprint: Fingerprint, needed: Callable[[tuple[str, ...]], list[str]]
    ) -> None:
        """`needed`: which of its columns are read. Raises RefusedInput not-parquet, column-twice, extra-missing; `file-changed` if the file has another fingerprint."""
        self._item = printable(path)
        self._fingerprint = fingerprint
        self._file = RegularFile(path)
        try:
            self._file.check_is(fingerprint)
            table = open_table(self._file, self._item)
            self._table = table.file
            self._failures: tuple[type[Exception], ...] = (*table.failures, MemoryError)
            self.names = tuple(table.names)
            self._needed = needed(self.names)
            metadata = self._table.metadata
            groups = range(metadata.num_row_groups)
            self.ends = tuple(accumulate(metadata.row_group(number).num_rows for number in groups))
        except BaseException:
            self._file.close()
            raise
        self.row_count = self.ends[-1] if self.ends else 0
        self._group = -1  # whose rows `_batches` goes through
        self._batches: Iterator[Any] = iter(())
        self._batch: Any = None  # the one that holds row `_at`, from there on
        self._at = 0  # the next row of that group

    @property
    def schema(self) -> Any:
        """Its columns, as Arrow has them."""
        return self._table.schema_arrow

    @property
    def group_rows(self) -> int:
        """How many rows its greatest row group has."""
        return max((end - begin for begin, end in pairwise((0, *self.ends))), default=0)

    def layout(self) -> dict[str, Any]:
        """How it is written, as arguments of pyarrow's ParquetWriter: version, compression and dictionaries by column, old timestamps."""
        metadata = self._table.metadata
        layout: dict[str, Any] = {
            "version": metadata.format_version,
            "store_schema": _ARROW_SCHEMA in (metadata.metadata or {}),
        }
        if metadata.num_row_groups:
            group = metadata.row_group(0)
            chunks = [group.column(at) for at in range(group.num_columns)]
            layout["compression"] = {chunk.path_in_schema: _codec(chunk.compression) for chunk in chunks}
            layout["use_dictionary"] = [chunk.path_in_schema for chunk in chunks if chunk.has_dictionary_page]
            layout["use_deprecated_int96_timestamps"] = any(
                chunk.physical_type == "INT96" for chunk in chunks
            )
        return layout

    def batches(self, first: int, stop: int) -> Iterator[Any]:
        """Rows [first, stop), which the file has, as record batches of the columns needed.

        Raises RefusedInput: not-parquet where they cannot be decoded, file-changed.
        """
        self._file.check_is(self._fingerprint)
        while first < stop:
            self._go_to(first)
            group_stop = min(stop, self.ends[self._group])
            while self._at < group_stop:
                batch = self._next(group_stop - self._at)
                self._at += batch.num_rows
                yield batch
            first = group_stop
        self._file.check_is(self._fingerprint)

    def forget(self) -> None:
        """Drops what was decoded."""
        self._batches, self._batch, self._group = iter(()), None, -1

    def close(self) -> None:
        """Lets go of the file."""
        self.forget()
        self._file.close()

    def _go_to(self, row: int) -> None:
        group = bisect_right(self.ends, row)
        begin = self.ends[group - 1] if group else 0
        if group != self._group or row < self._at:
            self._group, self._batch, self._at = group, None, begin
            self._batches = self._table.iter_batches(
                batch_size=self._batch_rows(group),
                row_groups=[group],
                columns=self._needed,
                use_threads=False,
            )
        while self._at < row:
            self._at += self._next(row - self._at).num_rows

    def _batch_rows(self, number: int) -> int:
        """How many rows of a row group are decoded at once, by what they have on average; fewer where a dictionary might make much of little."""
        group = self._table.metadata.row_group(number)
        each_bytes = max(1, int(group.total_byte_size) // max(1, int(group.num_rows)))
        rows = min(_BATCH_ROWS_MAX, _BATCH_BYTES // each_bytes)
        return max(1, min(rows, _REPEATED_BYTES // max(1, self._dictionary_bytes(group))))

    def _dictionary_bytes(self, group: Any) -> int:
        """The size of the greatest dictionary of the columns needed: as much as one of their cells may have."""
        greatest = 0
        for at in range(group.num_columns):
            chunk = group.column(at)
            name = chunk.path_in_schema
            if chunk.has_dictionary_page and any(
                name == each or name.startswith(f"{each}.") for each in self._needed
            ):
                greatest = max(greatest, self._page_bytes(int(chunk.dictionary_page_offset)))
        return greatest

    def _page_bytes(self, offset: int) -> int:
        """The size that a page says it has when it is unpacked: the second field of its header, in Thrift's compact protocol."""
        try:
            head = self._file.read_at(offset, _PAGE_HEAD_BYTES)
            size_bytes, _ = varint(head, varint(head, 1)[1] + 1)
        except (IndexError, OverflowError, RefusedInput):
            return _REPEATED_BYTES
        return size_bytes >> 1  # zigzag: not negative

    def _next(self, rows_max: int) -> Any:
        """The next rows, at most so many; what is left of their batch is kept."""
        try:
            batch = self._batch if self._batch is not None else next(self._batches)
        except StopIteration:
            self.forget()
            raise not_parquet(self._item, ValueError("it has fewer rows than it says")) from None
        except self._failures as error:
            self.forget()
            raise not_parquet(self._item, error) from error
        self._batch = batch.slice(rows_max) if batch.num_rows > rows_max else None
        return batch.slice(0, rows_max)


def _codec(name: str) -> str:
    """A compression as pyarrow writes it."""
    return "none" if name == "UNCOMPRESSED" else name.lower().removesuffix("_raw")


def varint(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned number of Thrift's compact protocol, and where it ends. Raises IndexError."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
