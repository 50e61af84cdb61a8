"""What a ledger's store keeps beside entries, records and tiles, held to the replay (SPEC §10.4).

Record starts, the fold's state, the status map's nodes and the digest index can all be computed from the log: so they are, and every value
is compared. A store that departs from them would admit or answer wrongly, though its log is sound: code `ledger-damaged`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from ledger.audit.index import IndexAudit
from ledger.audit.report import AuditReport, entries_named
from ledger.audit.sources import LedgerSource
from ledger.errors import StoreFault
from ledger.fold.faults import Fault
from ledger.merkle import tiles
from ledger.spec import TILE_WIDTH
from ledger.store.bundles import offsets
from ledger.store.contract import U64_BYTES, Space, key_u64
from ledger.store.reader import tile_key

_DAMAGED: Final = "ledger-damaged"


class StorageAudit:
    """Compares one ledger's snapshot with what was recomputed."""

    def __init__(self, source: LedgerSource, report: AuditReport) -> None:
        self._source = source
        self._report = report
        self.snapshot = source.snapshot

    @property
    def _whole(self) -> str:
        return entries_named(0, self._source.size)

    def compare_layout(self) -> None:
        """The keys and widths of bundles and tiles, as the head has them."""
        head = self._source.head
        self._keys(Space.ENTRIES, _bundle_keys(head.size))
        self._keys(Space.RECORDS, _bundle_keys(head.records))
        self._keys(Space.STARTS, _bundle_keys(head.size))
        self._keys(
            Space.TILES, (tile_key(level, number) for level, number, _ in tiles.tiles_of_size(head.size))
        )
        self._width(Space.ENTRIES, head.size, "entries")
        self._width(Space.RECORDS, head.records, "records")

    def compare_state(self, pairs: Mapping[bytes, bytes], nodes: Mapping[bytes, bytes], records: int) -> None:
        """The head, the fold's state and the status map: they are those behind the last entry that is stored."""
        if self._source.head.records != records:
            self._accuse(
                0, f"the head says {self._source.head.records} records, {self._whole} have {records}"
            )
        self._values(Space.FOLD, pairs, "the fold's state")
        self._values(Space.STATUS, nodes, "the status map")

    def compare_index(self, index: IndexAudit, starts: Sequence[int], records: int) -> None:
        """The digest index; whether it has pairs of nothing is seen where the head counts as the replay does."""
        is_whole = not self._source.is_ahead and self._source.head.records == records
        index.compare(self.snapshot, self._report, starts, records, is_whole=is_whole)

    def _accuse(self, log_index: int, text: str) -> None:
        self._report.accuse(Fault(log_index, _DAMAGED, text))

    def _unreadable(self, space: Space, error: StoreFault) -> None:
        self._report.miss(Fault(0, error.code, f"{space} of {self._whole}: {error.item}: {error.reason}"))

    def _keys(self, space: Space, expected: Iterable[bytes]) -> None:
        """Every key expected is there, in the store's order, and no other."""
        wanted: Iterator[bytes] = iter(expected)
        try:
            for found, _ in self.snapshot.scan(space):
                key = next(wanted, None)
                if found != key:
                    says = "has no more" if key is None else f"expects {key.hex()}"
                    self._accuse(0, f"{space} of {self._whole}: key {found.hex()}, where the log {says}")
                    return
        except StoreFault as error:
            self._unreadable(space, error)
            return
        key = next(wanted, None)
        if key is not None:
            self._accuse(0, f"{space} of {self._whole}: key {key.hex()} is missing")

    def _width(self, space: Space, count: int, name: str) -> None:
        """The last bundle has as many items as the head says."""
        if not count:
            return
        number = (count - 1) // TILE_WIDTH
        width = count - number * TILE_WIDTH
        try:
            bundle = self.snapshot.get(space, key_u64(number))
            found = len(offsets(bundle, erasable=space is Space.RECORDS)) if bundle is not None else 0
        except StoreFault as error:
            self._unreadable(space, error)
            return
        if found != width:
            self._accuse(
                0,
                f"the head says {count} {name}, the store has {number * TILE_WIDTH + found} ({self._whole})",
            )

    def compare_starts(self, starts: Sequence[int]) -> None:
        """Every record start that was recomputed."""
        is_exact = len(starts) == self._source.head.size
        for begin in range(0, len(starts), TILE_WIDTH):
            part = starts[begin : begin + TILE_WIDTH]
            expected = b"".join(map(key_u64, part))
            try:
                stored = bytes(self.snapshot.get(Space.STARTS, key_u64(begin // TILE_WIDTH)) or b"")
            except StoreFault as error:
                self._unreadable(Space.STARTS, error)
                return
            if stored == expected or (not is_exact and stored.startswith(expected)):
                continue
            wrong = next(
                (at for at in range(len(part)) if stored[8 * at : 8 * at + U64_BYTES] != key_u64(part[at])), 0
            )
            self._accuse(begin + wrong, f"the record start of entry {begin + wrong} is not {part[wrong]}")

    def _values(self, space: Space, expected: Mapping[bytes, bytes], name: str) -> None:
        """Every pair recomputed is there, and no other."""
        found = 0
        try:
            for key, value in self.snapshot.scan(space):
                wanted = expected.get(key)
                found += wanted is not None
                if wanted is None or value != wanted:
                    self._accuse(
                        0, f"{name} of {self._whole}: key {key.hex()} is not what a replay leaves there"
                    )
        except StoreFault as error:
            self._unreadable(space, error)
            return
        if found != len(expected):
            text = f"{name} of {self._whole}: {len(expected) - found} of {len(expected)} values are missing"
            self._accuse(0, text)


def _bundle_keys(count: int) -> Iterator[bytes]:
    return map(key_u64, range(-(-count // TILE_WIDTH)))
