"""The store on one machine: LMDB, a memory-mapped copy-on-write B+tree (http://www.lmdb.tech/doc/).

One environment, the file `data.mdb` in the folder that is named, with LMDB's default flags: a commit writes the
changed pages, syncs them, then writes one of two meta pages through a synchronous descriptor; a crash at any
point leaves the older meta page in force. Neither writemap (a stray write would reach the file) nor
metasync=False (the last commit could be lost) is used.

The map is one huge sparse reservation of addresses, halved until the platform grants it, and never resized. Keys
that are numbers are big-endian and appended. The digest index is a sub-database of native 64-bit integers
(INTEGERKEY, DUPSORT, DUPFIXED, INTEGERDUP), written in order of prefix, so that neighbours share a page visit.

LMDB forbids the use of an environment in a forked child, closing included. A store that finds itself in another
process than the one that opened it drops its handles, which the binding then frees without touching what is
shared with the parent, and opens the environment again, for reading only: the lock of the writer stayed with the
parent. One process may open an environment once; a second store object on it is refused (`already-open`). Both
rest on the binding, from its version 2.0 on: older ones let a child end its parent's snapshots, or do not refuse.
"""

from __future__ import annotations

import os
import struct
import sys
import threading
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import lmdb

from ledger.errors import InvariantBroken, LineageError, RefusedInput, StoreFault
from ledger.store.contract import (
    Batch,
    Space,
    check_batch,
    grouped,
    head_moved,
    poisoned,
    snapshot_ended,
    snapshots_open,
    store_closed,
)
from ledger.store.datafile import check_data_file
from ledger.store.files import refuse_irregular, sync_folder
from ledger.store.forkgate import Gate, Uses
from ledger.store.mounts import refuse_network

MAP_BYTES: Final = 2**40
MAP_BYTES_LEAST: Final = 2**26
READERS_MAX: Final = 1_024

_DATA_FILE: Final = "data.mdb"
_LOCK_FILE: Final = "lock.mdb"
_HEAD: Final = b"head"
_META: Final = "meta"
_INDEX: Final = "index"
_INDEX_FLAGS: Final = dict.fromkeys(("integerkey", "dupsort", "dupfixed", "integerdup"), True)
_DATABASES: Final[dict[str, dict[str, Any]]] = {
    _META: {},
    **{space.value: {} for space in Space},
    _INDEX: _INDEX_FLAGS,
}
_APPENDED: Final = frozenset((Space.ENTRIES, Space.RECORDS, Space.STARTS))
_NATIVE: Final = struct.Struct("=Q")
# The binding may carry two LMDB formats and let the surroundings choose; the folder's layout names the older one.
_ENGINE: Final[dict[str, Any]] = {"lib_version": 0} if hasattr(lmdb.Environment, "lib_version") else {}


def _damaged(item: str, reason: str) -> StoreFault:
    return StoreFault("ledger-damaged", item, reason, "restore a backup of the ledger's folder")


def _fault(item: str, error: lmdb.Error) -> LineageError:
    """What an LMDB error means to whoever has to mend it."""
    if isinstance(error, lmdb.BadValsizeError):
        return InvariantBroken("key-size", item, f"a key or value of a size that LMDB refuses ({error})")
    if isinstance(error, lmdb.MapFullError):
        return StoreFault(
            "store-full", item, "the map reserved for it is full", "open it with a greater map_size"
        )
    if isinstance(error, lmdb.DiskError):
        return StoreFault(
            "store-full",
            item,
            f"the disk is full ({error})",
            "free space on its disk, then reopen the ledger",
        )
    if isinstance(error, lmdb.ReadersFullError):
        return StoreFault(
            "readers-full",
            item,
            f"{READERS_MAX} snapshots are open, of all processes",
            "end readers that hold one for long",
        )
    if isinstance(error, lmdb.VersionMismatchError):
        return RefusedInput("ledger-newer", item, str(error), "upgrade lineage-ledger")
    if isinstance(error, lmdb.CorruptedError | lmdb.InvalidError | lmdb.PageNotFoundError):
        return _damaged(item, str(error))
    if isinstance(error, lmdb.MapResizedError):
        return StoreFault("store-failed", item, "it outgrew this process's map", "reopen the ledger")
    return StoreFault("store-failed", item, str(error), "look to the disk, then reopen the ledger")


def _not_permitted(item: str, error: lmdb.ReadonlyError, *, readonly: bool) -> StoreFault:
    """Opening failed for want of a right (EACCES). Readers need one, too: they register in lock.mdb."""
    if not readonly:
        fix = "ask its owner for write permission to the folder and its files, or open it for reading only"
        return StoreFault("store-failed", item, f"this user may not write it ({error})", fix)
    return StoreFault(
        "store-failed",
        item,
        f"this user may not write {_LOCK_FILE}, in which readers register, too ({error})",
        f"ask its owner for write permission to {_LOCK_FILE}; or copy the folder while nobody writes to it, "
        "and open the copy; or read a published copy of the log",
    )


