"""A log as a tree of files that any web server can serve (C2SP tlog-tiles).

    checkpoint                          the newest signed checkpoint: the one file that changes
    tile/<L>/<N>[.p/<W>]                256 (or W) hashes of level L
    tile/entries/<N>[.p/<W>]            256 (or W) entries
    records/<N>[.p/<W>]                 256 (or W) records; ours, in the form of entries (SPEC §8.2)

A partial file may be deleted once the full one stands, so a reader that wants a partial one falls back to the full
one and takes what it needs of it. What is read is only *shaped* here: that it hashes to the checkpoint's root is
for the caller to compute.

A folder may come from a stranger. Only regular files of bounded size are read, and symbolic links below the folder are
refused: with them a few names would pass for the files of a log of any size.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Final

from ledger.errors import StoreFault
from ledger.spec import HASH_BYTES, NOTE_BYTES_MAX, TILE_HEIGHT, TILE_WIDTH
from ledger.store.bundles import BUNDLE_BYTES_MAX, offsets
from ledger.store.contract import Space
from ledger.store.files import read_regular, refuse_links
from ledger.store.reader import BundleReader

CHECKPOINT_PATH: Final = "checkpoint"
_CACHED_BUNDLES_MAX: Final = 16  # a full bundle has up to 16 MiB; most have less than 100 KiB
_FOLDERS: Final = {Space.ENTRIES: "tile/entries", Space.RECORDS: "records"}


def number_path(number: int, width: int = TILE_WIDTH) -> str:
    """<N>[.p/<W>]: 3-digit groups, all but the last behind an x; 1234067 of width 9 is x001/x234/067.p/9.

    The same rule stands in the room of the tree, which this room may not import.
    """
    digits = str(number)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[place : place + 3] for place in range(0, len(digits), 3)]
    path = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return path if width == TILE_WIDTH else f"{path}.p/{width}"


def entries_path(number: int, width: int = TILE_WIDTH) -> str:
    """The path of a bundle of `width` entries, 1 to 256."""
    return f"{_FOLDERS[Space.ENTRIES]}/{number_path(number, width)}"


def records_path(number: int, width: int = TILE_WIDTH) -> str:
    """The path of a bundle of `width` records, 1 to 256."""
    return f"{_FOLDERS[Space.RECORDS]}/{number_path(number, width)}"


def hashes_path(level: int, number: int, width: int = TILE_WIDTH) -> str:
    """The path of a tile of `width` hashes, 1 to 256."""
    return f"tile/{level}/{number_path(number, width)}"


def partial_width(name: str) -> int:
    """The width, 1 to 255, that the name of a partial file says; 0 if it is no such name."""
    width = int(name) if len(name) <= len(str(TILE_WIDTH)) and name.isascii() and name.isdecimal() else 0
    return width if width < TILE_WIDTH and name == str(width) else 0


def _bytes_max(name: str) -> int:
    if name == CHECKPOINT_PATH:
        return NOTE_BYTES_MAX
    is_bundle = name.startswith(tuple(f"{folder}/" for folder in _FOLDERS.values()))
    return BUNDLE_BYTES_MAX if is_bundle else TILE_WIDTH * HASH_BYTES


def _damaged(path: Path, reason: str) -> StoreFault:
    return StoreFault("bundle-damaged", str(path), reason, "fetch it again, or publish the log anew")


class StaticReader(BundleReader):
    """A LedgerReader over a published folder, as of a log of `size` entries and `record_count` records."""

    size: int
    record_count: int

    def __init__(self, folder: Path, size: int, record_count: int) -> None:
        super().__init__(size, record_count)
        self._folder = folder
        self._cached_bundle = lru_cache(_CACHED_BUNDLES_MAX)(self._read_bundle)

    def read(self, name: str) -> bytes:
        """The bytes of a file of the published log, by its path below the folder.

        Raises StoreFault `file-not-found`, `not-a-regular-file`, `link-refused`, `too-large`, `store-failed`.
        """
        refuse_links(self._folder, name)
        return read_regular(self._folder / name, _bytes_max(name))

    def widths(self, full_path: str) -> list[int]:
        """The widths that files stand in for a tile or bundle: of partial ones 1 to 255, of the full one 256.

        Raises StoreFault `link-refused`, `store-failed`.
        """
        partials = f"{full_path}.p"
        refuse_links(self._folder, partials)
        try:
            paths = list((self._folder / partials).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            paths = []
        except OSError as error:
            raise StoreFault(
                "store-failed", str(self._folder / partials), f"it cannot be read ({error.strerror})"
            ) from error
        is_full = os.path.lexists(self._folder / full_path)
        found = sorted(width for path in paths if (width := partial_width(path.name)))
        return [*found, *[TILE_WIDTH] * is_full]

    def _file(self, full: str, partial: str) -> tuple[Path, bytes]:
        """The bytes at the partial path, or else at the full one; both are equal for a full tile."""
        for name in (partial, full):
            try:
                return self._folder / name, self.read(name)
            except StoreFault as error:
                if error.code != "file-not-found":
                    raise
        raise StoreFault(
            "tile-missing",
            str(self._folder / partial),
            "the published log does not have it",
            "fetch it from the log or a mirror, or publish again",
        )

    def _bundle(self, space: Space, number: int) -> bytes:
        return self._cached_bundle(space, number)

    def _read_bundle(self, space: Space, number: int) -> bytes:
        total = self.size if space is Space.ENTRIES else self.record_count
        width = min(TILE_WIDTH, total - number * TILE_WIDTH)
        prefix = _FOLDERS[space]
        partial = f"{prefix}/{number_path(number, width)}"
        path, data = self._file(f"{prefix}/{number_path(number)}", partial)
        expected = width if path == self._folder / partial else TILE_WIDTH
        found = len(offsets(data, erasable=space is Space.RECORDS))
        if found != expected:
            raise _damaged(path, f"it holds {found} items, not {expected}")
        return data

    def checkpoint(self) -> bytes:
        """The published checkpoint, as a signed note. Raises StoreFault `tile-missing`, and as `read` does."""
        return self._file(CHECKPOINT_PATH, CHECKPOINT_PATH)[1]

    def hashes(self, level: int, number: int) -> bytes:
        """The hashes of a tile, 32 bytes each: up to 256, as many as a log of this size has.

        Raises StoreFault `tile-missing` (a tile that this size does not have, too) and `bundle-damaged`, and as
        `read` does.
        """
        width = min(TILE_WIDTH, (self.size >> TILE_HEIGHT * level) - number * TILE_WIDTH)
        if width <= 0 or number < 0:
            raise StoreFault(
                "tile-missing",
                hashes_path(level, number),
                f"a log of {self.size} entries does not have it",
                "ask for a tile of this size",
            )
        partial = hashes_path(level, number, width)
        path, data = self._file(hashes_path(level, number), partial)
        expected = width if path == self._folder / partial else TILE_WIDTH
        if len(data) != expected * HASH_BYTES:
            raise _damaged(path, f"it holds {len(data)} bytes, not {expected} hashes")
        return data[: width * HASH_BYTES]
