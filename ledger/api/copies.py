"""A copy of a log at hand, by which two log checkpoints are compared (SPEC §12.4): a published folder, or a ledger's own.

Of either only the tiles are read that a consistency proof needs: a few of each level, however large the log is. None is
believed; a hash counts as far as it leads to a root that the log signed, and that is for the caller to verify
(`ledger.proofs.views.compare`). The copy's own log checkpoint must be the log's: a folder of another log was mistaken for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Final

from ledger.errors import NotFound, ProofInvalid, RefusedInput
from ledger.identity.vkey import Vkey
from ledger.merkle import tiles
from ledger.merkle.proofs import consistency_path
from ledger.proofs.checkpoint import Checkpoint, Signed, open_checkpoint
from ledger.proofs.note import parse_note
from ledger.spec import HASH_BYTES, ORIGIN_CHARS_MAX
from ledger.store.folder import MARKER_FILE, open_folder
from ledger.store.head import decode_head
from ledger.store.lmdb import LmdbStore
from ledger.store.reader import StoreReader
from ledger.store.static import CHECKPOINT_PATH, StaticReader

_TILES_CACHED: Final = 64  # of 16 KiB: two paths need a few of each level


class LogCopy:
    """A `ledger.proofs.views.Copy` in a folder; `signed`: its log checkpoint, which the log signed."""

    def __init__(self, folder: Path, signed: Signed, read_tile: tiles.ReadTile) -> None:
        self.folder = folder
        self.signed = signed
        self._read_tile = lru_cache(_TILES_CACHED)(read_tile)

    @property
    def size(self) -> int:
        """Entries that its log checkpoint is of."""
        return self.signed.checkpoint.size

    def root_at(self, size: int) -> bytes:
        """The root of its first entries. Raises StoreFault for tiles that it lacks."""
        return tiles.root(self._read_tile, size)

    def consistency_path(self, old_size: int, new_size: int, /) -> list[bytes]:
        """From its first `old_size` entries to its first `new_size`. Raises StoreFault for tiles that it lacks."""
        return consistency_path(self._read_tile, old_size, new_size)


@contextmanager
def open_copy(folder: str | os.PathLike[str], vkey: Vkey) -> Iterator[LogCopy]:
    """The copy in a folder, published or a ledger's, of the log of `vkey`.

    Raises RefusedInput `not-a-ledger` for neither, `ambiguous` for both, `wrong-log`; NotFound `log-not-begun`; ProofInvalid
    `note-invalid`, `checkpoint-invalid` if the log did not sign its checkpoint; StoreFault for what cannot be read.
    """
    path = Path(folder)
    if is_published(path):
        note = StaticReader(path, 0, 0).checkpoint()
        signed = _signed(path, note, vkey)
        reader = StaticReader(path, signed.checkpoint.size, 0)
        yield LogCopy(path, signed, lambda level, number: _expanded(reader.hashes(level, number)))
        return
    open_folder(path)
    store = LmdbStore(path, readonly=True)
    try:
        with store.snapshot() as snapshot:
            note = decode_head(bytes(snapshot.head())).note
            if not note:
                raise NotFound(
                    "log-not-begun",
                    str(path),
                    "it holds no signed checkpoint yet",
                    "Name another copy of it.",
                )
            yield LogCopy(path, _signed(path, note, vkey), StoreReader(snapshot).tile)
    finally:
        store.close()


def is_published(folder: Path) -> bool:
    """Whether a published log lies in a folder, and no ledger. Raises RefusedInput `ambiguous` for both."""
    if not os.path.lexists(folder / CHECKPOINT_PATH):
        return False
    if os.path.lexists(folder / MARKER_FILE):
        raise RefusedInput(
            "ambiguous",
            str(folder),
            "a ledger and a published copy lie in it, and either could vouch for the other",
            "Move one of them to a folder of its own.",
        )
    return True


def wrong_log(folder: Path, origin: str) -> RefusedInput:
    """The error for a folder of another log than the one asked for."""
    return RefusedInput(
        "wrong-log",
        str(folder),
        f"it is of the log {origin!a}, not of the one that is named",
        "Give the vkey of that log, or a folder of the other one.",
    )


def _signed(folder: Path, note: bytes, vkey: Vkey) -> Signed:
    try:
        origin = Checkpoint.parse(parse_note(note).text).origin
        if origin != vkey.name:
            raise wrong_log(folder, origin[:ORIGIN_CHARS_MAX])
        return Signed(note, open_checkpoint(note, [vkey]))
    except ProofInvalid as error:
        fix = f"Name a copy of {vkey.name}, or fetch it again."
        raise ProofInvalid(error.code, f"{folder}: {error.item}", error.reason, fix) from error


def _expanded(row: bytes) -> bytes:
    return tiles.expand([row[at : at + HASH_BYTES] for at in range(0, len(row), HASH_BYTES)])
