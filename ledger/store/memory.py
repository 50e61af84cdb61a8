"""A store in memory: for tests, and for audits that replay a log into a fresh state.

Same contract as on disk (`ledger.store.contract`), save that its durability is that of the process. A commit
changes tables in place; where a snapshot still reads a table, the commit changes a copy, so that isolation costs
only while somebody reads.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ledger.store.contract import (
    Batch,
    Snapshot,
    Space,
    check_batch,
    check_key,
    head_moved,
    poisoned,
    snapshot_ended,
    snapshots_open,
    store_closed,
)

_ITEM = "store in memory"


@dataclass(slots=True)
class _Table:
    """One space: values by key, and its keys in order once somebody asked for the order."""

    values: dict[bytes, bytes] = field(default_factory=dict)
    ordered: list[bytes] | None = None

    def copy(self) -> _Table:
        return _Table(dict(self.values))

    def put(self, key: bytes, value: bytes) -> None:
        if self.ordered is not None and key not in self.values:
            if not self.ordered or key > self.ordered[-1]:
                self.ordered.append(key)
            else:
                self.ordered = None
        self.values[key] = value

    def delete(self, key: bytes) -> None:
        if self.values.pop(key, None) is not None:
            self.ordered = None

    def keys(self) -> list[bytes]:
        if self.ordered is None:
            self.ordered = sorted(self.values)
        return self.ordered


@dataclass(slots=True)
class _View:
    """All that a snapshot sees."""

    tables: dict[Space, _Table]
    index: dict[int, tuple[int, ...]]
    head: bytes


class _MemorySnapshot:
    """A view that later commits leave alone."""

    def __init__(self, view: _View) -> None:
        self._view: _View | None = view

    def _seen(self) -> _View:
        if self._view is None:
            raise snapshot_ended(_ITEM)
        return self._view

    def end(self) -> None:
        self._view = None

    def get(self, space: Space, key: bytes) -> bytes | None:
        check_key(key)
        return self._seen().tables[space].values.get(key)

    def head(self) -> bytes:
        return self._seen().head

    def positions(self, prefix: int) -> list[int]:
        return list(self._seen().index.get(prefix, ()))

    def positions_of_many(self, prefixes: Iterable[int]) -> dict[int, list[int]]:
        index = self._seen().index
        return {prefix: list(index[prefix]) for prefix in prefixes if index.get(prefix)}

    def index_size(self) -> int:
        return sum(map(len, self._seen().index.values()))

    def last_key(self, space: Space) -> bytes | None:
        keys = self._seen().tables[space].keys()
        return keys[-1] if keys else None

    def scan(
        self, space: Space, start: bytes = b"", *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        table = self._seen().tables[space]
        keys = table.keys()
        if reverse:
            chosen = keys[: bisect_right(keys, start)][::-1] if start else keys[::-1]
        else:
            chosen = keys[bisect_left(keys, start) :]
        for key in chosen:
            yield key, self._seen().tables[space].values[key]


class MemoryStore:
    """A store that lives and dies with its process."""

    def __init__(self) -> None:
        self._view = _View({space: _Table() for space in Space}, {}, b"")
        self._snapshots = (
            0  # open ones; older and newer views share tables, so any of them makes a commit copy
        )
        self._lock = threading.RLock()
        self._poisoned = False
        self._closed = False

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """A consistent read view (contract)."""
        with self._lock:
            if self._closed:
                raise store_closed(_ITEM)
            self._snapshots += 1
            snapshot = _MemorySnapshot(self._view)
        try:
            yield snapshot
        finally:
            snapshot.end()
            with self._lock:
                self._snapshots -= 1

    def commit(self, batch: Batch, expected_head: bytes, new_head: bytes) -> None:
        """Apply a batch if the head is as expected (contract)."""
        with self._lock:
            if self._closed:
                raise store_closed(_ITEM)
            if self._poisoned:
                raise poisoned(_ITEM)
            check_batch(batch, new_head)
            if self._view.head != expected_head:
                raise head_moved(_ITEM)
            try:
                self._apply(batch, new_head)
            except BaseException:
                self._poisoned = True
                raise

    def _apply(self, batch: Batch, new_head: bytes) -> None:
        view = self._view
        if self._snapshots:
            touched = {space for space, _, _ in batch.puts} | {space for space, _ in batch.deletes}
            tables = {s: table.copy() if s in touched else table for s, table in view.tables.items()}
            is_indexed = batch.index or batch.unindex
            view = _View(tables, dict(view.index) if is_indexed else view.index, b"")
        for space, key, value in batch.puts:
            view.tables[space].put(key, bytes(value))
        for space, key in batch.deletes:
            view.tables[space].delete(key)
        for prefix, position in batch.unindex:
            view.index[prefix] = tuple(each for each in view.index.get(prefix, ()) if each != position)
        for prefix, position in batch.index:
            found = view.index.get(prefix, ())
            if position not in found:
                view.index[prefix] = tuple(sorted((*found, position)))
        view.head = bytes(new_head)
        self._view = view

    def reopen(self) -> None:
        """Lift the poison; what was committed stays, since memory is the medium."""
        self.close()
        self._poisoned = self._closed = False

    def close(self) -> None:
        """Refuse further use, until `reopen`."""
        with self._lock:
            if self._snapshots:
                raise snapshots_open(_ITEM)
            self._closed = True
