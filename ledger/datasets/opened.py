"""A dataset by its name's suffix: which reader yields its rows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import PurePath
from typing import Final

from ledger.datasets.files import printable
from ledger.datasets.jsonl import read_jsonl
from ledger.datasets.lines import read_lines
from ledger.datasets.parquet import read_parquet
from ledger.datasets.rows import Row
from ledger.errors import RefusedInput

PARQUET: Final = frozenset({".parquet"})
TEXT: Final = frozenset({".txt", ".text"})


def read_rows(path: str | os.PathLike[str], column: str | None, cells: tuple[str, ...] = ()) -> Iterator[Row]:
    """The rows of a dataset, in order: Parquet, text by line, or JSON Lines, which is what every other name stands for.

    `column` is the content of a row, None the row as a whole, or a line; `cells` are columns to be read beside it.
    Raises as the reader of the format; RefusedInput column-missing for a column of a text.
    """
    suffix = suffix_of(path)
    if suffix in PARQUET:
        return read_parquet(path, column, cells)
    if suffix in TEXT:
        if column is not None:
            raise RefusedInput(
                "column-missing",
                printable(path),
                f"a text is signed by line, and has no column {column!a}",
                "Take the line as a whole",
            )
        return read_lines(path)
    return read_jsonl(path, column, cells)


def suffix_of(path: str | os.PathLike[str]) -> str:
    """What a path's name ends with, in small letters."""
    return PurePath(path).suffix.lower()


def by_line(path: str | os.PathLike[str]) -> bool:
    """Whether the rows of a dataset are lines of its file."""
    return suffix_of(path) not in PARQUET
