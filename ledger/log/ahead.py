"""Reading ahead: what is about to be asked for of many artifacts, read at once (SPEC §10.4).

One by one an artifact costs a search in the digest index, one for its place, and a bundle fetched for its record and one for
its entry. Sorted by their place in the log, many of them share pages and bundles. What is read ahead is what the single
question would read, of the same snapshot and within the same bounds; it is given away once and then let go of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from ledger.errors import LineageError
from ledger.log.standing import leaf_hash_of
from ledger.store import index
from ledger.store.bundles import Erased
from ledger.store.contract import Snapshot
from ledger.store.reader import StoreReader

_PLACES_MAX: Final = 2  # of one artifact: who stands in more places is read one by one
_NOWHERE: Final = (-1,)


class Ahead:
    """Answers that were read ahead, by what is asked. All of them are empty at first."""

    __slots__ = ("entries", "numbers", "places", "records")

    def __init__(self) -> None:
        self.numbers: dict[bytes, list[int]] = {}  # by artifact id
        self.records: dict[int, bytes | Erased] = {}  # by record number
        self.places: dict[int, tuple[int, int]] = {}  # by record number
        self.entries: dict[int, bytes] = {}  # by log index

    def in_order(self, artifact_ids: Iterable[bytes]) -> list[bytes]:
        """Those that were found in the log's order, behind the others."""
        numbers = self.numbers
        return sorted(artifact_ids, key=lambda artifact_id: (numbers.get(artifact_id) or _NOWHERE)[0])


def read_ahead(snapshot: Snapshot, reader: StoreReader, artifact_ids: Collection[bytes]) -> Ahead:
    """What `reader` and the index say of these artifacts. Raises nothing of the ledger: where a store is damaged, nothing is read ahead.

    The single question then says what is wrong, and where.
    """
    ahead = Ahead()
    try:
        _fill(ahead, snapshot, reader, artifact_ids)
    except LineageError:
        return Ahead()
    return ahead


def _fill(ahead: Ahead, snapshot: Snapshot, reader: StoreReader, artifact_ids: Collection[bytes]) -> None:
    proposed = index.find_many(snapshot, b"".join(artifact_ids))
    count = reader.record_count
    numbers = ahead.numbers
    wanted: list[int] = []
    for artifact_id in artifact_ids:
        positions = proposed.get(artifact_id)
        if positions is None:
            numbers[artifact_id] = []
        elif len(positions) <= _PLACES_MAX:
            wanted += positions
    if count is not None:
        wanted = [position for position in wanted if position < count]
    wanted = sorted(set(wanted))
    records, by_id = ahead.records, dict[bytes, list[int]]()
    for number, item in reader.records_at(wanted):
        records[number] = item
        by_id.setdefault(leaf_hash_of(item), []).append(number)
    for artifact_id, positions in proposed.items():
        if len(positions) <= _PLACES_MAX:
            numbers[artifact_id] = by_id.get(artifact_id, [])
    ahead.places.update(reader.located(wanted))
    indices = sorted({log_index for log_index, _ in ahead.places.values()})
    ahead.entries.update(reader.entries_at(indices))
