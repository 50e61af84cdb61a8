"""What the cells of a dataset's rows claim of them: the columns that a person maps, and how each cell is read.

A cell that is null says nothing; a cell that cannot be read is refused by row and column. Cells are data: a parent is
named by its id or as an earlier row, and never by a path, which would have a dataset open files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ledger import spec
from ledger.errors import LineageError, RefusedInput
from ledger.signer.claims import Said
from ledger.signer.written import parse_date_ms, parse_parent, parse_share, split_row
from ledger.statements import words
from ledger.statements.record import Parent

FIELDS: Final = {  # what a column says, and the field of `Said` that holds it
    "kind": "kind",
    "parents": "parents",
    "made_at": "made",
    "license": "license",
    "attributed": "author",
    "human": "human",
    "source": "source",
}
EARLIER_ROW: Final = "row:"  # row:N, a row of the same dataset

Resolve = Callable[[str], bytes]  # the artifact id that hex digits mean


class RowMap:
    """The columns that say something of each row, by what they say (`FIELDS`)."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        """Raises RefusedInput `usage` for what no column can say."""
        for what in columns:
            if what not in FIELDS:
                raise RefusedInput(
                    "usage", f"column of {what}", "no column says that", f"Columns say: {', '.join(FIELDS)}."
                )
        self._columns = dict(columns)
        self._resolved: dict[str, bytes] = {}
        self.names: Final = tuple(dict.fromkeys(self._columns.values()))
        self.says: Final = frozenset(FIELDS[what] for what in self._columns)

    def said(self, cells: Mapping[str, Any], earlier: Sequence[bytes], resolve: Resolve) -> Said:
        """What a row's cells say; `earlier`: the artifact ids of the rows before it; `resolve` is asked once for each id.

        Raises RefusedInput `column-missing`, `cell-illegal`, `author-not-text`, with the column as its item.
        """
        found: dict[str, Any] = {}
        for what, column in self._columns.items():
            if column not in cells:
                raise RefusedInput(
                    "column-missing",
                    _item(column, what),
                    "the row has no such column",
                    "Give it to every row; null says nothing",
                )
            cell = cells[column]
            if cell is not None or what == "attributed":
                found[FIELDS[what]] = self._read(what, column, cell, earlier, resolve)
        return Said(**found)

    def _read(self, what: str, column: str, cell: Any, earlier: Sequence[bytes], resolve: Resolve) -> Any:
        if what == "attributed":
            if not isinstance(cell, str) or not cell:
                raise RefusedInput(
                    "author-not-text",
                    _item(column, what),
                    "it is no string, so it names no author" if cell != "" else "it is empty",
                    "Name a column of strings.",
                )
            return cell
        try:
            return self._parents(cell, earlier, resolve) if what == "parents" else _READERS[what](cell)
        except LineageError as error:
            raise RefusedInput("cell-illegal", _item(column, what), _told(error), error.fix) from error

    def _parents(self, cell: Any, earlier: Sequence[bytes], resolve: Resolve) -> tuple[Parent, ...]:
        texts = [cell] if isinstance(cell, str) else cell
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise _refuse("it is neither a list of strings nor one", "Write [RELATION=]ID[:ROW][@SHARE].")
        return tuple(self._parent(text, earlier, resolve) for text in texts)

    def _parent(self, text: str, earlier: Sequence[bytes], resolve: Resolve) -> Parent:
        relation, name, ppm = parse_parent(text)
        if name.startswith(EARLIER_ROW):
            number = name.removeprefix(EARLIER_ROW)
            if not (number.isascii() and number.isdigit()) or int(number) >= len(earlier):
                raise _refuse(
                    f"'{name}' names no row before this one",
                    "Rows are counted from 0; a parent stands first.",
                )
            return Parent(relation, earlier[int(number)], ppm)
        name, row = split_row(name)
        if name not in self._resolved:
            self._resolved[name] = resolve(name)
        return Parent(relation, self._resolved[name], ppm, row=row)


def _kind(cell: Any) -> str:
    if not isinstance(cell, str) or cell not in words.KINDS:
        raise _refuse("there is no such kind", f"Kinds: {', '.join(sorted(words.KINDS))}.")
    return str(cell)


def _human(cell: Any) -> int:
    if isinstance(cell, bool) or not isinstance(cell, (str, int, float)):
        raise _refuse("it is no share", 'Write "70%" or 0.7.')
    return parse_share(cell if isinstance(cell, str) else repr(cell))


def _made_at(cell: Any) -> int:
    made = parse_date_ms(cell) if isinstance(cell, str) else cell
    if isinstance(made, bool) or not isinstance(made, int) or not 0 <= made <= spec.INTEGER_MAX:
        raise _refuse("it is no time since 1970", "Write an ISO 8601 date, or Unix milliseconds.")
    return made


def _license(cell: Any) -> str:
    if not isinstance(cell, str) or not words.LICENSE.fullmatch(cell):
        raise _refuse("it is no SPDX license expression", "Write it as CC-BY-4.0.")
    return cell


def _source(cell: Any) -> str:
    if not isinstance(cell, str) or not words.URI.fullmatch(cell):
        raise _refuse("it is no URI", "Write it as https://example.org/page.")
    return cell


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "kind": _kind,
    "human": _human,
    "made_at": _made_at,
    "license": _license,
    "source": _source,
}


def _refuse(reason: str, fix: str) -> RefusedInput:
    return RefusedInput("cell-illegal", "", reason, fix)


def _told(error: LineageError) -> str:
    return f"{error.item}: {error.reason}" if error.item else error.reason


def _item(column: str, what: str) -> str:
    return f"column {column!a} ({what})"