def _open_environment(path: Path, map_bytes: int, least_bytes: int, **options: Any) -> lmdb.Environment:
    """Open with the greatest map that the platform grants, of `map_bytes` halved again and again."""
    while True:
        try:
            return lmdb.open(
                os.fspath(path),
                map_size=map_bytes,
                max_dbs=len(_DATABASES),
                max_readers=READERS_MAX,
                mode=0o644,
                **options,
            )
        except lmdb.MemoryError as error:
            if map_bytes // 2 < least_bytes:
                raise StoreFault(
                    "store-failed",
                    str(path),
                    f"the platform refuses to map {map_bytes} bytes of addresses",
                    "raise the limit on address space (ulimit -v)",
                ) from error
            map_bytes //= 2


class _Scan:
    """An iterator of (key, value) that keeps its cursor where a forked child can drop it."""

    def __init__(self, owner: _LmdbSnapshot, pairs: Iterator[tuple[memoryview, memoryview]]) -> None:
        self._owner = owner
        self.pairs: Iterator[tuple[memoryview, memoryview]] = pairs

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[bytes, memoryview]:
        with self._owner.uses:
            self._owner.live()
            try:
                key, value = next(self.pairs)
            except lmdb.Error as error:
                raise _fault(self._owner.item, error) from error
            return bytes(key), value


class _LmdbSnapshot:
    """One read transaction. Its handles are attributes, and locals only inside `uses`, so that a forked child can drop them."""

    def __init__(self, store: LmdbStore) -> None:
        self._store = store
        self.item = store.item
        self.uses = Uses()
        self._pid = 0
        self._txn: lmdb.Transaction[memoryview] | None = None
        self._dbs: dict[str, Any] = {}
        self._scans: weakref.WeakSet[_Scan] = weakref.WeakSet()

    def __enter__(self) -> Self:
        with self._store.to_begin(), self.uses:
            self._txn, self._dbs = self._store.begin(self)
            self._pid = os.getpid()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # In a forked child the transaction's slot in the table of readers is the parent's: hands off.
        with self.uses:
            if self._txn is not None and self._pid == os.getpid():
                self._txn.abort()
            self.drop()
        self._store.ended(self)

    def drop(self) -> None:
        """Forget every handle, touching none."""
        for scan in self._scans:
            scan.pairs = iter(())
        self._txn = None
        self._dbs = {}

    def live(self) -> lmdb.Transaction[memoryview]:
        if self._txn is None or self._pid != os.getpid():
            raise snapshot_ended(self.item)
        return self._txn

    def get(self, space: Space | str, key: bytes) -> memoryview | None:
        uses = self.uses  # as `with uses:` does, at half the cost
        uses.count += 1
        if Gate.is_closed:
            Gate.wait(uses)
        try:
            return self.live().get(key, db=self._dbs[space])
        except lmdb.Error as error:
            raise _fault(self.item, error) from error
        finally:
            uses.count -= 1

    def head(self) -> bytes:
        with self.uses:
            try:
                return bytes(self.live().get(_HEAD, b"", db=self._dbs[_META]))
            except lmdb.Error as error:
                raise _fault(self.item, error) from error

    def positions(self, prefix: int) -> list[int]:
        if self.get(_INDEX, _NATIVE.pack(prefix)) is None:  # most often, and a cursor costs more
            return []
        return self.positions_of_many([prefix]).get(prefix, [])

    def positions_of_many(self, prefixes: Iterable[int]) -> dict[int, list[int]]:
        with self.uses:
            try:
                ordered = sorted(set(prefixes))  # neighbours share pages
                packed = struct.pack(f"={len(ordered)}Q", *ordered)
                keys = [packed[at : at + _NATIVE.size] for at in range(0, len(packed), _NATIVE.size)]
                pairs = self.live().cursor(db=self._dbs[_INDEX]).getmulti(keys, dupdata=True)
                return grouped((_NATIVE.unpack(key)[0], _NATIVE.unpack(value)[0]) for key, value in pairs)
            except lmdb.Error as error:
                raise _fault(self.item, error) from error
            except struct.error:
                raise _damaged(self.item, "its index holds a position that is no number") from None

    def index_size(self) -> int:
        with self.uses:
            try:
                return int(self.live().stat(self._dbs[_INDEX])["entries"])  # DUPSORT: the duplicates
            except lmdb.Error as error:
                raise _fault(self.item, error) from error

    def last_key(self, space: Space) -> bytes | None:
        with self.uses:
            try:
                cursor = self.live().cursor(db=self._dbs[space])
                return bytes(cursor.key()) if cursor.last() else None
            except lmdb.Error as error:
                raise _fault(self.item, error) from error

    def scan(self, space: Space, start: bytes = b"", *, reverse: bool = False) -> _Scan:
        with self.uses:
            try:
                cursor = self.live().cursor(db=self._dbs[space])
                if not reverse:
                    pairs = cursor.iternext() if not start or cursor.set_range(start) else iter(())
                elif not start or not cursor.set_range(start):
                    pairs = cursor.iterprev() if cursor.last() else iter(())
                elif cursor.key() == start or cursor.prev():
                    pairs = cursor.iterprev()
                else:
                    pairs = iter(())
            except lmdb.Error as error:
                raise _fault(self.item, error) from error
            scan = _Scan(self, pairs)
            self._scans.add(scan)
            return scan


