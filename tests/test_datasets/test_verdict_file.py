"""The verdict file: what is written is read back, however it was cut; what is wrong with one is told, and takes no room."""

from __future__ import annotations

import io
import json
import random
import tracemalloc
from array import array
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import spec
from ledger.datasets import verdict_file, verdict_form
from ledger.datasets.parquet_join import join
from ledger.datasets.verdict_file import (
    LEVELS,
    NOTHING,
    VERDICTS,
    Told,
    VerdictBlock,
    join_verdicts,
    open_verdicts,
    writing_verdicts,
)
from ledger.errors import InvariantBroken, LineageError, ProofInvalid, RefusedInput, StoreFault

ABOUT: dict[str, Any] = {
    "v": 1,
    "column": "text",
    "log_origin": "log.example/test",
    "log_id": "1" * 64,
    "checkpoint_size": 8,
    "checkpoint_root": "2" * 64,
    "checkpoint": "3" * 64,
    "policy": "4" * 64,
    "policy_name": "balanced",
    "trust": "0" * 64,
    "at_ms": 1_700_000_000_000,
    "dataset": "notes.jsonl",
    "ledger": "0.1.0",
}

ROW = tuple[bytes, bytes, Told]
TOLD = st.builds(
    Told,
    st.sampled_from(VERDICTS),
    st.sampled_from(["clear", "held", "row-refused"]),
    st.sampled_from(LEVELS),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
)
DIGEST = st.sampled_from([NOTHING, b"\1" * 32]) | st.binary(min_size=32, max_size=32)
UNREAD = ("rejected", "undecided")
ROWS = st.lists(
    st.tuples(DIGEST, DIGEST, TOLD).filter(lambda row: row[0] != NOTHING or row[2].verdict in UNREAD),
    max_size=30,
)


def about_of(rows: Sequence[ROW], **changed: Any) -> dict[str, Any]:
    verdicts = Counter(told.verdict for _, _, told in rows)
    return ABOUT | {"count": len(rows)} | {verdict: verdicts[verdict] for verdict in VERDICTS} | changed


def block(row_index: int, rows: Sequence[ROW], spare: int = 0) -> VerdictBlock:
    """`spare`: so many times a thing is told that is told of no row."""
    told = [Told("rejected", "spare", "L0", str(number)) for number in range(spare)]
    outcomes = array("I")
    for _, _, one in rows:
        if one not in told:
            told.append(one)
        outcomes.append(told.index(one))
    digests, ids = b"".join(row[0] for row in rows), b"".join(row[1] for row in rows)
    return VerdictBlock(row_index, digests, ids, outcomes, told)


def write_piece(path: Path, first: int, rows: Sequence[ROW], cuts: Sequence[int] = ()) -> Path:
    bounds = sorted({0, len(rows), *(cut % (len(rows) + 1) for cut in cuts)})
    with writing_verdicts(path) as add:
        for start, stop in pairwise(bounds):
            add(block(first + start, rows[start:stop], start % 3))
    return path


def write_file(path: Path, rows: Sequence[ROW], **changed: Any) -> Path:
    join_verdicts([write_piece(path.with_name("piece"), 0, rows)], path, about_of(rows, **changed))
    return path


def rows_of(path: Path) -> list[ROW]:
    rows: list[ROW] = []
    with open_verdicts(path) as file:
        for found in file.blocks():
            assert found.row_index == len(rows)
            for number, outcome in enumerate(found.outcomes):
                at = slice(32 * number, 32 * number + 32)
                rows.append((found.digests[at], found.artifact_ids[at], found.told[outcome]))
    return rows


def some_rows(count: int, seed: int = 1) -> list[ROW]:
    chance = random.Random(seed)
    told = [
        Told(chance.choice(VERDICTS), chance.choice(["clear", "held"]), chance.choice(LEVELS), f"reason {n}")
        for n in range(9)
    ]
    return [
        (
            chance.randbytes(32),
            chance.choice([NOTHING, chance.randbytes(32)]),
            chance.choice(told)._replace(why=f"it {number}" if number % 5 == 0 else "as all"),
        )
        for number in range(count)
    ]


