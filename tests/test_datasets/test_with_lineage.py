"""A dataset with its lineage: two columns more, and not a byte or value else."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import spec
from ledger.datasets.files import RegularFile
from ledger.datasets.opened import read_rows
from ledger.datasets.with_lineage import Lineage, check_format, write_with_lineage
from tests.test_datasets.refusals import refused

ID, SALT = "ab" * 32, "cd" * 32
WORDS = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
NOT_OURS = st.dictionaries(WORDS.filter(lambda name: not name.startswith("lineage_")), VALUES, max_size=4)


def written(path: Path, lineage_of: Callable[[int, Lineage], Lineage]) -> bytes:
    output = io.BytesIO()
    with RegularFile(path) as dataset:
        write_with_lineage(dataset, path, lineage_of, output)
    return output.getvalue()


def of_row(row_index: int, _there: Lineage) -> Lineage:
    return Lineage(f"{row_index:064x}", SALT if row_index % 2 else None)


def lines(folder: Path, *texts: str | bytes) -> Path:
    path = folder / "rows.jsonl"
    path.write_bytes(b"".join(text if isinstance(text, bytes) else text.encode() for text in texts))
    return path


@given(
    st.lists(st.tuples(NOT_OURS, st.sampled_from(["\n", "\r\n", " \n", "\t\n"])), min_size=1, max_size=5),
    st.booleans(),
)
def test_a_line_keeps_its_bytes_and_gets_two_members(
    tmp_path_factory: Any, rows: list[tuple[dict[str, Any], str]], ascii_only: bool
) -> None:
    texts = [json.dumps(row, ensure_ascii=ascii_only) for row, _ in rows]
    path = lines(
        tmp_path_factory.mktemp("l"), *(text + end for text, (_, end) in zip(texts, rows, strict=True))
    )
    out = (
        written(path, of_row).splitlines(keepends=True) if ascii_only else written(path, of_row).split(b"\n")
    )
    for number, (text, (row, _)) in enumerate(zip(texts, rows, strict=True)):
        assert out[number].startswith(text[:-1].encode())
        members = {"lineage_id": f"{number:064x}", "lineage_salt": SALT if number % 2 else None}
        assert json.loads(out[number]) == row | members
    assert b"".join(out).count(b"lineage_id") == len(rows)


@given(st.lists(NOT_OURS, min_size=1, max_size=4), st.sampled_from(["lineage_id", "lineage_salt", "both"]))
def test_columns_that_are_there_are_written_anew_in_their_place(
    tmp_path_factory: Any, rows: list[dict[str, Any]], which: str
) -> None:
    there = {name: "old" for name in ("lineage_id", "lineage_salt") if which in (name, "both")}
    path = lines(tmp_path_factory.mktemp("l"), *(json.dumps(there | row) + "\n" for row in rows))
    seen: list[Lineage] = []

    def look(row_index: int, was: Lineage) -> Lineage:
        seen.append(was)
        return of_row(row_index, was)

    out = [json.loads(line) for line in written(path, look).splitlines()]
    assert seen == [Lineage(there.get("lineage_id"), there.get("lineage_salt"))] * len(rows)
    for number, (row, result) in enumerate(zip(rows, out, strict=True)):
        assert result == row | {"lineage_id": f"{number:064x}", "lineage_salt": SALT if number % 2 else None}
        assert list(result)[: len(there)] == list(there)


def test_what_a_reader_reads_stays_the_same(tmp_path: Path) -> None:
    """Every content that can be signed, and the end of the last line."""
    path = lines(
        tmp_path,
        '{"text": "Straße", "n": 1.0}\n',
        '{"text":"\\u6f22", "big": 123456789012345678901234567890 }\r\n',
        '{"text": "x", "lineage_id": null, "n": 1e5}\n',
        '  {"text": "no end"}  ',
    )
    out = tmp_path / "out.jsonl"
    out.write_bytes(written(path, of_row))
    for column in ("text", None):
        if column is None:
            continue  # the long integer has no canonical form
        assert [row.content for row in read_rows(out, column)] == [
            row.content for row in read_rows(path, column)
        ]
    texts = out.read_bytes().split(b"\n")
    assert texts[0].startswith(b'{"text": "Stra\xc3\x9fe", "n": 1.0, "lineage_id": ')
    assert texts[1].startswith(b'{"text":"\\u6f22", "big": 123456789012345678901234567890, "lineage_id": ')
    assert texts[1].endswith(b"\r")
    assert texts[3].startswith(b'  {"text": "no end", "lineage_id"')
    assert texts[4] == b""


def test_a_lone_surrogate_in_another_column_stays_what_it_is(tmp_path: Path) -> None:
    path = lines(tmp_path, '{"a": "\\ud800", "lineage_id": null}\n', '{"a": "\\ud800"}\n')
    first, second = (json.loads(line) for line in written(path, of_row).splitlines())
    assert (first["a"], second["a"]) == ("\ud800", "\ud800")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[1]\n", "row-not-object"),
        ("\n", "row-blank"),
        ('{"a": 1', "not-json"),
        ('{"a": 1e999, "lineage_id": null}\n', "json-number-not-finite"),
        ('{"a": "' + "x" * spec.ROW_BYTES_MAX + '"}\n', "too-large"),
    ],
)
def test_what_is_no_row_is_refused_by_its_number(tmp_path: Path, text: str, code: str) -> None:
    path = lines(tmp_path, '{"a": 1}\n', text)
    with refused(code, "row 1 (line 2)"):
        written(path, of_row)


@pytest.mark.parametrize(
    ("path", "output", "item"),
    [
        ("a.txt", "b.txt", "a.txt"),
        ("a.text", "b.jsonl", "a.text"),
        ("a.jsonl", "b.parquet", "b.parquet"),
        ("a.jsonl", "b.txt", "b.txt"),
        ("a.parquet", "b.jsonl", "b.jsonl"),
    ],
)
def test_a_dataset_is_written_in_its_own_format_alone(path: str, output: str, item: str) -> None:
    with refused("usage", item):
        check_format(path, output)


def test_formats_that_can_be_written() -> None:
    check_format("a.jsonl", "b.json")
    check_format("a", "b.jsonl")
    check_format("a.PARQUET", "b.parquet")


# Parquet.

arrow = pytest.importorskip("pyarrow", reason="Parquet is not written: pip install 'lineage-ledger[parquet]'")
parquet = pytest.importorskip("pyarrow.parquet", reason="as above")


def table(folder: Path, rows: Sequence[dict[str, Any]], **options: Any) -> Path:
    path = folder / "rows.parquet"
    parquet.write_table(arrow.Table.from_pylist(rows), path, **options)
    return path


def test_a_parquet_column_keeps_its_type_and_the_file_its_metadata(tmp_path: Path) -> None:
    """Also of types that no JSON value has, and that cannot be signed."""
    rows = [
        {
            "text": "one",
            "when": datetime(2026, 1, 1, tzinfo=UTC),
            "raw": b"\0\1",
            "price": Decimal("1.10"),
            "tags": ["a"],
        },
        {"text": "two", "when": None, "raw": None, "price": None, "tags": []},
    ]
    given_table = arrow.Table.from_pylist(rows).replace_schema_metadata({"made by": "somebody"})
    path = tmp_path / "rows.parquet"
    parquet.write_table(given_table, path)
    out = tmp_path / "out.parquet"
    out.write_bytes(written(path, of_row))
    result = parquet.read_table(out)
    others = result.drop_columns(["lineage_id", "lineage_salt"])
    assert others.equals(parquet.read_table(path), check_metadata=True)
    assert others.schema.metadata == {b"made by": b"somebody"}
    assert result.column("lineage_id").to_pylist() == [f"{number:064x}" for number in range(2)]
    assert result.column("lineage_salt").to_pylist() == [None, SALT]
    assert result.schema.field("lineage_salt").type == arrow.string()


def test_parquet_columns_that_are_there_are_replaced(tmp_path: Path) -> None:
    rows = [
        {"lineage_id": "old", "text": "one", "lineage_salt": None},
        {"lineage_id": None, "text": "two", "lineage_salt": "x"},
    ]
    seen: list[Lineage] = []

    def look(row_index: int, there: Lineage) -> Lineage:
        seen.append(there)
        return of_row(row_index, there)

    out = tmp_path / "out.parquet"
    out.write_bytes(written(table(tmp_path, rows), look))
    assert seen == [Lineage("old", None), Lineage(None, "x")]
    assert parquet.read_table(out).column_names == ["text", "lineage_id", "lineage_salt"]
    assert [row.cells for row in read_rows(out, "text", ("lineage_salt",))] == [
        {"lineage_salt": None},
        {"lineage_salt": SALT},
    ]


def test_many_row_groups_keep_their_order(tmp_path: Path) -> None:
    rows = [{"text": f"row {number}"} for number in range(70_000)]
    out = tmp_path / "out.parquet"
    out.write_bytes(written(table(tmp_path, rows, row_group_size=1_000), of_row))
    result = parquet.read_table(out)
    assert result.column("text").to_pylist() == [row["text"] for row in rows]
    assert result.column("lineage_id").to_pylist() == [f"{number:064x}" for number in range(70_000)]


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    whole = table(tmp_path, [{"text": "one"}] * 500).read_bytes()
    for content in (b"PAR1", whole[:-9], whole[: len(whole) // 2]):
        path.write_bytes(content)
        with refused("not-parquet", "rows.parquet"):
            written(path, of_row)


def test_a_file_that_changes_while_it_is_written_again_is_refused(tmp_path: Path) -> None:
    path = lines(tmp_path, '{"a": 1}\n', '{"a": 2}\n')

    def change(row_index: int, there: Lineage) -> Lineage:
        with path.open("ab") as file:
            file.write(b'{"a": 3}\n' if row_index < 2 else b"")
        return of_row(row_index, there)

    with refused("file-changed", "rows.jsonl"):
        written(path, change)
