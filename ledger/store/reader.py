"""Entries and records by their numbers, and the puts that append them (SPEC §8.2, §10.4).

Entries and records lie in bundles of 256, numbered from 0. A third sequence, in bundles of 256 big-endian u64,
holds for every entry its *record start*: how many records stand before it in the log. It never falls, so that the
entry that a record belongs to is found by binary search: the last one that starts at or before it. An entry
without records starts where the next one does, and is never that one.

`BundleReader` is what a store and a published folder have in common: subclasses say where a bundle comes from.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

from ledger.errors import InvariantBroken, StoreFault
from ledger.spec import HASH_BYTES, TILE_WIDTH
from ledger.store.bundles import LENGTH_BYTES, Erased, encode, item_at, offsets
from ledger.store.contract import U64_BYTES, U64_LIMIT, Bytes, Put, Snapshot, Space, key_u64

_CACHED_BUNDLES_MAX: Final = 1_024  # offsets of so many bundles are kept: about 8 KiB each
_CACHED_STARTS_MAX: Final = 512  # decoded bundles of record starts: about 10 KiB each
_CACHED_FIRSTS_MAX: Final = 65_536
_NAMES: Final = {Space.ENTRIES: "entry", Space.RECORDS: "record", Space.STARTS: "record start"}


class LedgerReader(Protocol):
    """Entries and records by their 0-based numbers.

    Every method raises StoreFault: `entry-missing`, `record-missing` or `tile-missing` for what is not there, and
    `bundle-damaged`.
    """

    def entry(self, log_index: int) -> bytes:
        """The entry at a log index."""
        ...

    def entries(self, start: int, stop: int) -> Iterator[bytes]:
        """The entries of [start, stop)."""
        ...

    def record(self, record_number: int) -> bytes | Erased:
        """A record by its number in the log."""
        ...

    def records(self, start: int, stop: int) -> Iterator[bytes | Erased]:
        """The records of [start, stop)."""
        ...


class BundleReader(ABC):
    """A LedgerReader over bundles, which sees `size` entries and `record_count` records; None: all there are."""

    def __init__(self, size: int | None, record_count: int | None) -> None:
        self.size = size
        self.record_count = record_count
        self._offsets: dict[tuple[Space, int], list[int]] = {}

    @abstractmethod
    def _bundle(self, space: Space, number: int) -> Bytes:
        """The bundle `number` of entries or records. Raises StoreFault if it is not there."""

    def _missing(self, space: Space, number: int) -> StoreFault:
        name = _NAMES[space]
        return StoreFault(
            f"{name.replace(' ', '-')}-missing",
            f"{name} {number}",
            "it is not among those at hand",
            "run `lineage doctor`; fetch it from a mirror of the log",
        )

    def _check(self, space: Space, start: int, stop: int) -> None:
        bound = self.size if space is Space.ENTRIES else self.record_count
        if start < 0 or (bound is not None and stop > bound):
            raise self._missing(space, start if start < 0 or bound is None else max(start, bound))

    def _one(self, space: Space, number: int) -> bytes | Erased:
        self._check(space, number, number + 1)
        bundle_number, index = divmod(number, TILE_WIDTH)
        bundle, places = self._opened(space, bundle_number)
        if index >= len(places):
            raise self._missing(space, number)
        return _cut_out(bundle, places[index])

    def _opened(self, space: Space, bundle_number: int) -> tuple[Bytes, list[int]]:
        """A bundle, and where its items stand, which is remembered."""
        bundle = self._bundle(space, bundle_number)
        places = self._offsets.get((space, bundle_number))
        if places is None:
            places = offsets(bundle, erasable=space is Space.RECORDS)
            if len(self._offsets) >= _CACHED_BUNDLES_MAX:
                self._offsets.clear()
            self._offsets[space, bundle_number] = places
        return bundle, places

    def _several(self, space: Space, numbers: Iterable[int]) -> Iterator[tuple[int, bytes | Erased]]:
        """The items of ascending `numbers`, each with its own; a bundle is opened once for all that are in it."""
        bundle: Bytes = b""
        places: list[int] = []
        first = stop = 0  # of the bundle, as far as it reaches
        for number in numbers:
            if not first <= number < stop:
                self._check(space, number, number + 1)
                bundle, places = self._opened(space, number // TILE_WIDTH)
                first = number - number % TILE_WIDTH
                stop = first + len(places)
                bound = self.size if space is Space.ENTRIES else self.record_count
                stop = stop if bound is None else min(stop, bound)
                if number >= stop:
                    raise self._missing(space, number)
            yield number, _cut_out(bundle, places[number - first])

    def _range(self, space: Space, start: int, stop: int) -> Iterator[bytes | Erased]:
        while start < stop:
            number, first = divmod(start, TILE_WIDTH)
            bundle = memoryview(self._bundle(space, number))
            places = offsets(bundle, erasable=space is Space.RECORDS)
            last = min(TILE_WIDTH, stop - number * TILE_WIDTH)
            if last > len(places):
                raise self._missing(space, number * TILE_WIDTH + len(places))
            for place in places[first:last]:
                item = item_at(bundle, place)
                yield item if isinstance(item, Erased) else bytes(item)
            start = number * TILE_WIDTH + last

    def entry(self, log_index: int) -> bytes:
        """The entry at a log index (LedgerReader)."""
        return _whole(self._one(Space.ENTRIES, log_index))

    def entries(self, start: int, stop: int) -> Iterator[bytes]:
        """The entries of [start, stop) (LedgerReader)."""
        self._check(Space.ENTRIES, start, stop)
        return map(_whole, self._range(Space.ENTRIES, start, stop))

    def record(self, record_number: int) -> bytes | Erased:
        """A record by its number in the log (LedgerReader)."""
        return self._one(Space.RECORDS, record_number)

    def records(self, start: int, stop: int) -> Iterator[bytes | Erased]:
        """The records of [start, stop) (LedgerReader)."""
        self._check(Space.RECORDS, start, stop)
        return self._range(Space.RECORDS, start, stop)

    def entries_at(self, log_indices: Iterable[int]) -> Iterator[tuple[int, bytes]]:
        """(log index, entry) of ascending log indices: as `entry` gives them, and much faster where many are asked for."""
        return ((log_index, _whole(item)) for log_index, item in self._several(Space.ENTRIES, log_indices))

    def records_at(self, record_numbers: Iterable[int]) -> Iterator[tuple[int, bytes | Erased]]:
        """(record number, record) of ascending numbers: as `record` gives them, and much faster where many are asked for."""
        return self._several(Space.RECORDS, record_numbers)


def _cut_out(bundle: Bytes, start: int) -> bytes | Erased:
    """A copy of the item whose length stands at `start`: as `item_at`, and without its view."""
    length = bundle[start] << 8 | bundle[start + 1]
    start += LENGTH_BYTES
    if not length:
        return Erased(bytes(bundle[start : start + HASH_BYTES]))
    return bytes(bundle[start : start + length])


def _whole(item: bytes | Erased) -> bytes:
    if isinstance(item, Erased):
        raise InvariantBroken("entry-erased", "entry", "bundles of entries are read without erasure")
    return item


class StoreReader(BundleReader):
    """A LedgerReader over a snapshot of a store, with its tiles, its status map and the starts of records."""

    def __init__(self, snapshot: Snapshot, size: int | None = None, record_count: int | None = None) -> None:
        """`size` and `record_count` bound what is seen to a signed checkpoint; None bounds nothing."""
        super().__init__(size, record_count)
        self.snapshot = snapshot
        self._starts: dict[int, tuple[int, ...]] = {}
        self._firsts: dict[int, int] = {}
        self._start_bundles: range | None = None

    def _bundle(self, space: Space, number: int) -> Bytes:
        is_key = 0 <= number < U64_LIMIT  # a damaged record start may lead anywhere
        found = self.snapshot.get(space, key_u64(number)) if is_key else None
        if found is None:
            raise self._missing(space, number * TILE_WIDTH)
        return found

    def tile(self, level: int, number: int) -> bytes:
        """The expanded tile as it was put. Raises StoreFault `tile-missing`."""
        return bytes(self.tile_view(level, number))

    def tile_view(self, level: int, number: int) -> Bytes:
        """The same uncopied, valid as long as the snapshot is."""
        found = self.snapshot.get(Space.TILES, tile_key(level, number))
        if found is None:
            raise StoreFault(
                "tile-missing", f"tile {level}/{number}", "the store does not hold it", "run `lineage doctor`"
            )
        return found

    def entry_bundles(self, stop: int) -> Iterator[Bytes]:
        """The bundles of the entries before `stop`, ascending, each valid as long as the snapshot is."""
        return (self._bundle(Space.ENTRIES, number) for number in range(-(-stop // TILE_WIDTH)))

    def records_with(self, mark: bytes, stop: int) -> Iterator[tuple[int, bytes]]:
        """(number, record) of those before record `stop` in whose bytes `mark` occurs, ascending.

        Bundles without it are passed over at the speed of memory; erased records have no bytes.
        """
        for number in range(-(-stop // TILE_WIDTH)):
            if mark not in bytes(self._bundle(Space.RECORDS, number)):
                continue
            start = number * TILE_WIDTH
            for place, item in enumerate(self.records(start, min(start + TILE_WIDTH, stop)), start):
                if not isinstance(item, Erased) and mark in item:
                    yield place, item

    def status_node(self, node_hash: bytes) -> bytes | None:
        """The node of the status map with this hash, or None."""
        return self._value(Space.STATUS, node_hash)

    def fold_value(self, key: bytes) -> bytes | None:
        """What the fold keeps at `key`, or None."""
        return self._value(Space.FOLD, key)

    def _value(self, space: Space, key: bytes) -> bytes | None:
        found = self.snapshot.get(space, key)
        return None if found is None else bytes(found)

    def _starts_of(self, number: int) -> tuple[int, ...]:
        """The record starts of a bundle, as far as it reaches."""
        found = self._starts.get(number)
        if found is None:
            raw = self._bundle(Space.STARTS, number)
            found = struct.unpack_from(f">{len(raw) // U64_BYTES}Q", raw)
            if len(self._starts) >= _CACHED_STARTS_MAX:
                self._starts.clear()
            self._starts[number] = found
        return found

    def _first_start(self, number: int) -> int:
        """The first record start of a bundle. A search asks for that of many, so the whole of each is not kept."""
        found = self._firsts.get(number)
        if found is None:
            raw = self._bundle(Space.STARTS, number)[:U64_BYTES]
            if len(raw) != U64_BYTES:
                raise self._missing(Space.STARTS, number * TILE_WIDTH)
            found = int.from_bytes(raw, "big")
            if len(self._firsts) >= _CACHED_FIRSTS_MAX:
                self._firsts.clear()
            self._firsts[number] = found
        return found

    def record_start(self, log_index: int) -> int:
        """How many records stand before the entry at `log_index`. Raises StoreFault `record-start-missing`."""
        if log_index < 0 or (self.size is not None and log_index >= self.size):
            raise self._missing(Space.STARTS, log_index)
        number, place = divmod(log_index, TILE_WIDTH)
        starts = self._starts_of(number)
        if place >= len(starts):
            raise self._missing(Space.STARTS, log_index)
        return starts[place]

    def locate(self, record_number: int) -> tuple[int, int]:
        """(log index of the entry that holds a record, index of the record in it).

        Without a `record_count` a number beyond the last record is taken as the last entry's. Raises StoreFault
        `record-missing`.
        """
        self._check(Space.RECORDS, record_number, record_number + 1)
        if self._start_bundles is None:
            last = self.snapshot.last_key(Space.STARTS)
            if last is None:
                raise self._missing(Space.RECORDS, record_number)
            self._start_bundles = range(int.from_bytes(last, "big") + 1)
        number = bisect_right(self._start_bundles, record_number, key=self._first_start) - 1
        starts = self._starts_of(number)
        place = bisect_right(starts, record_number) - 1
        return number * TILE_WIDTH + place, record_number - starts[place]

    def located(self, record_numbers: Iterable[int]) -> Iterator[tuple[int, tuple[int, int]]]:
        """(record number, its place) of ascending numbers: as `locate` gives it, and faster where many are asked for."""
        starts: tuple[int, ...] = ()
        first_index = first = stop = (
            0  # of a bundle of starts; what begins within it belongs to an entry of it
        )
        for record_number in record_numbers:
            if first <= record_number < stop:
                place = bisect_right(starts, record_number) - 1
                yield record_number, (first_index + place, record_number - starts[place])
                continue
            found = self.locate(record_number)
            first_index = found[0] - found[0] % TILE_WIDTH
            starts = self._starts_of(first_index // TILE_WIDTH)
            first, stop = starts[0], starts[-1]
            if self.record_count is not None:
                stop = min(stop, self.record_count)
            yield record_number, found


def tile_key(level: int, number: int) -> bytes:
    """The key of a tile: u8 level, u64 number."""
    return bytes((level,)) + key_u64(number)


def _append(reader: StoreReader, space: Space, count: int, new: Sequence[bytes]) -> list[Put]:
    """Puts that append encoded items to a sequence of `count`; only its last, partial bundle is rewritten."""
    number, width = divmod(count, TILE_WIDTH)
    last_key = reader.snapshot.last_key(space)
    last = b"" if last_key is None else bytes(reader.snapshot.get(space, last_key) or b"")
    before = 0 if last_key is None else int.from_bytes(last_key, "big") * TILE_WIDTH
    if space is Space.STARTS:
        held = before + len(last) // U64_BYTES
    else:
        held = before + len(offsets(last, erasable=space is Space.RECORDS))
    if held != count:
        raise InvariantBroken(
            "append-gap", f"{_NAMES[space]} {count}", f"the store holds {held}, so this is not the next one"
        )
    if not new:
        return []
    first = TILE_WIDTH - width
    puts: list[Put] = [(space, key_u64(number), (last if width else b"") + b"".join(new[:first]))]
    for place in range(first, len(new), TILE_WIDTH):
        number += 1
        puts.append((space, key_u64(number), b"".join(new[place : place + TILE_WIDTH])))
    return puts


def append_entries(reader: StoreReader, size: int, new_entries: Iterable[bytes]) -> list[Put]:
    """Puts that append entries to a log of `size`. Raises InvariantBroken `append-gap` if the store's differs."""
    return _append(reader, Space.ENTRIES, size, [encode(entry) for entry in new_entries])


def append_records(
    reader: StoreReader, record_count: int, new_records: Iterable[bytes | Erased]
) -> list[Put]:
    """Puts that append records to `record_count` of them. Raises InvariantBroken `append-gap`."""
    return _append(reader, Space.RECORDS, record_count, [encode(record) for record in new_records])


def append_starts(reader: StoreReader, size: int, new_starts: Iterable[int]) -> list[Put]:
    """Puts that append the record starts of the entries from `size` on. Raises InvariantBroken `append-gap`."""
    return _append(reader, Space.STARTS, size, [key_u64(start) for start in new_starts])
