"""Appending and reading agree with plain lists, across the edges of bundles."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import InvariantBroken, StoreFault
from ledger.store.bundles import Erased
from ledger.store.contract import Batch, Space, key_u64
from ledger.store.memory import MemoryStore
from ledger.store.reader import StoreReader, append_entries, append_records, append_starts, tile_key
from tests.store_suite import code_of

COUNTS = st.one_of(st.integers(0, 3), st.sampled_from([254, 255, 256, 257, 511, 512, 513, 600]))


def item_of(number: int) -> bytes | Erased:
    return Erased(number.to_bytes(32, "big")) if number % 5 == 4 else b"item %d" % number


def append(
    store: MemoryStore, size: int, entries: list[bytes], records: list[bytes | Erased], starts: list[int]
) -> list[tuple[Space, int]]:
    """Commit what follows `size` entries; the puts' keys."""
    with store.snapshot() as snapshot:
        reader = StoreReader(snapshot)
        count = starts[0] if starts else 0
        puts = append_entries(reader, size, entries) + append_starts(reader, size, starts)
        puts += append_records(reader, count, records)
        head = snapshot.head()
    store.commit(Batch(puts), head, head + b".")
    return [(space, int.from_bytes(key, "big")) for space, key, _ in puts]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(COUNTS, min_size=1, max_size=4), max_size=5))
