"""The rows of datasets that a file proves (SPEC §11.2, part `rows`). Each was held to the root in its record when the file was opened."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from itertools import accumulate
from typing import Final

from ledger.api.gate.rows_sets import Dataset, RowsSets
from ledger.api.gate.shown import Spoken
from ledger.merkle.ranges import Range
from ledger.proofs.proven import ProvenLog
from ledger.spec import HASH_BYTES

_HITS_MAX: Final = 64  # across two digests, before a row is no more sought by its bytes


class RowsInFile:
    """Rows of one dataset: ranges of its rows, which are counted on from 0 here."""

    def __init__(self, ranges: Iterable[Range], digests: bytes) -> None:
        found = list(ranges)
        self._firsts = [first for first, _ in found]
        self._counts = [count for _, count in found]
        self._before = [0, *accumulate(self._counts)]
        self._digests = digests

    @property
    def count(self) -> int:
        """How many rows are held."""
        return self._before[-1]

    def digests(self, start: int, stop: int) -> bytes:
        """The digests of the rows held, [start, stop), 32 bytes each, as far as there are so many."""
        return self._digests[max(0, start) * HASH_BYTES : max(0, stop) * HASH_BYTES]

    def digest(self, row: int) -> bytes:
        """The digest of one row held; of one that is not there b""."""
        return self.digests(row, row + 1) if row >= 0 else b""

    def place_of(self, row: int) -> int | None:
        """Where a row of the dataset lies here; None: the file does not hold it."""
        at = bisect_right(self._firsts, row) - 1
        if at < 0 or row >= self._firsts[at] + self._counts[at]:
            return None
        return self._before[at] + row - self._firsts[at]

    def seek(self, digest: bytes) -> int | None:
        """A row held that has this digest; None also where the bytes of its neighbours look like it too often."""
        at = -1
        for _ in range(_HITS_MAX):
            at = self._digests.find(digest, at + 1)
            if at < 0 or at % HASH_BYTES == 0:
                break
        else:
            return None
        return None if at < 0 else at // HASH_BYTES


class ProvenRows(RowsSets[RowsInFile]):
    """A `ledger.api.gate.shown.ShownRows`, over what one log of a file holds; nothing of it is unsearched."""

    def __init__(self, log: ProvenLog, spoken: Spoken) -> None:
        super().__init__(spoken)
        self._held: dict[bytes, RowsInFile] = {}
        for artifact_id, rows in log.rows.items():
            record = log.record(artifact_id)
            if record is not None and rows.digests is not None:
                self._held[artifact_id] = RowsInFile(rows.ranges, rows.digests)
                self.add(record)

    def _opened(self, dataset: Dataset) -> AbstractContextManager[RowsInFile]:
        return nullcontext(self._held[dataset.record.id])

    def _begin(self, dataset: Dataset, held: RowsInFile) -> None:
        dataset.is_whole = True  # it was hashed; going through memory takes less than seeking in it
        super()._begin(dataset, held)

    def _seek(self, held: RowsInFile, digest: bytes) -> int | None:
        return held.seek(digest)

    def _row(self, held: RowsInFile, row: int) -> int | None:
        return held.place_of(row)

    def _check(self, dataset: Dataset, held: RowsInFile, groups: Iterable[int]) -> None:
        """RowsSets. It was done when the file was opened."""
