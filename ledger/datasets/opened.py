"""A dataset by its name's suffix: which reader yields its rows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Final, NamedTuple

from ledger.datasets.files import Fingerprint, RegularFile
from ledger.datasets.formats import JSONL, TABLES, Format, by_name, format_of
from ledger.datasets.formats import PARQUET as PARQUET_TABLE
from ledger.datasets.formats import TEXT as TEXT_LINES
from ledger.datasets.jsonl import read_jsonl
from ledger.datasets.lines import read_lines
from ledger.datasets.parquet import read_parquet
from ledger.datasets.reading import read_part
from ledger.datasets.row_files import FileEntry
from ledger.datasets.rows import Row
from ledger.datasets.wanted import Wanted

PARQUET: Final = frozenset({".parquet"})
TEXT: Final = frozenset({".txt", ".text"})


class _File(NamedTuple):
    """A file that is read by itself."""

    path: Path
    format: Format
    fingerprint: Fingerprint
    files: tuple[FileEntry, ...] = ()


def read_rows(path: str | os.PathLike[str], column: str | None, cells: tuple[str, ...] = ()) -> Iterator[Row]:
    """The rows of a dataset, in order: of the format that its name says (`ledger.datasets.formats`), JSON Lines where it says none.

    `column` is the content of a row, None the row as a whole, or a line; `cells` are columns to be read beside it.
    Raises as the reader of the format; RefusedInput column-missing for a column of a text.
    """
    format_ = by_name(path) or Format(JSONL)
    if format_ == Format(JSONL):
        return read_jsonl(path, column, cells)
    if format_ == Format(PARQUET_TABLE):
        return read_parquet(path, column, cells)
    if format_ == Format(TEXT_LINES) and column is None:
        return read_lines(path)
    return _read(Path(path), format_, Wanted(column, cells))


def _read(path: Path, format_: Format, wanted: Wanted) -> Iterator[Row]:
    if format_.name in TABLES and format_.packing is not None:
        format_of(path)  # says why not
    with RegularFile(path) as file:
        known = file.fingerprint
    for row in read_part(_File(path, format_, known), wanted):
        if isinstance(row, Row):  # it is, in a strict reading of one file
            yield row


def suffix_of(path: str | os.PathLike[str]) -> str:
    """What a path's name ends with, in small letters."""
    return PurePath(path).suffix.lower()


def by_line(path: str | os.PathLike[str]) -> bool:
    """Whether the rows of a dataset are lines of its file, one each."""
    format_ = by_name(path) or Format(JSONL)
    return format_.name in (JSONL, TEXT_LINES)
