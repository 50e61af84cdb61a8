"""Reading only admitted rows of files: exactly those, once, in order, whatever the format and however they are divided; and no row that was not judged."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import compress
from pathlib import Path
from struct import pack
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ledger
from ledger import spec
from ledger.datasets.verdict_file import NOTHING
from ledger.errors import NotFound, ProofInvalid, RefusedInput, Undecided
from tests.test_api import Place
from tests.test_datasets.carriers import ANY_ROW, STRINGS, arrow, parquet, write_jsonl, write_parquet
from tests.test_datasets.refusals import refused
from tests.test_store.test_lmdb import REPO
from tests.test_training.scene import ADMITTED, REJECTED, UNDECIDED, digests_of, judge, write_verdicts

ROWS = [{"text": f'row {at} ü, "quoted"\nand on', "n": str(at)} for at in range(25)]
SHARES = [(1, 1), (1, 3), (2, 1), (3, 2), (2, 30)]

Outcomes = st.lists(st.sampled_from([ADMITTED, REJECTED]), min_size=25, max_size=25)


@pytest.fixture
def verdicts(tmp_path: Path) -> Path:
    return tmp_path / "verdicts.parquet"


def all_shares(path: Any, verdicts: Path, ranks: int, workers: int, **options: Any) -> list[list[Any]]:
    """What each worker of each rank reads, in order."""
    found = []
    for rank in range(ranks):
        rows = ledger.admitted_rows(path, verdicts, rank=rank, world_size=ranks, **options)
        found += [list(rows._rows(worker, workers)) for worker in range(workers)]
    return found


@pytest.mark.parametrize("name", [*STRINGS])
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(outcomes=Outcomes, column=st.sampled_from(["text", "n", None]), shares=st.sampled_from(SHARES))
def test_exactly_the_admitted_rows_once_and_in_order(
    tmp_path: Path, name: str, outcomes: list[int], column: str | None, shares: tuple[int, int]
) -> None:
    path, verdicts = tmp_path / name, tmp_path / "verdicts.parquet"
    STRINGS[name](path, ROWS)
    admitted = judge(path, verdicts, column, outcomes)
    expected = list(compress(ROWS, admitted))
    rows = ledger.admitted_rows(path, verdicts)
    assert list(rows) == expected
    assert list(rows) == expected, "it is read again"
    assert len(rows) == len(expected)
    assert list(ledger.admitted_rows(path, verdicts, column="n")) == [row["n"] for row in expected]
    divided = all_shares(path, verdicts, *shares)
    assert [row for share in divided for row in share] == expected
    sizes = [len(share) for share in divided]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("name", [*ANY_ROW])
def test_values_are_what_they_are_in_the_file(tmp_path: Path, verdicts: Path, name: str) -> None:
    rows: list[dict[str, Any]] = [
        {"text": f"row {at}", "n": at, "x": at / 2, "list": [at, None], "in": {"a": at > 1}, "none": None}
        for at in range(9)
    ]
    path = tmp_path / name
    ANY_ROW[name](path, rows)
    for column in ("text", "n", "list", None):
        admitted = judge(path, verdicts, column)
        assert list(ledger.admitted_rows(path, verdicts)) == list(compress(rows, admitted))


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_cells_that_no_json_value_is_are_handed_out_beside_the_one_that_was_judged(
    tmp_path: Path, verdicts: Path, suffix: str
) -> None:
    rows = [
        {
            "text": f"row {at}",
            "image": {"bytes": bytes([at, 0, 255]), "path": f"{at}.png"},
            "raw": b"\xff" * at,
            "when": datetime(2026, 1, 1 + at, tzinfo=UTC),
            "price": Decimal("1.50"),
            "map": [("a", b"\x00"), ("b", None)],
            "missing": None,
        }
        for at in range(5)
    ]
    schema = arrow.schema(
        [
            ("text", arrow.string()),
            ("image", arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])),
            ("raw", arrow.large_binary()),
            ("when", arrow.timestamp("us", tz="UTC")),
            ("price", arrow.decimal128(5, 2)),
            ("map", arrow.map_(arrow.string(), arrow.binary())),
            ("missing", arrow.dictionary(arrow.int8(), arrow.binary())),
        ]
    )
    table, path = arrow.Table.from_pylist(rows, schema), tmp_path / f"rows.{suffix}"
    if suffix == "parquet":
        parquet.write_table(table, path)
    else:
        with arrow.ipc.new_file(str(path), schema) as writer:
            writer.write_table(table)
    admitted = judge(path, verdicts, "text")
    assert sum(admitted) > 1
    assert list(ledger.admitted_rows(path, verdicts)) == list(compress(rows, admitted))
    judge(path, verdicts, None, [ADMITTED] * 5)
    assert list(ledger.admitted_rows(path, verdicts)) == [], "such a row is none as a whole"


def test_a_cell_that_says_more_than_it_holds_is_refused(tmp_path: Path, verdicts: Path) -> None:
    """A list of one long value, many times, in a dictionary of few bytes."""
    long = arrow.array([b"x" * 1_000_000])
    many = arrow.DictionaryArray.from_arrays(arrow.array([0] * 300, arrow.int8()), long)
    bomb = arrow.ListArray.from_arrays(arrow.array([0, 300], arrow.int32()), many)
    path = tmp_path / "rows.arrow"
    table = arrow.table({"text": ["a"], "bomb": bomb})
    with arrow.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)
    judge(path, verdicts, "text", [ADMITTED])
    with refused("too-large", f"{path}, row 0", f"{spec.STORED_CELL_BYTES_MAX:,}"):
        list(ledger.admitted_rows(path, verdicts))
    assert list(ledger.admitted_rows(path, verdicts, column="text")) == ["a"], "nobody asked for the cell"


def test_lines_and_files_have_names_too(tmp_path: Path, verdicts: Path) -> None:
    text = tmp_path / "rows.txt"
    text.write_bytes("one\r\n\nü three\nfour".encode())
    judge(text, verdicts, None, [ADMITTED, ADMITTED, REJECTED, ADMITTED])
    assert list(ledger.admitted_rows(text, verdicts)) == [{"text": "one"}, {"text": ""}, {"text": "four"}]
    assert list(ledger.admitted_rows(text, verdicts, column="text")) == ["one", "", "four"]
    folder = tmp_path / "files"
    (folder / "sub").mkdir(parents=True)
    long = bytes(spec.ROW_BYTES_MAX + 1)  # a file may be longer than a row of a table
    (folder / "a.bin").write_bytes(long)
    (folder / "sub" / "b.png").write_bytes(b"\x89PNG")
    (folder / "sub" / "c.md").write_bytes(b"c")
    judge(folder, verdicts, None, [ADMITTED, REJECTED, ADMITTED], folder_is="files")
    rows = ledger.admitted_rows(folder, verdicts, folder_is="files")
    assert list(rows) == [{"path": "a.bin", "bytes": long}, {"path": "sub/c.md", "bytes": b"c"}]
    for shares in SHARES:
        divided = all_shares(folder, verdicts, *shares, column="path", folder_is="files")
        assert [row for share in divided for row in share] == ["a.bin", "sub/c.md"]


def parted(folder: Path) -> None:
    """25 rows in partitioned folders and formats of several kinds, in the order of their names."""
    for name, like, rows in (
        ("lang=de/a.jsonl", "rows.jsonl", ROWS[:7]),
        ("lang=de/b.parquet", "rows.parquet", ROWS[7:11]),
        ("lang=en/a.csv", "rows.csv", ROWS[11:12]),
        ("lang=en/b.jsonl.gz", "rows.ndjson.gz", ROWS[12:18]),
        ("lang=fr/z.arrow", "rows.arrow", ROWS[18:]),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        STRINGS[like](path, rows)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(outcomes=Outcomes, column=st.sampled_from(["text", "lang", None]), shares=st.sampled_from(SHARES))
def test_parts_follow_each_other_and_have_the_cells_that_their_folders_tell(
    tmp_path_factory: pytest.TempPathFactory,
    outcomes: list[int],
    column: str | None,
    shares: tuple[int, int],
) -> None:
    folder = tmp_path_factory.mktemp("parted")
    parted(folder / "data")
    admitted = judge(folder / "data", folder / "verdicts", column, outcomes)
    languages = ["de"] * 11 + ["en"] * 7 + ["fr"] * 7
    rows = [{**row, "lang": language} for row, language in zip(ROWS, languages, strict=True)]
    divided = all_shares(folder / "data", folder / "verdicts", *shares)
    assert [row for share in divided for row in share] == list(compress(rows, admitted))
    found = all_shares(folder / "data", folder / "verdicts", *shares, column="lang")
    assert [row for share in found for row in share] == list(compress(languages, admitted))


def test_rows_that_no_reader_takes_are_passed_over(tmp_path: Path, verdicts: Path) -> None:
    path = tmp_path / "rows.jsonl"
    long = json.dumps({"text": "x" * spec.ROW_BYTES_MAX})
    lines = ['{"text": "a"}', "no json", "", long, '{"text": null}', '{"text": "b"}', '{"other": 1}']
    path.write_text("\n".join(lines))
    assert judge(path, verdicts, "text", [ADMITTED] * 7) == [True, *[False] * 4, True, False]
    for shares in SHARES:
        divided = all_shares(path, verdicts, *shares)
        assert [row for share in divided for row in share] == [{"text": "a"}, {"text": "b"}]


def change(path: Path, number: int, rows: Sequence[dict[str, Any]], write: Callable[..., None]) -> None:
    """The row of that number exchanged."""
    write(path, [*rows[:number], {**rows[number], "text": "another"}, *rows[number + 1 :]])


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.parquet", "rows.arrow", "rows.ndjson.gz"])
@pytest.mark.parametrize("shares", SHARES)
def test_another_row_is_an_error_and_is_never_handed_out(
    tmp_path: Path, verdicts: Path, name: str, shares: tuple[int, int]
) -> None:
    path, write = tmp_path / name, STRINGS[name]
    write(path, ROWS)
    judge(path, verdicts, "text", [ADMITTED if at % 3 else REJECTED for at in range(25)])
    change(path, 10, ROWS, write)
    seen: list[Any] = []
    with refused("rows-differ", f"{path}, row 10", "row 10 of"):
        for rank in range(shares[0]):
            rows = ledger.admitted_rows(path, verdicts, rank=rank, world_size=shares[0])
            for worker in range(shares[1]):
                reading = rows._rows(worker, shares[1])
                while (row := next(reading, None)) is not None:
                    seen.append(row)
    assert seen == [ROWS[at] for at in range(10) if at % 3]
    change(path, 9, ROWS, write)
    divided = all_shares(path, verdicts, *shares)
    expected = [row for at, row in enumerate(ROWS) if at % 3]
    assert [row for share in divided for row in share] == expected, "row 9 was not admitted"


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv.gz", "rows.parquet", "rows.arrow"])
@pytest.mark.parametrize("shares", SHARES)
@pytest.mark.parametrize("admitted_from", [0, 23, 25])
def test_a_missing_or_surplus_row_is_an_error(
    tmp_path: Path, verdicts: Path, name: str, shares: tuple[int, int], admitted_from: int
) -> None:
    path, write = tmp_path / name, STRINGS[name]
    write(path, ROWS)
    judge(path, verdicts, "text", [ADMITTED if at >= admitted_from else REJECTED for at in range(25)])
    write(path, ROWS[:-1])
    with refused("rows-differ", str(path), "behind 24 rows"):
        all_shares(path, verdicts, *shares)
    write(path, [*ROWS, ROWS[0]])
    with pytest.raises(RefusedInput) as refusal:
        all_shares(path, verdicts, *shares)
    assert refusal.value.code == "rows-differ"
    assert "25" in refusal.value.reason
    if "jsonl" in name:
        assert refusal.value.item == f"{path}, row 25 (line 26)"
    write(path, [*ROWS[:5], {"text": "put in", "n": "x"}, *ROWS[5:]])
    with pytest.raises(RefusedInput) as refusal:
        all_shares(path, verdicts, *shares)
    assert refusal.value.code == "rows-differ"


def test_a_row_that_became_none_is_an_error(tmp_path: Path, verdicts: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a"}\n{"text": "b"}\n')
    judge(path, verdicts, "text", [ADMITTED] * 2)
    for line in ('{"text": null}', "{", '{"text": "' + "x" * spec.ROW_BYTES_MAX + '"}'):
        path.write_text('{"text": "a"}\n' + line + "\n")
        with refused("rows-differ", f"{path}, row 1 (line 2)", "no reader takes it"):
            list(ledger.admitted_rows(path, verdicts))
    # the same text is the same row, whatever surrounds it; but what is asked for beside it has to be there
    path.write_text('{"text": "a", "n": 1}\n{"text": "b"}\n')
    with refused("column-missing", f"{path}, row 1 (line 2)", "'n'"):
        list(ledger.admitted_rows(path, verdicts, column="n"))


@pytest.mark.parametrize("column", ["text", None])
def test_a_cell_that_became_no_json_value_is_an_error(
    tmp_path: Path, verdicts: Path, column: str | None
) -> None:
    path = tmp_path / "rows.parquet"
    write_parquet(path, [{"text": "a"}])
    judge(path, verdicts, column, [ADMITTED])
    write_parquet(path, [{"text": b"a"}])
    with refused("rows-differ", f"{path}, row 0", "holds a binary"):
        list(ledger.admitted_rows(path, verdicts))


def test_the_verdicts_of_another_dataset_are_refused_at_the_first_row(tmp_path: Path, verdicts: Path) -> None:
    path, other = tmp_path / "rows.jsonl", tmp_path / "other.jsonl"
    write_jsonl(path, ROWS)
    write_jsonl(other, ROWS[::-1])
    judge(other, verdicts, "text", [ADMITTED] * 25)
    rows = iter(ledger.admitted_rows(path, verdicts))
    with refused("rows-differ", f"{path}, row 0 (line 1)", "another row"):
        next(rows)


def test_what_can_be_seen_is_seen_before_the_first_row(tmp_path: Path, verdicts: Path) -> None:
    path = tmp_path / "rows.parquet"
    write_parquet(path, ROWS)
    judge(path, verdicts, "text")
    with refused("column-missing", str(path), "'label'"):
        ledger.admitted_rows(path, verdicts, column="label")
    for rank, ranks in ((1, 1), (-1, 2), (0, 0)):
        with refused("usage", "rank"):
            ledger.admitted_rows(path, verdicts, rank=rank, world_size=ranks)
    with refused("usage", "shuffle_rows"):
        ledger.admitted_rows(path, verdicts, shuffle_rows=-1)
    write_parquet(path, ROWS[1:])
    with refused("rows-differ", str(path), "24 rows"):
        ledger.admitted_rows(path, verdicts)
    with pytest.raises(NotFound):
        ledger.admitted_rows(path, tmp_path / "none")
    with pytest.raises(ProofInvalid) as invalid:
        ledger.admitted_rows(path, path)
    assert invalid.value.code == "verdicts-invalid"
    judge(path, verdicts, "n")
    write_parquet(path, [{"text": row["text"]} for row in ROWS])
    with refused("column-missing", str(path), "'n'"):
        ledger.admitted_rows(path, verdicts)


def test_what_is_not_decided_admits_nothing(tmp_path: Path, verdicts: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, ROWS)
    judge(path, verdicts, "text", [*[ADMITTED] * 24, UNDECIDED])
    for read in (lambda: ledger.admitted_rows(path, verdicts), lambda: ledger.only_admitted(ROWS, verdicts)):
        with pytest.raises(Undecided) as undecided:
            read()
        assert (undecided.value.code, undecided.value.item) == ("undecided", str(verdicts))
        assert "1 of its 25 rows" in undecided.value.reason


def test_nothing_admitted_is_nothing(tmp_path: Path, verdicts: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, ROWS)
    judge(path, verdicts, "text", [REJECTED] * 25)
    rows = ledger.admitted_rows(path, verdicts)
    assert (len(rows), list(rows)) == (0, [])


def test_a_verdict_file_that_lies_is_refused(tmp_path: Path, verdicts: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a"}\nno json\n')
    mark = b"\x07" * 32
    write_verdicts(verdicts, [digests_of(path, "text")[0], mark], [ADMITTED, ADMITTED], "text")
    assert verdicts.read_bytes().count(mark) == 1
    verdicts.write_bytes(verdicts.read_bytes().replace(mark, NOTHING))  # our own writer refuses to
    rows: list[Any] = [{"text": "a"}, {"text": None}]
    for read in (
        lambda: list(ledger.admitted_rows(path, verdicts)),
        lambda: ledger.only_admitted(rows, verdicts),
        lambda: list(ledger.only_admitted(iter(rows), verdicts)),
    ):
        with pytest.raises(ProofInvalid) as invalid:
            read()
        assert (invalid.value.code, invalid.value.item) == ("verdicts-invalid", str(verdicts))


def test_a_verdict_file_out_of_order_is_refused(tmp_path: Path, verdicts: Path) -> None:
    """Rows are counted off by their places, so the places have to be the numbers."""
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, ROWS)
    judge(path, verdicts, "text", [ADMITTED] * 25)
    content, numbers = verdicts.read_bytes(), pack("<2q", 4, 5)
    assert content.count(numbers) == 1
    verdicts.write_bytes(content.replace(numbers, pack("<2q", 5, 4)))
    for read in (
        lambda: list(ledger.admitted_rows(path, verdicts)),
        lambda: ledger.only_admitted(ROWS, verdicts),
    ):
        with pytest.raises(ProofInvalid, match="not in order"):
            read()


def test_files_that_change_under_a_reader_are_refused(tmp_path: Path, verdicts: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, ROWS)
    judge(path, verdicts, "text", [ADMITTED] * 25)
    rows = ledger.admitted_rows(path, verdicts)
    assert len(list(rows)) == 25
    os.utime(path, ns=(0, 0))
    with refused("file-changed", str(path)):
        next(iter(rows))
    rows = ledger.admitted_rows(path, verdicts)
    stream = ledger.only_admitted(iter(ROWS), verdicts)
    verdicts.with_name("again").write_bytes(verdicts.read_bytes())
    judge(path, verdicts, "text", [REJECTED] * 25)
    with refused("file-changed", str(verdicts)):
        list(rows)
    with refused("file-changed", str(verdicts)):
        list(stream)
    reading = iter(ledger.admitted_rows(path, verdicts.with_name("again")))
    next(reading)
    os.utime(path, ns=(1, 1))
    with refused("file-changed", str(path)):
        list(reading)
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.bin").write_bytes(b"a")
    judge(folder, verdicts, None, [ADMITTED], folder_is="files")
    rows = ledger.admitted_rows(folder, verdicts, folder_is="files")
    os.utime(folder / "a.bin", ns=(0, 0))
    with refused("file-changed", "a.bin"):
        list(rows)
    reading = iter(ledger.admitted_rows(path, verdicts.with_name("again")))
    next(reading)
    os.utime(verdicts.with_name("again"), ns=(0, 0))
    with refused("file-changed", "again"):
        list(reading)


def test_it_travels_to_another_process_and_is_read_again(tmp_path: Path, verdicts: Path) -> None:
    parted(tmp_path / "data")
    admitted = judge(tmp_path / "data", verdicts, "text")
    rows = ledger.admitted_rows(tmp_path / "data", verdicts, column="n", shuffle_rows=4, seed=3)
    expected = list(rows)
    assert sorted(expected, key=int) == list(compress([row["n"] for row in ROWS], admitted))
    assert list(copy.copy(rows)) == list(pickle.loads(pickle.dumps(rows))) == expected
    assert rows.about["column"] == "text"
    assert rows.column == "n"


def test_an_order_is_the_same_for_the_same_seed_and_epoch(tmp_path: Path, verdicts: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, ROWS)
    judge(path, verdicts, "text", [ADMITTED] * 25)

    def order(epoch: int = 0, **options: Any) -> tuple[str, ...]:
        rows = ledger.admitted_rows(path, verdicts, column="n", **options)
        rows.set_epoch(epoch)
        return tuple(rows)

    plain = tuple(row["n"] for row in ROWS)
    assert order() == order(shuffle_rows=1) == plain
    orders = {
        order(shuffle_rows=held, seed=seed, epoch=epoch)
        for held in (2, 10, 100)
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    assert len(orders) == 12
    assert {tuple(sorted(each, key=int)) for each in orders} == {plain}
    assert order(shuffle_rows=10, seed=1, epoch=1) in orders


def test_what_the_gate_admits_is_what_is_read(tmp_path: Path, verdicts: Path) -> None:
    place = Place(tmp_path)
    signed = place.rows("one", "two", "three")
    with place.open() as door:
        door.sign_rows(signed, "text", "ada")
    dataset = tmp_path / "dataset.jsonl"
    write_jsonl(
        dataset, [{"text": text, "n": at} for at, text in enumerate(["one", "never signed", "three"])]
    )
    with place.open() as door:
        gated = door.gate(dataset, "balanced", verdicts=verdicts, workers=1)
    assert gated.counts["admitted"] == 2
    assert list(ledger.admitted_rows(dataset, verdicts)) == [
        {"text": "one", "n": 0},
        {"text": "three", "n": 2},
    ]


WITHOUT_LMDB = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("lmdb", "nacl", "cryptography"):
            raise ImportError("refused: " + name)

sys.meta_path.insert(0, Refuse())
import ledger
rows = list(ledger.admitted_rows(sys.argv[1], sys.argv[2]))
only = ledger.only_admitted(rows, sys.argv[3])
print(len(rows), len(only), *(name for name in sys.modules if name in ("ledger.api", "ledger.store", "torch")))
"""


