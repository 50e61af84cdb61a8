"""What a worker is asked, in this process or in another: names, arguments and answers are bytes, numbers and lists alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from ledger.datasets import jsonl, lines
from ledger.datasets.digests import Digested, Digests, Fault
from ledger.datasets.files import Fingerprint
from ledger.datasets.stretches import Stretch, checksum, digest_stretch
from ledger.datasets.tables import TableDigester
from ledger.merkle.groups import group_hashes, leaf_hashes_of
from ledger.merkle.order import sorted_run

JSONL: Final = "jsonl"
TEXT: Final = "text"
PARQUET: Final = "parquet"


class Tasks:
    """Carries out one task after another; remembers the table that it read last. Close it."""

    def __init__(self) -> None:
        self._table: TableDigester | None = None
        self._table_of: tuple[Any, ...] = ()
        self._known: Final[dict[str, Callable[..., Any]]] = {
            "lines": self._lines,
            "rows": self._rows,
            "tree": self._tree,
            "checksum": self._checksum,
        }

    def run(self, name: str, arguments: list[Any]) -> Any:
        """The answer to a task. Raises RefusedInput for a file that cannot be read, or is another by now."""
        return self._known[name](*arguments)

    def close(self) -> None:
        """Lets go of the table that is kept."""
        if self._table is not None:
            self._table.close()
        self._table, self._table_of = None, ()

    def _lines(
        self, path: str, fingerprint: list[int], format_: str, column: str | None, stretch: list[Any]
    ) -> Digested:
        """The digests of the lines that begin in a stretch."""
        wanted = Stretch(*stretch)
        digest: Callable[[Iterator[bytes], Digests], None] = (
            partial(jsonl.digest_lines, column)
            if format_ == JSONL
            else partial(lines.digest_lines, wanted.start == 0)
        )
        return digest_stretch(path, Fingerprint(*fingerprint), wanted, digest)

    def _rows(self, path: str, fingerprint: list[int], column: str | None, first: int, stop: int) -> Digested:
        """The digests of rows [first, stop) of a Parquet file."""
        wanted = (path, *fingerprint, column)
        if self._table is None or self._table_of != wanted:
            self.close()
            self._table, self._table_of = TableDigester(path, Fingerprint(*fingerprint), column), wanted
        return self._table.digest(first, stop)

    def _tree(self, digests: bytes, first: int) -> tuple[bytes, bytes]:
        """Of consecutive digests, the first that of row `first` (a multiple of 256): group hashes, and a sorted run."""
        return b"".join(group_hashes(leaf_hashes_of(digests))), sorted_run(digests, first)

    def _checksum(self, path: str, fingerprint: list[int], start: int, stop: int) -> int:
        """The CRC-32 of a part of a file."""
        return checksum(path, Fingerprint(*fingerprint), start, stop)


def digested_of(answer: Any) -> Digested:
    """A `Digested` as it comes out of another process."""
    fields = list(answer)
    fields[3] = Fault(*fields[3]) if fields[3] is not None else None
    return Digested(*fields)
