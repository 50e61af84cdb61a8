"""What is wanted of a dataset's rows, and what becomes of a row that is none.

A dataset is read in one of two modes. *Strict*: the first faulty row is an error, and ends the reading; so signing reads. *Lenient*: where the
format still says where the next row begins, a faulty row is a `FaultyRow` with its error, and the rows behind it are read;
so a gate reads, which rejects one row and judges the others. What leaves no next row to be found (a file that is cut short, damaged or changed, a
quote that is never closed) is an error in both.

A file in partitioned folders has, besides its own columns, those that its folders' names tell (SPEC §4.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from ledger.datasets.rows import Form, cells_of, column_of, content_of, whole_row
from ledger.errors import RefusedInput

NULL_PARTITION: Final = (
    "__HIVE_DEFAULT_PARTITION__"  # what a folder's name says where the column's cell is null
)
_NO_PARTITION: Final[Mapping[str, str | None]] = {}


class FaultyRow(NamedTuple):
    """A row that is none, in a lenient reading: `error` names file, row and line, the reason and the fix."""

    row_index: int  # 0-based
    error: RefusedInput


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is read of a row: its content, the cell of `column` or with None the row as a whole (or a line); and the cells beside it.

    `partition`: the columns that the names of a file's folders tell, with their cells. `contents`: the offsets, in a run that is
    looked at, of rows whose content itself is asked for.
    """

    column: str | None
    cells: tuple[str, ...] = ()
    partition: Mapping[str, str | None] = field(default_factory=lambda: _NO_PARTITION)
    contents: frozenset[int] = frozenset()

    def take(self, members: Mapping[str, Any]) -> tuple[bytes, Form, Mapping[str, Any]]:
        """Content, form and cells of a row with these members.

        Raises RefusedInput that names no row: partition-differs, column-missing, column-empty, too-large, those of `canonical_json`.
        """
        if self.is_partition_needed:
            members = self._partitioned(members)
        value = whole_row(members) if self.column is None else column_of(members, self.column)
        content, form = content_of(value)
        return content, form, cells_of(members, self.cells)

    @property
    def is_partition_needed(self) -> bool:
        """Whether a cell that the folders tell is part of what is wanted."""
        return bool(self.partition) and (
            self.column is None or not {self.column, *self.cells}.isdisjoint(self.partition)
        )

    def needed(self, names: tuple[str, ...]) -> list[str]:
        """Those of a table's columns that have to be read."""
        return [name for name in names if self.column is None or name == self.column or name in self.cells]

    def _partitioned(self, members: Mapping[str, Any]) -> Mapping[str, Any]:
        """With the cells that the folders tell; a cell of the row itself stays, but has to say the same, where it is wanted."""
        missing = {}
        for name, cell in self.partition.items():
            if self.column is not None and name != self.column and name not in self.cells:
                continue
            if name not in members:
                missing[name] = cell
            elif not _says(members[name], cell):
                raise RefusedInput(
                    "partition-differs",
                    "row",
                    f"its column {name!a} says another value than the folder that the file lies in",
                    "Move the row where it belongs, or read the folders without partitions",
                )
        return {**members, **missing} if missing else members


def _says(value: Any, cell: str | None) -> bool:
    """Whether a cell says what a folder's name says: as text; null and the two truth values as other programs write them."""
    if value is None or cell is None:
        return value is cell
    if isinstance(value, bool):
        return cell in (("true", "True") if value else ("false", "False"))
    return isinstance(value, (str, int)) and str(value) == cell
