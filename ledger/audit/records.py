"""The records of a log: are they held, are they those that were signed, is each in order (SPEC §8.2, §9.2)?

What stands is kept as one integer under each artifact id, its kind, rows and record number: about 180 bytes a record, whatever
the records hold. Of what notices name, the maker is read again by that number.
Where records are missing, or are not those that were signed, an unknown parent may be among them: it is then taken to stand,
as the fold takes a record whose kind is not known (SPEC §9.1).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from functools import lru_cache
from typing import Final

import msgpack

from ledger.audit.index import IndexAudit
from ledger.audit.report import AuditReport, entries_named
from ledger.audit.rows import RowsAudit
from ledger.audit.sources import Source
from ledger.errors import RefusedInput, StoreFault
from ledger.fold.faults import Fault
from ledger.fold.objects import Identity
from ledger.fold.records import UNREAD, Standing, fold_records
from ledger.fold.subjects import FindSubject, Subject
from ledger.merkle import tiles
from ledger.merkle.tree import hash_leaf
from ledger.spec import TILE_WIDTH
from ledger.statements import words
from ledger.statements.record import decode_record
from ledger.statements.statement import Statement
from ledger.store.bundles import Erased, encode

_KINDS: Final = (UNREAD.kind, *sorted(words.KINDS))
_CODES: Final = {kind: code for code, kind in enumerate(_KINDS)}
_KIND_BITS: Final = 3
_NUMBER_AT: Final = 24  # above kind and rows (at most 2**20 of them) stands the record number
_BUNDLES_KEPT: Final = 32  # of records that are read once more


class RecordAudit:
    """Takes the `artifacts` entries of a log in order; `index` collects where digests are to be found, if asked for."""

    def __init__(
        self, source: Source, report: AuditReport, index: IndexAudit | None, sidecars: RowsAudit | None = None
    ) -> None:
        self._source = source
        self._report = report
        self._index = index
        self._sidecars = sidecars
        self._standing: dict[bytes, int] = {}
        self._first_signers: dict[bytes, bytes] = {}  # of what cannot be read
        self._erased: list[tuple[int, int, bytes]] = []
        self._again = lru_cache(_BUNDLES_KEPT)(source.records)
        self._has_gaps = False
        self._bundle_number = -1
        self._bundle: list[bytes | Erased] = []

    def take(self, log_index: int, statement: Statement, start: int, signer: Identity | None) -> None:
        """The records of one well-formed entry, which begin at record number `start`; `signer` None: it is not in order."""
        count = statement.body["count"]
        items = [self._item(log_index, number) for number in range(start, start + count)]
        missing = [position for position, item in enumerate(items) if item is None]
        if missing:
            text = f"{len(missing)} of its {count} records are not held"
            self._report.miss(Fault(log_index, "record-missing", text, missing[0]))
            self._has_gaps = True
            self._allow(start + position for position in missing)
        held = [item for item in items if item is not None]
        hashes = [item.leaf_hash if isinstance(item, Erased) else hash_leaf(item) for item in held]
        if missing or signer is None:
            places = [start + position for position, item in enumerate(items) if item is not None]
            self._expect(held, hashes, places, doubtful=set(places))
            return
        self._erased += [
            (log_index, position, item.leaf_hash)
            for position, item in enumerate(held)
            if isinstance(item, Erased)
        ]
        records = [None if isinstance(item, Erased) else item for item in held]
        faults, standings = fold_records(
            log_index, statement, signer, records=records, leaf_hashes=hashes, find=self._find
        )
        doubtful: set[int] = set()
        for fault in faults:
            self._report.accuse(fault)
            if fault.record_index is None:  # root-differs: the records that were signed are not held
                self._report.incomplete = self._has_gaps = True
                doubtful.update(range(start, start + count))
            else:
                doubtful.add(start + fault.record_index)
        self._expect(held, hashes, range(start, start + count), doubtful)
        for place, (leaf_hash, standing) in enumerate(zip(hashes, standings, strict=False), start):
            if standing.row_count and place not in doubtful and self._sidecars is not None:
                self._sidecars.take(log_index, place - start, leaf_hash)
            known = self._standing.get(leaf_hash)  # none stands under another root
            if known is None or not (known & 7 or not standing.kind):
                packed = standing.row_count << _KIND_BITS | _CODES[standing.kind]
                self._standing[leaf_hash] = place << _NUMBER_AT | packed
                if not standing.kind:
                    self._first_signers[leaf_hash] = signer.id

    def finder(self, statement: Statement) -> FindSubject:
        """What finds the subjects of a statement. Where records are missing, one that is not found is taken to stand, and for the signer's own."""
        is_of_the_maker = statement.body.get("act") in words.ACTS_OF_THE_MAKER

        def find(artifact_id: bytes) -> Subject | None:
            packed = self._standing.get(artifact_id)
            if packed is None:
                return Subject(statement.by, None) if self._has_gaps else None
            if not packed & 7:
                return Subject(self._first_signers[artifact_id], None)
            rows = packed % (1 << _NUMBER_AT) >> _KIND_BITS
            maker = self._maker(packed >> _NUMBER_AT) if is_of_the_maker else statement.by
            return Subject(maker or statement.by, rows)

        return find

    def finish(self, allowed: Container[bytes]) -> None:
        """Names the records that are erased and not `allowed` to be, of those taken since the last call."""
        for log_index, position, artifact_id in self._erased:
            if artifact_id not in allowed:
                text = "it is erased, and no notice of erasure that counts is old enough"
                self._report.miss(Fault(log_index, "record-missing", text, position))
        self._erased = []

    def _find(self, artifact_id: bytes) -> Standing | None:
        packed = self._standing.get(artifact_id)
        if packed is None:
            return UNREAD if self._has_gaps else None
        return Standing(_KINDS[packed & 7], packed % (1 << _NUMBER_AT) >> _KIND_BITS)

    def _maker(self, record_number: int) -> bytes | None:
        """The maker of a record that was read before; None if it cannot be read again."""
        number, position = divmod(record_number, TILE_WIDTH)
        try:
            item = self._again(number)[position]
            return None if isinstance(item, Erased) else decode_record(item).maker
        except (LookupError, RefusedInput, StoreFault):
            self._report.incomplete = self._has_gaps = True
            return None

    def _item(self, log_index: int, record_number: int) -> bytes | Erased | None:
        number, position = divmod(record_number, TILE_WIDTH)
        if number != self._bundle_number:
            self._bundle_number, self._bundle = number, self._load(log_index, number)
        return self._bundle[position] if position < len(self._bundle) else None

    def _load(self, log_index: int, number: int) -> list[bytes | Erased]:
        start = number * TILE_WIDTH
        named = f"records [{start}, {start + TILE_WIDTH}) of {entries_named(log_index, self._source.size)}"
        try:
            found = self._source.records(number)
        except StoreFault as error:
            self._report.miss(Fault(log_index, error.code, f"{named}: {error.item}: {error.reason}"))
            return []
        path = tiles.bundle_path("records", number, TILE_WIDTH)
        for wrong in self._source.beside(path, [encode(item) for item in found]):
            self._report.accuse(Fault(log_index, "tile-differs", f"{named}: {wrong}"))
        return found

    def _allow(self, places: Iterable[int]) -> None:
        """Of a record that is not held the index names the id and the content, neither of which is known."""
        if self._index is None:
            return
        for place in places:
            self._index.allow(place, 2)

    def _expect(
        self, items: list[bytes | Erased], hashes: list[bytes], places: Sequence[int], doubtful: set[int]
    ) -> None:
        """What the digest index must know of records at `places`; of a doubtful one it may name another content."""
        if self._index is None:
            return
        for item, leaf_hash, place in zip(items, hashes, places, strict=True):
            self._index.expect(leaf_hash, place)
            if isinstance(item, Erased) or place in doubtful:
                self._index.allow(place)
            else:
                self._index.expect(msgpack.unpackb(item)["content"], place)
