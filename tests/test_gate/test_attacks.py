"""What a stranger, a dataset's author, or whoever writes where a gate writes might try, and what it comes to (SPEC §12.6, §15)."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ledger.api.gate import partial
from ledger.datasets.staging import Staging
from ledger.errors import LineageError, RefusedInput
from tests.test_gate.town import Town, brief, trust_of


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path)


@contextmanager
def refused(code: str, family: type[LineageError] = RefusedInput) -> Iterator[None]:
    with pytest.raises(family) as caught:
        yield
    assert caught.value.code == code, caught.value
    assert caught.value.fix


# The folder of unfinished work


def two_makers(town: Town) -> tuple[Path, bytes]:
    """A dataset of a work of Anna and of one of Eve, and a trust file that takes Anna's word alone."""
    anna, eve = town.world.enrol("anna"), town.world.enrol("eve")
    town.work(anna, "good")
    town.work(eve, "evil")
    return town.jsonl(["good", "evil"]), trust_of(anna)


@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_what_somebody_keeps_under_the_name_of_unfinished_work_is_left_alone(town: Town, what: str) -> None:
    """Whoever may make a name beside the outputs could else have any folder emptied by the gate."""
    data, _ = two_makers(town)
    target = town.folder / "verdicts.parquet"
    folder = target.with_name(target.name + partial.SUFFIX)
    theirs = town.folder / "theirs"
    thesis = theirs / ("thesis" if what == "file" else "tally of mine/thesis")
    thesis.parent.mkdir(parents=True)
    (theirs / "pieces").mkdir(exist_ok=True)
    thesis.write_text("mine")
    if what == "link":
        folder.symlink_to(theirs)
    else:
        theirs.rename(folder)
    before = sorted(path.name for path in folder.rglob("*"))
    for resume in (False, True):
        with refused("run-unfinished"):
            town.gate(data, verdicts=target, resume=resume)
    assert sorted(path.name for path in folder.rglob("*")) == before
    assert not target.exists()


def test_what_is_put_beside_unfinished_work_stays_when_that_is_finished(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, _ = two_makers(town)
    target = town.folder / "verdicts.parquet"
    folder = target.with_name(target.name + partial.SUFFIX)
    real = partial.Partial.remove

    def late(self: partial.Partial) -> None:
        (folder / "thesis").write_text("mine")
        real(self)

    monkeypatch.setattr(partial.Partial, "remove", late)
    town.gate(data, verdicts=target)
    assert [path.name for path in folder.iterdir()] == ["thesis"]


# Rows


@pytest.mark.parametrize("depth", [63, 64, 500, 970, 980, 985, 990, 1_000, 5_000])
@pytest.mark.parametrize("name", ["data.jsonl", "data.jsonl.gz"])
def test_how_deep_a_row_may_be_does_not_depend_on_the_stack_that_is_left(
    town: Town, depth: int, name: str
) -> None:
    """Nesting where nobody looks; the row is looked at twice for its sample, from two places of the program."""
    data, _ = two_makers(town)
    nested = '{"text": "good", "x": ' + "[" * depth + '"[[{\\"[["' + "]" * depth + "}\n"
    text = nested.replace("\n", " \n") + '{"text": "good"}\n'
    data = town.folder / name
    if name.endswith(".gz"):
        data.write_bytes(gzip.compress(text.encode()))
    else:
        data.write_text(text)
    expected = "admitted clear L2" if depth < 64 else "rejected row-refused L0"
    for workers in (0, 2):
        judged = town.judged(data, workers=workers)
        assert [brief(row) for row in judged] == [expected, "admitted clear L2"]
        if depth >= 64:
            assert "nested deeper than 64" in judged[0].why


@pytest.mark.skipif(os.name == "nt", reason="Windows tells no time of change; see it on a POSIX system")
@pytest.mark.parametrize(
    "name", ["data.jsonl", "data.jsonl.gz", "data.csv", "data.parquet", "data.arrow", "files"]
)
def test_rows_that_are_put_in_place_of_those_judged_are_not_written(
    town: Town, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Of the same length, in the same file, whose time of writing is set back: the dataset's author can do all that."""
    two_makers(town)
    data = town.folder / name
    column = None if name == "files" else "text"

    def write(word: str) -> Path:
        rows = pa.table({"text": [word]})
        path = data / "row.txt" if name == "files" else data
        path.parent.mkdir(exist_ok=True)
        with path.open("r+b" if path.exists() else "xb") as file:
            if name == "files":
                file.write(word.encode())
            elif name.endswith(".parquet"):
                pq.write_table(rows, file, compression="none")
            elif name.endswith(".arrow"):
                with pa.ipc.new_file(file, rows.schema) as sink:
                    sink.write_table(rows)
            elif name.endswith(".csv"):
                file.write(f"text\n{word}\n".encode())
            else:
                line = json.dumps({"text": word}).encode() + b"\n"
                file.write(gzip.compress(line, mtime=0) if name.endswith(".gz") else line)
        return path

    path = write("good")
    real = Staging.submit

    def swapping(self: Staging, *arguments: Any) -> Any:
        status = path.stat()
        write("evil")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert path.stat().st_size == status.st_size
        return real(self, *arguments)

    monkeypatch.setattr(Staging, "submit", swapping)
    out = town.folder / f"out-{name}"
    with refused("file-changed"):
        town.gate(data, column=column, folder_is="files" if name == "files" else None, admitted=out)
    assert not out.exists()
