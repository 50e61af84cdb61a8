"""What a worker is asked, in this process or in another: names, arguments and answers are bytes, numbers and lists alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from ledger.datasets import jsonl, lines
from ledger.datasets.digests import Digested, Digests, Fault
from ledger.datasets.files import Fingerprint
from ledger.datasets.look_tasks import Looks, wanted_of
from ledger.datasets.stretches import Stretch, checksum, digest_stretch
from ledger.datasets.tables import TableDigester
from ledger.datasets.wanted import Wanted
from ledger.merkle.groups import joined_groups
from ledger.merkle.order import sorted_run

JSONL: Final = "jsonl"
TEXT: Final = "text"
PARQUET: Final = "parquet"


class Tasks:
    """Carries out one task after another; remembers the table that it read last. Close it."""

    def __init__(self) -> None:
        self._table: TableDigester | None = None
        self._table_of: tuple[Any, ...] = ()
        self._looks = Looks()
        self._known: Final[dict[str, Callable[..., Any]]] = {
            **self._looks.known,
            "lines": self._lines,
            "rows": self._rows,
            "tree": self._tree,
            "groups": joined_groups,
            "checksum": self._checksum,
        }

    def run(self, name: str, arguments: list[Any]) -> Any:
        """The answer to a task. Raises RefusedInput for a file that cannot be read, or is another by now."""
        return self._known[name](*arguments)

    def close(self) -> None:
        """Lets go of the tables that are kept."""
        self._looks.close()
        if self._table is not None:
            self._table.close()
        self._table, self._table_of = None, ()

    def _lines(
        self, path: str, fingerprint: list[int], format_: str, wanted: list[Any], stretch: list[Any]
    ) -> Digested:
        """The digests of the lines that begin in a stretch."""
        part, wants = Stretch(*stretch), wanted_of(wanted)
        digest: Callable[[Iterator[bytes], Digests], None]
        if format_ != JSONL:
            digest = partial(lines.digest_lines, part.start == 0)
        elif wants.is_partition_needed:
            digest = partial(_digest_partitioned, wants)
        else:
            digest = partial(jsonl.digest_lines, wants.column)
        return digest_stretch(path, Fingerprint(*fingerprint), part, digest)

    def _rows(self, path: str, fingerprint: list[int], wanted: list[Any], first: int, stop: int) -> Digested:
        """The digests of rows [first, stop) of a Parquet file."""
        known = (path, *fingerprint, repr(wanted))
        if self._table is None or self._table_of != known:
            self.close()
            table = TableDigester(path, Fingerprint(*fingerprint), wanted_of(wanted))
            self._table, self._table_of = table, known
        return self._table.digest(first, stop)

    def _tree(self, digests: bytes, first: int) -> tuple[bytes, bytes]:
        """Of consecutive digests, the first that of row `first` (a multiple of 256): group hashes, and a sorted run."""
        return joined_groups(digests), sorted_run(digests, first)

    def _checksum(self, path: str, fingerprint: list[int], start: int, stop: int) -> int:
        """The CRC-32 of a part of a file."""
        return checksum(path, Fingerprint(*fingerprint), start, stop)


def _digest_partitioned(wanted: Wanted, lines_: Iterator[bytes], found: Digests) -> None:
    """Adds the digest of each line with the cells that its folders tell. Raises RefusedInput as `Wanted.take`, at the first refused."""
    for line in lines_:
        found.add(*wanted.take(jsonl.row_of_line(line))[:2])


def digested_of(answer: Any) -> Digested:
    """A `Digested` as it comes out of another process."""
    fields = list(answer)
    fields[3] = Fault(*fields[3]) if fields[3] is not None else None
    return Digested(*fields)
