"""Rows that are in memory: a `Dataset` or `IterableDataset` of Hugging Face's `datasets`, an Arrow table, or any iterable of mappings.

They are known by what they can do, not by their class, so that none of those libraries is needed or loaded here. What can hand out Arrow tables
(`with_format("arrow")`) does: no cell is decoded on the way, and a transform or format that its owner set does not change what a row is. Rows are
read again for each use, where the source allows that; a generator is read once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from itertools import compress, count, islice
from pathlib import Path
from typing import Any, Final

from ledger import spec
from ledger.datasets.batches import look_batch, take_batch
from ledger.datasets.dataset import Part, Segment
from ledger.datasets.files import Fingerprint
from ledger.datasets.formats import MEMORY, Format
from ledger.datasets.gathered import Gathered, RowBatch
from ledger.datasets.jcs import too_deep
from ledger.datasets.line_formats import Taken, located
from ledger.datasets.looking import Ask, Looked, known
from ledger.datasets.reading import AnyRow
from ledger.datasets.rows import Row, column_missing, dataset_empty, row_item, too_big
from ledger.datasets.wanted import FaultyRow, Wanted
from ledger.errors import RefusedInput

_BATCH_ROWS: Final = 1_000  # of a source that hands out tables
_RUN_ROWS: Final = 1_024  # of one that hands out rows
_JSON_TYPES: Final = (str, int, float, bool, type(None))
_NO_FILE: Final = Fingerprint(0, 0, 0, 0, 0)


class MemoryDataset:
    """Rows in memory, by the same interface as a dataset of files: `rows`, `look`; and `kept` in place of what is written."""

    def __init__(self, source: Any, item: str = "dataset") -> None:
        """`item`: how it is called in errors. Raises RefusedInput `not-rows` for what has no rows, as far as that can be seen."""
        self._source = source
        self.item = item
        is_iterable = isinstance(source, Iterable) and not isinstance(source, (str, bytes))
        if isinstance(source, Mapping):
            shown = ", ".join(ascii(name) for name in islice(source, 4))
            raise _not_rows(item, f"it is a mapping (of {shown})", "Take one of its values, such as a split")
        if hasattr(source, "iterrows"):
            raise _not_rows(item, "it is a data frame", "Make it a pyarrow.Table (Table.from_pandas)")
        if not is_iterable and not hasattr(source, "to_batches"):
            raise _not_rows(item, f"it is a {type(source).__name__}", "Give an iterable of mappings")

    @property
    def is_read_once(self) -> bool:
        """Whether its rows are gone when they were read, as those of a generator are."""
        return isinstance(self._source, Iterator)

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Their names, None where only the rows say them."""
        names = getattr(self._source, "column_names", None)
        return tuple(names) if isinstance(names, Sequence) else None

    def rows(
        self, column: str | None, cells: Sequence[str] = (), *, lenient: bool = False
    ) -> Iterator[AnyRow]:
        """As `Dataset.rows`. Raises the same, and what the source raises."""
        wanted = self._wanted(column, cells)
        found = False
        for row_index, taken in enumerate(self._taken(wanted)):
            found = True
            if not isinstance(taken, RefusedInput):
                yield Row(row_index, *taken)
                continue
            error = located(taken, row_item(self.item, row_index, is_line=False))
            if not lenient:
                raise error from taken
            yield FaultyRow(row_index, error)
        if not found:
            raise dataset_empty(self.item)

    def look(self, column: str | None, cells: Sequence[str] = ()) -> Iterator[Looked]:
        """As `looking.look`, in this process; all of it is one segment."""
        wanted = self._wanted(column, cells)
        part = Part(0, Path(self.item), self.item, Format(MEMORY), _NO_FILE, {}, self.columns)
        row_index = 0
        for ask in self._runs(wanted):
            batch = ask(frozenset()).result()
            yield Looked(
                part,
                Segment(0, 0, 0, 0),
                batch,
                row_index,
                row_index,
                0,
                wanted.cells,
                is_last=False,
                ask=ask,
            )
            row_index += batch.row_count
        if not row_index:
            raise dataset_empty(self.item)
        end = Gathered(wanted.cells).batch()
        yield Looked(part, Segment(0, 0, 0, 0), end, row_index, row_index, 0, wanted.cells, is_last=True)

    def kept(self, keep: Sequence[int]) -> Any:
        """The rows with a 1 (or True) in `keep`, of the kind that the source is: by `select`, `filter`, a list, or an iterator.

        Raises RefusedInput `rows-differ` where `keep` has not as many as the source, if that can be seen; `rows-gone` of a source that is read once.
        """
        source = self._source
        if self.is_read_once:
            raise RefusedInput(
                "rows-gone",
                self.item,
                "its rows could be read but once, and were looked at",
                "Give a list, a table, or an iterable that can be read again",
            )
        size = len(source) if hasattr(source, "__len__") else None
        if size is not None and size != len(keep):
            raise RefusedInput(
                "rows-differ",
                self.item,
                f"it has {size} rows, and {len(keep)} were looked at",
                "Do not change it between the two",
            )
        if (
            hasattr(source, "select")
            and hasattr(source, "column_names")
            and size is not None
            and hasattr(source, "with_format")
        ):
            return source.select([at for at, flag in enumerate(keep) if flag])
        if hasattr(source, "with_format") and hasattr(source, "filter"):
            return source.filter(_Kept(keep), with_indices=True)
        if hasattr(source, "to_batches"):
            return source.take([at for at, flag in enumerate(keep) if flag])
        found = compress(source, keep)
        return list(found) if isinstance(source, (list, tuple)) else found

    def _wanted(self, column: str | None, cells: Sequence[str]) -> Wanted:
        names = self.columns
        if column is not None and names is not None and column not in names:
            missing = column_missing(column, names)
            raise RefusedInput(missing.code, self.item, missing.reason, missing.fix)
        return Wanted(column, tuple(cells))

    def _batches(self, wanted: Wanted) -> Iterator[Any] | None:
        """The source's rows as record batches of the columns needed, if it can hand them out."""
        source = self._source
        if hasattr(source, "to_batches"):
            return (batch for batch in source.to_batches())
        names = self.columns
        if names is None or not (hasattr(source, "with_format") and hasattr(source, "iter")):
            return None  # without known columns each table might have others
        if hasattr(source, "select_columns"):
            source = source.select_columns(wanted.needed(names))
        tables = source.with_format("arrow").iter(batch_size=_BATCH_ROWS)
        return (batch for table in tables for batch in table.to_batches())

    def _runs(self, wanted: Wanted) -> Iterator[Ask]:
        """Runs of rows, each as what looks at it."""
        batches = self._batches(wanted)
        if batches is not None:
            for batch in batches:
                yield partial(_look_at_batch, batch, wanted)
            return
        rows = self._taken(wanted)
        while run := list(islice(rows, _RUN_ROWS)):
            yield partial(_look_at_rows, run, wanted)

    def _taken(self, wanted: Wanted) -> Iterator[Taken | RefusedInput]:
        batches = self._batches(wanted)
        if batches is not None:
            for batch in batches:
                yield from take_batch(batch, wanted)
            return
        for row in self._source:
            try:
                yield _take(row, wanted)
            except RefusedInput as error:
                yield error


