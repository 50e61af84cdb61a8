"""The digests of many rows, gathered: what a `rows` record is made of (SPEC §4.2)."""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from ledger import spec
from ledger.datasets.rows import Form
from ledger.errors import RefusedInput

RAW: Final = 1  # forms of rows, as bits: strings and lines
JCS: Final = 2  # any other JSON value
_FORMS: Final[dict[Form, int]] = {"raw": RAW, "jcs": JCS}
NO_LINE: Final = -1


class Digests:
    """Row digests in order, the sum of the rows' sizes, and which forms occurred."""

    __slots__ = ("forms", "hashes", "size_bytes")

    def __init__(self) -> None:
        self.hashes: list[bytes] = []
        self.size_bytes = 0
        self.forms = 0

    def add(self, content: bytes, form: Form) -> None:
        """One row more."""
        self.hashes.append(hashlib.sha256(content).digest())
        self.size_bytes += len(content)
        self.forms |= _FORMS[form]


class Fault(NamedTuple):
    """Why a row is refused: an error that names no row, for who met it did not know where the rows before begin."""

    code: str
    reason: str
    fix: str

    @classmethod
    def of(cls, error: RefusedInput) -> Fault:
        """What an error says."""
        return cls(error.code, error.reason, error.fix)


class Digested(NamedTuple):
    """A part of a shard: `digests` (32 bytes each) of its rows in order, the sum of their sizes, and their forms as bits.

    `fault`: why the row behind them is refused; then nothing behind it was read. Of lines: where in the file the first one begins
    (`NO_LINE`: none begins in this part), where the last one ends, and the CRC-32 of the part's bytes.
    """

    digests: bytes
    size_bytes: int
    forms: int
    fault: Fault | None = None
    first: int = NO_LINE
    end: int = NO_LINE
    crc: int = 0

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.digests) // spec.HASH_BYTES
