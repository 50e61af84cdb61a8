"""A verdict file from the side of who reads the dataset again: which rows were admitted, and are they still those that were judged (SPEC §12.5).

    with open_judged(path) as judged:
        share = judged.share(0, judged.admitted)       # rows between the first and the last of these admitted ones
        judged.choose(share, row_index, 256)           # a byte a row: 1, it is admitted and in the share
        judged.digest(row_index)                       # what its content has to hash to

Rows are counted off against the verdict file by their place, and each is compared by its digest before anybody gets it. So it makes no difference who
changed what: a row that was put in, taken out, exchanged or written anew is met as a row that differs, or as a dataset that is too long or too short.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import compress, islice
from typing import Any, NamedTuple

from ledger import spec
from ledger.datasets.files import Fingerprint, file_changed, printable
from ledger.datasets.verdict_file import NOTHING, VerdictFile, open_verdicts
from ledger.datasets.verdict_form import invalid
from ledger.errors import RefusedInput, Undecided

AGAIN = "Have this dataset judged: lineage gate DATASET --policy P --verdicts OUT"


class Share(NamedTuple):
    """Rows [first, stop) of the dataset, of which those that are admitted are meant."""

    first: int
    stop: int


class Judged:
    """A verdict file in which every row is decided, open. Made by `open_judged`."""

    def __init__(self, file: VerdictFile) -> None:
        self.about: dict[str, Any] = file.about
        self.fingerprint = file.fingerprint
        self.count = file.count
        self._file = file
        self._item = printable(file.path)
        self._ends = file.group_ends()
        self._number = -1  # of the row group that is at hand
        self._first = self._stop = 0
        self._flags = self._digests = b""

    @property
    def admitted(self) -> int:
        """How many rows are admitted, by its metadata; `share` holds that against the rows."""
        return int(self.about["admitted"])

    @property
    def column(self) -> str | None:
        """The column that was judged, None for whole rows."""
        column: str | None = self.about["column"]
        return column

    def share(self, first: int, stop: int) -> Share:
        """Where the admitted rows number `first` to `stop` (0-based, the last not among them) stand. Raises ProofInvalid `verdicts-invalid`."""
        row_index = before = 0
        begin, end = self.count, 0
        for flags in self._file.admitted():
            found = flags.count(1)
            if before <= first < before + found:
                begin = row_index + _place(flags, first - before)
            if before < stop <= before + found:
                end = row_index + _place(flags, stop - 1 - before) + 1
            before += found
            row_index += len(flags)
        return Share(begin, end) if first < stop else Share(0, 0)

    def choose(self, share: Share, first: int, count: int) -> bytes:
        """For each of so many rows 1 if it is admitted and in the share, else 0. Raises ProofInvalid `verdicts-invalid`."""
        begin, end = max(first, share.first), min(first + count, share.stop)
        if begin >= end:
            return bytes(count)
        flags = []
        at = begin
        while at < end:
            self._go_to(at)
            flags.append(self._flags[at - self._first : end - self._first])
            at = min(end, self._stop)
        return bytes(begin - first) + b"".join(flags) + bytes(first + count - end)

    def digest(self, row_index: int) -> bytes:
        """The digest that was judged; zero bytes: no reader took that row. Raises ProofInvalid `verdicts-invalid`."""
        self._go_to(row_index)
        at = (row_index - self._first) * spec.HASH_BYTES
        return self._digests[at : at + spec.HASH_BYTES]

    def is_admitted(self, row_index: int) -> bool:
        """Whether that row is. Raises as `digest`."""
        self._go_to(row_index)
        return bool(self._flags[row_index - self._first])

    def other_row(self, row_index: int, item: str) -> RefusedInput:
        """The refusal of a row, called that, which has another digest than the one that was judged."""
        return rows_differ(
            item, f"it is another row than the one that was judged as row {row_index} of {self._item}"
        )

    def no_row(self, row_index: int, item: str, error: RefusedInput) -> RefusedInput:
        """The refusal of a row that no reader takes, where one was judged."""
        return rows_differ(
            item, f"no reader takes it ({error.reason}), and row {row_index} of {self._item} was judged"
        )

    def check_count(self, count: int, item: str) -> None:
        """Raises RefusedInput `rows-differ` unless a dataset has as many rows as were judged."""
        if count < self.count:
            raise rows_differ(
                item, f"it ends behind {count:,} rows, and {self._item} judges {self.count:,}", AGAIN
            )
        if count > self.count:
            raise rows_differ(item, f"it has more rows than the {self.count:,} that {self._item} judges")

    def check_unchanged(self) -> None:
        """Raises RefusedInput `file-changed` if the verdict file was written to since it was opened."""
        self._file.check_unchanged()

    def check_is(self, known: Fingerprint) -> None:
        """Raises RefusedInput `file-changed` if it is another file than it was."""
        if self.fingerprint != known:
            raise file_changed(self._file.path)

    def _go_to(self, row_index: int) -> None:
        if self._first <= row_index < self._stop:
            return
        number = bisect_right(self._ends, row_index)
        self._first = self._ends[number - 1] if number else 0
        self._stop = self._ends[number]
        self._flags, self._digests = self._file.group(number, self._first)
        if NOTHING in self._digests:  # or somewhere across two of them
            for at in compress(range(len(self._flags)), self._flags):
                if self._digests.startswith(NOTHING, at * spec.HASH_BYTES):
                    raise invalid(
                        self._file.path, f"row {self._first + at} is admitted, and no reader took it"
                    )


def _place(flags: bytes, number: int) -> int:
    """Where the 1 of that number (0-based) stands."""
    return next(islice(compress(range(len(flags)), flags), number, None))


@contextmanager
def open_judged(path: str | os.PathLike[str]) -> Iterator[Judged]:
    """A verdict file. Raises Undecided `undecided` where a row of it is not decided; what `open_verdicts` raises."""
    with open_verdicts(path) as file:
        if file.about["undecided"]:
            raise Undecided(
                "undecided",
                printable(file.path),
                f"{file.about['undecided']:,} of its {file.count:,} rows are not decided, so it admits nothing",
                "Gate by a policy that decides: lineage gate DATASET --policy balanced --verdicts OUT",
            )
        yield Judged(file)


def rows_differ(item: str, reason: str, fix: str = AGAIN) -> RefusedInput:
    """The refusal of a dataset that is not the one that was judged."""
    return RefusedInput("rows-differ", item, reason, fix)
