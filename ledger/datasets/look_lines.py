"""Looks at rows that are lines: what `Gathered` wants of each, the fast way; faulty rows among them.

Beside it stands the slow way, which alone says what a faulty line is: `LineFormat.take`. The fast way takes JSON Lines with a string in the column,
which most are, by the same decoder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from ledger import spec
from ledger.datasets.digests import Digests
from ledger.datasets.files import Fingerprint, RegularFile
from ledger.datasets.formats import JSONL
from ledger.datasets.gathered import Gathered
from ledger.datasets.jcs import opens_many, scan_json
from ledger.datasets.line_formats import LineFormat, line_format
from ledger.datasets.rows import too_big
from ledger.datasets.streams import line_end
from ledger.datasets.stretches import Stretch, digest_stretch
from ledger.datasets.wanted import Wanted
from ledger.errors import RefusedInput

_ENDS = frozenset({"\n", "\r\n", ""})
# Whatever a line that is not as simple as most may raise in the fast way; the slow way then says what is wrong, if anything is.
_ODD = (ValueError, LookupError, TypeError, RecursionError, RefusedInput)


def look_stretch(
    path: str, fingerprint: Fingerprint, name: str, wanted: Wanted, stretch: Stretch
) -> Gathered:
    """The rows that begin in a stretch of JSON Lines or text. Raises RefusedInput of the file itself."""
    found = Gathered(wanted.cells, wanted.contents)
    format_ = line_format(name, wanted, None)
    while stretch.start < stretch.stop:
        begin = stretch.start

        def look(lines: Iterator[bytes], _: Digests, *, is_first: bool = begin == 0) -> None:
            look_lines(
                format_, lines, found, is_first=is_first and not found.hashes, wanted=_fast(name, wanted)
            )

        digested = digest_stretch(path, fingerprint, stretch, look)
        found.first = digested.first if found.first < 0 else found.first
        found.end = max(found.end, digested.end)
        if digested.fault is None:
            break
        found.fault(too_big())  # which is all that a stretch itself refuses
        found.end = _behind_line(path, fingerprint, digested.end)
        stretch = Stretch(found.end, stretch.stop)
    return found


def _behind_line(path: str, fingerprint: Fingerprint, at: int) -> int:
    """Where the line that begins at a place ends."""
    with RegularFile(path) as file:
        file.check_is(fingerprint)
        return line_end(file, at)


def look_block(name: str, wanted: Wanted, header: bytes, block: bytes, *, is_first: bool) -> Gathered:
    """The rows of a block, which begins behind the header or behind a row; `is_first`: behind nothing."""
    found = Gathered(wanted.cells, wanted.contents)
    format_ = line_format(name, wanted, None, header)
    look_lines(format_, format_.rows(block), found, is_first=is_first, wanted=_fast(name, wanted))
    if format_.header:  # a format whose rows may have several lines
        found.lines = block.count(b"\n") + (not block.endswith(b"\n"))
    return found


def _fast(name: str, wanted: Wanted) -> Wanted | None:
    """What is wanted, where the fast way knows how to take it."""
    is_fast = (
        name == JSONL and wanted.column is not None and not wanted.is_partition_needed and not wanted.contents
    )
    return wanted if is_fast else None


def look_lines(
    format_: LineFormat, rows: Iterable[bytes], found: Gathered, *, is_first: bool, wanted: Wanted | None
) -> None:
    """Adds the rows, each with its fault if it has one. `is_first`: they begin the file; `wanted`: JSON Lines may be taken the fast way."""
    if wanted is not None:
        _look_fast(format_, rows, found, wanted)
        return
    counts_lines = bool(format_.header)
    line = 0
    for row in rows:
        _look_slowly(format_, row, found, line if counts_lines else None, is_first=is_first)
        is_first = False
        if counts_lines:
            line += row.count(b"\n")


def _look_slowly(
    format_: LineFormat, row: bytes, found: Gathered, line: int | None, *, is_first: bool
) -> None:
    try:
        content, form, cells = format_.take(row, is_first=is_first)
    except RefusedInput as error:
        found.fault(error, line)
    else:
        found.add(content, form, cells)


def _look_fast(format_: LineFormat, rows: Iterable[bytes], found: Gathered, wanted: Wanted) -> None:
    sha256, scan, add, hashes = hashlib.sha256, scan_json, found.hashes.append, found.hashes
    column, cells = wanted.column, frozenset(wanted.cells)
    row_max = spec.ROW_BYTES_MAX
    size_bytes = 0
    for line in rows:
        try:
            text = line.decode()
            row, end = scan(text)
            value = row[column]
            if type(value) is not str or text[end:] not in _ENDS or len(line) > row_max or opens_many(line):
                value = ""
            content = value.encode()
        except _ODD:
            content = b""
        if content:
            if not cells.isdisjoint(row):
                found.add_cells(
                    len(hashes), content, {name: row[name] for name in wanted.cells if name in row}
                )
            add(sha256(content).digest())
            size_bytes += len(content)
        else:
            _look_slowly(format_, line, found, None, is_first=False)
    found.size_bytes += size_bytes
