"""Which of many digests stand in the datasets of a log, and in which rows where that makes a difference (SPEC §10.7).

Nothing counts before it was hashed up to the signed root: that is for who holds the rows (`ledger.api.gate.sidecar_sets`, or a file that proves them).
Three ways lead to the same answer; the cheapest is taken:

* a dataset is most often gated in the order in which it was imported: a stretch that equals the bytes held is found by comparing them;
* many digests are sought by going through the rows once, at the speed of a set;
* few digests are sought one by one.

Of whose rows, or of which as a whole, something is said that may stand against a row, nothing must be hidden: all of such a dataset is hashed before it is
searched, it is gone through, and copies are counted in what was hashed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

from ledger.api.gate.block import RowDigests
from ledger.api.gate.rows_found import Voiced, common_rows, outside, pieces_of, quiet_claim
from ledger.api.gate.shown import Spoken, Stretch
from ledger.merkle.groups import GROUP
from ledger.origin.claims import Claim
from ledger.statements.record import Record

_CHUNK: Final = 256 * GROUP  # rows that are gone through together
_SEEK_ROWS: Final = 400  # rows that are gone through in the time in which one digest is sought
_ALIGNED_LEAST: Final = 64  # rows that follow one another, for a stretch
_TRIES_MAX: Final = 4  # to find where a stretch begins again, in a block


class HeldRows(Protocol):
    """The rows of a dataset as they are held, counted from 0."""

    @property
    def count(self) -> int: ...

    def digests(self, start: int, stop: int) -> bytes:
        """The digests of [start, stop), 32 bytes each, as far as there are so many."""
        ...

    def digest(self, row: int) -> bytes:
        """The digest of one; of one that is not there b""."""
        ...


Held = TypeVar("Held", bound=HeldRows)


@dataclass(slots=True)
class Dataset:
    """A `rows` record whose rows are at hand. `next_row`: where the last stretch ended, among those held.

    `is_begun`: it was looked at; `is_whole`: all of it was hashed, and it is only gone through.
    """

    record: Record
    next_row: int = 0
    is_begun: bool = False
    is_whole: bool = False
    voiced: Voiced = field(default_factory=Voiced)


class RowsSets(ABC, Generic[Held]):
    """The datasets of one log. `unsearched`: those whose rows are not at hand, and why."""

    def __init__(self, spoken: Spoken) -> None:
        self._spoken = spoken
        self._datasets: list[Dataset] = []
        self.unsearched: list[tuple[bytes, str]] = []
        self.columns: set[str | None] = set()

    def add(self, record: Record) -> None:
        """A dataset whose rows are at hand."""
        self._datasets.append(Dataset(record))
        self.columns.add(record.fields["facts"].get("column"))

    def find(self, digests: RowDigests) -> tuple[list[Stretch], dict[bytes, list[Claim]]]:
        """Stretches of rows, and by digest the other claims. Raises StoreFault, ProofInvalid `rows-differ`.

        A row in a stretch has its claim, and those of its digest.
        """
        stretches: list[Stretch] = []
        claims: dict[bytes, list[Claim]] = {}
        everything: set[bytes] | None = None
        for dataset in self._datasets:
            with self._opened(dataset) as held:
                if not dataset.is_begun:
                    self._begin(dataset, held)
                    dataset.is_begun = True
                aligned = list(self._align(dataset, held, digests))
                if not aligned:
                    wanted = everything = everything or set(digests)
                else:
                    wanted = set(outside(digests, aligned))
                stretches += aligned
                voiced = dataset.voiced
                for digest in self._members(dataset, held, wanted):
                    more = voiced.claims(digest) if voiced.spoken else (voiced.quiet,)
                    claims.setdefault(digest, []).extend(more)
        return stretches, claims

    @abstractmethod
    def _opened(self, dataset: Dataset) -> AbstractContextManager[Held]:
        """Its rows."""

    @abstractmethod
    def _seek(self, held: Held, digest: bytes) -> int | None:
        """A row that has this digest, if there is one."""

    @abstractmethod
    def _check(self, dataset: Dataset, held: Held, groups: Iterable[int]) -> None:
        """That these groups of 256 rows hash to what stands for them. Raises ProofInvalid `rows-differ`."""

    @abstractmethod
    def _row(self, held: Held, row: int) -> int | None:
        """Where a row of the record lies among those held; None: it does not."""

    def _begin(self, dataset: Dataset, held: Held) -> None:
        """What is needed of a dataset before the first digest is sought in it."""
        record = dataset.record
        said = self._spoken(record.id)
        rows = sorted(row for row in said.rows if 0 <= row < record.row_count)
        voiced = dataset.voiced = Voiced(quiet_claim(record, rows))
        if not rows and not said.is_against:
            return
        self._check(dataset, held, range(-(-held.count // GROUP)))
        dataset.is_whole = True
        for row in rows:
            at = self._row(held, row)
            if at is not None:
                voiced.spoken.setdefault(held.digest(at), []).append(row)
        for start in range(0, held.count if voiced.spoken else 0, _CHUNK):
            voiced.count(_pieces(held, start))

    # By comparing

    def _align(self, dataset: Dataset, held: Held, digests: RowDigests) -> Iterator[Stretch]:
        if dataset.voiced.spoken:  # which rows a digest stands in makes a difference
            return
        at, tries = 0, 0
        while at < len(digests) and tries < _TRIES_MAX:
            row = self._place(dataset, held, digests[at])
            count = 0 if row is None else common_rows(digests, at, held, row)
            if row is None or count < _ALIGNED_LEAST:
                at, tries = at + max(count, 1), tries + 1
                continue
            self._check(dataset, held, range(row // GROUP, -(-(row + count) // GROUP)))
            yield Stretch(at, at + count, dataset.voiced.quiet)
            at += count
            dataset.next_row = row + count

    def _place(self, dataset: Dataset, held: Held, digest: bytes) -> int | None:
        if held.digest(dataset.next_row) == digest:
            return dataset.next_row
        return self._seek(held, digest)

    # By going through, or by seeking

    def _members(self, dataset: Dataset, held: Held, wanted: set[bytes]) -> Iterator[bytes]:
        """Those of the digests wanted that stand in it, proved."""
        if not dataset.is_whole and len(wanted) * _SEEK_ROWS < held.count:
            yield from self._sought(dataset, held, wanted)
            return
        found: set[bytes] = set()
        for start in range(0, held.count, _CHUNK):
            pieces = _pieces(held, start)
            hits = wanted.intersection(pieces)
            if hits:
                groups = {(start + at) // GROUP for at, piece in enumerate(pieces) if piece in hits}
                self._check(dataset, held, groups)
                yield from hits - found
                found |= hits

    def _sought(self, dataset: Dataset, held: Held, wanted: set[bytes]) -> Iterator[bytes]:
        for digest in wanted:
            row = self._seek(held, digest)
            if row is not None:
                self._check(dataset, held, {row // GROUP})
                yield digest


def _pieces(held: HeldRows, start: int) -> list[bytes]:
    """The digests of the chunk that begins with a row."""
    return pieces_of(held.digests(start, start + _CHUNK))
