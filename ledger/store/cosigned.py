"""Cosigned log checkpoints that are kept beside a log (SPEC §10.9).

    cosigned/<size, 20 digits>.note     a note of the log checkpoint of that size, with the lines that witnesses gave
             .lock                      held by who replaces one

Bytes that nobody here understands: that a note holds, and is of the size its name says, is for the reader to find out. Each is
there whole or not at all. Other names are not touched. A name may be a link, a pipe or a giant: what is read is a regular file
of bounded size.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from ledger import spec
from ledger.errors import StoreFault
from ledger.store.files import (
    holds,
    make_folders,
    read_regular,
    refuse_links,
    sync_folder,
    write_atomically,
)
from ledger.store.lock import locked

FOLDER: Final = "cosigned"
_LOCK: Final = ".lock"
_NAME: Final = re.compile(r"(?P<size>[0-9]{20})\.note\Z", re.ASCII)
_BUSY: Final = ("cosigned-busy", "another process is keeping cosignatures")
_FIX: Final = "Move it away; the witnesses can be asked again: lineage log checkpoint --witness"


class KeptNote(NamedTuple):
    """What has the name of a kept note of `size`: its bytes, or why it cannot be read."""

    size: int
    path: Path
    note: bytes | None
    fault: StoreFault | None = None


class CosignedNotes:
    """Those of the ledger in `ledger`. Nothing is made before the first `put`; any process may read at any time."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self.folder = ledger / FOLDER

    def path(self, size: int) -> Path:
        """Where the note of that size lies, if it is kept."""
        return self.folder / f"{size:020}.note"

    def sizes(self) -> list[int]:
        """The sizes of which a note is kept, ascending; of more than twice as many as are kept the first and the last ones.

        Raises StoreFault `store-failed`, `link-refused`.
        """
        refuse_links(self._ledger, FOLDER)
        try:
            names = [path.name for path in self.folder.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreFault(
                "store-failed", str(self.folder), f"it cannot be read ({error.strerror})", _FIX
            ) from error
        found = sorted(int(match["size"]) for name in names if (match := _NAME.match(name)))
        half = spec.COSIGNED_KEPT_MAX  # one more than is kept must be seen, or none would ever go
        return found if len(found) <= 2 * half else [*found[:half], *found[-half:]]

    def look(self) -> list[KeptNote]:
        """All that are kept, ascending by size, also what cannot be read. Raises as `sizes`."""
        return [kept for size in self.sizes() if (kept := self._read(size)) is not None]

    def all(self) -> list[bytes]:
        """The notes that can be read, ascending by size; none of them is verified. Raises as `sizes`."""
        return [kept.note for kept in self.look() if kept.note is not None]

    def of(self, size: int) -> bytes | None:
        """The note of that size; None if there is none. Raises StoreFault for what cannot be read."""
        refuse_links(self._ledger, FOLDER)
        kept = self._read(size)
        if kept is None:
            return None
        if kept.fault is not None:
            raise kept.fault
        return kept.note

    def put(self, size: int, note: bytes) -> None:
        """Keeps a note durably, in the place of the one that is kept of that size. Hold the lock to join both. Raises StoreFault."""
        refuse_links(self._ledger, FOLDER)
        path = self.path(size)
        if not os.path.lexists(path) or not holds(path, note):
            write_atomically(path, note, replace=True)

    def drop(self, size: int) -> None:
        """Removes the note of that size, if there is one. Raises StoreFault `store-failed`."""
        path = self.path(size)
        try:
            path.unlink(missing_ok=True)
            sync_folder(self.folder)
        except OSError as error:
            raise StoreFault("store-failed", str(path), f"it cannot be removed ({error.strerror})") from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps other processes from replacing notes, and clears away what one that died left half written.

        Raises StoreFault `cosigned-busy`, `store-failed`, `link-refused`.
        """
        refuse_links(self._ledger, FOLDER)
        fix = "Look to the folder, its permissions and its disk."
        with locked(self.folder / _LOCK, spec.COSIGNED_WAIT_S, make_folders, _BUSY, fix):
            for left_over in self.folder.glob(".*.note.*.tmp"):
                with suppress(OSError):
                    left_over.unlink()
            yield

    def _read(self, size: int) -> KeptNote | None:
        path = self.path(size)
        try:
            return KeptNote(size, path, read_regular(path, spec.NOTE_BYTES_MAX))
        except StoreFault as fault:
            if fault.code == "file-not-found":
                return None
            return KeptNote(size, path, None, fault)
