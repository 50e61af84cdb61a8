"""Outputs come together whole or not at all: interrupted anywhere, on a full disk, over what is there, inside what is read."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.datasets import outputs
from ledger.datasets.crew import Crew
from ledger.datasets.dataset import Dataset, open_dataset
from ledger.datasets.files import Fingerprint
from ledger.datasets.formats import Format
from ledger.datasets.looking import look
from ledger.datasets.staging import Staging
from ledger.datasets.writing import join_pieces
from ledger.errors import StoreFault
from tests.test_datasets.carriers import write_jsonl, write_parquet
from tests.test_datasets.refusals import refused


def shards(folder: Path) -> Path:
    for at, (name, write) in enumerate(
        {"a/x.jsonl": write_jsonl, "b=1/x.parquet": write_parquet, "b=2/x.jsonl": write_jsonl}.items()
    ):
        (folder / name).parent.mkdir(parents=True)
        write(folder / name, [{"text": f"{at} {row}"} for row in range(9)])
    return folder


def files(folder: Path) -> Path:
    for name in ("a.md", "b/c.md", "b/d.md", "e.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def flags(dataset: Dataset, keep: Callable[[int], bool], size: int) -> dict[Any, bytes]:
    found: dict[Any, bytearray] = {segment: bytearray() for segment in dataset.segments(size)}
    with Crew(0) as crew:
        for run in look(crew, dataset, None, segments=list(found)):
            found[run.segment] += bytes(keep(run.row_index + at) for at in range(run.batch.row_count))
    return {segment: bytes(row) for segment, row in found.items()}


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def digests(named: Path) -> list[bytes]:
    return [row.digest for row in open_dataset(named).rows(None)]  # type: ignore[union-attr]


def test_shards_are_written_as_the_same_tree(tmp_path: Path) -> None:
    dataset = open_dataset(shards(tmp_path / "in"))
    found = flags(dataset, lambda row: row % 2 == 0 or row < 9, 40)
    staging = Staging(tmp_path / "out", dataset, list(found))
    with Crew(2) as crew:
        assert sum(each.result() for each in [staging.submit(crew, *item) for item in found.items()]) == 18
    assert staging.publish() == tmp_path / "out"
    assert list(tree(tmp_path / "out")) == ["a/x.jsonl", "b=1/x.parquet", "b=2/x.jsonl"]
    assert digests(tmp_path / "out") == [
        digest for at, digest in enumerate(digests(tmp_path / "in")) if at % 2 == 0 or at < 9
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_a_part_of_which_nothing_is_kept_is_left_out_of_the_tree(tmp_path: Path) -> None:
    dataset = open_dataset(shards(tmp_path / "in"))
    found = flags(dataset, lambda row: row == 0, 40)
    staging = Staging(tmp_path / "out", dataset, list(found))
    for segment, keep in found.items():
        staging.write(segment, keep)
    staging.publish()
    assert list(tree(tmp_path / "out")) == ["a/x.jsonl"]


@pytest.mark.parametrize("size", [3, 10**9])
def test_files_are_copied_as_the_same_tree(tmp_path: Path, size: int) -> None:
    dataset = open_dataset(files(tmp_path / "in"))
    found = flags(dataset, lambda row: row != 1, size)
    staging = Staging(tmp_path / "out", dataset, list(found))
    for segment, keep in found.items():
        staging.write(segment, keep)
    staging.publish()
    assert tree(tmp_path / "out") == {name: name.encode() for name in ("a.md", "b/d.md", "e.md")}
    (tmp_path / "in" / "a.md").write_text("changed")
    assert (tmp_path / "out" / "a.md").read_text() == "a.md"


def test_a_file_that_changes_is_not_copied(tmp_path: Path) -> None:
    dataset = open_dataset(files(tmp_path / "in"))
    staging = Staging(tmp_path / "out", dataset)
    (tmp_path / "in" / "b" / "c.md").write_text("b/x.md")
    (segment,) = dataset.segments()
    with refused("file-changed", "c.md"):
        staging.write(segment, b"\1" * 4)
    assert not staging.has(segment)
    assert tree(tmp_path / "out.partial") == {}


@pytest.mark.parametrize("make", [shards, files])
def test_an_interrupted_run_goes_on_behind_its_finished_pieces(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    dataset = open_dataset(make(tmp_path / "in"))
    found = flags(dataset, lambda row: row % 3 != 0, 5)
    segments = list(found)
    for done in range(len(segments) + 1):
        staging = Staging(tmp_path / "out", dataset, segments)
        if done < len(segments):
            with refused("output-unfinished"):
                staging.publish()
        assert [staging.has(segment) for segment in segments] == [at < done for at in range(len(segments))]
        if done < len(segments):
            staging.write(segments[done], found[segments[done]])
    Staging(tmp_path / "out", open_dataset(tmp_path / "in"), segments).publish()
    kept = [digest for at, digest in enumerate(digests(tmp_path / "in")) if at % 3 != 0]
    assert digests(tmp_path / "out") == kept


def _two_of_three(row: int) -> bool:
    return row % 3 != 0


def calls(monkeypatch: pytest.MonkeyPatch, fail_at: int) -> list[str]:
    """Counts what writes to the disk, and lets one of them fail."""
    made: list[str] = []

    def counted(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def replacement(*args: Any, **options: Any) -> Any:
            if "partial" in repr(args) or "out" in repr(args) or name == "fsync":
                made.append(name)
                if len(made) - 1 == fail_at:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return original(*args, **options)

        monkeypatch.setattr(owner, name, replacement)

    for owner, name in ((os, "fsync"), (os, "link"), (Path, "replace"), (Path, "rename"), (Path, "mkdir")):
        counted(owner, name)
    return made


@pytest.mark.parametrize("make", [shards, files])
def test_a_disk_that_fails_anywhere_leaves_no_half_output_and_the_next_run_ends_it(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    make(tmp_path / "in")
    at = 0
    while True:
        out = tmp_path / f"out{at}"

        def run(out: Path = out) -> None:
            dataset = open_dataset(tmp_path / "in")
            found = flags(dataset, _two_of_three, 60)
            staging = Staging(out, dataset, list(found))
            for segment, keep in found.items():
                if not staging.has(segment):
                    staging.write(segment, keep)
            staging.publish()

        error: StoreFault | None = None
        with pytest.MonkeyPatch.context() as patch:
            calls(patch, at)
            try:
                run()
            except StoreFault as fault:
                error = fault
        if error is not None:
            assert error.code == "output-failed"
            assert "No space left" in error.reason
            if not out.exists():
                run()
        assert digests(out) == [digest for row, digest in enumerate(digests(tmp_path / "in")) if row % 3 != 0]
        if error is None:
            break
        at += 1
    assert at > 10


def test_a_file_is_on_the_medium_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        made.append("file" if stat.S_ISREG(os.fstat(descriptor).st_mode) else "folder")
        fsync(descriptor)

    def replaced(path: Path, target: Path) -> Path:
        made.append("name")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    with outputs.writing(tmp_path / "a") as file:
        file.write(b"a")
    assert made == ["file", "name", "folder"]
    made.clear()
    outputs.give_name(tmp_path / "a", tmp_path / "b")
    assert made == ["folder"]


def test_what_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"before")

    def fail() -> None:
        with outputs.writing(tmp_path / "a") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert tree(tmp_path) == {"a": b"before"}


def test_nothing_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, [{"text": "a"}])
    dataset = open_dataset(path)
    out = tmp_path / "out.jsonl"
    out.write_bytes(b"mine")
    with refused("file-exists", "out.jsonl"):
        Staging(out, dataset)
    out.unlink()
    staging = Staging(out, dataset)
    (segment,) = dataset.segments()
    staging.write(segment, b"\1")
    out.write_bytes(b"mine")  # meanwhile
    with refused("file-exists", "out.jsonl"):
        staging.publish()
    assert out.read_bytes() == b"mine"
    with refused("file-exists"):
        Staging(path, dataset)
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "nowhere")
    with refused("file-exists", "link.jsonl"):
        Staging(tmp_path / "link.jsonl", dataset)


def test_where_links_are_not_to_be_had_a_name_is_given_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "a").write_bytes(b"a")
    outputs.give_name(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"a"
    (tmp_path / "c").write_bytes(b"c")
    with refused("file-exists"):
        outputs.give_name(tmp_path / "c", tmp_path / "b")


@pytest.mark.parametrize("out", ["in/out", "in/b=1/out", "in", "."])
def test_an_output_does_not_lie_in_its_input_nor_over_it(tmp_path: Path, out: str) -> None:
    dataset = open_dataset(shards(tmp_path / "in"))
    with refused("file-exists" if (tmp_path / out).exists() else "output-in-input"):
        Staging(tmp_path / out, dataset)
    with refused("output-in-input"):
        Staging(tmp_path / "in" / "new", open_dataset(str(tmp_path / "in" / "**" / "*.jsonl")))


@pytest.mark.parametrize(
    ("name", "fix"), [("out.parquet", "out.jsonl"), ("out.jsonl.gz", "out.jsonl"), ("out.csv", "out.jsonl")]
)
def test_an_output_whose_name_says_another_format_is_refused(tmp_path: Path, name: str, fix: str) -> None:
    write_jsonl(tmp_path / "rows.jsonl", [{"text": "a"}])
    with pytest.raises(Exception, match="another") as caught:
        Staging(tmp_path / name, open_dataset(tmp_path / "rows.jsonl"))
    assert caught.value.code == "output-format"  # type: ignore[attr-defined]
    assert caught.value.fix.endswith(fix)  # type: ignore[attr-defined]


def test_nothing_kept_of_one_file_is_a_file_without_rows(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "rows.jsonl", [{"text": "a"}])
    dataset = open_dataset(tmp_path / "rows.jsonl")
    staging = Staging(tmp_path / "out.jsonl", dataset)
    staging.write(dataset.segments()[0], b"\0")
    assert staging.publish().read_bytes() == b""


@pytest.mark.parametrize("is_refusal", [True, False])
@pytest.mark.parametrize("calls", [0, 1, 2])
def test_pieces_are_joined_whole_wherever_the_system_stops_to_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int, is_refusal: bool
) -> None:
    """A file system may refuse to copy by itself, at once or in between, or say that it has come to the end."""
    if not hasattr(os, "copy_file_range"):
        pytest.skip("this system copies no files by itself: it takes Linux")
    pieces = [tmp_path / name for name in ("one", "two", "three")]
    for piece in pieces:
        piece.write_bytes((piece.name + "\n").encode() * 5_000)
    real, done = os.copy_file_range, list[int]()

    def stopping(source: int, target: int, count: int) -> int:
        if len(done) < calls:
            done.append(source)
            return real(source, target, min(count, 1_000))
        if is_refusal:
            raise OSError(errno.EXDEV, "refused")
        return 0

    monkeypatch.setattr(os, "copy_file_range", stopping)
    out = tmp_path / "out"
    join_pieces(tmp_path / "d.jsonl", Format("jsonl"), Fingerprint(0, 0, 0, 0, 0), pieces, out)
    assert out.read_bytes() == b"".join(piece.read_bytes() for piece in pieces)