def test_sequences_agree_with_lists(commits: list[list[int]]) -> None:
    store = MemoryStore()
    counts: list[int] = []
    records: list[bytes | Erased] = []
    for commit in commits:
        starts = list(accumulate(commit, initial=len(records)))
        new = [item_of(n) for n in range(starts[0], starts[-1])]
        written = append(store, len(counts), [b"entry"] * len(commit), new, starts[:-1])
        assert len(set(written)) == len(written)
        assert all(n >= len(records) // 256 for space, n in written if space is Space.RECORDS)
        assert all(n >= len(counts) // 256 for space, n in written if space is Space.ENTRIES)
        counts += commit
        records += new
    owners = [(i, k) for i, count in enumerate(counts) for k in range(count)]
    with store.snapshot() as snapshot:
        reader = StoreReader(snapshot, len(counts), len(records))
        assert list(reader.records(0, len(records))) == records
        assert list(reader.entries(0, len(counts))) == [b"entry"] * len(counts)
        assert [reader.record(n) for n in range(len(records))] == records
        assert [reader.record_start(i) for i in range(len(counts))] == list(accumulate(counts, initial=0))[
            :-1
        ]
        assert [reader.locate(n) for n in range(len(records))] == owners
        for start in range(0, len(records), 100):
            assert (
                list(reader.records(start, min(len(records), start + 100))) == (records[start : start + 100])
            )


def test_many_entries_are_located_across_bundles() -> None:
    """Thousands of entries, most without records, so that starts repeat over whole bundles."""
    counts = [7 if i % 700 == 3 else 0 for i in range(3_000)]
    starts = list(accumulate(counts, initial=0))
    store = MemoryStore()
    append(store, 0, [b"e%d" % i for i in range(3_000)], [b"r"] * starts[-1], starts[:-1])
    owners = [(i, k) for i, count in enumerate(counts) for k in range(count)]
    with store.snapshot() as snapshot:
        reader = StoreReader(snapshot, 3_000, starts[-1])
        assert [reader.locate(n) for n in range(starts[-1])] == owners
        assert [reader.entry(i) for i in (0, 255, 256, 2_999)] == [b"e0", b"e255", b"e256", b"e2999"]
        assert list(reader.entries(250, 520)) == [b"e%d" % i for i in range(250, 520)]
        assert list(reader.entries(3_000, 3_000)) == []


@settings(max_examples=30, deadline=None)
@given(st.lists(COUNTS, min_size=1, max_size=9), st.data())
def test_many_at_once_are_what_each_is_alone(counts: list[int], data: st.DataObject) -> None:
    starts = list(accumulate(counts, initial=0))
    store = MemoryStore()
    entries = [b"e%d" % i for i in range(len(counts))]
    append(store, 0, entries, [item_of(n) for n in range(starts[-1])], starts[:-1])
    size = data.draw(st.integers(1, len(counts)))
    held = starts[size]
    numbers = sorted(data.draw(st.sets(st.integers(0, held - 1), max_size=40))) if held else []
    with store.snapshot() as snapshot:
        reader = StoreReader(snapshot, size, held)
        assert list(reader.records_at(numbers)) == [(n, reader.record(n)) for n in numbers]
        assert list(reader.located(numbers)) == [(n, reader.locate(n)) for n in numbers]
        assert list(reader.entries_at(range(size))) == list(enumerate(entries[:size]))
        for read, bound in (
            (reader.records_at, held),
            (reader.located, held),
            (reader.entries_at, size),
        ):
            for beyond in ([-1], [bound], [*range(max(bound - 1, 0), bound), bound]):
                with pytest.raises(StoreFault):
                    list(read(beyond))


def test_starts_of_many_bundles_are_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = [7 if i % 300 == 3 else i % 2 for i in range(1_500)]
    starts = list(accumulate(counts, initial=0))
    store = MemoryStore()
    append(store, 0, [b"e"] * len(counts), [b"r"] * starts[-1], starts[:-1])
    asked: list[int] = []
    with store.snapshot() as snapshot:
        reader = StoreReader(snapshot, len(counts), starts[-1])
        wanted = [(n, reader.locate(n)) for n in range(starts[-1])]
        honest = reader.locate

        def counted(record_number: int) -> tuple[int, int]:
            asked.append(record_number)
            return honest(record_number)

        monkeypatch.setattr(reader, "locate", counted)
        assert list(reader.located(range(starts[-1]))) == wanted
    assert len(asked) <= 2 * 6 + 1  # the first of a bundle, and what belongs to its last entry


def test_readers_see_no_more_than_their_bounds() -> None:
    store = MemoryStore()
    append(store, 0, [b"a", b"b", b"c"], [b"r"] * 4, [0, 1, 4])
    with store.snapshot() as snapshot:
        bounded, free = StoreReader(snapshot, 2, 1), StoreReader(snapshot)
        cases: list[tuple[Callable[[], object], str]] = [
            (lambda: bounded.entry(2), "entry-missing"),
            (lambda: bounded.entry(-1), "entry-missing"),
            (lambda: list(bounded.entries(0, 3)), "entry-missing"),
            (lambda: bounded.record(1), "record-missing"),
            (lambda: bounded.records(0, 2), "record-missing"),
            (lambda: bounded.locate(1), "record-missing"),
            (lambda: bounded.record_start(2), "record-start-missing"),
            (lambda: free.entry(3), "entry-missing"),
            (lambda: free.entry(256), "entry-missing"),
            (lambda: list(free.entries(1, 4)), "entry-missing"),
            (lambda: list(free.records(3, 300)), "record-missing"),
            (lambda: free.record_start(3), "record-start-missing"),
            (lambda: free.record_start(-1), "record-start-missing"),
            (lambda: free.tile(0, 0), "tile-missing"),
        ]
        for use, code in cases:
            with pytest.raises(StoreFault) as error:
                use()
            assert code_of(error) == code
        assert list(bounded.entries(0, 2)) == [b"a", b"b"]
        assert free.entry(2) == b"c"
    with MemoryStore().snapshot() as empty, pytest.raises(StoreFault) as error:
        StoreReader(empty).locate(0)
    assert code_of(error) == "record-missing"


@pytest.mark.parametrize("size", [0, 1, 3, 256, 258])
def test_append_at_another_size_is_a_bug(size: int) -> None:
    store = MemoryStore()
    append(store, 0, [b"a", b"b"], [b"r", b"s"], [0, 2])
    with store.snapshot() as snapshot:
        for append_to in (append_entries, append_records):
            with pytest.raises(InvariantBroken) as error:
                append_to(StoreReader(snapshot), size, [b"x"])
            assert code_of(error) == "append-gap"
        with pytest.raises(InvariantBroken):
            append_starts(StoreReader(snapshot), size, [7])


def test_damaged_bundle_is_told() -> None:
    store = MemoryStore()
    store.commit(Batch([(Space.ENTRIES, key_u64(0), b"\0\5abc")]), b"", b"1")
    with store.snapshot() as snapshot:
        reader = StoreReader(snapshot)
        for use in (
            lambda: reader.entry(0),
            lambda: list(reader.entries(0, 1)),
            lambda: append_entries(reader, 1, []),
        ):
            with pytest.raises(StoreFault) as error:
                use()
            assert code_of(error) == "bundle-damaged"


def test_tiles_and_status_nodes() -> None:
    store = MemoryStore()
    puts = [(Space.TILES, tile_key(3, 700), b"tile"), (Space.STATUS, b"h" * 32, b"node")]
    store.commit(Batch(puts), b"", b"1")
    with store.snapshot() as snapshot:
        reader = StoreReader(snapshot)
        assert reader.tile(3, 700) == b"tile"
        assert reader.status_node(b"h" * 32) == b"node"
        assert reader.status_node(b"i" * 32) is None
    assert tile_key(3, 700) == b"\3" + bytes(6) + b"\2\xbc"
