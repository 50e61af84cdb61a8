r"""Rows sidecars: the row digests under a `rows` record, and what finds one of them, in one file a record (SPEC §10.7).

    rows/<64 hex digits>   lineage/rows/v1\n  u32 count  u32 length  record  digests  order  groups

`digests` are 32 bytes a row in row order; `order` u32 row indices, ascending by (digest, row); `groups` one hash for every 256
rows. All of it follows from digests and record, so that one name stands for one content, here and where a log is published.

Nothing in it is believed: what is read is only shaped here. That the digests have the root in the record, which is signed, is for
the caller to compute (`ledger.proofs.rows`), and to compute again for each row that is found.

A file is read by seeking, not mapped into memory: one that is cut short while it is read must not end the process.
"""

from __future__ import annotations

import os
import re
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self, overload

from ledger.errors import StoreFault
from ledger.spec import HASH_BYTES, RECORD_BYTES_MAX, ROWS_GROUP, ROWS_MAGIC, ROWS_MAX
from ledger.store.files import destroy, is_to_destroy, make_folders, open_regular, refuse_links, writing

FOLDER: Final = "rows"
POSITION_BYTES: Final = 4
_NAME: Final = re.compile(r"[0-9a-f]{64}\Z", re.ASCII)
_LENGTHS: Final = struct.Struct(">II")
_HEAD_BYTES: Final = len(ROWS_MAGIC) + _LENGTHS.size
_PIECE_BYTES: Final = 1_048_576
_FIX: Final = (
    "Bring it from a published copy of the log, or make it anew from the dataset: lineage import --rebuild"
)


