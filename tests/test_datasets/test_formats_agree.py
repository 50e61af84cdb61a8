"""The same rows through every format are the same: contents, forms, cells; and however they are read, apart or together, in which portions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger import spec
from ledger.datasets import arrow as arrow_module
from ledger.datasets import delimited, looking, parquet_reader, streams, stretches
from ledger.datasets.crew import Crew
from ledger.datasets.dataset import Dataset, open_dataset
from ledger.datasets.looking import look
from ledger.datasets.memory import MemoryDataset
from ledger.datasets.reading import AnyRow
from ledger.datasets.wanted import FaultyRow
from ledger.errors import RefusedInput
from tests.test_datasets.carriers import ANY_ROW, STRINGS, arrow, pack
from tests.test_datasets.test_stretches import GOOD, ODD

CELLS = ("n", "lineage_id", "lineage_salt", "absent")
IDS = st.binary(min_size=32, max_size=32).map(bytes.hex)


class Told(NamedTuple):
    """What is told of a row."""

    row_index: int
    digest: bytes
    form: str
    cells: dict[str, Any]
    error: tuple[str, str, str, str] | None = None


def said(error: RefusedInput) -> tuple[str, str, str, str]:
    return error.code, error.item, error.reason, error.fix


def one_by_one(rows: Iterator[AnyRow]) -> tuple[list[Told], tuple[str, str, str, str] | None]:
    """What the plain reader tells, and what ended it."""
    told: list[Told] = []
    try:
        for row in rows:
            if isinstance(row, FaultyRow):
                told.append(Told(row.row_index, bytes(32), "", {}, said(row.error)))
            else:
                cells = {name: cell for name, cell in row.cells.items() if cell is not None}
                told.append(Told(row.row_index, row.digest, row.form, cells))
    except RefusedInput as error:
        return told, said(error)
    return told, None


def looked_at(runs: Iterator[looking.Looked]) -> tuple[list[Told], tuple[str, str, str, str] | None]:
    """What the workers tell, and what ended them."""
    told: list[Told] = []
    try:
        for run in runs:
            errors = {offset: said(error) for offset, error in run.errors()}
            cells = dict(run.cells())
            assert run.row_index == len(told)
            for offset, form in enumerate(run.batch.forms):
                told.append(
                    Told(
                        run.row_index + offset,
                        run.batch.digests[32 * offset : 32 * offset + 32],
                        ("", "raw", "jcs")[form],
                        cells.get(offset, {}),
                        errors.get(offset),
                    )
                )
    except RefusedInput as error:
        return told, said(error)
    return told, None


@contextmanager
def portions(size: int) -> Iterator[None]:
    """Everything that is read or decoded at once, in bytes or in rows, is this small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spec, "STRETCH_BYTES", size)
        patch.setattr(stretches, "_PIECE_BYTES", size)
        patch.setattr(streams, "PIECE_BYTES", size)
        patch.setattr(delimited, "PIECE_BYTES", size)
        patch.setattr(looking, "_TABLE_ROWS_MAX", size)
        patch.setattr(parquet_reader, "_BATCH_ROWS_MAX", size)
        patch.setattr(arrow_module, "_BATCH_ROWS_MAX", size)
        yield


def by_workers(dataset: Dataset, column: str | None, size: int) -> Any:
    with portions(size), Crew(0) as crew:
        return looked_at(look(crew, dataset, column, CELLS, segments=dataset.segments(3 * size)))


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
string_rows = st.lists(
    st.fixed_dictionaries({"text": texts.filter(bool), "n": texts, "lineage_id": st.just("") | IDS}),
    min_size=1,
    max_size=9,
)
SIZES = st.sampled_from([1, 2, 5, 1_000])


