"""What every store must do, whatever its engine: subclass `StoreSuite`, name the class Test…, define `make`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import InvariantBroken, LineageError, StoreFault
from ledger.store.contract import Batch, Space, Store, key_u64

_KEYS = st.one_of(
    st.integers(0, 6).map(key_u64), st.binary(min_size=1, max_size=3), st.just(b"\xff" * 511), st.just(b"\0")
)
_PLACES = st.tuples(st.sampled_from(Space), _KEYS)
_VALUES = st.one_of(st.binary(max_size=5), st.just(bytes(5_000)), st.just(b""))
_U64 = st.one_of(st.integers(0, 3), st.integers(2**63 - 1, 2**63 + 1), st.just(2**64 - 1))
_STEPS = st.lists(
    st.tuples(
        st.dictionaries(_PLACES, _VALUES, max_size=8),
        st.sets(_PLACES, max_size=4),
        st.lists(st.tuples(_U64, _U64), max_size=8),
        st.lists(st.tuples(_U64, _U64), max_size=8),
        st.binary(max_size=3),
    ),
    max_size=5,
)


def code_of(error: pytest.ExceptionInfo[LineageError]) -> str:
    return error.value.code


class StoreSuite:
    """The contract of `ledger.store.contract`, one promise a test."""

    def make(self, folder: Path) -> Store:
        raise NotImplementedError

    @contextmanager
    def opened(self) -> Iterator[Store]:
        with tempfile.TemporaryDirectory() as folder:
            store = self.make(Path(folder) / "store")
            try:
                yield store
            finally:
                store.close()

    def test_is_empty_at_first(self) -> None:
        with self.opened() as store, store.snapshot() as snapshot:
            assert snapshot.head() == b""
            for space in Space:
                assert snapshot.last_key(space) is None
                assert list(snapshot.scan(space)) == []
                assert list(snapshot.scan(space, b"x", reverse=True)) == []
                assert snapshot.get(space, b"x") is None
            assert snapshot.positions(0) == []
            assert snapshot.index_size() == 0

    def test_agrees_with_dictionaries(self) -> None:
        @settings(max_examples=25, deadline=None)
        @given(_STEPS, _KEYS)
        def check(steps: list[Any], start: bytes) -> None:
            places: dict[tuple[Space, bytes], bytes] = {}
            pairs: set[tuple[int, int]] = set()
            head = b""
            with self.opened() as store:
                for puts, deletes, index, unindex, new_head in steps:
                    gone = deletes - puts.keys()
                    batch = Batch([(s, k, v) for (s, k), v in puts.items()], list(gone), index, unindex)
                    store.commit(batch, head, new_head)
                    head = new_head
                    places = {p: v for p, v in places.items() if p not in gone} | puts
                    pairs = pairs - set(unindex) | set(index)
                store.reopen()
                with store.snapshot() as snapshot:
                    assert snapshot.head() == head
                    for space in Space:
                        rows = sorted((k, v) for (s, k), v in places.items() if s is space)
                        keys = [k for k, _ in rows]
                        assert [(k, bytes(v)) for k, v in snapshot.scan(space)] == rows
                        assert [k for k, _ in snapshot.scan(space, start)] == [k for k in keys if k >= start]
                        assert [k for k, _ in snapshot.scan(space, reverse=True)] == keys[::-1]
                        downwards = [(k, bytes(v)) for k, v in snapshot.scan(space, start, reverse=True)]
                        assert downwards == [row for row in rows[::-1] if row[0] <= start]
                        assert snapshot.last_key(space) == (keys[-1] if keys else None)
                        for key, value in rows:
                            assert snapshot.get(space, key) == value
                    assert snapshot.index_size() == len(pairs)
                    for prefix in {0, *(p for p, _ in pairs)}:
                        assert snapshot.positions(prefix) == sorted(q for p, q in pairs if p == prefix)
                    asked = [*range(12), 2**64 - 1]
                    among = {prefix: snapshot.positions(prefix) for prefix in asked}
                    assert snapshot.positions_of_many(asked * 2) == {p: q for p, q in among.items() if q}

        check()

    def test_moved_head_is_refused_and_nothing_written(self) -> None:
        with self.opened() as store:
            store.commit(Batch([(Space.FOLD, b"a", b"1")]), b"", b"one")
            for expected in (b"", b"two"):
                with pytest.raises(StoreFault) as error:
                    store.commit(Batch([(Space.FOLD, b"a", b"2")], index=[(1, 1)]), expected, b"three")
                assert code_of(error) == "head-moved"
            with store.snapshot() as snapshot:
                assert (snapshot.head(), snapshot.get(Space.FOLD, b"a")) == (b"one", b"1")
                assert snapshot.positions(1) == []
            store.commit(Batch(), b"one", b"two")  # a refusal does not poison
            with store.snapshot() as snapshot:
                assert snapshot.head() == b"two"

    @pytest.mark.parametrize(
        ("batch", "head", "code"),
        [
            (Batch([(Space.FOLD, b"", b"x")]), b"h", "key-size"),
            (Batch([(Space.FOLD, bytes(512), b"x")]), b"h", "key-size"),
            (Batch(deletes=[(Space.FOLD, b"")]), b"h", "key-size"),
            (Batch([(Space.FOLD, b"k", b"x")] * 2), b"h", "batch-key-twice"),
            (Batch([(Space.FOLD, b"k", b"x")], [(Space.FOLD, b"k")]), b"h", "batch-key-twice"),
            (Batch(index=[(2**64, 0)]), b"h", "index-range"),
            (Batch(index=[(0, -1)]), b"h", "index-range"),
            (Batch(unindex=[(2**64, 0)]), b"h", "index-range"),
            (Batch(), bytes(2**21 + 1), "head-size"),
        ],
    )
    def test_bad_batch_is_refused_and_nothing_written(self, batch: Batch, head: bytes, code: str) -> None:
        with self.opened() as store:
            batch = replace(batch, puts=[(Space.FOLD, b"good", b"x"), *batch.puts])
            with pytest.raises(InvariantBroken) as error:
                store.commit(batch, b"", head)
            assert code_of(error) == code
            with store.snapshot() as snapshot:
                assert (snapshot.head(), snapshot.get(Space.FOLD, b"good")) == (b"", None)
            store.commit(Batch(), b"", b"next")

    def test_snapshot_sees_one_commit(self) -> None:
        first = Batch(
            [(Space.FOLD, b"a", b"1"), (Space.FOLD, b"b", b"1"), (Space.TILES, b"t", b"1")], [], [(7, 1)]
        )
        second = Batch([(Space.FOLD, b"a", b"2"), (Space.FOLD, b"c", b"2")], [(Space.FOLD, b"b")], [(7, 2)])
        with self.opened() as store:
            store.commit(first, b"", b"1")
            with store.snapshot() as old:
                scan = old.scan(Space.FOLD)
                assert next(scan)[0] == b"a"
                store.commit(second, b"1", b"2")
                with store.snapshot() as new:
                    # the tiles were left alone by the second commit, so both snapshots may share them
                    store.commit(Batch([(Space.TILES, b"t", b"3")]), b"2", b"3")
                    assert [(k, bytes(v)) for k, v in new.scan(Space.FOLD)] == [(b"a", b"2"), (b"c", b"2")]
                    assert (new.head(), new.positions(7), new.get(Space.TILES, b"t")) == (b"2", [1, 2], b"1")
                store.commit(Batch([(Space.TILES, b"t", b"4")]), b"3", b"4")
                assert [key for key, _ in scan] == [b"b"]
                assert (old.head(), old.positions(7), old.last_key(Space.FOLD)) == (b"1", [1], b"b")
                assert (old.get(Space.FOLD, b"a"), old.get(Space.TILES, b"t")) == (b"1", b"1")

    def test_keys_put_in_any_order_are_scanned_in_order(self) -> None:
        head = b""
        with self.opened() as store:
            for number in (5, 7, 1, 6, 9):
                store.commit(Batch([(Space.ENTRIES, key_u64(number), b"x")]), head, b"%d" % number)
                head = b"%d" % number
                with store.snapshot() as snapshot:
                    assert [k for k, _ in snapshot.scan(Space.ENTRIES)] == sorted(
                        key_u64(n) for n in (5, 7, 1, 6, 9)[: (5, 7, 1, 6, 9).index(number) + 1]
                    )

    def test_snapshot_that_was_left_is_refused(self) -> None:
        with self.opened() as store:
            store.commit(Batch([(Space.FOLD, b"a", b"1"), (Space.FOLD, b"b", b"1")]), b"", b"1")
            with store.snapshot() as snapshot:
                scan = snapshot.scan(Space.FOLD)
                assert next(scan)[0] == b"a"
            uses: list[Callable[[], object]] = [
                snapshot.head,
                lambda: snapshot.get(Space.FOLD, b"a"),
                lambda: snapshot.positions(1),
                lambda: snapshot.positions_of_many([1]),
                lambda: snapshot.last_key(Space.FOLD),
                lambda: list(snapshot.scan(Space.FOLD)),
                lambda: next(scan),
            ]
            for use in uses:
                with pytest.raises(StoreFault) as error:
                    use()
                assert code_of(error) == "snapshot-ended"

    def test_get_refuses_a_key_that_no_put_could_have(self) -> None:
        with self.opened() as store, store.snapshot() as snapshot:
            with pytest.raises(InvariantBroken) as error:
                snapshot.get(Space.FOLD, b"")
            assert code_of(error) == "key-size"

    def test_closed_store_is_refused_until_reopened(self) -> None:
        with self.opened() as store:
            store.commit(Batch(), b"", b"1")
            store.close()
            store.close()
            with pytest.raises(StoreFault) as error:
                store.commit(Batch(), b"1", b"2")
            assert code_of(error) == "store-closed"
            with pytest.raises(StoreFault) as error, store.snapshot():
                pass
            assert code_of(error) == "store-closed"
            store.reopen()
            with store.snapshot() as snapshot:
                assert snapshot.head() == b"1"

    def test_open_snapshot_keeps_its_store_open(self) -> None:
        with self.opened() as store:
            with store.snapshot() as snapshot:
                for use in (store.close, store.reopen):
                    with pytest.raises(StoreFault) as error:
                        use()
                    assert code_of(error) == "snapshots-open"
                assert snapshot.head() == b""
            store.reopen()
