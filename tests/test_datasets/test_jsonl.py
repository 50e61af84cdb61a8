"""JSON Lines: what a row's content is, each refusal by its code, and memory that a long line does not buy."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import spec
from ledger.datasets.jsonl import read_jsonl
from ledger.datasets.rows import Row
from ledger.errors import RefusedInput
from tests.test_datasets.refusals import refused


def written(folder: Path, content: bytes) -> Path:
    path = folder / "rows.jsonl"
    path.write_bytes(content)
    return path


def rows_of(folder: Path, content: bytes, column: str | None = "text") -> list[Row]:
    return list(read_jsonl(written(folder, content), column))


def test_a_string_is_its_utf_8_and_anything_else_is_jcs(tmp_path: Path) -> None:
    lines = [
        b'{"text": "Stra\\u00dfe"}',
        '{"id": 7, "text": "漢字"}'.encode(),
        b'{"text": {"b": 1.0, "a": []}}',
        b'{"text": [1, "x"]}',
        b'{"text": 4.50}',
        b'{"text": false}',
    ]
    rows = rows_of(tmp_path, b"\n".join(lines))
    assert rows == [
        Row(0, "Straße".encode(), "raw"),
        Row(1, "漢字".encode(), "raw"),
        Row(2, b'{"a":[],"b":1}', "jcs"),
        Row(3, b'[1,"x"]', "jcs"),
        Row(4, b"4.5", "jcs"),
        Row(5, b"false", "jcs"),
    ]
    assert [row.size_bytes for row in rows] == [7, 6, 14, 7, 3, 5]
    assert [row.media for row in rows] == ["text/plain"] * 2 + ["application/json"] * 4


def test_no_column_takes_the_whole_row(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, b'{"text": "x", "id": null}\n', None)
    assert rows == [Row(0, b'{"id":null,"text":"x"}', "jcs")]


@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_do_not_change_rows(tmp_path: Path, ends: bytes, last: bool) -> None:
    content = ends.join([b'{"text": "a"}', b' {"text": "b\\n"} ']) + (ends if last else b"")
    assert [row.content for row in rows_of(tmp_path, content)] == [b"a", b"b\n"]


def test_what_stands_in_other_columns_does_not_matter(tmp_path: Path) -> None:
    content = b'{"text": "a", "id": 123456789012345678901, "odd": "\\ud800", "score": 1e400}'
    assert rows_of(tmp_path, content) == [Row(0, b"a", "raw")]


@pytest.mark.parametrize(
    ("line", "code", "reason"),
    [
        (b"", "row-blank", "blank"),
        (b" \t\r", "row-blank", "blank"),
        (b"text", "not-json", "character 1"),
        (b'{"text": "a"', "not-json", "character 13"),
        (b'{"text": "a"} {"text": "b"}', "not-json", "Extra data"),
        (b'{"text": "a", "n": NaN}', "not-json", "NaN"),
        (b'{"text": "a", "n": -Infinity}', "not-json", "-Infinity"),
        (b'{"text": "\xff"}', "not-utf8", "byte 11"),
        (b'\xef\xbb\xbf{"text": "a"}', "byte-order-mark", "byte order mark"),
        (b'{"text": "a", "text": "a"}', "json-duplicate-key", "'text'"),
        (b'["a"]', "row-not-object", "array"),
        (b'"a"', "row-not-object", "string"),
        (b"1", "row-not-object", "number"),
        (b"null", "row-not-object", "literal"),
        (b'{"Text": "a"}', "column-missing", "'Text'"),
        (b"{}", "column-missing", "none at all"),
        (b'{"text": ""}', "column-empty", "empty string"),
        (b'{"text": null}', "column-empty", "null"),
        (b'{"text": "\\ud800"}', "lone-surrogate", "surrogate"),
        (b'{"text": ["\\udc00\\ud800"]}', "lone-surrogate", "surrogate"),
        (b'{"text": 9007199254740992}', "json-integer-too-big", "2^53"),
        (b'{"text": [1e400]}', "json-number-not-finite", "double"),
        (b'{"text": ' + b"[" * 65 + b"]" * 65 + b"}", "json-too-deep", "64"),
        (b'{"text": [' + b",".join([b"1e15"] * 250_000) + b"]}", "too-large", "4,194,304"),
    ],
)
def test_a_faulty_row_is_named_by_file_row_and_line(
    tmp_path: Path, line: bytes, code: str, reason: str
) -> None:
    path = written(tmp_path, b'{"text": "a"}\n' * 2 + line + b'\n{"text": "z"}\n')
    rows = read_jsonl(path, "text")
    assert [next(rows).content, next(rows).content] == [b"a", b"a"]
    with refused(code, f"{path}, row 2 (line 3)", reason):
        next(rows)


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    with refused("dataset-empty", "rows.jsonl"):
        rows_of(tmp_path, b"")
    with refused("row-blank", "row 0 (line 1)"):
        rows_of(tmp_path, b"\n")


def test_utf_16_is_refused_with_advice(tmp_path: Path) -> None:
    with refused("not-utf8", "row 0 (line 1)", "byte 1"):
        rows_of(tmp_path, '{"text": "a"}\n'.encode("utf-16"))


def test_the_names_of_columns_in_an_error_are_few_and_short(tmp_path: Path) -> None:
    line = json.dumps({f"{at}{'x' * 1_000}": at for at in range(100)}).encode()
    with pytest.raises(RefusedInput, match=r", \.\.\.") as caught:
        rows_of(tmp_path, line)
    assert caught.value.code == "column-missing"
    assert len(str(caught.value)) < 700


def test_the_longest_row_is_taken_and_one_byte_more_is_not(tmp_path: Path) -> None:
    frame = len(b'{"text": ""}')
    for ends in (b"", b"\n", b"\r\n"):
        line = b'{"text": "' + b"x" * (spec.ROW_BYTES_MAX - frame) + b'"}'
        (row,) = rows_of(tmp_path, line + ends)
        assert row.size_bytes == spec.ROW_BYTES_MAX - frame
        with refused("too-large", "row 0 (line 1)", "4,194,304"):
            rows_of(tmp_path, b" " + line + ends)


@pytest.mark.parametrize("first", [b'{"text": "', b" ", b"\xef\xbb\xbf"])
def test_a_long_line_takes_no_memory(tmp_path: Path, first: bytes) -> None:
    path = tmp_path / "rows.jsonl"
    with path.open("wb") as file:
        file.write(first)
        for _ in range(64):
            file.write(b" " * 1_048_576)
    tracemalloc.start()
    try:
        with refused("too-large", "row 0 (line 1)"):
            list(read_jsonl(path, "text"))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 16 * 1_048_576


def test_many_rows_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    line = json.dumps({"text": "x" * 65_000}).encode() + b"\n"
    with path.open("wb") as file:
        for _ in range(500):  # 32 MB
            file.write(line)
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_jsonl(path, "text"))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 500
    assert peak_bytes < 4 * 1_048_576


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, b'{"text": "a"}\n')
    rows = read_jsonl(path, "text")
    assert next(rows).content == b"a"
    with path.open("ab") as file:
        file.write(b'{"text": "b"}\n')
    with refused("file-changed", "rows.jsonl"):
        list(rows)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with refused("not-a-regular-file", "pipe"):
        next(read_jsonl(path, "text"))


columns = st.text(min_size=1)
LINEAGE = ("lineage_id", "lineage_salt")
names = st.text() | st.sampled_from(LINEAGE)
members = st.dictionaries(names, st.integers(-9, 9) | st.text() | st.none() | st.lists(st.booleans()))


@given(st.lists(st.tuples(members, columns), min_size=1), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_texts_come_back_in_order(
    tmp_path_factory: Any, rows: list[tuple[dict[str, Any], str]], ascii_only: bool, ends: str
) -> None:
    lines = [json.dumps(others | {"text": text}, ensure_ascii=ascii_only) for others, text in rows]
    path = written(tmp_path_factory.mktemp("jsonl"), ends.join(lines).encode())
    read = list(read_jsonl(path, "text"))
    assert read == [Row(at, text.encode(), "raw") for at, (_, text) in enumerate(rows)]
    beside = [others[name] for others, _ in rows for name in LINEAGE if name in others]
    if any(cell is not None and cell != "" for cell in beside):
        return  # such a row is none as a whole: tests/test_gate/test_attacks.py
    whole = list(read_jsonl(path, None))
    signed = [
        {name: value for name, value in (others | {"text": text}).items() if name not in LINEAGE}
        for others, text in rows
    ]
    assert [json.loads(row.content) for row in whole] == signed


@given(st.binary(max_size=200))
def test_any_bytes_give_rows_or_a_named_refusal(tmp_path_factory: Any, content: bytes) -> None:
    path = written(tmp_path_factory.mktemp("jsonl"), content)
    rows: list[Row] | None = None
    refusal: RefusedInput | None = None
    try:
        rows = list(read_jsonl(path, None))
    except RefusedInput as error:
        refusal = error
    if refusal is not None:
        assert refusal.item.startswith(str(path))
        assert refusal.fix
    else:
        assert rows is not None
        assert len(rows) == len(content.removesuffix(b"\n").split(b"\n"))
