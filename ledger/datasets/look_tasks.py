"""What a worker is asked of a dataset that is gated: to look at a run of rows (`RowBatch`), and to write what is kept of a segment.

Names, arguments and answers are bytes, numbers, short strings and lists of these, as for all tasks.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ledger.datasets.batches import Table, look_batch, open_table
from ledger.datasets.files import Fingerprint
from ledger.datasets.formats import Format
from ledger.datasets.gathered import Gathered, RowBatch
from ledger.datasets.look_lines import look_block, look_stretch
from ledger.datasets.row_files import FileEntry, file_row
from ledger.datasets.stretches import Stretch
from ledger.datasets.wanted import Wanted
from ledger.datasets.writing import write_segment
from ledger.errors import RefusedInput


def packed_wanted(wanted: Wanted) -> list[Any]:
    """What is wanted, as it travels."""
    cells = [list(cell) for cell in wanted.partition.items()]
    return [wanted.column, list(wanted.cells), cells, sorted(wanted.contents)]


def wanted_of(packed: list[Any]) -> Wanted:
    """What is wanted, as it came."""
    column, cells, partition, contents = packed
    return Wanted(column, tuple(cells), dict(partition), frozenset(contents))


class Looks:
    """Carries out these tasks; remembers the table that it read last. Close it."""

    def __init__(self) -> None:
        self._table: Table | None = None
        self._table_of: tuple[Any, ...] = ()
        self.known: Final[dict[str, Callable[..., Any]]] = {
            "look at lines": self._lines,
            "look at block": self._block,
            "look at rows": self._rows,
            "look at files": self._files,
            "write segment": self._write,
        }

    def close(self) -> None:
        """Lets go of the table that is kept."""
        if self._table is not None:
            self._table.close()
        self._table, self._table_of = None, ()

    def _lines(
        self, path: str, fingerprint: list[int], format_: str, wanted: list[Any], start: int, stop: int
    ) -> RowBatch:
        """The lines that begin at [start, stop) of a file; at 0, and only there, one is known to begin."""
        stretch = Stretch(start, stop, at_line=start == 0)
        return look_stretch(path, Fingerprint(*fingerprint), format_, wanted_of(wanted), stretch).batch()

    def _block(
        self, format_: str, wanted: list[Any], header: bytes, block: bytes, is_first: bool
    ) -> RowBatch:
        """The rows of a block."""
        return look_block(format_, wanted_of(wanted), header, block, is_first=is_first).batch()

    def _rows(
        self, path: str, fingerprint: list[int], format_: str, wanted: list[Any], first: int, stop: int
    ) -> RowBatch:
        """Rows [first, stop) of a table; what cannot be decoded ends them."""
        wants = wanted_of(wanted)
        known = (path, *fingerprint, format_, repr(wanted))
        if self._table is None or self._table_of != known:
            self.close()
            self._table, self._table_of = open_table(path, Fingerprint(*fingerprint), format_, wants), known
        found = Gathered(wants.cells, wants.contents)
        try:
            for batch in self._table.batches(first, stop):
                look_batch(batch, wants, found)
        except RefusedInput as error:
            if error.code == "file-changed":
                raise
            found.stop(error)
        return found.batch()

    def _files(self, folder: str, entries: list[Any], wanted: list[Any]) -> RowBatch:
        """Files that are rows, each a name and a fingerprint."""
        wants = wanted_of(wanted)
        found = Gathered(wants.cells, wants.contents)
        for name, fingerprint in entries:
            try:
                row = file_row(Path(folder, name), Fingerprint(*fingerprint), 0, wants)
            except RefusedInput as error:
                if error.code == "file-changed":
                    raise
                found.fault(error)
            else:
                found.add_file(row)
        return found.batch()

    def _write(
        self,
        path: str,
        format_: list[Any],
        fingerprint: list[int],
        bounds: list[int],
        keep: bytes,
        target: str,
        entries: list[Any],
    ) -> int:
        """Writes what is kept of a segment; how many rows that are."""
        files = [FileEntry(name, Fingerprint(*known)) for name, known in entries]
        start, stop = bounds
        return write_segment(
            Path(path), Format(*format_), Fingerprint(*fingerprint), (start, stop), keep, Path(target), files
        )