class LmdbStore:
    """A store in the folder `path`; see the module, and the contract for what its methods promise."""

    def __init__(
        self,
        path: Path,
        *,
        readonly: bool = False,
        map_size: int = MAP_BYTES,
        is_distrusted: bool = False,
    ) -> None:
        """Open what `create` made. `map_size` bounds the size of the file, in bytes.

        With `is_distrusted` somebody else may have made the file: all of its pages are looked at before one is mapped.
        Raises RefusedInput `not-a-ledger`, `ledger-newer`, `network-filesystem`, `platform`; StoreFault
        `ledger-damaged`, `already-open`, `not-a-regular-file`, `store-failed`.
        """
        self.item = str(path)
        self._path = path
        self._readonly = readonly
        self._map_size = map_size
        self._is_distrusted = is_distrusted
        self._env: lmdb.Environment | None = None
        self._dbs: dict[str, Any] = {}
        self._snapshots: weakref.WeakSet[_LmdbSnapshot] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._uses = Uses()  # while `_lock` is held
        self._poisoned = False
        self._pid = os.getpid()
        self._open()

    @classmethod
    def create(cls, path: Path, *, map_size: int = MAP_BYTES) -> LmdbStore:
        """Make an empty store in the folder `path`, itself made if absent, and open it.

        Raises RefusedInput `ledger-exists`, `network-filesystem`, `platform`; StoreFault `store-failed`.
        """
        if sys.maxsize < 2**63 - 1:
            raise RefusedInput(
                "platform", str(path), "the store needs 64-bit addresses", "use a 64-bit Python"
            )
        refuse_network(path)
        if os.path.lexists(path / _DATA_FILE):
            raise RefusedInput("ledger-exists", str(path), "there is a store already", "open it instead")
        try:
            path.mkdir(mode=0o755, parents=True, exist_ok=True)
            refuse_irregular(path / _LOCK_FILE)
            with (
                _open_environment(path, map_size, MAP_BYTES_LEAST, **_ENGINE) as environment,
                environment.begin(write=True) as txn,
            ):
                for name, flags in _DATABASES.items():
                    environment.open_db(name.encode(), txn=txn, **flags)
            sync_folder(path)  # LMDB syncs its file, not the name of the file
        except lmdb.Error as error:
            raise _fault(str(path), error) from error
        except OSError as error:
            raise StoreFault(
                "store-failed", str(path), str(error), "look to the folder and its disk"
            ) from error
        return cls(path, map_size=map_size)

    def _open(self) -> None:
        with self._uses:
            self._open_now()

    def _open_now(self) -> None:
        refuse_network(self._path)
        file_bytes = check_data_file(self._path / _DATA_FILE, is_distrusted=self._is_distrusted)
        refuse_irregular(self._path / _LOCK_FILE)  # LMDB would follow a link, and cut what it leads to
        try:
            env = _open_environment(
                self._path,
                max(self._map_size, file_bytes),
                max(file_bytes, MAP_BYTES_LEAST),
                readonly=self._readonly,
                create=False,
            )
        except lmdb.Error as error:
            if "already open" in str(error):
                raise StoreFault(
                    "already-open",
                    self.item,
                    "this process has opened it already",
                    "share the one store object, or close it first",
                ) from error
            if isinstance(error, lmdb.ReadonlyError):
                raise _not_permitted(self.item, error, readonly=self._readonly) from error
            raise _fault(self.item, error) from error
        try:
            env.reader_check()  # frees the slots of readers that died
            for name, flags in _DATABASES.items():
                self._dbs[name] = env.open_db(name.encode(), create=False, **flags)
        except lmdb.Error as error:
            env.close()
            if isinstance(error, lmdb.NotFoundError | lmdb.IncompatibleError):
                raise _damaged(
                    self.item, f"a sub-database is missing or of another kind ({error})"
                ) from error
            raise _fault(self.item, error) from error
        self._env = env

    def _enter_process(self) -> None:
        """In a forked child, the first time: leaves the parent's environment and opens one."""
        if self._pid != os.getpid():
            with Gate.in_child:  # several threads of a child may come at once; the first reopens for all
                if self._pid != os.getpid():
                    self._reopen_in_child()

    def _live(self) -> lmdb.Environment:
        """The environment of this very process."""
        if self._env is None:
            raise store_closed(self.item)
        return self._env

    def _reopen_in_child(self) -> None:
        was_open = self._env is not None
        self._leave_parent()
        try:
            if was_open:
                self._open()
        finally:
            self._pid = os.getpid()

    def _leave_parent(self) -> None:
        for snapshot in self._snapshots:
            snapshot.drop()
        self._env = None
        self._dbs = {}
        self._snapshots = weakref.WeakSet()
        self._lock = threading.Lock()  # another thread of the parent may have held it
        self._readonly = True

    def to_begin(self) -> threading.Lock:
        """What is held while a transaction begins. It is taken before the gate, so that who waits for it is not inside."""
        self._enter_process()
        return self._lock

    def begin(self, snapshot: _LmdbSnapshot) -> tuple[lmdb.Transaction[memoryview], dict[str, Any]]:
        """A read transaction for `snapshot`, which this store then knows to be open. `to_begin` is held."""
        env = self._live()
        try:
            try:
                txn = env.begin(buffers=True)
            except lmdb.ReadersFullError:
                env.reader_check()
                txn = env.begin(buffers=True)
        except lmdb.Error as error:
            raise _fault(self.item, error) from error
        self._snapshots.add(snapshot)
        return txn, self._dbs

    def ended(self, snapshot: _LmdbSnapshot) -> None:
        """`snapshot` was left."""
        self._snapshots.discard(snapshot)

    def snapshot(self) -> _LmdbSnapshot:
        """A consistent read view (contract)."""
        return _LmdbSnapshot(self)

    def commit(self, batch: Batch, expected_head: bytes, new_head: bytes) -> None:
        """One synced write transaction, if the head is as expected (contract)."""
        self._enter_process()
        with self._lock, self._uses:
            env = self._live()
            if self._poisoned:
                raise poisoned(self.item)
            if self._readonly:
                raise StoreFault(
                    "store-readonly",
                    self.item,
                    "it was opened for reading only, or by the parent of this process",
                    "open it for writing in this process",
                )
            check_batch(batch, new_head)
            moved = False
            try:
                env.reader_check()  # the dead keep pages from reuse, and fill the table for who opens next
                with env.begin(write=True) as txn:
                    moved = txn.get(_HEAD, b"", db=self._dbs[_META]) != expected_head
                    if moved:
                        raise head_moved(self.item)
                    self._write(txn, batch)
                    txn.put(_HEAD, new_head, db=self._dbs[_META])
            except BaseException as error:
                self._poisoned = not moved
                if isinstance(error, lmdb.Error):
                    raise _fault(self.item, error) from error
                raise

    def _write(self, txn: lmdb.Transaction[bytes], batch: Batch) -> None:
        last: dict[Space, bytes] = {}
        for space in _APPENDED:
            cursor = txn.cursor(db=self._dbs[space])
            last[space] = cursor.key() if cursor.last() else b""
        for space, key, value in batch.puts:
            append = space in _APPENDED and key > last[space]
            txn.put(key, value, db=self._dbs[space], append=append)
            if append:
                last[space] = key
        for space, key in batch.deletes:
            txn.delete(key, db=self._dbs[space])
        pack = _NATIVE.pack
        for prefix, position in batch.unindex:
            txn.delete(pack(prefix), pack(position), db=self._dbs[_INDEX])
        if batch.index:
            pairs = [(pack(prefix), pack(position)) for prefix, position in sorted(batch.index)]
            txn.cursor(db=self._dbs[_INDEX]).putmulti(pairs, dupdata=True)

    def reopen(self) -> None:
        """Close the environment, look at the file again, open it; lifts the poison (contract)."""
        self.close()
        self._open()
        self._poisoned = False

    def close(self) -> None:
        """Let go of the environment (contract). In a forked child: drop it, and leave the parent's alone."""
        if self._pid != os.getpid():
            self._leave_parent()
            self._pid = os.getpid()
        with self._lock, self._uses:
            if len(self._snapshots):
                raise snapshots_open(self.item)
            if self._env is not None:
                self._env.close()
            self._env = None
            self._dbs = {}
