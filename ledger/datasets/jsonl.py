"""JSON Lines: one JSON object a line, UTF-8, lines ended by LF (a CR before it is JSON white space).

Rows are streamed: memory is bounded by the longest line allowed (SPEC §13), whatever the file's length, and a line that
is longer is refused from its first bytes. Nothing is skipped and nothing guessed: row index and line number go in step,
so the row that a verdict names is the line that an editor shows.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import Any, Final

from ledger import spec
from ledger.datasets.digests import RAW, Digests
from ledger.datasets.files import RegularFile, printable
from ledger.datasets.jcs import opens_many, parse_json, scan_json
from ledger.datasets.rows import (
    Form,
    Row,
    cells_of,
    column_of,
    content_of,
    dataset_empty,
    row_item,
    too_big,
    whole_row,
)
from ledger.errors import RefusedInput

_WHITE_SPACE: Final = b" \t\r\n"  # RFC 8259 §2
_ENDS: Final = frozenset({"\n", "\r\n", ""})
# Whatever a line that is not as simple as most may raise in the short way; the long way then says what is wrong, if anything is.
_ODD: Final = (ValueError, LookupError, TypeError, RecursionError, RefusedInput)


def read_jsonl(
    path: str | os.PathLike[str], column: str | None, cells: tuple[str, ...] = ()
) -> Iterator[Row]:
    """The rows of a JSON Lines file, in order; `column` names the member that is the content, None takes the whole row.

    A string's content is its UTF-8 (form raw), any other value's its RFC 8785 bytes (form jcs). The file is opened at the
    first row; rows before a faulty one have been yielded when the fault is raised, so act on none until the last is read.

    Raises RefusedInput, naming file, row and line: too-large, row-blank, row-not-object, column-missing, column-empty,
    dataset-empty, those of `parse_json` and `canonical_json`, and of the file itself those of `RegularFile`.
    """
    with RegularFile(path) as file:
        row_index = 0
        while line := file.readline(spec.ROW_BYTES_MAX + 3):  # one more than `parse_line` takes
            try:
                content, form, members = parse_line(line, column)
            except RefusedInput as error:
                where = row_item(printable(path), row_index)
                raise RefusedInput(error.code, where, error.reason, error.fix) from error
            yield (
                Row(row_index, content, form, cells_of(members, cells))
                if cells
                else Row(row_index, content, form)
            )
            row_index += 1
        file.check_unchanged()
    if row_index == 0:
        raise dataset_empty(printable(path))


def parse_line(line: bytes, column: str | None) -> tuple[bytes, Form, dict[str, Any]]:
    """Content and form of one line, and its members. Raises RefusedInput that names no file, for it knows none."""
    row = row_of_line(line)
    content, form = content_of(whole_row(row) if column is None else column_of(row, column))
    return content, form, row


def row_of_line(line: bytes) -> dict[str, Any]:
    """The members of one line, with or without its end. Raises as `parse_line`."""
    text = line.rstrip(b"\r\n")
    if len(text) > spec.ROW_BYTES_MAX or len(line) > spec.ROW_BYTES_MAX + 2:  # room for CR and LF
        raise too_big()
    if not text.strip(_WHITE_SPACE):
        raise RefusedInput("row-blank", "row", "the line is blank", "Delete it: each line is one JSON object")
    row = parse_json(text)
    if not isinstance(row, dict):
        raise RefusedInput(
            "row-not-object",
            "row",
            f"the line is a JSON {_kind(row)}, not an object",
            'Write each row as an object such as {"text": "..."}',
        )
    return row


def digest_lines(column: str | None, lines: Iterator[bytes], found: Digests) -> None:
    """Adds the digest of each line's content, as `parse_line` has it. Raises RefusedInput as that, at the first that is refused.

    Most rows are an object with a string in that column. Those go a short way, by the same decoder; what is not so simple is left
    to `parse_line`, which alone refuses anything.
    """
    sha256, scan, add = hashlib.sha256, scan_json, found.hashes.append
    size_bytes = 0
    try:
        for line in lines:
            try:
                text = line.decode()
                row, end = scan(text)
                value = row[column]
                if (
                    type(value) is not str
                    or text[end:] not in _ENDS
                    or len(line) > spec.ROW_BYTES_MAX
                    or opens_many(line)
                ):
                    value = ""
                content = value.encode()
            except _ODD:
                content = b""
            if content:
                add(sha256(content).digest())
                size_bytes += len(content)
            else:
                found.add(*parse_line(line, column)[:2])
    finally:
        if size_bytes:
            found.size_bytes += size_bytes
            found.forms |= RAW


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return "array"
    if isinstance(value, str):
        return "string"
    if value is None or isinstance(value, bool):
        return "literal"
    return "number"
