"""Comma- and tab-separated values, as RFC 4180 has them: a header, then records, each on a line or, where a quoted cell holds line ends, on several.

    file   = header end *(record end) [record]        end = LF / CR LF
    record = cell *(separator cell)
    cell   = '"' *(any but '"' / '""') '"'  /  *(any but '"', separator, CR, LF)

What breaks this is refused, never mended: programs differ in what they make of it, and then two readers see two rows in one digest. A faulty
record ends where the line ends in which the fault stands, so the records behind it can be read; a quote that is never closed takes all that follows
with it, and ends the reading.

A cell is a string, whatever it looks like; an empty one is the empty string, not null. A byte order mark before the header, which spreadsheets write, is
no part of it. A cell holds no zero byte, and a line without any cell is no row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from ledger import spec
from ledger.datasets.formats import TSV
from ledger.datasets.rows import too_big
from ledger.datasets.streams import PIECE_BYTES, Read
from ledger.errors import RefusedInput

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_OTHER_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")  # UTF-16
_QUOTE: Final = ord('"')
_RETURN: Final = ord("\r")
_ENDS_BYTES: Final = 2  # CR and LF
_LISTED: Final = 80  # characters of a column's name in an error


class Grammar(NamedTuple):
    """The patterns of one separator. Each record is matched whole; nothing that is matched is given back (possessive)."""

    separator: str
    records: re.Pattern[bytes]  # as many whole records as stand here, with their ends
    record: re.Pattern[bytes]  # one, with its end
    quoted: re.Pattern[bytes]  # one cell in quotes
    plain: re.Pattern[bytes]  # one cell without
    cells: re.Pattern[str]  # of the text of a record with a separator behind it: each cell's two readings


def _grammar(separator: str) -> Grammar:
    quoted = r'"(?:[^"]++|"")*+"'
    plain = rf'[^"{separator}\r\n]*+'
    record = rf"(?:{quoted}|{plain})(?:{separator}(?:{quoted}|{plain}))*+\r?\n"
    return Grammar(
        separator,
        re.compile(rf"(?:{record})*+".encode()),
        re.compile(record.encode()),
        re.compile(quoted.encode()),
        re.compile(plain.encode()),
        re.compile(rf'(?:"((?:[^"]++|"")*+)"|([^"{separator}]*+)){separator}'),
    )


_COMMA: Final = _grammar(",")
_TAB: Final = _grammar("\t")


def grammar_of(format_: str) -> Grammar:
    """The grammar of CSV or TSV."""
    return _TAB if format_ == TSV else _COMMA


class Extent(NamedTuple):
    """Where a record ends (behind its line's end), and why it is none, if it is none. `end` None: it goes on behind what is at hand."""

    end: int | None
    fault: str = ""
    is_open: bool = False  # a quote is open where the data ends


_NOTHING: Final = Extent(0)


def extent(data: bytes, start: int, stop: int, grammar: Grammar, *, is_last: bool) -> Extent:
    """The record that begins at `start`, as far as data[start:stop] tells; `is_last`: nothing follows that."""
    found = grammar.record.match(data, start, stop)
    if found is not None:
        return Extent(found.end())
    at = start
    while True:
        is_quoted = at < stop and data[at] == _QUOTE
        cell = (grammar.quoted if is_quoted else grammar.plain).match(data, at, stop)
        if cell is None or (is_quoted and cell.end() == stop and not is_last):  # a second quote may follow
            return Extent(None, "a quote is never closed", is_open=True)
        at = cell.end()
        if at == stop:
            return Extent(stop if is_last else None)
        if data[at] == ord(grammar.separator):
            at += 1
            continue
        # Neither a separator nor the end of a line (a record that ends so was found above).
        if data[at] == _QUOTE:
            fault = "a quote stands in a cell that does not begin with one"
        elif data[at] != _RETURN:
            fault = "text stands behind the quote that closes a cell"
        elif at + 1 == stop and not is_last:
            return Extent(None)
        else:
            fault = "a CR stands alone, without LF"
        line_end = data.find(b"\n", at, stop) + 1
        if line_end:
            return Extent(line_end, fault)
        return Extent(stop if is_last else None, fault)


def blocks_of_records(read: Read, grammar: Grammar) -> Iterator[bytes | int]:
    """Blocks of whole records, faulty ones among them; for a record without an end within what a row may have, 0 and then its lines.

    Such a record ends with the line that goes on there, unless a quote is open there.
    Raises RefusedInput `quote-broken`, without a row, for a quote that is never closed.
    """
    limit = spec.ROW_BYTES_MAX + _ENDS_BYTES + 1
    data, is_last = b"", False
    while data or not is_last:
        if not is_last:
            # No record ends in what is left over: twice as much is read each time, so that it is not looked at too often.
            piece = read(min(max(PIECE_BYTES, len(data)), limit))
            is_last = not piece
            data += piece
        whole, state = _whole_records(data, limit, grammar, is_last=is_last)
        if whole:
            yield data[:whole]
            data = data[whole:]
        is_too_long = len(data) >= limit and state.end is None
        if state.is_open and (is_last or is_too_long):
            raise quote_broken(f"{state.fault}, or not within what a row may have")
        if is_too_long:
            yield 0
            line_count = data.count(b"\n", 0, limit) + 1
            data = _behind_line(data[limit:], lambda: read(min(PIECE_BYTES, limit)))
            yield line_count


def _behind_line(data: bytes, read: Callable[[], bytes]) -> bytes:
    """What stands behind the line that goes on in the data."""
    while not (end := data.find(b"\n") + 1):
        data = read()
        if not data:
            return b""
    return data[end:]


def _whole_records(data: bytes, limit: int, grammar: Grammar, *, is_last: bool) -> tuple[int, Extent]:
    """Up to where whole records reach, and what is known of the one that begins there."""
    at = 0
    if len(data) >= limit:  # the first record is what was left over; what was read behind it is less
        state = extent(data, 0, limit, grammar, is_last=False)
        if state.end is None:
            return 0, state
        at = state.end
    if not is_last and data.find(b'"', at) < 0 and data.find(b"\r", at) < 0:
        return max(at, data.rfind(b"\n") + 1), _NOTHING
    while at < len(data):
        found = grammar.records.match(data, at)
        at = at if found is None else found.end()
        if at == len(data):
            break
        state = extent(data, at, len(data), grammar, is_last=is_last)
        if state.end is None:
            return at, state
        at = state.end
    return at, _NOTHING


def records_of(block: bytes, grammar: Grammar) -> Iterator[bytes]:
    """The records of a block, each with its end but perhaps the file's last."""
    if b'"' not in block:
        yield from block.splitlines(keepends=True) if b"\r" not in block else _lines(block)
        return
    at = 0
    while at < len(block):
        end = extent(block, at, len(block), grammar, is_last=True).end or len(block)
        yield block[at:end]
        at = end


def _lines(block: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(block):
        end = block.find(b"\n", at) + 1 or len(block)
        yield block[at:end]
        at = end


def cells_of_record(record: bytes, grammar: Grammar) -> list[str]:
    """The cells of one record. Raises RefusedInput that names no row: too-large, row-blank, zero-byte, quote-broken, return-alone, not-utf8."""
    if len(record) > spec.ROW_BYTES_MAX + _ENDS_BYTES:
        raise too_big()
    body = record.removesuffix(b"\n")
    if len(body) < len(record):
        body = body.removesuffix(b"\r")
    if len(body) > spec.ROW_BYTES_MAX:
        raise too_big()
    if not body:
        raise RefusedInput("row-blank", "row", "the line is blank", "Delete it: each line is one row")
    if b"\0" in body:
        raise RefusedInput(
            "zero-byte", "row", "it holds a zero byte, where some readers stop", "Take it out of the cell"
        )
    if b'"' in body or b"\r" in body:
        fault = extent(record, 0, len(record), grammar, is_last=True).fault
        if fault:
            raise quote_broken(fault)
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise RefusedInput(
            "not-utf8", "row", f"byte {error.start + 1} is not UTF-8", "Convert the file to UTF-8"
        ) from error
    if '"' not in text:
        return text.split(grammar.separator)
    return [
        quoted.replace('""', '"') if quoted else plain
        for quoted, plain in grammar.cells.findall(text + grammar.separator)
    ]


def quote_broken(fault: str) -> RefusedInput:
    """The refusal of a record that is against the grammar."""
    return RefusedInput(
        "quote-broken",
        "row",
        fault,
        'Write a cell that holds a quote, a separator or a line end in quotes, and each quote in it twice: "like ""this"""',
    )


def header_of(record: bytes, grammar: Grammar) -> tuple[str, ...]:
    """The names of the columns. Raises RefusedInput that names no row: column-twice, column-unnamed; those of `cells_of_record`."""
    if record.startswith(_OTHER_MARKS):
        raise RefusedInput(
            "not-utf8", "row", "the file begins as UTF-16 does, not UTF-8", "Convert the file to UTF-8"
        )
    names = cells_of_record(record.removeprefix(BYTE_ORDER_MARK), grammar)
    for at, name in enumerate(names):
        if not name:
            raise RefusedInput(
                "column-unnamed",
                "row",
                f"column {at + 1} of the header has no name",
                "Name every column in the first line",
            )
    for name in names:
        if names.count(name) > 1:
            raise RefusedInput(
                "column-twice",
                "row",
                f"two columns of the header are named {name[:_LISTED]!a}",
                "Rename one of them",
            )
    return tuple(names)


def members_of(record: bytes, names: tuple[str, ...], grammar: Grammar) -> dict[str, str]:
    """A record by the names of its header. Raises RefusedInput that names no row: row-ragged; those of `cells_of_record`."""
    cells = cells_of_record(record, grammar)
    if len(cells) != len(names):
        raise RefusedInput(
            "row-ragged",
            "row",
            f"it has {len(cells)} cells, and the header {len(names)}",
            "Give every row a cell for every column, an empty one too",
        )
    return dict(zip(names, cells, strict=True))