@settings(max_examples=40, deadline=None)
@given(string_rows, SIZES)
@example(
    [{"text": "=1", "n": '"', "lineage_id": ""}, {"text": " ", "n": "a\r\nb", "lineage_id": "0A" * 32}], 1
)
def test_rows_of_strings_are_the_same_in_every_format(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]], size: int
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    for column in ("text", None):
        expected = one_by_one(MemoryDataset(rows).rows(column, CELLS))
        assert (len(expected[0]), expected[1]) == (len(rows), None)
        for name, write in STRINGS.items():
            write(folder / name, rows)
            dataset = open_dataset(folder / name)
            assert one_by_one(dataset.rows(column, CELLS)) == expected, name
            assert by_workers(dataset, column, size) == expected, name


numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: not 2**53 - 1 < abs(number) < 1e21
)
json_rows = st.lists(
    st.fixed_dictionaries(
        {
            "text": st.lists(texts, max_size=3),
            "n": numbers.map(float),
            "flag": st.booleans() | st.none(),
            "where": st.fixed_dictionaries(
                {"b": st.none() | texts, "a": st.lists(st.integers(-9, 9), max_size=2)}
            ),
            "lineage_id": st.none() | st.just("") | IDS,
        }
    ),
    min_size=1,
    max_size=9,
)


@settings(max_examples=40, deadline=None)
@given(json_rows, SIZES)
def test_rows_of_any_values_are_the_same_in_every_format(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], size: int
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    for column in ("text", "where", None):
        expected = one_by_one(MemoryDataset(rows).rows(column, CELLS, lenient=True))
        assert looked_at(MemoryDataset(rows).look(column, CELLS)) == expected
        for name, write in ANY_ROW.items():
            write(folder / name, rows)
            dataset = open_dataset(folder / name)
            told, ended = one_by_one(dataset.rows(column, CELLS, lenient=True))
            assert ([row[:4] for row in told], ended) == ([row[:4] for row in expected[0]], None), name
            assert by_workers(dataset, column, size) == (told, ended), name


broken = st.lists(
    st.sampled_from(GOOD)
    | st.sampled_from(ODD)
    | st.binary(max_size=20).map(lambda data: data.replace(b"\n", b""))
    | st.just(b'{"text":"x","lineage_id":"ab","lineage_salt":"cd","n":1e400}'),
    min_size=1,
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(broken, st.booleans(), st.sampled_from(["text", "n", None]), st.sampled_from([7, 16, 50, 1_000]))
@example([b"x" * 400, b'{"text":"x"}', b"x" * 103, b'{"text":"y"}', b"x" * 400], False, "text", 7)
@example([b"x" * 400], True, "text", 50)
def test_faulty_lines_are_the_same_for_workers_and_packed(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], ended: bool, column: str | None, size: int
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    content = b"\n".join(lines) + b"\n" * ended or b"\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spec, "ROW_BYTES_MAX", 100)
        for name in ("rows.jsonl", "rows.jsonl.gz", "rows.jsonl.zst"):
            (folder / name).write_bytes(pack(name, content))
            dataset = open_dataset(folder / name)
            slow = one_by_one(dataset.rows(column, CELLS, lenient=True))
            assert len(slow[0]) == len(content.removesuffix(b"\n").split(b"\n"))
            assert slow[1] is None
            assert by_workers(dataset, column, size) == slow, name
        text = folder / "rows.txt"
        text.write_bytes(content)
        dataset = open_dataset(text)
        assert by_workers(dataset, None, size) == one_by_one(dataset.rows(None, CELLS, lenient=True))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [b"a", b"b", b'"', b'""', b",", b"\n", b"\n", b"\r\n", b"\0", b"\xff", b'"c\nd"', b"x" * 90]
        ),
        max_size=30,
    ),
    st.sampled_from([7, 16, 1_000]),
)
@example([b"a,b\n", b"x" * 150, b"\n", b"c,d\n"], 7)
@example([b"a,b\n", b'"c\nd",', b"x" * 150, b"\n", b"c,\n"], 16)
@example([b'a,b\n"c'], 1_000)
def test_faulty_records_are_the_same_for_workers_and_packed(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], size: int
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    content = b"text,n\n" + b"".join(pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spec, "ROW_BYTES_MAX", 100)
        for name in ("rows.csv", "rows.csv.gz"):
            (folder / name).write_bytes(pack(name, content))
            dataset = open_dataset(folder / name)
            for column in ("text", None):
                assert by_workers(dataset, column, size) == one_by_one(
                    dataset.rows(column, CELLS, lenient=True)
                ), name


