"""JSON Lines: one JSON object a line, UTF-8, lines ended by LF (a CR before it is JSON white space).

Rows are streamed: memory is bounded by the longest line allowed (SPEC §13), whatever the file's length, and a line that
is longer is refused from its first bytes. Nothing is skipped and nothing guessed: row index and line number go in step,
so the row that a verdict names is the line that an editor shows.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Final

from ledger import spec
from ledger.datasets.files import RegularFile, printable
from ledger.datasets.jcs import canonical_json, lone_surrogate, parse_json
from ledger.datasets.rows import Form, Row
from ledger.errors import RefusedInput

_WHITE_SPACE: Final = b" \t\r\n"  # RFC 8259 §2
_COLUMNS_SHOWN: Final = 8  # names of columns in an error
_NAME_SHOWN_CHARS: Final = 40


def read_jsonl(path: str | os.PathLike[str], column: str | None) -> Iterator[Row]:
    """The rows of a JSON Lines file, in order; `column` names the member that is the content, None takes the whole row.

    A string's content is its UTF-8 (form raw), any other value's its RFC 8785 bytes (form jcs). The file is opened at the
    first row; rows before a faulty one have been yielded when the fault is raised, so act on none until the last is read.

    Raises RefusedInput, naming file, row and line: too-large, row-blank, row-not-object, column-missing, column-empty,
    dataset-empty, those of `parse_json` and `canonical_json`, and of the file itself those of `RegularFile`.
    """
    with RegularFile(path) as file:
        row_index = 0
        while line := file.readline(spec.ROW_BYTES_MAX + 2):  # room for CR and LF
            try:
                content, form = _content(line, column)
            except RefusedInput as error:
                where = f"{printable(path)}, row {row_index} (line {row_index + 1})"
                raise RefusedInput(error.code, where, error.reason, error.fix) from error
            yield Row(row_index, content, form)
            row_index += 1
        file.check_unchanged()
    if row_index == 0:
        raise RefusedInput("dataset-empty", printable(path), "the file holds no row", "Name a file with rows")


def _content(line: bytes, column: str | None) -> tuple[bytes, Form]:
    """Content and form of one line; what it raises names no file, for it knows none."""
    text = line.rstrip(b"\r\n")
    if len(text) > spec.ROW_BYTES_MAX:
        raise _too_big()
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
    value = row if column is None else _column(row, column)
    if isinstance(value, str):
        try:
            return value.encode("utf-8"), "raw"
        except UnicodeEncodeError as error:
            raise lone_surrogate() from error
    content = canonical_json(value)
    if len(content) > spec.ROW_BYTES_MAX:  # 1e15 takes 16 bytes in its canonical form
        raise _too_big()
    return content, "jcs"


def _column(row: dict[str, Any], column: str) -> Any:
    if column not in row:
        names = [ascii(name[:_NAME_SHOWN_CHARS]) for name in list(row)[:_COLUMNS_SHOWN]]
        there = ", ".join(names) + (", ..." if len(row) > _COLUMNS_SHOWN else "")
        raise RefusedInput(
            "column-missing",
            "row",
            f"it has no column {column!a}; it has {there or 'none at all'}",
            "Name a column that every row has",
        )
    value = row[column]
    if value is None or value == "":
        what = "null" if value is None else "the empty string"
        raise RefusedInput(
            "column-empty", "row", f"its column {column!a} is {what}", "Fill it, or leave the row out"
        )
    return value


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return "array"
    if isinstance(value, str):
        return "string"
    if value is None or isinstance(value, bool):
        return "literal"
    return "number"


def _too_big() -> RefusedInput:
    return RefusedInput(
        "too-large",
        "row",
        f"it is longer than {spec.ROW_BYTES_MAX:,} bytes",
        "Split the row, or sign it as a file of its own",
    )
