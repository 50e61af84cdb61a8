"""Is an LMDB data file whole, before it is mapped?

A process that reads a mapped page beyond the end of its file dies of SIGBUS, with no exception to catch; so it may if
a page says that its nodes lie elsewhere, for LMDB believes what a page says. So the file is looked at with plain reads
first.

The format is that of LMDB 0.9 (`mdb.c`: MDB_page, MDB_meta, MDB_db, MDB_node), in native byte order, for 64 bits:
pages 0 and 1 are meta pages, of which the one with the greater transaction id is in force; it names the last page
allocated and the roots of two trees, free pages and main.

A file that this machine wrote is taken as whole if it is as long as its last page. A shorter file is not damaged for
certain: LMDB never writes a page that was allocated and let go of within one transaction, and such pages may be the
last. Then the trees are walked (`ledger.store.pagewalk`), and the file is damaged iff a page that they reach lies
beyond its end. A file that somebody else may have made (`is_distrusted`) is always walked.

A writer may use a page again two commits after it let go of it. So what a walk finds while others commit is looked at
once more.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from ledger.errors import RefusedInput, StoreFault
from ledger.store.files import open_regular
from ledger.store.pagewalk import HEADER, TREE, Broken, Tree, walk_pages

_MAGIC: Final = 0xBEEFC0DE
_DATA_VERSION: Final = 1
_META: Final = struct.Struct(
    "=IIQQ48s48sQQ"
)  # magic, version, address, map size, free, main, last page, txn id
_META_PAGE: Final = 0x08
_PAGE_SIZES: Final = frozenset(2**n for n in range(9, 17))
_FILE_BYTES_MAX: Final = 2**46  # more than any file system holds in one file, less than LMDB could map
_LOOKS: Final = 16  # at a file that is being written


@dataclass(frozen=True, slots=True)
class Meta:
    """What a meta page says: the size of pages, the last page, the transaction, and the trees of free pages and of all else."""

    page_bytes: int
    last_page: int
    txn_id: int
    free: Tree
    main: Tree


def _damaged(path: Path, reason: str) -> StoreFault:
    return StoreFault(
        "ledger-damaged",
        str(path),
        reason,
        "restore a backup of the ledger's folder",
    )


def _read_meta(path: Path, file: BinaryIO, offset: int) -> Meta:
    file.seek(offset)
    raw = file.read(HEADER.size + _META.size)
    if len(raw) < HEADER.size + _META.size:
        raise _damaged(path, f"the file ends within its meta page at byte {offset}")
    flags = HEADER.unpack_from(raw)[2]
    magic, version, _, _, free, main, last_page, txn_id = _META.unpack_from(raw, HEADER.size)
    if not flags & _META_PAGE or magic != _MAGIC:
        raise _damaged(path, f"there is no LMDB meta page at byte {offset}")
    if version != _DATA_VERSION:
        raise RefusedInput(
            "ledger-newer",
            str(path),
            f"its LMDB data format is version {version}; this program reads version {_DATA_VERSION}",
            "upgrade lineage-ledger",
        )
    page_bytes = TREE.unpack(free)[0]  # of the tree of free pages, the first field is the size of all pages
    if page_bytes not in _PAGE_SIZES:
        raise _damaged(path, f"the meta page at byte {offset} states a page size of {page_bytes} bytes")
    if (last_page + 1) * page_bytes > _FILE_BYTES_MAX:
        raise _damaged(
            path, f"the meta page at byte {offset} states {last_page + 1} pages, more than there can be"
        )
    return Meta(page_bytes, last_page, txn_id, Tree.unpack(free), Tree.unpack(main))


def read_metas(path: Path, file: BinaryIO) -> tuple[Meta, Meta]:
    """Both meta pages of a data file, the one in force first. Raises as `check_data_file`, and OSError."""
    first = _read_meta(path, file, 0)
    second = _read_meta(path, file, first.page_bytes)
    if first.page_bytes != second.page_bytes:
        raise _damaged(path, "its two meta pages state different page sizes")
    older, newer = sorted((first, second), key=lambda found: found.txn_id)
    return newer, older


def _newest_meta(path: Path, file: BinaryIO) -> Meta:
    return read_metas(path, file)[0]


def check_data_file(path: Path, *, is_distrusted: bool = False) -> int:
    """The bytes the file should have: (last page + 1) · page size. It may be shorter, see the module.

    Raises RefusedInput `not-a-ledger` (no such file), `ledger-newer`; StoreFault `ledger-damaged`, `not-a-regular-file`,
    `store-failed`.
    """
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            for _ in range(_LOOKS):
                meta = _newest_meta(path, file)
                try:
                    _look(file, meta, is_distrusted=is_distrusted)
                except Broken as error:
                    if _newest_meta(path, file).txn_id == meta.txn_id:
                        raise _damaged(path, str(error)) from None
                else:
                    return (meta.last_page + 1) * meta.page_bytes
    except FileNotFoundError:
        raise RefusedInput(
            "not-a-ledger", str(path), "there is no such file", "name the folder of a ledger, or make one"
        ) from None
    except OSError as error:
        raise StoreFault("store-failed", str(path), f"it cannot be read ({error.strerror})") from error
    raise StoreFault(
        "store-failed",
        str(path),
        "it is written faster than it can be looked at",
        "wait for its writer to end",
    )


def _look(file: BinaryIO, meta: Meta, *, is_distrusted: bool) -> None:
    # The size is read after the metas: a writer lengthens the file before it writes a meta page.
    size = os.fstat(file.fileno()).st_size
    if is_distrusted or size < (meta.last_page + 1) * meta.page_bytes:
        walk_pages(
            file, meta.page_bytes, min(size // meta.page_bytes, meta.last_page + 1), meta.free, meta.main
        )
