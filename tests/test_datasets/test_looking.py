"""Runs of rows from a crew: in order, bounded, resumed behind finished segments; a file that two workers saw in two states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger import spec
from ledger.datasets.crew import Crew
from ledger.datasets.dataset import Segment, open_dataset
from ledger.datasets.files import fingerprint_of
from ledger.datasets.looking import look
from tests.test_datasets.carriers import STRINGS, write_jsonl
from tests.test_datasets.refusals import refused
from tests.test_datasets.test_formats_agree import looked_at, one_by_one

ROWS = [{"text": f"row {at}", "n": str(at)} for at in range(40)]


def test_finished_segments_are_passed_over(tmp_path: Path) -> None:
    for name, write in STRINGS.items():
        write(tmp_path / name, ROWS)
    dataset = open_dataset([tmp_path / name for name in STRINGS])
    segments = dataset.segments(300)
    counts: dict[Segment, int] = dict.fromkeys(segments, 0)
    with Crew(0) as crew:
        for run in look(crew, dataset, "text", segments=segments):
            counts[run.segment] += run.batch.row_count
        assert sum(counts.values()) == len(ROWS) * len(STRINGS)
        for done in ([], segments[:7], segments[1::2], segments):
            finished = {segment: counts[segment] for segment in done}
            found = [
                (run.row_index + at, run.batch.digests[32 * at : 32 * at + 32])
                for run in look(crew, dataset, "text", segments=segments, finished=finished)
                for at in range(run.batch.row_count)
            ]
            wanted, row_index = [], 0
            rows = [row.digest for row in dataset.rows("text")]  # type: ignore[union-attr]
            for segment in segments:
                span = range(row_index, row_index + counts[segment])
                wanted += [] if segment in finished else [(at, rows[at]) for at in span]
                row_index += counts[segment]
            assert found == wanted


def test_the_last_run_of_each_segment_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "STRETCH_BYTES", 64)
    for name, write in STRINGS.items():
        write(tmp_path / name, ROWS)
        dataset = open_dataset(tmp_path / name)
        segments = dataset.segments(300)
        with Crew(0) as crew:
            runs = list(look(crew, dataset, "text", segments=segments))
        assert [run.segment for run in runs if run.is_last] == segments
        assert [run.segment for run in runs] == sorted(run.segment for run in runs)


def test_two_states_of_one_file_are_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each worker finds the file as it was told; what one ends with and the next begins with differs."""
    path = tmp_path / "rows.txt"
    path.write_bytes(b"aaa\nbbb\nccc\n")
    dataset = open_dataset(path)
    monkeypatch.setattr(spec, "STRETCH_BYTES", 4)

    class Shifting(Crew):
        def submit(self, name: str, *arguments: Any) -> Any:
            if arguments[-2] >= 4:
                path.write_bytes(b"aaaaaaa\nccc\n")
                changed = fingerprint_of(path)
                arguments = (arguments[0], list(changed), *arguments[2:])
            return super().submit(name, *arguments)

    with refused("file-changed", "rows.txt"), Shifting(0) as crew:
        list(look(crew, dataset, None))


def test_not_all_runs_are_out_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "STRETCH_BYTES", 16)
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, ROWS * 100)
    asked = 0

    class Counting(Crew):
        def submit(self, name: str, *arguments: Any) -> Any:
            nonlocal asked
            asked += 1
            return super().submit(name, *arguments)

    with Counting(2) as crew:
        runs = look(crew, open_dataset(path), "text")
        next(runs)
        assert 1 < asked <= 80
        told, ended = looked_at(look(crew, open_dataset(path), "text"))
        assert (told, ended) == one_by_one(open_dataset(path).rows("text"))


def test_short_lines_are_looked_at_in_runs_of_fewer_bytes(tmp_path: Path) -> None:
    """A digest takes sixteen times the room of such a line."""
    path = tmp_path / "rows.txt"
    path.write_bytes(b"a\n" * 200_000)
    with Crew(0) as crew:
        counts = [run.batch.row_count for run in look(crew, open_dataset(path), None)]
    assert sum(counts) == 200_000
    assert max(counts) < 40_000


@pytest.mark.parametrize("name", STRINGS)
def test_the_contents_of_some_rows_are_read_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(spec, "STRETCH_BYTES", 64)
    STRINGS[name](tmp_path / name, ROWS)
    dataset = open_dataset(tmp_path / name)
    rows = list(dataset.rows("text"))
    found: dict[int, bytes] = {}
    with Crew(0) as crew:
        for run in look(crew, dataset, "text"):
            asked = [at for at in range(run.batch.row_count) if (run.row_index + at) % 3 == 0]
            contents = run.contents(asked)
            assert sorted(contents) == asked
            found |= {run.row_index + at: content for at, content in contents.items()}
            assert run.contents(asked[:1], 2) == {at: contents[at][:2] for at in asked[:1]}
    assert found == {at: row.content for at, row in enumerate(rows) if at % 3 == 0}  # type: ignore[union-attr]


def test_contents_of_a_file_that_changed_meanwhile_are_none(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, ROWS)
    with Crew(0) as crew:
        (run, *_) = look(crew, open_dataset(path), "text")
        write_jsonl(path, ROWS[::-1])
        with refused("file-changed", "rows.jsonl"):
            run.contents([0])


def test_a_column_that_a_part_has_not_is_told_before_anything_is_read(tmp_path: Path) -> None:
    STRINGS["rows.csv"](tmp_path / "a.csv", [{"text": "x"}])
    STRINGS["rows.csv"](tmp_path / "b.csv", [{"words": "x"}])
    dataset = open_dataset(tmp_path)
    with refused("column-missing", "b.csv", "'words'"), Crew(0) as crew:
        look(crew, dataset, "text")
    with refused("column-missing", "b.csv", "'words'"):
        dataset.rows("text")
