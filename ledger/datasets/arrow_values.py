"""The cells of Arrow arrays as JSON values, in memory that is bounded by what a row may have.

An array may say much more than it holds: a dictionary, a view, a run or a list of nothing repeats one value as often as it likes, in a few
bytes. So only arrays whose cells are stored one by one are turned into values together; of all others each cell is walked, and left when
it is longer than a row may be.

A cell is the JSON value that it would be in JSON Lines, so that the same row has the same digest whatever file carried it (SPEC §4.2). What has no such value (bytes,
times, decimals, maps) is refused by row and column, not turned into some text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from ledger import spec
from ledger.datasets.rows import too_big
from ledger.errors import RefusedInput
from ledger.extras import load

EXTRA: Final = "parquet"  # pyarrow reads both Parquet and Arrow
_SLICE_BYTES: Final = 1_048_576  # of cells are turned into values at once, about
_SLICE_ROWS: Final = 1_024


def rows_of_batch(batch: Any, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of a record batch, of these columns. A cell that has no value is, in its place, the RefusedInput that says why."""
    columns = [(name, batch.column(batch.schema.get_field_index(name))) for name in names]
    row_count = batch.num_rows
    each_bytes = max(1, sum(int(column.nbytes) for _, column in columns) // max(1, row_count))
    step = max(1, min(_SLICE_ROWS, _SLICE_BYTES // each_bytes))
    for start in range(0, row_count, step):
        stop = min(start + step, row_count)
        if not names:
            yield from ({} for _ in range(start, stop))
        values = [cells(column.slice(start, stop - start), name) for name, column in columns]
        for row in zip(*values, strict=True):
            yield dict(zip(names, row, strict=True))


def check_cells(row: dict[str, Any]) -> None:
    """Raises the RefusedInput of the first of the row's cells that has no value."""
    for value in row.values():
        if isinstance(value, RefusedInput):
            raise value


def cells(column: Any, name: str) -> Iterable[Any]:
    """The cells of an array, each a JSON value, or the RefusedInput of a cell that has none; at once only where they are stored one by one."""
    types = load("pyarrow", EXTRA).types
    if _is_simple(types, column.type):
        with suppress(UnicodeDecodeError):
            found: list[Any] = column.to_pylist()
            return found
    return (_cell(scalar, name) for scalar in column)


def stored_cell(column: Any, at: int, name: str) -> Any:
    """One cell as the file has it, whether or not a JSON value is in it: bytes, times, decimals and maps as Python has them.

    Raises RefusedInput that names no row: not-utf8; too-large beyond `spec.STORED_CELL_BYTES_MAX`.
    """
    return _StoredWalk(name, spec.STORED_CELL_BYTES_MAX).value(column[at])


def _is_simple(types: Any, kind: Any) -> bool:
    """Whether each cell of such an array is stored for itself, and is a JSON value."""
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_null(kind)
    )


def _cell(scalar: Any, name: str) -> Any:
    try:
        return _Walk(name).value(scalar)
    except RefusedInput as error:
        return error


class _Walk:
    """Turns one cell into a value; `left` is how much JSON it may still be, in bytes."""

    def __init__(self, name: str, bytes_max: int = spec.ROW_BYTES_MAX) -> None:
        self._name = name
        self._types = load("pyarrow", EXTRA).types
        self._left = bytes_max

    def value(self, scalar: Any) -> Any:
        """Raises RefusedInput: cell-not-json, not-utf8, too-large."""
        if not scalar.is_valid:
            return self._spent(None, 1)
        kind, types = scalar.type, self._types
        if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
            return self._text(scalar)
        if _is_simple(types, kind):
            return self._spent(scalar.as_py(), 1)
        if types.is_dictionary(kind):
            return self.value(scalar.value)
        if types.is_run_end_encoded(kind) or isinstance(kind, load("pyarrow", EXTRA).BaseExtensionType):
            return self.value(load("pyarrow", EXTRA).scalar(None) if scalar.value is None else scalar.value)
        if (
            types.is_list(kind)
            or types.is_large_list(kind)
            or types.is_fixed_size_list(kind)
            or types.is_list_view(kind)
            or types.is_large_list_view(kind)
        ):
            return self._list(scalar.values)
        if types.is_struct(kind):
            return self._struct(scalar)
        return self._other(scalar)

    def _other(self, scalar: Any) -> Any:
        """A value that is none in JSON."""
        kind = scalar.type
        raise RefusedInput(
            "cell-not-json",
            "row",
            f"its column {self._name!a} holds a {kind}, which no JSON value is",
            "Write the column as strings or numbers",
        )

    def _text(self, scalar: Any) -> str:
        content = scalar.as_buffer()
        self._spent(None, content.size)
        try:
            return bytes(content).decode()
        except UnicodeDecodeError as error:
            raise RefusedInput(
                "not-utf8",
                "row",
                f"byte {error.start + 1} of its column {self._name!a} is not UTF-8",
                "Write the column anew from text",
            ) from error

    def _list(self, values: Any) -> list[Any]:
        self._spent(None, len(values))
        kind = values.type
        if _is_simple(self._types, kind) and not (
            self._types.is_string(kind) or self._types.is_large_string(kind)
        ):
            found: list[Any] = values.to_pylist()
            return found
        return [self.value(each) for each in values]

    def _struct(self, scalar: Any) -> dict[str, Any]:
        names = [field.name for field in scalar.type]
        if len(set(names)) != len(names):
            raise RefusedInput(
                "json-duplicate-key",
                "row",
                f"its column {self._name!a} has two members of one name, and readers differ in which they take",
                "Rename one of them",
            )
        self._spent(None, sum(map(len, names)))
        return {name: self.value(scalar[at]) for at, name in enumerate(names)}

    def _spent(self, value: Any, size_bytes: int) -> Any:
        self._left -= size_bytes
        if self._left < 0:
            raise too_big()
        return value


class _StoredWalk(_Walk):
    """Takes, besides, what no JSON value is: of a row that is handed out, not judged by that cell."""

    def _other(self, scalar: Any) -> Any:
        kind, types = scalar.type, self._types
        if types.is_map(kind):
            return [(self.value(pair[0]), self.value(pair[1])) for pair in scalar.values]
        if types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind):
            self._spent(None, scalar.as_buffer().size)
        return scalar.as_py()

    def _spent(self, value: Any, size_bytes: int) -> Any:
        self._left -= size_bytes
        if self._left < 0:
            raise RefusedInput(
                "too-large",
                "row",
                f"its column {self._name!a} holds more than {spec.STORED_CELL_BYTES_MAX:,} bytes",
                "Name the column that is needed, or split the row",
            )
        return value
