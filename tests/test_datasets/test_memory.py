"""Rows in memory: iterables of mappings, Arrow tables, and Hugging Face's datasets, real where they are installed and a small stand-in where not."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import pytest

from ledger import spec
from ledger.datasets.memory import MemoryDataset
from ledger.datasets.rows import Row
from ledger.datasets.wanted import FaultyRow
from tests.test_datasets.carriers import arrow
from tests.test_datasets.refusals import refused
from tests.test_datasets.test_formats_agree import looked_at, one_by_one

ROWS = [{"text": f"row {at} ü", "n": at, "lineage_id": "ab" * 32 if at % 2 else None} for at in range(25)]
CELLS = ("lineage_id", "absent")


class FakeDataset:
    """What a `datasets.Dataset` does that is asked of it: a table behind a format, batches, columns, a choice of rows."""

    def __init__(self, table: Any, format_: str | None = None) -> None:
        self._table = table
        self._format = format_
        self.column_names = list(table.column_names)

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self._table.to_pylist():
            yield {name: f"<decoded {value}>" for name, value in row.items()}

    def with_format(self, format_: str) -> FakeDataset:
        return FakeDataset(self._table, format_)

    def select_columns(self, names: list[str]) -> FakeDataset:
        return FakeDataset(self._table.select(names), self._format)

    def iter(self, batch_size: int) -> Iterator[Any]:
        assert self._format == "arrow"
        for start in range(0, self._table.num_rows, batch_size):
            yield self._table.slice(start, batch_size)

    def select(self, indices: list[int]) -> FakeDataset:
        return FakeDataset(self._table.take(indices))


class FakeIterable:
    """The same of a `datasets.IterableDataset`, which knows neither its length nor, at times, its columns."""

    def __init__(self, table: Any, format_: str | None = None, *, is_known: bool = False) -> None:
        self._table = table
        self._format = format_
        self.column_names = list(table.column_names) if is_known else None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        yield from self._table.to_pylist()

    def with_format(self, format_: str) -> FakeIterable:
        return FakeIterable(self._table, format_, is_known=True)

    def iter(self, batch_size: int) -> Iterator[Any]:
        assert self._format == "arrow"
        for start in range(0, self._table.num_rows, batch_size):
            yield self._table.slice(start, batch_size)

    def filter(self, keep: Any, *, with_indices: bool) -> FakeIterable:
        assert with_indices
        flags = [keep(row, at) for at, row in enumerate(self._table.to_pylist())]
        return FakeIterable(self._table.filter(arrow.array(flags)))


def sources() -> list[Any]:
    table = arrow.Table.from_pylist(ROWS)
    return [
        ROWS,
        tuple(ROWS),
        [MappingProxyType(row) for row in ROWS],
        [UserDict(row) for row in ROWS],
        table,
        FakeDataset(table),
        FakeIterable(table),
        FakeIterable(table, is_known=True),
    ]


@pytest.mark.parametrize("column", ["text", "n", None])
def test_the_same_rows_whatever_holds_them(column: str | None) -> None:
    expected = one_by_one(MemoryDataset(ROWS).rows(column, CELLS))
    assert (len(expected[0]), expected[1]) == (25, None)
    for source in sources():
        assert one_by_one(MemoryDataset(source).rows(column, CELLS)) == expected, type(source)
        assert looked_at(MemoryDataset(source).look(column, CELLS)) == expected, type(source)
    assert one_by_one(MemoryDataset(row for row in ROWS).rows(column, CELLS)) == expected


def test_what_is_kept_is_of_the_kind_that_it_was() -> None:
    keep = bytes(at % 3 == 0 for at in range(25))
    expected = one_by_one(MemoryDataset(ROWS[::3]).rows(None, CELLS))
    for source in sources():
        kept = MemoryDataset(source).kept(keep)
        assert isinstance(kept, list if isinstance(source, tuple) else type(source))
        assert one_by_one(MemoryDataset(kept).rows(None, CELLS)) == expected, type(source)
    with refused("rows-gone", "dataset"):  # a generator that was looked at has none left
        MemoryDataset(row for row in ROWS).kept(keep)
    with refused("rows-differ", "dataset", "25 rows, and 3"):
        MemoryDataset(ROWS).kept(b"\1\0\1")


@pytest.mark.parametrize(
    ("row", "code", "reason"),
    [
        (["a"], "row-not-object", "list"),
        ("a", "row-not-object", "str"),
        ({}, "column-missing", "none at all"),
        ({"text": None}, "column-empty", "null"),
        ({"text": b"a"}, "cell-not-json", "bytes"),
        ({"text": {1: "a"}}, "cell-not-json", "int"),
        ({"text": [("a",)]}, "cell-not-json", "tuple"),
        ({"text": "\ud800"}, "lone-surrogate", "surrogate"),
        ({"text": [float("nan")]}, "json-number-not-finite", "number"),
        ({"text": 2**60}, "json-integer-too-big", "integer"),
        ({"text": "x" * (spec.ROW_BYTES_MAX + 1)}, "too-large", "4,194,304"),
    ],
)
def test_a_faulty_row_is_named_and_the_next_is_read(row: Any, code: str, reason: str) -> None:
    dataset = MemoryDataset([{"text": "a"}, row, {"text": "b"}], "mine")
    with refused(code, "mine, row 1", reason):
        list(dataset.rows("text"))
    first, faulty, last = dataset.rows("text", lenient=True)
    assert (first, last) == (Row(0, b"a", "raw"), Row(2, b"b", "raw"))
    assert isinstance(faulty, FaultyRow)
    assert (faulty.error.code, faulty.error.item) == (code, "mine, row 1")
    assert looked_at(dataset.look("text")) == one_by_one(dataset.rows("text", lenient=True))


def test_a_value_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless += [endless, endless]
    with refused("json-too-deep", "dataset, row 0"):
        list(MemoryDataset([{"text": endless}]).rows("text"))


def test_names_that_are_no_strings_are_refused_in_a_whole_row() -> None:
    with refused("cell-not-json", "dataset, row 0"):
        list(MemoryDataset([{1: "a"}]).rows(None))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"train": ROWS}, "mapping (of 'train')"),
        ("rows.jsonl", "str"),
        (b"rows", "bytes"),
        (7, "int"),
        (type("Frame", (list,), {"iterrows": None})(), "data frame"),
    ],
)
def test_what_has_no_rows_is_refused_with_advice(source: Any, reason: str) -> None:
    with refused("not-rows", "dataset", reason):
        MemoryDataset(source)


def test_columns_that_are_known_are_looked_at_first() -> None:
    for source in (FakeDataset(arrow.Table.from_pylist(ROWS)), arrow.Table.from_pylist(ROWS)):
        with refused("column-missing", "dataset", "'text'"):
            next(MemoryDataset(source).rows("body"))
    with refused("column-missing", "dataset, row 0"):
        next(MemoryDataset(FakeIterable(arrow.Table.from_pylist(ROWS))).rows("body"))


def test_no_rows_are_no_dataset() -> None:
    sources: list[Any] = [[], arrow.table({"text": arrow.array([], arrow.string())})]
    for source in sources:
        with refused("dataset-empty", "dataset"):
            list(MemoryDataset(source).rows("text"))
        with refused("dataset-empty", "dataset"):
            list(MemoryDataset(source).look("text"))


NO_DATASETS = "Hugging Face's datasets is not installed, the stand-in above is all that was tested: pip install datasets"


@pytest.mark.filterwarnings("default")  # theirs are no fault of ours
def test_the_real_datasets_of_hugging_face() -> None:
    library = pytest.importorskip("datasets", reason=NO_DATASETS)
    table = library.Dataset.from_list(ROWS)
    expected = one_by_one(MemoryDataset(ROWS).rows("text", CELLS))
    whole = one_by_one(MemoryDataset(ROWS).rows(None))
    keep = bytes(at % 3 == 0 for at in range(25))
    for source in (
        table,
        table.with_transform(lambda batch: {name: ["transformed"] for name in batch}),
        table.shuffle(seed=1).sort("n"),
        table.to_iterable_dataset(),
        table.to_iterable_dataset(num_shards=3),
        library.IterableDataset.from_generator(lambda: iter(ROWS)),
    ):
        dataset = MemoryDataset(source)
        assert one_by_one(dataset.rows("text", CELLS)) == expected
        assert looked_at(dataset.look("text", CELLS)) == expected
        assert one_by_one(dataset.rows(None)) == whole
    for source in (table, table.to_iterable_dataset()):
        kept = MemoryDataset(source).kept(keep)
        assert type(kept) is type(source)
        assert [row["n"] for row in kept] == list(range(0, 25, 3))
    with refused("not-rows", "dataset", "'train'"):
        MemoryDataset(library.DatasetDict({"train": table}))
