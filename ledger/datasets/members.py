"""Some rows of a part with all that they hold: for whoever uses them, beside what was judged of them.

    rows = chosen_rows(part, "text", None, choose, first=0, stop=1_000)
    for row in rows:
        row.content, row.members                  # the bytes that were judged; the row as it is in its file

What was judged of a row is its content, by the rules that hold for every reader (`ledger.datasets.reading`). What is handed out is the row: the members of its object, its
cells by their columns, also those that no JSON value is (bytes, times), a line as {"text": ...}, a file as {"path": ..., "bytes": ...}; and the cells that its folders tell.

Rows that nobody chose are passed over as cheaply as their format allows: lines are counted, not parsed; files are not opened; of tables no cell is made a value where
a record batch has none that was chosen.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, Final, NamedTuple

from ledger.datasets.arrow_values import check_cells, rows_of_batch, stored_cell
from ledger.datasets.batches import open_table
from ledger.datasets.dataset import Part
from ledger.datasets.files import RegularFile, printable
from ledger.datasets.formats import CSV, FILES, LINES, TEXT, TSV
from ledger.datasets.line_formats import LINE, LineFormat, TooLong, located, read_format
from ledger.datasets.reading import reached
from ledger.datasets.rows import row_item, too_big
from ledger.datasets.streams import Stream
from ledger.datasets.wanted import Wanted
from ledger.errors import RefusedInput

PATH: Final = "path"  # what a row that is a file holds: its name below the folder, with `/`
BYTES: Final = "bytes"

Choose = Callable[
    [int, int], bytes
]  # for rows [first, first + count) of the part, a byte of each: not 0, it is chosen


class WholeRow(NamedTuple):
    """A row of a part: the digest of its content, and all that it holds; or, in place of both, why no reader takes it."""

    row_index: int  # in the part, 0-based
    digest: bytes
    members: Mapping[str, Any]
    fault: RefusedInput | None = None


_NO_MEMBERS: Final[Mapping[str, Any]] = {}

Rows = Generator[WholeRow, None, int]


def member_names(part: Part) -> tuple[str, ...] | None:
    """The names under which its rows hold anything; None where only they say that."""
    if part.format.name == FILES:
        return (PATH, BYTES)
    if part.format.name == TEXT:
        return (LINE, *part.partition)
    return part.columns


def chosen_rows(
    part: Part, column: str | None, member: str | None, choose: Choose, *, first: int, stop: int
) -> Rows:
    """The chosen rows among [first, stop) of a part, in order.

    `column`: what was judged of them, None for the whole; `member`: the only member that is needed, None for all of them. What is returned is how far rows were counted: all rows of
    the part, unless that is `stop` or more. Only the chosen ones are asked for; a `stop` that no part reaches makes it be read to its end.

    Raises RefusedInput where what follows cannot be read; of the file; `column-missing`; `too-large` for a cell beside what is judged.
    """
    wanted = part.wanted(column, () if member is None else (member,))
    if part.format.name == FILES:
        return _files(part, choose, first, stop)
    if part.format.name in LINES:
        return _lines(part, wanted, choose, stop)
    return _table(part, wanted, choose, first, stop, is_whole=member is None)


def _fault(row_index: int, error: RefusedInput) -> WholeRow:
    return WholeRow(row_index, b"", _NO_MEMBERS, error)


def _lines(part: Part, wanted: Wanted, choose: Choose, stop: int) -> Rows:
    at = 0
    try:
        with RegularFile(part.path) as file:
            file.check_is(part.fingerprint)
            stream = Stream(file, part.format.packing)
            format_ = read_format(part.path, part.format.name, wanted, stream.read)
            for block in format_.blocks(stream.read):
                if at >= stop:
                    return at
                if isinstance(block, TooLong):
                    if not block:
                        if choose(at, 1)[0]:
                            yield _fault(at, too_big())
                        at += 1
                    continue
                count = _row_count(part, format_, block)
                flags = choose(at, count)
                if any(flags):
                    for offset, row in enumerate(format_.rows(block)):
                        if flags[offset]:
                            yield _line(part, format_, row, at + offset)
                at += count
            file.check_is(part.fingerprint)
    except RefusedInput as error:
        raise reached(error, printable(part.path), at) from error
    return at


def _row_count(part: Part, format_: LineFormat, block: bytes) -> int:
    """How many rows a block of whole rows has: its lines, where no quote holds a line end."""
    if part.format.name in (CSV, TSV) and b'"' in block:
        return sum(1 for _ in format_.rows(block))
    return block.count(b"\n") + (not block.endswith(b"\n"))


def _line(part: Part, format_: LineFormat, row: bytes, row_index: int) -> WholeRow:
    try:
        content, members = format_.take_members(row, is_first=row_index == 0)
    except RefusedInput as error:
        return _fault(row_index, error)
    return WholeRow(row_index, hashlib.sha256(content).digest(), _joined(members, part))


def _table(part: Part, wanted: Wanted, choose: Choose, first: int, stop: int, *, is_whole: bool) -> Rows:
    row_count = part.row_count or 0
    at, stop = first, min(stop, row_count)
    table = open_table(os.fspath(part.path), part.fingerprint, part.format.name, None if is_whole else wanted)
    try:
        for batch in table.batches(at, stop):
            flags = choose(at, batch.num_rows)
            if any(flags):
                yield from _batch(part, wanted, batch, at, flags)
            at += batch.num_rows
    except RefusedInput as error:
        raise reached(error, printable(part.path), at) from error
    finally:
        table.close()
    return row_count


def _batch(part: Part, wanted: Wanted, batch: Any, first: int, flags: bytes) -> Iterator[WholeRow]:
    """The chosen rows of a record batch. A cell counts as a JSON value where it is judged, and as it is stored where it is handed out."""
    for offset, cells in enumerate(rows_of_batch(batch, batch.schema.names)):
        if not flags[offset]:
            continue
        row_index = first + offset
        try:
            check_cells(cells if wanted.column is None else _only(cells, wanted.column))
            content, _, _ = wanted.take(cells)
        except RefusedInput as error:
            yield _fault(row_index, error)
            continue
        members = {
            name: _stored(part, batch, offset, row_index, name) if isinstance(cell, RefusedInput) else cell
            for name, cell in cells.items()
        }
        yield WholeRow(row_index, hashlib.sha256(content).digest(), _joined(members, part))


def _only(cells: dict[str, Any], column: str) -> dict[str, Any]:
    return {column: cells[column]} if column in cells else {}


def _stored(part: Part, batch: Any, offset: int, row_index: int, name: str) -> Any:
    column = batch.column(batch.schema.get_field_index(name))
    try:
        return stored_cell(column, offset, name)
    except RefusedInput as error:
        raise located(error, row_item(printable(part.path), row_index, is_line=False)) from error


def _files(part: Part, choose: Choose, first: int, stop: int) -> Rows:
    for row_index in range(first, min(stop, len(part.files))):
        if not choose(row_index, 1)[0]:
            continue
        entry = part.files[row_index]
        with RegularFile(part.path / entry.name) as file:
            file.check_is(entry.fingerprint)
            content = b"".join(file.chunks())
        yield WholeRow(row_index, hashlib.sha256(content).digest(), {PATH: entry.name, BYTES: content})
    return len(part.files)


def _joined(members: Mapping[str, Any], part: Part) -> Mapping[str, Any]:
    """With the cells that its folders tell, where the row has none of its own."""
    return {**part.partition, **members} if part.partition else members
