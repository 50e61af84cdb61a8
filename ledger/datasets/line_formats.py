"""The formats whose rows are lines or, of CSV, records of lines: how a stream of bytes falls into them, and what one of them says.

A *block* is a run of whole rows as they stand in the file, so that whoever works it needs nothing else of it: workers are handed blocks of what
has to be unpacked, or searched for its ends, in one place; and what is kept of a block is kept byte for byte.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

from ledger.datasets.delimited import (
    Grammar,
    blocks_of_records,
    grammar_of,
    header_of,
    members_of,
    records_of,
)
from ledger.datasets.files import printable
from ledger.datasets.formats import CSV, JSONL, TSV
from ledger.datasets.jsonl import row_of_line
from ledger.datasets.lines import line_content
from ledger.datasets.rows import Form, cells_of, column_missing, row_item, too_big
from ledger.datasets.streams import Read, blocks_of_lines
from ledger.datasets.wanted import Wanted
from ledger.errors import RefusedInput

Taken = tuple[bytes, Form, Mapping[str, Any]]  # content, form, cells
LINE: Final = "text"  # what a line of a text is called where rows have names for what they hold


class TooLong(int):
    """In place of a row that is longer than any may be: the number of its lines, 0 until they were passed over."""


class LineFormat(Protocol):
    """One file's rows. What it raises names no row, for it knows none."""

    header: bytes  # what stands before the first row, as it stands in the file
    header_lines: int
    names: tuple[str, ...] | None  # of the columns, where the file says them

    def blocks(self, read: Read) -> Iterator[bytes | TooLong]:
        """Blocks of whole rows behind the header; for a row that is too long a `TooLong` of 0, and of its lines when it is passed over."""

    def rows(self, block: bytes) -> Iterable[bytes]:
        """The rows of a block, each with its end but perhaps the file's last."""

    def take(self, row: bytes, *, is_first: bool) -> Taken:
        """What a row says. Raises RefusedInput."""

    def take_members(self, row: bytes, *, is_first: bool) -> tuple[bytes, Mapping[str, Any]]:
        """Its content, and all that it says by name; a line under `LINE`. Raises as `take`."""


class JsonLines:
    """One JSON object a line."""

    header, header_lines = b"", 0
    names: tuple[str, ...] | None = None

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted

    def blocks(self, read: Read) -> Iterator[bytes | TooLong]:
        return _line_blocks(read)

    def rows(self, block: bytes) -> Iterable[bytes]:
        return io.BytesIO(block)

    def take(self, row: bytes, *, is_first: bool) -> Taken:  # noqa: ARG002 - of a text alone
        return self._wanted.take(row_of_line(row))

    def take_members(self, row: bytes, *, is_first: bool) -> tuple[bytes, Mapping[str, Any]]:  # noqa: ARG002
        members = row_of_line(row)
        return self._wanted.take(members)[0], members


class TextLines:
    """Text by line; it has no columns but those that its folders tell, and the line itself is the content."""

    header, header_lines = b"", 0
    names: tuple[str, ...] | None = ()

    def __init__(self, wanted: Wanted) -> None:
        """Raises RefusedInput `column-missing`."""
        if wanted.column is not None:
            missing = column_missing(wanted.column, ())
            reason = f"a text is taken by line, and has no column {wanted.column!a}"
            raise RefusedInput(missing.code, "row", reason, "Take the line as a whole")
        self._cells = cells_of(wanted.partition, wanted.cells)

    def blocks(self, read: Read) -> Iterator[bytes | TooLong]:
        return _line_blocks(read)

    def rows(self, block: bytes) -> Iterable[bytes]:
        return io.BytesIO(block)

    def take(self, row: bytes, *, is_first: bool) -> Taken:
        return line_content(row, is_first=is_first), "raw", self._cells

    def take_members(self, row: bytes, *, is_first: bool) -> tuple[bytes, Mapping[str, Any]]:
        content = line_content(row, is_first=is_first)
        return content, {LINE: content.decode()}


class Delimited:
    """CSV or TSV: the header was read, and names the columns."""

    def __init__(
        self,
        wanted: Wanted,
        grammar: Grammar,
        header: bytes,
        rest: bytes = b"",
        behind: Iterator[bytes | int] | None = None,
    ) -> None:
        """`rest`: what was read behind the header, `behind` the blocks behind that. Raises RefusedInput: column-missing, those of `header_of`."""
        self.header, self.header_lines = header, header.count(b"\n") or 1
        self.names: tuple[str, ...] | None = header_of(header, grammar)
        self._names = self.names
        self._wanted = wanted
        self._grammar = grammar
        self._rest, self._behind = rest, behind
        known = (*self._names, *wanted.partition)
        if wanted.column is not None and wanted.column not in known:
            raise column_missing(wanted.column, known)

    def blocks(self, read: Read) -> Iterator[bytes | TooLong]:
        if self._rest:
            yield self._rest
        for block in self._behind or blocks_of_records(read, self._grammar):
            yield block if isinstance(block, bytes) else TooLong(block)

    def rows(self, block: bytes) -> Iterable[bytes]:
        return records_of(block, self._grammar)

    def take(self, row: bytes, *, is_first: bool) -> Taken:  # noqa: ARG002 - of a text alone
        return self._wanted.take(members_of(row, self._names, self._grammar))

    def take_members(self, row: bytes, *, is_first: bool) -> tuple[bytes, Mapping[str, Any]]:  # noqa: ARG002
        members = members_of(row, self._names, self._grammar)
        return self._wanted.take(members)[0], members


def line_format(name: str, wanted: Wanted, read: Read | None, header: bytes = b"") -> LineFormat:
    """The format of that name; the header of CSV and TSV is read, or was by somebody else (`read` None).

    Raises RefusedInput that names no row: dataset-empty for a file without a header, too-large for one that is too long; those of the formats.
    """
    if name == JSONL:
        return JsonLines(wanted)
    if name not in (CSV, TSV):
        return TextLines(wanted)
    grammar = grammar_of(name)
    if read is None:
        return Delimited(wanted, grammar, header)
    blocks = blocks_of_records(read, grammar)
    begun = next(blocks, b"")
    if not isinstance(begun, bytes):
        raise too_big()
    header = next(iter(records_of(begun, grammar)), b"")
    if not header:
        raise RefusedInput(
            "dataset-empty", "row", "the file holds no header", "Write the columns' names first"
        )
    return Delimited(wanted, grammar, header, begun[len(header) :], blocks)


def read_format(path: str | os.PathLike[str], name: str, wanted: Wanted, read: Read) -> LineFormat:
    """The same, of a file that is read from its beginning on. Its errors name the file, and its header where that is at fault."""
    try:
        return line_format(name, wanted, read)
    except RefusedInput as error:
        item = printable(path)
        if error.code not in ("dataset-empty", "column-missing"):
            item = f"{item}, header (line 1)"
        raise located(error, item) if error.item == "row" else error from error


def line_item(item: str, row_index: int, line: int) -> str:
    """How a row that begins at a line (0-based) is named in an error."""
    if line == row_index:
        return row_item(item, row_index)
    return f"{item}, row {row_index} (line {line + 1})"


def located(error: RefusedInput, where: str) -> RefusedInput:
    """The same refusal, of that row."""
    return RefusedInput(error.code, where, error.reason, error.fix)


def _line_blocks(read: Read) -> Iterator[bytes | TooLong]:
    for block in blocks_of_lines(read):
        if block is None:
            yield TooLong(0)
            yield TooLong(1)
        else:
            yield block