def test_no_ledger_is_opened(tmp_path: Path, verdicts: Path) -> None:
    """All of it in a process that cannot load a store or a key."""
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, ROWS)
    admitted = judge(path, verdicts, "text")
    kept = tmp_path / "kept.jsonl"
    write_jsonl(kept, list(compress(ROWS, admitted)))
    judge(kept, tmp_path / "again", "text", [ADMITTED] * sum(admitted))
    command = [sys.executable, "-c", WITHOUT_LMDB, *map(str, (path, verdicts, tmp_path / "again"))]
    ran = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, f"{sum(admitted)} {sum(admitted)}\n"), ran.stderr


def test_memory_does_not_grow_with_the_rows(tmp_path: Path, verdicts: Path) -> None:
    """30 MB of rows, read in less than a tenth of that."""
    path = tmp_path / "rows.jsonl"
    line = json.dumps({"text": "x" * 1_000}) + "\n"
    path.write_text(line * 30_000)
    digest = digests_of(_first_line(tmp_path, line), "text")
    write_verdicts(verdicts, digest * 30_000, [ADMITTED] * 30_000, "text")
    rows = ledger.admitted_rows(path, verdicts)
    assert next(iter(rows)) == {"text": "x" * 1_000}
    tracemalloc.start()
    try:
        assert sum(1 for _ in rows) == 30_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6_000_000


def _first_line(folder: Path, line: str) -> Path:
    path = folder / "first.jsonl"
    path.write_text(line)
    return path
