"""Files that are rows: of any size, in little memory; what cannot be read is one faulty row, what changes ends it."""

from __future__ import annotations

import hashlib
import os
import tracemalloc
from pathlib import Path

import pytest

from ledger import spec
from ledger.datasets.crew import Crew
from ledger.datasets.dataset import Dataset, open_dataset
from ledger.datasets.looking import look
from ledger.datasets.row_files import FileRow
from ledger.datasets.wanted import FaultyRow
from tests.test_datasets.refusals import refused

CELLS = ("lineage_salt",)


def folder(path: Path) -> Dataset:
    (path / "b").mkdir(parents=True)
    (path / "a.png").write_bytes(b"a" * 1_000)
    (path / "b" / "c.md").write_bytes(b"")
    (path / "b" / "d.md").write_bytes(b"d")
    (path / "b" / "d.md.salt").write_text("cd" * 32 + "\n")
    return open_dataset(path)


def test_rows_and_runs_tell_the_same(tmp_path: Path) -> None:
    dataset = folder(tmp_path / "rows")
    rows = [row for row in dataset.rows(None, CELLS) if isinstance(row, FileRow)]
    assert [(row.row_index, row.content, row.digest, row.size_bytes, row.media) for row in rows] == [
        (0, b"a" * 1_000, hashlib.sha256(b"a" * 1_000).digest(), 1_000, "image/png"),
        (1, b"", hashlib.sha256(b"").digest(), 0, "text/markdown"),
        (2, b"d", hashlib.sha256(b"d").digest(), 1, "text/markdown"),
    ]
    for workers in (0, 2):
        with Crew(workers) as crew:
            runs = list(look(crew, dataset, None, CELLS, segments=dataset.segments(500)))
        assert b"".join(run.batch.digests for run in runs) == b"".join(row.digest for row in rows)
        assert [(run.row_index + at, cells) for run in runs for at, cells in run.cells()] == [
            (2, {"lineage_salt": "cd" * 32})
        ]
        sealed = [(run.row_index + at, behind(b"before")) for run in runs for at, _, behind in run.salted()]
        assert sealed == [(2, hashlib.sha256(b"befored").digest())] == [(2, rows[2].hashed(b"before"))]


def test_a_file_longer_than_a_row_is_digested_in_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spec, "ROW_BYTES_MAX", 1_000)
    path = tmp_path / "rows" / "film.mp4"
    path.parent.mkdir()
    with path.open("wb") as file:
        file.truncate(64 * 1_048_576)
    tracemalloc.start()
    try:
        (row,) = open_dataset(tmp_path / "rows").rows(None)
        assert isinstance(row, FileRow)
        assert row.digest == row.hashed(b"") == hashlib.sha256(bytes(64 * 1_048_576)).digest()
    finally:
        tracemalloc.stop()
    tracemalloc.start()
    try:
        (row,) = open_dataset(tmp_path / "rows").rows(None)
        assert tracemalloc.get_traced_memory()[1] < 8 * 1_048_576
    finally:
        tracemalloc.stop()
    assert isinstance(row, FileRow)
    path.write_bytes(b"x" * 5_000_000)
    with refused("too-large", "film.mp4"):
        _ = row.content


@pytest.mark.parametrize("workers", [False, True])
def test_a_file_that_is_gone_is_one_faulty_row_and_one_that_changed_ends_it(
    tmp_path: Path, workers: bool
) -> None:
    dataset = folder(tmp_path / "rows")

    def codes() -> list[str | None]:
        if not workers:
            return [
                row.error.code if isinstance(row, FaultyRow) else None
                for row in dataset.rows(None, lenient=True)
            ]
        with Crew(0) as crew:
            (run,) = look(crew, dataset, None)
            errors = dict(run.errors())
            assert all(error.item.endswith("c.md") for error in errors.values())
            return [errors[at].code if at in errors else None for at in range(run.batch.row_count)]

    (tmp_path / "rows" / "b" / "c.md").unlink()
    assert codes() == [None, "file-not-found", None]
    with refused("file-not-found", "c.md"):
        list(dataset.rows(None))
    os.utime(tmp_path / "rows" / "b" / "d.md", ns=(1, 1))
    with refused("file-changed", "d.md"):
        codes()


def test_content_that_changed_since_its_digest_was_taken_is_refused(tmp_path: Path) -> None:
    rows = list(folder(tmp_path / "rows").rows(None))
    (tmp_path / "rows" / "a.png").write_bytes(b"b" * 1_000)
    row = rows[0]
    assert isinstance(row, FileRow)
    with refused("file-changed", "a.png"):
        _ = row.content
    with refused("file-changed", "a.png"):
        row.hashed(b"")
