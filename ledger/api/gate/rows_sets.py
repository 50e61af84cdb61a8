"""Which of many digests stand in the imported datasets of a log, and in which rows where that makes a difference (SPEC §10.7).

A sidecar may hide rows and can add none: every group of 256 digests is hashed up to the signed root before one of them counts, once in a run.
Three ways lead to the same answer; the cheapest is taken:

* a dataset is most often gated in the order in which it was imported: a stretch that equals the sidecar's bytes is found by comparing them;
* many digests are sought by going through the sidecar once, at the speed of a set;
* few digests are sought one by one, in its order.

Of whose rows, or of which as a whole, something is said that may stand against a row, nothing must be hidden: all of such a dataset is hashed before it is
searched, it is searched without its order, and copies are counted in what was hashed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from ledger.api.gate.block import RowDigests
from ledger.api.gate.rows_found import Voiced, common_rows, outside, pieces_of, quiet_claim
from ledger.api.gate.shown import Spoken, Stretch
from ledger.datasets.crew import Crew
from ledger.errors import ProofInvalid, StoreFault
from ledger.log.rows import rows_records
from ledger.log.view import LogView
from ledger.merkle.groups import GROUP, joined_groups
from ledger.merkle.order import find_in_order
from ledger.origin.claims import Claim
from ledger.proofs.rows import checked_groups, open_rows, rows_differ
from ledger.statements.record import Record
from ledger.store.rows_file import RowsFile, RowsFolder

_CHUNK: Final = 256 * GROUP  # rows of a sidecar that are gone through together
_SEEK_ROWS: Final = 400  # rows that are gone through in the time in which one digest is sought in the order
_ALIGNED_LEAST: Final = 64  # rows that follow one another, for a stretch
_GROUPS_HERE: Final = 1_024  # groups that are hashed in this process; more of them, by the workers
_TRIES_MAX: Final = 4  # to find where a stretch begins again, in a block


@dataclass(slots=True)
class _Dataset:
    """A `rows` record whose sidecar is at hand. `next_row`: where the last stretch ended; `checked`: groups that were hashed.

    `is_whole`: all of them were, because something is said.
    """

    record: Record
    next_row: int = 0
    groups: list[bytes] = field(default_factory=list)
    checked: bytearray = field(default_factory=bytearray)
    is_whole: bool = False
    voiced: Voiced = field(default_factory=Voiced)


class RowsSets:
    """The imported datasets of one log. `unsearched`: those whose sidecar is not at hand, and why."""

    def __init__(self, view: LogView, rows: RowsFolder, crew: Crew, spoken: Spoken) -> None:
        self._rows = rows
        self._crew = crew
        self._spoken = spoken
        self._datasets: list[_Dataset] = []
        self.unsearched: list[tuple[bytes, str]] = []
        self.columns: set[str | None] = set()
        for item in rows_records(view):
            try:
                with rows.open(item.record.id) as sidecar:
                    record = open_rows(item.record.id, sidecar)
            except (StoreFault, ProofInvalid) as error:
                self.unsearched.append((item.record.id, error.reason))
                continue
            self._datasets.append(_Dataset(record))
            self.columns.add(record.fields["facts"].get("column"))

    def find(self, digests: RowDigests) -> tuple[list[Stretch], dict[bytes, list[Claim]]]:
        """Stretches of rows, and by digest the other claims. Raises StoreFault, ProofInvalid `rows-differ`.

        A row in a stretch has its claim, and those of its digest.
        """
        stretches: list[Stretch] = []
        claims: dict[bytes, list[Claim]] = {}
        everything: set[bytes] | None = None
        for dataset in self._datasets:
            with self._rows.open(dataset.record.id) as sidecar:
                if not dataset.groups:
                    self._begin(dataset, sidecar)
                aligned = list(self._align(dataset, sidecar, digests))
                if not aligned:
                    wanted = everything = everything or set(digests)
                else:
                    wanted = set(outside(digests, aligned))
                stretches += aligned
                for digest in self._members(dataset, sidecar, wanted):
                    claims.setdefault(digest, []).extend(dataset.voiced.claims(digest))
        return stretches, claims

    def _begin(self, dataset: _Dataset, sidecar: RowsFile) -> None:
        """What is needed of a dataset before the first digest is sought in it."""
        record = dataset.record
        dataset.groups = checked_groups(record, sidecar)
        dataset.checked = bytearray(len(dataset.groups))
        said = self._spoken(record.id)
        rows = sorted(row for row in said.rows if 0 <= row < record.row_count)
        voiced = dataset.voiced = Voiced(quiet_claim(record, rows))
        if not rows and not said.is_against:
            return
        self._check(dataset, sidecar, range(len(dataset.groups)))
        dataset.is_whole = True
        for row in rows:
            voiced.spoken.setdefault(sidecar.digest(row), []).append(row)
        for start in range(0, record.row_count if rows else 0, _CHUNK):
            voiced.count(_pieces(sidecar, start))

    # By comparing

    def _align(self, dataset: _Dataset, sidecar: RowsFile, digests: RowDigests) -> Iterator[Stretch]:
        if dataset.voiced.spoken:  # which rows a digest stands in makes a difference
            return
        at, tries = 0, 0
        while at < len(digests) and tries < _TRIES_MAX:
            row = self._place(dataset, sidecar, digests[at])
            count = 0 if row is None else common_rows(digests, at, sidecar, row)
            if row is None or count < _ALIGNED_LEAST:
                at, tries = at + max(count, 1), tries + 1
                continue
            self._check(dataset, sidecar, range(row // GROUP, -(-(row + count) // GROUP)))
            yield Stretch(at, at + count, dataset.voiced.quiet)
            at += count
            dataset.next_row = row + count

    def _place(self, dataset: _Dataset, sidecar: RowsFile, digest: bytes) -> int | None:
        if sidecar.digest(dataset.next_row) == digest:
            return dataset.next_row
        places = find_in_order(digest, sidecar.order, sidecar.digest)
        return sidecar.order[places.start] if places else None

    # By going through, or by seeking

    def _members(self, dataset: _Dataset, sidecar: RowsFile, wanted: set[bytes]) -> Iterator[bytes]:
        """Those of the digests wanted that stand in it, proved."""
        if not dataset.is_whole and len(wanted) * _SEEK_ROWS < dataset.record.row_count:
            yield from self._sought(dataset, sidecar, wanted)
            return
        found: set[bytes] = set()
        for start in range(0, dataset.record.row_count, _CHUNK):
            pieces = _pieces(sidecar, start)
            hits = wanted.intersection(pieces)
            if hits:
                groups = {(start + at) // GROUP for at, piece in enumerate(pieces) if piece in hits}
                self._check(dataset, sidecar, groups)
                yield from hits - found
                found |= hits

    def _sought(self, dataset: _Dataset, sidecar: RowsFile, wanted: set[bytes]) -> Iterator[bytes]:
        for digest in wanted:
            places = find_in_order(digest, sidecar.order, sidecar.digest)
            if places:
                row = sidecar.order[places.start]
                self._check(dataset, sidecar, {row // GROUP})
                yield digest

    # By proving

    def _check(self, dataset: _Dataset, sidecar: RowsFile, groups: Iterable[int]) -> None:
        """Hashes the groups that were not hashed before. Raises ProofInvalid `rows-differ`.

        A few are hashed here, since the workers are busy with rows; very many by them.
        """
        unchecked = [number for number in groups if not dataset.checked[number]]
        hashed: list[tuple[int, int, Callable[[], bytes]]] = []
        for first, stop in _runs(unchecked):
            digests = sidecar.digests(first * GROUP, stop * GROUP)
            if len(unchecked) > _GROUPS_HERE:
                hashed.append((first, stop, self._crew.submit_first("groups", digests).result))
            else:
                hashed.append((first, stop, partial(joined_groups, digests)))
        for first, stop, found in hashed:
            if found() != b"".join(dataset.groups[first:stop]):
                reason = f"its digests from row {first * GROUP} on do not hash to what stands for them"
                raise rows_differ(dataset.record.id, reason)
            dataset.checked[first:stop] = b"\1" * (stop - first)


def _pieces(sidecar: RowsFile, start: int) -> list[bytes]:
    """The digests of the chunk that begins with a row."""
    return pieces_of(sidecar.digests(start, start + _CHUNK))


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Ascending numbers as stretches [first, stop), of 256 at most."""
    first = stop = -1
    for number in sorted(numbers):
        if number == stop and stop - first < GROUP:
            stop += 1
            continue
        if first >= 0:
            yield first, stop
        first, stop = number, number + 1
    if first >= 0:
        yield first, stop
