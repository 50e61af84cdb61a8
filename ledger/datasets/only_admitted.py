"""The admitted rows of what is in memory: a `datasets.Dataset` or `IterableDataset`, an Arrow table, an iterable of mappings (SPEC §12.5).

What can be gone through twice is compared with the verdict file as a whole, and then its admitted rows are chosen by the source's own means, so that it stays
what it is. What streams is compared while it streams. A stream knows its rows only by their number, so of one that filters itself every row is compared, the others
too: whoever shuffles or divides it below the filter, so that rows have other numbers, meets an error and no other rows.
"""

from __future__ import annotations

import hashlib
import os
import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import compress
from typing import Any, Final

from ledger import spec
from ledger.datasets.files import Fingerprint
from ledger.datasets.judged import Judged, Share, open_judged
from ledger.datasets.memory import MemoryDataset, judged_content
from ledger.datasets.rows import row_item
from ledger.datasets.verdict_file import NOTHING
from ledger.errors import RefusedInput

_NAME: Final = "dataset"  # how rows in memory are called
Path_ = str | os.PathLike[str]


def only_admitted(dataset: Any, verdicts: Path_) -> Any:
    """The rows of a dataset in memory that a verdict file admits, of the kind that the dataset is.

    `dataset`: a `datasets.Dataset` or `IterableDataset`, an Arrow table, a list, any iterable of mappings: with the rows that were judged, in their order, whatever file they came from. A `Dataset`, a table
    and a list are compared with what was judged now; a stream while it is read. That an `IterableDataset` ends too early nobody tells its filter:
    there only rows that are others, or too many, are an error.

    Reads nothing of a ledger. Memory: a byte a row, and a row group of the verdict file.

    Raises Undecided for a verdict file in which a row is not decided; ProofInvalid `verdicts-invalid`; RefusedInput `not-rows`, `column-missing`,
    `rows-differ` at the first row that is another one, missing or surplus.
    """
    memory = MemoryDataset(dataset)
    with open_judged(verdicts) as judged:
        if not _streams(dataset):
            return memory.kept(_compared(memory, judged))
        check = _StreamCheck(verdicts, judged.fingerprint)
    if hasattr(dataset, "with_format") and hasattr(dataset, "filter"):
        return dataset.filter(check, with_indices=True)
    return _admitted_of(dataset, check)


def _streams(dataset: Any) -> bool:
    """Whether its rows are known only when it is read, perhaps once."""
    return not (hasattr(dataset, "__len__") or hasattr(dataset, "to_batches"))


def _compared(memory: MemoryDataset, judged: Judged) -> bytes:
    """For each row 1 if it is admitted, else 0. Raises RefusedInput `rows-differ`."""
    keep = bytearray()
    size, everything = spec.HASH_BYTES, Share(0, judged.count)
    for looked in memory.look(judged.column):
        first, count = looked.row_index, looked.batch.row_count
        if first + count > judged.count:
            judged.check_count(first + count, memory.item)
        flags = judged.choose(everything, first, count)
        for offset in compress(range(count), flags):
            if judged.digest(first + offset) != looked.batch.digests[offset * size : (offset + 1) * size]:
                raise judged.other_row(first + offset, _item(memory.item, first + offset))
        keep += flags
    judged.check_count(len(keep), memory.item)
    return bytes(keep)


def _item(name: str, row_index: int) -> str:
    return row_item(name, row_index, is_line=False)


class _StreamCheck:
    """Whether a row of that number is admitted; told of a row that is the one that was judged. It can be pickled, and opens the verdict file in each process that uses it."""

    def __init__(self, verdicts: Path_, known: Fingerprint) -> None:
        self._verdicts = os.fspath(verdicts)
        self._known = known
        self._opened: tuple[int, Judged] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _StreamCheck, (self._verdicts, self._known)

    def __call__(self, row: Any, row_index: int) -> bool:
        """Raises RefusedInput `rows-differ`."""
        judged = self.judged()
        if row_index >= judged.count:
            judged.check_count(row_index + 1, _NAME)
        try:
            digest = hashlib.sha256(judged_content(row, judged.column)).digest()
        except RefusedInput as error:
            if judged.digest(row_index) != NOTHING:
                raise judged.no_row(row_index, _item(_NAME, row_index), error) from error
            digest = NOTHING
        if judged.digest(row_index) != digest:
            raise judged.other_row(row_index, _item(_NAME, row_index))
        return judged.is_admitted(row_index)

    def judged(self) -> Judged:
        """The verdict file, open as long as this is there: a process that was forked would read at another's place in it."""
        if self._opened is None or self._opened[0] != os.getpid():
            files = ExitStack()
            opened = files.enter_context(open_judged(self._verdicts))
            weakref.finalize(self, files.close)
            opened.check_is(self._known)
            self._opened = os.getpid(), opened
        return self._opened[1]


def _admitted_of(rows: Any, check: _StreamCheck) -> Iterator[Any]:
    """The admitted rows of an iterable. Raises RefusedInput `rows-differ`."""
    count = 0
    for count, row in enumerate(rows, 1):
        if check(row, count - 1):
            yield row
    check.judged().check_count(count, _NAME)
