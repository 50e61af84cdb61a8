"""Parquet: one row a row, read in batches by pyarrow (extra `parquet`).

A cell is the JSON value that it would be in JSON Lines, so that the same row has the same digest whatever file carried
it. What has no such value (bytes, times, decimals) is refused by row and column, not turned into some text.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ledger.datasets.files import RegularFile, printable
from ledger.datasets.rows import (
    Row,
    cells_of,
    column_missing,
    column_of,
    content_of,
    dataset_empty,
    row_item,
    whole_row,
)
from ledger.errors import RefusedInput
from ledger.extras import load

_BATCH_ROWS: Final = 1_024
_JSON_TYPES: Final = (str, int, float, bool, type(None))


def read_parquet(
    path: str | os.PathLike[str], column: str | None, cells: tuple[str, ...] = ()
) -> Iterator[Row]:
    """The rows of a Parquet file, in order; arguments and contents as of `read_jsonl`.

    Raises RefusedInput, naming file and row: not-parquet, extra-missing, cell-not-json, column-missing, column-empty,
    column-twice, too-large, dataset-empty, those of `canonical_json`, and of the file itself those of `RegularFile`.
    """
    item = printable(path)
    with RegularFile(path) as file:
        row_index = 0
        for row in _rows(file, item, column, cells):
            try:
                _check_json(row)
                content, form = content_of(whole_row(row) if column is None else column_of(row, column))
            except RefusedInput as error:
                where = row_item(item, row_index, is_line=False)
                raise RefusedInput(error.code, where, error.reason, error.fix) from error
            yield Row(row_index, content, form, cells_of(row, cells))
            row_index += 1
        file.check_unchanged()
    if row_index == 0:
        raise dataset_empty(item)


class ParquetTable:
    """An open Parquet file. Made by `open_parquet`."""

    def __init__(self, file: Any, item: str) -> None:
        """`file`: pyarrow's; `item`: what it is called in an error."""
        self._file = file
        self._item = item
        self.schema: Final = file.schema_arrow

    def batches(self, rows_max: int, columns: Sequence[str] | None = None) -> Iterator[Any]:
        """Its record batches, in order, of some columns or all. Raises RefusedInput `not-parquet`."""
        batches = self._file.iter_batches(batch_size=rows_max, columns=columns, use_threads=False)
        while True:
            try:
                batch = next(batches, None)
            except (OSError, ValueError, NotImplementedError) as error:
                raise not_parquet(self._item, error) from error
            if batch is None:
                return
            yield batch


def open_parquet(file: RegularFile, item: str) -> ParquetTable:
    """Reads what a Parquet file says of itself. Raises RefusedInput `not-parquet`, `column-twice`, `extra-missing`."""
    parquet = load("pyarrow.parquet", "parquet")
    try:
        table = ParquetTable(parquet.ParquetFile(file.handle), item)
    except (OSError, ValueError, NotImplementedError) as error:  # pyarrow's own errors are ValueErrors
        raise not_parquet(item, error) from error
    if len(set(table.schema.names)) != len(table.schema.names):
        raise RefusedInput(
            "column-twice", item, "two of its columns have the same name", "Rename one of them"
        )
    return table


def _rows(
    file: RegularFile, item: str, column: str | None, cells: tuple[str, ...]
) -> Iterator[dict[str, Any]]:
    """Each row as a map, of the columns that are needed alone. Raises RefusedInput."""
    table = open_parquet(file, item)
    names = list(table.schema.names)
    if column is not None and column not in names:
        missing = column_missing(column, names)
        raise RefusedInput(missing.code, item, missing.reason, missing.fix)
    needed = [name for name in names if column is None or name == column or name in cells]
    for batch in table.batches(_BATCH_ROWS, needed):
        try:
            rows = batch.to_pylist()
        except (OSError, ValueError) as error:
            raise not_parquet(item, error) from error
        yield from rows


def _check_json(row: Mapping[str, Any]) -> None:
    """Raises RefusedInput `cell-not-json` for a value that JSON Lines could not carry."""
    for name, cell in row.items():
        waiting = [cell]
        while waiting:
            value = waiting.pop()
            if isinstance(value, list):
                waiting += value
            elif isinstance(value, dict):
                waiting += value.values()
            elif not isinstance(value, _JSON_TYPES):
                raise RefusedInput(
                    "cell-not-json",
                    "row",
                    f"its column {name!a} holds a {type(value).__name__}, which no JSON value is",
                    "Write the column as strings or numbers",
                )


def not_parquet(item: str, error: Exception) -> RefusedInput:
    """The refusal of a file that pyarrow cannot read."""
    said = str(error).partition("\n")[0]
    return RefusedInput("not-parquet", item, f"it cannot be read as Parquet ({said})", "Write it anew")