@settings(deadline=None)
@given(ROWS, st.lists(st.integers(0, 30)), st.lists(st.integers(0, 30), max_size=4), st.integers(2, 12))
def test_what_is_written_is_read_however_it_is_cut(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[ROW],
    cuts: list[int],
    ends: list[int],
    group_rows: int,
) -> None:
    folder = tmp_path_factory.mktemp("verdicts")
    bounds = [0, *sorted(end % (len(rows) + 1) for end in ends), len(rows)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spec, "VERDICT_GROUP_ROWS", group_rows)
        patch.setattr(verdict_file, "_SMALL_ROWS", group_rows // 2)
        pieces = [
            write_piece(folder / str(place), start, rows[start:stop], cuts)
            for place, (start, stop) in enumerate(pairwise(bounds))
        ]
        target = folder / "out" / "verdicts.parquet"
        join_verdicts(pieces, target, about_of(rows))
        assert rows_of(target) == rows
        with open_verdicts(target) as file:
            assert file.count == len(rows)
            assert file.about == about_of(rows)
            assert file.admitted_flags() == bytes(told.verdict == "admitted" for _, _, told in rows)
    table = pq.read_table(target)  # as any tool reads it
    assert table["row_index"].to_pylist() == list(range(len(rows)))
    assert table["digest"].to_pylist() == [row[0] for row in rows]
    assert table["artifact_id"].to_pylist() == [None if row[1] == NOTHING else row[1] for row in rows]
    for name in Told._fields:
        assert table[name].type == pa.string()
        assert table[name].to_pylist() == [getattr(told, name) for _, _, told in rows]
    assert sorted(path.name for path in target.parent.iterdir()) == ["verdicts.parquet"]


def test_row_groups_are_full_whatever_the_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the footer of a file of a hundred thousand small pieces would be longer than a reader takes."""
    monkeypatch.setattr(spec, "VERDICT_GROUP_ROWS", 16)
    monkeypatch.setattr(verdict_file, "_SMALL_ROWS", 4)
    rows = some_rows(200)
    pieces = [write_piece(tmp_path / f"p{at}", at, rows[at : at + 1]) for at in range(100)]
    pieces.append(write_piece(tmp_path / "great", 100, rows[100:]))
    join_verdicts(pieces, tmp_path / "out", about_of(rows))
    assert rows_of(tmp_path / "out") == rows
    assert pq.read_metadata(tmp_path / "out").num_row_groups == 7 + 7  # of 100 rows each, by 16


def test_a_million_rows_of_a_thousand_reasons(tmp_path: Path) -> None:
    """Several row groups as they are; numbers of ten bits; memory that does not grow with the rows."""
    count = 200_000
    told = [Told("rejected", "held", "L1", f"reason {number}") for number in range(1_000)]
    chance = random.Random(7)
    size = 10_000
    outcomes = [array("I", (chance.randrange(1_000) for _ in range(size))) for _ in range(count // size)]
    tracemalloc.start()
    for _ in range(2):
        with writing_verdicts(tmp_path / "piece") as add:
            for place, block_outcomes in enumerate(outcomes):
                add(VerdictBlock(place * size, b"\1" * 32 * size, bytes(32 * size), block_outcomes, told))
    about = ABOUT | dict.fromkeys(VERDICTS, 0) | {"count": count, "rejected": count}
    join_verdicts([tmp_path / "piece"], tmp_path / "out", about)
    found: list[str] = []
    with open_verdicts(tmp_path / "out") as file:
        assert [len(one.outcomes) for one in file.blocks()] == [65_536] * 3 + [count - 3 * 65_536]
        for one in file.blocks():
            found += [one.told[outcome].why for outcome in one.outcomes]
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [told[outcome].why for block_outcomes in outcomes for outcome in block_outcomes]
    assert peak_bytes < 60_000_000
    assert (tmp_path / "out").stat().st_size < 45 * count + 500_000  # 8 + 32 + 1.25 bytes a row, no ids


def test_reasons_of_any_text_are_written(tmp_path: Path) -> None:
    long = "ä" * 2_000
    whys = ["", "\0 \udc80 '\"", long, "\U0001f9ff" * 256]
    write_piece(
        tmp_path / "piece",
        0,
        [(NOTHING, NOTHING, Told("rejected", "row-refused", "L0", why)) for why in whys],
    )
    rows = [(NOTHING, NOTHING, Told("rejected", "row-refused", "L0", ""))] * len(whys)
    join_verdicts([tmp_path / "piece"], tmp_path / "out", about_of(rows))
    found = [told.why for _, _, told in rows_of(tmp_path / "out")]
    assert found[:2] == ["", "\0 \\udc80 '\""]
    assert found[2] == "ä" * 510 + "\u2026"
    assert found[3] == "\U0001f9ff" * 256


def test_a_piece_is_whole_or_not_there(tmp_path: Path) -> None:
    rows = some_rows(5)

    def fail() -> None:
        with writing_verdicts(tmp_path / "piece") as add:
            add(block(0, rows))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "blocks",
    [
        [block(0, some_rows(3)), block(4, some_rows(3))],
        [block(0, some_rows(3)), block(2, some_rows(3))],
        [block(-1, some_rows(3))],
        [block(0, some_rows(3))._replace(digests=bytes(64))],
        [block(0, some_rows(3))._replace(artifact_ids=bytes(128))],
        [VerdictBlock(0, bytes(32), bytes(32), array("I", [0]), [Told("perhaps", "held", "L1", "")])],
        [VerdictBlock(0, bytes(32), bytes(32), array("I", [0]), [Told("admitted", "held", "L1", "")])],
        [VerdictBlock(0, bytes(32), bytes(32), array("I", [0]), [Told("quarantined", "held", "L1", "")])],
        [VerdictBlock(0, bytes(32), bytes(32), array("I", [0]), [Told("admitted", "Held", "L1", "")])],
        [VerdictBlock(0, bytes(32), bytes(32), array("I", [0]), [Told("admitted", "held", "L5", "")])],
    ],
)
def test_blocks_that_are_wrong_are_a_bug(tmp_path: Path, blocks: list[VerdictBlock]) -> None:
    def write() -> None:
        with writing_verdicts(tmp_path / "piece") as add:
            for one in blocks:
                add(one)

    with pytest.raises(InvariantBroken):
        write()
    assert list(tmp_path.iterdir()) == []


class TestJoin:
    """What is joined is all of one run, and stands over nothing else."""

    rows = some_rows(30)

    def pieces(self, folder: Path) -> list[Path]:
        return [
            write_piece(folder / f"p{at}", at, self.rows[at : at + 10]) for at in range(0, len(self.rows), 10)
        ]

    def test_over_something_else_only_if_asked(self, tmp_path: Path) -> None:
        pieces, target = self.pieces(tmp_path), tmp_path / "out"
        target.write_bytes(b"mine")
        with pytest.raises(RefusedInput) as refused:  # before the pieces are looked at
            join_verdicts([tmp_path / "none"], target, about_of(self.rows))
        assert refused.value.code == "file-exists"
        assert target.read_bytes() == b"mine"
        join_verdicts(pieces, target, about_of(self.rows), replace=True)
        assert rows_of(target) == self.rows

    def test_over_a_file_made_meanwhile_neither(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pieces, target = self.pieces(tmp_path), tmp_path / "out"

        def late(*arguments: Any) -> int:
            target.write_bytes(b"mine")
            return join(*arguments)

        monkeypatch.setattr(verdict_file, "join", late)
        with pytest.raises(RefusedInput):
            join_verdicts(pieces, target, about_of(self.rows))
        assert target.read_bytes() == b"mine"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "p0", "p10", "p20"]

    def test_a_piece_that_is_missing_or_twice(self, tmp_path: Path) -> None:
        pieces = self.pieces(tmp_path)
        for wrong in (pieces[1:], [*pieces[:1], pieces[2]], [pieces[0], *pieces], [*pieces, pieces[2]]):
            with pytest.raises(StoreFault, match="begins with row"):
                join_verdicts(wrong, tmp_path / "out", about_of(self.rows))
        with pytest.raises(InvariantBroken, match="20 rows"):
            join_verdicts(pieces[:2], tmp_path / "out", about_of(self.rows))
        assert not (tmp_path / "out").exists()

    def test_a_damaged_piece(self, tmp_path: Path) -> None:
        pieces = self.pieces(tmp_path)
        whole = pieces[1].read_bytes()
        for damaged in (b"", whole[:-3], whole[: len(whole) // 2], whole.replace(b'"rows"', b'"cows"')):
            pieces[1].write_bytes(damaged)
            with pytest.raises(StoreFault) as fault:
                join_verdicts(pieces, tmp_path / "out", about_of(self.rows))
            assert fault.value.code == "output-failed"
            assert not (tmp_path / "out").exists()

    def test_metadata_that_is_none_is_a_bug(self, tmp_path: Path) -> None:
        pieces = self.pieces(tmp_path)
        for name, value in WRONG_ABOUT:
            about = about_of(self.rows) | {name: value}
            with pytest.raises(InvariantBroken if len(str(value)) < 70_000 else RefusedInput):
                join_verdicts(pieces, tmp_path / "out", about)
        for name in about_of(self.rows):
            about = about_of(self.rows)
            del about[name]
            with pytest.raises(InvariantBroken):
                join_verdicts(pieces, tmp_path / "out", about)


WRONG_ABOUT: list[tuple[str, Any]] = [
    ("v", 2),
    ("v", True),
    ("v", "1"),
    ("column", 5),
    ("column", "c" * 70_000),
    ("count", 31),
    ("count", -1),
    ("count", 30.0),
    ("admitted", 2**60),
    ("undecided", None),
    ("log_origin", "o" * 129),
    ("log_id", "1" * 63),
    ("log_id", "G" * 64),
    ("checkpoint_size", 2**48 + 1),
    ("checkpoint_root", b"1".hex()),
    ("checkpoint", 5),
    ("policy", ""),
    ("policy_name", "n" * 1_025),
    ("trust", None),
    ("at_ms", 2**53),
    ("at_ms", True),
    ("dataset", ["notes.jsonl"]),
    ("ledger", 1),
]


def rewritten(
    rows: Sequence[ROW], about: Any = None, schema: pa.Schema | None = None, **options: Any
) -> bytes:
    """The file of somebody else, who uses the common library as he likes."""
    columns: dict[str, Any] = {
        "row_index": pa.array(range(len(rows)), pa.int64()),
        "digest": pa.array([row[0] for row in rows], pa.binary(32)),
        "artifact_id": pa.array([None if row[1] == NOTHING else row[1] for row in rows], pa.binary(32)),
    }
    for name in Told._fields:
        columns[name] = pa.array([getattr(told, name) for _, _, told in rows], pa.string())
    columns |= options.pop("columns", {})
    fields = [pa.field(name, column.type, nullable=name == "artifact_id") for name, column in columns.items()]
    table = pa.Table.from_arrays(list(columns.values()), schema=schema or pa.schema(fields))
    file = io.BytesIO()
    plain: dict[str, Any] = {"compression": "none", "use_dictionary": False, "store_schema": False}
    rows_each = options.pop("row_group_size", 7)
    with pq.ParquetWriter(file, table.schema, **(plain | options)) as writer:
        writer.write_table(table, row_group_size=rows_each)
        text = about if isinstance(about, str) else json.dumps(about_of(rows) if about is None else about)
        writer.add_key_value_metadata({"lineage": text})
    return file.getvalue()


def refused(path: Path, data: bytes) -> str:
    """Why a file is refused."""
    path.write_bytes(data)
    with pytest.raises(ProofInvalid) as error:
        rows_of(path)
    assert error.value.code == "verdicts-invalid"
    assert error.value.fix
    return error.value.reason


class TestOfStrangers:
    """Files that somebody else wrote: in another way, or to do harm."""

    rows = some_rows(20)

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"use_dictionary": ["verdict", "code", "level", "why"]},
            {"use_dictionary": ["why"], "dictionary_pagesize_limit": 10, "write_batch_size": 2},
            {"write_statistics": True, "row_group_size": 1, "data_page_size": 10, "write_batch_size": 1},
        ],
    )
    def test_other_plain_forms_are_read(self, tmp_path: Path, options: dict[str, Any]) -> None:
        (tmp_path / "f").write_bytes(rewritten(self.rows, **options))
        assert rows_of(tmp_path / "f") == self.rows

    @pytest.mark.parametrize("name", ["snappy", "gzip", "zstd"])
    def test_what_is_compressed_is_not(self, tmp_path: Path, name: str) -> None:
        assert "compressed" in refused(tmp_path / "f", rewritten(self.rows, compression=name))

    def test_digests_in_a_dictionary_are_not(self, tmp_path: Path) -> None:
        assert refused(tmp_path / "f", rewritten(self.rows, use_dictionary=["digest"]))

    @pytest.mark.parametrize(("name", "value"), WRONG_ABOUT)
    def test_metadata(self, tmp_path: Path, name: str, value: Any) -> None:
        assert refused(tmp_path / "f", rewritten(self.rows, about_of(self.rows) | {name: value}))

    @pytest.mark.parametrize("text", ["", "[]", "{", "null", "[" * 100_000, '{"v":1e400}', "{}"])
    def test_metadata_that_is_none(self, tmp_path: Path, text: str) -> None:
        assert refused(tmp_path / "f", rewritten(self.rows, text))

    def test_more_metadata_means_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(rewritten(self.rows, about_of(self.rows) | {"more": [1]}))
        assert rows_of(tmp_path / "f") == self.rows

    def test_long_metadata(self, tmp_path: Path) -> None:
        about = about_of(self.rows) | {"more": "x" * spec.VERDICT_ABOUT_BYTES_MAX}
        assert "too long" in refused(tmp_path / "f", rewritten(self.rows, about))

    @pytest.mark.parametrize(
        ("name", "word"),
        [
            ("verdict", "Admitted"),
            ("verdict", ""),
            ("code", "HELD"),
            ("code", "x" * 65),
            ("code", "held\n"),
            ("level", "L5"),
            ("level", "2"),
            ("why", "w" * 1_025),
        ],
    )
    @pytest.mark.parametrize("dictionary", [False, True])
    def test_words(self, tmp_path: Path, name: str, word: str, *, dictionary: bool) -> None:
        words = [getattr(told, name) for _, _, told in self.rows]
        words[11] = word
        data = rewritten(
            self.rows, columns={name: pa.array(words)}, use_dictionary=[name] if dictionary else []
        )
        assert name in refused(tmp_path / "f", data)

    def test_words_that_are_no_text(self, tmp_path: Path) -> None:
        words = pa.array([b"\xff"] * 20, pa.binary())
        assert "utf-8" in refused(tmp_path / "f", rewritten(self.rows, columns={"why": words}))

    def test_rows_out_of_order(self, tmp_path: Path) -> None:
        for numbers in ([*range(1, 21)], [*range(19), 20], [1, 0, *range(2, 20)], [0, 0, *range(2, 20)]):
            data = rewritten(self.rows, columns={"row_index": pa.array(numbers, pa.int64())})
            assert "in order" in refused(tmp_path / "f", data)

    def test_rows_that_are_missing(self, tmp_path: Path) -> None:
        data = rewritten(self.rows[:19], about_of(self.rows))
        assert "20 rows" in refused(tmp_path / "f", data)

    def test_numbers_of_verdicts(self, tmp_path: Path) -> None:
        verdicts = Counter(told.verdict for _, _, told in self.rows)
        changed = {"rejected": verdicts["rejected"] + 1, "admitted": verdicts["admitted"] - 1}
        path = tmp_path / "f"
        assert "other" in refused(path, rewritten(self.rows, about_of(self.rows, **changed)))
        with open_verdicts(path) as file, pytest.raises(ProofInvalid, match="others"):
            file.admitted_flags()

    def test_numbers_of_verdicts_that_are_not_those_of_the_rows(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(rewritten(self.rows, about_of(self.rows, admitted=0)))
        with pytest.raises(ProofInvalid, match="numbers of its verdicts"), open_verdicts(tmp_path / "f"):
            pass

    def test_an_id_of_zero_bytes(self, tmp_path: Path) -> None:
        ids = pa.array([NOTHING] * 20, pa.binary(32))
        assert "zero bytes" in refused(tmp_path / "f", rewritten(self.rows, columns={"artifact_id": ids}))

    def test_a_row_that_no_reader_takes_is_not_admitted(self, tmp_path: Path) -> None:
        told = self.rows[3][2]
        for verdict in VERDICTS:
            rows = [*self.rows[:3], (NOTHING, NOTHING, told._replace(verdict=verdict)), *self.rows[4:]]
            data = rewritten(rows)
            if verdict in UNREAD:
                (tmp_path / "f").write_bytes(data)
                assert rows_of(tmp_path / "f") == rows
            else:
                assert "no reader takes" in refused(tmp_path / "f", data)

    def test_other_columns(self, tmp_path: Path) -> None:
        wide = pa.array([row[0] + b"x" for row in self.rows], pa.binary(33))
        for columns in (
            {"row_index": pa.array(range(20), pa.int32())},
            {"digest": wide},
            {"level": pa.array([b"L1   "] * 20, pa.binary(5))},
            {"more": pa.array(range(20))},
        ):
            assert "columns" in refused(tmp_path / "f", rewritten(self.rows, columns=columns))

    def test_nullable_columns(self, tmp_path: Path) -> None:
        data = rewritten(self.rows)
        schema = pq.read_schema(io.BytesIO(data)).remove_metadata()
        place = schema.get_field_index("verdict")
        schema = schema.set(place, schema.field(place).with_nullable(nullable=True))
        assert "columns" in refused(tmp_path / "f", rewritten(self.rows, schema=schema))

    def test_a_great_row_group(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(spec, "VERDICT_GROUP_ROWS", 6)
        assert "over 6 rows" in refused(tmp_path / "f", rewritten(self.rows))

    def test_what_is_no_parquet(self, tmp_path: Path) -> None:
        for data in (b"", b"PAR1", b"PAR1PAR1", b"{}", rewritten(self.rows)[:-1]):
            assert refused(tmp_path / "f", data)
        with pytest.raises(RefusedInput) as error, open_verdicts(tmp_path):
            pass
        assert error.value.code == "is-a-folder"

    def test_damage_is_refused_and_takes_no_room(self, tmp_path: Path) -> None:
        """Each byte in one of its bits: the rows as they are, others that are rows, or a refusal; memory within bounds."""
        rows = some_rows(4)
        write_file(tmp_path / "f", rows)
        data = (tmp_path / "f").read_bytes()
        mutants = [data[:length] for length in range(0, len(data), 7)]
        mutants += [
            data[:place] + bytes([data[place] ^ 1 << (place + shift) % 8]) + data[place + 1 :]
            for place in range(len(data))
            for shift in (0, 5)
        ]
        outcomes: Counter[str] = Counter()
        tracemalloc.start()
        for mutant in mutants:
            (tmp_path / "m").write_bytes(mutant)
            try:
                found = rows_of(tmp_path / "m")
            except LineageError as error:
                outcomes[error.code] += 1
            else:
                outcomes["same" if found == rows else "other"] += 1
                assert len(found) == len(rows)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert set(outcomes) == {"verdicts-invalid", "same", "other"}
        assert outcomes["verdicts-invalid"] > len(mutants) // 3
        assert peak_bytes < 3_000_000


def test_every_verdict_has_its_own_flag(tmp_path: Path) -> None:
    """Only what is admitted is read for training."""
    rows = [
        (bytes([number + 1]) * 32, NOTHING, Told(verdict, "held", "L2", ""))
        for number, verdict in enumerate(VERDICTS)
    ]
    write_file(tmp_path / "f", rows)
    with open_verdicts(tmp_path / "f") as file:
        assert file.admitted_flags() == b"\1\0\0\0"


def test_the_common_library_filters_it(tmp_path: Path) -> None:
    rows = some_rows(50)
    write_file(tmp_path / "f", rows)
    table = pq.read_table(tmp_path / "f", filters=pc.field("verdict") == "admitted")
    assert table["row_index"].to_pylist() == [n for n, row in enumerate(rows) if row[2].verdict == "admitted"]
    assert json.loads(pq.read_schema(tmp_path / "f").metadata[b"lineage"]) == about_of(rows)


def test_forms_agree() -> None:
    assert [column.name for column in verdict_form.COLUMNS][3:] == list(Told._fields)
