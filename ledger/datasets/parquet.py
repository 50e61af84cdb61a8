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

BATCH_ROWS: Final = 64  # of which each may have 4 MiB, though all are one value in the file
_BUFFER_BYTES: Final = 1_048_576  # of a column chunk that are read at once; without, it is read whole
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
                check_json(row)
                content, form = content_of(whole_row(row) if column is None else column_of(row, column))
            except RefusedInput as error:
                where = row_item(item, row_index, is_line=False)
                raise RefusedInput(error.code, where, error.reason, error.fix) from error
            yield Row(row_index, content, form, cells_of(row, cells))
            row_index += 1
        file.check_unchanged()
    if row_index == 0:
        raise dataset_empty(item)


class Table:
    """An open table. Made by `open_table`.

    `file` is pyarrow's; `names` those of its columns; `failures` what reading it may raise.
    """

    def __init__(self, file: Any, item: str, failures: tuple[type[Exception], ...]) -> None:
        """`item`: what it is called in an error."""
        self.file: Final = file
        self.failures: Final = failures
        self.schema: Final = file.schema_arrow
        self.names: Final = list(self.schema.names)
        self._item = item

    def batches(self, rows_max: int, columns: Sequence[str] | None = None) -> Iterator[Any]:
        """Its record batches, in order, of some columns or all. Raises RefusedInput `not-parquet`."""
        batches = self.file.iter_batches(batch_size=rows_max, columns=columns, use_threads=False)
        while True:
            try:
                batch = next(batches, None)
            except self.failures as error:
                raise not_parquet(self._item, error) from error
            if batch is None:
                return
            yield batch

    def rows(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Each row as a map, of these columns alone. Raises RefusedInput `not-parquet`."""
        for batch in self.batches(BATCH_ROWS, columns):
            try:
                rows = batch.to_pylist()
            except self.failures as error:
                raise not_parquet(self._item, error) from error
            yield from rows


def open_table(file: RegularFile, item: str, column: str | None = None) -> Table:
    """The table in an open file, which has the column that is wanted.

    Raises RefusedInput, naming `item`: `not-parquet`, `column-twice`, `column-missing`, `extra-missing`.
    """
    parquet = load("pyarrow.parquet", "parquet")
    # what pyarrow says of a file; and Python of a value that it has no object for, such as a day in the year 10,000
    failures = (
        OSError,
        ValueError,
        ArithmeticError,
        NotImplementedError,
        load("pyarrow", "parquet").ArrowException,
    )
    try:
        table = Table(parquet.ParquetFile(file.handle, buffer_size=_BUFFER_BYTES), item, failures)
    except failures as error:
        raise not_parquet(item, error) from error
    names = table.names
    if len(set(names)) != len(names):
        raise RefusedInput(
            "column-twice", item, "two of its columns have the same name", "Rename one of them"
        )
    if column is not None and column not in names:
        missing = column_missing(column, names)
        raise RefusedInput(missing.code, item, missing.reason, missing.fix)
    return table


def _rows(
    file: RegularFile, item: str, column: str | None, cells: tuple[str, ...]
) -> Iterator[dict[str, Any]]:
    """Each row as a map, of the columns that are needed alone. Raises RefusedInput."""
    table = open_table(file, item, column)
    yield from table.rows([name for name in table.names if column is None or name == column or name in cells])


def check_json(row: Mapping[str, Any]) -> None:
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
    """The refusal of a file that its library cannot read."""
    said = str(error).partition("\n")[0]
    return RefusedInput("not-parquet", item, f"it cannot be read as Parquet ({said})", "Write it anew")
