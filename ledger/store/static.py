"""A log as a tree of files that any web server can serve (C2SP tlog-tiles).

    checkpoint                          the newest signed checkpoint: the one file that changes
    tile/<L>/<N>[.p/<W>]                256 (or W) hashes of level L
    tile/entries/<N>[.p/<W>]            256 (or W) entries
    records/<N>[.p/<W>]                 256 (or W) records; ours, in the form of entries (SPEC §8.2)

A partial file may be deleted once the full one stands, so a reader that wants a partial one falls back to the full
one and takes what it needs of it. What is read is only *shaped* here: that it hashes to the checkpoint's root is
for the caller to compute.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

from ledger.errors import StoreFault
from ledger.spec import HASH_BYTES, TILE_HEIGHT, TILE_WIDTH
from ledger.store.bundles import offsets
from ledger.store.contract import Space
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

    def _file(self, full: str, partial: str) -> tuple[Path, bytes]:
        """The bytes at the partial path, or else at the full one; both are equal for a full tile."""
        for name in (partial, full):
            path = self._folder / name
            try:
                return path, path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise StoreFault(
                    "store-failed", str(path), f"it cannot be read ({error.strerror})"
                ) from error
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
        """The published checkpoint, as a signed note. Raises StoreFault `tile-missing`."""
        return self._file(CHECKPOINT_PATH, CHECKPOINT_PATH)[1]

    def hashes(self, level: int, number: int) -> bytes:
        """The hashes of a tile, 32 bytes each: up to 256, as many as a log of this size has.

        Raises StoreFault `tile-missing` (a tile that this size does not have, too) and `bundle-damaged`.
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