class RowsFile:
    """A sidecar open for reading. For one thread; close it, or use `with`.

    Raises StoreFault `rows-missing`, `rows-damaged` (it is no sidecar, or not whole), `not-a-regular-file`, `store-failed`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = os.fdopen(open_regular(path), "rb", buffering=0)
        except (FileNotFoundError, NotADirectoryError):
            raise StoreFault("rows-missing", str(path), "there is no such sidecar", _FIX) from None
        except OSError as error:
            raise _unreadable(path, error) from error
        try:
            self.count, self.record = self._read_head()
        except BaseException:
            self._file.close()
            raise

    def _read_head(self) -> tuple[int, bytes]:
        head = self._read(0, _HEAD_BYTES)
        count, length = _LENGTHS.unpack_from(head, len(ROWS_MAGIC))
        if (
            not head.startswith(ROWS_MAGIC)
            or not 1 <= count <= ROWS_MAX
            or not 1 <= length <= RECORD_BYTES_MAX
        ):
            raise rows_damaged(self.path, "it does not begin as a sidecar does")
        self._digests_at = _HEAD_BYTES + length
        self._order_at = self._digests_at + count * HASH_BYTES
        self._groups_at = self._order_at + count * POSITION_BYTES
        self.size_bytes = self._groups_at + -(-count // ROWS_GROUP) * HASH_BYTES
        found = os.fstat(self._file.fileno()).st_size
        if found != self.size_bytes:
            raise rows_damaged(
                self.path, f"it has {found} bytes; of {count} rows it would have {self.size_bytes}"
            )
        return count, self._read(_HEAD_BYTES, length)

    def digests(self, start: int, stop: int) -> bytes:
        """The digests of rows [start, stop), 32 bytes each, as far as there are so many rows."""
        start, stop = max(0, start), min(stop, self.count)
        return self._read(self._digests_at + start * HASH_BYTES, max(0, stop - start) * HASH_BYTES)

    def digest(self, row: int) -> bytes:
        """The digest of one row; of a row that is not there, which a damaged order may name, b""."""
        return self.digests(row, row + 1) if 0 <= row < self.count else b""

    @property
    def order(self) -> Order:
        """The row indices by (digest, row), read as they are asked for."""
        return Order(self)

    def order_bytes(self, start: int, stop: int) -> bytes:
        """A part of the order, 4 bytes a row."""
        return self._read(self._order_at + start * POSITION_BYTES, (stop - start) * POSITION_BYTES)

    def groups(self) -> bytes:
        """The hashes of all groups, 32 bytes each."""
        return self._read(self._groups_at, self.size_bytes - self._groups_at)

    def pieces(self) -> Iterator[bytes]:
        """The whole file, piece by piece."""
        for at in range(0, self.size_bytes, _PIECE_BYTES):
            yield self._read(at, min(_PIECE_BYTES, self.size_bytes - at))

    def _read(self, at: int, size: int) -> bytes:
        try:
            self._file.seek(at)
            found = self._file.read(size)
            while found and len(found) < size and (more := self._file.read(size - len(found))):
                found += more
        except OSError as error:
            raise _unreadable(self.path, error) from error
        if len(found) != size:
            raise rows_damaged(self.path, "it is cut short")
        return found

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Order(Sequence[int]):
    """The order of a sidecar as a sequence of row indices."""

    def __init__(self, rows: RowsFile) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return self._rows.count

    @overload
    def __getitem__(self, place: int) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[int]: ...
    def __getitem__(self, place: int | slice) -> int | Sequence[int]:
        if isinstance(place, slice):
            start, stop, _ = slice(place.start, place.stop).indices(len(self))
            data = self._rows.order_bytes(start, max(start, stop))
            return struct.unpack(f">{len(data) // POSITION_BYTES}I", data)[:: place.step]
        if not 0 <= place < len(self):
            raise IndexError(place)
        return int.from_bytes(self._rows.order_bytes(place, place + 1), "big")


class RowsFolder:
    """The sidecars in a ledger's folder, or in one that a log is published to. Nothing is made before the first `put`."""

    def __init__(self, folder: Path) -> None:
        self._above = folder
        self.folder = folder / FOLDER

    def path(self, artifact_id: bytes) -> Path:
        """Where the sidecar of a record lies, by the record's artifact id."""
        return self.folder / artifact_id.hex()

    def is_there(self, artifact_id: bytes) -> bool:
        """Whether something has the name of its sidecar."""
        return os.path.lexists(self.path(artifact_id))

    def open(self, artifact_id: bytes) -> RowsFile:
        """The sidecar of a record. Raises StoreFault as `RowsFile`, and `link-refused`."""
        refuse_links(self._above, f"{FOLDER}/{artifact_id.hex()}")
        return RowsFile(self.path(artifact_id))

    def ids(self) -> list[bytes]:
        """The artifact ids of all sidecars that are there, ascending; not all of them need be of this log, or whole."""
        return [bytes.fromhex(path.name) for path in self._listed() if _NAME.match(path.name)]

    def put(self, artifact_id: bytes, record: bytes, count: int, parts: Iterable[bytes | bytearray]) -> bool:
        """Makes a sidecar durable under its name; True unless it was there already, byte for byte.

        `parts`: digests, order and groups, one behind the other. What was there and differs was damaged, and is replaced.
        Raises StoreFault `store-failed`, `link-refused`.
        """
        refuse_links(self._above, f"{FOLDER}/{artifact_id.hex()}")
        path = self.path(artifact_id)
        whole: list[bytes | bytearray] = [ROWS_MAGIC, _LENGTHS.pack(count, len(record)), record, *parts]
        try:
            make_folders(self.folder)
            if _holds(path, whole):
                with suppress(OSError):
                    os.utime(path)  # it is young again: whoever clears away what is old leaves it
                return False
            with writing(path) as file:
                for part in whole:
                    file.write(part)
        except OSError as error:
            raise _unwritable(path, error) from error
        return True

    def copy(self, artifact_id: bytes, sidecar: RowsFile) -> None:
        """Makes a copy of a sidecar that is open durable here. Raises StoreFault `store-failed`, and as `RowsFile`."""
        try:
            make_folders(self.folder)
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        with writing(self.path(artifact_id)) as file:
            for piece in sidecar.pieces():
                file.write(piece)

    def remove(self, artifact_id: bytes) -> None:
        """Lets go of a sidecar, if it is there. Raises StoreFault `store-failed`."""
        try:
            self.path(artifact_id).unlink(missing_ok=True)
        except OSError as error:
            raise StoreFault(
                "store-failed", str(self.path(artifact_id)), f"it cannot be removed ({error.strerror})"
            ) from error

    def is_kept(self, artifact_id: bytes) -> bool:
        """Whether there is anything to destroy: a sidecar, or what a crash left of one."""
        return is_to_destroy(self.path(artifact_id))

    def destroy(self, artifact_id: bytes) -> bool:
        """Forgets a sidecar for good; whether there was one. Raises StoreFault `link-refused`, and as `ledger.store.files.destroy`."""
        refuse_links(self._above, FOLDER)
        return destroy(self.path(artifact_id))

    def age_s(self, artifact_id: bytes) -> float:
        """How long ago a sidecar was written, in seconds; 0 where that cannot be told."""
        return _age_s(self.path(artifact_id))

    def sweep(self, older_s: float) -> int:
        """Removes what was left half written so long ago or more; how many."""
        removed = 0
        for path in self._listed():
            if path.name.startswith(".") and path.name.endswith(".tmp") and _age_s(path) >= older_s:
                with suppress(OSError):
                    path.unlink()
                    removed += 1
        return removed

    def _listed(self) -> list[Path]:
        try:
            return sorted(self.folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise _unreadable(self.folder, error) from error


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.lstat().st_mtime
    except OSError:
        return 0


def _holds(path: Path, parts: Iterable[bytes | bytearray]) -> bool:
    """Whether a regular file has exactly these bytes."""
    try:
        with os.fdopen(open_regular(path), "rb", buffering=_PIECE_BYTES) as file:
            return all(file.read(len(part)) == part for part in parts) and not file.read(1)
    except FileNotFoundError:
        return False


def rows_damaged(path: Path, reason: str) -> StoreFault:
    """The fault of a sidecar that is none, or not that of its record."""
    return StoreFault("rows-damaged", str(path), reason, _FIX)


def _unwritable(path: Path, error: OSError) -> StoreFault:
    return StoreFault(
        "store-failed",
        str(path),
        f"it cannot be written ({error.strerror})",
        "Look to the folder and its disk.",
    )


def _unreadable(path: Path, error: OSError) -> StoreFault:
    return StoreFault(
        "store-failed", str(path), f"it cannot be read ({error.strerror})", "Look to the folder and its disk."
    )
