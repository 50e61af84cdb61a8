"""Is an LMDB data file whole, before it is mapped?

A process that reads a mapped page beyond the end of its file dies of SIGBUS, with no exception to catch. So the
file is looked at with plain reads first.

The format is that of LMDB 0.9 (`mdb.c`: MDB_page, MDB_meta, MDB_db, MDB_node), in native byte order, for 64 bits:
pages 0 and 1 are meta pages, of which the one with the greater transaction id is in force; it names the last page
allocated and the roots of two trees, free pages and main. A file as long as its last page is taken as whole.

A shorter file is not damaged for certain: LMDB never writes a page that was allocated and let go of within one
transaction, and such pages may be the last. Then, and only then, the trees are walked, and the file is damaged iff
a page that they reach lies beyond its end.
"""

from __future__ import annotations

import os
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from ledger.errors import RefusedInput, StoreFault

_MAGIC: Final = 0xBEEFC0DE
_DATA_VERSION: Final = 1
_HEADER: Final = struct.Struct(
    "=QHHHH"
)  # page number, pad, flags, lower, upper; or u32 pages for an overflow
_META: Final = struct.Struct(
    "=IIQQ48s48sQQ"
)  # magic, version, address, map size, free, main, last page, txn id
_TREE: Final = struct.Struct(
    "=IHHQQQQQ"
)  # page size (of free), flags, depth, branch, leaf, overflow, entries, root
_NODE: Final = struct.Struct("=HHHH")  # low and high half of size (or page number), flags, key size
_U64: Final = struct.Struct("=Q")
_BRANCH: Final = 0x01
_LEAF: Final = 0x02
_META_PAGE: Final = 0x08
_LEAF2: Final = 0x20  # fixed-size duplicates, no nodes
_BIG_DATA: Final = 0x01
_SUB_TREE: Final = 0x02
_NO_ROOT: Final = 2**64 - 1
_PAGE_SIZES: Final = frozenset(2**n for n in range(9, 17))


@dataclass(frozen=True, slots=True)
class _Meta:
    page_bytes: int
    last_page: int
    txn_id: int
    roots: tuple[int, int]


def _damaged(path: Path, reason: str) -> StoreFault:
    return StoreFault(
        "ledger-damaged",
        str(path),
        reason,
        "restore a backup (`lineage log restore`), or rebuild from a published copy of the log",
    )


def _read_meta(path: Path, file: BinaryIO, offset: int) -> _Meta:
    file.seek(offset)
    raw = file.read(_HEADER.size + _META.size)
    if len(raw) < _HEADER.size + _META.size:
        raise _damaged(path, f"the file ends within its meta page at byte {offset}")
    flags = _HEADER.unpack_from(raw)[2]
    magic, version, _, _, free, main, last_page, txn_id = _META.unpack_from(raw, _HEADER.size)
    if not flags & _META_PAGE or magic != _MAGIC:
        raise _damaged(path, f"there is no LMDB meta page at byte {offset}")
    if version != _DATA_VERSION:
        raise RefusedInput(
            "ledger-newer",
            str(path),
            f"its LMDB data format is version {version}; this program reads version {_DATA_VERSION}",
            "upgrade lineage-ledger",
        )
    free_tree, main_tree = _TREE.unpack(free), _TREE.unpack(main)
    if free_tree[0] not in _PAGE_SIZES:
        raise _damaged(path, f"the meta page at byte {offset} states a page size of {free_tree[0]} bytes")
    return _Meta(free_tree[0], last_page, txn_id, (free_tree[-1], main_tree[-1]))


def check_data_file(path: Path) -> int:
    """The bytes the file should have: (last page + 1) · page size. It may be shorter, see the module.

    Raises RefusedInput `not-a-ledger` (no such file), `ledger-newer`; StoreFault `ledger-damaged`.
    """
    try:
        with path.open("rb") as file:
            first = _read_meta(path, file, 0)
            second = _read_meta(path, file, first.page_bytes)
            meta = max(first, second, key=lambda found: found.txn_id)
            # The size is read after the metas: a writer lengthens the file before it writes a meta page.
            size = os.fstat(file.fileno()).st_size
            if size < (meta.last_page + 1) * meta.page_bytes:
                _walk(path, file, meta, size // meta.page_bytes)
            return (meta.last_page + 1) * meta.page_bytes
    except FileNotFoundError:
        raise RefusedInput(
            "not-a-ledger", str(path), "there is no such file", "name the folder of a ledger, or make one"
        ) from None
    except OSError as error:
        raise StoreFault("store-failed", str(path), f"it cannot be read ({error.strerror})") from error


def _cut(path: Path, pages: int, number: int) -> StoreFault:
    return _damaged(path, f"the file was cut short: it has {pages} pages, and page {number} is in use")


def _node(page: bytes, place: int) -> tuple[int, int, int, int]:
    """(low half, high half, flags, key size) of a node; MDB_node swaps the halves on big-endian machines."""
    low, high, flags, key_bytes = _NODE.unpack_from(page, place)
    return (low, high, flags, key_bytes) if sys.byteorder == "little" else (high, low, flags, key_bytes)


def _walk(path: Path, file: BinaryIO, meta: _Meta, pages: int) -> None:
    """Visit every page that the roots reach; raises StoreFault if one is not among the first `pages`."""
    pending = [root for root in meta.roots if root != _NO_ROOT]
    visited = 0
    while pending:
        number = pending.pop()
        visited += 1
        if number >= pages or visited > meta.last_page + 1:
            raise _cut(path, pages, number)
        file.seek(number * meta.page_bytes)
        page = file.read(meta.page_bytes)
        found, _, flags, lower, _ = _HEADER.unpack_from(page)
        if found != number or not flags & (_BRANCH | _LEAF) or lower > meta.page_bytes:
            raise _damaged(path, f"page {number} is not a page of a tree")
        if flags & _LEAF2:
            continue
        try:
            for place in struct.unpack_from(f"={(lower - _HEADER.size) // 2}H", page, _HEADER.size):
                if flags & _BRANCH:
                    low, high, top, _ = _node(page, place)
                    child = low | high << 16 | top << 32
                else:
                    child = _follow(path, page, place, pages)
                if child != _NO_ROOT:
                    pending.append(child)
        except struct.error:
            raise _damaged(path, f"page {number} has a node that leaves the page") from None


def _follow(path: Path, page: bytes, place: int, pages: int) -> int:
    """The page that the node at `place` of a leaf points at, or _NO_ROOT; an overflow run is checked at once."""
    low, high, flags, key_bytes = _node(page, place)
    data = place + _NODE.size + key_bytes
    if flags & _BIG_DATA:
        start: int = _U64.unpack_from(page, data)[0]
        run = (_HEADER.size + (low | high << 16) + len(page) - 1) // len(page)
        if start + run > pages:
            raise _cut(path, pages, start + run - 1)
    elif flags & _SUB_TREE:
        root: int = _TREE.unpack_from(page, data)[-1]
        return root
    return _NO_ROOT
