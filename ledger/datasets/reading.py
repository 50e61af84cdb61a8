"""The rows of one part, one by one, whatever its format: the plain way, beside which the fast one (`look_lines`, `batches`) stands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from ledger.datasets.batches import open_table, take_batch
from ledger.datasets.files import Fingerprint, RegularFile, printable
from ledger.datasets.formats import FILES, LINES, Format
from ledger.datasets.line_formats import LineFormat, Taken, TooLong, line_item, located, read_format
from ledger.datasets.row_files import FileEntry, FileRow, file_row
from ledger.datasets.rows import Row, dataset_empty, row_item, too_big
from ledger.datasets.streams import Stream
from ledger.datasets.wanted import FaultyRow, Wanted
from ledger.errors import RefusedInput

AnyRow = Row | FileRow | FaultyRow
_OF_A_ROW: Final = frozenset({"not-parquet", "not-arrow"})  # said of a file, and of where it was read to


class Source(Protocol):
    """What has to be known of a part to read it."""

    @property
    def path(self) -> Path: ...
    @property
    def format(self) -> Format: ...
    @property
    def fingerprint(self) -> Fingerprint: ...
    @property
    def files(self) -> tuple[FileEntry, ...]: ...


class _Next(NamedTuple):
    """A row, or why it is none; `line`: which one of the file it begins at, where rows are lines."""

    taken: Taken | RefusedInput
    line: int | None = None


def read_part(part: Source, wanted: Wanted, *, lenient: bool = False, first_row: int = 0) -> Iterator[AnyRow]:
    """The rows of a part in order, their indices counted from `first_row`. Errors name the file and the row in it.

    Raises RefusedInput: where nothing behind can be read, and, if not `lenient`, at the first faulty row. Rows before have been yielded then: act
    on none until the last is read.
    """
    if part.format.name == FILES:
        yield from _read_files(part, wanted, lenient=lenient, first_row=first_row)
        return
    rows = _read_lines(part, wanted) if part.format.name in LINES else _read_table(part, wanted)
    item, at = printable(part.path), 0
    while True:
        try:
            found = next(rows, None)
        except RefusedInput as error:
            raise reached(error, item, at) from error
        if found is None:
            break
        if isinstance(found.taken, RefusedInput):
            where = (
                row_item(item, at, is_line=False) if found.line is None else line_item(item, at, found.line)
            )
            refusal = located(found.taken, where)
            if not lenient:
                raise refusal from found.taken
            yield FaultyRow(first_row + at, refusal)
        else:
            yield Row(first_row + at, *found.taken)
        at += 1
    if not at:
        raise dataset_empty(item)


def reached(error: RefusedInput, item: str, row_index: int) -> RefusedInput:
    """A refusal of all that follows, with the row that could not be read any more."""
    if error.item != "row" and not (error.code in _OF_A_ROW and error.item == item):
        return error
    reason = f"{error.reason}; {row_index:,} rows stand before it" if row_index else error.reason
    return RefusedInput(error.code, row_item(item, row_index, is_line=False), reason, error.fix)


def _read_lines(part: Source, wanted: Wanted) -> Iterator[_Next]:
    with RegularFile(part.path) as file:
        file.check_is(part.fingerprint)
        stream = Stream(file, part.format.packing)
        format_ = read_format(part.path, part.format.name, wanted, stream.read)
        line, is_first = format_.header_lines, True
        for block in format_.blocks(stream.read):
            if isinstance(block, TooLong):
                if not block:
                    yield _Next(too_big(), line)
                line += block
                continue
            for row in format_.rows(block):
                yield _Next(_taken(format_, row, is_first=is_first), line)
                line += row.count(b"\n")
                is_first = False
        file.check_is(part.fingerprint)


def _taken(format_: LineFormat, row: bytes, *, is_first: bool) -> Taken | RefusedInput:
    try:
        return format_.take(row, is_first=is_first)
    except RefusedInput as error:
        return error


def _read_table(part: Source, wanted: Wanted) -> Iterator[_Next]:
    table = open_table(os.fspath(part.path), part.fingerprint, part.format.name, wanted)
    try:
        for batch in table.batches(0, table.row_count):
            for taken in take_batch(batch, wanted):
                yield _Next(taken)
    finally:
        table.close()


def _read_files(part: Source, wanted: Wanted, *, lenient: bool, first_row: int) -> Iterator[AnyRow]:
    for row_index, entry in enumerate(part.files, first_row):
        try:
            yield file_row(part.path / entry.name, entry.fingerprint, row_index, wanted)
        except RefusedInput as error:
            if not lenient or error.code == "file-changed":
                raise
            yield FaultyRow(row_index, error)
