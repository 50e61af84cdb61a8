"""The imported datasets of a ledger, by their sidecars (SPEC §10.7).

A sidecar may hide rows and can add none: every group of 256 digests is hashed up to the signed root before one of them counts, once in a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

from ledger.api.gate.rows_sets import Dataset, RowsSets
from ledger.api.gate.shown import Spoken
from ledger.datasets.crew import Crew
from ledger.errors import ProofInvalid, StoreFault
from ledger.log.rows import rows_records
from ledger.log.view import LogView
from ledger.merkle.groups import GROUP, joined_groups
from ledger.merkle.order import find_in_order
from ledger.proofs.rows import checked_groups, open_rows, rows_differ
from ledger.store.rows_file import RowsFile, RowsFolder

_GROUPS_HERE: Final = 1_024  # groups that are hashed in this process; more of them, by the workers


class SidecarSets(RowsSets[RowsFile]):
    """A `ledger.api.gate.shown.ShownRows`."""

    def __init__(self, view: LogView, rows: RowsFolder, crew: Crew, spoken: Spoken) -> None:
        super().__init__(spoken)
        self._rows = rows
        self._crew = crew
        self._groups: dict[bytes, list[bytes]] = {}  # of each dataset, one hash a group
        self._checked: dict[bytes, bytearray] = {}  # which of them were hashed
        for item in rows_records(view):
            try:
                with rows.open(item.record.id) as sidecar:
                    self.add(open_rows(item.record.id, sidecar))
            except (StoreFault, ProofInvalid) as error:
                self.unsearched.append((item.record.id, error.reason))

    def _opened(self, dataset: Dataset) -> RowsFile:
        return self._rows.open(dataset.record.id)

    def _begin(self, dataset: Dataset, held: RowsFile) -> None:
        record = dataset.record
        groups = self._groups[record.id] = checked_groups(record, held)
        self._checked[record.id] = bytearray(len(groups))
        super()._begin(dataset, held)

    def _seek(self, held: RowsFile, digest: bytes) -> int | None:
        places = find_in_order(digest, held.order, held.digest)
        return held.order[places.start] if places else None

    def _row(self, held: RowsFile, row: int) -> int | None:
        return row if row < held.count else None

    def _check(self, dataset: Dataset, held: RowsFile, groups: Iterable[int]) -> None:
        """RowsSets. A group is hashed once.

        A few are hashed here, since the workers are busy with rows; very many by them.
        """
        expected, checked = self._groups[dataset.record.id], self._checked[dataset.record.id]
        unchecked = [number for number in groups if not checked[number]]
        hashed: list[tuple[int, int, Callable[[], bytes]]] = []
        for first, stop in _runs(unchecked):
            digests = held.digests(first * GROUP, stop * GROUP)
            if len(unchecked) > _GROUPS_HERE:
                hashed.append((first, stop, self._crew.submit_first("groups", digests).result))
            else:
                hashed.append((first, stop, partial(joined_groups, digests)))
        for first, stop, found in hashed:
            if found() != b"".join(expected[first:stop]):
                reason = f"its digests from row {first * GROUP} on do not hash to what stands for them"
                raise rows_differ(dataset.record.id, reason)
            checked[first:stop] = b"\1" * (stop - first)


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
