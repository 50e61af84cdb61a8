"""Scrubbing: what an LMDB data file remembers of values that its trees hold no more is overwritten (SPEC §10.10).

LMDB copies a page to change it, and leaves the old one as it was until it needs the room: a value that was replaced survives
in free pages, and in the unused middle of pages from which it was taken. So after an erasure every byte that no tree
reaches is overwritten with zeros, in the file, which is never replaced: its size, trees and transactions stay as they are,
and whatever stops it leaves a sound file. Once more is no harm.

The trees of both meta pages are walked, since the older one is in force should the newer be lost. So who erases commits
once more before he scrubs: then neither reaches what was erased.

It is done while nobody has the environment open, this process included. A reader may stand at an older transaction, and a writer
keeps pages in memory whose unused parts it would write again. LMDB has whoever opens an environment hold a shared lock on the
first byte of `lock.mdb` (`mdb_env_excl_lock`), and waits for it: who holds it alone keeps all others out for as long.

What flash memory, a file system that copies on write, and backups remember is out of reach.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from ledger.errors import RefusedInput, StoreFault
from ledger.store.datafile import Meta, read_metas
from ledger.store.files import open_regular, overwrite
from ledger.store.pagewalk import Broken, Held, walk_pages

_DATA_FILE: Final = "data.mdb"
_LOCK_FILE: Final = "lock.mdb"
_META_PAGES: Final = 2
_PIECE_BYTES: Final = 1_048_576


def scrub(folder: Path) -> int:
    """Overwrites what the store in `folder` remembers and does not hold; how many bytes were not zero.

    The caller holds the writer's lock, and has closed the store. Raises StoreFault `store-shared` (somebody has it open;
    nothing was done), `ledger-damaged`, `store-failed`; RefusedInput `platform`.
    """
    path = folder / _DATA_FILE
    try:
        with _alone(folder), os.fdopen(open_regular(path, os.O_RDWR), "r+b", buffering=0) as file:
            metas = read_metas(path, file)
            pages = -(-os.fstat(file.fileno()).st_size // metas[0].page_bytes)
            spare = _Spare(metas[0].page_bytes, pages)
            for meta in metas:
                _walk(path, file, meta, spare)
            changed = sum(_clear(file, start, stop) for start, stop in spare.ranges())
            os.fsync(file.fileno())
            return changed
    except OSError as error:
        raise StoreFault(
            "store-failed",
            str(path),
            f"it cannot be overwritten ({error.strerror})",
            "look to the folder and its disk, and do it once more",
        ) from error


class _Spare:
    """Which bytes of a file no tree reaches."""

    def __init__(self, page_bytes: int, pages: int) -> None:
        self._page_bytes = page_bytes
        self._pages = pages
        self._held = bytearray(pages)
        self._held[:_META_PAGES] = b"\1" * _META_PAGES
        self._within: set[tuple[int, int]] = set()

    def hold(self, held: Held) -> None:
        """A tree holds these pages."""
        count = held.last - held.first + 1
        self._held[held.first : held.last + 1] = b"\1" * count
        if held.stop > held.start:
            self._within.add((held.start, held.stop))

    def ranges(self) -> Iterator[tuple[int, int]]:
        """From where to where, ascending in each of the two kinds: pages that nothing holds, then what is unused in the others."""
        start = self._held.find(0)
        while start >= 0:
            stop = self._held.find(1, start)
            stop = self._pages if stop < 0 else stop
            yield start * self._page_bytes, stop * self._page_bytes
            start = self._held.find(0, stop)
        yield from sorted(self._within)


def _walk(path: Path, file: BinaryIO, meta: Meta, spare: _Spare) -> None:
    size = os.fstat(file.fileno()).st_size
    pages = min(size // meta.page_bytes, meta.last_page + 1)
    try:
        walk_pages(file, meta.page_bytes, pages, meta.free, meta.main, spare.hold)
    except Broken as error:
        raise StoreFault(
            "ledger-damaged",
            str(path),
            f"{error}; nothing was overwritten",
            "restore a backup of the ledger's folder",
        ) from error


def _clear(file: BinaryIO, start: int, stop: int) -> int:
    """Zeros in a range of the file, where they are not there already; how many bytes were others."""
    changed = 0
    for at in range(start, stop, _PIECE_BYTES):
        file.seek(at)
        data = file.read(min(_PIECE_BYTES, stop - at))
        others = len(data) - data.count(0)
        if others:
            overwrite(file, at, at + len(data))
            changed += others
    return changed


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody has the environment open, and whoever would open it waits."""
    try:
        import fcntl  # noqa: PLC0415 - POSIX alone has it
    except ImportError:
        raise RefusedInput(
            "platform",
            str(folder),
            "LMDB's lock cannot be taken here from outside, as the system has no fcntl",
            "Copy the ledger to a system that has it, or restore it from a published copy.",
        ) from None
    with os.fdopen(open_regular(folder / _LOCK_FILE, os.O_RDWR), "r+b", buffering=0) as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0, os.SEEK_SET)
        except (BlockingIOError, PermissionError):
            raise StoreFault(
                "store-shared",
                str(folder),
                "another process has the ledger open, and may hold pages that are to be overwritten",
                "End what reads or writes it (a gate, a batch, a session), then do it once more.",
            ) from None
        yield