def _look_at_batch(batch: Any, wanted: Wanted, contents: frozenset[int]) -> Future[RowBatch]:
    found = Gathered(wanted.cells, contents)
    look_batch(batch, replace(wanted, contents=contents), found)
    return known(found.batch())


def _look_at_rows(
    run: Iterable[Taken | RefusedInput], wanted: Wanted, contents: frozenset[int]
) -> Future[RowBatch]:
    found = Gathered(wanted.cells, contents)
    for taken in run:
        if isinstance(taken, RefusedInput):
            found.fault(taken)
        else:
            found.add(*taken)
    return known(found.batch())


def judged_content(row: Any, column: str | None) -> bytes:
    """The content of a mapping that is a row: its cell of that column, or all of it. Raises RefusedInput that names no row."""
    return _take(row, Wanted(column))[0]


class _Kept:
    """A predicate on row indices, for a source that filters by itself."""

    def __init__(self, keep: Sequence[int]) -> None:
        self._keep = keep

    def __call__(self, _: Any, row_index: int) -> bool:
        return row_index < len(self._keep) and bool(self._keep[row_index])


def _take(row: Any, wanted: Wanted) -> Taken:
    """What is wanted of a mapping. Raises RefusedInput that names no row."""
    if not isinstance(row, Mapping):
        raise RefusedInput(
            "row-not-object",
            "row",
            f"it is a {type(row).__name__}, not a mapping",
            'Give each row as a mapping such as {"text": "..."}',
        )
    names = list(row) if wanted.column is None else [wanted.column, *wanted.cells]
    for name in names:
        if name in row:
            _check_json(name, row[name])
    return wanted.take(row if isinstance(row, dict) else dict(row))


def _check_json(name: Any, cell: Any) -> None:
    """Raises RefusedInput: cell-not-json, json-too-deep, too-large for what is too long."""
    waiting = [(cell, 0)]
    left = count(spec.ROW_BYTES_MAX, -1)
    while waiting:
        value, depth = waiting.pop()
        names: list[Any] = []
        if depth > spec.JSON_DEPTH_MAX:  # or it holds itself
            raise too_deep()
        if isinstance(value, list):
            waiting += ((item, depth + 1) for item in value)
        elif isinstance(value, dict):
            waiting += ((item, depth + 1) for item in value.values())
            names = list(value)
        elif not isinstance(value, _JSON_TYPES):
            names = [value]
        for each in (*names, name):
            if not isinstance(each, str):
                raise RefusedInput(
                    "cell-not-json",
                    "row",
                    f"its column {name!a} holds a {type(each).__name__}, which no JSON value is there",
                    "Give strings, numbers, lists and dicts (of an array, its tolist())",
                )
        if next(left) < 0:
            raise too_big()


def _not_rows(item: str, reason: str, fix: str) -> RefusedInput:
    return RefusedInput("not-rows", item, reason, fix)
