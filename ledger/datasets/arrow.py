"""Arrow IPC files (`.arrow`, Feather) and streams (`.arrows`, and what Hugging Face's `datasets` keeps as `.arrow`), read in record batches by pyarrow (extra `parquet`).

A stream that stops without its end mark is refused: it may have been cut short, and nothing else would tell. What a stranger wrote is checked in full (offsets,
indices of dictionaries) before a cell of it is looked at: pyarrow itself believes them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any, Final

from ledger.datasets.arrow_frames import Damaged, layout_of
from ledger.datasets.arrow_values import EXTRA
from ledger.datasets.files import Fingerprint, RegularFile, printable
from ledger.errors import RefusedInput
from ledger.extras import load

_FAILURES: Final = (OSError, ValueError, ArithmeticError, MemoryError, StopIteration)
_BATCH_ROWS_MAX: Final = 65_536  # rows that are handed out at once


class ArrowReader:
    """Reads parts of one Arrow file or stream; of a stream from its beginning on, so parts in order are read once. Close it."""

    def __init__(
        self, path: str, fingerprint: Fingerprint, needed: Callable[[tuple[str, ...]], list[str]]
    ) -> None:
        """`needed`: which of its columns are read.

        Raises RefusedInput: not-arrow, batch-too-large, column-twice, extra-missing; file-changed if the file has another fingerprint.
        """
        self._item = printable(path)
        self._fingerprint = fingerprint
        self._file = RegularFile(path)
        self._arrow = load("pyarrow", EXTRA)
        self._ipc = load("pyarrow.ipc", EXTRA)
        self._failures: tuple[type[Exception], ...] = (*_FAILURES, self._arrow.ArrowException)
        try:
            self._file.check_is(fingerprint)
            self.layout = layout_of(self._file)
            self.is_stream = self.layout.is_stream
            self._all = self._open(None)
            self.schema = self._all.schema
            self.names = tuple(self.schema.names)
            self._check_names()
            self._needed = needed(self.names)
            included = [self.schema.get_field_index(name) for name in self._needed]
            # Nothing included would mean everything; a row has to have some column to be counted by.
            self._source = self._open(included or [0]) if self.names else self._all
        except BaseException as error:
            self._file.close()
            if isinstance(error, (Damaged, *self._failures)):
                raise self._refusal(error) from error
            if isinstance(error, RefusedInput) and error.item == "row":
                raise RefusedInput(error.code, self._item, error.reason, error.fix) from error
            raise
        self.ends = tuple(self.layout.ends)
        self.row_count = self.ends[-1] if self.ends else 0
        self._next = 0  # of a stream: the record batch that comes next
        self._last: tuple[int, Any] = (-1, None)

    def batches(self, first: int, stop: int) -> Iterator[Any]:
        """Rows [first, stop), which the file has, as record batches of the columns needed.

        Raises RefusedInput: not-arrow where they cannot be decoded, file-changed.
        """
        self._file.check_is(self._fingerprint)
        while first < stop:
            number = bisect_right(self.ends, first)
            begin = self.ends[number - 1] if number else 0
            end = min(stop, self.ends[number], first + _BATCH_ROWS_MAX)
            yield self._batch(number).slice(first - begin, end - first)
            first = end
        self._file.check_is(self._fingerprint)

    def forget(self) -> None:
        """Drops what was decoded."""
        self._last = (-1, None)

    def close(self) -> None:
        """Lets go of the file."""
        self.forget()
        self._file.close()

    def _open(self, included: list[int] | None) -> Any:
        self._file.handle.seek(0)
        options = self._ipc.IpcReadOptions(included_fields=included, use_threads=False)
        opener = self._ipc.open_stream if self.layout.is_stream else self._ipc.open_file
        return opener(self._file.handle, options=options)

    def _check_names(self) -> None:
        if len(set(self.names)) != len(self.names):
            raise RefusedInput(
                "column-twice", "row", "two of its columns have the same name", "Rename one of them"
            )

    def _batch(self, number: int) -> Any:
        """A record batch, checked."""
        if self._last[0] == number:
            return self._last[1]
        begin = self.ends[number - 1] if number else 0
        self.forget()
        try:
            batch = self._read(number)
            self._check(batch)
        except self._failures as error:
            raise self._refusal(error) from error
        if batch.num_rows != self.ends[number] - begin:
            raise self._refusal(ValueError("a record batch has not the rows that it says"))
        self._last = (number, batch)
        return batch

    def _read(self, number: int) -> Any:
        if not self.layout.is_stream:
            return self._source.get_batch(number)
        if number < self._next:
            self._source, self._next = self._open(self._included()), 0
        while True:
            batch = self._source.read_next_batch()
            self._next += 1
            if self._next > number:
                return batch

    def _included(self) -> list[int] | None:
        included = [self.schema.get_field_index(name) for name in self._needed]
        return (included or [0]) if self.names else None

    def _check(self, batch: Any) -> None:
        """Raises ValueError for an array whose parts do not agree. That a string is UTF-8 is looked at cell by cell."""
        types = self._arrow.types
        for column in batch.columns:
            kind = column.type
            if types.is_string(kind):
                column.view(self._arrow.binary()).validate(full=True)
            elif types.is_large_string(kind):
                column.view(self._arrow.large_binary()).validate(full=True)
            else:
                column.validate(full=True)

    def _refusal(self, error: BaseException) -> RefusedInput:
        said = str(error).partition("\n")[0] or type(error).__name__
        return RefusedInput("not-arrow", self._item, f"it cannot be read as Arrow ({said})", "Write it anew")
