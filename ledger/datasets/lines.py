"""Text by line: each line of a UTF-8 file is a row of form raw, without its end (LF or CR LF; SPEC §4.2).

Row index and line number go in step, so an empty line is a row of no bytes. What follows the last line end is a row only
if it holds anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from ledger import spec
from ledger.datasets.digests import Digests
from ledger.datasets.files import RegularFile, printable
from ledger.datasets.rows import Row, dataset_empty, row_item, too_big
from ledger.errors import RefusedInput

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


def read_lines(path: str | os.PathLike[str]) -> Iterator[Row]:
    """The lines of a text file, in order.

    Raises RefusedInput, naming file and line: too-large, byte-order-mark, not-utf8; dataset-empty; those of `RegularFile`.
    """
    with RegularFile(path) as file:
        row_index = 0
        while line := file.readline(spec.ROW_BYTES_MAX + 2):  # room for CR and LF
            try:
                content = line_content(line, is_first=row_index == 0)
            except RefusedInput as error:
                where = row_item(printable(path), row_index)
                raise RefusedInput(error.code, where, error.reason, error.fix) from error
            yield Row(row_index, content, "raw")
            row_index += 1
        file.check_unchanged()
    if row_index == 0:
        raise dataset_empty(printable(path))


def digest_lines(is_first: bool, lines: Iterator[bytes], found: Digests) -> None:
    """Adds the digest of each line. `is_first`: they begin the file. Raises RefusedInput as `line_content`, at the first refused."""
    for line in lines:
        found.add(line_content(line, is_first=is_first and not found.hashes), "raw")


def line_content(line: bytes, *, is_first: bool) -> bytes:
    """A line without its end. Raises RefusedInput that names no file, for it knows none."""
    text = line.removesuffix(b"\n")
    if len(text) < len(line):
        text = text.removesuffix(b"\r")
    if len(text) > spec.ROW_BYTES_MAX:
        raise too_big()
    if is_first and text.startswith(_BYTE_ORDER_MARK):
        raise RefusedInput(
            "byte-order-mark",
            "row",
            "the file starts with a byte order mark (EF BB BF), which would be part of its first line",
            "Save the file as UTF-8 without BOM",
        )
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise RefusedInput(
            "not-utf8",
            "row",
            f"byte {error.start + 1} is not UTF-8",
            "Convert the file to UTF-8; unpack it first if it is compressed",
        ) from error
    return text
