"""A block of rows, as they were looked at: what is looked up, judged and written together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, overload

from ledger.datasets.gathered import FAULTY
from ledger.datasets.looking import Looked
from ledger.spec import HASH_BYTES

ROWS: Final = 65_536  # about so many are a block
_HELD_BYTES: Final = 33_554_432  # of runs that are kept in memory until they are judged


class RowDigests(Sequence[bytes]):
    """Digests of rows, `data` as they lie one behind the other; an object of each is made only if somebody asks."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._pieces: list[bytes] | None = None

    @property
    def pieces(self) -> list[bytes]:
        """Each for itself."""
        if self._pieces is None:
            self._pieces = [self.data[at : at + HASH_BYTES] for at in range(0, len(self.data), HASH_BYTES)]
        return self._pieces

    def __len__(self) -> int:
        return len(self.data) // HASH_BYTES

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.pieces)

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> list[bytes]: ...
    def __getitem__(self, at: int | slice) -> bytes | list[bytes]:
        if isinstance(at, slice):
            return self.pieces[at]
        if not 0 <= at < len(self):
            raise IndexError(at)
        return self.data[at * HASH_BYTES : (at + 1) * HASH_BYTES]

    def part(self, start: int, stop: int) -> bytes:
        """Those of rows [start, stop), one behind the other."""
        return self.data[start * HASH_BYTES : stop * HASH_BYTES]


@dataclass(slots=True)
class Block:
    """Runs of rows that follow one another; `forms` one number a row (`ledger.datasets.gathered`)."""

    row_index: int
    runs: list[Looked] = field(default_factory=list)
    forms: bytearray = field(default_factory=bytearray)
    size_bytes: int = 0
    held_bytes: int = 0
    _digests: RowDigests | None = None

    @property
    def row_count(self) -> int:
        """How many rows, faulty ones too."""
        return len(self.forms)

    @property
    def digests(self) -> RowDigests:
        """One a row. For when no run is added any more."""
        if self._digests is None:
            self._digests = RowDigests(b"".join([run.batch.digests for run in self.runs]))
        return self._digests

    @property
    def is_full(self) -> bool:
        """Whether it is to be judged."""
        return self.row_count >= ROWS or self.held_bytes >= _HELD_BYTES

    @property
    def has_faulty(self) -> bool:
        """Whether any row is none."""
        return FAULTY in self.forms

    def add(self, run: Looked) -> None:
        """One run more."""
        batch = run.batch
        self.runs.append(run)
        self.forms += batch.forms
        self.size_bytes += batch.size_bytes
        self.held_bytes += run.held_bytes

    def starts(self) -> Iterator[tuple[int, Looked]]:
        """Each run, with the offset of its first row in the block."""
        at = 0
        for run in self.runs:
            yield at, run
            at += run.batch.row_count


def blocks_of(runs: Iterable[Looked]) -> Iterator[Block]:
    """The runs, which are those of one segment, in blocks: so no block has rows of two, and a segment is finished with its last."""
    block: Block | None = None
    for run in runs:
        if block is None:
            block = Block(run.row_index)
        block.add(run)
        if block.is_full:
            yield block
            block = None
    if block is not None and block.runs:
        yield block
