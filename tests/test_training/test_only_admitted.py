"""The admitted rows of what is in memory, of the kind that it is; Hugging Face's `datasets` real where they are installed."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from itertools import compress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ledger
from tests.test_datasets.carriers import arrow, write_jsonl
from tests.test_datasets.refusals import refused
from tests.test_datasets.test_memory import NO_DATASETS, FakeDataset, FakeIterable
from tests.test_training.scene import ADMITTED, REJECTED, judge, write_verdicts

ROWS = [{"text": f"row {at} ü", "n": at} for at in range(25)]


class FakeStream(FakeIterable):
    """Filters while it is read, as a `datasets.IterableDataset` does."""

    def filter(self, keep: Any, *, with_indices: bool) -> Any:
        assert with_indices
        return (row for at, row in enumerate(self) if keep(row, at))


def carried(rows: list[dict[str, Any]]) -> list[Any]:
    """The same rows in whatever holds them."""
    table = arrow.Table.from_pylist(rows)
    return [list(rows), tuple(rows), table, FakeDataset(table), FakeStream(table), iter(rows)]


def numbers(only: Any) -> list[Any]:
    """Which rows there are; a `Dataset` decodes what it hands out, so its table is looked at."""
    held = getattr(only, "_table", only)
    rows = held.to_pylist() if hasattr(held, "to_pylist") else list(held)
    return [row["n"] for row in rows]


@pytest.fixture
def verdicts(tmp_path: Path) -> Path:
    return tmp_path / "verdicts.parquet"


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    outcomes=st.lists(st.sampled_from([ADMITTED, REJECTED]), min_size=25, max_size=25),
    column=st.sampled_from(["text", "n", None]),
)
def test_exactly_the_admitted_rows_in_order(tmp_path: Path, outcomes: list[int], column: str | None) -> None:
    """They were judged in a file, and may be anywhere by now."""
    verdicts = tmp_path / "verdicts"
    write_jsonl(tmp_path / "rows.jsonl", ROWS)
    admitted = judge(tmp_path / "rows.jsonl", verdicts, column, outcomes)
    for source in carried(ROWS):
        only = ledger.only_admitted(source, verdicts)
        assert numbers(only) == list(compress(range(25), admitted)), type(source)
        if isinstance(source, (list, FakeDataset)) or hasattr(source, "to_batches"):
            assert type(only) is type(source)


def judge_rows(folder: Path, verdicts: Path, outcomes: list[int]) -> None:
    write_jsonl(folder / "rows.jsonl", ROWS)
    judge(folder / "rows.jsonl", verdicts, "text", outcomes)


def test_another_row_is_an_error(tmp_path: Path, verdicts: Path) -> None:
    judge_rows(tmp_path, verdicts, [REJECTED if at == 9 else ADMITTED for at in range(25)])
    for source in carried([{**row, "text": "other"} if row["n"] == 10 else row for row in ROWS]):
        with refused("rows-differ", "dataset, row 10", "row 10 of"):
            numbers(ledger.only_admitted(source, verdicts))
    for source in carried([{**row, "n": -1} for row in ROWS]):
        assert numbers(ledger.only_admitted(source, verdicts)) == [-1] * 24, "n was not judged"


def test_of_a_stream_the_rows_that_are_not_admitted_are_compared_too(tmp_path: Path, verdicts: Path) -> None:
    """They tell that its rows have other numbers."""
    judge_rows(tmp_path, verdicts, [ADMITTED if at == 20 else REJECTED for at in range(25)])
    moved = [ROWS[1], ROWS[0], *ROWS[2:]]
    seen: list[Any] = []
    for source in (FakeStream(arrow.Table.from_pylist(moved)), iter(moved)):
        with refused("rows-differ", "dataset, row 0", "another row"):
            seen.extend(ledger.only_admitted(source, verdicts))
    assert seen == []
    assert numbers(ledger.only_admitted(moved, verdicts)) == [20], (
        "where the numbers are sure it makes no difference"
    )


def test_missing_and_surplus_rows_are_an_error(tmp_path: Path, verdicts: Path) -> None:
    judge_rows(tmp_path, verdicts, [ADMITTED] * 25)
    for source in carried([*ROWS, ROWS[0]]):
        with refused("rows-differ", "dataset", "more rows than the 25"):
            numbers(ledger.only_admitted(source, verdicts))
    for source in carried(ROWS[:-1]):
        if isinstance(source, FakeStream):
            continue  # nobody tells its filter where it ends: the docstring says so
        with refused("rows-differ", "dataset", "ends behind 24 rows"):
            numbers(ledger.only_admitted(source, verdicts))


def test_a_row_that_no_reader_takes(tmp_path: Path, verdicts: Path) -> None:
    """Was none when it was judged, and is none: passed over. Became none: an error."""
    rows: list[dict[str, Any]] = [{"text": "a", "n": 0}, {"text": None, "n": 1}, {"text": "b", "n": 2}]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    judge(tmp_path / "rows.jsonl", verdicts, "text", [ADMITTED] * 3)
    for source in carried(rows):
        assert numbers(ledger.only_admitted(source, verdicts)) == [0, 2], type(source)
    for source in carried([*rows[:2], {"text": None, "n": 2}]):
        streams = not hasattr(source, "__len__")
        with refused("rows-differ", "dataset, row 2", "no reader takes it" if streams else "another row"):
            numbers(ledger.only_admitted(source, verdicts))


def test_columns_and_sources_that_are_none(tmp_path: Path, verdicts: Path) -> None:
    judge_rows(tmp_path, verdicts, [ADMITTED] * 25)
    with refused("column-missing", "dataset", "'text'"):
        ledger.only_admitted(arrow.table({"n": [1]}), verdicts)
    with refused("not-rows", "dataset"):
        ledger.only_admitted({"train": ROWS}, verdicts)


def generated() -> Iterator[dict[str, Any]]:
    yield from ROWS


@pytest.mark.filterwarnings("default")  # theirs are no fault of ours
def test_the_real_datasets_of_hugging_face(tmp_path: Path, verdicts: Path) -> None:
    library = pytest.importorskip("datasets", reason=NO_DATASETS)
    admitted = [at % 3 != 1 for at in range(25)]
    judge_rows(tmp_path, verdicts, [ADMITTED if each else REJECTED for each in admitted])
    expected = list(compress(range(25), admitted))
    table = library.Dataset.from_list(ROWS)
    sources = [
        table,
        table.shuffle(seed=1).sort("n"),
        library.load_dataset(
            "json", data_files=str(tmp_path / "rows.jsonl"), split="train", cache_dir=tmp_path
        ),
        library.load_dataset(
            "json", data_files=str(tmp_path / "rows.jsonl"), split="train", streaming=True, cache_dir=tmp_path
        ),
        table.to_iterable_dataset(),
        table.to_iterable_dataset(num_shards=3),
        library.IterableDataset.from_generator(generated),
    ]
    for source in sources:
        only = ledger.only_admitted(source, verdicts)
        assert type(only) is type(source)
        assert numbers(only) == expected
        assert numbers(only) == expected, "another epoch"
    stream = ledger.only_admitted(table.to_iterable_dataset(), verdicts)
    assert numbers(pickle.loads(pickle.dumps(stream))) == expected
    only = ledger.only_admitted(table, verdicts)
    assert numbers(only.shuffle(seed=1).sort("n")) == expected, "what is behind it is free"
    assert only.features == table.features
    for shuffled in (table.shuffle(seed=1), table.to_iterable_dataset().shuffle(seed=1)):
        with refused("rows-differ", "dataset, row"):
            numbers(ledger.only_admitted(shuffled, verdicts))
    late = ledger.only_admitted(table.to_iterable_dataset(num_shards=3), verdicts).shuffle(seed=1)
    with refused("rows-differ", "dataset, row"):
        numbers(late)  # it shuffles the shards below the filter


@pytest.mark.filterwarnings("default")
def test_a_gate_over_real_datasets_gives_what_its_verdict_file_gives(tmp_path: Path) -> None:
    """Judged in memory, kept as a file of the same rows, judged there, and filtered by what was written."""
    library = pytest.importorskip("datasets", reason=NO_DATASETS)
    from tests.test_api import Place

    place = Place(tmp_path)
    place.sign("row 0 ü", "row 4 ü")
    write_jsonl(tmp_path / "data.jsonl", ROWS)
    table = library.Dataset.from_list(ROWS)
    with place.open() as door:
        gated = door.gate(table, "balanced", column="text")
        door.gate(tmp_path / "data.jsonl", "balanced", column="text", verdicts=tmp_path / "v", workers=1)
    only = ledger.only_admitted(table, tmp_path / "v")
    assert numbers(only) == numbers(gated.admitted_rows()) == [0, 4]


def test_a_verdict_file_of_no_rows_admits_no_row(verdicts: Path) -> None:
    write_verdicts(verdicts, [], [], "text")
    with refused("rows-differ", "dataset", "more rows than the 0"):
        ledger.only_admitted(ROWS, verdicts)
