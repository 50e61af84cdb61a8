"""The head of a ledger's store: how far entries are stored, and the note of the checkpoint that readers see (SPEC §10.4).

Between the two transactions of a commit, `size` runs ahead of the note; a writer that opens the ledger then finishes
the commit. The note is opaque here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from ledger.errors import StoreFault

_SIZES: Final = struct.Struct(">QQ")


@dataclass(frozen=True, slots=True)
class Head:
    """`size` entries and `records` records are stored; `note` is the newest signed checkpoint, b"" before the first."""

    size: int = 0
    records: int = 0
    note: bytes = b""

    def encode(self) -> bytes:
        """The bytes that the store keeps; b"" for an empty store."""
        return _SIZES.pack(self.size, self.records) + self.note if self.size else b""


def decode_head(data: bytes) -> Head:
    """Reads a stored head. Raises StoreFault `ledger-damaged`."""
    if not data:
        return Head()
    if len(data) < _SIZES.size:
        raise StoreFault(
            "ledger-damaged", "head", "it is cut short", "Restore a backup, or run `lineage audit`."
        )
    size, records = _SIZES.unpack_from(data)
    return Head(size, records, data[_SIZES.size :])