def test_workers_in_other_processes_tell_the_same(tmp_path: Path) -> None:
    rows = [
        {"text": f"row {at} ü", "n": str(at), "lineage_id": "ab" * 32 if at % 7 == 0 else ""}
        for at in range(3_000)
    ]
    folder = tmp_path / "shards"
    for lang in ("de", "en"):
        (folder / f"lang={lang}").mkdir(parents=True)
        for name, write in STRINGS.items():
            write(folder / f"lang={lang}" / name, rows)
    for column in ("text", "lang", None):
        dataset = open_dataset(folder)
        expected = one_by_one(dataset.rows(column, (*CELLS, "lang"), lenient=True))
        assert len(expected[0]) == 2 * len(STRINGS) * len(rows)
        with pytest.MonkeyPatch.context() as patch, Crew(2) as crew:
            patch.setattr(spec, "STRETCH_BYTES", 20_000)
            runs = look(crew, dataset, column, (*CELLS, "lang"), segments=dataset.segments(50_000))
            assert looked_at(runs) == expected


def test_a_short_way_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the comparisons above would compare the slow reader with itself."""
    from ledger.datasets import batches, look_lines

    rows = [{"text": "x", "lineage_id": "ab"}] * 3

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(look_lines, "_look_slowly", refuse)
    monkeypatch.setattr(batches, "take_batch", refuse)
    for name, write in ANY_ROW.items():
        write(tmp_path / name, rows)
        with Crew(0) as crew:
            told, _ = looked_at(look(crew, open_dataset(tmp_path / name), "text", CELLS))
        assert [row.cells for row in told] == [{"lineage_id": "ab"}] * 3


def test_what_a_row_brings_to_be_unsealed(tmp_path: Path) -> None:
    import hashlib

    rows: list[dict[str, Any]] = [
        {"text": "a", "lineage_salt": "cd" * 32},
        {"text": "b", "lineage_salt": None},
        {"text": "c", "lineage_salt": "ef" * 32},
    ]
    for name, write in ANY_ROW.items():
        write(tmp_path / name, rows)
        with Crew(0) as crew:
            found = [
                (run.row_index + offset, behind(b"before"))
                for run in look(crew, open_dataset(tmp_path / name), "text", CELLS)
                for offset, _, behind in run.salted()
            ]
        assert found == [(0, hashlib.sha256(b"beforea").digest()), (2, hashlib.sha256(b"beforec").digest())]


def test_a_table_has_the_rows_of_its_column_however_its_strings_are_stored(tmp_path: Path) -> None:
    values = ["a", "bb", "a", "ccc"]
    expected = one_by_one(MemoryDataset([{"text": value} for value in values]).rows("text"))
    for kind in (
        arrow.string(),
        arrow.large_string(),
        arrow.string_view(),
        arrow.dictionary(arrow.int8(), arrow.string()),
        arrow.json_(arrow.string()),
    ):
        array = (
            arrow.array(values).cast(kind)
            if not isinstance(kind, arrow.BaseExtensionType)
            else arrow.ExtensionArray.from_storage(kind, arrow.array(values))
        )
        table = arrow.table({"text": array})
        assert one_by_one(MemoryDataset(table).rows("text")) == expected
        assert looked_at(MemoryDataset(table).look("text")) == expected
        path = tmp_path / "rows.arrow"
        with arrow.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table)
        assert one_by_one(open_dataset(path).rows("text")) == expected
        assert by_workers(open_dataset(path), "text", 2) == expected


def test_json_of_the_rows_is_their_content(tmp_path: Path) -> None:
    rows = [{"text": "x", "n": 1, "lineage_id": "ab" * 32}]
    for name, write in ANY_ROW.items():
        write(tmp_path / name, rows)
        (row,) = open_dataset(tmp_path / name).rows(None)
        assert not isinstance(row, FaultyRow)
        assert json.loads(row.content) == {"text": "x", "n": 1}
